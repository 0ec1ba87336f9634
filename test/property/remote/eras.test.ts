// Random sessions between hosts and servers of different eras. The server answers in any order, asks, repeats, invents and
// takes back; the host answers, cancels and calls again.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Era, Wire } from '../../../src/remote/era/protocol.ts';
import { FakeRemote, meta, type Seen, settled } from '../../fixtures/remote/pipes.ts';

const numRuns = process.env.SLOW === undefined ? 40 : 3000;

const INTRODUCTION = {
  protocolVersion: '2025-11-25',
  supportedVersions: ['2026-07-28'],
  capabilities: {
    tools: { listChanged: true },
    resources: { subscribe: true, listChanged: true },
    logging: {},
  },
  serverInfo: { name: 'far', version: '1' },
};
const HOST = { elicitation: {}, roots: {}, sampling: {} };
const FORM = { message: 'which?', requestedSchema: { type: 'object', properties: {} } };

const kinds = [
  'call',
  'list',
  'subscribe',
  'answer',
  'ask',
  'fail',
  'twice',
  'invent',
  'take-back',
  'reply',
  'reply-twice',
  'cancel',
  'notify',
  'wait',
] as const;
const step = fc.record({ do: fc.constantFrom(...kinds), which: fc.nat(50) });
const steps = fc.array(step, { minLength: 10, maxLength: 60, size: 'max' });

/** One session: what is done to it, and what holds in the end. */
class Play {
  readonly remote: FakeRemote;
  readonly #era: Era;
  /** The number that each request of the host carries, by its id. */
  readonly numbers = new Map<number, number>();
  readonly cancelled = new Set<number>();
  /** What each question that was asked of the host is answered with: the number of the call that it belongs to. */
  readonly replied = new Map<unknown, number>();
  readonly #answered = new Set<unknown>();
  #questions = 0;

  constructor(era: Era, wire: Wire) {
    this.#era = era;
    this.remote = new FakeRemote({ verdicts: new Map([[`${era} https://mcp.example.com/mcp`, wire]]) });
  }

  async open(): Promise<void> {
    const { remote } = this;
    if (this.#era === 'session') {
      remote.request('initialize', { protocolVersion: '2025-11-25', capabilities: HOST, clientInfo: {} });
      remote.pipe.answer(remote.pipe.last('server/discover').id, INTRODUCTION);
      remote.notify('notifications/initialized');
    } else {
      remote.request('server/discover', { _meta: meta(HOST) });
      remote.pipe.answer(remote.pipe.last('initialize').id, INTRODUCTION);
    }
    await settled();
  }

