// A person answers in a dialog of the host, from 2026-07-28: the relay answers a call by asking for input, and the host
// makes it again.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Redactor } from '../../../src/credential/redact.ts';
import { type Asking, asking, meta, pass } from '../../fixtures/asking.ts';
import { answer, FakeServer } from '../../fixtures/ends.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const ARGS = { of: 1 };
/** Milliseconds in which a person may have read a question. */
const READ = 300;

interface InputRequired {
  readonly resultType: string;
  readonly requestState: string;
  readonly inputRequests: {
    readonly warder: { readonly method: string; readonly params: { message: string } };
  };
}

/** A call of 2026-07-28. */
function call(id: unknown, more: object = {}, method = 'tools/call'): Record<string, unknown> {
  return { id, method, params: { _meta: meta(), name: 'echo', arguments: ARGS, ...more } };
}

/** The user's choice, as a host gives it. */
function chose(choice: string): object {
  return { inputResponses: { warder: { action: 'accept', content: { answer: choice } } } };
}

/** The last result of the host's, which asks for input. */
function required({ host }: Asking): InputRequired {
  return host.messages.at(-1)?.result as InputRequired;
}

/** What the server has of the host's requests. */
function sent({ server }: Asking): Record<string, unknown>[] {
  return server.messages.filter(({ method }) => method !== undefined);
}

/** A session in which a call was answered by asking for input, as long ago as a person reads. */
async function asked(options: Parameters<typeof asking>[0] = {}, first = call(1), read = READ) {
  const session = asking(options);
  session.host.say(first);
  await pass(read);
  return session;
}

test('W-CONS-11 the call is answered by asking for input, and goes on when it is made again', async () => {
  const session = await asked();
  const { host, audit } = session;
  const { resultType, requestState, inputRequests } = required(session);
  expect(resultType).toBe('input_required');
  expect(requestState).toMatch(/^warder:[\w-]{43}$/);
  expect(inputRequests.warder).toMatchObject({
    method: 'elicitation/create',
    params: {
      message:
        'Warder asks: call the tool "echo" of "github"?\nof: 1\nIt may reach no network; use no credential.',
      requestedSchema: { required: ['answer'] },
    },
  });
  expect(sent(session)).toEqual([]);
  host.say(call(2, { ...chose('Allow once'), requestState }));
  await pass();
  expect(sent(session)).toEqual([
    { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { _meta: meta(), name: 'echo', arguments: ARGS } },
  ]);
  session.server.say(answer(1));
  expect(host.messages.at(-1)).toMatchObject({ id: 2, result: { content: [{ text: 'done' }] } });
  expect(audit.records).toMatchObject([
    { event: 'consent.ask', call: 's-1' },
    { event: 'tool.call', call: 's-1', decision: 'deny', rule: 'consent.dialog' },
    { event: 'consent.answer', call: 's-1', by: 'host', decision: 'allow' },
    { event: 'tool.call', call: 's-2', decision: 'allow', rule: expect.stringMatching(/^consent\.\d+$/) },
    { event: 'tool.result', call: 's-2' },
  ]);
  const [first, second] = audit.of('tool.call');
  expect(first?.state).toMatch(/^sha256:/);
  expect(second?.state).toBe(first?.state);
  expect(JSON.stringify(audit.records)).not.toContain(requestState);
});

test.each([
  ['Deny', chose('Deny'), 'said no'],
  ['declined', { inputResponses: { warder: { action: 'decline' } } }, 'said no'],
  ['dismissed', { inputResponses: { warder: { action: 'cancel' } } }, 'nobody'],
  ['not answered', {}, 'nobody'],
  [
    'answered under another name',
    { inputResponses: { other: { action: 'accept', content: { answer: 'Allow once' } } } },
    'nobody',
  ],
  ['answered otherwise', chose('Allow always'), 'nobody'],
])('%s: the call is refused in a result', async (_, more, text) => {
  const session = await asked();
  const { requestState } = required(session);
  await pass(1000);
  session.host.say(call(2, { ...more, requestState }));
  await pass();
  expect(sent(session)).toEqual([]);
  expect(session.host.messages.at(-1)).toMatchObject({
    id: 2,
    result: { resultType: 'complete', isError: true, content: [{ text: expect.stringContaining(text) }] },
  });
});

test.each([
  ['declined', { inputResponses: { warder: { action: 'decline' } } }],
  ['agreed to', chose('Allow for this session')],
])("W-CONS-10 what is %s at once is nobody's answer", async (_, reply) => {
  const session = await asked({}, call(1), READ - 1);
  const { requestState } = required(session);
  session.host.say(call(2, { ...reply, requestState }));
  await pass();
  expect(session.audit.of('tool.call').at(-1)).toMatchObject({ rule: 'consent.nobody' });
});

