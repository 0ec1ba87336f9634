// Work that takes more than a moment is told of: by a line that is rewritten on a terminal, by plain lines elsewhere, and not
// at all with --json.
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { openTerminal, type Streams } from '../../../../src/commands/terminal.ts';
import { tellingOfWaits } from '../../../../src/commands/waiting.ts';
import type { ControlClient } from '../../../../src/wire/control.ts';

const ERASE = '\u001b[G\u001b[2K';

/** A terminal of 40 columns, and what it was written since the last look. */
function terminal({ tty = true, silent = false, env = {} as Record<string, string> } = {}) {
  const out = new PassThrough();
  const err = new PassThrough();
  const stdin = new PassThrough();
  for (const stream of [out, err]) Object.assign(stream, { isTTY: tty, columns: 40 });
  const opened = openTerminal({ stdin, stdout: out, stderr: err, env } as unknown as Streams, { silent });
  return { opened, err: () => String(err.read() ?? ''), out: () => String(out.read() ?? '') };
}

/** The texts that the line had, without the moving sign before them. */
function lines(written: string): string[] {
  return written
    .split(ERASE)
    .map((line) => line.replace(/^[⠀-⣿] /u, ''))
    .filter((line, at, all) => line !== '' && line !== all[at - 1]);
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('work of a moment shows nothing, longer work a line that says how long it takes and vanishes', () => {
  const { opened, err, out } = terminal();
  {
    using _progress = opened.progress('starting "x"');
    vi.advanceTimersByTime(200);
  }
  vi.advanceTimersByTime(5000);
  expect(err()).toBe('');
  {
    using progress = opened.progress('starting "x"');
    vi.advanceTimersByTime(1000);
    expect(lines(err())).toEqual(['starting "x" …']);
    vi.advanceTimersByTime(3000);
    expect(lines(err())).toEqual(['starting "x" …', 'starting "x" … 3 s']);
    progress.step('hashing');
    vi.advanceTimersByTime(100);
    expect(lines(err())).toEqual(['hashing …']);
    vi.advanceTimersByTime(3000);
    expect(lines(err()).at(-1)).toBe('hashing … 3 s');
  }
  expect(err()).toBe(ERASE);
  vi.advanceTimersByTime(5000);
  expect(err() + out()).toBe('');
  expect(vi.getTimerCount()).toBe(0);
});

test('what is printed stands above the line, and a longer text is cut to the terminal', () => {
  const { opened, err, out } = terminal();
  using _progress = opened.progress(`reading ${'x'.repeat(90)}`);
  vi.advanceTimersByTime(1000);
  expect(lines(err()).every((line) => line.length <= 37 && line.endsWith('x…'))).toBe(true);
  opened.out('a result');
  expect(out()).toBe('a result\n');
  const around = err();
  expect(around.startsWith(ERASE)).toBe(true);
  expect(lines(around)).toHaveLength(1);
  opened.err('a note');
  expect(err().startsWith(`${ERASE}a note\n`)).toBe(true);
});

test('the most exact of several works is shown, in whatever order they end', () => {
  const { opened, err } = terminal();
  const general = opened.progress('waiting for the daemon', { isGeneral: true });
  const exact = opened.progress('starting "x"');
  const other = opened.progress('waiting for the daemon', { isGeneral: true });
  using _silent = opened.progress('');
  vi.advanceTimersByTime(1000);
  expect(lines(err())).toEqual(['starting "x" …']);
  general[Symbol.dispose]();
  exact[Symbol.dispose]();
  exact[Symbol.dispose]();
  vi.advanceTimersByTime(200);
  expect(lines(err())).toEqual(['waiting for the daemon …']);
  other[Symbol.dispose]();
  expect(err()).toBe(ERASE);
});

test('W-WIRE-3 what the line says cannot steer the terminal', () => {
  const { opened, err } = terminal();
  using _progress = opened.progress('a\u001b[2J\r\nb\u202e');
  vi.advanceTimersByTime(1000);
  expect(lines(err())).toEqual(['a\\u001b[2J\\u000d\\u000ab\\u202e …']);
});

test.each([
  ['without a terminal', { tty: false }],
  ['on one that cannot rewrite a line', { env: { TERM: 'dumb' } }],
])('%s each step is a plain line, and what is only general is none', (_where, how) => {
  const { opened, err } = terminal(how);
  using progress = opened.progress('');
  progress.step('resolving x');
  progress.step('installing x');
  using _general = opened.progress('waiting for the daemon', { isGeneral: true });
  vi.advanceTimersByTime(5000);
  expect(err()).toBe('resolving x …\ninstalling x …\n');
});

test.each([true, false])('with --json nothing is told, on a terminal or not: %s', (tty) => {
  const { opened, err, out } = terminal({ tty, silent: true });
  using progress = opened.progress('starting "x"');
  progress.step('hashing');
  vi.advanceTimersByTime(5000);
  expect(err() + out()).toBe('');
});

test('each answer of the daemon that takes long is told of, but not a wait that has no end of its own', async () => {
  const { opened, err } = terminal();
  const { promise, resolve } = Promise.withResolvers<never>();
  const client: ControlClient = {
    closed: new Promise(() => {}),
    request: () => promise,
    [Symbol.asyncDispose]: async () => {},
  };
  const control = await tellingOfWaits(opened, async () => client);
  const watching = control.request('approvals.list', { watch: true });
  vi.advanceTimersByTime(2000);
  expect(err()).toBe('');
  const asking = control.request('credential.lock', {});
  vi.advanceTimersByTime(1000);
  expect(lines(err())).toEqual(['waiting for the daemon …']);
  resolve({} as never);
  await Promise.all([watching, asking]);
  expect(err()).toBe(ERASE);
});
