// A host of the session era, and a server of the stateless era.
import { afterEach, describe, expect, test, vi } from 'vitest';
import { FakeRemote, type Seen, settled } from '../../../fixtures/remote/pipes.ts';

afterEach(() => void vi.useRealTimers());

const CAPABILITIES = {
  tools: { listChanged: true },
  prompts: {},
  resources: { subscribe: true, listChanged: true },
  logging: {},
  extensions: { 'io.modelcontextprotocol/tasks': {}, 'com.example/x': {} },
};
const HOST = {
  roots: { listChanged: true },
  sampling: {},
  elicitation: { form: {}, url: {} },
  tasks: { list: {} },
  'com.example/own': { big: 1 },
};

/** A remote whose host has been introduced. */
async function introduced(host: object = HOST, asked = '2025-06-18'): Promise<FakeRemote> {
  const remote = new FakeRemote({
    verdicts: new Map([['session https://mcp.example.com/mcp', 'stateless']]),
  });
  const id = remote.request('initialize', {
    protocolVersion: asked,
    capabilities: host,
    clientInfo: { name: 'editor', version: '3' },
  });
  const { pipe } = remote;
  expect(pipe.wire).toBe('stateless');
  pipe.answer(pipe.last('server/discover').id, {
    resultType: 'complete',
    supportedVersions: ['2026-07-28'],
    capabilities: CAPABILITIES,
    instructions: 'ask first',
    ttlMs: 10,
    cacheScope: 'public',
    _meta: { 'io.modelcontextprotocol/serverInfo': { name: 'far', version: '9' } },
  });
  await settled();
  expect(remote.answerTo(id)?.result).toEqual({
    protocolVersion: asked,
    capabilities: { ...CAPABILITIES, extensions: { 'com.example/x': {} } },
    serverInfo: { name: 'far', version: '9' },
    instructions: 'ask first',
  });
  return remote;
}

/** The stream of subscriptions that was opened last, acknowledged. */
async function acknowledged({ pipe }: FakeRemote): Promise<Seen> {
  const listen = pipe.last('subscriptions/listen');
  pipe.say({
    method: 'notifications/subscriptions/acknowledged',
    params: {
      _meta: { 'io.modelcontextprotocol/subscriptionId': listen.id },
      notifications: listen.params.notifications,
    },
  });
  await settled();
  return listen;
}

describe('each request', () => {
  test('says what the host has said once: its version, name and capabilities, tasks left out', async () => {
    const remote = await introduced();
    remote.request('tools/call', { name: 'add', arguments: { a: 1 }, _meta: { progressToken: 7 } });
    const { params } = remote.pipe.last('tools/call');
    expect(params).toEqual({
      name: 'add',
      arguments: { a: 1 },
      _meta: {
        progressToken: 7,
        'io.modelcontextprotocol/protocolVersion': '2026-07-28',
        'io.modelcontextprotocol/clientInfo': { name: 'editor', version: '3' },
        'io.modelcontextprotocol/clientCapabilities': {
          roots: {},
          sampling: {},
          elicitation: { form: {}, url: {} },
          'com.example/own': { big: 1 },
        },
      },
    });
    expect(remote.pipe.sent.at(-1)).toMatchObject({ kind: 'request', name: 'add' });
  });

  test('cannot say it in its own words [W-REM-20]', async () => {
    const remote = await introduced();
    remote.request('tools/list', {
      _meta: {
        'io.modelcontextprotocol/clientInfo': { name: 'forged', version: '0' },
        'IO.modelcontextprotocol/protocolVersion': '1999-01-01',
        keep: 1,
      },
    });
    const { _meta } = remote.pipe.last('tools/list').params;
    expect(_meta['io.modelcontextprotocol/clientInfo'].name).toBe('editor');
    expect(Object.keys(_meta)).toHaveLength(4);
    expect(_meta.keep).toBe(1);
  });

  test.each(['ping', 'logging/setLevel'])('%s is answered without the server', async (method) => {
    const remote = await introduced();
    const id = remote.request(method, method === 'ping' ? undefined : { level: 'warning' });
    await settled();
    expect(remote.answerTo(id)?.result).toEqual({});
    expect(remote.pipe.count(method)).toBe(0);
  });

  test('names the level of logging that the host has set; an unknown one is refused', async () => {
    const remote = await introduced();
    const bad = remote.request('logging/setLevel', { level: 'loud' });
    remote.request('tools/list');
    expect(remote.pipe.last('tools/list').params._meta['io.modelcontextprotocol/logLevel']).toBeUndefined();
    remote.request('logging/setLevel', { level: 'notice' });
    remote.request('tools/list');
    await settled();
    expect(remote.answerTo(bad)?.error.code).toBe(-32602);
    expect(remote.pipe.last('tools/list').params._meta['io.modelcontextprotocol/logLevel']).toBe('notice');
  });

  test('of a task is refused, and a call is not made a task', async () => {
    const remote = await introduced();
    const id = remote.request('tasks/get', { taskId: 't' });
    remote.request('tools/call', { name: 'add', task: { ttl: 1 } });
    await settled();
    expect(remote.answerTo(id)?.error.code).toBe(-32601);
    expect(remote.pipe.last('tools/call').params.task).toBeUndefined();
  });

  test('whose params are no object is refused', async () => {
    const remote = await introduced();
    const ids = [remote.request('x/y', undefined, '[1]'), remote.request('x/z', undefined, '{"_meta":3}')];
    await settled();
    for (const id of ids) expect(remote.answerTo(id)?.error.code).toBe(-32602);
  });
});

