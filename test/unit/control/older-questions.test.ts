// What the daemon with the lock shows and answers for daemons that have handed over.
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { parseHandOver } from '../../../src/control/hello.ts';
import { joinOlder } from '../../../src/control/older-questions.ts';
import { WarderError } from '../../../src/errors.ts';
import { acquireLock } from '../../../src/os/lock.ts';
import { retiredLock, retiredSocket } from '../../../src/os/retired.ts';
import type { Handlers, ShownGrant, ShownQuestion } from '../../../src/wire/control.ts';
import { Frame, FrameDecoder, writeJson } from '../../../src/wire/frame.ts';
import type { HandOver } from '../../../src/wire/hello.ts';
import { type Places, places as placesOf } from '../../../src/wire/places.ts';

const asked = (id: string, since: number, name = 'where'): ShownQuestion => ({
  id,
  session: 's'.repeat(16),
  profile: 'demo',
  host: { key: '/host', name: 'host' },
  kind: 'tools',
  name,
  lines: [`call the tool "${name}"`],
  calls: 1,
  since: new Date(since).toISOString(),
  until: new Date(since + 1000).toISOString(),
  presence: false,
});
const granted = (id: string): ShownGrant => ({
  id,
  made: new Date(0).toISOString(),
  by: 'terminal',
  decision: 'allow',
  host: '/host',
  profile: 'demo',
  kind: 'tools',
  name: 'where',
  exact: false,
  session: 's'.repeat(16),
  until: null,
});

let folder: string;
let places: Places;
let older: Server;
let lock: Disposable;
/** What the older daemon was asked, and what it answers. */
let requests: HandOver[];
let answer: (request: HandOver) => object;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'warder-older-'));
  const uid = process.getuid?.() ?? -1;
  places = placesOf({ platform: process.platform, env: { WARDER_HOME: folder }, home: folder, uid });
  mkdirSync(places.run, { recursive: true, mode: 0o700 });
  const record = acquireLock(retiredLock(places, process.pid));
  if (!('owner' in record)) throw new Error('the lock is taken');
  lock = record;
  requests = [];
  older = createServer((socket) => {
    const decoder = new FrameDecoder({
      bytes() {},
      frame(_, payload) {
        const request = parseHandOver(payload);
        requests.push(request);
        const said = answer(request);
        if (said instanceof WarderError)
          writeJson(socket, Frame.REFUSE, { code: said.code, message: said.message, exit: said.exit });
        else writeJson(socket, Frame.HAND_OVER, { pid: process.pid, ...said });
        socket.end();
      },
    });
    socket.on('data', (chunk: Buffer) => decoder.push(chunk));
    socket.on('error', () => {});
  });
  const path = retiredSocket(places, process.pid);
  await new Promise<void>((resolve) => older.listen(path, resolve));
  chmodSync(path, 0o600);
});
afterEach(async () => {
  lock[Symbol.dispose]();
  await new Promise((resolve) => older.close(resolve));
  rmSync(folder, { recursive: true, force: true });
});

interface Own {
  questions: ShownQuestion[];
  readonly answered: string[];
}

function handlers(own: Own): Pick<Handlers, 'approvals.list' | 'approvals.answer' | 'grants.list'> {
  return joinOlder(
    {
      'approvals.list': () => ({ questions: own.questions, pin: true, polkit: false }),
      'approvals.answer': ({ id, decision }) => {
        own.answered.push(id);
        return { id, decision };
      },
      'grants.list': () => ({ grants: [granted('00000001')] }),
    },
    places,
    () => 0,
  );
}

const yes = { decision: 'allow', scope: 'once', extent: 'arguments' } as const;

test('W-WIRE-26 questions of both are listed by their age, and each is answered where it was asked', async () => {
  const own: Own = { questions: [asked('1002', 2)], answered: [] };
  answer = ({ ask }) =>
    ask === 'questions'
      ? { questions: [asked('1003', 3), asked('1001', 1), { id: 'of a later version' }] }
      : {};
  const joined = handlers(own);
  const { questions, pin } = await joined['approvals.list']({});
  expect([pin, questions.map(({ id }) => id)]).toEqual([true, ['1001', '1002', '1003']]);
  expect(await joined['approvals.answer']({ id: '1002', ...yes })).toEqual({ id: '1002', decision: 'allow' });
  expect(own.answered).toEqual(['1002']);
  expect(requests.filter(({ ask }) => ask === 'answer')).toEqual([]);
  await joined['approvals.answer']({ id: '1001', ...yes, pin: '2718' });
  expect(requests.at(-1)).toMatchObject({ ask: 'answer', answer: { id: '1001', ...yes, pin: '2718' } });
  expect(own.answered).toEqual(['1002']);
});

test('W-WIRE-26 two questions of one number are told apart, and that number answers neither', async () => {
  const own: Own = { questions: [asked('1001', 1)], answered: [] };
  answer = ({ ask }) => (ask === 'questions' ? { questions: [asked('1001', 2, 'slow')] } : {});
  const joined = handlers(own);
  const { questions } = await joined['approvals.list']({});
  expect(questions.map(({ id, name }) => [id, name])).toEqual([
    ['01001', 'where'],
    ['11001', 'slow'],
  ]);
  await expect(joined['approvals.answer']({ id: '1001', ...yes })).rejects.toThrow('several questions');
  expect([own.answered, requests.filter(({ ask }) => ask === 'answer')]).toEqual([[], []]);
  await joined['approvals.answer']({ id: '11001', ...yes });
  expect(requests.at(-1)).toMatchObject({ ask: 'answer', answer: { id: '1001' } });
  await joined['approvals.answer']({ id: '01001', ...yes });
  expect(own.answered).toEqual(['1001']);
});

test('W-WIRE-26 what the older daemon refuses is refused, and one that knows nothing of questions has none', async () => {
  const own: Own = { questions: [], answered: [] };
  answer = ({ ask }) =>
    ask === 'questions'
      ? { questions: [asked('1001', 1)] }
      : new WarderError('refused', 'that is not the PIN');
  await expect(handlers(own)['approvals.answer']({ id: '1001', ...yes })).rejects.toThrow('not the PIN');
  answer = () => new WarderError('wire-malformed', 'the HAND_OVER is malformed');
  expect((await handlers(own)['approvals.list']({})).questions).toEqual([]);
  // Then its daemon says that there is none.
  await handlers(own)['approvals.answer']({ id: '1001', ...yes });
  expect(own.answered).toEqual(['1001']);
});

test('W-WIRE-26 who watches is told once there are others, of either', async () => {
  const own: Own = { questions: [asked('1001', 1)], answered: [] };
  let theirs: ShownQuestion[] = [];
  // It has another question by the time at which news of it is waited for.
  answer = ({ seen }) => {
    if (seen !== undefined) theirs = [asked('1002', 2)];
    return { questions: theirs };
  };
  const { questions } = await handlers(own)['approvals.list']({ watch: true, seen: ['1001:1'] });
  expect(questions.map(({ id }) => id)).toEqual(['1001', '1002']);
  expect(requests.every(({ watch }) => watch === true)).toBe(true);
});

test('W-WIRE-26 answers that the older daemon alone has are listed', async () => {
  answer = () => ({ grants: [granted('00000001'), granted('00000002')] });
  const { grants } = await handlers({ questions: [], answered: [] })['grants.list']({});
  expect(grants.map(({ id }) => id)).toEqual(['00000001', '00000002']);
});
