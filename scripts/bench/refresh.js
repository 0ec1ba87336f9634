// Hosts of one user that share a remote server whose access tokens end again and again, with strict rotation of refresh
// tokens: what happens to their family with the SDK's own clients and a shared file of tokens, with mcp-remote, and with
// Warder. Each has a browser in which the user agrees to all, so that it can go on after a loss.
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client } from '../../test/fixtures/client.ts';
import { startAuthorization } from '../../test/fixtures/remote/authorization.ts';
import { measureFamily } from '../../test/fixtures/remote/family.ts';
import { startMcp } from '../../test/fixtures/remote/mcp.ts';
import { table } from './table.js';
import { Warder } from './warder.js';

const root = join(import.meta.dirname, '../..');
const HOSTS = 7;

/** Programs in the place of the browser, which agree to all. */
export function installBrowser(folder) {
  const follow = join(root, 'test/fixtures/remote/follow.ts');
  const script = `#!/bin/sh\nexec ${process.execPath} ${follow} "$1" >/dev/null 2>&1\n`;
  // mcp-remote takes the system's xdg-open, if there is one, and otherwise one of these names from PATH.
  for (const name of ['xdg-open', 'x-www-browser'])
    writeFileSync(join(folder, name), script, { mode: 0o755 });
}

/** Settings, a profile `remote`, a vault and a sign-in, in the folder that `env.WARDER_HOME` names. */
export async function prepareWarder(env, url) {
  const config = join(env.WARDER_HOME, 'config');
  mkdirSync(join(config, 'profiles'), { recursive: true, mode: 0o700 });
  const browser = [process.execPath, join(root, 'test/fixtures/remote/follow.ts')];
  const settings = { consent: { 'first-use': 'accept' }, remote: { browser } };
  writeFileSync(join(config, 'warder.yaml'), JSON.stringify(settings), { mode: 0o600 });
  const profile = { server: { url }, 'insecure-loopback': true, policy: { default: 'allow' } };
  writeFileSync(join(config, 'profiles/remote.yaml'), JSON.stringify(profile), { mode: 0o600 });
  await warder(env, 'init', '--store', 'vault', '--key-file', join(env.WARDER_HOME, 'key'));
  await warder(env, 'login', 'remote', '--yes');
}

/** Runs a command of Warder to its end; the servers may be in this process. */
export async function warder(env, ...words) {
  await promisify(execFile)(process.execPath, [join(root, 'bin/warder.js'), ...words], { env });
}

/** The commands of the hosts, by their names in the report. */
const ways = {
  'the SDK’s client, one file of tokens': (url, folder) => [
    process.execPath,
    join(root, 'test/fixtures/remote/plain-host.ts'),
    url,
    join(folder, 'tokens.json'),
  ],
  'mcp-remote': (url) => [
    process.execPath,
    join(root, 'node_modules/mcp-remote/dist/proxy.js'),
    url,
    '--transport',
    'http-only',
  ],
  Warder: (_url, _folder, installed) => installed.run('remote'),
};

/** What happens in so many rounds of a way. */
async function measureWay(way, rounds) {
  const folder = mkdtempSync(join(tmpdir(), 'warder-family-'));
  await using authorization = await startAuthorization();
  await using server = await startMcp({ guard: (url) => authorization.guard(url) });
  installBrowser(folder);
  const env = {
    PATH: `${folder}:/usr/bin:/bin`,
    HOME: folder,
    WARDER_HOME: join(folder, 'home'),
    MCP_REMOTE_CONFIG_DIR: join(folder, 'mcp-auth'),
  };
  const hosts = [];
  try {
    const installed = new Warder(env.WARDER_HOME, env);
    if (way === 'Warder') await prepareWarder(env, server.url);
    for (let at = 0; at < HOSTS; at++) {
      const host = new Client(ways[way](server.url, folder, installed), env, folder);
      hosts.push(host);
      const { error } = await host.initialize();
      if (error !== undefined) throw new Error(`${way} did not connect: ${error.message}`);
    }
    return await measureFamily({
      authorization,
      hosts,
      rounds,
      expire: () => authorization.expire(),
      signIns: () => authorization.count('GET /auth?'),
      seconds: 10,
    });
  } finally {
    for (const host of hosts) host.kill();
    await Promise.all(hosts.map((host) => host.ended));
    if (way === 'Warder') await warder(env, 'stop');
    rmSync(folder, { recursive: true, force: true });
  }
}

/** By way, what became of the family of refresh tokens. */
export async function measureRefresh(rounds) {
  const figures = {};
  for (const way of Object.keys(ways)) figures[way] = await measureWay(way, rounds);
  return { rounds, figures };
}

export function refreshPart({ rounds, figures }) {
  return `${HOSTS} hosts share one account at an authorization server (\`oidc-provider\`) with strict rotation: a refresh token that is used
twice ends its family, and the user has to sign in again. The access token ends before each of ${rounds} rounds, in which all hosts
call at once; their user agrees to every sign-in.

${table([
  ['', 'calls', 'failed', 'token requests', 'at once, at most', 'families lost', 'further sign-ins'],
  ...Object.entries(figures).map(([way, { calls, failed, refreshes, most, lost, signIns }]) =>
    [way, calls, failed, refreshes, most, lost, signIns].map(String),
  ),
])}
`;
}
