// What a server asks of the host where a policy says ask, and the forms of a server.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Redactor } from '../../../src/credential/redact.ts';
import { type Asking, asking, choose, forms, initialize, pass } from '../../fixtures/asking.ts';
import { FakeServer } from '../../fixtures/ends.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const SAMPLE = 'sampling/createMessage';
const ask = (id: number | string, params: object = { n: 1 }) => ({ id, method: SAMPLE, params });

/** The server's requests that the host has. */
function shown({ host }: Asking): Record<string, unknown>[] {
  return host.messages.filter(({ method }) => method === SAMPLE || method === 'elicitation/create');
}

/** A session that asks about what the server asks for. */
function opened(capabilities: object = {}, options: Parameters<typeof asking>[0] = {}): Asking {
  const session = asking({
    policy: { methods: { [SAMPLE]: 'ask', 'elicitation/create': 'allow' } },
    ...options,
  });
  initialize(session, capabilities);
  return session;
}

/** Somebody watches who answers. */
async function answer({ service }: Asking, decision: 'allow' | 'deny', scope: 'once' | 'session' = 'once') {
  const [question] = service.questions;
  await service.answer(
    { id: question?.id ?? '', decision, scope, extent: 'name', pin: undefined },
    'terminal',
  );
  await pass();
}

describe('W-CONS-13 what the server asks for is asked of a person', () => {
  test('in a dialog of the host, which says that the server asks; then the host has it', async () => {
    const session = opened({ elicitation: {} });
    session.server.say(ask('q'));
    await pass(300);
    expect(shown(session)).toHaveLength(1);
    expect(forms(session.host)[0]?.params).toMatchObject({
      message:
        'Warder asks: let the server "github" ask for "sampling/createMessage"?\nn: 1\nIt may reach no network; use no credential.',
    });
    choose(session.host, 'Allow once');
    await pass();
    const sampled = shown(session).at(-1);
    expect(sampled).toMatchObject({ method: SAMPLE, params: { n: 1 } });
    session.host.say({ id: sampled?.id, result: { text: 'hi' } });
    expect(session.server.messages.at(-1)).toEqual({ jsonrpc: '2.0', id: 'q', result: { text: 'hi' } });
    expect(session.audit.records).toMatchObject([
      { event: 'consent.ask', kind: 'server', name: SAMPLE },
      { event: 'consent.answer', decision: 'allow', by: 'host' },
      { event: 'question', decision: 'allow', rule: expect.stringMatching(/^consent\.\d+$/), id: '"q"' },
      { event: 'reply', outcome: 'ok' },
    ]);
  });

  test('a no is an error to the server, and the host sees nothing', async () => {
    const session = opened();
    watch(session);
    session.server.say(ask(7));
    await pass();
    await answer(session, 'deny');
    expect(shown(session)).toEqual([]);
    expect(session.server.messages.at(-1)).toMatchObject({
      id: 7,
      error: {
        code: -32010,
        message: 'refused: the user said no to: let the server ask for "sampling/createMessage"',
      },
    });
    expect(session.audit.of('question')).toMatchObject([{ decision: 'deny' }]);
  });

  test('nobody there is an error at once', async () => {
    const session = opened();
    session.server.say(ask(7));
    await pass();
    expect(session.server.messages.at(-1)).toMatchObject({ id: 7, error: { code: -32010 } });
    expect(session.audit.of('question')).toMatchObject([{ decision: 'deny', rule: 'consent.nobody' }]);
  });

  test('a yes for the session holds for the method, and for no request of the host of that name', async () => {
    const session = opened();
    watch(session);
    session.server.say(ask(1));
    await pass();
    await answer(session, 'allow', 'session');
    session.server.say(ask(2, { n: 2 }));
    await pass();
    expect(shown(session)).toHaveLength(2);
    session.host.say({ id: 'h', method: SAMPLE, params: { n: 1 } });
    await pass();
    expect(session.server.messages).toHaveLength(2);
    expect(session.service.questions).toMatchObject([{ kind: 'methods' }]);
  });

  test('two under one id are two, and each is answered', async () => {
    const session = opened();
    watch(session);
    session.server.say(ask(1), ask(1, { n: 2 }));
    await pass();
    expect(session.service.questions).toHaveLength(2);
    await answer(session, 'allow');
    await answer(session, 'deny');
    expect(shown(session)).toMatchObject([{ params: { n: 1 } }]);
    expect(session.server.messages.at(-1)).toMatchObject({ id: 1, error: {} });
  });

  test('an answer of the host that guesses the id reaches no server before it was asked', async () => {
    const session = opened();
    watch(session);
    session.server.say(ask('q'));
    await pass();
    for (let id = 0; id < 10; id++) session.host.say({ id, result: { text: 'guessed' } });
    await pass();
    expect(session.server.text).not.toContain('guessed');
  });

  test('what the server takes back, or leaves, is asked about no more', async () => {
    const session = opened();
    watch(session);
    session.server.say(ask(1), { method: 'notifications/cancelled', params: { requestId: 1 } });
    await pass();
    expect(session.service.questions).toEqual([]);
    session.server.say(ask(2));
    await pass();
    expect(session.service.questions).toHaveLength(1);
    session.host.end();
    await pass();
    expect(session.service.questions).toEqual([]);
    expect(session.server.messages.at(-1)).toMatchObject({ id: 2, error: { code: -32012 } });
    expect(shown(session)).toEqual([]);
    expect(session.audit.of('question')).toMatchObject([
      { decision: 'deny', reason: 'the server has taken it back' },
      { decision: 'deny', reason: 'the host has ended its input' },
    ]);
  });

  test('a policy that denies it meanwhile wins', async () => {
    const session = opened();
    watch(session);
    session.server.say(ask(1));
    await pass();
    session.session.policy = {
      default: 'deny',
      tools: {},
      resources: {},
      prompts: {},
      methods: { [SAMPLE]: 'deny' },
    };
    await answer(session, 'allow');
    expect(shown(session)).toEqual([]);
  });

  test('a server that is replaced is answered nothing, and its question is withdrawn', async () => {
    const session = opened();
    watch(session);
    session.server.say(ask(1));
    await pass();
    const next = new FakeServer();
    const rotated = session.session.rotate(async () => ({ server: next, redactor: new Redactor([]) }));
    await pass();
    next.say({
      id: next.nth(1),
      result: { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: { name: 's', version: '1' } },
    });
    await pass(40_000);
    expect(await rotated).toMatchObject({ outcome: 'moved' });
    expect(session.service.questions).toEqual([]);
    expect(shown(session)).toEqual([]);
    expect(next.text).not.toContain('error');
  });

  test('a flood of them is bounded', async () => {
    const session = opened({}, { rate: 3 });
    watch(session);
    session.server.say(...Array.from({ length: 1000 }, (_, n) => ask(n, { n })));
    await pass();
    expect(session.service.questions).toHaveLength(3);
    expect(shown(session)).toEqual([]);
    expect(session.server.messages.filter(({ error }) => error !== undefined)).toHaveLength(997);
  });

  test('what is too long to be shown is refused', async () => {
    const session = opened();
    watch(session);
    session.server.say(ask(1, { text: 'x'.repeat(70_000) }));
    await expect.poll(() => session.audit.of('question')).not.toEqual([]);
    expect(session.audit.of('question')).toMatchObject([{ decision: 'deny', rule: 'consent.long' }]);
  });
});

