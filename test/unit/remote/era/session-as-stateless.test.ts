// A host of the stateless era, and a server of the session era.
import { afterEach, describe, expect, test, vi } from 'vitest';
import { type FakePipe, FakeRemote, meta, type Seen, settled } from '../../../fixtures/remote/pipes.ts';

afterEach(() => void vi.useRealTimers());

const CAPABILITIES = {
  tools: { listChanged: true },
  prompts: {},
  resources: { subscribe: true, listChanged: true },
  logging: {},
  tasks: { list: {} },
};
const INTRODUCTION = {
  protocolVersion: '2025-06-18',
  capabilities: CAPABILITIES,
  serverInfo: { name: 'far', version: '9' },
  instructions: 'ask first',
};
const HOST = { elicitation: { form: {}, url: {} }, sampling: {}, roots: {} };
const FORM = { message: 'sure?', requestedSchema: { type: 'object', properties: {} } };

function fresh(): FakeRemote {
  return new FakeRemote({ verdicts: new Map([['stateless https://mcp.example.com/mcp', 'session']]) });
}

/** A remote whose session is open. */
async function opened(host: object = HOST): Promise<FakeRemote> {
  const remote = fresh();
  const id = remote.request('server/discover', { _meta: meta(host as Record<string, unknown>) });
  const { pipe } = remote;
  pipe.answer(pipe.last('initialize').id, INTRODUCTION);
  await settled();
  expect(remote.answerTo(id)?.result.resultType).toBe('complete');
  return remote;
}

const NEEDED = { code: 'sign-in-needed', hint: 'run: warder login notes' };

/** Calls a tool, in the middle of which the server asks. Returns the call's result, which asks the host. */
async function asked(remote: FakeRemote, params: object = {}): Promise<Seen['result']> {
  const id = remote.request('tools/call', {
    name: 'pay',
    arguments: { sum: 3 },
    _meta: meta(HOST),
    ...params,
  });
  remote.pipe.say({ id: `q${id}`, method: 'elicitation/create', params: FORM }, id);
  return await result(remote, id);
}

async function result(remote: FakeRemote, id: number): Promise<Seen['result']> {
  await expect.poll(() => remote.answerTo(id)).toBeDefined();
  const { error, result: found } = remote.answerTo(id) as Seen;
  expect(error).toBeUndefined();
  return found;
}

const replies = ({ sent }: FakePipe): Seen[] =>
  sent.filter(({ kind }) => kind === 'response').map(({ json }) => JSON.parse(json.toString()) as Seen);

