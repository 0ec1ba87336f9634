// Private folders that are used again: only as their first server got them.
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { writeRecord } from '../../../src/server/process-record.ts';
import { RuntimeFolder, runtimeRoots, spareFolders } from '../../../src/server/runtime-folder.ts';
import { mayUseAgain, type SpareFolders } from '../../../src/server/spare-folders.ts';

const uid = process.getuid?.() ?? -1;
const server = { pid: 4242, started: 17, boot: 'boot' };
let run = '';
let spares: SpareFolders;

beforeEach(() => {
  run = mkdtempSync(join(tmpdir(), 'warder-spare-'));
  spares = spareFolders();
});

afterEach(() => {
  spares[Symbol.dispose]();
  rmSync(run, { recursive: true, force: true });
});

const folders = (): string[] => readdirSync(join(run, 'sessions'));
const inode = (path: string): number => lstatSync(path).ino;

/** The private folder of a server that has begun. */
function begun(files: { variable: string; value: string }[] = []): RuntimeFolder {
  const folder = new RuntimeFolder(runtimeRoots(run, uid, undefined, []), files, spares);
  writeRecord(folder.path, server);
  return folder;
}

test('W-ENV-5 the next server gets what one has left as it was, under a marker of its own', async () => {
  const first = begun();
  const made = [inode(first.path), inode(first.instance.tmpdir)];
  await first[Symbol.asyncDispose]();
  await using second = begun();
  expect(second.instance.marker).not.toBe(first.instance.marker);
  expect(folders()).toEqual([second.instance.marker]);
  expect(basename(second.path)).toBe(second.instance.marker);
  expect([inode(second.path), inode(second.instance.tmpdir)]).toEqual(made);
  expect(readdirSync(second.instance.tmpdir)).toEqual([]);
  expect(JSON.parse(readFileSync(join(second.path, 'server.json'), 'utf8'))).toEqual(server);
});

/** What a server does to its folder and its TMPDIR. */
const CHANGES: Record<string, (path: string, tmp: string) => void> = {
  'a file in TMPDIR': (_, tmp) => writeFileSync(join(tmp, 'left'), 'behind'),
  'a file that was in TMPDIR': (_, tmp) => {
    writeFileSync(join(tmp, 'left'), 'behind');
    unlinkSync(join(tmp, 'left'));
  },
  'other permissions of TMPDIR': (_, tmp) => chmodSync(tmp, 0o777),
  'permissions that were others': (_, tmp) => {
    chmodSync(tmp, 0o777);
    chmodSync(tmp, 0o700);
  },
  'other times of TMPDIR': (_, tmp) => utimesSync(tmp, 0, 0),
  'another TMPDIR': (path, tmp) => {
    renameSync(tmp, join(path, 'mine'));
    mkdirSync(tmp, { mode: 0o700 });
  },
  'a link in the place of TMPDIR': (_, tmp) => {
    rmSync(tmp, { recursive: true });
    symlinkSync('/', tmp);
  },
  'no TMPDIR': (_, tmp) => rmSync(tmp, { recursive: true }),
  'a file beside it': (path) => writeFileSync(join(path, 'left'), 'behind'),
  'other permissions of the folder': (path) => chmodSync(path, 0o755),
  'another record': (path) => {
    unlinkSync(join(path, 'server.json'));
    writeFileSync(join(path, 'server.json'), '{}', { mode: 0o600 });
  },
  'a link to the record': (path) => linkSync(join(path, 'server.json'), join(run, 'link')),
  'other permissions of the record': (path) => chmodSync(join(path, 'server.json'), 0o666),
  'a link in the place of the folder': (path) => {
    renameSync(path, join(run, 'moved'));
    symlinkSync(join(run, 'moved'), path);
  },
};

test.each(Object.entries(CHANGES))('W-ENV-5 it does not with %s', async (_what, change) => {
  const first = begun();
  change(first.path, first.instance.tmpdir);
  await first[Symbol.asyncDispose]();
  await using second = begun();
  expect(readdirSync(second.instance.tmpdir)).toEqual([]);
  expect(lstatSync(second.instance.tmpdir).mode & 0o7777).toBe(0o700);
  expect(lstatSync(second.path).mode & 0o7777).toBe(0o700);
  expect(lstatSync(second.path).isDirectory()).toBe(true);
  expect(folders()).toContain(second.instance.marker);
});

test.each(Object.entries(CHANGES))(
  'W-ENV-5 nor where that comes after its end: %s',
  async (_what, change) => {
    const first = begun();
    const { path, instance } = first;
    await first[Symbol.asyncDispose]();
    expect(existsSync(path)).toBe(true);
    change(path, instance.tmpdir);
    await using second = begun();
    expect(readdirSync(second.instance.tmpdir)).toEqual([]);
    expect(lstatSync(second.instance.tmpdir).mode & 0o7777).toBe(0o700);
    expect(readdirSync(second.path).toSorted()).toEqual(['server.json', 'tmp']);
    expect(JSON.parse(readFileSync(join(second.path, 'server.json'), 'utf8'))).toEqual(server);
  },
);

test('W-ENV-5 none where the sandbox keeps servers apart by these folders', () => {
  const kinds = [undefined, 'bubblewrap', 'landlock', 'seatbelt'] as const;
  expect(kinds.filter(mayUseAgain)).toEqual([undefined, 'bubblewrap']);
});

test('W-ENV-4 credential files are gone when the server ends, though its folder is kept', async () => {
  const first = begun([{ variable: 'TOKEN', value: 'secret' }]);
  await first[Symbol.asyncDispose]();
  expect(folders()).toEqual([first.instance.marker]);
  expect(existsSync(first.instance.credentials)).toBe(false);
});

test('a bounded number is kept, and none when the daemon ends', async () => {
  const all = Array.from({ length: 140 }, () => begun());
  await Promise.all(all.map((each) => each[Symbol.asyncDispose]()));
  expect(folders().length).toBe(128);
  const last = begun();
  spares[Symbol.dispose]();
  expect(folders()).toEqual([last.instance.marker]);
  await last[Symbol.asyncDispose]();
  expect(folders()).toEqual([]);
});
