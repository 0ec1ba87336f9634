// A new user's remote servers: their tokens go into the store, a sign-in is the next step where there is none, and undo
// gives the bytes back.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { Client } from '../fixtures/client.ts';
import { startAuthorization } from '../fixtures/remote/authorization.ts';
import { startMcp } from '../fixtures/remote/mcp.ts';
import { RemoteHome } from '../fixtures/remote/signing-in.ts';

const TOKEN = 'token-of-mine-4711-0815';

test('W-HOST-40 W-HOST-41 remote servers of hosts: a token that is taken, one that is not, a sign-in, none needed, and the old transport (HTTP with SSE)', async () => {
  await using authorization = await startAuthorization();
  await using open = await startMcp();
  await using keyed = await startMcp({
    before: ({ headers }, response) => {
      if (headers['x-api-key'] === TOKEN || headers.authorization === `Bearer ${TOKEN}`) return false;
      response.writeHead(401).end();
      return true;
    },
  });
  await using signed = await startMcp({ era: 'stateless', guard: (url) => authorization.guard(url) });
  // The old transport, of the first SDK, with a token and without.
  await using old = await startMcp({ era: 'sse', path: '/sse' });
  await using oldKeyed = await startMcp({
    era: 'sse',
    path: '/sse',
    before: ({ headers }, response) => {
      if (headers.authorization === `Bearer ${TOKEN}`) return false;
      response.writeHead(401).end();
      return true;
    },
  });
  await using remote = await RemoteHome.open();
  const { home } = remote;
  const put = (path: string, value: object): readonly [string, string] => {
    const file = join(home.dir, path);
    const text = `${JSON.stringify(value, null, '\t')}\n`;
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text, { mode: 0o600 });
    return [file, text];
  };
  const bridge = [
    '-y',
    'mcp-remote',
    keyed.url,
    '--allow-http',
    '--header',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: that is how mcp-remote takes a header from a variable
    'Authorization:${AUTH}',
  ];
  const files = [
    put('.cursor/mcp.json', {
      mcpServers: {
        open: { type: 'http', url: open.url },
        bridge: { command: 'npx', args: bridge, env: { AUTH: `Bearer ${TOKEN}` } },
        signed: { url: signed.url },
        old: { type: 'sse', url: old.url },
        'old-keyed': { type: 'sse', url: oldKeyed.url, headers: { Authorization: `Bearer ${TOKEN}` } },
      },
    }),
    put('.config/opencode/opencode.json', {
      mcp: { keyed: { type: 'remote', url: keyed.url, headers: { 'X-Api-Key': TOKEN }, enabled: true } },
    }),
  ];
  const [stale, before] = put('.codeium/windsurf/mcp_config.json', {
    mcpServers: {
      stale: { serverUrl: keyed.url, headers: { Authorization: 'Bearer stale-token-0123' } },
      tokenless: { serverUrl: keyed.url },
      far: { serverUrl: 'http://mcp.example.com/mcp' },
    },
  });
  const said: string[] = [];
  const shown = await home.warder(['import']);
  said.push(shown.stdout);
  expect(shown.stdout).toMatch(/far: stays, because .*must begin with https/);
  const applied = await home.warder(['import', '--apply', '--yes', '--json']);
  said.push(applied.stdout, applied.stderr);
  expect(JSON.parse(applied.stdout)).toMatchObject([
    { server: 'open', profile: 'open' },
    { server: 'bridge', profile: 'bridge' },
    { server: 'signed', profile: 'signed', next: 'warder login signed' },
    { server: 'old', profile: 'old' },
    { server: 'old-keyed', profile: 'old-keyed' },
    { server: 'stale', error: expect.stringContaining('does not answer as it should') },
    { server: 'tokenless', error: expect.stringContaining('asks for a token') },
    { server: 'keyed', profile: 'keyed' },
  ]);
  expect(readFileSync(stale, 'utf8')).toBe(before);
  const launch = join(home.dir, '.local/share/warder/bin/warder');
  expect(JSON.parse(readFileSync(files[0]?.[0] ?? '', 'utf8')).mcpServers).toEqual({
    open: { command: launch, args: ['run', 'open'] },
    bridge: { command: launch, args: ['run', 'bridge'] },
    signed: { command: launch, args: ['run', 'signed'] },
    old: { command: launch, args: ['run', 'old'] },
    'old-keyed': { command: launch, args: ['run', 'old-keyed'] },
  });
  expect(JSON.parse(readFileSync(files[1]?.[0] ?? '', 'utf8')).mcp.keyed).toEqual({
    type: 'local',
    enabled: true,
    command: [launch, 'run', 'keyed'],
  });
  expect((await home.facts('list')).map(({ name }: { name: string }) => name).sort()).toEqual([
    'bridge',
    'keyed',
    'old',
    'old-keyed',
    'open',
    'signed',
  ]);
  const text = readFileSync(join(home.places.profiles, 'keyed.yaml'), 'utf8');
  said.push(text, readFileSync(join(home.places.profiles, 'bridge.yaml'), 'utf8'));
  for (const one of said) expect(one).not.toContain(TOKEN);

  await remote.signIn('signed');
  for (const name of ['keyed', 'signed', 'old-keyed']) {
    await using client = new Client([launch, 'run', name], home.env, home.dir);
    await client.initialize();
    expect((await client.request('tools/list')).result?.tools).toBeInstanceOf(Array);
  }
  await home.done(['undo', '--yes']);
  for (const [file, bytes] of files) expect(readFileSync(file, 'utf8')).toBe(bytes);
});