describe('results', () => {
  test('lose what the session era does not have, and keep all else byte for byte', async () => {
    const remote = await introduced();
    const id = remote.request('resources/read', { uri: 'file:///x' });
    remote.pipe.say(
      `{"jsonrpc":"2.0","id":${id},"result":{"resultType":"complete","contents":[{"uri":"a",  "big":12345678901234567890,"text":"\\u0041"}],"ttlMs":5,"cacheScope":"public","other":1e400,"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"n","version":"1"}}}}`,
    );
    await settled();
    expect(remote.lines.at(-1)).toBe(
      `{"jsonrpc":"2.0","id":${id},"result":{"contents":[{"uri":"a",  "big":12345678901234567890,"text":"\\u0041"}],"other":1e400}}`,
    );
  });

  test('without a type are complete; of an unknown type they are an error', async () => {
    const remote = await introduced();
    const plain = remote.request('tools/call', { name: 'a' });
    const odd = remote.request('tools/call', { name: 'b' });
    const list = remote.request('prompts/list');
    remote.pipe.answer(plain, { content: [] });
    remote.pipe.answer(odd, { resultType: 'task', taskId: 'x' });
    remote.pipe.answer(list, { resultType: 'input_required', requestState: 'x' });
    await settled();
    expect(remote.answerTo(plain)?.result).toEqual({ content: [] });
    expect(remote.answerTo(odd)?.result.isError).toBe(true);
    expect(remote.answerTo(list)?.error.code).toBe(-32603);
  });

  test('have schemas of objects, and structured content that is one', async () => {
    const remote = await introduced();
    const list = remote.request('tools/list');
    remote.pipe.answer(list, {
      resultType: 'complete',
      ttlMs: 1,
      cacheScope: 'private',
      tools: [
        {
          name: 'a',
          inputSchema: { type: 'object', properties: { x: true, y: false, z: { type: 'string' } } },
          outputSchema: { type: 'array' },
        },
        {
          name: 'b',
          inputSchema: { type: 'object' },
          outputSchema: { type: 'object', properties: { q: true } },
        },
      ],
    });
    const call = remote.request('tools/call', { name: 'a' });
    remote.pipe.answer(call, { resultType: 'complete', content: [], structuredContent: [1, 2] });
    await settled();
    expect(remote.answerTo(list)?.result).toEqual({
      tools: [
        {
          name: 'a',
          inputSchema: { type: 'object', properties: { x: {}, y: { not: {} }, z: { type: 'string' } } },
        },
        {
          name: 'b',
          inputSchema: { type: 'object' },
          outputSchema: { type: 'object', properties: { q: {} } },
        },
      ],
    });
    expect(remote.answerTo(call)?.result).toEqual({ content: [{ type: 'text', text: '[1,2]' }] });
  });

  test('an error passes as it is', async () => {
    const remote = await introduced();
    const id = remote.request('tools/call', { name: 'a' });
    remote.pipe.refuse(id, -32021, { requiredCapabilities: { sampling: {} } });
    await settled();
    expect(remote.answerTo(id)?.error).toMatchObject({ code: -32021, data: { requiredCapabilities: {} } });
  });
});