describe('W-CONS-11 a state counts once, and for the same request only', () => {
  const yes = chose('Allow once');
  test.each([
    ['other arguments', { arguments: { of: 2 } }, 'tools/call'],
    ['more arguments', { arguments: { of: 1, also: 1 } }, 'tools/call'],
    ['no arguments', { arguments: undefined }, 'tools/call'],
    ['another tool', { name: 'evil' }, 'tools/call'],
    ['another method', {}, 'prompts/get'],
  ])('not for %s, and not afterwards either', async (_, change, method) => {
    const session = await asked();
    const { requestState } = required(session);
    session.host.say(call(2, { ...yes, requestState, ...change }, method));
    await pass();
    expect(session.host.messages.at(-1)).toMatchObject({
      id: 2,
      error: { code: -32010, message: expect.stringContaining('another request') },
    });
    session.host.say(call(3, { ...yes, requestState }));
    await pass();
    expect(session.host.messages.at(-1)).toMatchObject({ id: 3, error: { code: -32010 } });
    expect(sent(session)).toEqual([]);
    expect(session.service.questions).toEqual([]);
    const decisions = session.audit.records.filter(
      ({ event }) => event === 'tool.call' || event === 'request',
    );
    expect(decisions.map(({ decision }) => decision)).toEqual(['deny', 'deny', 'deny']);
    expect(decisions[1]).toMatchObject({ rule: 'protocol', state: decisions[0]?.state });
  });

  test('members in another order, with other white space and another progress token, are the same request', async () => {
    const session = await asked({}, call(1, { arguments: { of: 1, x: [1, 2] } }));
    const { requestState } = required(session);
    const params = `{"requestState": ${JSON.stringify(requestState)}, "arguments": {"x": [1,2],  "of":1}, "name":"echo",
      "inputResponses": ${JSON.stringify(yes)}, "_meta": {"progressToken": 7}}`;
    // The responses are the member of `yes`.
    const line = params.replace(
      JSON.stringify(yes),
      JSON.stringify((yes as { inputResponses: object }).inputResponses),
    );
    session.host.say(`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":${line.replace('\n', '')}}`);
    await pass();
    expect(sent(session)).toMatchObject([
      { params: { name: 'echo', arguments: { of: 1, x: [1, 2] }, _meta: { progressToken: 7 } } },
    ]);
    expect(session.server.text).not.toContain('warder');
  });

  test('numbers that JavaScript cannot tell apart are two requests', async () => {
    const session = asking();
    const line = (id: number, n: string, more = ''): string =>
      `{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":{"_meta":${JSON.stringify(meta())},"name":"echo","arguments":{"n":${n}}${more}}}`;
    session.host.say(line(1, '9007199254740993'));
    await pass();
    const { requestState } = required(session);
    const more = `,"requestState":"${requestState}",${JSON.stringify(yes).slice(1, -1)}`;
    session.host.say(line(2, '9007199254740992', more));
    await pass();
    expect(sent(session)).toEqual([]);
  });

  test('not twice', async () => {
    const session = await asked();
    const { requestState } = required(session);
    session.host.say(call(2, { ...yes, requestState }), call(3, { ...yes, requestState }));
    await pass();
    expect(sent(session)).toHaveLength(1);
    expect(session.host.messages.at(-1)).toMatchObject({ id: 3, error: { code: -32010 } });
  });

  test('not in another session, and not if it was made up', async () => {
    const session = await asked();
    const { requestState } = required(session);
    const other = asking();
    other.host.say(call(1, { ...yes, requestState }));
    session.host.say(call(2, { ...yes, requestState: `warder:${'A'.repeat(43)}` }));
    await pass();
    expect(sent(session)).toEqual([]);
    expect(sent(other)).toEqual([]);
    expect(other.host.messages.at(-1)).toMatchObject({ id: 1, error: { code: -32010 } });
  });

  test.each([
    ['the state', (state: string) => `"requestState":"${state}","requestState":"x"`],
    ['the state in another case', (state: string) => `"requestState":"${state}","RequestState":"x"`],
    ['the answers', (state: string) => `"requestState":"${state}","inputResponses":{}`],
  ])('not where %s is there twice', async (_, twice) => {
    const session = await asked();
    const { requestState } = required(session);
    const params = JSON.stringify({ _meta: meta(), name: 'echo', arguments: ARGS, ...yes });
    const line = `${params.slice(0, -1)},${twice(requestState)}}`;
    session.host.say(`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":${line}}`);
    await pass();
    expect(sent(session)).toEqual([]);
    expect(session.host.messages.at(-1)).toMatchObject({ id: 2, error: { code: -32602 } });
  });

  test('not when its time is over', async () => {
    const session = await asked();
    const { requestState } = required(session);
    await pass(119_000);
    expect(session.service.questions).toHaveLength(1);
    await pass(1_000);
    session.host.say(call(2, { ...yes, requestState }));
    await pass();
    expect(session.audit.of('tool.call').at(-1)).toMatchObject({ rule: 'consent.timeout' });
    session.host.say(call(3));
    await pass();
    const late = required(session).requestState;
    await pass(421_000);
    session.host.say(call(4, { ...yes, requestState: late }));
    await pass();
    expect(session.host.messages.at(-1)).toMatchObject({ id: 4, error: { code: -32010 } });
    expect(sent(session)).toEqual([]);
  });

  test('not for what the policy has come to deny', async () => {
    const session = await asked();
    const { requestState } = required(session);
    session.session.policy = { default: 'deny', tools: {}, resources: {}, prompts: {}, methods: {} };
    session.host.say(call(2, { ...yes, requestState }));
    await pass();
    expect(sent(session)).toEqual([]);
  });
});

