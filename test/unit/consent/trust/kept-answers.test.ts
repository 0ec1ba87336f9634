// What a server has answered is kept for the profile's file as it was, in a file that only Warder can have written.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { AuthenticFiles } from '../../../../src/consent/store/authentic-files.ts';
import { KeptAnswers } from '../../../../src/consent/trust/kept-answers.ts';
import type { RecordedAnswers } from '../../../../src/relay/recorded-answers.ts';
import { MemoryBlobs } from '../../../fixtures/trusting.ts';

const clock = { at: 0, now: () => clock.at };
const log = { debug() {}, info() {}, warn() {}, error() {} };
const said = (name: string): RecordedAnswers => ({
  introduction: `{"serverInfo":{"name":"${name}"}}`,
  lists: new Map([['tools/list', ['{"tools":[]}']]]),
});

const RECORD = (): string => 'sha256:1';
const keptAs = (name: string): object => ({ record: RECORD(), answers: said(name) });

let folder: string;
let files: AuthenticFiles;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'warder-answers-'));
  files = await AuthenticFiles.open(folder, new MemoryBlobs());
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const kept = (of: AuthenticFiles | 'locked' = files): KeptAnswers =>
  new KeptAnswers({ profile: 'demo', files: () => of, clock, log });
const path = (): string => join(folder, 'trust/demo.answers.json');

test('of each host, from daemon to daemon, as long as the profile is the same', () => {
  const first = kept();
  first.store('a', RECORD).keep('h1', said('one'));
  first.store('a', RECORD).keep('h2', said('two'));
  first.flush();
  const second = kept();
  expect(second.areKnown('a')).toBe(true);
  expect(second.of('a', 'h1')).toEqual(keptAs('one'));
  expect(second.of('a', 'h3')).toBeUndefined();
  expect(second.areKnown('b')).toBe(false);
  expect(second.of('b', 'h1')).toBeUndefined();
  second.store('b', RECORD).keep('h1', said('three'));
  expect(second.of('b', 'h2')).toBeUndefined();
});

test('W-LAZY-9 that a server does not know "server/discover" is kept for a day, from daemon to daemon', () => {
  const refused: RecordedAnswers = { introduction: undefined, lists: new Map(), refused: -32601 };
  clock.at = 1_000_000;
  const first = kept();
  first.store('a', RECORD).keep('h', said('one'));
  first.store('a', RECORD).keep('h', refused);
  first.flush();
  const second = kept();
  for (const [at, isKept] of [
    [1_000_000, true],
    [1_000_000 + 86_399_999, true],
    [1_000_000 + 86_400_000, false],
    [999_999, false],
  ] as const) {
    clock.at = at;
    expect([at, second.of('a', 'h')?.answers]).toEqual([at, isKept ? refused : undefined]);
  }
  // Said again, it counts anew; what the server says of itself ends it.
  second.store('a', RECORD).keep('h', refused);
  expect(second.of('a', 'h')?.answers).toEqual(refused);
  second.store('a', RECORD).keep('h', said('two'));
  expect(second.of('a', 'h')).toEqual(keptAs('two'));
});

test('W-LAZY-4 a file that another program has changed is as good as none', () => {
  const first = kept();
  first.store('a', RECORD).keep('h', said('one'));
  first.flush();
  writeFileSync(path(), readFileSync(path(), 'utf8').replace('one', 'own'));
  expect(kept().of('a', 'h')).toBeUndefined();
});

test('of eight hosts, the last ones; and of none where the server cannot be started late, or is another', () => {
  const all = kept();
  for (let host = 0; host < 9; host++) all.store('a', RECORD).keep(`h${host}`, said('x'));
  expect(all.of('a', 'h0')).toBeUndefined();
  expect(all.of('a', 'h8')).toBeDefined();
  all.isEager('a');
  expect(all.areKnown('a')).toBe(false);
  all.store('a', RECORD).keep('h8', said('x'));
  expect(all.areKnown('a')).toBe(false);
  all.store('b', RECORD).keep('h8', said('x'));
  expect(all.of('b', 'h8')).toBeDefined();
  all.forget();
  expect(all.of('b', 'h8')).toBeUndefined();
});

test('W-LAZY-4 what a session has not asked for stays; where another record counts meanwhile, all of it is to be compared', () => {
  const all = kept();
  const { introduction, lists } = said('one');
  const none = new Map<string, string[]>();
  all.store('a', RECORD).keep('h', { introduction, lists: none });
  all.store('a', RECORD).keep('h', { introduction: undefined, lists });
  expect(all.of('a', 'h')).toEqual(keptAs('one'));
  all.store('a', RECORD).keep('h', { introduction: said('two').introduction, lists: none });
  expect(all.of('a', 'h')).toEqual(keptAs('two'));
  const later = (): string => 'sha256:2';
  all.store('a', later).keep('h', { introduction: undefined, lists });
  expect(all.of('a', 'h')).toEqual({ record: undefined, answers: said('two') });
  // A session that has asked for both leaves nothing of what was.
  all.store('a', later).keep('h', { ...said('three'), lists: new Map([['prompts/list', ['{}']]]) });
  expect(all.of('a', 'h')).toEqual({
    record: later(),
    answers: { introduction: said('three').introduction, lists: new Map([['prompts/list', ['{}']]]) },
  });
});