describe('what the server asks before it answers', () => {
  const CONFIRM = {
    method: 'elicitation/create',
    params: { message: 'sure?', requestedSchema: { type: 'object', properties: {} } },
  };
  const wants = (inputRequests: object, requestState?: string): object => ({
    resultType: 'input_required',
    inputRequests,
    ...(requestState === undefined ? {} : { requestState }),
  });

  test('is asked of the host, and the call is made again with the answers and the state, under another id', async () => {
    const remote = await introduced();
    const id = remote.request('tools/call', { name: 'pay', arguments: { sum: 3 } });
    remote.pipe.say(
      `{"jsonrpc":"2.0","id":${id},"result":{"resultType":"input_required","requestState":"a\\u0062 \\/","inputRequests":{"k 1":${JSON.stringify(CONFIRM)},"r":{"method":"roots/list"},"s":{"method":"sampling/createMessage","params":{"messages":[],"maxTokens":9007199254740993}}}}}`,
    );
    await settled();
    const [form] = remote.asked('elicitation/create');
    const [roots] = remote.asked('roots/list');
    const [sample] = remote.asked('sampling/createMessage');
    expect(form?.params).toEqual(CONFIRM.params);
    expect(remote.lines.some((line) => line.includes('"maxTokens":9007199254740993'))).toBe(true);
    expect(new Set([form?.id, roots?.id, sample?.id]).size).toBe(3);
    expect(remote.pipe.count('tools/call')).toBe(1);
    remote.reply(form?.id, { result: { action: 'accept', content: { n: 1 } } });
    remote.reply(sample?.id, {
      result: { role: 'assistant', content: { type: 'text', text: 'hi' }, model: 'm' },
    });
    remote.reply(roots?.id, { result: { roots: [] } });
    const again = remote.pipe.last('tools/call');
    expect(again.id).not.toBe(id);
    expect(again.params).toMatchObject({
      name: 'pay',
      arguments: { sum: 3 },
      inputResponses: {
        'k 1': { action: 'accept', content: { n: 1 } },
        r: { roots: [] },
        s: { model: 'm' },
      },
    });
    expect(remote.pipe.sent.at(-1)?.json.includes('"requestState":"a\\u0062 \\/"')).toBe(true);
    remote.pipe.answer(again.id, { resultType: 'complete', content: [{ type: 'text', text: 'paid' }] });
    await settled();
    expect(remote.answerTo(id)?.result.content[0].text).toBe('paid');
  });

  test('may be asked again, with other things each time; a state that was not given is not sent', async () => {
    const remote = await introduced();
    const id = remote.request('tools/call', { name: 'pay' });
    let wire: unknown = id;
    for (let round = 1; round <= 3; round++) {
      remote.pipe.answer(wire, wants({ [`k${round}`]: CONFIRM }));
      await settled();
      remote.reply(remote.asked('elicitation/create').at(-1)?.id, { result: { action: 'decline' } });
      const again = remote.pipe.last('tools/call');
      expect(Object.keys(again.params.inputResponses)).toEqual([`k${round}`]);
      expect('requestState' in again.params).toBe(false);
      wire = again.id;
    }
    remote.pipe.answer(wire, { resultType: 'complete', content: [] });
    await settled();
    expect(remote.answerTo(id)?.result).toEqual({ content: [] });
  });

  test('with a state alone the call is made again after a while', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const remote = await introduced();
    const id = remote.request('tools/call', { name: 'pay' });
    remote.pipe.answer(id, { resultType: 'input_required', requestState: 's' });
    expect(remote.pipe.count('tools/call')).toBe(1);
    vi.advanceTimersByTime(250);
    expect(remote.pipe.last('tools/call').params.requestState).toBe('s');
    expect('inputResponses' in remote.pipe.last('tools/call').params).toBe(false);
  });

  test('is bounded: rounds, entries, bytes, and the time of a person [W-REM-21]', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const remote = await introduced();
    const id = remote.request('tools/call', { name: 'loop' });
    let wire: unknown = id;
    for (let round = 0; round <= 10; round++) {
      remote.pipe.answer(wire, { resultType: 'input_required', requestState: 's' });
      vi.advanceTimersByTime(60_000);
      wire = remote.pipe.last('tools/call').id;
    }
    await settled();
    expect(remote.answerTo(id)?.result.content[0].text).toContain('asked again');
    const many = remote.request('tools/call', { name: 'many' });
    const entries = Array.from({ length: 33 }, (_, at) => [`k${at}`, CONFIRM]);
    remote.pipe.answer(many, wants(Object.fromEntries(entries)));
    const long = remote.request('tools/call', { name: 'long' });
    const text = 'x'.repeat(2 ** 20);
    remote.pipe.answer(long, wants({ k: { ...CONFIRM, params: { ...CONFIRM.params, message: text } } }));
    await settled();
    for (const each of [many, long]) expect(remote.answerTo(each)?.result.isError).toBe(true);
    expect(remote.asked('elicitation/create')).toEqual([]);
    const slow = remote.request('tools/call', { name: 'slow' });
    remote.pipe.answer(slow, wants({ k: CONFIRM }));
    vi.advanceTimersByTime(600_000);
    await settled();
    expect(remote.answerTo(slow)?.result.content[0].text).toContain('not answered in time');
    expect(remote.told('notifications/cancelled')).toHaveLength(1);
  });

  test.each([
    ['forms', { sampling: {} }, CONFIRM, 'elicitation'],
    [
      'URLs',
      { elicitation: {} },
      { method: 'elicitation/create', params: { mode: 'url', message: 'm', url: 'https://a' } },
      'elicitation.url',
    ],
    ['forms of a host that opens URLs', { elicitation: { url: {} } }, CONFIRM, 'elicitation.form'],
    [
      'samples',
      { elicitation: {} },
      { method: 'sampling/createMessage', params: { messages: [], maxTokens: 1 } },
      'sampling',
    ],
    [
      'samples with tools',
      { sampling: {} },
      { method: 'sampling/createMessage', params: { messages: [], maxTokens: 1, tools: [] } },
      'sampling.tools',
    ],
    ['roots', {}, { method: 'roots/list' }, 'roots'],
  ])('%s are not asked of a host that has not declared them [W-REM-22]', async (_, host, entry, missing) => {
    const remote = await introduced(host);
    const id = remote.request('tools/call', { name: 'a' });
    remote.pipe.answer(id, wants({ k: entry }));
    await settled();
    const { result } = remote.answerTo(id) ?? {};
    expect(result.isError).toBe(true);
    expect(result.content[0].text).toContain(`"${missing}"`);
    expect(remote.messages.filter(({ method }) => method === entry.method)).toEqual([]);
  });

  test.each([
    ['another method', { k: { method: 'tasks/list' } }],
    ['no method', { k: {} }],
    ['no object', [1]],
    ['no params', { k: { method: 'elicitation/create' } }],
    ['nothing', {}],
  ])('%s is nothing that a server may ask', async (_, entries) => {
    const remote = await introduced();
    const id = remote.request('prompts/get', { name: 'p' });
    remote.pipe.answer(id, { resultType: 'input_required', inputRequests: entries });
    await settled();
    expect(remote.answerTo(id)?.error.code).toBe(-32603);
    expect(remote.messages.filter(({ method }) => method !== undefined)).toEqual([]);
  });

  test('two readers of it would see two things: it is not asked', async () => {
    const remote = await introduced();
    const id = remote.request('tools/call', { name: 'a' });
    const entry = JSON.stringify(CONFIRM);
    remote.pipe.say(
      `{"jsonrpc":"2.0","id":${id},"result":{"resultType":"input_required","inputRequests":{"k":${entry},"k":${entry}}}}`,
    );
    await settled();
    expect(remote.answerTo(id)?.result.isError).toBe(true);
  });

  test('a visit to a URL gets an id, which hosts of the session era want', async () => {
    const remote = await introduced();
    const id = remote.request('tools/call', { name: 'a' });
    const params = { mode: 'url', message: 'sign', url: 'https://a.example/x' };
    remote.pipe.answer(id, wants({ k: { method: 'elicitation/create', params } }));
    await settled();
    const [asked] = remote.asked('elicitation/create');
    expect(asked?.params).toMatchObject(params);
    expect(asked?.params.elicitationId).toMatch(/^[0-9a-f-]{36}$/);
  });

  test('a host that does not answer it ends the call; what else it was asked is taken back', async () => {
    const remote = await introduced();
    const id = remote.request('tools/call', { name: 'a' });
    remote.pipe.answer(id, wants({ k: CONFIRM, r: { method: 'roots/list' } }));
    await settled();
    const [form] = remote.asked('elicitation/create');
    const [roots] = remote.asked('roots/list');
    remote.reply(form?.id, { error: { code: -1, message: 'the user said no' } });
    await settled();
    expect(remote.answerTo(id)?.result.content[0].text).toContain('the user said no');
    expect(remote.told('notifications/cancelled')[0]?.params.requestId).toBe(roots?.id);
    remote.reply(roots?.id, { result: { roots: [] } });
    expect(remote.pipe.count('tools/call')).toBe(1);
  });

  test('a call that is cancelled takes back what is asked for it; one that was made again is cancelled by its other id', async () => {
    const remote = await introduced();
    const asking = remote.request('tools/call', { name: 'a' });
    remote.pipe.answer(asking, wants({ k: CONFIRM }));
    const other = remote.request('tools/call', { name: 'b' });
    remote.pipe.answer(other, wants({ k: CONFIRM }));
    await settled();
    const [first, second] = remote.asked('elicitation/create');
    remote.notify('notifications/cancelled', { requestId: asking });
    await settled();
    expect(remote.told('notifications/cancelled')[0]?.params.requestId).toBe(first?.id);
    remote.reply(second?.id, { result: { action: 'cancel' } });
    const again = remote.pipe.last('tools/call');
    remote.notify('notifications/cancelled', { requestId: other, reason: 'enough' });
    expect(remote.pipe.last('notifications/cancelled').params).toEqual({
      requestId: again.id,
      reason: 'enough',
    });
    expect(remote.pipe.count('notifications/cancelled')).toBe(1);
    await settled();
    expect(remote.answerTo(asking)).toBeUndefined();
  });
});

