// What the nearest relative, @anthropic-ai/sandbox-runtime 0.0.78, was found to do when it was tried, and Warder does
// not: six faults with a test each, which reads by itself. More of the same is in sealed.test.ts and
// egress-hostile.test.ts.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { brotliCompressSync, brotliDecompressSync, gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { childrenOf, executableOf, isAlive, namespaceOf } from '../../src/sandbox/linux/process.ts';
import { Home } from '../fixtures/home.ts';
import {
  commandLines,
  expectAbsent,
  type FetchOptions,
  Inside,
  Internet,
  listed,
  outward,
  range,
  recorded,
  treeOf,
} from '../fixtures/internet.ts';
import type { Upstream } from '../fixtures/upstream.ts';

const secret = `ghp_${randomBytes(18).toString('hex')}`;
const stack = new AsyncDisposableStack();
let internet: Internet;
let home: Home;
let api: Upstream;
let open: Upstream;

beforeAll(async () => {
  internet = stack.use(await Internet.open());
  api = await internet.host(['api.test']);
  open = await internet.host(['open.test']);
  home = stack.use(new Home());
  internet.join(home);
  writeFileSync(join(home.dir, 'secret'), secret);
  const TOKEN = {
    from: { command: ['/bin/cat', join(home.dir, 'secret')] },
    hosts: [listed(api)],
    as: 'any',
  };
  const policy = { default: 'allow' };
  home.profile('github', {
    server: outward,
    credentials: { TOKEN },
    sandbox: { network: [range(api)] },
    policy,
  });
  home.profile('reader', {
    server: outward,
    sandbox: { network: [listed(open), listed(open, 'open.test', true), range(open)] },
    policy,
  });
});

afterAll(async () => {
  await stack.disposeAsync();
});

const start = (profile: string): Promise<Inside> => Inside.open(home.run(profile), [secret]);

/** The session's placeholder. */
const placeholderOf = async (inside: Inside): Promise<string> => {
  const { env } = await inside.see();
  expect(env.TOKEN).toMatch(/^ghp_\w{36}$/);
  return env.TOKEN ?? '';
};

test('1. W-EGR-6 no token, placeholder or secret is on a command line that any user can read, from the start on', async () => {
  // There the proxy's token and the placeholder are.
  const seen = new Set<string>();
  const marked = spawn('/bin/sh', ['-c', 'sleep 30; :', `mark-${secret.slice(4, 12)}`]);
  let looking = true;
  const look = async (): Promise<void> => {
    for (; looking; await sleep(1)) for (const line of commandLines().split('\n')) seen.add(line);
  };
  const looked = look();
  let placeholder = '';
  let variables: readonly string[] = [];
  try {
    await using inside = await start('github');
    placeholder = await placeholderOf(inside);
    variables = Object.keys((await inside.see()).env);
    const headers = { authorization: `Bearer ${placeholder}` };
    for (let left = 5; left > 0; left--) {
      expect(await inside.fetch(`${api.url}/echo`, { headers })).toMatchObject({ status: 200 });
    }
    expect(api.requests.at(-1)?.headers.authorization).toBe(`Bearer ${secret}`);
  } finally {
    looking = false;
    await looked;
    marked.kill('SIGKILL');
  }
  const lines = [...seen].join('\n');
  // Whatever was on one has been seen: that of another, of the sandbox, of what waits in its network.
  expect(lines).toContain(`mark-${secret.slice(4, 12)}`);
  expect(lines).toMatch(/\bbwrap\b/);
  expect(lines).toContain('outward.mjs');
  expectAbsent(lines, secret, 'a command line');
  expectAbsent(lines, placeholder, 'a command line');
  // And there is no token of a proxy that could be.
  expect(variables.filter((name) => /proxy/i.test(name))).toEqual([]);
});

test('2. W-SEAL-3 a host that echoes a request does not disclose the secret', async () => {
  // There the real secret came back.
  await using inside = await start('github');
  const placeholder = await placeholderOf(inside);
  const headers = { authorization: `Bearer ${placeholder}` };
  const ways = [
    '/echo',
    '/echo/raw',
    '/echo/base64',
    '/echo/hex',
    '/echo/gzip',
    '/echo/header',
    '/echo/html',
  ];
  for (const way of ways) {
    const answer = await inside.fetch(`${api.url}${way}`, { headers });
    expect(answer.broken).toBe(false);
    expectAbsent(JSON.stringify(answer), secret, way);
    // The host had it.
    expect(api.requests.at(-1)?.headers.authorization).toBe(`Bearer ${secret}`);
  }
  const { body } = await inside.fetch(`${api.url}/echo/raw?of=authorization`, { headers });
  expect(body).toBe(`Bearer ${placeholder}`);
});

