// A remote server as the server's side of a session: which era it has, sign-in, and what a lost session leads to.
import { afterEach, describe, expect, test, vi } from 'vitest';
import { WarderError } from '../../../src/errors.ts';
import type { OfflineRecord } from '../../../src/relay/offline-record.ts';
import { FakeRemote, meta, type RemoteOptions, settled } from '../../fixtures/remote/pipes.ts';

afterEach(() => void vi.useRealTimers());

const HELLO = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'h', version: '1' } };
const INTRODUCTION = {
  protocolVersion: '2025-11-25',
  capabilities: { tools: { listChanged: true } },
  serverInfo: { name: 'far', version: '1' },
};
const RECORD: OfflineRecord = {
  serverInfo: '{"name":"far","version":"0.9"}',
  instructions: '"be kind"',
  capabilities: '{"tools":{"listChanged":true},"tasks":{}}',
  tools: ['{"name":"add","inputSchema":{"type":"object"},"n":12345678901234567890}'],
  prompts: [],
  resources: [],
  templates: [],
};
const NEEDED = new WarderError('sign-in-needed', 'cannot use "notes": nobody has signed in', {
  hint: 'run: warder login notes',
});

/** A host of the session era whose server has answered. */
async function opened(options: RemoteOptions = {}): Promise<FakeRemote> {
  const remote = new FakeRemote(options);
  const id = remote.request('initialize', HELLO);
  remote.pipe.answer(id, INTRODUCTION);
  remote.notify('notifications/initialized');
  await settled();
  return remote;
}

/** A host that has begun while nobody was signed in. */
async function offline(options: RemoteOptions = {}): Promise<FakeRemote> {
  const remote = new FakeRemote({ state: 'signed-out', ...options });
  remote.request('initialize', HELLO);
  remote.notify('notifications/initialized');
  await settled();
  return remote;
}

describe('messages', () => {
  test('pass byte for byte where host and server are of one era; answers and notifications too [W-REM-23]', async () => {
    const remote = await opened();
    const text = '{"name":"a",  "arguments":{"n":12345678901234567890,"s":"\\u00e9"}}';
    const id = remote.request('tools/call', undefined, text);
    const sent = remote.pipe.sent.at(-1);
    expect(sent?.json.toString()).toBe(`{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":${text}}`);
    const lines = [
      `{"result":{"x":1e999,"resultType":"odd"}, "id" : ${id},"jsonrpc":"2.0"}`,
      '{"jsonrpc":"2.0","method":"notifications/x","params":[1,  2]}',
      '{"jsonrpc":"2.0","id":"q","method":"elicitation/create","params":{}}',
      'no message at all',
    ];
    for (const line of lines) remote.pipe.say(line);
    await settled();
    expect(remote.lines.slice(-4)).toEqual(lines);
    remote.reply('q', { result: { action: 'cancel' } });
    expect(remote.pipe.sent.at(-1)).toMatchObject({ kind: 'response', method: '', id: undefined });
    expect(remote.faults).toEqual([]);
  });

  test('are handed over in turns, never from within a call, and not while the host does not read', async () => {
    const remote = await opened();
    remote.upstream.pause(true);
    expect(remote.pipe.paused).toBe(true);
    remote.pipe.say({ method: 'notifications/x' });
    await settled();
    expect(remote.told('notifications/x')).toEqual([]);
    remote.upstream.pause(false);
    expect(remote.told('notifications/x')).toEqual([]);
    await settled();
    expect(remote.told('notifications/x')).toHaveLength(1);
    // W-REM-8: the records of answers come before what is handed over.
    expect(remote.settledAt.at(-1)).toBe(remote.lines.length - 1);
    expect(remote.faults).toEqual([]);
  });

  test('a server that does not keep up is full, and crowded once the relay owes it much', async () => {
    const remote = await opened();
    remote.pipe.full = true;
    expect([remote.upstream.full, remote.upstream.crowded]).toEqual([true, false]);
    remote.upstream.answer(JSON.stringify({ jsonrpc: '2.0', id: 1, result: { x: 'x'.repeat(70_000) } }));
    expect(remote.upstream.crowded).toBe(true);
    remote.pipe.full = false;
    remote.pipe.listener.drained();
    expect(remote.upstream.crowded).toBe(false);
  });

  test('stop ends the session at the server, and the session', async () => {
    const remote = await opened();
    expect(await remote.upstream.stop()).toEqual({ code: 0, signal: null });
    expect(remote.pipe.isClosed).toBe(true);
    expect(remote.events).toEqual(['closed', 'ended 0']);
    expect(remote.upstream.closed).toBe(true);
  });
});