describe('the session', () => {
  test('a person may be asked to sign in for it where what waits for it acts [W-REM-25]', async () => {
    const remote = fresh();
    const call = remote.request('tools/call', { name: 'add', arguments: {}, _meta: meta(HOST) });
    const { pipe } = remote;
    expect(pipe.sent.map(({ method, waitedFor }) => [method, waitedFor])).toEqual([['initialize', call]]);
    pipe.answer(pipe.last('initialize').id, INTRODUCTION);
    expect(pipe.sent.at(-1)).toMatchObject({ method: 'tools/call', id: call });
    expect(pipe.sent.at(-1)?.waitedFor).toBeUndefined();
  });

  test('that was to be opened for a list is opened once more for a call that waits, which a person is asked for', async () => {
    const remote = fresh();
    const list = remote.request('tools/list', { _meta: meta(HOST) });
    const call = remote.request('tools/call', { name: 'add', arguments: {}, _meta: meta(HOST) });
    const { pipe } = remote;
    expect(pipe.sent.map(({ waitedFor }) => waitedFor)).toEqual([undefined]);
    pipe.refuse(pipe.last('initialize').id, -32010, NEEDED);
    expect(remote.answerTo(call)).toBeUndefined();
    expect(pipe.sent.map(({ waitedFor }) => waitedFor)).toEqual([undefined, call]);
    await settled();
    expect(remote.answerTo(list)?.error.data).toEqual(NEEDED);
    // Once more, and no more often.
    pipe.refuse(pipe.last('initialize').id, -32010, NEEDED);
    await settled();
    expect(remote.answerTo(call)?.error.data).toEqual(NEEDED);
    expect(pipe.count('initialize')).toBe(2);
  });

  test('is opened by what the first request says of its host; what waits for it goes on then', async () => {
    const remote = fresh();
    const first = remote.request('tools/list', {
      _meta: meta({ ...HOST, extensions: { 'io.modelcontextprotocol/tasks': {} } }),
    });
    const second = remote.request('server/discover', { _meta: meta(HOST) });
    const { pipe } = remote;
    expect(pipe.seen.map(({ method }) => method)).toEqual(['initialize']);
    expect(pipe.last('initialize').params).toEqual({
      protocolVersion: '2025-11-25',
      capabilities: HOST,
      clientInfo: { name: 'host', version: '1' },
    });
    pipe.answer(pipe.last('initialize').id, INTRODUCTION);
    expect(pipe.seen.map(({ method }) => method)).toEqual([
      'initialize',
      'notifications/initialized',
      'tools/list',
    ]);
    pipe.answer(first, { tools: [] });
    await settled();
    expect(remote.answerTo(first)?.result).toEqual({
      tools: [],
      resultType: 'complete',
      ttlMs: 0,
      cacheScope: 'private',
    });
    expect(remote.answerTo(second)?.result).toEqual({
      resultType: 'complete',
      supportedVersions: ['2026-07-28'],
      capabilities: { ...CAPABILITIES, tasks: undefined },
      instructions: 'ask first',
      ttlMs: 0,
      cacheScope: 'private',
      _meta: { 'io.modelcontextprotocol/serverInfo': { name: 'far', version: '9' } },
    });
  });

  test('that cannot be opened answers all that waits for it, and is tried again', async () => {
    const remote = fresh();
    const ids = [1, 2].map(() => remote.request('tools/list', { _meta: meta() }));
    remote.pipe.refuse(remote.pipe.last('initialize').id, -32603);
    await settled();
    for (const id of ids) expect(remote.answerTo(id)?.error.code).toBe(-32603);
    remote.request('tools/list', { _meta: meta() });
    remote.pipe.answer(remote.pipe.last('initialize').id, { ...INTRODUCTION, protocolVersion: '2031-01-01' });
    await settled();
    expect(remote.answerTo(3)?.error).toMatchObject({ code: -32022, data: { supported: ['2031-01-01'] } });
  });

  test.each([
    ['no version', {}, -32602],
    ['no capabilities', { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' }, -32602],
    ['another version', { ...meta(), 'io.modelcontextprotocol/protocolVersion': '2030-01-01' }, -32022],
  ])('is not opened by a request with %s', async (_, given, code) => {
    const remote = fresh();
    const id = remote.request('server/discover', { _meta: given });
    await settled();
    expect(remote.answerTo(id)?.error.code).toBe(code);
    expect(remote.pipe.sent).toEqual([]);
  });

  test('is asked nothing that the stateless era does not have', async () => {
    const remote = await opened();
    const ids = ['ping', 'logging/setLevel', 'resources/subscribe', 'tasks/list'].map((method) =>
      remote.request(method, { _meta: meta() }),
    );
    remote.notify('notifications/roots/list_changed');
    await settled();
    for (const id of ids) expect(remote.answerTo(id)?.error.code).toBe(-32601);
    expect(remote.pipe.seen.map(({ method }) => method)).toEqual(['initialize', 'notifications/initialized']);
  });
});

describe('requests and results', () => {
  test('lose what they say of their host; all else stays byte for byte', async () => {
    const remote = await opened();
    const said = JSON.stringify(meta(HOST)).slice(1, -1);
    const id = remote.request(
      'tools/call',
      { name: 'a' },
      `{"name":"a", "arguments":{"n":12345678901234567890,"s":"\\u0041"},"_meta":{${said},"progressToken":"p"}}`,
    );
    expect(remote.pipe.sent.at(-1)?.json.toString()).toBe(
      `{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":{"name":"a", "arguments":{"n":12345678901234567890,"s":"\\u0041"},"_meta":{"progressToken":"p"}}}`,
    );
    remote.pipe.say(`{"jsonrpc":"2.0","id":${id},"result":{"content":[ ],"structuredContent":{"n":1e999}}}`);
    await settled();
    expect(remote.lines.at(-1)).toBe(
      `{"jsonrpc":"2.0","id":${id},"result":{"content":[ ],"structuredContent":{"n":1e999},"resultType":"complete"}}`,
    );
  });

  test('a server cannot say of itself that it wants input [W-REM-28]', async () => {
    const remote = await opened();
    const id = remote.request('tools/call', { name: 'a', _meta: meta(HOST) });
    remote.pipe.answer(id, {
      resultType: 'input_required',
      inputRequests: {},
      requestState: 'held:x',
      content: [],
    });
    await settled();
    expect(remote.answerTo(id)?.result.resultType).toBe('complete');
  });

  test.each([
    [-32002, -32602],
    [-32042, -32603],
    [-32021, -32603],
    [-32000, -32000],
    [-32601, -32601],
    [7, 7],
  ])('an error %i is %i in the stateless era', async (code, expected) => {
    const remote = await opened();
    const id = remote.request('resources/read', { uri: 'file:///a', _meta: meta() });
    remote.pipe.refuse(id, code, { n: 1 });
    await settled();
    expect(remote.answerTo(id)?.error).toMatchObject({ code: expected, data: { n: 1 } });
  });

  test('cancelling passes, by the id that the server knows', async () => {
    const remote = await opened();
    const id = remote.request('tools/call', { name: 'a', _meta: meta() });
    remote.notify('notifications/cancelled', { requestId: id });
    remote.notify('notifications/cancelled', { requestId: id });
    expect(remote.pipe.seen.filter(({ method }) => method === 'notifications/cancelled')).toMatchObject([
      { params: { requestId: id } },
    ]);
  });
});

describe('what the server asks in the middle of a call', () => {
  test('is what the call asks for; the call made again brings the answers, and ends with the first one [W-REM-29]', async () => {
    const remote = await opened();
    const wanted = await asked(remote);
    const [[key, entry] = []] = Object.entries(wanted.inputRequests);
    expect(entry).toEqual({ method: 'elicitation/create', params: FORM });
    expect(wanted).toMatchObject({ resultType: 'input_required' });
    expect(wanted.requestState).toMatch(/^held:[\w-]{43}$/);
    const again = remote.request('tools/call', {
      arguments: { sum: 3 },
      name: 'pay',
      inputResponses: { [String(key)]: { action: 'accept', content: { n: 1 } }, other: {} },
      requestState: wanted.requestState,
      _meta: meta(HOST),
    });
    expect(replies(remote.pipe)).toEqual([
      { jsonrpc: '2.0', id: 'q2', result: { action: 'accept', content: { n: 1 } } },
    ]);
    expect(remote.pipe.count('tools/call')).toBe(1);
    remote.pipe.answer(2, { content: [{ type: 'text', text: 'paid' }] });
    expect((await result(remote, again)).content[0].text).toBe('paid');
  });

  test('several are asked at once; what is not answered is asked again, and what comes later too', async () => {
    const remote = await opened();
    const id = remote.request('tools/call', { name: 'pay', _meta: meta(HOST) });
    remote.pipe.say({ id: 1, method: 'elicitation/create', params: FORM }, id);
    remote.pipe.say(
      { id: 'one', method: 'sampling/createMessage', params: { messages: [], maxTokens: 1, task: {} } },
      id,
    );
    const first = await result(remote, id);
    const [form, sample] = Object.keys(first.inputRequests);
    expect(first.inputRequests[String(sample)].params).toEqual({ messages: [], maxTokens: 1 });
    remote.pipe.say({ id: 2, method: 'roots/list' }, id);
    const second = await result(
      remote,
      remote.request('tools/call', {
        name: 'pay',
        _meta: meta(HOST),
        requestState: first.requestState,
        inputResponses: { [String(form)]: { action: 'decline' } },
      }),
    );
    expect(Object.values(second.inputRequests)).toMatchObject([
      { method: 'sampling/createMessage' },
      { method: 'roots/list' },
    ]);
    expect(second.requestState).not.toBe(first.requestState);
    expect(replies(remote.pipe)).toMatchObject([{ id: 1, result: { action: 'decline' } }]);
  });

  test('a state counts once, and for the same call alone [W-REM-29]', async () => {
    const remote = await opened();
    const again = (state: string, more: object = {}): number =>
      remote.request('tools/call', {
        name: 'pay',
        arguments: { sum: 3 },
        _meta: meta(HOST),
        requestState: state,
        inputResponses: {},
        ...more,
      });
    const one = await asked(remote);
    const used = again(one.requestState);
    const twice = again(one.requestState);
    const forged = again('held:AAAA');
    const foreign = again('mine');
    const two = await asked(remote);
    const other = again(two.requestState, { arguments: { sum: 4 } });
    const late = again(two.requestState);
    await settled();
    for (const id of [twice, forged, foreign, other, late])
      expect(remote.answerTo(id)?.error.code).toBe(-32602);
    expect(remote.answerTo(used)?.error).toBeUndefined();
    // The call that the state was taken from is given up.
    expect(remote.pipe.last('notifications/cancelled').params.requestId).toBe(used + 4);
    expect(replies(remote.pipe)).toMatchObject([{ error: { code: -32603 } }]);
  });

  test.each([
    ['the stream of a call', 2, 2],
    ['no stream, and so of the latest call', undefined, 3],
  ])('it belongs to %s', async (_, stream, expected) => {
    const remote = await opened();
    remote.request('tools/call', { name: 'a', _meta: meta(HOST) });
    remote.request('tools/call', { name: 'b', _meta: meta(HOST) });
    remote.request('tools/list', { _meta: meta(HOST) });
    remote.pipe.say({ id: 1, method: 'roots/list' }, stream);
    await result(remote, expected);
    expect([2, 3].filter((id) => remote.answerTo(id) !== undefined)).toEqual([expected]);
  });

  test('nothing is asked outside of a call, of a host that has not declared it, or that the stateless era does not have [W-REM-22]', async () => {
    const remote = await opened();
    remote.pipe.say({ id: 1, method: 'roots/list' });
    remote.pipe.say({ id: 2, method: 'ping' });
    const id = remote.request('tools/call', { name: 'a', _meta: meta({}) });
    remote.pipe.say({ id: 3, method: 'elicitation/create', params: FORM }, id);
    remote.pipe.say({ id: 4, method: 'tasks/list' }, id);
    const list = remote.request('tools/list', { _meta: meta(HOST) });
    remote.pipe.say({ id: 5, method: 'roots/list' }, list);
    await settled();
    expect(replies(remote.pipe)).toMatchObject([
      { id: 1, error: { code: -32603 } },
      { id: 2, result: {} },
      { id: 3, error: { code: -32601 } },
      { id: 4, error: { code: -32601 } },
      { id: 5, error: { code: -32603 } },
    ]);
    expect([remote.answerTo(id), remote.answerTo(list)]).toEqual([undefined, undefined]);
  });

  test('an answer that comes while the host is away waits for the host', async () => {
    const remote = await opened();
    const wanted = await asked(remote);
    remote.pipe.answer(2, { content: [] });
    await settled();
    const again = remote.request('tools/call', {
      name: 'pay',
      arguments: { sum: 3 },
      requestState: wanted.requestState,
      inputResponses: {},
      _meta: meta(HOST),
    });
    expect(await result(remote, again)).toEqual({ content: [], resultType: 'complete' });
  });

  test('what the server takes back is not asked again', async () => {
    const remote = await opened();
    const wanted = await asked(remote);
    remote.pipe.say({ method: 'notifications/cancelled', params: { requestId: 'q2' } });
    const again = remote.request('tools/call', {
      name: 'pay',
      arguments: { sum: 3 },
      requestState: wanted.requestState,
      inputResponses: Object.fromEntries(
        Object.keys(wanted.inputRequests).map((key) => [key, { action: 'cancel' }]),
      ),
      _meta: meta(HOST),
    });
    await settled();
    expect(replies(remote.pipe)).toEqual([]);
    expect(remote.told('notifications/cancelled')).toEqual([]);
    expect(remote.answerTo(again)).toBeUndefined();
  });

  test('a host that does not come back ends the call in the end [W-REM-21]', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const remote = await opened();
    const id = remote.request('tools/call', { name: 'pay', _meta: meta(HOST) });
    remote.pipe.say({ id: 'q', method: 'elicitation/create', params: FORM }, id);
    vi.advanceTimersByTime(20);
    await settled();
    expect(remote.answerTo(id)?.result.resultType).toBe('input_required');
    vi.advanceTimersByTime(600_000);
    expect(replies(remote.pipe)).toMatchObject([{ id: 'q', error: { code: -32603 } }]);
    expect(remote.pipe.last('notifications/cancelled').params.requestId).toBe(id);
  });

  test('is bounded: questions in one call, and rounds [W-REM-21]', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const remote = await opened();
    let id = remote.request('tools/call', { name: 'pay', _meta: meta(HOST) });
    const wire = id;
    for (let n = 0; n < 33; n++) remote.pipe.say({ id: n, method: 'roots/list' }, id);
    expect(replies(remote.pipe)).toMatchObject([{ id: 32, error: { code: -32603 } }]);
    for (let round = 0; ; round++) {
      vi.advanceTimersByTime(20);
      await settled();
      const found = remote.answerTo(id)?.result;
      if (found.resultType !== 'input_required') {
        expect(found.content[0].text).toContain('asked again');
        expect(round).toBe(10);
        break;
      }
      id = remote.request('tools/call', {
        name: 'pay',
        requestState: found.requestState,
        inputResponses: {},
        _meta: meta(HOST),
      });
    }
    expect(remote.pipe.last('notifications/cancelled').params.requestId).toBe(wire);
  });

  test('an error that wants URLs visited asks for that, and the call is made anew once they are', async () => {
    const remote = await opened();
    const id = remote.request('tools/call', { name: 'pay', _meta: meta(HOST) });
    const visit = { mode: 'url', message: 'sign', url: 'https://a.example', elicitationId: 'e' };
    remote.pipe.refuse(id, -32042, { elicitations: [visit] });
    const wanted = await result(remote, id);
    expect(wanted.inputRequests).toEqual({
      'visit-1': {
        method: 'elicitation/create',
        params: { mode: 'url', message: 'sign', url: 'https://a.example' },
      },
    });
    const again = remote.request('tools/call', {
      name: 'pay',
      requestState: wanted.requestState,
      inputResponses: { 'visit-1': { action: 'accept' } },
      _meta: meta(HOST),
    });
    const repeated = remote.pipe.last('tools/call');
    expect(repeated).toEqual({ jsonrpc: '2.0', id: again, method: 'tools/call', params: { name: 'pay' } });
    remote.pipe.refuse(again, -32042, { elicitations: [visit] });
    const asks = await result(remote, again);
    const declined = remote.request('tools/call', {
      name: 'pay',
      requestState: asks.requestState,
      inputResponses: { 'visit-1': { action: 'decline' } },
      _meta: meta(HOST),
    });
    expect((await result(remote, declined)).isError).toBe(true);
    expect(remote.pipe.count('tools/call')).toBe(2);
  });

  test('a host that has not declared visits gets an error that its era knows', async () => {
    const remote = await opened();
    const id = remote.request('tools/call', { name: 'pay', _meta: meta({}) });
    remote.pipe.refuse(id, -32042, { elicitations: [{ mode: 'url', message: 'm', url: 'https://a' }] });
    await settled();
    expect(remote.answerTo(id)?.error.code).toBe(-32603);
  });
});

