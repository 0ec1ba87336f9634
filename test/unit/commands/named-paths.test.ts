import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { namedPaths, pathsToRead } from '../../../src/commands/profile/named-paths.ts';
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

/** A sandbox that refuses `secret`. */
const preview =
  (there: readonly string[]) =>
  (read: readonly string[]): ServerPreview['sandbox'] =>
    read.includes('/secret')
      ? new WarderError('profile-invalid', 'no sandbox may contain it')
      : ({ read: [...there, ...read], write: ['/out'] } as unknown as ServerPreview['sandbox']);

test('W-BOX-3 what is named is listed unless it is there already, and never if no sandbox may contain it', () => {
  const refused: string[] = [];
  const chosen = pathsToRead(
    ['/project/server.js', '/notes', '/secret', '/notes/today', '/out/x'],
    preview(['/project']),
    (path) => refused.push(path),
  );
  expect(chosen).toEqual(['/notes']);
  expect(refused).toEqual(['/secret']);
});

test('without a sandbox, or if it is refused anyway, nothing is listed', () => {
  for (const sandbox of [undefined, new WarderError('profile-invalid', 'broken')]) {
    expect(
      pathsToRead(
        ['/notes'],
        () => sandbox,
        () => {},
      ),
    ).toEqual([]);
  }
});