describe('what the server tells', () => {
  test('the lists that may change are subscribed to once the host is ready, and told without the name of the stream', async () => {
    const remote = await introduced();
    expect(remote.pipe.count('subscriptions/listen')).toBe(0);
    remote.notify('notifications/initialized');
    const listen = await acknowledged(remote);
    expect(listen.params.notifications).toEqual({ toolsListChanged: true, resourcesListChanged: true });
    remote.pipe.say({
      method: 'notifications/tools/list_changed',
      params: { _meta: { 'io.modelcontextprotocol/subscriptionId': listen.id, own: 2 } },
    });
    remote.pipe.say({
      method: 'notifications/resources/list_changed',
      params: { _meta: { 'io.modelcontextprotocol/subscriptionId': listen.id } },
    });
    remote.pipe.say({
      method: 'notifications/prompts/list_changed',
      params: { _meta: { 'io.modelcontextprotocol/subscriptionId': 4711 } },
    });
    await settled();
    expect(remote.messages.slice(1)).toEqual([
      { jsonrpc: '2.0', method: 'notifications/tools/list_changed', params: { _meta: { own: 2 } } },
      { jsonrpc: '2.0', method: 'notifications/resources/list_changed' },
    ]);
  });

  test('a resource is subscribed to by a stream that takes the place of the one before', async () => {
    const remote = await introduced();
    remote.notify('notifications/initialized');
    const first = await acknowledged(remote);
    const one = remote.request('resources/subscribe', { uri: 'file:///a' });
    const two = remote.request('resources/subscribe', { uri: 'file:///b' });
    const second = await acknowledged(remote);
    expect(second.params.notifications.resourceSubscriptions).toEqual(['file:///a']);
    expect(remote.pipe.last('notifications/cancelled').params.requestId).toBe(first.id);
    expect(remote.answerTo(one)?.result).toEqual({});
    expect(remote.answerTo(two)).toBeUndefined();
    const third = await acknowledged(remote);
    expect(third.params.notifications.resourceSubscriptions).toEqual(['file:///a', 'file:///b']);
    expect(remote.answerTo(two)?.result).toEqual({});
    remote.pipe.say({
      method: 'notifications/resources/updated',
      params: { uri: 'file:///a', _meta: { 'io.modelcontextprotocol/subscriptionId': third.id } },
    });
    await settled();
    expect(remote.told('notifications/resources/updated')).toEqual([
      { jsonrpc: '2.0', method: 'notifications/resources/updated', params: { uri: 'file:///a' } },
    ]);
    const off = remote.request('resources/unsubscribe', { uri: 'file:///a' });
    await settled();
    expect(remote.answerTo(off)?.result).toEqual({});
    expect(remote.pipe.last('subscriptions/listen').params.notifications.resourceSubscriptions).toEqual([
      'file:///b',
    ]);
  });

  test('a subscription that the server does not acknowledge is an error', async () => {
    const remote = await introduced();
    const id = remote.request('resources/subscribe', { uri: 'file:///a' });
    const listen = remote.pipe.last('subscriptions/listen');
    remote.pipe.say({
      method: 'notifications/subscriptions/acknowledged',
      params: { _meta: { 'io.modelcontextprotocol/subscriptionId': listen.id }, notifications: {} },
    });
    const other = remote.request('resources/subscribe', { uri: 'file:///c' });
    remote.pipe.refuse(remote.pipe.last('subscriptions/listen').id, -32601);
    await settled();
    expect(remote.answerTo(id)?.error.code).toBe(-32603);
    expect(remote.answerTo(other)?.error.code).toBe(-32603);
  });

  test('a stream that ends is opened again, and what may have been missed is told', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const remote = await introduced();
    remote.notify('notifications/initialized');
    const first = await acknowledged(remote);
    remote.pipe.answer(first.id, { resultType: 'complete' });
    vi.advanceTimersByTime(1000);
    expect(remote.pipe.count('subscriptions/listen')).toBe(2);
    await acknowledged(remote);
    expect(remote.told('notifications/tools/list_changed')).toHaveLength(1);
    expect(remote.told('notifications/resources/list_changed')).toHaveLength(1);
    remote.pipe.say({
      method: 'notifications/cancelled',
      params: { requestId: remote.pipe.last('subscriptions/listen').id },
    });
    vi.advanceTimersByTime(2000);
    expect(remote.pipe.count('subscriptions/listen')).toBe(3);
    await settled();
    expect(remote.told('notifications/cancelled')).toEqual([]);
  });

  test('progress, messages of the log and what neither era knows pass; a request of the server does not', async () => {
    const remote = await introduced();
    remote.pipe.say({ method: 'notifications/progress', params: { progressToken: 1, progress: 2 } });
    remote.pipe.say({ method: 'notifications/message', params: { level: 'info', data: 1 } });
    remote.pipe.say({ method: 'notifications/com.example', params: { x: 1 } });
    remote.pipe.say({ id: 1, method: 'elicitation/create', params: { message: 'token?' } });
    await settled();
    expect(remote.messages.slice(1).map(({ method }) => method)).toEqual([
      'notifications/progress',
      'notifications/message',
      'notifications/com.example',
    ]);
    expect(remote.pipe.sent.filter(({ kind }) => kind === 'response')).toEqual([]);
  });
});

