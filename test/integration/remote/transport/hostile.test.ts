// Servers that break the rules, and what the transports make of them.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Gzip, gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { createEncoder } from '../../../../src/egress/content-coding.ts';
import { WarderError } from '../../../../src/errors.ts';
import { TestAuthorizer, TestPipe, type TestPipeOptions } from '../../../fixtures/remote/pipe.ts';
import { answerJson, listenAt, type Place } from '../../../fixtures/remote/place.ts';

type Answer = (
  message: { id: number; method: string; params: { name?: string } },
  response: ServerResponse,
  request: IncomingMessage,
) => void;

/** A server that answers POSTs as the test says; GET is 405 unless the test says otherwise. */
function serve(
  answer: Answer,
  get?: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<Place> {
  return listenAt((request, response, body) => {
    if (request.method === 'POST') answer(JSON.parse(body), response, request);
    else if (request.method === 'GET' && get !== undefined) get(request, response);
    else response.writeHead(405).end();
  });
}

function host(place: Place, era: TestPipeOptions['era'], options: Partial<TestPipeOptions> = {}): TestPipe {
  return new TestPipe(`${place.origin}/mcp`, { era, ...options });
}

const INTRODUCTION = {
  protocolVersion: '2025-11-25',
  capabilities: {},
  serverInfo: { name: 's', version: '1' },
};
const result = (id: number, value: object = {}): object => ({ jsonrpc: '2.0', id, result: value });
const events = (response: ServerResponse, ...data: (object | string)[]): void => {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  for (const one of data) response.write(typeof one === 'string' ? one : `data: ${JSON.stringify(one)}\n\n`);
};

test('W-REM-5: stateless: an answer to another request and a request of the server are dropped', async () => {
  await using place = await serve(({ id, method }, response) => {
    if (method === 'slow') return;
    events(
      response,
      result(1, { stolen: true }),
      { jsonrpc: '2.0', id: 9, method: 'sampling/createMessage', params: {} },
      { jsonrpc: '2.0', method: 'notifications/message', params: {} },
      result(id, { own: true }),
      result(id, { twice: true }),
    );
    response.end();
  });
  await using one = host(place, 'stateless');
  void one.modern('slow');
  const answer = await one.modern('tools/list');
  expect(answer.result).toEqual({ own: true });
  expect(one.messages.map(({ method }) => method)).toEqual(['notifications/message']);
  expect(one.warnings).toHaveLength(2);
});

test('W-REM-5: an answer that is to no request at all leaves the request with an error', async () => {
  await using place = await serve((_message, response) => answerJson(response, 200, result(999)));
  for (const era of ['session', 'stateless'] as const) {
    await using one = host(place, era);
    const answer = await one.modern('ping');
    expect(answer.error).toMatchObject({ code: -32012, data: { code: 'lost' } });
  }
});

test('W-REM-5: a 401 with an answer in it is a 401', async () => {
  await using place = await serve(({ id }, response) => answerJson(response, 401, result(id, { tools: [] })));
  for (const era of ['session', 'stateless'] as const) {
    const authorizer = new TestAuthorizer('t');
    authorizer.decide = async () =>
      new WarderError('sign-in-needed', 'nobody has signed in', { hint: 'sign in' });
    await using one = host(place, era, { authorizer });
    const answer = await one.modern('tools/list');
    expect(answer.result).toBeUndefined();
    expect(answer.error).toMatchObject({ code: -32010, data: { code: 'refused', hint: 'sign in' } });
    expect(one.wrongEra).toEqual([]);
    expect(authorizer.refusals).toMatchObject([{ status: 401, attempt: 1, acts: false }]);
  }
});

test('W-REM-5: a session takes each answer once', async () => {
  await using place = await serve(({ id, method }, response) => {
    if (method === 'initialize') answerJson(response, 200, result(id, INTRODUCTION));
    else if (id === undefined) response.writeHead(202).end();
    else {
      events(response, result(id, { first: true }), result(id, { second: true }), result(1, { again: true }));
      response.end();
    }
  });
  await using one = host(place, 'session');
  await one.initialize();
  expect((await one.request('ping')).result).toEqual({ first: true });
  await one.request('ping');
  expect(one.messages).toEqual([]);
});

test('a request is sent again with its body when the authorizer says so, and a person is waited for', async () => {
  await using place = await serve(({ id }, response, { headers }) => {
    if (headers.authorization === 'Bearer new') answerJson(response, 200, result(id));
    else answerJson(response, 401, {}, { 'www-authenticate': 'Bearer scope="x"' });
  });
  const authorizer = new TestAuthorizer('old');
  authorizer.decide = async ({ waits, challenge, acts }) => {
    expect({ challenge, acts }).toEqual({ challenge: 'Bearer scope="x"', acts: true });
    waits('sign in, please');
    authorizer.token = 'new';
    return 'again';
  };
  await using one = host(place, 'stateless', { authorizer });
  expect((await one.modern('tools/call', { name: 'x', arguments: {} })).result).toEqual({});
  expect(one.waiting).toEqual(['sign in, please', undefined]);
  expect(place.requests.map(({ body }) => body)[0]).toBe(place.requests[1]?.body);
});

test('W-REM-8: each request with a token is recorded before and after, with its call; never the token', async () => {
  await using place = await serve(({ id }, response) => answerJson(response, 200, result(id)));
  await using one = host(place, 'stateless', { authorizer: new TestAuthorizer('digest') });
  await one.modern('ping');
  const uses = one.records.filter(({ event }) => event === 'credential.use');
  const use = {
    credential: 'oauth/test',
    issuer: 'https://as.test',
    scopes: 'a b',
    token: 'sha256:digest',
    call: 'call-1',
    method: 'POST',
    path: '/mcp',
  };
  expect(uses).toMatchObject([
    { ...use, action: 'use', outcome: 'sent' },
    { ...use, action: 'answer', outcome: 'ok', status: 200 },
  ]);
  expect(JSON.stringify(one.records)).not.toContain('Bearer');
});

test('W-REM-8: a request whose token cannot be recorded is not sent', async () => {
  await using place = await serve(({ id }, response) => answerJson(response, 200, result(id)));
  let writable = true;
  await using one = host(place, 'stateless', {
    authorizer: new TestAuthorizer('t'),
    isLogWritable: () => writable,
  });
  await one.modern('ping');
  writable = false;
  expect((await one.modern('ping')).error).toMatchObject({ code: -32011 });
  expect(place.requests).toHaveLength(1);
});

test('W-REM-3: a redirect is an error, and nothing is sent where it leads', async () => {
  await using other = await serve(({ id }, response) => answerJson(response, 200, result(id)));
  await using place = await serve((_, response) => {
    response.writeHead(307, { location: `${other.origin}/mcp` }).end();
  });
  for (const era of ['session', 'stateless'] as const) {
    await using one = host(place, era, { authorizer: new TestAuthorizer('t') });
    const { error } = await one.modern('ping');
    expect(error.message).toContain('redirect');
    expect(error.data.hint).toContain('URL of the profile');
  }
  expect(other.requests).toEqual([]);
});

test('W-REM-6: ids of sessions that cannot be said in a header are refused, and none is shown', async () => {
  let session = 'ok-session';
  await using place = await serve(({ id, method }, response) => {
    const headers = method === 'initialize' ? { 'mcp-session-id': session } : {};
    answerJson(response, 200, result(id, INTRODUCTION), headers);
  });
  await using one = host(place, 'session');
  await one.initialize();
  await one.request('ping');
  expect(place.requests.at(-1)?.headers['mcp-session-id']).toBe('ok-session');
  expect(JSON.stringify([one.lines, one.records])).not.toContain('ok-session');
  for (session of ['has space', 'x'.repeat(1025), 'caf\u00e9']) {
    await using other = host(place, 'session');
    expect((await other.initialize()).error, session).toMatchObject({ code: -32012 });
  }
});

test('W-REM-6: two hosts of one server have two sessions', async () => {
  let last = 0;
  await using place = await serve(({ id, method }, response, { headers }) => {
    const session = headers['mcp-session-id'] ?? '';
    answerJson(response, 200, result(id, { ...INTRODUCTION, session }), {
      ...(method === 'initialize' && { 'mcp-session-id': `s${++last}` }),
    });
  });
  await using one = host(place, 'session');
  await using two = host(place, 'session');
  await Promise.all([one.initialize(), two.initialize()]);
  const sessions = [await one.request('ping'), await two.request('ping')].map(
    (answer) => answer.result.session,
  );
  expect(new Set(sessions)).toEqual(new Set(['s1', 's2']));
});

test.for([
  'https://evil.test/messages',
  'http://127.0.0.1:1/messages',
  '//evil.test/m',
  'javascript:alert(1)',
])('W-REM-7: the endpoint %s is refused', async (endpoint) => {
  await using place = await serve(
    () => {},
    (_, response) => events(response, `event: endpoint\ndata: ${endpoint}\n\n`),
  );
  await using one = host(place, 'sse', { authorizer: new TestAuthorizer('t') });
  const { error } = await one.initialize();
  expect(error).toMatchObject({ code: -32010, message: expect.stringContaining('another origin') });
  expect(place.count('POST')).toBe(0);
});

test('W-REM-9: 401, 403, 429, 5xx and a network that fails are no evidence of an era', async () => {
  let status = 0;
  await using place = await serve(
    (_, response) => {
      if (status === 0) response.socket?.destroy();
      else response.writeHead(status, { 'retry-after': '86400' }).end();
    },
    (_, response) => {
      if (status === 0) response.socket?.destroy();
      else response.writeHead(status).end();
    },
  );
  for (status of [401, 403, 429, 500, 503, 0]) {
    for (const era of ['session', 'stateless'] as const) {
      const authorizer = new TestAuthorizer('t');
      authorizer.decide = async () => new WarderError('sign-in-needed', 'nobody has signed in');
      await using one = host(place, era, { authorizer });
      const answer = era === 'session' ? await one.initialize() : await one.modern('server/discover');
      expect(answer.error.code, `${era} ${status}`).toBeLessThan(-32000);
      expect(one.wrongEra).toEqual([]);
    }
  }
});

test.for([
  ['session', 200, -32601],
  ['session', 400, -32022],
  ['session', 404, undefined],
  ['session', 405, undefined],
  ['stateless', 200, -32601],
  ['stateless', 400, -32000],
  ['stateless', 404, undefined],
] as const)('W-REM-9: to a pipe of %s, %i with error %s is evidence', async ([era, status, code]) => {
  await using place = await serve(({ id }, response) => {
    if (code === undefined) response.writeHead(status).end('nothing here');
    else answerJson(response, status, { jsonrpc: '2.0', id, error: { code, message: 'no' } });
  });
  await using one = host(place, era);
  const answer = era === 'session' ? await one.initialize() : await one.modern('server/discover');
  expect(answer).toEqual({ wrongEra: true });
  expect(one.wrongEra[0].id).toBe(1);
});

test.for([
  [400, -32022, 'server/discover'],
  [400, -32020, 'tools/list'],
  [404, -32601, 'tools/list'],
] as const)('W-REM-9: to a stateless pipe %i with %i to %s is an answer', async ([status, code, method]) => {
  await using place = await serve(({ id }, response) =>
    answerJson(response, status, { jsonrpc: '2.0', id, error: { code, message: 'no' } }),
  );
  await using one = host(place, 'stateless');
  expect((await one.modern(method)).error.code).toBe(code);
});

test('W-REM-10: a text over several lines becomes one, and a line break in a string makes it no message', async () => {
  await using place = await serve(({ id, method }, response) => {
    if (method === 'pretty') {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify(result(id, { text: 'a\nb' }), null, 2));
    } else if (method === 'split') {
      const [head = '', tail = ''] = JSON.stringify(result(id, { n: 1 })).split(',"result"');
      events(response, `data: ${head},\r\ndata: "result"${tail}\r\n\r\n`);
      response.end();
    } else {
      events(response, `data: {"jsonrpc":"2.0","id":${id},"result":{"text":"a\ndata: b"}}\n\n`);
      response.end();
    }
  });
  await using one = host(place, 'stateless');
  expect((await one.modern('pretty')).result).toEqual({ text: 'a\nb' });
  expect((await one.modern('split')).result).toEqual({ n: 1 });
  expect((await one.modern('broken')).error.code).toBe(-32012);
  expect(one.lines.join('')).not.toMatch(/[\r\n]/);
});