describe('the era of the server', () => {
  test('is found by what the host sends first, and remembered', async () => {
    const remote = new FakeRemote();
    const id = remote.request('initialize', HELLO);
    expect(remote.pipe.wire).toBe('session');
    remote.pipe.wrongEra(id, -32022);
    expect(remote.pipes.map(({ wire }) => wire)).toEqual(['session', 'stateless']);
    expect(remote.pipes[0]?.isClosed).toBe(true);
    remote.pipe.answer(remote.pipe.last('server/discover').id, {
      supportedVersions: ['2026-07-28'],
      capabilities: {},
    });
    await settled();
    expect(remote.answerTo(id)?.result.protocolVersion).toBe('2025-11-25');
    expect([...remote.verdicts.values()]).toEqual(['stateless']);
    const next = new FakeRemote({ verdicts: remote.verdicts });
    next.request('initialize', HELLO);
    expect(next.pipe.wire).toBe('stateless');
  });

  test('a host of the stateless era finds a server of the session era', async () => {
    const remote = new FakeRemote();
    const id = remote.request('server/discover', { _meta: meta() });
    expect(remote.pipe.wire).toBe('stateless');
    remote.pipe.wrongEra(id);
    expect(remote.pipe.wire).toBe('session');
    remote.pipe.answer(remote.pipe.last('initialize').id, INTRODUCTION);
    await settled();
    expect(remote.answerTo(id)?.result).toMatchObject({ supportedVersions: ['2026-07-28'] });
    expect([...remote.verdicts.values()]).toEqual(['session']);
  });

  test('a verdict that holds no more is found out by the next handshake', async () => {
    const remote = new FakeRemote({
      verdicts: new Map([['session https://mcp.example.com/mcp', 'stateless']]),
    });
    const id = remote.request('initialize', HELLO);
    remote.pipe.wrongEra(Number(remote.pipe.last('server/discover').id), -32601);
    expect(remote.pipe.wire).toBe('session');
    remote.pipe.answer(id, INTRODUCTION);
    await settled();
    expect(remote.answerTo(id)?.result).toEqual(INTRODUCTION);
    expect([...remote.verdicts.values()]).toEqual(['session']);
  });

  test('where it is none, the first answer is the answer, once; the next handshake tries again', async () => {
    const remote = new FakeRemote();
    const id = remote.request('initialize', HELLO);
    remote.pipe.wrongEra(id, -32000);
    remote.pipe.wrongEra(Number(remote.pipe.last('server/discover').id), -32601);
    expect(remote.pipe.wire).toBe('sse');
    remote.pipe.wrongEra(id, -32700);
    await settled();
    expect(remote.answerTo(id)?.error.code).toBe(-32000);
    expect(remote.verdicts.size).toBe(0);
    const again = remote.request('initialize', HELLO);
    remote.pipe.answer(again, INTRODUCTION);
    await settled();
    expect(remote.answerTo(again)?.result).toEqual(INTRODUCTION);
  });

  test('an error that is no evidence is the answer, and settles nothing [W-REM-24]', async () => {
    const remote = new FakeRemote();
    const id = remote.request('initialize', HELLO);
    remote.pipe.refuse(id, -32012);
    await settled();
    expect(remote.answerTo(id)?.error.code).toBe(-32012);
    expect(remote.pipes).toHaveLength(1);
    expect(remote.verdicts.size).toBe(0);
  });

  test('what came before the verdict is sent again, but not what the host has taken back', async () => {
    const remote = new FakeRemote();
    const first = remote.request('server/discover', { _meta: meta() });
    const second = remote.request('tools/list', { _meta: meta() });
    remote.notify('notifications/cancelled', { requestId: second });
    remote.pipe.wrongEra(first);
    remote.pipe.answer(remote.pipe.last('initialize').id, INTRODUCTION);
    await settled();
    expect(remote.answerTo(first)?.result.capabilities).toEqual({ tools: { listChanged: true } });
    expect(remote.pipe.count('tools/list')).toBe(0);
  });

  test('a host that tries the stateless era and falls back to the session era is served, and the other way round', async () => {
    const remote = new FakeRemote();
    const probe = remote.request('server/discover', { _meta: meta() });
    remote.pipe.wrongEra(probe);
    remote.pipe.refuse(remote.pipe.last('initialize').id, -32012);
    await settled();
    expect(remote.answerTo(probe)?.error.code).toBe(-32012);
    const hello = remote.request('initialize', HELLO);
    remote.pipe.answer(hello, INTRODUCTION);
    await settled();
    expect(remote.answerTo(hello)?.result).toEqual(INTRODUCTION);
    remote.request('tools/list', { _meta: meta() });
    expect(remote.pipe.wire).toBe('stateless');
  });

  test('what a pipe says that was left is for nobody', async () => {
    const remote = new FakeRemote();
    const id = remote.request('initialize', HELLO);
    const [first] = remote.pipes;
    first?.wrongEra(id);
    first?.answer(id, INTRODUCTION);
    first?.wrongEra(id);
    await settled();
    expect(remote.answerTo(id)).toBeUndefined();
    expect(remote.pipes).toHaveLength(2);
  });
});

