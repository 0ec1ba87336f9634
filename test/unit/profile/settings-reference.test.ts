// profiles/settings.md is the reference of `warder.yaml`: it has every key, with the default that the code gives it.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { parseSettings } from '../../../src/profile/settings.ts';

const text = readFileSync(join(import.meta.dirname, '../../../profiles/settings.md'), 'utf8');
const rows = [...text.matchAll(/^\| `([a-z.-]+)` \| [^|]+ \| (?:`([^`|]+)`|–) \| [^|]+ \|$/gm)].map(
  ([, key = '', value]) => ({ key, value }),
);

/** The paths of all settings, with dots, and their values. Lists are values. */
function leaves(settings: object, prefix = ''): [key: string, value: unknown][] {
  return Object.entries(settings).flatMap(([key, value]) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? leaves(value, `${prefix}${key}.`)
      : [[`${prefix}${key}`, value] as [string, unknown]],
  );
}

/** A value in nested objects, by a path with dots. */
function nest(path: string, value: unknown): Record<string, unknown> {
  const [first = '', ...rest] = path.split('.');
  return { [first]: rest.length === 0 ? value : nest(rest.join('.'), value) };
}

function isMap(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The members of both; members that are objects in both are merged. */
function merge(a: unknown, b: unknown): unknown {
  if (!isMap(a) || !isMap(b)) return b ?? a;
  const all = { ...a, ...b } as Record<string, unknown>;
  const first = a as Record<string, unknown>;
  return Object.fromEntries(Object.entries(all).map(([key, value]) => [key, merge(first[key], value)]));
}

test('the reference has every setting, once', () => {
  expect(rows.map(({ key }) => key).sort()).toEqual(
    leaves(parseSettings('', 'warder.yaml'))
      .map(([key]) => key)
      .sort(),
  );
});

test('the defaults in the reference are those of the code', () => {
  const documented = rows
    .flatMap(({ key, value }) => (value === undefined ? [] : [nest(key, parse(value))]))
    .reduce<unknown>(merge, {});
  const defaults = parseSettings('', 'warder.yaml');
  expect(parseSettings(JSON.stringify(documented), 'warder.yaml')).toEqual(defaults);
  const without = rows.filter(({ value }) => value === undefined).map(({ key }) => key);
  expect(without).toEqual(
    leaves(defaults).flatMap(([key, value]) =>
      value === undefined || (Array.isArray(value) && value.length === 0) ? [key] : [],
    ),
  );
});

test('the example in the reference can be read', () => {
  const example = /\n\n((?: {4}.*\n)+)\n/.exec(text)?.[1] ?? '';
  expect(parseSettings(example.replaceAll(/^ {4}/gm, ''), 'warder.yaml')).toMatchObject({
    store: 'vault',
    daemon: { idle: 3_600_000 },
    egress: { proxy: 'http://proxy:3128' },
  });
});