describe('the handshake', () => {
  test('a version that Warder does not know is answered with its latest', async () => {
    const remote = new FakeRemote({
      verdicts: new Map([['session https://mcp.example.com/mcp', 'stateless']]),
    });
    const id = remote.request('initialize', {
      protocolVersion: '2099-01-01',
      capabilities: {},
      clientInfo: {},
    });
    const { pipe } = remote;
    pipe.answer(pipe.last('server/discover').id, {
      supportedVersions: ['2026-07-28'],
      capabilities: {},
      serverInfo: { name: 'old' },
    });
    await settled();
    expect(remote.answerTo(id)?.result).toMatchObject({
      protocolVersion: '2025-11-25',
      serverInfo: { name: 'old' },
    });
    remote.notify('notifications/initialized');
    expect(pipe.count('subscriptions/listen')).toBe(0);
  });

  test.each([
    ['result', { supportedVersions: ['2030-01-01'] }],
    ['error', undefined],
  ])('a server without a common version is named as such (%s)', async (_, said) => {
    const remote = new FakeRemote({
      verdicts: new Map([['session https://mcp.example.com/mcp', 'stateless']]),
    });
    const id = remote.request('initialize', {
      protocolVersion: '2025-11-25',
      capabilities: {},
      clientInfo: {},
    });
    const { id: own } = remote.pipe.last('server/discover');
    if (said === undefined)
      remote.pipe.refuse(own, -32022, { supported: ['2030-01-01'], requested: '2026-07-28' });
    else remote.pipe.answer(own, said);
    await settled();
    expect(remote.answerTo(id)?.error).toMatchObject({ code: -32022, data: { supported: ['2030-01-01'] } });
  });

  test('a server that has the session era beside is used in that', async () => {
    const remote = new FakeRemote({
      verdicts: new Map([['session https://mcp.example.com/mcp', 'stateless']]),
    });
    remote.request('initialize', { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: {} });
    const [stateless] = remote.pipes;
    stateless?.refuse(stateless.last('server/discover').id, -32022, {
      supported: ['2025-11-25'],
      requested: 'x',
    });
    expect(remote.pipe.wire).toBe('session');
    expect(remote.pipe.count('initialize')).toBe(1);
  });

  test('an error of it is the answer', async () => {
    const remote = new FakeRemote({
      verdicts: new Map([['session https://mcp.example.com/mcp', 'stateless']]),
    });
    const id = remote.request('initialize', {
      protocolVersion: '2025-11-25',
      capabilities: {},
      clientInfo: {},
    });
    remote.pipe.refuse(remote.pipe.last('server/discover').id, -32012, { code: 'lost' });
    await settled();
    expect(remote.answerTo(id)?.error.code).toBe(-32012);
  });
});

