import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { pathChoice } from '../../../src/commands/add/path-questions.ts';
import type { Context } from '../../../src/commands/command.ts';
import { type ListedPaths, listPaths, namedPaths } from '../../../src/commands/profile/named-paths.ts';
import type { ServerPreview } from '../../../src/commands/profile/preview.ts';
import { WarderError } from '../../../src/errors.ts';

let folder = '';

beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'warder-named-')));
  mkdirSync(join(folder, 'notes'));
  writeFileSync(join(folder, 'config.json'), '');
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('files and folders that exist are named by an argument, its value, or a path from the working folder', () => {
  const args = [`${folder}/notes`, `--config=${folder}/config.json`, '--notes', `${folder}/notes`, '-v', ''];
  expect(namedPaths(args, undefined)).toEqual([`${folder}/notes`, `${folder}/config.json`]);
  expect(namedPaths(['./notes', 'config.json', '../gone'], folder)).toEqual([
    `${folder}/notes`,
    `${folder}/config.json`,
  ]);
  // A word that is only by chance the name of a file, without a working folder, names none.
  expect(namedPaths(['./notes', 'notes'], undefined)).toEqual([]);
  expect(namedPaths(['notes'], folder)).toEqual([]);
});

test('URLs, options, system folders, devices and what does not exist name nothing', () => {
  const args = [
    `file://${folder}/notes`,
    '/usr/bin/env',
    '/dev/null',
    '/etc/passwd',
    '/proc/self',
    `${folder}/gone`,
  ];
  expect(namedPaths(args, folder)).toEqual([]);
});

/** A sandbox that refuses `/secret`. */
const preview =
  (there: readonly string[]) =>
  ({ read, write }: ListedPaths): ServerPreview['sandbox'] =>
    [...read, ...write].includes('/secret')
      ? new WarderError('profile-invalid', 'no sandbox may contain it')
      : ({ read: [...there, ...read], write: ['/out', ...write] } as unknown as ServerPreview['sandbox']);

test('W-BOX-3 what is named is listed unless it is there already, and never if no sandbox may contain it', async () => {
  const refused: string[] = [];
  const listed = await listPaths(
    ['/project/server.js', '/notes', '/secret', '/notes/today', '/out/x', '/data', '/left', '/data/x'],
    preview(['/project']),
    (path, why) => {
      if (why !== undefined) refused.push(`${path}: ${why.message}`);
      if (why !== undefined || path === '/left') return 'nothing';
      return path === '/data' ? 'write' : 'read';
    },
  );
  expect(listed).toEqual({ read: ['/notes'], write: ['/data'] });
  expect(refused).toEqual(['/secret: no sandbox may contain it']);
});

test('without a sandbox, or if it is refused anyway, nothing is listed', async () => {
  for (const sandbox of [undefined, new WarderError('profile-invalid', 'broken')])
    expect(
      await listPaths(
        ['/notes'],
        () => sandbox,
        () => 'read',
      ),
    ).toEqual({ read: [], write: [] });
});

/** Asks about one path. */
async function choose(
  args: { from?: string; 'reads-named'?: (path: string) => boolean },
  {
    interactive = false,
    json = false,
    refused,
  }: { interactive?: boolean; json?: boolean; refused?: WarderError } = {},
): Promise<{ use: string; notes: string[]; offered: string[]; said: string[] }> {
  const notes: string[] = [];
  const offered: string[] = [];
  const said: string[] = [];
  const terminal = {
    interactive,
    err: (line: string) => void said.push(line),
    // The first answer.
    select: async (_question: string, options: { value: string }[]) => {
      offered.push(...options.map(({ value }) => value));
      return options[0];
    },
  };
  const ask = pathChoice(
    { terminal, json } as unknown as Context,
    { name: 'a', from: undefined, ...args },
    notes,
  );
  return { use: await ask('/notes', refused), notes, offered, said };
}

test('W-BOX-37 where nobody is asked, what the arguments name is not given to the server, and that is said', async () => {
  for (const asking of [{}, { interactive: true, json: true }]) {
    const { use, notes, offered } = await choose({}, asking);
    expect([use, offered]).toEqual(['nothing', []]);
    expect(notes).toEqual([expect.stringMatching(/"--read \/notes" lists it.*"--write \/notes"/)]);
  }
  const imported = await choose({ 'reads-named': () => true });
  expect(imported).toMatchObject({ use: 'read', notes: [expect.stringContaining('sandbox.read: /notes')] });
});

test('W-BOX-37 at a terminal it is asked; of what others describe the first answer gives nothing', async () => {
  expect(await choose({}, { interactive: true })).toMatchObject({
    use: 'read',
    offered: ['read', 'write', 'nothing'],
    notes: [],
  });
  expect(await choose({ from: 'server.json' }, { interactive: true })).toMatchObject({
    use: 'nothing',
    offered: ['nothing', 'read', 'write'],
  });
  const refused = new WarderError('profile-invalid', 'it holds keys', { hint: 'list less' });
  expect(await choose({}, { interactive: true, refused })).toMatchObject({
    use: 'nothing',
    said: ['it holds keys (list less)'],
  });
  expect(await choose({ 'reads-named': () => true }, { refused })).toMatchObject({
    use: 'nothing',
    notes: [expect.stringContaining('stays out of its sandbox: it holds keys')],
  });
});
