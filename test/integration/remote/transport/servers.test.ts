// The transports against real servers of each era.
import { expect, test } from 'vitest';
import { startMcp } from '../../../fixtures/remote/mcp.ts';
import { TestPipe } from '../../../fixtures/remote/pipe.ts';

test('a session: handshake, calls, progress, list changes, and its end at the server', async () => {
  await using server = await startMcp({ era: 'session' });
  await using host = new TestPipe(server.url, { era: 'session' });
  const opened = await host.initialize();
  expect(opened.result.serverInfo.name).toBe('remote');
  expect(JSON.stringify(host.lines)).not.toContain('session-id');
  const echo = await host.request('tools/call', { name: 'echo', arguments: { text: 'hello' } });
  expect(echo.result.content).toEqual([{ type: 'text', text: 'hello' }]);

  const slow = { name: 'slow', arguments: { ms: 5, steps: 3 }, _meta: { progressToken: 'p' } };
  await host.request('tools/call', slow);
  expect(host.messages.map(({ params }) => params.progress)).toEqual([1, 2, 3]);
  expect(host.streams).toEqual([host.last, host.last, host.last]);

  await host.request('tools/call', { name: 'grow', arguments: { name: 'more' } });
  await host.until(() => host.messages.some(({ method }) => method === 'notifications/tools/list_changed'));
  expect(server.sessions.size).toBe(1);
  await host.pipe.close();
  expect(server.sessions.size).toBe(0);
  const versions = server.requests.slice(1).map(({ headers }) => headers['mcp-protocol-version']);
  expect(new Set(versions)).toEqual(new Set(['2025-11-25']));
});

test('a question of the server reaches the host at its first call, and the answer the server', async () => {
  await using server = await startMcp({ era: 'session' });
  await using host = new TestPipe(server.url, { era: 'session' });
  await host.initialize();
  const answer = host.request('tools/call', { name: 'ask', arguments: { message: 'Which?' } });
  await host.until(() => host.messages.some(({ method }) => method === 'elicitation/create'));
  const [question] = host.messages.filter(({ method }) => method === 'elicitation/create');
  host.send({ id: question.id, result: { action: 'accept', content: { word: 'this' } } }, 'response');
  expect((await answer).result.content[0].text).toContain('this');
});

test('a session that the server has forgotten is opened anew, and the call is made once', async () => {
  await using server = await startMcp({ era: 'session' });
  await using host = new TestPipe(server.url, { era: 'session' });
  await host.initialize();
  await server.forget();
  const echo = await host.request('tools/call', { name: 'echo', arguments: { text: 'again' } });
  expect(echo.result.content[0].text).toBe('again');
  expect(host.lost).toEqual([]);
  expect(server.sessions.size).toBe(1);
});

test('stateless: discovery, calls, input that is required, with the headers that the specification wants', async () => {
  await using server = await startMcp({ era: 'stateless' });
  await using host = new TestPipe(server.url, { era: 'stateless' });
  const discovered = await host.modern('server/discover');
  expect(discovered.result.supportedVersions).toContain('2026-07-28');
  const echo = await host.modern('tools/call', { name: 'echo', arguments: { text: 'hello' } });
  expect(echo.result.content[0].text).toBe('hello');
  const asked = await host.modern('tools/call', { name: 'ask', arguments: { message: 'Which?' } });
  expect(asked.result.resultType).toBe('input_required');
  expect(server.requests.at(-1)?.headers).toMatchObject({
    'mcp-method': 'tools/call',
    'mcp-name': 'ask',
    'mcp-protocol-version': '2026-07-28',
  });
});

test('stateless: a subscription is a stream, and cancelling it closes it', async () => {
  await using server = await startMcp({ era: 'stateless' });
  await using host = new TestPipe(server.url, { era: 'stateless' });
  void host.modern('subscriptions/listen', { notifications: { toolsListChanged: true } });
  const subscription = host.last;
  await host.until(() => host.messages.length === 1);
  expect(host.messages[0].method).toBe('notifications/subscriptions/acknowledged');
  await host.modern('tools/call', { name: 'grow', arguments: { name: 'more' } });
  await host.until(() => host.messages.length === 2);
  expect(host.messages[1].method).toBe('notifications/tools/list_changed');
  expect(host.streams).toEqual([subscription, subscription]);
  host.notify('notifications/cancelled', { requestId: subscription });
  await host.modern('tools/call', { name: 'grow', arguments: { name: 'most' } });
  expect(host.messages).toHaveLength(2);
  expect(server.count('POST')).toBe(3);
});

test('HTTP with SSE: handshake, calls and progress', async () => {
  await using server = await startMcp({ era: 'sse' });
  await using host = new TestPipe(server.url, { era: 'sse' });
  await host.initialize('2024-11-05');
  const slow = { name: 'slow', arguments: { ms: 5, steps: 2 }, _meta: { progressToken: 'p' } };
  const answer = await host.request('tools/call', slow);
  expect(answer.result.content[0].text).toBe('slow');
  expect(host.messages.map(({ params }) => params.progress)).toEqual([1, 2]);
});

test.for([
  ['session', 'stateless', 'server/discover'],
  ['stateless', 'session', 'initialize'],
  ['sse', 'session', 'initialize'],
  ['sse', 'stateless', 'server/discover'],
  ['session', 'sse', 'initialize'],
] as const)(
  'W-REM-9: a server of %s shows itself to a pipe of %s by its answer to %s',
  async ([era, wrong, method]) => {
    await using server = await startMcp({ era });
    await using host = new TestPipe(server.url, { era: wrong });
    const answer = method === 'initialize' ? await host.initialize() : await host.modern(method);
    expect(answer).toEqual({ wrongEra: true });
    expect(host.wrongEra).toHaveLength(1);
  },
);

test('integers beyond 2^53, unknown members and their order pass as they are', async () => {
  const answer = '{"jsonrpc":"2.0","z":1,"id":1,"result":{"b":9007199254740993,"a":1.0}}';
  await using server = await startMcp({
    era: 'session',
    before: (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(answer);
      return true;
    },
  });
  await using host = new TestPipe(server.url, { era: 'session' });
  const text = '{"x":9007199254740993,"jsonrpc":"2.0","id":1,"method":"ping"}';
  await host.request('ping', {}, () => text);
  expect(server.requests[0]?.body).toBe(text);
  expect(host.lines).toEqual([answer]);
});
