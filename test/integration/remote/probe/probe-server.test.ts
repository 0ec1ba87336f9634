// What a URL is, found out from real servers of each era without a credential.
import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { clock } from '../../../../src/os/clock.ts';
import { type Found, probeServer } from '../../../../src/remote/probe/probe-server.ts';
import { startAuthorization } from '../../../fixtures/remote/authorization.ts';
import { type McpOptions, startMcp } from '../../../fixtures/remote/mcp.ts';
import { openHttp } from '../../../fixtures/remote/pipe.ts';

let opened: ReturnType<typeof openHttp>;
beforeEach(() => {
  opened = openHttp({ opened: { insecureLoopback: true } });
});
afterEach(() => opened.http[Symbol.dispose]());

function probe(url: string, headers: Record<string, string> = {}): Promise<Found> {
  return probeServer({
    http: opened.http,
    server: { url, headers, insecureLoopback: true },
    clock,
    random: (length) => randomBytes(length),
    signal: AbortSignal.timeout(20_000),
  });
}

describe('an open server', () => {
  test.each([
    ['session', 'session'],
    ['stateless', 'stateless'],
    ['both', 'stateless'],
    ['sse', 'sse'],
  ] as const)('of the era %s is told by its answers, and no session stays', async (era, transport) => {
    await using server = await startMcp({ era });
    const found = await probe(server.url, { 'x-region': 'eu' });
    expect(found).toEqual({
      url: server.url,
      transport,
      server: transport === 'sse' ? null : 'remote 1.0.0',
      needs: 'nothing',
      issuers: [],
      scopes: [],
      registration: [],
      detail: null,
    });
    expect(server.sessions.size).toBe(0);
    expect(server.requests.every(({ headers }) => headers.authorization === undefined)).toBe(true);
    expect(server.requests[0]?.headers['x-region']).toBe('eu');
  });
});

describe('a server that wants a token', () => {
  test.each(['session', 'stateless'] as const)('of the era %s says where to sign in', async (era) => {
    await using authorization = await startAuthorization();
    await using server = await startMcp({ era, guard: (url) => authorization.guard(url) });
    expect(await probe(server.url)).toMatchObject({
      transport: null,
      needs: 'oauth',
      issuers: [authorization.issuer],
      registration: expect.arrayContaining(['registration']),
      detail: null,
    });
  });

  test('and does not say where is told of as such', async () => {
    await using server = await startMcp({ before: answering(401, {}) });
    expect(await probe(server.url)).toMatchObject({ needs: 'token', issuers: [] });
  });

  test('whose metadata cannot be used is told of with the reason', async () => {
    await using server = await startMcp({
      before: (request, response) => {
        const isMetadata = request.url?.includes('.well-known') === true;
        response.writeHead(isMetadata ? 200 : 401, { 'content-type': 'application/json' });
        response.end(
          isMetadata ? '{"resource":"https://other.test","authorization_servers":["https://a.test"]}' : '',
        );
        return true;
      },
    });
    const { needs, detail } = await probe(server.url);
    expect(needs).toBe('token');
    expect(detail).not.toBeNull();
  });
});

describe('what is no server', () => {
  test.each([
    [404, {}, ''],
    [200, { 'content-type': 'text/html' }, '<html>'],
    [200, { 'content-type': 'application/json' }, '{"jsonrpc":"2.0","id":2,"result":{}}'],
    [200, { 'content-type': 'application/json' }, '{'],
    [200, { 'content-type': 'application/json' }, `"${'x'.repeat(2 ** 20)}"`],
    [302, { location: 'http://127.0.0.1:1/' }, ''],
    [500, {}, ''],
  ])('W-REM-66 a status %d with %j is not taken for one', async (status, headers, body) => {
    await using server = await startMcp({ before: answering(status, headers, body) });
    await expect(probe(server.url)).rejects.toMatchObject({ code: 'remote-unreachable' });
  });

  test('W-REM-66 a stream that never answers is given up', async () => {
    await using server = await startMcp({
      before: (_request, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        for (let i = 0; i < 40; i++)
          response.write(`data: ${JSON.stringify({ id: 'x', text: 'y'.repeat(64_000) })}\n\n`);
        return true;
      },
    });
    await expect(probe(server.url)).rejects.toMatchObject({ code: 'remote-unreachable' });
  });

  test('W-REM-63 a private address is not asked', async () => {
    await expect(probe('https://10.1.2.3.test/mcp')).rejects.toMatchObject({
      code: expect.stringMatching(/^remote-/),
    });
  });
});

function answering(
  status: number,
  headers: Record<string, string>,
  body = '',
): NonNullable<McpOptions['before']> {
  return (_request, response) => {
    response.writeHead(status, headers).end(body);
    return true;
  };
}