describe('a call that the server does as a task alone', () => {
  const EXTENSIONS = { extensions: { 'io.modelcontextprotocol/tasks': {} } };

  /** A remote whose call has become a task. */
  async function running(): Promise<{ remote: FakeRemote; call: number }> {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const remote = await introduced();
    const call = remote.request('tools/call', { name: 'dig', arguments: { at: 3 } });
    remote.pipe.refuse(call, -32021, { requiredCapabilities: EXTENSIONS });
    const again = remote.pipe.last('tools/call');
    expect(again.id).not.toBe(call);
    expect(again.params).toMatchObject({ name: 'dig', arguments: { at: 3 } });
    expect(again.params._meta['io.modelcontextprotocol/clientCapabilities']).toMatchObject({
      elicitation: {},
      ...EXTENSIONS,
    });
    remote.pipe.answer(again.id, {
      resultType: 'task',
      taskId: 't-1',
      status: 'working',
      pollIntervalMs: 5000,
    });
    vi.advanceTimersByTime(4999);
    expect(remote.pipe.count('tasks/get')).toBe(0);
    vi.advanceTimersByTime(1);
    expect(remote.pipe.last('tasks/get').params).toMatchObject({ taskId: 't-1', _meta: {} });
    expect(remote.pipe.sent.at(-1)?.name).toBe('t-1');
    return { remote, call };
  }

  /** The server answers the last question after the task. */
  async function say({ remote }: { remote: FakeRemote }, task: object): Promise<void> {
    remote.pipe.answer(remote.pipe.last('tasks/get').id, { resultType: 'complete', taskId: 't-1', ...task });
    await settled();
  }

  test('is made again as one, asked for, and answered with its result', async () => {
    const run = await running();
    await say(run, { status: 'working', pollIntervalMs: 1 });
    vi.advanceTimersByTime(200);
    expect(run.remote.pipe.count('tasks/get')).toBe(2);
    await say(run, {
      status: 'completed',
      result: { resultType: 'complete', content: [{ type: 'text', text: 'gold' }] },
    });
    expect(run.remote.answerTo(run.call)?.result).toEqual({ content: [{ type: 'text', text: 'gold' }] });
    vi.advanceTimersByTime(100_000);
    expect(run.remote.pipe.count('tasks/get')).toBe(2);
  });

  test.each([
    [{ status: 'failed', error: { code: -7, message: 'dry' } }, { error: { code: -7, message: 'dry' } }],
    [{ status: 'cancelled' }, { result: { isError: true } }],
  ])('that ends otherwise is answered with that', async (task, expected) => {
    const run = await running();
    await say(run, task);
    expect(run.remote.answerTo(run.call)).toMatchObject(expected);
  });

  test('asks the host once for each thing that it wants', async () => {
    const run = await running();
    const { remote } = run;
    const form = {
      method: 'elicitation/create',
      params: { message: 'deeper?', requestedSchema: { type: 'object', properties: {} } },
    };
    await say(run, { status: 'input_required', inputRequests: { a: form } });
    const [asked] = remote.asked('elicitation/create');
    remote.reply(asked?.id, { result: { action: 'accept', content: {} } });
    const update = remote.pipe.last('tasks/update');
    expect(update.params).toMatchObject({ taskId: 't-1', inputResponses: { a: { action: 'accept' } } });
    remote.pipe.answer(update.id, { resultType: 'complete' });
    vi.advanceTimersByTime(200);
    await say(run, { status: 'input_required', inputRequests: { a: form } });
    expect(remote.asked('elicitation/create')).toHaveLength(1);
    vi.advanceTimersByTime(1000);
    expect(remote.pipe.count('tasks/get')).toBe(3);
  });

  test('is cancelled as a task: when the call is taken back, or the host does not answer what it wants', async () => {
    const run = await running();
    run.remote.notify('notifications/cancelled', { requestId: run.call });
    expect(run.remote.pipe.last('tasks/cancel').params).toMatchObject({ taskId: 't-1' });
    expect(run.remote.pipe.count('notifications/cancelled')).toBe(0);
    const other = await running();
    await say(other, { status: 'input_required', inputRequests: { a: { method: 'roots/list' } } });
    other.remote.reply(other.remote.asked('roots/list')[0]?.id, { error: { code: -1, message: 'no' } });
    await settled();
    expect(other.remote.pipe.count('tasks/cancel')).toBe(1);
    expect(other.remote.answerTo(other.call)?.result.isError).toBe(true);
  });

  test('a task that was not offered is no result', async () => {
    const remote = await introduced();
    const call = remote.request('tools/call', { name: 'dig' });
    remote.pipe.refuse(call, -32021, { requiredCapabilities: { sampling: {} } });
    const other = remote.request('tools/call', { name: 'dig' });
    remote.pipe.answer(other, { resultType: 'task', taskId: 't' });
    await settled();
    expect(remote.answerTo(call)?.error.code).toBe(-32021);
    expect(remote.answerTo(other)?.result.isError).toBe(true);
    expect(remote.pipe.count('tasks/get')).toBe(0);
  });
});