test('W-REM-4: an answer over the limit ends its request with an error; a bomb as well', async () => {
  const long = 'x'.repeat(5000);
  await using place = await serve(({ id, method }, response) => {
    if (method === 'json') answerJson(response, 200, result(id, { long }));
    else if (method === 'event') events(response, result(id, { long }));
    else if (method === 'lines') events(response, `${'data: xxxxxxxx\n'.repeat(1000)}\n`);
    else {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'content-encoding': 'gzip' });
      response.end(gzipSync(Buffer.alloc(64 * 2 ** 20, ':\n')));
    }
  });
  for (const era of ['session', 'stateless'] as const) {
    await using one = host(place, era, { budgets: { line: 2000 } });
    for (const method of ['json', 'event', 'lines'])
      expect((await one.modern(method)).error, method).toMatchObject({ code: -32013 });
    expect(one.oversize).toEqual([1, 2, 3]);
    expect((await one.modern('bomb')).error.message).toContain('bomb');
  }
});

test('W-REM-4: a server is read no further while the host is not', async () => {
  let written = 0;
  let stopped = false;
  await using place = await serve(({ id }, response) => {
    events(response);
    const chunk = `data: ${JSON.stringify({ jsonrpc: '2.0', method: 'notifications/message', params: { t: 'x'.repeat(10_000) } })}\n\n`;
    const write = (): void => {
      while (!stopped && written < 64 * 2 ** 20) {
        written += chunk.length;
        if (!response.write(chunk)) {
          response.once('drain', write);
          return;
        }
      }
      response.end(`data: ${JSON.stringify(result(id))}\n\n`);
    };
    write();
  });
  await using one = host(place, 'stateless');
  one.pipe.pause(true);
  const answer = one.modern('ping');
  let before = -1;
  while (before !== written || written === 0) {
    before = written;
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  expect(written).toBeLessThan(32 * 2 ** 20);
  expect(one.messages).toEqual([]);
  stopped = true;
  one.pipe.pause(false);
  await answer;
  expect(one.messages.length).toBeGreaterThan(0);
});

test('W-REM-12: a lost stream ends its request with an error; a call is sent once', async () => {
  await using place = await serve(({ id, method }, response) => {
    if (method === 'initialize') answerJson(response, 200, result(id, INTRODUCTION));
    else {
      events(response, { jsonrpc: '2.0', method: 'notifications/message', params: {} });
      setTimeout(() => response.destroy(), 20);
    }
  });
  for (const era of ['session', 'stateless'] as const) {
    await using one = host(place, era);
    const calls = place.requests.length;
    const { error } = await one.modern('tools/call', { name: 'x', arguments: {} });
    expect(error).toMatchObject({ code: -32012, data: { code: 'lost' } });
    expect(place.requests.length - calls).toBe(1);
  }
});

test('W-REM-12: a forgotten session of a server that introduces itself otherwise is lost', async () => {
  let name = 'first';
  let known = '';
  await using place = await serve(({ id, method }, response, { headers }) => {
    if (method === 'initialize') {
      known = name;
      const introduction = { ...INTRODUCTION, serverInfo: { name, version: '1' } };
      answerJson(response, 200, result(id, introduction), { 'mcp-session-id': name });
    } else if (headers['mcp-session-id'] !== known) answerJson(response, 404, {});
    else if (id === undefined) response.writeHead(202).end();
    else answerJson(response, 200, result(id));
  });
  await using one = host(place, 'session');
  await one.initialize();
  await one.request('logging/setLevel', { level: 'error' });
  await one.request('resources/subscribe', { uri: 'a:b' });
  known = '';
  expect((await one.request('ping')).result).toEqual({});
  const again = place.requests.map(({ body }) => body && JSON.parse(body).method);
  expect(again.filter((method) => method === 'logging/setLevel')).toHaveLength(2);
  expect(again.filter((method) => method === 'resources/subscribe')).toHaveLength(2);
  expect(again.filter((method) => method === 'notifications/initialized')).toHaveLength(2);
  known = '';
  name = 'second';
  expect((await one.request('ping')).error.code).toBe(-32012);
  expect(one.lost).toHaveLength(1);
});

test('a stream that ends before its answer is asked for again from its last event, after the time that the server said', async () => {
  const asked: { id: string | undefined; at: number }[] = [];
  let ended = 0;
  let open = 0;
  await using place = await serve(
    ({ id, method }, response) => {
      if (method === 'initialize') answerJson(response, 200, result(id, INTRODUCTION));
      else if (id === undefined) response.writeHead(202).end();
      else {
        open = id;
        events(response, 'id: e1\nretry: 300\ndata: \n\n');
        ended = performance.now();
        response.end();
      }
    },
    ({ headers }, response) => {
      const last = headers['last-event-id'];
      if (last === undefined) {
        response.writeHead(405).end();
        return;
      }
      asked.push({ id: String(last), at: performance.now() - ended });
      if (asked.length === 1) {
        response.socket?.destroy();
        return;
      }
      events(response, `id: e2\ndata: ${JSON.stringify(result(open, { resumed: true }))}\n\n`);
      response.end();
    },
  );
  await using one = host(place, 'session');
  await one.initialize();
  expect((await one.request('ping')).result).toEqual({ resumed: true });
  expect(asked.map(({ id }) => id)).toEqual(['e1', 'e1']);
  expect(asked[0]?.at).toBeGreaterThanOrEqual(300);
});

test('a busy server is asked again when it says so', async () => {
  let busy = 2;
  await using place = await serve(({ id }, response) => {
    if (busy-- > 0) response.writeHead(busy === 0 ? 429 : 503, { 'retry-after': '0' }).end();
    else answerJson(response, 200, result(id));
  });
  await using one = host(place, 'stateless');
  expect((await one.modern('ping')).result).toEqual({});
});

test('cancelling: a session tells its server, and a stateless request is closed', async () => {
  let closed = 0;
  await using place = await serve(({ id, method }, response) => {
    if (method === 'initialize') answerJson(response, 200, result(id, INTRODUCTION));
    else if (id === undefined) response.writeHead(202).end();
    else response.once('close', () => closed++);
  });
  await using one = host(place, 'session');
  await one.initialize();
  void one.request('tools/call', { name: 'x' });
  one.notify('notifications/cancelled', { requestId: one.last });
  await expect.poll(() => place.requests.at(-1)?.body).toContain('notifications/cancelled');

  await using two = host(place, 'stateless');
  void two.modern('tools/call', { name: 'x' });
  await expect.poll(() => place.requests.at(-1)?.body).toContain('2026-07-28');
  two.notify('notifications/cancelled', { requestId: two.last });
  await expect.poll(() => closed).toBe(1);
  expect(place.requests.at(-1)?.body).not.toContain('cancelled');
});

test('cut: every open request gets an error at once, and the server hears nothing', async () => {
  await using place = await serve(({ id, method }, response) => {
    if (method === 'initialize')
      answerJson(response, 200, result(id, INTRODUCTION), { 'mcp-session-id': 's' });
    else if (id === undefined) response.writeHead(202).end();
  });
  for (const era of ['session', 'stateless'] as const) {
    await using one = host(place, era);
    if (era === 'session') await one.initialize();
    const answers = Promise.all([one.modern('a'), one.modern('b')]);
    one.pipe.cut('the credential was revoked');
    for (const { error } of await answers) expect(error.message).toBe('the credential was revoked');
    expect((await one.modern('c')).error.code).toBe(-32012);
    await one.pipe.close();
  }
  expect(place.count('DELETE')).toBe(0);
});

test('too many requests are refused, and the host is read no further until there are fewer', async () => {
  const waiting: (() => void)[] = [];
  await using place = await serve(({ id }, response) => {
    waiting.push(() => answerJson(response, 200, result(id)));
  });
  await using one = host(place, 'stateless', { budgets: { open: 2 } });
  const first = one.modern('a');
  void one.modern('b');
  expect(one.pipe.full).toBe(true);
  expect((await one.modern('c')).error.code).toBe(-32014);
  await expect.poll(() => waiting.length).toBe(2);
  for (const answer of waiting) answer();
  await first;
  await one.until(() => one.drained > 0);
  expect(one.pipe.full).toBe(false);
});

test('a session that the server calls unknown with 400 instead of 404 is opened anew all the same', async () => {
  let opened = 0;
  await using place = await serve(({ id, method }, response, { headers }) => {
    if (method === 'initialize')
      answerJson(response, 200, result(id, INTRODUCTION), { 'mcp-session-id': `s${++opened}` });
    else if (id === undefined) response.writeHead(202).end();
    else if (headers['mcp-session-id'] === 's1') {
      const error = { code: -32000, message: 'Bad Request: No valid session ID provided' };
      answerJson(response, 400, { jsonrpc: '2.0', error, id: null });
    } else answerJson(response, 200, result(id, { opened }));
  });
  await using one = host(place, 'session');
  await one.initialize();
  expect((await one.request('ping')).result).toEqual({ opened: 2 });
});

test('a call whose headers the server refuses is made once more when its tools are known', async () => {
  const schema = { type: 'object', properties: { region: { type: 'string', 'x-mcp-header': 'Region' } } };
  let calls = 0;
  await using place = await serve(({ id, method }, response, { headers }) => {
    if (method === 'tools/list')
      answerJson(response, 200, result(id, { tools: [{ name: 't', inputSchema: schema }] }));
    else if (++calls > 3 || headers['mcp-param-region'] !== 'eu') {
      answerJson(response, 400, { jsonrpc: '2.0', id, error: { code: -32020, message: 'Header mismatch' } });
    } else answerJson(response, 200, result(id, { resultType: 'complete', content: [] }));
  });
  await using one = host(place, 'stateless');
  const call = { name: 't', arguments: { region: 'eu' } };
  expect((await one.modern('tools/call', call)).result).toBeDefined();
  expect(place.requests.map(({ headers }) => headers['mcp-method'])).toEqual([
    'tools/call',
    'tools/list',
    'tools/call',
  ]);
  expect(place.requests[1]?.body).toContain('io.modelcontextprotocol/protocolVersion');
  calls = 3;
  expect((await one.modern('tools/call', call)).error.code).toBe(-32020);
  expect(calls).toBe(5);
});

test('the standing stream is asked for again, from its last event, when it breaks or is not there yet', async () => {
  const asked: (string | undefined)[] = [];
  await using place = await serve(
    ({ id, method }, response) => {
      if (method === 'initialize') answerJson(response, 200, result(id, INTRODUCTION));
      else response.writeHead(202).end();
    },
    ({ headers }, response) => {
      asked.push(headers['last-event-id']?.toString());
      if (asked.length === 1) {
        response.writeHead(409).end();
        return;
      }
      const params = { n: asked.length };
      const message = { jsonrpc: '2.0', method: 'notifications/message', params };
      events(response, `id: e${asked.length}\nretry: 10\ndata: ${JSON.stringify(message)}\n\n`);
      if (asked.length < 3) response.end();
    },
  );
  await using one = host(place, 'session');
  await one.initialize();
  await one.until(() => one.messages.length === 2);
  expect(one.messages.map(({ params }) => params.n)).toEqual([2, 3]);
  expect(one.streams).toEqual([undefined, undefined]);
  expect(asked).toEqual([undefined, undefined, 'e2']);
});

test.for(['gzip', 'br', 'zstd', 'deflate'] as const)(
  'events that come in %s are there at once',
  async (coding) => {
    await using place = await serve(({ id }, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'content-encoding': coding });
      const encoder = createEncoder(coding);
      if (encoder === undefined) throw new Error('no encoder');
      encoder.pipe(response);
      const flush = { gzip: 2, deflate: 2, br: 1, zstd: 1 }[coding];
      encoder.write(`data: ${JSON.stringify({ jsonrpc: '2.0', method: 'notifications/message' })}\n\n`);
      (encoder as Gzip).flush(flush);
      waiting = () => encoder.end(`data: ${JSON.stringify(result(id))}\n\n`);
    });
    let waiting = (): void => {};
    await using one = host(place, 'stateless');
    const answer = one.modern('ping');
    await one.until(() => one.messages.length === 1);
    waiting();
    expect((await answer).result).toEqual({});
  },
);