test('3. W-SEAL-1 W-SEAL-2 in a query, in Basic, in compressed bodies the placeholder is replaced or refused, and never sent', async () => {
  // There it was sent as it is.
  await using inside = await start('github');
  const placeholder = await placeholderOf(inside);
  const json = JSON.stringify({ token: placeholder });
  const basic = `Basic ${Buffer.from(`me:${placeholder}`).toString('base64')}`;
  const body = (type: string, coding: 'gzip' | 'br', text: string): FetchOptions => ({
    method: 'POST',
    headers: { 'content-type': type, 'content-encoding': coding },
    body: (coding === 'gzip' ? gzipSync : brotliCompressSync)(text).toString('latin1'),
  });
  const before = api.requests.length;
  const statuses: number[] = [];
  const ask = async (target: string, options: FetchOptions = {}): Promise<void> =>
    void statuses.push((await inside.fetch(`${api.url}${target}`, options)).status);

  await ask(`/echo?token=${placeholder}`);
  await ask('/echo', { headers: { authorization: basic } });
  await ask('/echo', body('application/json', 'gzip', json));
  await ask('/echo', body('application/json', 'br', json));
  await ask('/echo', body('application/x-www-form-urlencoded', 'gzip', `token=${placeholder}`));
  // Where nobody can tell how it will be read.
  await ask('/echo', body('text/plain', 'gzip', placeholder));
  await ask('/echo', body('application/octet-stream', 'br', `x${placeholder}`));
  await ask(`/echo?token=${Buffer.from(placeholder).toString('base64url')}`);
  expect(statuses).toEqual([200, 200, 200, 200, 200, 403, 403, 403]);

  const came = api.requests.slice(before);
  const unpacked = came.map(({ body: bytes, headers, target }) => {
    const coding = headers['content-encoding'];
    const plain =
      coding === 'gzip' ? gunzipSync(bytes) : coding === 'br' ? brotliDecompressSync(bytes) : bytes;
    const [, coded = ''] = headers.authorization?.split(' ') ?? [];
    return `${target} ${Buffer.from(coded, 'base64').toString()} ${plain.toString()}`;
  });
  expect(unpacked).toHaveLength(5);
  for (const text of unpacked) {
    expect(text).toContain(secret);
    expect(text).not.toContain(placeholder);
  }
  expectAbsent(api.text, placeholder, 'what the host got');
  await recorded(home, 'credential.use', { outcome: 'refused', method: 'POST', path: '/echo' });
});

test('4. W-SEAL-1 W-EGR-1 Node’s fetch works inside, and knows no proxy', async () => {
  // There it failed, since it reads no proxy variable.
  await using github = await start('github');
  await using reader = await start('reader');
  const headers = { authorization: `Bearer ${await placeholderOf(github)}` };
  expect(await github.fetch(`${api.url}/echo`, { headers })).toMatchObject({ status: 200, broken: false });
  expect(api.requests.at(-1)?.headers.authorization).toBe(`Bearer ${secret}`);
  const plain = `http://open.test${open.plain === 80 ? '' : `:${open.plain}`}`;
  for (const url of [open.url, plain]) {
    expect(await reader.fetch(`${url}/echo`)).toMatchObject({ status: 200, broken: false });
  }
  // A process that has no setup but the trust files.
  const script = `fetch('${api.url}/echo').then(async (answer) => console.log(answer.status, process.env.HTTPS_PROXY))`;
  expect(await github.out([process.execPath, '-e', script])).toBe('200 undefined\n');
});

test('5. W-EGR-9 two sessions at once have two policies', async () => {
  // There one policy holds for all of the process.
  await using github = await start('github');
  await using reader = await start('reader');
  const elsewhere = { failed: 'ENOTFOUND' };
  const ask = (inside: Inside, host: Upstream): ReturnType<Inside['fetch']> =>
    inside.fetch(`${host.url}/echo`);
  const before = [api.requests.length, open.requests.length];
  // All at once, and again: none loosens or tightens the other's policy.
  for (let round = 1; round <= 3; round++) {
    const all = [ask(github, api), ask(reader, open), ask(github, open), ask(reader, api)];
    expect(await Promise.all(all)).toMatchObject([{ status: 200 }, { status: 200 }, elsewhere, elsewhere]);
    expect([api.requests.length, open.requests.length]).toEqual(before.map((count) => count + round));
  }
  for (const [profile, host] of [
    ['github', 'open.test'],
    ['reader', 'api.test'],
  ] as const) {
    await recorded(home, 'egress.connect', { profile, host, port: 53, outcome: 'refused' });
  }
});

test('6. W-EGR-6 W-PROC-7 a daemon that is killed leaves no process of the tree running, and no network', async () => {
  // There the tree ran on.
  await using github = await start('github');
  await using reader = await start('reader');
  for (const inside of [github, reader]) {
    // Its server has started.
    await inside.see();
    inside.client.ask('tools/call', {
      name: 'run',
      arguments: { command: ['/bin/sh', '-c', 'trap "" TERM HUP; (setsid sleep 60 &); sleep 60; :'] },
    });
  }
  const daemon = (await home.daemon()) ?? 0;
  const sessions: { readonly server: { readonly pid: number } }[] = (await home.facts('status')).sessions;
  const networks = sessions.map(({ server }) => namespaceOf(childrenOf(server.pid)[0] ?? 0, 'net'));
  const sleepers = (network: string | undefined): number =>
    inNetwork(network).filter((pid) => executableOf(pid)?.endsWith('/sleep')).length;
  await expect.poll(() => networks.map(sleepers)).toEqual([2, 2]);
  expect(new Set(networks).size).toBe(2);
  const tree = treeOf(daemon);
  process.kill(daemon, 'SIGKILL');
  await expect.poll(() => tree.filter(isAlive)).toEqual([]);
  await expect.poll(() => networks.flatMap(inNetwork)).toEqual([]);
  await github.client.ended;
  await reader.client.ended;
  await home.quiet();
  await home.done(['audit', 'verify']);
});

/** The processes that a network has, to be seen by who may see all. */
function inNetwork(network: string | undefined): number[] {
  return readdirSync('/proc').flatMap((name) => {
    try {
      return /^\d+$/.test(name) && readlinkSync(`/proc/${name}/ns/net`) === network ? [Number(name)] : [];
    } catch {
      return [];
    }
  });
}