test('W-CONS-4 what another way has answered meanwhile counts, whatever the late dialog says', async () => {
  const session = await asked();
  const { requestState } = required(session);
  const [question] = session.service.questions;
  const no = { decision: 'deny', scope: 'once', extent: 'arguments', pin: undefined } as const;
  await session.service.answer({ id: question?.id ?? '', ...no }, 'terminal');
  session.host.say(call(2, { ...chose('Allow once'), requestState }));
  await pass();
  expect(sent(session)).toEqual([]);
  expect(session.host.messages.at(-1)).toMatchObject({ id: 2, result: { isError: true } });
});

test('alike calls are one question with a dialog for each, and one answer is for all', async () => {
  const session = await asked();
  const { requestState } = required(session);
  session.host.say(call(2));
  await pass();
  const second = required(session).requestState;
  expect(second).not.toBe(requestState);
  expect(session.service.questions).toMatchObject([{ calls: 2 }]);
  session.host.say(call(3, { ...chose('Allow once'), requestState }));
  await pass();
  expect(sent(session)).toHaveLength(1);
  session.host.say(call(4, { inputResponses: { warder: { action: 'cancel' } }, requestState: second }));
  await pass();
  expect(sent(session)).toHaveLength(2);
});

test("W-CONS-11 a state of the server's own is put back, and goes on as it came", async () => {
  const first = call(1, {
    requestState: 'server-state',
    inputResponses: { confirm: { action: 'accept', content: { n: 1 } } },
  });
  const session = await asked({}, first);
  const { requestState } = required(session);
  session.host.say(call(2, { ...chose('Allow once'), requestState }));
  await pass();
  expect(sent(session)).toMatchObject([
    {
      params: {
        requestState: 'server-state',
        inputResponses: { confirm: { action: 'accept', content: { n: 1 } } },
        name: 'echo',
        arguments: ARGS,
      },
    },
  ]);
  expect(session.server.text).not.toContain('warder');
});

describe('a call that is made again with what the server has asked for', () => {
  /** A call that the user has agreed to once, and that the server has answered by asking for input. */
  async function begun(): Promise<Asking> {
    const session = await asked();
    session.host.say(call(2, { ...chose('Allow once'), requestState: required(session).requestState }));
    await pass();
    session.server.say({ id: 1, result: { resultType: 'input_required', requestState: 'mine' } });
    expect(session.host.messages.at(-1)).toMatchObject({ id: 2, result: { requestState: 'mine' } });
    return session;
  }

  test('is the one that the user has agreed to, once', async () => {
    const session = await begun();
    session.host.say(call(3, { requestState: 'mine', inputResponses: { a: { action: 'accept' } } }));
    await pass();
    expect(sent(session)).toHaveLength(2);
    expect(sent(session)[1]).toMatchObject({ params: { requestState: 'mine' } });
    const [, first, second] = session.audit.of('tool.call');
    expect(second).toMatchObject({ decision: 'allow', rule: first?.rule });
    session.host.say(call(4, { requestState: 'mine' }));
    await pass();
    expect(required(session).requestState).toMatch(/^warder:/);
    expect(sent(session)).toHaveLength(2);
  });

  test('goes on without a state too, if the server gave none', async () => {
    const session = await asked();
    session.host.say(call(2, { ...chose('Allow once'), requestState: required(session).requestState }));
    await pass();
    session.server.say({ id: 1, result: { resultType: 'input_required', inputRequests: {} } });
    session.host.say(call(3));
    await pass();
    expect(sent(session)).toHaveLength(1);
    session.host.say(call(4, { inputResponses: {} }));
    await pass();
    expect(sent(session)).toHaveLength(2);
    session.host.say(call(5, { inputResponses: {} }));
    await pass();
    expect(sent(session)).toHaveLength(2);
  });

  test.each([
    ['with other arguments', { arguments: { of: 2 } }],
    ['of another tool', { name: 'evil' }],
    ['under another state', { requestState: 'another' }],
  ])('%s is another one', async (_, change) => {
    const session = await begun();
    session.host.say(call(3, { requestState: 'mine', ...change }));
    await pass();
    expect(sent(session)).toHaveLength(1);
    expect(required(session).requestState).toMatch(/^warder:/);
  });

  test('passes the policy as it is then, and after ten minutes is another one', async () => {
    const late = await begun();
    await pass(600_001);
    late.host.say(call(3, { requestState: 'mine' }));
    await pass();
    expect(sent(late)).toHaveLength(1);
    const denied = await begun();
    denied.session.policy = { default: 'deny', tools: {}, resources: {}, prompts: {}, methods: {} };
    denied.host.say(call(3, { requestState: 'mine' }));
    await pass();
    expect(sent(denied)).toHaveLength(1);
  });
});

