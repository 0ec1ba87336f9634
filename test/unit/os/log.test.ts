import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openLog } from '../../../src/os/log.ts';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'warder-log-'));
  path = join(folder, 'daemon.log');
});
afterEach(() => rmSync(folder, { recursive: true }));

const plain = { size: 2 ** 20, keep: 3, redact: (line: string) => line };
const lines = (file: string) =>
  readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));

test('a line is written when the call returns, with its level, time and fields', () => {
  using log = openLog(path, plain);
  log.warn({ profile: 'github' }, 'odd');
  expect(lines(path)).toMatchObject([{ level: 'warn', profile: 'github', msg: 'odd', pid: process.pid }]);
  expect(lines(path)[0].time).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
});

test('W-WIRE-4 only its owner can read the log, even if others could before', () => {
  openLog(path, plain)[Symbol.dispose]();
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test('W-WIRE-4 every line is redacted, and a line whose redaction fails is not written', () => {
  const secret = 'hunter2-hunter2';
  using log = openLog(path, {
    ...plain,
    redact(line) {
      if (line.includes('fail')) throw new Error('no');
      return line.replaceAll(secret, '[redacted:TOKEN]');
    },
  });
  log.info({ value: secret, nested: { deep: [secret] } }, `got ${secret}`);
  log.error({ value: secret }, 'fail');
  const text = readFileSync(path, 'utf8');
  expect(text).not.toContain(secret);
  expect(text.match(/redacted:TOKEN/g)).toHaveLength(3);
  expect(log.dropped).toBe(1);
});

test('files are rotated by size, kept in the number set, and no line is cut', () => {
  using log = openLog(path, { ...plain, size: 1000, keep: 2 });
  for (let number = 0; number < 60; number++) log.info({ number }, 'line');
  expect(readdirSync(folder).sort()).toEqual(['daemon.log', 'daemon.log.1', 'daemon.log.2']);
  const numbers = ['daemon.log.2', 'daemon.log.1', 'daemon.log']
    .flatMap((name) => lines(join(folder, name)))
    .map(({ number }) => number);
  expect(numbers.at(-1)).toBe(59);
  expect(numbers).toEqual(numbers.map((_, i) => (numbers[0] ?? 0) + i));
  for (const name of readdirSync(folder)) {
    expect(statSync(join(folder, name)).size).toBeLessThanOrEqual(1000);
    expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600);
  }
});

test('a log continues where the last daemon ended', () => {
  for (const number of [1, 2]) {
    using log = openLog(path, plain);
    log.info({ number }, 'line');
  }
  expect(lines(path).map(({ number }) => number)).toEqual([1, 2]);
});

test('a file that cannot be rotated keeps growing rather than losing lines', () => {
  mkdirSync(join(folder, 'daemon.log.1', 'in the way'), { recursive: true });
  using log = openLog(path, { ...plain, size: 500, keep: 1 });
  for (let number = 0; number < 20; number++) log.info({ number }, 'line');
  expect(lines(path)).toHaveLength(20);
  expect(log.dropped).toBe(0);
});

test('W-WIRE-23 two daemons that write at once lose no line, cut none, and keep each file within its size', () => {
  const options = { ...plain, size: 2000, keep: 50 };
  using older = openLog(path, options);
  using newer = openLog(path, options);
  for (let number = 0; number < 200; number++) {
    older.info({ number }, 'older');
    if (number % 3 === 0) newer.info({ number }, 'newer');
  }
  const names = readdirSync(folder).filter((name) => name !== 'daemon.log');
  const order = names.sort((a, b) => Number(b.split('.')[2]) - Number(a.split('.')[2]));
  const all = [...order, 'daemon.log'].flatMap((name) => lines(join(folder, name)));
  const of = (msg: string) => all.filter((line) => line.msg === msg).map(({ number }) => number);
  expect(of('older')).toEqual(Array.from({ length: 200 }, (_, i) => i));
  expect(of('newer')).toEqual(Array.from({ length: 67 }, (_, i) => i * 3));
  for (const name of readdirSync(folder)) expect(statSync(join(folder, name)).size).toBeLessThanOrEqual(2000);
});

test('a log that was removed is made again', () => {
  using log = openLog(path, plain);
  log.info({}, 'before');
  rmSync(path);
  log.info({}, 'after');
  expect(lines(path)).toMatchObject([{ msg: 'after' }]);
});
