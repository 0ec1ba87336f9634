// biome-ignore-all lint/suspicious/noTemplateCurlyInString: that is how hosts write what they fill in
import { expect, test } from 'vitest';
import { readDocument } from '../../../src/host/document.ts';
import { fillIn } from '../../../src/host/fill-in.ts';
import { planServer } from '../../../src/host/plan.ts';
import { remoteProfileText } from '../../../src/host/plan-remote.ts';
import { type HostServer, serversOf } from '../../../src/host/servers.ts';
import { hosts } from '../../../src/host/table.ts';

const GITHUB = 'ghp_0123456789abcdefghijABCDEFGHIJ012345';
const none: HostServer = {
  name: 'Notes',
  path: [],
  kind: 'remote',
  command: '',
  args: [],
  env: {},
  url: 'https://mcp.example.com/mcp',
  headers: {},
  cwd: undefined,
  enabled: true,
  entry: {},
};
const plan = (more: Partial<HostServer>) => planServer({ ...none, ...more });
const token = (more: Partial<HostServer>): unknown => {
  const made = plan(more);
  if (made.kind !== 'remote') throw new Error(JSON.stringify(made));
  const text = remoteProfileText(made, made.name, made.auth ?? { type: 'oauth' });
  for (const { value } of made.credentials) expect(text).not.toContain(value);
  return [made.auth, made.credentials.map(({ variable, value }) => [variable, value]), made.headers];
};

test.each([
  [{}, [undefined, [], {}]],
  [{ headers: { Authorization: 'Bearer abc' } }, [{ type: 'bearer' }, [['token', 'abc']], {}]],
  [{ headers: { authorization: 'bearer  abc' } }, [{ type: 'bearer' }, [['token', 'abc']], {}]],
  [
    { headers: { Authorization: 'Basic YWRhOmFkYQ==' } },
    [{ type: 'header', header: 'Authorization', prefix: 'Basic ' }, [['token', 'YWRhOmFkYQ==']], {}],
  ],
  [
    { headers: { Authorization: GITHUB } },
    [{ type: 'header', header: 'Authorization' }, [['token', GITHUB]], {}],
  ],
  [
    { headers: { 'X-Api-Key': 'abc', 'X-Region': 'eu', 'Content-Type': 'application/json', Accept: '*/*' } },
    [{ type: 'header', header: 'X-Api-Key' }, [['token', 'abc']], { 'X-Region': 'eu' }],
  ],
  [{ headers: { 'X-Note': GITHUB } }, [{ type: 'header', header: 'X-Note' }, [['token', GITHUB]], {}]],
  [
    { entry: { oauth: { clientId: 'me', clientSecret: 'cs-0123456789', scopes: ['a', 'b'] } } },
    [{ type: 'oauth', 'client-id': 'me', scopes: ['a', 'b'] }, [['client-secret', 'cs-0123456789']], {}],
  ],
  [{ entry: { oauth: { scope: 'a b' } } }, [{ type: 'oauth', scopes: ['a', 'b'] }, [], {}]],
])('W-HOST-40 a token of a remote server is a credential, and not in the profile: %j', (more, expected) => {
  expect(token(more)).toEqual(expected);
});

test.each([
  [{ url: 'http://mcp.example.com/mcp' }, /must begin with https/],
  [{ url: 'https://ada:secret@mcp.example.com/mcp' }, /URL has a secret in it \(password\)/],
  [{ url: 'https://mcp.example.com/mcp?api_key=abc' }, /URL has a secret in it \(api_key\)/],
  [{ url: `https://mcp.example.com/${GITHUB}/sse` }, /URL has a secret in it \(path\)/],
  [{ url: `https://mcp.example.com/x?q=${encodeURIComponent(GITHUB)}` }, /URL has a secret in it \(q\)/],
  [{ url: 'https://mcp.example.com/mcp?auth=true' }, /a secret in its query/],
  [{ url: 'https://${env:HOST}/mcp' }, /fills in a part of its URL/],
  [{ url: 'ftp://mcp.example.com/' }, /must be|must begin/],
  [{ url: 'https://mcp.example.com/a\u202eb' }, /not ASCII/],
  [{ url: 'https://127.1/mcp' }, /plain form|on this machine/],
  [{ headers: { Authorization: 'Bearer a\r\nX-Evil: b' } }, /no header can carry/],
  [{ headers: { 'X-Region': 'eu\nX-Evil: b' } }, /no header can carry/],
  [{ headers: { 'X Evil': 'b' } }, /must be the name of a header/],
  [{ headers: { Cookie: 'a=b', Host: 'x' } }, /set by Warder/],
  [{ headers: { Authorization: 'Bearer a', 'X-Api-Key': 'b' } }, /two headers with secrets/],
  [{ headers: { 'X-A': '${workspaceFolder}' } }, /fills in the header X-A/],
  [{ entry: { headersHelper: '/x/get-headers' } }, /a way of its own \("headersHelper"\)/],
  [{ entry: { authProviderType: 'google_credentials' } }, /a way of its own/],
  [{ entry: { oauth: { clientId: '${env:ID}' } } }, /fills in the client/],
])('W-HOST-41 a remote server that no profile can have in its way stays: %j', (more, why) => {
  const made = plan(more);
  expect(made).toEqual({ kind: 'left', why: expect.stringMatching(why) });
  expect(JSON.stringify(made)).not.toMatch(/ghp_|abc|ada:secret|X-Evil/);
});