describe('what the server tells', () => {
  test('a subscription is acknowledged with what the server offers, and told of that alone, by its name', async () => {
    const remote = await opened();
    const notifications = {
      toolsListChanged: true,
      promptsListChanged: true,
      resourceSubscriptions: ['file:///a', 'file:///b'],
    };
    const one = remote.request('subscriptions/listen', { _meta: meta(), notifications });
    const two = remote.request('subscriptions/listen', {
      _meta: meta(),
      notifications: { resourceSubscriptions: ['file:///a'], resourcesListChanged: true },
    });
    const [first, second] = remote.pipe.seen.filter(({ method }) => method === 'resources/subscribe');
    expect([first?.params, second?.params]).toEqual([{ uri: 'file:///a' }, { uri: 'file:///b' }]);
    remote.pipe.answer(first?.id, {});
    remote.pipe.refuse(second?.id, -32602);
    remote.pipe.say({ method: 'notifications/tools/list_changed' });
    remote.pipe.say({ method: 'notifications/prompts/list_changed' });
    remote.pipe.say({ method: 'notifications/resources/updated', params: { uri: 'file:///a/below', x: 1 } });
    remote.pipe.say({ method: 'notifications/resources/updated', params: { uri: 'file:///ab' } });
    await settled();
    const named = (id: number): object => ({ _meta: { 'io.modelcontextprotocol/subscriptionId': id } });
    expect(remote.told('notifications/subscriptions/acknowledged').map(({ params }) => params)).toEqual(
      expect.arrayContaining([
        { ...named(one), notifications: { toolsListChanged: true, resourceSubscriptions: ['file:///a'] } },
        {
          ...named(two),
          notifications: { resourcesListChanged: true, resourceSubscriptions: ['file:///a'] },
        },
      ]),
    );
    expect(remote.told('notifications/tools/list_changed').map(({ params }) => params)).toEqual([named(one)]);
    expect(remote.told('notifications/prompts/list_changed')).toEqual([]);
    expect(remote.told('notifications/resources/updated').map(({ params }) => params)).toEqual([
      { uri: 'file:///a/below', x: 1, ...named(one) },
      { uri: 'file:///a/below', x: 1, ...named(two) },
    ]);
    remote.notify('notifications/cancelled', { requestId: one });
    expect(remote.pipe.count('resources/unsubscribe')).toBe(0);
    remote.notify('notifications/cancelled', { requestId: two });
    expect(remote.pipe.last('resources/unsubscribe').params).toEqual({ uri: 'file:///a' });
    expect(remote.pipe.count('notifications/cancelled')).toBe(0);
  });

  test('messages of the log go to requests that want them, of the level that they want', async () => {
    const remote = await opened();
    const silent = remote.request('tools/call', { name: 'a', _meta: meta() });
    const loud = remote.request('tools/call', {
      name: 'b',
      _meta: meta({}, { 'io.modelcontextprotocol/logLevel': 'warning' }),
    });
    expect(remote.pipe.last('logging/setLevel').params).toEqual({ level: 'warning' });
    for (const [level, stream] of [
      ['error', silent],
      ['info', loud],
      ['error', loud],
      ['alert', undefined],
    ] as const)
      remote.pipe.say({ method: 'notifications/message', params: { level, data: stream } }, stream);
    remote.pipe.answer(loud, { content: [] });
    remote.pipe.say({ method: 'notifications/message', params: { level: 'alert', data: 'late' } });
    await settled();
    expect(remote.told('notifications/message').map(({ params }) => [params.level, params.data])).toEqual([
      ['error', loud],
      ['alert', undefined],
    ]);
  });

  test('progress goes to a host that waits, under the token that it has given last', async () => {
    const remote = await opened();
    const token = { progressToken: 'first' };
    const wanted = await asked(remote, { _meta: meta(HOST, token) });
    const say = (progress: number): void =>
      remote.pipe.say({ method: 'notifications/progress', params: { progressToken: 'first', progress } });
    say(1);
    remote.request('tools/call', {
      name: 'pay',
      arguments: { sum: 3 },
      requestState: wanted.requestState,
      inputResponses: {},
      _meta: meta(HOST, { progressToken: 2 }),
    });
    say(2);
    remote.pipe.say({ method: 'notifications/progress', params: { progressToken: 'none', progress: 3 } });
    await settled();
    expect(remote.told('notifications/progress').map(({ params }) => params)).toEqual([
      { progressToken: 2, progress: 2 },
    ]);
  });

  test('what the stateless era does not have is not told; what neither knows is', async () => {
    const remote = await opened();
    for (const method of [
      'notifications/elicitation/complete',
      'notifications/tasks/status',
      'notifications/x',
    ])
      remote.pipe.say({ method, params: {} });
    await settled();
    expect(remote.messages.slice(1).map(({ method }) => method)).toEqual(['notifications/x']);
  });
});

