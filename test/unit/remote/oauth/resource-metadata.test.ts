// Where a server's metadata is looked for, and whose it may be.
import { expect, test } from 'vitest';
import { parseChallenge } from '../../../../src/remote/oauth/challenge.ts';
import { findResource, isResourceOf, resourceOf } from '../../../../src/remote/oauth/resource-metadata.ts';
import { failing, RESOURCE, type Routes, scripted } from '../../../fixtures/remote/oauth.ts';

const SERVER = new URL(RESOURCE);
const PATH = 'https://mcp.example.com/.well-known/oauth-protected-resource/mcp';
const ROOT = 'https://mcp.example.com/.well-known/oauth-protected-resource';
const good = { resource: RESOURCE, authorization_servers: ['https://auth.example.com'] };

const find = (routes: Routes, challenge?: string, server = SERVER) => {
  const parts = scripted(routes);
  return {
    parts,
    found: findResource(parts, server, challenge === undefined ? undefined : parseChallenge(challenge)),
  };
};

test('the place that the challenge names is the only one', async () => {
  const place = 'https://elsewhere.example/metadata.json';
  const { parts, found } = find({ [place]: good }, `Bearer resource_metadata="${place}"`);
  expect(await found).toMatchObject({ resource: RESOURCE, url: place });
  expect(parts.asked.map(({ url }) => url)).toEqual([place]);
  const missing = find({ [PATH]: good }, `Bearer resource_metadata="${place}"`);
  await expect(missing.found).rejects.toMatchObject({ code: 'server-metadata' });
  expect(missing.parts.asked).toHaveLength(1);
});

test('else the place of the path, then the root; a page for people is no metadata', async () => {
  expect((await find({ [PATH]: good }).found)?.url).toBe(PATH);
  const page = new Response('<!doctype html>', { headers: { 'content-type': 'text/html' } });
  const { parts, found } = find({ [PATH]: page, [ROOT]: { ...good, resource: 'https://mcp.example.com' } });
  expect(await found).toMatchObject({ resource: 'https://mcp.example.com', url: ROOT });
  expect(parts.asked.map(({ url }) => url)).toEqual([PATH, ROOT]);
  expect(await find({}).found).toBeUndefined();
  await expect(find({ [PATH]: failing(503, {}) }).found).rejects.toMatchObject({ code: 'server-metadata' });
  const root = find(
    { [ROOT]: { ...good, resource: 'https://mcp.example.com/' } },
    undefined,
    new URL('https://mcp.example.com/'),
  );
  expect((await root.found)?.resource).toBe('https://mcp.example.com/');
  expect(root.parts.asked).toHaveLength(1);
});

test.each([
  ['https://evil.example/mcp', 'another host'],
  ['https://mcp.example.com:8443/mcp', 'another port'],
  ['http://mcp.example.com/mcp', 'another scheme'],
  ['https://mcp.example.com/mc', 'half a segment'],
  ['https://mcp.example.com/mcp/deeper', 'a place below'],
  ['https://mcp.example.com/other', 'another path'],
  ['https://mcp.example.com/other/../mcp/x', 'dots'],
  ['https://mcp.example.com/mcp#x', 'a fragment'],
  ['https://mcp.example.com/mcp?tenant=b', 'another query'],
  ['https://mcp.example.com@evil.example/mcp', 'a user'],
  ['https://mcp.example.com/MCP', 'another case of the path'],
  ['mcp.example.com', 'no URL'],
  ['', 'nothing'],
])('W-AUTH-2 the resource %s is not the server: %s', async (resource) => {
  expect(isResourceOf(resource, SERVER, { insecureLoopback: true })).toBe(false);
  await expect(find({ [PATH]: { ...good, resource } }).found).rejects.toMatchObject({
    code: 'server-metadata',
  });
});

test.each([
  'https://mcp.example.com',
  'https://mcp.example.com/',
  'https://mcp.example.com/mcp/',
  'https://MCP.example.com:443/x/../mcp',
])('the resource %s is the server, and stays byte for byte', async (resource) => {
  const metadata = await find({ [PATH]: { ...good, resource } }).found;
  expect(resourceOf(SERVER, metadata)).toBe(resource);
});

test('without metadata the resource is the URL, without fragment and without the slash of an empty path', () => {
  expect(resourceOf(new URL('https://mcp.example.com/#x'))).toBe('https://mcp.example.com');
  expect(resourceOf(new URL('https://mcp.example.com/mcp/?a=1'))).toBe('https://mcp.example.com/mcp/?a=1');
});

test('what is not usable in the metadata', async () => {
  const refused = async (json: object) =>
    expect(find({ [PATH]: { ...good, ...json } }).found).rejects.toMatchObject({ code: 'server-metadata' });
  await refused({ authorization_servers: [] });
  await refused({ authorization_servers: undefined });
  await refused({ authorization_servers: 'https://auth.example.com' });
  await refused({ authorization_servers: ['http://auth.example.com', 'javascript:alert(1)'] });
  const usable = await find({
    [PATH]: {
      ...good,
      authorization_servers: ['http://auth.example.com', 'https://b.example', 'https://b.example', 7],
      scopes_supported: ['read', 'no scope', 3, 'read', 'write"'],
      resource_name: 'x'.repeat(300),
    },
  }).found;
  expect(usable).toMatchObject({
    authorizationServers: ['https://b.example'],
    scopesSupported: ['read'],
    name: undefined,
  });
});

test('W-AUTH-5 redirects are few, and each hop is checked', async () => {
  const to = (location: string) => new Response(null, { status: 302, headers: { location } });
  const hop = 'https://cdn.example/metadata';
  expect((await find({ [PATH]: to(hop), [hop]: good }).found)?.resource).toBe(RESOURCE);
  for (const target of [
    'http://169.254.169.254/latest',
    'https://user@mcp.example.com/',
    'file:///etc/passwd',
  ]) {
    const { parts, found } = find({ [PATH]: to(target) });
    await expect(found).rejects.toMatchObject({ code: 'server-metadata' });
    expect(parts.asked).toHaveLength(1);
  }
  const { parts, found } = find({ [PATH]: to(PATH) });
  await expect(found).rejects.toMatchObject({ code: 'server-metadata' });
  expect(parts.asked).toHaveLength(4);
});

test('W-AUTH-5 a document is read in bounds, however it arrives', async () => {
  let sent = 0;
  const endless = new ReadableStream<Uint8Array>({
    pull: (controller) => {
      sent += 1;
      controller.enqueue(new Uint8Array(16_384).fill(0x20));
    },
  });
  const parts = scripted({}, { fetch: async () => new Response(endless) });
  // Too long is no metadata: the next place is asked, and it is the same.
  const done = findResource(parts, new URL('https://mcp.example.com/'));
  expect(await done).toBeUndefined();
  expect(sent).toBeLessThan(40);
});
