// Random lives of a host and its remote server: sign-ins that succeed, fail or happen elsewhere, tokens that are revoked,
// sessions that are lost, servers of the other era, and requests that are taken back in between.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { WarderError } from '../../../src/errors.ts';
import type { Era } from '../../../src/remote/era/protocol.ts';
import { type FakePipe, FakeRemote, meta, settled } from '../../fixtures/remote/pipes.ts';

const numRuns = process.env.SLOW === undefined ? 100 : 5000;

const INTRODUCTION = {
  protocolVersion: '2025-11-25',
  supportedVersions: ['2026-07-28'],
  capabilities: { tools: { listChanged: true } },
  serverInfo: { name: 'far', version: '1' },
};
const NEEDED = new WarderError('sign-in-needed', 'nobody has signed in', { hint: 'run: warder login notes' });

const kinds = [
  'hello',
  'call',
  'list',
  'sign-in',
  'cancel',
  'signed-in',
  'not-signed-in',
  'elsewhere',
  'signed-out',
  'answer',
  'refuse',
  'needed',
  'wrong-era',
  'lost',
  'cut',
  'prepare',
  'pause',
] as const;
const step = fc.record({ do: fc.constantFrom(...kinds), which: fc.nat(20) });
const steps = fc.array(step, { minLength: 5, maxLength: 40, size: 'max' });

class Life {
  readonly remote: FakeRemote;
  readonly #era: Era;
  readonly requests = new Map<number, string>();
  readonly cancelled = new Set<number>();
  readonly prepared: Promise<string | undefined>[] = [];
  readonly #answered = new Map<FakePipe, Set<unknown>>();

  constructor(era: Era, state: 'ready' | 'signed-out') {
    this.#era = era;
    this.remote = new FakeRemote({ state });
  }

  #ask(method: string, params: object): void {
    const said = this.#era === 'stateless' ? { ...params, _meta: meta() } : params;
    this.requests.set(this.remote.request(method, said), method);
  }

  hello(): void {
    if (this.#era === 'stateless') this.#ask('server/discover', {});
    else {
      this.#ask('initialize', { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: {} });
      this.remote.notify('notifications/initialized');
    }
  }

  /** Requests that a pipe has and has not answered; a pipe that was cut or closed has none. */
  #open(pipe: FakePipe): { id: number; method: string }[] {
    if (pipe.isClosed || pipe.cutBy !== undefined) return [];
    const answered = this.#answered.get(pipe) ?? new Set();
    const cancelled = new Set(
      pipe.seen
        .filter(({ method }) => method === 'notifications/cancelled')
        .map(({ params }) => params.requestId),
    );
    return pipe.seen.flatMap(({ id, method }) =>
      id === undefined ||
      method === undefined ||
      answered.has(id) ||
      cancelled.has(id) ||
      method === 'subscriptions/listen'
        ? []
        : [{ id: Number(id), method }],
    );
  }

  #end(
    pipe: FakePipe | undefined,
    id: number | undefined,
    how: 'answer' | 'refuse' | 'needed' | 'wrong-era',
  ): void {
    if (pipe === undefined || id === undefined) return;
    const answered = this.#answered.get(pipe) ?? new Set();
    this.#answered.set(pipe, answered.add(id));
    if (how === 'answer') pipe.answer(id, { ...INTRODUCTION, content: [], tools: [] });
    else if (how === 'wrong-era') pipe.wrongEra(id);
    else if (how === 'needed') pipe.refuse(id, -32010, { code: 'refused', hint: 'run: warder login notes' });
    else pipe.refuse(id, -32000);
  }

  do(what: (typeof kinds)[number], which: number): void {
    const { remote } = this;
    const { authorizer, upstream, pipes } = remote;
    const pipe = pipes.at(-1);
    const open =
      pipe === undefined ? undefined : this.#open(pipe)[which % Math.max(1, this.#open(pipe).length)];
    const deeds: Record<(typeof kinds)[number], () => void> = {
      hello: () => this.hello(),
      call: () => this.#ask('tools/call', { name: 'add' }),
      list: () => this.#ask('tools/list', {}),
      'sign-in': () => this.#ask('tools/call', { name: 'warder_sign_in' }),
      cancel: () => this.#cancel(which),
      'signed-in': () => authorizer.end('ready'),
      'not-signed-in': () => authorizer.end(NEEDED),
      elsewhere: () => authorizer.become('ready'),
      'signed-out': () => authorizer.become('signed-out'),
      answer: () => this.#end(pipe, open?.id, 'answer'),
      refuse: () => this.#end(pipe, open?.id, 'refuse'),
      needed: () => {
        if (open !== undefined) authorizer.become('signed-out');
        this.#end(pipe, open?.id, 'needed');
      },
      'wrong-era': () => {
        const isFirst = pipe !== undefined && (this.#answered.get(pipe)?.size ?? 0) === 0;
        if (isFirst) this.#end(pipe, open?.id, 'wrong-era');
      },
      lost: () => this.#gone(pipe, () => pipe?.listener.lost('gone')),
      cut: () => void upstream.cut('revoked'),
      prepare: () => {
        this.prepared.push(upstream.prepare(() => {}, new AbortController().signal));
      },
      pause: () => upstream.pause(which % 2 === 0),
    };
    deeds[what]();
  }

  #cancel(which: number): void {
    const { remote } = this;
    const left = [...this.requests.keys()].filter((id) => remote.answerTo(id) === undefined);
    const id = left[which % Math.max(1, left.length)];
    if (id === undefined || this.cancelled.has(id)) return;
    this.cancelled.add(id);
    remote.notify('notifications/cancelled', { requestId: id });
  }

  /** A pipe goes, as a real one does: what is open on it is answered with an error. */
  #gone(pipe: FakePipe | undefined, go: () => void): void {
    const open = pipe === undefined ? [] : this.#open(pipe);
    go();
    for (const { id } of open) this.#end(pipe, id, 'refuse');
  }

  /** The person signs in, and the server answers all. */
  async finish(): Promise<void> {
    const { remote } = this;
    remote.upstream.pause(false);
    for (let round = 0; round < 30; round++) {
      remote.authorizer.end('ready');
      await settled();
      for (const pipe of remote.pipes) {
        for (const { id } of this.#open(pipe)) this.#end(pipe, id, 'answer');
      }
      await settled();
    }
  }
}

const check = (era: Era) =>
  fc.asyncProperty(steps, fc.constantFrom('ready' as const, 'signed-out' as const), async (list, state) => {
    const life = new Life(era, state);
    const { remote } = life;
    life.hello();
    for (const each of list) {
      life.do(each.do, each.which);
      await settled();
    }
    await life.finish();
    expect(remote.faults).toEqual([]);
    for (const [id, method] of life.requests) {
      const answer = remote.answerTo(id);
      if (!life.cancelled.has(id)) expect([method, id, answer === undefined]).toEqual([method, id, false]);
    }
    const asked = [...life.requests.keys()];
    const strangers = remote.messages.filter(
      ({ id, method }) => method === undefined && !asked.includes(Number(id)),
    );
    expect(strangers).toEqual([]);
    for (const prepared of life.prepared) await prepared;
    await remote.upstream.stop();
  });

test('every request of a host of the session era has its one answer, whatever befalls its server [W-REM-30]', async () => {
  await fc.assert(check('session'), { numRuns });
});

test('every request of a host of the stateless era has its one answer, whatever befalls its server [W-REM-30]', async () => {
  await fc.assert(check('stateless'), { numRuns });
});
