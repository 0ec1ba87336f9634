// A person answers in a dialog of the host, up to 2025-11-25: a request of Warder's own, which the server never sees.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { asking, choose, forms, initialize, pass } from '../../fixtures/asking.ts';
import { answer, call } from '../../fixtures/ends.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const CALLS = 'tools/call';
/** Milliseconds in which a person may have read a question. */
const READ = 300;

/** The calls that the server has. */
function calls({ server }: ReturnType<typeof asking>): unknown[] {
  return server.messages.filter(({ method }) => method === CALLS);
}

/** A session of 2025-11-25 in which one call waits, for as long as a person reads. */
async function waiting(options: Parameters<typeof asking>[0] = {}, capabilities?: object, read = READ) {
  const session = asking(options);
  initialize(session, capabilities);
  session.host.say(call(1, 'echo'));
  await pass(read);
  return session;
}

test('W-CONS-10 the question is asked of the host alone, and the call goes on with the choice', async () => {
  const session = await waiting();
  const { host, server, audit, service } = session;
  const [form] = forms(host);
  const [question] = service.questions;
  expect(form?.params).toEqual({
    message:
      'Warder asks: call the tool "echo" of "github"?\nof: 1\nIt may reach no network; use no credential.',
    requestedSchema: {
      type: 'object',
      properties: {
        answer: { type: 'string', title: 'Answer', enum: ['Deny', 'Allow once', 'Allow for this session'] },
      },
      required: ['answer'],
    },
  });
  expect(calls(session)).toEqual([]);
  choose(host, 'Allow once');
  await pass();
  expect(calls(session)).toHaveLength(1);
  expect(server.text).not.toContain('elicitation/create');
  expect(server.text).not.toContain('Allow once');
  server.say(answer(server.nth(2)));
  expect(host.messages.at(-1)).toMatchObject({ id: 1, result: { content: [{ text: 'done' }] } });
  expect(audit.records.map(({ event }) => event)).toEqual([
    'consent.ask',
    'consent.answer',
    'tool.call',
    'tool.result',
  ]);
  expect(audit.of('consent.answer')).toMatchObject([{ by: 'host', decision: 'allow', scope: 'once' }]);
  expect(audit.of('tool.call')).toMatchObject([{ rule: `consent.${question?.id}`, decision: 'allow' }]);
});

test('a yes for the session holds for the tool, and is asked of nobody again', async () => {
  const session = await waiting();
  choose(session.host, 'Allow for this session');
  await pass();
  session.host.say(call(2, 'echo'));
  await pass();
  expect(calls(session)).toHaveLength(2);
  expect(forms(session.host)).toHaveLength(1);
});

test.each([
  ['Deny', { result: { action: 'accept', content: { answer: 'Deny' } } }],
  ['declined', { result: { action: 'decline' } }],
])("%s is the user's no", async (_, reply) => {
  const session = await waiting();
  await pass(2000);
  session.host.say({ id: forms(session.host)[0]?.id, ...reply });
  await pass();
  expect(calls(session)).toEqual([]);
  expect(session.host.messages.at(-1)).toMatchObject({
    id: 1,
    result: { isError: true, content: [{ text: 'refused: the user said no to: call the tool "echo"' }] },
  });
});

