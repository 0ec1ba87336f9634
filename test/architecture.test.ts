// Holds the source to its plan: which room may import which, that a room's subfolders are private, and that the documents
// which describe the rooms say what is there. Type imports count like any other. The linter finds circles of files.
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import rooms from '../src/rooms.json' with { type: 'json' };
import { section } from './fixtures/document.ts';

const root = join(import.meta.dirname, '..');
const table = new Map(Object.entries(rooms as Record<string, { is: string; imports: string[] }>));
const programs = [...table.keys()].filter(
  (room) => room !== 'errors' && existsSync(join(root, `src/${room}.ts`)),
);

function read(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}

/** The room of a file below `src/`: its first folder, or the file itself where it lies in none. */
function roomOf(file: string): string {
  return (file.split('/')[1] ?? '').replace(/\.ts$/, '');
}

/** Each source file with the source files that it imports, types included. */
const imports = new Map(
  globSync('src/**/*.ts', { cwd: root }).map((file) => {
    const specifiers = read(file).matchAll(/(?:^|\s)(?:from|import)\s*\(?\s*'(\.{1,2}\/[^']+\.ts)'/gm);
    return [file, [...specifiers].map((match) => join(file, '..', match[1] ?? ''))] as const;
  }),
);

/** How many floors lie below a room. Throws where the table itself has a circle. */
function floorOf(room: string, above: readonly string[] = []): number {
  if (above.includes(room)) throw new Error(`a circle of rooms: ${[...above, room].join(' -> ')}`);
  const below = table.get(room)?.imports ?? [];
  return below.length === 0 ? 0 : 1 + Math.max(...below.map((other) => floorOf(other, [...above, room])));
}

test('every import leads to a file', () => {
  const missing = [...imports].flatMap(([file, to]) =>
    to.filter((other) => !imports.has(other)).map((other) => [file, other]),
  );
  expect(missing).toEqual([]);
});

test('a room imports only what the table of rooms allows, and the table allows nothing that no file imports', () => {
  const found = new Map([...table.keys()].map((room) => [room, new Set<string>()]));
  for (const [file, to] of imports)
    for (const other of to) if (roomOf(file) !== roomOf(other)) found.get(roomOf(file))?.add(roomOf(other));
  const used = [...found].map(([room, others]) => [room, [...others].sort()]);
  expect(Object.fromEntries(used)).toEqual(
    Object.fromEntries([...table].map(([room, { imports: allowed }]) => [room, allowed.toSorted()])),
  );
});

test('what is in a subfolder of a room is imported from within the room only', () => {
  const strangers = [...imports].flatMap(([file, to]) =>
    to
      .filter((other) => roomOf(file) !== roomOf(other) && other.split('/').length > 3)
      .map((other) => `${file} -> ${other}`),
  );
  expect(strangers).toEqual([]);
});

test('the picture and the table of src/README.md are those of rooms.json', () => {
  const floors = Map.groupBy(table.keys(), (room) => floorOf(room));
  const picture = [...floors.keys()]
    .sort((one, other) => other - one)
    .map((floor) => `    ${String(floor).padStart(2)}  ${(floors.get(floor) ?? []).join('  ')}`);
  const document = read('src/README.md');
  expect(
    section(document, 'Floors')
      .trimEnd()
      .split('\n')
      .filter((line) => line.startsWith('    ')),
  ).toEqual(picture);
  const rows = [...table].map(
    ([room, { is }]) => `| \`${room}${existsSync(join(root, `src/${room}.ts`)) ? '.ts' : '/'}\` | ${is} |`,
  );
  expect(
    section(document, 'What the rooms are')
      .split('\n')
      .filter((line) => line.startsWith('| `')),
  ).toEqual(rows);
});

test('programs are imported by nobody', () => {
  const importers = [...imports].flatMap(([file, to]) =>
    to.filter((other) => programs.includes(roomOf(other))).map((other) => `${file} -> ${other}`),
  );
  expect(importers).toEqual([]);
});

test("the newcomer's walk has three lines a path, and each file that it names exists", () => {
  const walk = section(read('README.md'), 'Development')
    .split('\n')
    .filter((line) => line.startsWith('    '));
  const starts = walk
    .map((line) => /^ {4}(a [a-z ]*[a-z]) {2,}/.exec(line)?.[1])
    .filter((name) => name !== undefined);
  expect(starts).toEqual(['a tool call', 'a credential', 'a connection']);
  expect(walk).toHaveLength(9);
  const named = walk.flatMap((line) => line.match(/src\/[a-z/-]+\.ts/g) ?? []);
  expect(named.length).toBeGreaterThanOrEqual(9);
  expect(named.filter((file) => !imports.has(file))).toEqual([]);
});