test('W-HOST-41 a server on this machine is reached without TLS by a file of the user only', () => {
  const server = { ...none, url: 'http://127.0.0.1:3845/mcp' };
  expect(planServer(server)).toMatchObject({ kind: 'remote', insecureLoopback: true });
  expect(planServer(server, { scope: 'project', inputs: new Map() })).toEqual({
    kind: 'left',
    why: expect.stringContaining("a project's file"),
  });
});

const bridged = (args: readonly string[], env = {}) =>
  planServer({ ...none, kind: 'local', command: 'npx', args: ['-y', ...args], url: '', env });

test('a line of mcp-remote is the remote server itself', () => {
  expect(
    bridged(
      [
        ...['mcp-remote@latest', 'https://mcp.example.com/sse', '9696', '--transport', 'sse-only', '--debug'],
        ...['--header', 'Authorization:${AUTH}', '--header', 'X-Team: blue'],
      ],
      { AUTH: 'Bearer abc' },
    ),
  ).toMatchObject({
    kind: 'remote',
    url: 'https://mcp.example.com/sse',
    headers: { 'X-Team': 'blue' },
    auth: { type: 'bearer' },
    credentials: [{ variable: 'token', value: 'abc' }],
    signedInBy: expect.stringContaining('~/.mcp-auth'),
  });
  // A variable that the entry does not have is not looked for in the environment of anybody.
  expect(bridged(['mcp-remote', 'https://x.dev/mcp', '--header', 'X-Key:${PATH}'])).toMatchObject({
    credentials: [],
    wanted: [{ reference: { name: 'PATH' } }],
  });
});

test.each([
  [['mcp-remote'], {}, /no URL/],
  [['mcp-remote', 'https://x.dev', '--static-oauth-client-info', '{}'], {}, /--static-oauth-client-info/],
  [['mcp-remote', 'https://x.dev'], { NODE_EXTRA_CA_CERTS: '/x' }, /NODE_EXTRA_CA_CERTS/],
  [['mcp-remote', 'https://x.dev', 'y'], {}, /words/],
  [['mcp-remote', 'http://x.dev/mcp', '--allow-http'], {}, /must begin with https/],
  [['mcp-remote', 'https://x.dev', '--header', 'Authorization'], {}, /without a value/],
])('a line of mcp-remote that says more stays: %j', (args, env, why) => {
  expect(bridged(args, env)).toEqual({ kind: 'left', why: expect.stringMatching(why) });
});

test('what a host fills into a header is asked for, and the rest of the header is its prefix', () => {
  const made = plan({ headers: { Authorization: 'Bearer {env:KEY}', 'X-Region': '${REGION}' } });
  if (made.kind !== 'remote') throw new Error(JSON.stringify(made));
  expect(made).toMatchObject({ auth: { type: 'bearer' }, headers: {}, credentials: [] });
  const filled = fillIn(made, ({ name }) => `v-${name}`);
  if (filled.kind === 'left') throw new Error(filled.why);
  expect(filled).toMatchObject({
    headers: { 'X-Region': 'v-REGION' },
    credentials: [{ variable: 'token', value: 'v-KEY' }],
    wanted: [],
  });
});

test('Codex, Goose and Continue name tokens and variables in members of their own', () => {
  const read = (id: string, format: 'toml' | 'yaml', text: string): HostServer => {
    const [file] = hosts[id]?.files ?? [];
    if (file === undefined) throw new Error(id);
    const [first] = serversOf(readDocument(text, format), file);
    if (first === undefined) throw new Error('no server');
    return first;
  };
  const codex = read(
    'codex',
    'toml',
    '[mcp_servers.a]\nurl = "https://x.dev/mcp"\nbearer_token_env_var = "KEY"\nenv_http_headers = { X-Org = "ORG" }\nhttp_headers = { X-Region = "eu" }\n',
  );
  expect(codex.headers).toEqual({ Authorization: 'Bearer ${KEY}', 'X-Org': '${ORG}', 'X-Region': 'eu' });
  expect(
    read('codex', 'toml', '[mcp_servers.a]\ncommand = "x"\nenv_vars = ["A", { name = "B" }]\n').env,
  ).toEqual({ A: '${A}', B: '${B}' });
  expect(
    read('goose', 'yaml', 'extensions:\n  a:\n    cmd: x\n    env_keys: [T, U]\n    envs: {U: v}\n').env,
  ).toEqual({ T: '${T}', U: 'v' });
  expect(
    read(
      'continue',
      'yaml',
      'mcpServers:\n  - name: a\n    url: https://x.dev\n    requestOptions:\n      headers: {X-Api-Key: v}\n',
    ).headers,
  ).toEqual({ 'X-Api-Key': 'v' });
});