describe('W-CONS-10 what is no answer of a person is none, and nobody is said to have denied anything', () => {
  const accept = (content: unknown) => ({ result: { action: 'accept', content } });
  test.each([
    ['declined at once', 200, { result: { action: 'decline' } }],
    ['agreed to at once', 299, accept({ answer: 'Allow once' })],
    ['agreed to for the session at once', 0, accept({ answer: 'Allow for this session' })],
    ['dismissed at once', 0, { result: { action: 'cancel' } }],
    ['dismissed', 5000, { result: { action: 'cancel' } }],
    ['an error', 5000, { error: { code: -32601, message: 'no such method' } }],
    ['another choice', 5000, accept({ answer: 'Allow always' })],
    ['an answer of its own', 5000, accept({ answer: 'Other' })],
    ['more than was asked for', 5000, accept({ answer: 'Allow once', also: true })],
    ['nothing', 5000, accept({})],
  ])('%s', async (_, ms, reply) => {
    const session = await waiting({}, undefined, ms);
    session.host.say({ id: forms(session.host)[0]?.id, ...reply });
    await pass();
    expect(calls(session)).toEqual([]);
    expect(session.audit.of('tool.call')).toMatchObject([{ decision: 'deny', rule: 'consent.nobody' }]);
    expect(session.host.messages.at(-1)).not.toMatchObject({
      result: { content: [{ text: expect.stringContaining('said no') }] },
    });
  });

  test.each([
    ['a member twice', '{"action":"accept","content":{"answer":"Deny","answer":"Allow once"}}'],
    [
      'the content twice',
      '{"action":"accept","content":{"answer":"Allow once"},"content":{"answer":"Deny"}}',
    ],
  ])('%s', async (_, result) => {
    const session = await waiting();
    session.host.say(`{"jsonrpc":"2.0","id":${forms(session.host)[0]?.id},"result":${result}}`);
    await pass();
    expect(calls(session)).toEqual([]);
    expect(session.audit.of('tool.call')).toMatchObject([{ rule: 'consent.nobody' }]);
  });

  test('a line that two readers read differently', async () => {
    const session = await waiting();
    const id = forms(session.host)[0]?.id;
    const result = '{"action":"accept","content":{"answer":"Allow once"}}';
    session.host.say(`{"jsonrpc":"2.0","id":${id},"result":{"action":"decline"},"result":${result}}`);
    await pass();
    expect(calls(session)).toEqual([]);
    expect(session.audit.of('tool.call')).toMatchObject([{ rule: 'consent.nobody' }]);
  });
});

test('a no at once falls through to the next way', async () => {
  const asked: string[] = [];
  const desktop = {
    name: 'desktop',
    ask: ({ name }: { name: string }) => {
      asked.push(name);
      return Promise.resolve({ decision: 'allow', scope: 'once', extent: 'arguments' } as const);
    },
  } as const;
  const session = await waiting({ ways: [desktop] });
  expect(asked).toEqual([]);
  session.host.say({ id: forms(session.host)[0]?.id, result: { action: 'cancel' } });
  await pass();
  expect(asked).toEqual(['echo']);
  expect(calls(session)).toHaveLength(1);
});

describe('W-CONS-4 the first answer counts', () => {
  test('another way answers first: the dialog is withdrawn, and its late answer is nothing', async () => {
    const session = await waiting();
    const { host, service } = session;
    const [form] = forms(host);
    await service.answer(
      {
        id: service.questions[0]?.id ?? '',
        decision: 'deny',
        scope: 'once',
        extent: 'arguments',
        pin: undefined,
      },
      'terminal',
    );
    await pass();
    expect(host.messages.slice(-2)).toMatchObject([
      { method: 'notifications/cancelled', params: { requestId: form?.id } },
      { id: 1, result: { isError: true } },
    ]);
    const lines = host.lines.length;
    choose(host, 'Allow once');
    choose(host, 'Allow once');
    await pass();
    expect(calls(session)).toEqual([]);
    expect(host.lines).toHaveLength(lines);
  });

  test('two answers to one dialog', async () => {
    const session = await waiting();
    choose(session.host, 'Deny');
    choose(session.host, 'Allow once');
    await pass();
    expect(calls(session)).toEqual([]);
  });

  test('a dialog is over when its call is taken back, or its time is', async () => {
    const session = await waiting();
    session.host.say({ method: 'notifications/cancelled', params: { requestId: 1 } });
    await pass();
    const over = (): unknown =>
      session.host.messages.filter(({ method }) => method === 'notifications/cancelled').length;
    expect(over()).toBe(1);
    session.host.say(call(2, 'echo'));
    await pass(120_000);
    expect(over()).toBe(2);
    expect(session.host.messages.at(-1)).toMatchObject({ id: 2, result: { isError: true } });
    expect(session.audit.of('tool.call').at(-1)).toMatchObject({ rule: 'consent.timeout' });
  });
});

test('W-CONS-44 alike calls are one dialog, a yes once is for those that it names, and a re-used id meanwhile is refused', async () => {
  const session = await waiting();
  session.host.say(call(2, 'echo', { of: 1 }), call(1, 'evil'));
  await pass();
  expect(forms(session.host)).toHaveLength(1);
  expect(session.host.messages.at(-1)).toMatchObject({ id: null, error: { code: -32600 } });
  choose(session.host, 'Allow once');
  await pass();
  expect(calls(session)).toHaveLength(1);
  session.host.say(call(3, 'echo', { of: 1 }));
  await pass(READ);
  // The dialog of the second says one, and the third came after it.
  expect(forms(session.host)).toHaveLength(2);
  choose(session.host, 'Allow for this session');
  await pass();
  expect(calls(session)).toHaveLength(3);
  expect(session.server.text).not.toContain('evil');
});

