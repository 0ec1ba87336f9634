// Answers that are wrong, endless or made to be misread, from a token endpoint and from a remote server: each ends in a clear
// error for whoever waits, and the daemon goes on.
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import type { Answer } from '../fixtures/remote/hostile.ts';
import { startMcp } from '../fixtures/remote/mcp.ts';
import { answerJson, listenAt } from '../fixtures/remote/place.ts';
import { RemoteHome } from '../fixtures/remote/signing-in.ts';
import { Trap } from '../fixtures/remote/trap.ts';

const good = { access_token: 'at-0123456789abcdef0123', token_type: 'Bearer', expires_in: 300 };
const json = { 'content-type': 'application/json' };

describe('W-AUTH-15 W-AUTH-16 a token endpoint that answers', () => {
  test.each<[string, Answer]>([
    ['with no JSON', { status: 200, headers: json, body: '<html>' }],
    ['with a list', { json: [good] }],
    ['without a token', { json: { ...good, access_token: undefined } }],
    ['with a token that is no text', { json: { ...good, access_token: { toString: 'x' } } }],
    ['with a token that would end the header', { json: { ...good, access_token: 'a\r\nX-Injected: yes' } }],
    ['with an endless token', { json: { ...good, access_token: 'a'.repeat(5_000_000) } }],
    ['with another kind of token', { json: { ...good, token_type: 'mac' } }],
    ['with a token bound to a key', { json: { ...good, token_type: 'DPoP' } }],
    ['with a redirect', { status: 307, headers: { location: 'https://login.two.test/token' } }],
    ['with nothing', { status: 200, headers: json, body: '' }],
    ['that it fails', { status: 500, headers: json, body: '{}' }],
    ['with a bomb', { status: 200, headers: { ...json, 'content-encoding': 'gzip' }, body: bomb() }],
    [
      'with an error whose words deceive',
      { json: { error: 'invalid_grant', error_description: '\u001b[2J\u202eok' }, status: 400 },
    ],
  ])('%s signs nobody in', async (_, answer) => {
    await using trap = await Trap.set();
    trap.authorization.script.token = () => answer;
    const said = await trap.refusedAfterVisit();
    expect(said).toMatch(/^warder: error: /m);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what must not be there
    expect(said).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/);
    expect(said.length).toBeLessThan(4000);
    expect(await trap.warder.home.daemon()).toBeDefined();
  });
});

/** Some kilobytes that are 64 MB. */
function bomb(): Buffer {
  return gzipSync(Buffer.alloc(64_000_000, ' '));
}

describe('W-REM-5 W-REM-12 a remote server that answers', () => {
  const initialized = (id: number): object => ({
    jsonrpc: '2.0',
    id,
    result: {
      protocolVersion: '2025-11-25',
      capabilities: { tools: {} },
      serverInfo: { name: 'x', version: '1' },
    },
  });

  test.each<[string, (id: number) => { status?: number; headers?: Record<string, string>; body: string }]>([
    ['with no JSON', () => ({ body: '<html>' })],
    [
      'with an answer to another request',
      (id) => ({ body: JSON.stringify({ jsonrpc: '2.0', id: id + 7, result: {} }) }),
    ],
    ['with a batch', (id) => ({ body: JSON.stringify([{ jsonrpc: '2.0', id, result: {} }]) })],
    ['with nothing', () => ({ body: '' })],
    ['that it took it, and says no more', () => ({ status: 202, body: '' })],
    [
      'with a stream that has no answer',
      () => ({ headers: { 'content-type': 'text/event-stream' }, body: ': nothing\n\n' }),
    ],
    ['with another type', () => ({ headers: { 'content-type': 'text/html' }, body: '{}' })],
    [
      'with a type of ours in the wrong case and letters',
      (id) => ({
        headers: { 'content-type': 'Application/JSON; charset=utf-7' },
        body: JSON.stringify({ jsonrpc: '2.0', id }),
      }),
    ],
    ['that it fails', () => ({ status: 503, headers: { 'retry-after': '100000' }, body: '' })],
  ])('%s ends the call with an error', async (_, answer) => {
    await using place = await listenAt((_request, response, body) => {
      const { id, method } = JSON.parse(body || '{}');
      if (method === 'initialize') return answerJson(response, 200, initialized(id));
      if (id === undefined) return void response.writeHead(202).end();
      if (method !== 'tools/call')
        return answerJson(response, 200, { jsonrpc: '2.0', id, result: { tools: [] } });
      const { status = 200, headers = json, body: text } = answer(id);
      response.writeHead(status, headers).end(text);
    });
    await using warder = await RemoteHome.open();
    warder.profile('remote', `${place.origin}/mcp`, { auth: { type: 'none' } });
    await using host = warder.home.run('remote');
    expect((await host.initialize()).result.serverInfo.name).toBe('x');
    const { result, error } = await host.request('tools/call', { name: 'echo', arguments: {} }, 50);
    expect(error ?? result.isError).toBeTruthy();
    // One answer, and the session goes on.
    expect((await host.request('tools/list')).result.tools).toEqual([]);
  });

  test('W-REM-6 with the session id of a header injection is given none', async () => {
    await using place = await listenAt((request, response, body) => {
      if (request.method !== 'POST') return void response.writeHead(405).end();
      const { id, method } = JSON.parse(body || '{}');
      if (id === undefined) return void response.writeHead(202).end();
      const result =
        method === 'initialize' ? initialized(id) : { jsonrpc: '2.0', id, result: { tools: [] } };
      answerJson(response, 200, result, { 'mcp-session-id': 'a b\tc'.repeat(3000) });
    });
    await using warder = await RemoteHome.open();
    warder.profile('remote', `${place.origin}/mcp`, { auth: { type: 'none' } });
    await using host = warder.home.run('remote');
    await host.initialize();
    await host.request('tools/list');
    for (const { headers } of place.requests) expect(headers['mcp-session-id'] ?? '').toBe('');
  });

  test('W-REM-7 by the old transport, with an endpoint on another origin, gets nothing sent there', async () => {
    await using other = await startMcp();
    await using place = await listenAt((request, response) => {
      if (request.method !== 'GET') return void response.writeHead(405).end();
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(`event: endpoint\ndata: ${other.url}\n\n`);
    });
    await using warder = await RemoteHome.open();
    warder.profile('remote', `${place.origin}/sse`, { auth: { type: 'none' } });
    await using host = warder.home.run('remote');
    const { error } = await host.request('initialize', {
      protocolVersion: '2025-11-25',
      capabilities: {},
      clientInfo: { name: 't', version: '1' },
    });
    expect(error?.message).toMatch(/./);
    expect(other.requests).toEqual([]);
  });
});
