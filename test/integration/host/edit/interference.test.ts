// What may happen to a host's file while it is replaced: a full disk, a folder or file that cannot be written, and the host
// itself, at each step.
import { execFileSync, spawnSync } from 'node:child_process';
import fs, {
  chmodSync,
  chownSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readHostFile, writeHostFile } from '../../../../src/host/edit/file.ts';
import { Disk } from '../../../fixtures/disk.ts';

let dir: string;
let file: string;

beforeEach(() => {
  dir = realpathSync(mkdtempSync(join(tmpdir(), 'warder-host-')));
  file = join(dir, 'mcp.json');
  writeFileSync(file, '{}', { mode: 0o600 });
});

afterEach(() => rmSync(dir, { recursive: true }));

const FULL = `
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { readHostFile, writeHostFile } from ${JSON.stringify(join(import.meta.dirname, '../../../../src/host/edit/file.ts'))};
const [, at] = process.argv;
const file = at + '/mcp.json';
writeFileSync(file, 'o'.repeat(100_000), { mode: 0o600 });
const text = readHostFile(file);
try {
  for (;;) writeFileSync(at + '/full', 'x'.repeat(4096), { flag: 'a' });
} catch {}
const said = [];
try {
  writeHostFile(text, 'n'.repeat(200_000));
} catch ({ code, hint }) {
  said.push(code, hint);
}
said.push(readFileSync(file, 'utf8') === 'o'.repeat(100_000), readdirSync(at).sort());
rmSync(at + '/full');
writeHostFile(text, 'n'.repeat(200_000));
said.push(readFileSync(file, 'utf8') === 'n'.repeat(200_000));
console.log(JSON.stringify(said));
`;

test('W-HOST-22 on a full disk the old file stays, and nothing beside it', async () => {
  await using disk = await Disk.mount(1 << 20);
  const [command = '', ...words] = [
    ...disk.within,
    process.execPath,
    '--input-type=module',
    '--eval',
    FULL,
    disk.at,
  ];
  const { stdout, stderr } = spawnSync(command, words, { encoding: 'utf8' });
  expect(stdout, stderr).not.toBe('');
  expect(JSON.parse(stdout)).toEqual([
    'cannot-write',
    'ENOSPC: no space left on device',
    true,
    ['full', 'mcp.json'],
    true,
  ]);
});

test('W-HOST-22 in a folder that is read-only the file stays, and the reason is told', () => {
  // Root writes everywhere: there the folder is tried by an ordinary user.
  const isRoot = process.getuid?.() === 0;
  const uid = isRoot ? 65534 : undefined;
  if (uid !== undefined) for (const path of [dir, file]) chownSync(path, uid, uid);
  chmodSync(dir, 0o500);
  const script = `
import { readHostFile, writeHostFile } from ${JSON.stringify(join(import.meta.dirname, '../../../../src/host/edit/file.ts'))};
${uid === undefined ? '' : `process.setgroups([]); process.setgid(${uid}); process.setuid(${uid});`}
try {
  writeHostFile(readHostFile(process.argv[1]), '{"a": 1}');
} catch ({ code, hint }) {
  console.log(JSON.stringify([code, hint]));
}`;
  const words = ['--input-type=module', '--eval', script, file];
  const { stdout, stderr } = spawnSync(process.execPath, words, { encoding: 'utf8' });
  chmodSync(dir, 0o700);
  expect(stdout, stderr).not.toBe('');
  expect(JSON.parse(stdout)).toEqual(['cannot-write', 'EACCES: permission denied']);
  expect([readFileSync(file, 'utf8'), readdirSync(dir)]).toEqual(['{}', ['mcp.json']]);
});

test('W-HOST-22 a file that must not be changed stays', (context) => {
  try {
    execFileSync('chattr', ['+i', file], { stdio: 'ignore' });
  } catch {
    context.skip('only root can forbid changes of a file, where the file system has that');
  }
  try {
    expect(() => writeHostFile(readHostFile(file), '{"a": 1}')).toThrow(
      expect.objectContaining({ code: 'cannot-write', hint: 'EPERM: operation not permitted' }),
    );
  } finally {
    execFileSync('chattr', ['-i', file]);
  }
  expect([readFileSync(file, 'utf8'), readdirSync(dir)]).toEqual(['{}', ['mcp.json']]);
});

const CALLS = [
  'lstatSync',
  'realpathSync',
  'statSync',
  'openSync',
  'writeFileSync',
  'fstatSync',
  'fchmodSync',
  'fsyncSync',
  'closeSync',
  'readFileSync',
  'renameSync',
  'rmSync',
] as const;

/** Replaces the file, and does `work` before the call number `at`. Returns that call's name; undefined: there is none. */
function writing(at: number, work: () => void): string | undefined {
  const read = readHostFile(file);
  const real = Object.fromEntries(CALLS.map((name) => [name, fs[name]]));
  let calls = 0;
  let hit: string | undefined;
  let isInside = false;
  for (const name of CALLS) {
    const call = fs[name] as (...args: unknown[]) => unknown;
    Object.assign(fs, {
      [name]: (...args: unknown[]) => {
        // What a call of Node's does itself is a part of it.
        if (isInside) return call(...args);
        isInside = true;
        try {
          if (hit === undefined && calls++ === at) {
            hit = name;
            work();
          }
          return call(...args);
        } finally {
          isInside = false;
        }
      },
    });
  }
  syncBuiltinESMExports();
  try {
    writeHostFile(read, '{"ours": 1}');
  } catch (error) {
    expect(String(error)).toContain('was changed by another program in the meantime');
  } finally {
    Object.assign(fs, real);
    syncBuiltinESMExports();
  }
  return hit;
}

test.each(['in place', 'by a new file'])(
  'W-HOST-22 what the host writes %s at any step stays, but for the instant before the file is renamed',
  (how) => {
    const theirs = '{"theirs": 1}';
    const names: string[] = [];
    for (let at = 0; ; at++) {
      writeFileSync(file, '{}');
      const name = writing(at, () => {
        writeFileSync(how === 'in place' ? file : join(dir, 'new'), theirs);
        if (how !== 'in place') renameSync(join(dir, 'new'), file);
      });
      if (name === undefined) break;
      names.push(name);
      if (name !== 'renameSync') expect(readFileSync(file, 'utf8'), `${at} ${name}`).toBe(theirs);
      expect(readdirSync(dir)).toEqual(['mcp.json']);
    }
    expect(names.length).toBeGreaterThan(8);
    expect(names).toContain('renameSync');
  },
);