describe('while nobody has signed in', () => {
  test('a host is introduced at once, and offered one tool; no pipe is opened [W-REM-25]', async () => {
    const remote = await offline();
    const list = remote.request('tools/list');
    const others = [
      'prompts/list',
      'resources/list',
      'resources/templates/list',
      'ping',
      'completion/complete',
    ];
    const ids = others.map((method) => remote.request(method));
    await settled();
    expect(remote.messages[0]?.result).toEqual({
      protocolVersion: '2025-11-25',
      capabilities: {
        tools: { listChanged: true },
        prompts: { listChanged: true },
        resources: { listChanged: true },
      },
      serverInfo: { name: 'notes', version: '0' },
    });
    expect(remote.answerTo(list)?.result.tools).toMatchObject([
      { name: 'warder_sign_in', title: 'Sign in to mcp.example.com' },
    ]);
    expect(remote.upstream.ownTool?.name).toBe('warder_sign_in');
    expect(ids.map((id) => remote.answerTo(id)?.result)).toEqual([
      { prompts: [] },
      { resources: [] },
      { resourceTemplates: [] },
      {},
      { completion: { values: [] } },
    ]);
    expect([remote.pipes.length, remote.authorizer.asked.length]).toEqual([0, 0]);
  });

  test('a host of the stateless era is, too, and its subscription acknowledged', async () => {
    const remote = new FakeRemote({ state: 'unasked' });
    const hello = remote.request('server/discover', { _meta: meta() });
    const list = remote.request('tools/list', { _meta: meta() });
    const listen = remote.request('subscriptions/listen', {
      _meta: meta(),
      notifications: { toolsListChanged: true },
    });
    await settled();
    expect(remote.answerTo(hello)?.result).toMatchObject({
      resultType: 'complete',
      supportedVersions: ['2026-07-28'],
      ttlMs: 0,
      cacheScope: 'private',
      _meta: { 'io.modelcontextprotocol/serverInfo': { name: 'notes' } },
    });
    expect(remote.answerTo(list)?.result).toMatchObject({ resultType: 'complete', ttlMs: 0 });
    expect(remote.told('notifications/subscriptions/acknowledged')[0]?.params).toEqual({
      _meta: { 'io.modelcontextprotocol/subscriptionId': listen },
      notifications: { toolsListChanged: true },
    });
    expect(remote.answerTo(listen)).toBeUndefined();
  });

  test('what is known of the server is shown instead, word for word', async () => {
    const remote = await offline({ offline: RECORD });
    remote.request('tools/list');
    await settled();
    expect(remote.messages[0]?.result).toEqual({
      protocolVersion: '2025-11-25',
      capabilities: { tools: { listChanged: true } },
      serverInfo: { name: 'far', version: '0.9' },
      instructions: 'be kind',
    });
    expect(remote.lines.at(-1)).toContain(`"tools":[${RECORD.tools[0]}]`);
    expect(remote.upstream.ownTool).toBeUndefined();
  });

  test('what acts waits for a person, then for the server, and goes on; the host is told what is new', async () => {
    const remote = await offline();
    remote.request('logging/setLevel', { level: 'info' });
    remote.request('resources/subscribe', { uri: 'file:///a' });
    const call = remote.request('tools/call', { name: 'add' });
    const other = remote.request('resources/read', { uri: 'file:///a' });
    await settled();
    expect(remote.authorizer.asked).toHaveLength(1);
    remote.authorizer.asked[0]?.waits('waits for a sign-in');
    await settled();
    expect(remote.waits).toEqual([
      { id: call, text: 'waits for a sign-in' },
      { id: other, text: 'waits for a sign-in' },
    ]);
    remote.authorizer.end('ready');
    await settled();
    const { pipe } = remote;
    expect(pipe.seen.map(({ method }) => method)).toEqual(['initialize']);
    expect(pipe.last('initialize').params).toEqual(HELLO);
    pipe.answer(pipe.last('initialize').id, INTRODUCTION);
    await settled();
    expect(pipe.seen.map(({ method }) => method)).toEqual([
      'initialize',
      'notifications/initialized',
      'logging/setLevel',
      'resources/subscribe',
      'tools/call',
      'resources/read',
    ]);
    expect(remote.introduced).toEqual([INTRODUCTION]);
    expect(remote.waits.slice(2)).toEqual([
      { id: call, text: undefined },
      { id: other, text: undefined },
    ]);
    for (const kind of ['tools', 'prompts', 'resources'])
      expect(remote.told(`notifications/${kind}/list_changed`)).toHaveLength(1);
    // What answers the repetition is for nobody.
    pipe.answer(pipe.last('logging/setLevel').id, {});
    pipe.answer(call, { content: [] });
    await settled();
    expect(remote.answerTo(call)?.result).toEqual({ content: [] });
    expect(remote.messages.filter(({ result }) => result?.protocolVersion !== undefined)).toHaveLength(1);
    // Of lists that were promised and do not exist there are none.
    const prompts = remote.request('prompts/list');
    pipe.refuse(prompts, -32601);
    await settled();
    expect(remote.answerTo(prompts)?.result).toEqual({ prompts: [] });
    expect(remote.faults).toEqual([]);
  });

  test('the tool by which to sign in says what happened, in words [W-REM-26]', async () => {
    const remote = await offline();
    remote.request('tools/list');
    const first = remote.request('tools/call', { name: 'warder_sign_in' });
    await settled();
    remote.authorizer.asked[0]?.waits('look at the browser');
    await settled();
    expect(remote.waits).toEqual([{ id: first, text: 'look at the browser' }]);
    expect(remote.upstream.ownTool?.name).toBe('warder_sign_in');
    remote.authorizer.end(NEEDED);
    await settled();
    expect(remote.answerTo(first)?.result).toEqual({
      isError: true,
      content: [
        {
          type: 'text',
          text: 'Not signed in to mcp.example.com: cannot use "notes": nobody has signed in; run: warder login notes',
        },
      ],
    });
    const second = remote.request('tools/call', { name: 'warder_sign_in' });
    remote.authorizer.end('ready');
    await settled();
    expect(remote.answerTo(second)).toBeUndefined();
    remote.pipe.answer(remote.pipe.last('initialize').id, INTRODUCTION);
    await settled();
    expect(remote.answerTo(second)?.result.content[0].text).toContain('Signed in to mcp.example.com');
    const third = remote.request('tools/call', { name: 'warder_sign_in' });
    await settled();
    expect(remote.answerTo(third)?.result.content[0].text).toContain('Signed in to mcp.example.com');
    expect(remote.pipe.count('tools/call')).toBe(0);
  });

  test("a tool of the server of that name is the server's", async () => {
    const remote = await opened();
    remote.request('tools/call', { name: 'warder_sign_in' });
    expect(remote.upstream.ownTool).toBeUndefined();
    expect(remote.pipe.count('tools/call')).toBe(1);
  });

  test('a person who does not sign in is no answer: what acts fails with what to do', async () => {
    const remote = await offline();
    const call = remote.request('tools/call', { name: 'add' });
    const read = remote.request('resources/read', { uri: 'file:///a' });
    await settled();
    remote.authorizer.end(NEEDED);
    await settled();
    expect(remote.answerTo(call)?.result).toMatchObject({ isError: true });
    expect(remote.answerTo(call)?.result.content[0].text).toContain('run: warder login notes');
    expect(remote.answerTo(read)?.error).toMatchObject({
      code: -32010,
      data: { code: 'sign-in-needed', hint: 'run: warder login notes' },
    });
  });

  test('a request that is taken back waits no more; the last one ends the question', async () => {
    const remote = await offline();
    const one = remote.request('tools/call', { name: 'add' });
    const two = remote.request('tools/call', { name: 'warder_sign_in' });
    await settled();
    const { signal } = remote.authorizer.asked[0] ?? {};
    remote.notify('notifications/cancelled', { requestId: one });
    expect(signal?.aborted).toBe(false);
    remote.notify('notifications/cancelled', { requestId: two });
    expect(signal?.aborted).toBe(true);
    remote.authorizer.end('ready');
    await settled();
    expect([remote.answerTo(one), remote.answerTo(two)]).toEqual([undefined, undefined]);
  });

  test('a sign-in elsewhere opens the server, and the host is told', async () => {
    const remote = await offline();
    remote.authorizer.become('ready');
    remote.pipe.answer(remote.pipe.last('initialize').id, INTRODUCTION);
    await settled();
    expect(remote.told('notifications/tools/list_changed')).toHaveLength(1);
  });

  test('a server that wants a sign-in only when it is asked is known offline from then on', async () => {
    const remote = new FakeRemote();
    const hello = remote.request('initialize', HELLO);
    remote.authorizer.become('signed-out');
    remote.pipe.refuse(hello, -32010, { code: 'sign-in-needed' });
    await settled();
    expect(remote.answerTo(hello)?.result.serverInfo).toEqual({ name: 'notes', version: '0' });
    expect(remote.pipe.cutBy).toBeDefined();
    const list = remote.request('tools/list');
    await settled();
    expect(remote.answerTo(list)?.result.tools[0].name).toBe('warder_sign_in');
    expect(remote.pipes).toHaveLength(1);
    remote.authorizer.become('ready');
    remote.pipe.answer(remote.pipe.last('initialize').id, INTRODUCTION);
    await settled();
    expect(remote.introduced).toEqual([INTRODUCTION]);
  });

  test('in the middle of a session lists are answered so, and other requests go on', async () => {
    const remote = await opened();
    const call = remote.request('tools/call', { name: 'add' });
    const list = remote.request('tools/list');
    remote.authorizer.become('signed-out');
    remote.pipe.refuse(list, -32010, { code: 'sign-in-needed' });
    await settled();
    expect(remote.answerTo(list)?.result.tools[0].name).toBe('warder_sign_in');
    remote.pipe.answer(call, { content: [] });
    remote.request('tools/call', { name: 'sub' });
    expect(remote.pipe.count('tools/call')).toBe(2);
    await settled();
    expect(remote.told('notifications/tools/list_changed')).toEqual([]);
    remote.authorizer.become('ready');
    await settled();
    expect(remote.told('notifications/tools/list_changed')).toHaveLength(1);
    expect(remote.pipes).toHaveLength(1);
  });

  test('a subscription of a host of the stateless era goes to the server later, and is acknowledged once', async () => {
    const remote = new FakeRemote({ state: 'signed-out' });
    remote.request('server/discover', { _meta: meta() });
    const listen = remote.request('subscriptions/listen', {
      _meta: meta(),
      notifications: { toolsListChanged: true },
    });
    await settled();
    remote.authorizer.become('ready');
    const { pipe } = remote;
    pipe.answer(pipe.last('server/discover').id, { supportedVersions: ['2026-07-28'], capabilities: {} });
    expect(pipe.last('subscriptions/listen').id).toBe(listen);
    const named = { _meta: { 'io.modelcontextprotocol/subscriptionId': listen }, notifications: {} };
    pipe.say({ method: 'notifications/subscriptions/acknowledged', params: named });
    await settled();
    expect(remote.told('notifications/subscriptions/acknowledged')).toHaveLength(1);
    expect(remote.told('notifications/tools/list_changed')[0]?.params).toEqual({
      _meta: { 'io.modelcontextprotocol/subscriptionId': listen },
    });
    expect(remote.told('notifications/prompts/list_changed')).toEqual([]);
  });
});

