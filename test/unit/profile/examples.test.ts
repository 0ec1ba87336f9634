import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { expect, test } from 'vitest';
import { file, text } from '../../../scripts/schema.js';
import { formatProfile } from '../../../src/profile/draft.ts';
import { parseProfile } from '../../../src/profile/format.ts';
import { detectSecret } from '../../../src/profile/variable.ts';

const folder = join(import.meta.dirname, '../../../profiles');
const names = globSync('*.yaml', { cwd: folder }).map((path) => basename(path, '.yaml'));

test('there are examples of the ten most used servers', () => {
  const most = ['github', 'filesystem', 'memory', 'notion', 'slack', 'postgres', 'playwright', 'context7'];
  expect(names).toEqual(expect.arrayContaining([...most, 'brave-search', 'sentry']));
});

test.each(names)('the example %s is a valid profile and names its schema', (name) => {
  const source = readFileSync(join(folder, `${name}.yaml`), 'utf8');
  const profile = parseProfile(source, `${name}.yaml`, name);
  expect(profile.description).toBeDefined();
  expect(source.startsWith('# yaml-language-server: $schema=./schema.json\n')).toBe(true);
  // The id of a key that signs is in each request: it is no secret. This one is of AWS's own documentation.
  expect(detectSecret(source.replace('AKIAIOSFODNN7EXAMPLE', ''))).toBeUndefined();
});

test.each(names)('the example %s written with its defaults is the same profile', (name) => {
  const profile = parseProfile(readFileSync(join(folder, `${name}.yaml`), 'utf8'), name, name);
  expect(parseProfile(formatProfile(profile), name, name)).toEqual(profile);
});

test('the examples for services that speak HTTP keep their secrets sealed', () => {
  for (const name of ['github', 'slack', 'notion', 'context7', 'brave-search', 'sentry', 'aws']) {
    const { credentials } = parseProfile(readFileSync(join(folder, `${name}.yaml`), 'utf8'), name, name);
    expect(credentials.map(({ deliver }) => deliver)).toEqual(['sealed']);
  }
});

test.each(names)('the documentation names the example %s', (name) => {
  expect(readFileSync(join(folder, 'README.md'), 'utf8')).toContain(`(${name}.yaml)`);
});

test('the JSON Schema for editors is generated from the current schema of profiles', () => {
  expect(readFileSync(file, 'utf8'), 'stale: run "node scripts/schema.js"').toBe(text());
});

test('the documentation has every key of the format', () => {
  const documented = readFileSync(join(folder, 'README.md'), 'utf8');
  const keys = (schema: unknown): string[] => {
    if (typeof schema !== 'object' || schema === null) return [];
    const own = 'properties' in schema ? Object.keys(schema.properties as object) : [];
    return [...own, ...Object.values(schema).flatMap(keys)];
  };
  const all = new Set(keys(JSON.parse(readFileSync(file, 'utf8'))));
  expect(all.size).toBeGreaterThan(30);
  for (const key of all) expect(documented, key).toMatch(new RegExp(`[\`{ ]${key}[\`:]`));
});
