// What is kept of a server's standard error: its file, its bounds, and how it is followed.
import { mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { clock } from '../../../src/os/clock.ts';
import { removeServerLog, ServerLog, serverLogPath } from '../../../src/server/server-log.ts';
import { followServerLog, readServerLog } from '../../../src/server/server-log-reading.ts';

let state: string;
let warnings: string[];
beforeEach(() => {
  state = mkdtempSync(join(tmpdir(), 'warder-server-log-'));
  warnings = [];
});
afterEach(() => rmSync(state, { recursive: true, force: true }));

function open(session = 'one', profile = 'demo'): ServerLog {
  const note = (_fields: object, message: string): void => void warnings.push(message);
  const log = { debug() {}, info() {}, warn: note, error: note };
  const redact = (text: string): string => text.replaceAll('secret', '[TOKEN]');
  return new ServerLog({ profile, session, state, clock, log, redact });
}

/** Keeps a text as one session. */
function keep(text: string | Buffer, session?: string): void {
  using log = open(session);
  log.server([Buffer.from(text)]);
}

const texts = (): string[] => readServerLog(state, 'demo').lines.map(({ text }) => text);

test('lines are kept whole, with their session, however they are cut', () => {
  {
    using log = open();
    for (const piece of ['on', 'e\n\ntw', 'o', '\nthree']) log.server([Buffer.from(piece)]);
    log.warder('said by Warder');
  }
  expect(readServerLog(state, 'demo').lines).toEqual([
    { time: expect.any(String), session: 'one', from: 'server', text: 'one' },
    { time: expect.any(String), session: 'one', from: 'server', text: 'two' },
    { time: expect.any(String), session: 'one', from: 'warder', text: 'said by Warder' },
    { time: expect.any(String), session: 'one', from: 'server', text: 'three' },
  ]);
});

test('W-CRED-49 the file is for its user alone, and each line is redacted as it is written', () => {
  keep('the secret\n');
  const path = serverLogPath(state, 'demo');
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(statSync(join(state, 'logs')).mode & 0o777).toBe(0o700);
  expect(readFileSync(path, 'utf8')).not.toContain('secret');
  expect(texts()).toEqual(['the [TOKEN]']);
});

test('W-CRED-49 a flood is counted, not kept, and the files stay small', () => {
  keep('x'.repeat(10_000_000));
  expect(texts().at(-1)).toMatch(/^\d+ more bytes came too fast, and are left out$/);
  expect(statSync(serverLogPath(state, 'demo')).size).toBeLessThan(128 * 1024);
  // Each control character takes six bytes in the file.
  for (let times = 0; times < 20; times++) keep(`${'\u0001'.repeat(4000)}\n`.repeat(40), String(times));
  for (const end of ['', '.1'])
    expect(statSync(`${serverLogPath(state, 'demo')}${end}`).size).toBeLessThanOrEqual(256 * 1024);
  expect(readServerLog(state, 'demo').lines.at(-1)?.session).toBe('19');
});

test('W-CRED-49 after a flood the log goes on with a whole line, and nothing is lost uncounted', () => {
  const line = `${'f'.repeat(99)}\n`;
  const log = open();
  log.server([Buffer.from(line.repeat(2000)), Buffer.from('this line was cut')]);
  log[Symbol.dispose]();
  log.server([Buffer.from(' and goes on\nlast words\n')]);
  log[Symbol.dispose]();
  const written = texts();
  expect(written.slice(-2)).toEqual(['last words', '13 more bytes came too fast, and are left out']);
  const kept = written.filter((text) => text.startsWith('fff')).length;
  expect(written).toContain(`${(2000 - kept) * 100 + 17} more bytes came too fast, and are left out`);
});

test('a long line is cut into several, and what is no text does no harm', () => {
  keep(Buffer.concat([Buffer.alloc(5000, 'a'), Buffer.from([10, 0xff, 0xfe, 0, 10])]));
  expect(texts().map((text) => text.length)).toEqual([4096, 904, 3]);
});

test('W-CRED-49 no link is followed, and what cannot be kept is said once and hurts nobody', () => {
  keep('first\n');
  const path = serverLogPath(state, 'demo');
  const other = join(state, 'other');
  writeFileSync(other, '');
  rmSync(path);
  symlinkSync(other, path);
  {
    using log = open();
    log.server([Buffer.from('a\n')]);
  }
  expect(readFileSync(other, 'utf8')).toBe('');
  expect(warnings).toHaveLength(1);
});

test('damaged lines are left out', () => {
  keep('first\n');
  const path = serverLogPath(state, 'demo');
  writeFileSync(path, `{"time":1}\nnot JSON\n${readFileSync(path, 'utf8')}{"time":"cut`);
  expect(texts()).toEqual(['first']);
});

test('W-CRED-49 what is kept of a profile goes, and that of no other', () => {
  keep('first\n');
  {
    using log = open('two', 'demo-2');
    log.server([Buffer.from('other\n')]);
  }
  removeServerLog(state, 'demo');
  removeServerLog(state, 'demo');
  expect(texts()).toEqual([]);
  expect(readServerLog(state, 'demo-2').lines).toHaveLength(1);
});

test('who follows gets each line once, also when the file is rotated', async () => {
  const lines = 300;
  const stop = new AbortController();
  const seen: string[] = [];
  const { place } = readServerLog(state, 'demo');
  const following = (async () => {
    for await (const { text } of followServerLog(state, 'demo', place, stop.signal, 1)) {
      seen.push(text.slice(0, 4).trim());
      if (seen.length === lines) stop.abort();
    }
  })();
  for (let number = 0; number < lines; number++) {
    keep(`${String(number).padEnd(2000)}\n`);
    // The reader has seen this one before the next is written.
    await expect.poll(() => seen.length, { interval: 1 }).toBe(number + 1);
  }
  await following;
  expect(seen).toEqual(Array.from({ length: lines }, (_, number) => String(number)));
  expect(statSync(`${serverLogPath(state, 'demo')}.1`).size).toBeGreaterThan(0);
});
