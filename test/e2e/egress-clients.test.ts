// Unmodified clients in the sandbox, with no proxy variables and no code of Warder's: each requests a host of a
// sealed credential, whose connection is decrypted, and one without, whose bytes pass unchanged.
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Home } from '../fixtures/home.ts';
import { Inside, Internet, listed, outward, range } from '../fixtures/internet.ts';
import type { Upstream } from '../fixtures/upstream.ts';
import { type GitUpstream, startGit } from '../fixtures/upstream-git.ts';

const clients = join(import.meta.dirname, '../fixtures/clients');
const modules = realpathSync(join(import.meta.dirname, '../../node_modules'));
const deno = join(modules, '@deno', `linux-${process.arch}-glibc`, 'deno');
const secret = `ghp_${randomBytes(18).toString('hex')}`;
const gitSecret = `glpat-${randomBytes(20).toString('hex')}`;
const folder = mkdtempSync(join(tmpdir(), 'warder-clients-'));

let internet: Internet;
let home: Home;
let inside: Inside;
let api: Upstream;
let open: Upstream;
let mcp: Upstream;
let git: GitUpstream;
/** What the server's environment has. */
let token = '';

beforeAll(async () => {
  internet = await Internet.open();
  api = await internet.host(['api.test', 'deep.er.wild.test'], { http2: true });
  open = await internet.host(['open.test']);
  mcp = await internet.host(['mcp.test'], { route: remote });
  git = await internet.serve(['git.test'], (given) =>
    startGit({ ...given, basic: `x-access-token:${gitSecret}` }),
  );
  home = new Home();
  internet.join(home);
  for (const [name, value] of Object.entries({ secret, git: gitSecret }))
    writeFileSync(join(home.dir, name), value);
  const credential = (name: string, hosts: readonly string[]): object => ({
    from: { command: ['/bin/cat', join(home.dir, name)] },
    hosts,
    as: 'any',
  });
  const wild = listed(api, '*.wild.test');
  home.profile('clients', {
    server: outward,
    credentials: {
      TOKEN: credential('secret', [listed(api), listed(mcp), wild]),
      GIT_TOKEN: { ...credential('git', [listed(git)]), as: 'basic' },
    },
    sandbox: {
      read: [modules, folder],
      network: [listed(open), listed(open, 'open.test', true), ...[api, open, mcp, git].map(range)],
    },
    policy: { default: 'allow' },
  });
  inside = await Inside.open(home.run('clients'), [secret, gitSecret]);
  const { env } = await inside.see();
  token = env.TOKEN ?? '';
  const proxies = Object.keys(env).filter((name) => /proxy/i.test(name));
  expect({ token, proxies }).toEqual({ token: expect.stringMatching(/^ghp_/), proxies: [] });
});