describe('a tool that works as a task alone', () => {
  const TASKS = { ...CAPABILITIES, tasks: { requests: { tools: { call: {} } } } };

  /** A remote whose server has listed a tool that is a task, and whose call has become one. */
  async function running(): Promise<{ remote: FakeRemote; call: number }> {
    const remote = fresh();
    const list = remote.request('tools/list', { _meta: meta(HOST) });
    remote.pipe.answer(remote.pipe.last('initialize').id, { ...INTRODUCTION, capabilities: TASKS });
    const tool = { name: 'dig', inputSchema: { type: 'object' }, execution: { taskSupport: 'required' } };
    remote.pipe.answer(list, { tools: [tool] });
    const call = remote.request('tools/call', { name: 'dig', _meta: meta(HOST) });
    expect(remote.pipe.last('tools/call').params).toEqual({ name: 'dig', task: {} });
    remote.pipe.answer(call, { task: { taskId: 't-1', status: 'working' } });
    expect(remote.pipe.last('tasks/result').params).toEqual({ taskId: 't-1' });
    expect(remote.pipe.sent.at(-1)?.name).toBe('t-1');
    await settled();
    expect(remote.answerTo(call)).toBeUndefined();
    return { remote, call };
  }

  test('is called as one, and its result is the answer', async () => {
    const { remote, call } = await running();
    remote.pipe.answer(remote.pipe.last('tasks/result').id, { content: [{ type: 'text', text: 'gold' }] });
    expect((await result(remote, call)).content[0].text).toBe('gold');
  });

  test('asks in the stream of its result, and is cancelled as a task', async () => {
    const { remote, call } = await running();
    const { id } = remote.pipe.last('tasks/result');
    remote.pipe.say({ id: 'q', method: 'elicitation/create', params: FORM }, Number(id));
    const wanted = await result(remote, call);
    const again = remote.request('tools/call', {
      name: 'dig',
      requestState: wanted.requestState,
      inputResponses: { [String(Object.keys(wanted.inputRequests)[0])]: { action: 'decline' } },
      _meta: meta(HOST),
    });
    expect(replies(remote.pipe)).toMatchObject([{ id: 'q', result: { action: 'decline' } }]);
    remote.notify('notifications/cancelled', { requestId: again });
    expect(remote.pipe.last('tasks/cancel').params).toEqual({ taskId: 't-1' });
    expect(remote.pipe.count('notifications/cancelled')).toBe(0);
  });

  test('that answers at once all the same has its answer; others are called as ever', async () => {
    const { remote } = await running();
    const direct = remote.request('tools/call', { name: 'dig', _meta: meta(HOST) });
    remote.pipe.answer(direct, { content: [] });
    remote.request('tools/call', { name: 'other', _meta: meta(HOST) });
    expect(remote.pipe.last('tools/call').params).toEqual({ name: 'other' });
    expect(await result(remote, direct)).toEqual({ content: [], resultType: 'complete' });
  });
});