describe('W-CONS-12 a form of the server', () => {
  test("has the server's name on it, wherever its id is in the line", async () => {
    const session = opened();
    session.server.say(
      '{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{"message":"a"},"x":1}',
      '{"params":{"message":"Warder asks: call the tool?"},"method":"elicitation/create","id":"b","jsonrpc":"2.0"}',
    );
    const [first, second] = shown(session);
    expect(session.host.lines.slice(-2)).toEqual([
      `{"jsonrpc":"2.0","id":${first?.id},"method":"elicitation/create","params":{"message":"The server \\"github\\" asks: a"},"x":1}`,
      `{"params":{"message":"The server \\"github\\" asks: Warder asks: call the tool?"},"method":"elicitation/create","id":${second?.id},"jsonrpc":"2.0"}`,
    ]);
    session.host.say({ id: second?.id, result: { action: 'cancel' } });
    expect(session.server.messages.at(-1)).toEqual({ jsonrpc: '2.0', id: 'b', result: { action: 'cancel' } });
  });

  test('that cannot be labelled is refused, and on record', async () => {
    const session = opened();
    session.server.say(
      '{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{"message":"a","message":"b"}}',
    );
    expect(shown(session)).toEqual([]);
    expect(session.server.messages.at(-1)).toMatchObject({ id: 1, error: { code: -32602 } });
    expect(session.audit.of('question')).toMatchObject([{ decision: 'deny', rule: 'protocol' }]);
  });

  test('is one of a few in a minute', async () => {
    const session = opened();
    const form = (id: number) => ({ id, method: 'elicitation/create', params: { message: `m${id}` } });
    session.server.say(...Array.from({ length: 50 }, (_, id) => form(id)));
    expect(shown(session)).toHaveLength(20);
    expect(session.server.messages.at(-1)).toMatchObject({ id: 49, error: { code: -32014 } });
    await pass(60_000);
    session.server.say(form(51));
    expect(shown(session)).toHaveLength(21);
  });

  test("is asked about where the policy says so, in words of Warder's", async () => {
    const session = asking({ policy: { methods: { 'elicitation/create': 'ask' } } });
    initialize(session);
    session.server.say({ id: 1, method: 'elicitation/create', params: { message: 'Password?' } });
    await pass(300);
    expect(forms(session.host)).toMatchObject([
      {
        params: {
          message: expect.stringMatching(
            /^Warder asks: let the server "github" ask for "elicitation\/create"\?\n/,
          ),
        },
      },
    ]);
    choose(session.host, 'Allow once');
    await pass();
    expect(forms(session.host)[1]).toMatchObject({
      params: { message: 'The server "github" asks: Password?' },
    });
  });
});

/** Somebody watches the questions. */
function watch({ service }: Asking): void {
  void service.wait([], 1_000_000);
}
