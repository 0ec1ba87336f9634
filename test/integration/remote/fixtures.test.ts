// The remote servers of the tests and their authorization servers do what the tests of Warder take for granted: shown
// with the SDKs' own clients, without Warder.
import { Client, StreamableHTTPClientTransport as StatelessTransport } from '@modelcontextprotocol/client';
import { Client as SessionClient } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { expect, test } from 'vitest';
import { Internet } from '../../fixtures/internet.ts';
import { startAuthorization } from '../../fixtures/remote/authorization.ts';
import { startHostile, startProtected } from '../../fixtures/remote/hostile.ts';
import { startMcp } from '../../fixtures/remote/mcp.ts';
import { Person } from '../../fixtures/remote/person.ts';
import { connectPlain, type TokenFile } from '../../fixtures/remote/plain-client.ts';

const textOf = (result: unknown): string =>
  (result as { content: { text: string }[] }).content[0]?.text ?? '';

test('a server with sessions, and the old transport', async () => {
  for (const era of ['session', 'sse'] as const) {
    await using server = await startMcp({ era });
    const client = new SessionClient({ name: 'test', version: '1' }, { capabilities: { elicitation: {} } });
    const Transport = era === 'sse' ? SSEClientTransport : StreamableHTTPClientTransport;
    await client.connect(new Transport(new URL(server.url)) as Parameters<typeof client.connect>[0]);
    expect((await client.listTools()).tools.map(({ name }) => name)).toContain('echo');
    expect(textOf(await client.callTool({ name: 'echo', arguments: { text: 'hello' } }))).toBe('hello');
    const { session } = JSON.parse(textOf(await client.callTool({ name: 'who', arguments: {} })));
    expect([...server.sessions.keys()]).toEqual([session]);
    await client.close();
  }
});

test('a server without sessions asks by input_required', async () => {
  await using server = await startMcp({ era: 'stateless' });
  const client = new Client(
    { name: 'test', version: '1' },
    { capabilities: { elicitation: { form: {}, url: {} } }, versionNegotiation: { mode: 'auto' } },
  );
  client.setRequestHandler('elicitation/create', () => ({ action: 'accept', content: { word: 'yes' } }));
  await client.connect(new StatelessTransport(new URL(server.url)));
  expect(client.getNegotiatedProtocolVersion()).toBe('2026-07-28');
  expect(textOf(await client.callTool({ name: 'ask', arguments: { message: 'well?' } }))).toBe(
    '{"action":"accept","word":"yes"}',
  );
  const steps: number[] = [];
  await client.callTool(
    { name: 'slow', arguments: { ms: 1, steps: 3 } },
    { onprogress: ({ progress }) => steps.push(progress) },
  );
  expect(steps).toEqual([1, 2, 3]);
  await client.close();
});

test.each(['session', 'both'] as const)(
  'a real authorization server and a person who clicks: %s',
  async (era) => {
    await using authorization = await startAuthorization();
    await using server = await startMcp({ era, guard: (url) => authorization.guard(url) });
    const file: TokenFile = {};
    const client = await connectPlain(server.url, file, new Person());
    expect(textOf(await client.callTool({ name: 'sum', arguments: { a: 1, b: 2 } }))).toBe('3');
    const first = file.tokens?.refresh_token;
    expect(first).toBeDefined();
    // The client asks for the standing stream beside its calls: with a token that has ended it would refresh that, too.
    const isStreaming = (): boolean =>
      server.requests.some(({ method, status }) => method === 'GET' && status === 200);
    if (era === 'session') await expect.poll(isStreaming, { timeout: 20_000 }).toBe(true);
    // Every access token ends: the next call refreshes, and the refresh token is another.
    authorization.expire();
    expect(textOf(await client.callTool({ name: 'sum', arguments: { a: 1, b: 2 } }))).toBe('3');
    expect(file.tokens?.refresh_token).not.toBe(first);
    await client.close();
    // The first refresh token is spent: to use it again ends the family.
    const body = new URLSearchParams({
      grant_type: 'refresh_token',
      refresh_token: first ?? '',
      client_id: file.client?.client_id ?? '',
    });
    const again = await fetch(`${authorization.issuer}/token`, { method: 'POST', body });
    expect(await again.json()).toMatchObject({ error: 'invalid_grant' });
    expect(authorization.log.map(({ event }) => event)).toEqual(['granted', 'granted', 'revoked', 'refused']);
  },
);

test('both on the internet of the tests, over https with names', async () => {
  await using internet = await Internet.open();
  await using authorization = await startAuthorization({ internet, name: 'login.one.test' });
  expect(authorization.issuer).toBe(`https://login.one.test:${authorization.port}`);
  const person = new Person({ internet });
  const metadata = await person.request(new URL(`${authorization.issuer}/.well-known/openid-configuration`));
  expect(JSON.parse(metadata.body)).toMatchObject({
    issuer: authorization.issuer,
    token_endpoint: `${authorization.issuer}/token`,
    authorization_response_iss_parameter_supported: true,
    code_challenge_methods_supported: ['S256'],
  });
});

test('a person types a device code in', async () => {
  await using authorization = await startAuthorization({
    clients: [
      {
        client_id: 'device',
        token_endpoint_auth_method: 'none',
        grant_types: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'],
        response_types: [],
        redirect_uris: [],
        application_type: 'native',
      },
    ],
  });
  const post = async (path: string, fields: Record<string, string>): Promise<Record<string, string>> => {
    const body = new URLSearchParams({ client_id: 'device', ...fields });
    const answer = await fetch(`${authorization.issuer}${path}`, { method: 'POST', body });
    return (await answer.json()) as Record<string, string>;
  };
  const begun = await post('/device/auth', { scope: 'read', resource: 'http://127.0.0.1:1/mcp' });
  const grant = 'urn:ietf:params:oauth:grant-type:device_code';
  const poll = () => post('/token', { grant_type: grant, device_code: begun.device_code ?? '' });
  expect(await poll()).toMatchObject({ error: 'authorization_pending' });
  const { body } = await new Person().visit(begun.verification_uri_complete ?? '');
  expect(body).toMatch(/success/i);
  expect(await poll()).toMatchObject({ token_type: 'Bearer' });
});

test('a hostile authorization server behaves until it is told otherwise', async () => {
  await using authorization = await startHostile();
  await using server = await startProtected(authorization);
  const client = await connectPlain(server.url, {}, new Person());
  expect(textOf(await client.callTool({ name: 'echo', arguments: { text: 'hello' } }))).toBe('hello');
  await client.close();
  authorization.script.metadata = { issuer: 'https://other.example' };
  await expect(connectPlain(server.url, {}, new Person())).rejects.toThrow(/issuer/i);
});