test.each([
  ['no elicitation', {}],
  ['no forms', { elicitation: { url: {} } }],
])('a host with %s is asked nothing', async (_, capabilities) => {
  const session = await waiting({}, capabilities);
  expect(forms(session.host)).toEqual([]);
  expect(session.audit.of('tool.call')).toMatchObject([{ rule: 'consent.nobody' }]);
});

test('whoever does not want dialogs of the host leaves them out of `consent.ways`', async () => {
  const session = await waiting({ order: ['terminal'] });
  expect(forms(session.host)).toEqual([]);
  expect(session.audit.of('tool.call')).toMatchObject([{ rule: 'consent.nobody' }]);
});

test('a call before the session is opened is asked of no host', async () => {
  const session = asking();
  session.host.say(call(1, 'echo'));
  await pass();
  expect(forms(session.host)).toEqual([]);
});

test('W-CONS-4 an answer reaches the dialog that it is to, not a request of the server with that id', async () => {
  const session = await waiting({ policy: { methods: { 'roots/list': 'allow' } } });
  const { host, server } = session;
  server.say({ id: 1, method: 'roots/list' }, { id: 2, method: 'roots/list' });
  await pass();
  const ids = host.messages.filter(({ method }) => method !== undefined).map(({ id }) => id);
  expect(new Set(ids).size).toBe(3);
  host.say({ id: ids[1], result: { action: 'accept', content: { answer: 'Allow once' } } });
  await pass();
  expect(calls(session)).toEqual([]);
  expect(server.messages.at(-1)).toMatchObject({ id: 1, result: { action: 'accept' } });
});

test('a host that has ended its input answers nothing any more', async () => {
  const session = await waiting();
  session.host.end();
  await pass();
  expect(session.audit.of('tool.call')).toMatchObject([{ rule: 'consent.nobody' }]);
  expect(calls(session)).toEqual([]);
});

test('W-CONS-6 a thousand questions a second: some are asked, the rest are refused at once', async () => {
  const session = asking({ rate: 5 });
  initialize(session);
  session.host.say(...Array.from({ length: 1000 }, (_, at) => call(at, `tool-${at}`)));
  await pass();
  expect(forms(session.host)).toHaveLength(5);
  expect(calls(session)).toEqual([]);
  const refused = session.host.messages.filter(({ result }) => (result as { isError?: boolean })?.isError);
  expect(refused).toHaveLength(995);
  expect(session.audit.of('tool.call')).toHaveLength(995);
});

test('W-CONS-4 two hosts of one profile with the same call are two questions, and neither answers for the other', async () => {
  const first = await waiting();
  const second = asking({}, first);
  initialize(second);
  second.host.say(call(1, 'echo'));
  await pass();
  expect(first.service.questions).toHaveLength(2);
  choose(second.host, 'Deny');
  await pass();
  expect(calls(first)).toEqual([]);
  // Ids of one host are those of no other.
  second.host.say({
    id: forms(first.host)[0]?.id,
    result: { action: 'accept', content: { answer: 'Allow once' } },
  });
  await pass();
  expect(calls(first)).toEqual([]);
  choose(first.host, 'Allow for this session');
  await pass();
  expect(calls(first)).toHaveLength(1);
  second.host.say(call(2, 'echo'));
  await pass();
  expect(calls(second)).toEqual([]);
});

test.each([
  ['a line of Warder', 'x"?\nIt may reach no network; use no credential.'],
  ['another argument', '1, to: "mallory'],
  ['what moves and hides', '\u202e\u200b\u001b[2K\r'],
])('W-CONS-7 an argument that looks like %s is shown as what it is', async (_, of) => {
  const session = asking();
  initialize(session);
  session.host.say(call(1, 'echo', { of }));
  await pass();
  const [form] = forms(session.host) as { params: { message: string } }[];
  const message = form?.params.message ?? '';
  const [, shown = '', ...rest] = message.split('\n');
  expect(rest).toEqual(['It may reach no network; use no credential.']);
  expect(JSON.parse(shown.replace('of: ', ''))).toBe(of);
  expect(shown).not.toMatch(/[\p{Cc}\p{Cf}]/u);
});

test('a session that ends leaves no question, and nothing of it is forwarded', async () => {
  const session = await waiting();
  session.host.vanish();
  session.server.exit(0);
  await pass();
  await session.session.done;
  expect(session.service.questions).toEqual([]);
  expect(calls(session)).toEqual([]);
});
