// What holds the tree together: lint, types, and documents that say what the code does.
import { execFile } from 'node:child_process';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import manifest from '../package.json' with { type: 'json' };
import { listServers } from '../scripts/servers-list.js';
import { EXIT } from '../src/errors.ts';
import { section } from './fixtures/document.ts';

const root = join(import.meta.dirname, '..');
const run = promisify(execFile);

function read(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}

/** What a command prints and how it ends, as one text: empty when it ends well. */
async function complaints(...argv: string[]): Promise<string> {
  try {
    await run(process.execPath, argv, { cwd: root, maxBuffer: 1 << 26 });
    return '';
  } catch (error) {
    return `${(error as { stdout?: string }).stdout ?? ''}${(error as { stderr?: string }).stderr ?? ''}`;
  }
}

function sorted(items: Iterable<string>): string[] {
  return [...new Set(items)].sort();
}

const id = /\bW-[A-Z]+-\d+\b/g;
const tests = globSync('test/**/*.test.ts', { cwd: root });

/**
 * Ids in the names of tests: the first string after `test(`, `it(`, `test.each(…)(` and the like. A name with `$id`
 * in it takes the ids of its table's rows.
 */
function cited(file: string): string[] {
  const text = read(file);
  const names = text.matchAll(
    /\b(?:test|it|describe)(?:\.\w+)*\s*\([^'"`]*(['"`])((?:(?!\1).)*)\1|\)\(\s*(['"`])((?:(?!\3).)*)\3/g,
  );
  const rows = [...text.matchAll(/\bid: '(W-[A-Z]+-\d+)'/g)].map((match) => match[1] ?? '');
  return [...names].flatMap((match) => {
    const name = match[2] ?? match[4] ?? '';
    return name.includes('$id') ? rows : (name.match(id) ?? []);
  });
}

test('the linter and the formatter find nothing', async () => {
  expect(await complaints('node_modules/@biomejs/biome/bin/biome', 'check', '--error-on-warnings', '.')).toBe(
    '',
  );
}, 60_000);

test('the types hold', async () => {
  expect(await complaints('node_modules/typescript/bin/tsc', '--noEmit')).toBe('');
}, 120_000);

test('each promise of SECURITY.md is proved by a test that cites its id, and no test cites another', () => {
  const promised = sorted(
    [...read('SECURITY.md').matchAll(/^\| (W-[A-Z]+-\d+) \|/gm)].map((match) => match[1] ?? ''),
  );
  expect(promised.length).toBeGreaterThan(0);
  expect(sorted(tests.flatMap(cited))).toEqual(promised);
});

test('each error code has its entry in src/errors.md, with its exit code, and no entry is of another', () => {
  const entries = [...section(read('src/errors.md'), 'Errors').matchAll(/^\| `([a-z-]+)` \| (\d+) \|/gm)];
  expect(Object.fromEntries(entries.map((entry) => [entry[1], Number(entry[2])]))).toEqual(EXIT);
});

test('each package that Warder needs stands in the README with its reason and what would replace it, and is pinned', () => {
  const needed = { ...manifest.dependencies, ...manifest.optionalDependencies };
  const rows = [
    ...section(read('README.md'), 'Dependencies').matchAll(/^\| `([^`]+)` \| ([^|]+\S) *\| ([^|]+\S) *\|/gm),
  ];
  expect(sorted(rows.map((row) => row[1] ?? ''))).toEqual(sorted(Object.keys(needed)));
  for (const version of Object.values({ ...needed, ...manifest.devDependencies }))
    expect(version).toMatch(/^\d+\.\d+\.\d+(-[a-z]+\.\d+)?$/);
});

test('each server that scripts/servers calls has its row in the README, in the order of its list', () => {
  const rows = [...section(read('README.md'), 'Real servers').matchAll(/^\| ([a-z0-9-]+) \| `/gm)];
  const listed = listServers({ notes: '/notes', port: 1, password: 'x' });
  const named = rows.map((row) => row[1]);
  expect(named).toEqual(listed.flatMap(({ name }) => (named.includes(name) ? [name] : [])));
  const called = listed.filter(({ call }) => call !== undefined).map(({ name }) => name);
  expect(called.filter((name) => !named.includes(name))).toEqual([]);
});

test('every code is thrown somewhere', () => {
  const source = globSync('src/**/*.ts', { cwd: root, exclude: ['src/errors.ts'] })
    .map(read)
    .join('\n');
  expect(Object.keys(EXIT).filter((code) => !source.includes(`'${code}'`))).toEqual([]);
});

test('each link of a document to a file of the tree leads to one', () => {
  const dead = globSync(['*.md', '{profiles,src,test}/**/*.md'], { cwd: root }).flatMap((document) =>
    [...read(document).matchAll(/\]\((?!https?:|#)([^)#]+)/g)]
      .map((match) => join(document, '..', match[1] ?? ''))
      .filter((path) => !existsSync(join(root, path)))
      .map((path) => `${document} -> ${path}`),
  );
  expect(dead).toEqual([]);
});
