// What must be the same for a sandbox that was made in advance to be what one would be that is made now.
import { mkdirSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { areOnFileSystemsOf, mountsIn, statesOf } from '../../../../src/sandbox/linux/sources.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'warder-sources-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** A time by which a file has settled. */
const later = (): number => Date.now() + 60_000;

test('W-BOX-40 a file that was changed, replaced, removed or made has another state', () => {
  const [a, b, none] = ['a', 'b', 'none'].map((name) => join(dir, name)) as [string, string, string];
  writeFileSync(a, 'one');
  writeFileSync(b, 'one');
  const states = () => statesOf([a, none], later());
  const first = states();
  expect(first).toHaveLength(2);
  expect(states()).toEqual(first);

  writeFileSync(a, 'longer');
  const changed = states();
  expect(changed).not.toEqual(first);
  renameSync(b, a);
  const replaced = states();
  expect(replaced).not.toEqual(changed);
  writeFileSync(none, '');
  const made = states();
  expect(made).not.toEqual(replaced);
  rmSync(a);
  expect(states()).not.toEqual(made);
});

test('W-BOX-40 a file that has just changed has no state, since it may change once more in the same moment', () => {
  const file = join(dir, 'a');
  writeFileSync(file, 'one');
  const { ctimeMs } = statSync(file);
  expect(statesOf([file], ctimeMs)).toBeUndefined();
  expect(statesOf([file], ctimeMs + 1999)).toBeUndefined();
  // A clock that was put back.
  expect(statesOf([file], ctimeMs - 1000)).toBeUndefined();
  expect(statesOf([file], ctimeMs + 2001)).toHaveLength(1);
});

test('W-BOX-40 what is mounted at or below a folder is found, whatever its name is, and nothing beside it', () => {
  const line = (at: string): string => `36 35 98:0 / ${at} rw,noatime master:1 - ext3 /dev/root rw`;
  const mountinfo = [
    '/',
    '/usr',
    '/usr/local',
    '/usrlocal',
    '/home/a\\040b/c',
    '/srv/\\134x',
    '/srv/\xc3\xa9',
  ]
    .map(line)
    .concat('')
    .join('\n');
  const found = (...folders: string[]): string[] =>
    mountsIn(folders, mountinfo).map((each) => each.split(' ')[4] ?? '');
  expect(found('/usr')).toEqual(['/usr', '/usr/local']);
  expect(found('/usr/local/lib')).toEqual([]);
  expect(found('/home/a b', '/srv/\\x')).toEqual(['/home/a\\040b/c', '/srv/\\134x']);
  expect(found('/srv/é')).toEqual(['/srv/\xc3\xa9']);
  expect(found()).toEqual([]);
});

test('W-BOX-40 what is on another file system, or has one mounted in it, is told from what is not', () => {
  const here = [{ path: dir, folder: true }];
  const line = (at: string): string => `40 25 0:27 / ${at} rw,relatime shared:1 - tmpfs tmpfs rw`;
  expect(areOnFileSystemsOf([dir], here, line('/elsewhere'))).toBe(true);
  expect(areOnFileSystemsOf(['/none', dir], here, '')).toBe(true);
  expect(areOnFileSystemsOf(['/proc'], here, '')).toBe(false);
  expect(areOnFileSystemsOf([dir], [...here, { path: '/proc', folder: true }], '')).toBe(false);
  expect(areOnFileSystemsOf([dir], [{ path: '/proc/version', folder: false }], '')).toBe(false);
  expect(areOnFileSystemsOf([dir], [{ path: join(dir, 'file'), folder: false }], '')).toBe(true);
  // Nobody can look at what is gone, or behind a folder that is closed: a fallen mount, for one.
  expect(areOnFileSystemsOf(['/none'], [{ path: '/none', folder: true }], '')).toBe(false);
  expect(areOnFileSystemsOf([dir], here, line(join(dir, 'gone')))).toBe(false);
  // Something is mounted at a folder, or below, whatever its name is.
  const both = [{ path: '/', folder: true }];
  expect(areOnFileSystemsOf(['/'], both, '')).toBe(true);
  expect(areOnFileSystemsOf(['/'], both, line('/proc'))).toBe(false);
  expect(areOnFileSystemsOf(['/', '/proc'], both, line('/proc'))).toBe(true);
  const named = join(dir, 'ä b');
  mkdirSync(named);
  const escaped = Buffer.from(named).toString('latin1').replaceAll(' ', '\\040');
  expect(areOnFileSystemsOf([dir], here, line(escaped))).toBe(true);
});