describe('before the relay lists', () => {
  test('a server that is open is ready', async () => {
    const remote = await opened();
    expect(await remote.upstream.prepare(() => {}, new AbortController().signal)).toBeUndefined();
    expect(remote.authorizer.asked).toEqual([]);
  });

  test('a person signs in, and the server is open then', async () => {
    const remote = await offline();
    const waits: string[] = [];
    const prepared = remote.upstream.prepare((text) => void waits.push(text), new AbortController().signal);
    remote.authorizer.asked[0]?.waits('waits');
    remote.authorizer.end('ready');
    await settled();
    remote.pipe.answer(remote.pipe.last('initialize').id, INTRODUCTION);
    expect(await prepared).toBeUndefined();
    expect(waits).toEqual(['waits']);
    expect(remote.introduced).toEqual([INTRODUCTION]);
  });

  test('it is said why a server is not ready: nobody signs in, nobody waits, or it does not take the handshake', async () => {
    const remote = await offline();
    const first = remote.upstream.prepare(() => {}, new AbortController().signal);
    remote.authorizer.end(NEEDED);
    expect(await first).toContain('run: warder login notes');
    const controller = new AbortController();
    const second = remote.upstream.prepare(() => {}, controller.signal);
    controller.abort();
    expect(await second).toContain('nobody waits');
    expect(remote.authorizer.asked[1]?.signal.aborted).toBe(true);
    const third = remote.upstream.prepare(() => {}, new AbortController().signal);
    remote.authorizer.end('ready');
    await settled();
    remote.pipe.refuse(remote.pipe.last('initialize').id, -32603);
    expect(await third).toContain('error -32603');
  });

  test('a server that speaks an unknown version now is refused, and it is said why', async () => {
    const remote = await offline();
    const call = remote.request('tools/call', { name: 'add' });
    await settled();
    remote.authorizer.end('ready');
    await settled();
    remote.pipe.answer(remote.pipe.last('initialize').id, { ...INTRODUCTION, protocolVersion: '2031-01-01' });
    await settled();
    expect(remote.answerTo(call)?.result.content[0].text).toContain('"2031-01-01"');
  });
});