  #params(more: object): object {
    return this.#era === 'stateless' ? { ...more, _meta: meta(HOST) } : more;
  }

  /** Calls that the server has got and not answered. */
  get #atServer(): Seen[] {
    return this.remote.pipe.seen.filter(
      ({ method, id }) => method === 'tools/call' && !this.#answered.has(id),
    );
  }

  do(what: (typeof kinds)[number], which: number): void | Promise<void> {
    const { remote } = this;
    const { pipe } = remote;
    const pick = <Item>(items: readonly Item[]): Item | undefined => items[which % Math.max(1, items.length)];
    const call = pick(this.#atServer);
    const number = (call?.params as { arguments?: { of: number } } | undefined)?.arguments?.of;
    switch (what) {
      case 'call': {
        const of = this.numbers.size + 1;
        this.numbers.set(remote.request('tools/call', this.#params({ name: 'a', arguments: { of } })), of);
        return;
      }
      case 'list':
        this.numbers.set(remote.request('tools/list', this.#params({})), 0);
        return;
      case 'subscribe':
        if (this.#era === 'session')
          this.numbers.set(remote.request('resources/subscribe', { uri: `u:${which}` }), 0);
        else
          remote.request('subscriptions/listen', {
            _meta: meta(HOST),
            notifications: { toolsListChanged: true, resourceSubscriptions: [`u:${which}`] },
          });
        return;
      case 'answer':
        if (call !== undefined) this.#answer(call.id, { content: [{ type: 'text', text: `for ${number}` }] });
        return;
      case 'twice':
        pipe.answer(pick([...this.#answered]), { content: [{ type: 'text', text: 'again' }] });
        return;
      case 'fail':
        if (call === undefined) return;
        this.#answered.add(call.id);
        pipe.refuse(call.id, -32000, { of: number });
        return;
      case 'ask':
        if (call !== undefined) this.#ask(call.id, `${number}`);
        return;
      case 'invent':
        pipe.answer(1000 + which, { content: [] });
        pipe.say({ id: 2000 + which, method: 'elicitation/create', params: FORM }, 3000);
        pipe.say({ method: 'notifications/cancelled', params: { requestId: which } });
        return;
      case 'take-back':
        if (this.#era === 'stateless')
          pipe.say({ method: 'notifications/cancelled', params: { requestId: `q${which}` } });
        return;
      case 'reply':
      case 'reply-twice':
        this.#reply(which, what === 'reply-twice');
        return;
      case 'cancel': {
        const id = pick([...this.numbers.keys()]);
        if (id === undefined || remote.answerTo(id) !== undefined) return;
        this.cancelled.add(id);
        remote.notify('notifications/cancelled', { requestId: id });
        return;
      }
      case 'notify':
        pipe.say({ method: 'notifications/tools/list_changed' });
        pipe.say({ method: 'notifications/progress', params: { progressToken: which, progress: 1 } });
        return;
      case 'wait':
        return new Promise((resolve) => setTimeout(resolve, 25));
    }
  }

  #answer(id: unknown, result: object): void {
    this.#answered.add(id);
    this.remote.pipe.answer(id, { resultType: 'complete', ...result });
  }

  /** The server asks for the number of the call that it asks in. */
  #ask(id: unknown, of: string): void {
    const { pipe } = this.remote;
    const params = { ...FORM, message: of };
    if (this.#era === 'stateless') {
      pipe.say({ id: `q${++this.#questions}`, method: 'elicitation/create', params }, Number(id));
      return;
    }
    this.#answered.add(id);
    pipe.answer(id, {
      resultType: 'input_required',
      requestState: of,
      inputRequests: { k: { method: 'elicitation/create', params } },
    });
  }

  /** The host answers with the number that the question has named. */
  #reply(which: number, twice: boolean): void {
    const { remote } = this;
    const accept = (of: string): object => ({ action: 'accept', content: { of } });
    if (this.#era === 'session') {
      const open = remote.asked('elicitation/create').filter(({ id }) => !this.replied.has(id));
      const question = open[which % Math.max(1, open.length)];
      if (question === undefined) return;
      this.replied.set(question.id, 0);
      const { message } = question.params as { message: string };
      for (let n = 0; n < (twice ? 2 : 1); n++) remote.reply(question.id, { result: accept(message) });
      return;
    }
    const open = remote.messages.filter(
      ({ id, result }) => result?.resultType === 'input_required' && !this.replied.has(id),
    );
    const asked = open[which % Math.max(1, open.length)];
    if (asked === undefined) return;
    this.replied.set(asked.id, 0);
    const of = this.numbers.get(Number(asked.id)) ?? 0;
    const inputRequests = asked.result.inputRequests as Record<string, { params: { message: string } }>;
    const answers = Object.entries(inputRequests).map(([key, { params }]) => [key, accept(params.message)]);
    for (let n = 0; n < (twice ? 2 : 1); n++) {
      const params = {
        name: 'a',
        arguments: { of },
        requestState: asked.result.requestState,
        inputResponses: Object.fromEntries(answers),
      };
      this.numbers.set(remote.request('tools/call', this.#params(params)), of);
    }
  }

  /** What the server still has is answered, so that every request has its end. */
  async finish(): Promise<void> {
    for (let round = 0; round < 50; round++) {
      for (const call of this.#atServer) {
        const { of } = (call.params as { arguments: { of: number } }).arguments;
        this.#answer(call.id, { content: [{ type: 'text', text: `for ${of}` }] });
      }
      for (const { method, id } of this.remote.pipe.seen)
        if (method === 'tools/list' && !this.#answered.has(id)) this.#answer(id, { tools: [] });
      await settled();
    }
  }
}

const check = (era: Era, wire: Wire) =>
  fc.asyncProperty(steps, async (list) => {
    const play = new Play(era, wire);
    const { remote } = play;
    await play.open();
    for (const each of list) {
      await play.do(each.do, each.which);
      await settled();
    }
    await play.finish();
    expect(remote.faults).toEqual([]);
    const open = new Set<number>();
    for (const [id, of] of play.numbers) {
      // Throws where there are two.
      const answer = remote.answerTo(id);
      const text = answer?.result?.content?.[0]?.text as string | undefined;
      if (text?.startsWith('for ')) expect(text).toBe(`for ${of}`);
      if (answer?.error?.data?.of !== undefined) expect(answer.error.data.of).toBe(of);
      if (answer === undefined && !play.cancelled.has(id)) open.add(id);
    }
    // Only what the host still has to answer is open, and subscriptions that were not acknowledged.
    if (era === 'session') {
      const asking = remote.asked('elicitation/create').filter(({ id }) => !play.replied.has(id));
      const calls = [...open].filter((id) => play.numbers.get(id) !== 0);
      expect(calls.length).toBeLessThanOrEqual(asking.length);
    } else expect([...open]).toEqual([]);
    // What the host has answered reached the call that asked.
    const { pipe } = remote;
    for (const { id, method, params, result } of pipe.seen) {
      if (method === 'tools/call' && params.inputResponses !== undefined)
        expect(params.inputResponses.k.content.of).toBe(`${params.arguments.of}`);
      if (method === undefined && typeof id === 'string' && result !== undefined)
        expect(result.content.of).toMatch(/^\d+$/);
    }
    const ids = pipe.seen
      .filter(({ method, id }) => method !== undefined && id !== undefined)
      .map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    const questions = remote.messages.filter(({ method, id }) => method !== undefined && id !== undefined);
    expect(new Set(questions.map(({ id }) => id)).size).toBe(questions.length);
    await remote.upstream.stop();
  });

test('each request of a host of the session era has its one answer from a stateless server [W-REM-30]', async () => {
  await fc.assert(check('session', 'stateless'), { numRuns });
});

test('each request of a host of the stateless era has its one answer from a server of the session era [W-REM-30]', async () => {
  await fc.assert(check('stateless', 'session'), { numRuns });
});