test('W-CONS-11 a state reaches no server, whatever the request that brings it waits for', async () => {
  const session = await asked({ policy: { prompts: { p: 'allow' } } });
  const { requestState } = required(session);
  session.host.say({ id: 'open', method: 'prompts/get', params: { _meta: meta(), name: 'p' } });
  const next = new FakeServer();
  const rotated = session.session.rotate(async () => ({ server: next, redactor: new Redactor([]) }));
  await pass();
  next.say({ id: next.nth(1), result: { supportedVersions: ['2026-07-28'], capabilities: {} } });
  await pass();
  session.host.say(call(2, { ...chose('Allow once'), requestState }));
  await pass();
  expect(sent(session)).toHaveLength(1);
  session.server.say({ id: 1, result: {} });
  await pass();
  expect(await rotated).toMatchObject({ outcome: 'moved' });
  await pass();
  expect(next.messages.filter(({ method }) => method === 'tools/call')).toMatchObject([
    { params: { name: 'echo', arguments: ARGS } },
  ]);
  expect(next.text + session.server.text).not.toContain('warder:');
});

test('resources and prompts are asked about likewise; what a host does not make again is not', async () => {
  const session = asking();
  const read = (id: number, more = {}) => ({
    id,
    method: 'resources/read',
    params: { _meta: meta(), uri: 'a:b', ...more },
  });
  session.host.say(read(1));
  await pass(READ);
  const { requestState, inputRequests } = required(session);
  expect(inputRequests.warder.params.message.split('\n').slice(0, 2)).toEqual([
    'Warder asks: read the resource "a:b" of "github"?',
    'uri: "a:b"',
  ]);
  session.host.say(read(2, { ...chose('Allow once'), requestState }));
  await pass();
  expect(sent(session)).toMatchObject([{ method: 'resources/read', params: { uri: 'a:b' } }]);
  session.host.say({ id: 3, method: 'vendor/act', params: { _meta: meta() } });
  await pass();
  expect(session.host.messages.at(-1)).toMatchObject({ id: 3, error: { code: -32010 } });
});

test.each([
  ['none', {}],
  ['URLs only', { elicitation: { url: {} } }],
])('a request whose `_meta` offers %s is asked about elsewhere', async (_, capabilities) => {
  const session = await asked({}, call(1, { _meta: meta(capabilities) }));
  expect(session.audit.of('tool.call')).toMatchObject([{ rule: 'consent.nobody' }]);
});

test('a host that asks again and again is asked back as often, and what it leaves open has a bound', async () => {
  const session = asking();
  for (let id = 0; id < 300; id++) session.host.say(call(id));
  await pass(READ);
  const states = session.host.messages.map(({ result }) => (result as InputRequired).requestState);
  expect(new Set(states).size).toBe(300);
  session.host.say(call('a', { ...chose('Allow once'), requestState: states[0] }));
  await pass();
  expect(session.host.messages.at(-1)).toMatchObject({ id: 'a', error: { code: -32010 } });
  session.host.say(call('b', { ...chose('Allow once'), requestState: states[299] }));
  await pass();
  expect(sent(session)).toHaveLength(1);
});

test('nothing is answered that is not on record', async () => {
  const session = asking();
  session.audit.fails.add('tool.call');
  session.host.say(call(1));
  await pass();
  expect(session.host.messages).toMatchObject([{ id: 1, error: { data: { code: 'audit-unwritable' } } }]);
  expect(session.service.questions).toEqual([]);
});