describe('a session that is lost', () => {
  test('is opened again at the next request, and the host is told what it may have missed', async () => {
    const remote = await opened();
    remote.pipe.listener.lost('it has another name');
    const call = remote.request('tools/call', { name: 'add' });
    expect(remote.pipes).toHaveLength(2);
    remote.pipe.answer(remote.pipe.last('initialize').id, INTRODUCTION);
    await settled();
    expect(remote.pipe.count('tools/call')).toBe(1);
    expect(remote.told('notifications/tools/list_changed')).toHaveLength(1);
    expect(remote.introduced).toEqual([]);
    remote.pipe.answer(call, { content: [] });
    await settled();
    expect(remote.answerTo(call)?.result).toEqual({ content: [] });
  });

  test('is opened again by itself after a while, less and less often', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const remote = await opened();
    remote.pipe.listener.lost('gone');
    vi.advanceTimersByTime(1000);
    expect(remote.pipes).toHaveLength(2);
    remote.pipe.listener.lost('gone again');
    vi.advanceTimersByTime(1000);
    expect(remote.pipes).toHaveLength(2);
    vi.advanceTimersByTime(1000);
    expect(remote.pipes).toHaveLength(3);
    await remote.upstream.stop();
  });

  test('a token that was revoked cuts all that carries it, and what waits fails [W-REM-27]', async () => {
    const remote = await opened();
    remote.request('tools/call', { name: 'add' });
    expect(remote.upstream.cut('the credential was revoked')).toBe(1);
    expect(remote.pipe.cutBy).toBe('the credential was revoked');
    expect(remote.pipe.isClosed).toBe(false);
    expect(remote.upstream.cut('again')).toBe(0);
    const waiting = await offline();
    const call = waiting.request('tools/call', { name: 'add' });
    await settled();
    waiting.upstream.cut('the user has signed out');
    await settled();
    expect(waiting.answerTo(call)?.result.content[0].text).toContain('the user has signed out');
  });
});