afterAll(async () => {
  await inside?.[Symbol.asyncDispose]();
  await home?.[Symbol.asyncDispose]();
  await internet?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const script = (words: string) => ['/bin/sh', '-c', words, 'sh'];
// biome-ignore lint/suspicious/noTemplateCurlyInString: the shell reads it
const bearer = '${2:+--header="Authorization: Bearer $TOKEN"}';

/** Each takes a URL, and the variable of a token to send; it prints the response. */
const CLIENTS: Readonly<Record<string, readonly string[]>> = {
  "Node's fetch": [process.execPath, join(clients, 'ask.mjs'), 'fetch'],
  "Node's https": [process.execPath, join(clients, 'ask.mjs'), 'https'],
  '@octokit/core': [process.execPath, join(clients, 'ask.mjs'), 'octokit'],
  urllib: ['/usr/bin/python3', join(clients, 'ask.py'), 'urllib'],
  requests: ['/usr/bin/python3', join(clients, 'ask.py'), 'requests'],
  httpx: ['/usr/bin/python3', join(clients, 'ask.py'), 'httpx'],
  curl: script(`exec curl -sS --fail ${bearer.replace('--header=', '-H ')} "$1"`),
  'curl that would speak HTTP/2': script(
    `exec curl -sS --fail --http2 ${bearer.replace('--header=', '-H ')} "$1"`,
  ),
  wget: script(`exec wget -q -O - ${bearer} "$1"`),
  'net/http of Go': [join(folder, 'ask')],
  "Deno's fetch": [deno, 'run', '--allow-all', join(clients, 'ask.mjs'), 'fetch'],
  'java.net.http': ['java', join(clients, 'Ask.java')],
};

/** Those that speak HTTP/2 where the host does. */
const HTTP2 = ['curl', 'curl that would speak HTTP/2', 'net/http of Go', "Deno's fetch", 'java.net.http'];

describe.for(Object.entries(CLIENTS))('%s', ([name, command]) => {
  test('W-SEAL-1 reaches a host with a sealed credential, and one without', async () => {
    if (name.endsWith('of Go')) buildGo();
    const sealed = JSON.parse(await inside.out([...command, `${api.url}/echo`, 'TOKEN']));
    const passed = JSON.parse(await inside.out([...command, `${open.url}/echo`]));
    const [scheme, placeholder] = sealed.headers.authorization.split(' ');
    expect(placeholder).toBe(token);
    expect(api.requests.at(-1)?.headers.authorization).toBe(`${scheme} ${secret}`);
    expect(api.requests.at(-1)?.version).toBe(HTTP2.includes(name) ? '2.0' : '1.1');
    expect(passed.headers.authorization).toBeUndefined();
    expect(passed.headers.host).toBe(new URL(open.url).host);
  });
});

test('an MCP SDK talks to a remote server over HTTP with a token that it never has', async () => {
  const command = [process.execPath, join(clients, 'ask.mjs'), 'mcp', `${mcp.url}/mcp`, 'TOKEN'];
  expect(JSON.parse(await inside.out(command))).toEqual({ name: 'remote', said: `you are Bearer ${token}` });
  expect(mcp.requests.length).toBeGreaterThan(3);
});

test('git clones and pushes over HTTPS, with the token in the URL, and with one that git asks for', async () => {
  const { host } = new URL(git.url);
  const at = `$HOME/${randomBytes(4).toString('hex')}`;
  const words = `set -e
    git clone --quiet "https://x-access-token:$GIT_TOKEN@${host}${git.path}" "${at}"
    cd "${at}"
    head -c 300000 /dev/urandom > large
    git add large
    git -c user.name=test -c user.email=test@example.test commit --quiet -m second
    git push --quiet origin HEAD:main
    printf '#!/bin/sh\\ncase $1 in Username*) echo x-access-token ;; *) echo "$GIT_TOKEN" ;; esac\\n' > "$HOME/ask"
    chmod +x "$HOME/ask"
    GIT_ASKPASS="$HOME/ask" git clone --quiet "${git.url}${git.path}" "${at}-again"
    git -C "${at}-again" log --format=%s
    git config --get remote.origin.url`;
  const said = await inside.out(['/bin/sh', '-c', words]);
  expect(git.log()).toEqual(['second', 'first']);
  expect(said).toMatch(/^second\nfirst\nhttps:\/\/x-access-token:glpat-\w+@git\.test/);
  // What stays in its configuration is useless elsewhere.
  expect(said).not.toContain(gitSecret);
});

test('W-EGR-2 names are found by the system’s own functions, by wildcards and in any spelling', async () => {
  const look = 'import socket, sys; print(*(socket.gethostbyname(name) for name in sys.argv[1:]))';
  const names = ['api.test', 'API.Test', 'api.test.', 'open.test', 'deep.er.wild.test', 'other.wild.test'];
  const found = (await inside.out(['/usr/bin/python3', '-c', look, ...names])).trim().split(' ');
  expect(found.every((address) => /^127\.1\.\d+\.\d+$/.test(address))).toBe(true);
  // Each name has one address, and each address one name.
  expect(new Set(found).size).toBe(4);
  expect(new Set(found.slice(0, 3)).size).toBe(1);
  const [address] = found;
  expect(await inside.out(['/usr/bin/getent', 'hosts', 'api.test'])).toMatch(
    new RegExp(`^${address} +api\\.test`),
  );
  expect(await inside.run(['/usr/bin/getent', 'hosts', 'wild.test'])).toMatchObject({ code: 2, stdout: '' });
  const url = api.url.replace('api.test', 'deep.er.wild.test');
  const { status } = await inside.fetch(`${url}/echo`, { headers: { authorization: `Bearer ${token}` } });
  expect(status).toBe(200);
  expect(api.requests.at(-1)).toMatchObject({ servername: 'deep.er.wild.test' });
  expect(api.requests.at(-1)?.headers.authorization).toBe(`Bearer ${secret}`);
});

test.each(['opened', 'unopened'])('events stream one by one, %s', async (how) => {
  const host = how === 'opened' ? api : open;
  const { pieces, body } = await inside.fetch(`${host.url}/events?n=5&ms=200`, {
    headers: how === 'opened' ? { authorization: `Bearer ${token}` } : {},
  });
  expect(body.match(/^data: /gm)).toHaveLength(5);
  const late = pieces.map((piece) => piece.at - Number(/"at":(\d+)/.exec(piece.text)?.[1]));
  expect(late).toHaveLength(5);
  // None has waited for the next.
  expect(Math.max(...late)).toBeLessThan(190);
});

test('HTTP without TLS passes where its port is listed, and carries no secret', async () => {
  const url = `http://open.test${open.plain === 80 ? '' : `:${open.plain}`}/echo`;
  expect(await inside.fetch(url)).toMatchObject({ status: 200 });
  const refused = await inside.fetch(url, { headers: { authorization: `Bearer ${token}` } });
  expect(refused.status).toBe(403);
  expect(open.text).not.toContain(token);
});

describe('a redirect', () => {
  const to = (host: Upstream, target: string): string =>
    `${host.url}/redirect?to=${encodeURIComponent(`${target}/echo`)}`;

  test('W-SEAL-2 to a listed host is followed, and the secret does not go there', async () => {
    const headers = { authorization: `Bearer ${token}` };
    const came = open.requests.length;
    expect(await inside.fetch(to(api, open.url), { headers })).toMatchObject({
      status: 200,
      url: `${open.url}/echo`,
    });
    // A client that sends its token wherever it is redirected.
    const curl = script('exec curl -sS --location-trusted -H "Authorization: Bearer $TOKEN" "$1"');
    expect(JSON.parse(await inside.out([...curl, to(api, open.url)])).headers.authorization).toBe(
      `Bearer ${token}`,
    );
    expect(open.requests.slice(came).map((request) => request.headers.authorization)).toEqual([
      undefined,
      `Bearer ${token}`,
    ]);
    expect(open.text).not.toContain(secret);
  });

  test('W-EGR-1 to a host that is not listed leads nowhere', async () => {
    const other = await internet.host(['elsewhere.test']);
    expect(await inside.fetch(to(api, other.url))).toMatchObject({ failed: 'ENOTFOUND' });
    expect(await inside.fetch(to(open, other.url))).toMatchObject({ failed: 'ENOTFOUND' });
    expect(other.accepted).toBe(0);
  });
});

test.each(['opened', 'unopened'])(
  'W-EGR-7 a long download, %s, does not make the daemon grow',
  async (how) => {
    const daemon = await home.daemon();
    const memory = (what: 'VmRSS' | 'VmHWM'): number =>
      Number(
        new RegExp(`^${what}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${daemon}/status`, 'utf8'))?.[1],
      ) / 1024;
    const bytes = 2 ** 30;
    const load = (host: Upstream, many: number): Promise<string> =>
      inside.out(
        [
          ...script('exec curl -sS --fail --http1.1 "$1" | wc -c'),
          `${host.url}/download?bytes=${many}&length=0`,
        ],
        {
          seconds: 55,
        },
      );
    const host = how === 'opened' ? api : open;
    await load(host, 2 ** 20);
    const before = memory('VmRSS');
    // Its peak is counted from here.
    writeFileSync(`/proc/${daemon}/clear_refs`, '5');
    expect(await load(host, bytes)).toBe(`${bytes}\n`);
    // What is not yet collected, whatever the length.
    expect(memory('VmHWM') - before).toBeLessThan(128);
  },
  60_000,
);

test('W-SEAL-7 the log shows which connections were decrypted, and is intact', async () => {
  const opened = home.audit('egress.connect').filter(({ outcome }) => outcome === 'open');
  const ways = new Set(opened.map(({ host, opened: read, address }) => `${host} ${read} ${address}`));
  expect([...ways].sort()).toEqual(
    [
      ...['api.test', 'deep.er.wild.test'].map((name) => `${name} true ${api.address}`),
      `git.test true ${git.address}`,
      `mcp.test true ${mcp.address}`,
      `open.test false ${open.address}`,
    ].sort(),
  );
  // Each belongs to the one call that was in flight.
  expect(opened.every(({ call }) => typeof call === 'string')).toBe(true);
  await home.done(['audit', 'verify']);
});

/** An MCP server over HTTP, for those who send the token. */
function remote(request: IncomingMessage, response: ServerResponse): boolean {
  if (request.method !== 'POST') {
    response.writeHead(405).end();
    return true;
  }
  void text(request).then(async (body) => {
    const { authorization } = request.headers;
    if (authorization !== `Bearer ${secret}`) {
      response.writeHead(401).end();
      return;
    }
    const server = new McpServer({ name: 'remote', version: '1' });
    server.registerTool('whoami', {}, () => ({
      content: [{ type: 'text', text: `you are ${authorization}` }],
    }));
    const transport = new StreamableHTTPServerTransport();
    await server.connect(transport as Transport);
    await transport.handleRequest(request, response, JSON.parse(body));
  });
  return true;
}

function buildGo(): void {
  const out = join(folder, 'ask');
  const env = { ...process.env, CGO_ENABLED: '0', GO111MODULE: 'off' };
  execFileSync('go', ['build', '-o', out, join(clients, 'ask.go')], { env, cwd: folder });
}
