// The file of a host: what is read, and how it is replaced.
import { execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { digestOf, readHostFile, writeHostFile } from '../../../../src/host/edit/file.ts';
import { lockFile } from '../../../../src/os/flock.ts';

let dir: string;
let file: string;

beforeEach(() => {
  dir = realpathSync(mkdtempSync(join(tmpdir(), 'warder-host-')));
  file = join(dir, 'mcp.json');
});

afterEach(() => rmSync(dir, { recursive: true }));

test('W-HOST-22 mode and owner stay, and nothing is left beside the file', () => {
  writeFileSync(file, '\uFEFF{}\r\n');
  chmodSync(file, 0o640);
  const isRoot = process.getuid?.() === 0;
  if (isRoot) chownSync(file, 0, 65534);
  writeHostFile(readHostFile(file), '\uFEFF{"a": "é"}\r\n');
  expect(readFileSync(file, 'utf8')).toBe('\uFEFF{"a": "é"}\r\n');
  const { mode, gid } = statSync(file);
  expect(mode & 0o7777).toBe(0o640);
  if (isRoot) expect(gid).toBe(65534);
  expect(readdirSync(dir)).toEqual(['mcp.json']);
});

test('W-HOST-22 a link stays, and what it leads to is edited; one that leads nowhere is refused', () => {
  mkdirSync(join(dir, 'dotfiles'));
  const target = join(dir, 'dotfiles/mcp.json');
  writeFileSync(target, '{}');
  symlinkSync('dotfiles/mcp.json', file);
  const read = readHostFile(file);
  expect(read.file).toBe(target);
  writeHostFile(read, '{"a": 1}');
  expect(lstatSync(file).isSymbolicLink()).toBe(true);
  expect(readFileSync(target, 'utf8')).toBe('{"a": 1}');
  rmSync(target);
  expect(() => readHostFile(file)).toThrow(/is a link to .*dotfiles\/mcp.json, which is not there/);
});

test('W-HOST-22 a change in between is noticed, and nothing is written over', () => {
  writeFileSync(file, '{}');
  const read = readHostFile(file);
  writeFileSync(file, '{"b": 1}');
  expect(() => writeHostFile(read, '{"a": 1}')).toThrow(/changed by another program in the meantime/);
  expect(readFileSync(file, 'utf8')).toBe('{"b": 1}');
  const missing = readHostFile(join(dir, 'new/mcp.json'));
  mkdirSync(join(dir, 'new'));
  writeFileSync(join(dir, 'new/mcp.json'), 'theirs');
  expect(() => writeHostFile(missing, '{}')).toThrow(/changed by another program/);
  expect(readFileSync(join(dir, 'new/mcp.json'), 'utf8')).toBe('theirs');
  expect(readdirSync(join(dir, 'new'))).toEqual(['mcp.json']);
});

test('a file that is not there is made for its user alone', () => {
  writeHostFile(readHostFile(join(dir, 'a/b/mcp.json')), '{}');
  expect(statSync(join(dir, 'a/b/mcp.json')).mode & 0o777).toBe(0o600);
  expect(statSync(join(dir, 'a')).mode & 0o777).toBe(0o700);
});

test('W-HOST-21 what others can change, or what is no text, is not read', () => {
  writeFileSync(file, '{}');
  chmodSync(file, 0o666);
  expect(() => readHostFile(file)).toThrow(
    expect.objectContaining({ code: 'refused', hint: `run "chmod go-w ${file}"` }),
  );
  chmodSync(file, 0o644);
  chmodSync(dir, 0o777);
  expect(() => readHostFile(file)).toThrow(/can be changed by others/);
  chmodSync(dir, 0o700);
  if (process.getuid?.() === 0) {
    chownSync(file, 65534, 65534);
    expect(() => readHostFile(file)).toThrow(/belongs to another user/);
    chownSync(file, 0, 0);
  }
  writeFileSync(file, Buffer.from('\xff\xfe{\0}\0', 'latin1'));
  expect(() => readHostFile(file)).toThrow(/is not a text in UTF-8/);
  rmSync(file);
  mkdirSync(file);
  expect(() => readHostFile(file)).toThrow(/is not a file/);
});

test('W-HOST-22 killed at any moment, the file is the old or the new one', async () => {
  const [one, other] = ['1', '2'].map((digit) => JSON.stringify({ text: digit.repeat(200_000) }));
  writeFileSync(file, one ?? '');
  const script = join(import.meta.dirname, '../../../fixtures/host-writer.ts');
  const seen = new Set<string>();
  for (let round = 0; round < 20; round++) {
    const child = spawn(process.execPath, [script, file], { stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = new Promise((resolve) => child.once('exit', resolve));
    await new Promise((resolve) => child.stdout.once('data', resolve));
    // It writes on and on; where in a write it is hit differs from round to round.
    await new Promise((resolve) => setTimeout(resolve, (round * 7) % 23));
    child.kill('SIGKILL');
    await ended;
    const text = readFileSync(file, 'utf8');
    expect([one, other]).toContain(text);
    seen.add(digestOf(text));
    for (const name of readdirSync(dir)) if (name !== 'mcp.json') rmSync(join(dir, name));
  }
  expect(seen.size).toBeGreaterThan(0);
});

test('W-HOST-22 a second name of a file is not left with the old text', () => {
  writeFileSync(file, '{}');
  linkSync(file, join(dir, 'second'));
  expect(() => writeHostFile(readHostFile(file), '{"a": 1}')).toThrow(/has a second name, a hard link/);
  expect(readFileSync(file, 'utf8')).toBe('{}');
  expect(readdirSync(dir).sort()).toEqual(['mcp.json', 'second']);
});

test('W-HOST-22 chains of links are followed, circles and what another user owns are refused', () => {
  writeFileSync(join(dir, 'real'), '{}');
  symlinkSync('real', join(dir, 'middle'));
  symlinkSync(join(dir, 'middle'), file);
  expect(readHostFile(file)).toMatchObject({ file: join(dir, 'real'), text: '{}' });
  rmSync(join(dir, 'middle'));
  symlinkSync('mcp.json', join(dir, 'middle'));
  expect(() => readHostFile(file)).toThrow(/is a link in a circle/);
  if (process.getuid?.() === 0) {
    rmSync(join(dir, 'middle'));
    symlinkSync('real', join(dir, 'middle'));
    chownSync(join(dir, 'real'), 65534, 65534);
    expect(() => readHostFile(file)).toThrow(/real belongs to another user/);
  }
});

test('W-HOST-21 a pipe is not waited for, and an odd encoding is named', () => {
  execFileSync('mkfifo', [file]);
  expect(() => readHostFile(file)).toThrow(/is not a file/);
  rmSync(file);
  for (const bytes of [
    Buffer.from('\uFEFF{}', 'utf16le'),
    Buffer.from([0x7b, 0xc3, 0x28, 0x7d]),
    Buffer.from('{"a": "\xe9"}', 'latin1'),
  ]) {
    writeFileSync(file, bytes);
    expect(() => readHostFile(file)).toThrow(/is not a text in UTF-8/);
  }
});

test("W-HOST-24 a host's lock is waited for, and refused where it is kept", async () => {
  expect(await lockFile(join(dir, 'none'), 0)).toBeUndefined();
  const path = join(dir, '.lock');
  writeFileSync(path, '');
  {
    using held = await lockFile(path, 0);
    expect(held).toBeDefined();
    await expect(lockFile(path, 100)).rejects.toThrow(/another program has locked/);
    const waiting = lockFile(path, 5000);
    setTimeout(() => held?.[Symbol.dispose](), 100);
    using next = await waiting;
    expect(next).toBeDefined();
  }
  using again = await lockFile(path, 0);
  expect(again).toBeDefined();
});
