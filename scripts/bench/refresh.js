// Hosts of one user that share a remote server whose access tokens end again and again, with strict rotation of refresh
// tokens: what happens to their family with the SDK's own clients and a shared file of tokens, with mcp-remote, and with
// Warder. Each has a browser in which the user agrees to all, so that it can go on after a loss.
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from '../../test/fixtures/client.ts';
import { startAuthorization } from '../../test/fixtures/remote/authorization.ts';
import { measureFamily } from '../../test/fixtures/remote/family.ts';
import { startMcp } from '../../test/fixtures/remote/mcp.ts';
import { table } from './table.js';

const root = join(import.meta.dirname, '../..');
const HOSTS = 7;

/** A program in the place of the browser, which agrees to all and leaves a file in `visits`. */
export function installBrowser(folder) {
  const visits = join(folder, 'visits');
  mkdirSync(visits, { recursive: true });
  const follow = join(root, 'test/fixtures/remote/follow.ts');
  const script = `#!/bin/sh\n: > ${visits}/$$\nexec ${process.execPath} ${follow} "$1" >/dev/null 2>&1\n`;
  // mcp-remote takes the system's xdg-open, if there is one, and otherwise one of these names from PATH.
  for (const name of ['xdg-open', 'x-www-browser']) writeFileSync(join(folder, name), script, { mode: 0o755 });
  return () => readdirSync(visits).length;
}

/** The commands of hosts without Warder, by their names in the report. */
const ways = {
  plain: (url, folder) => [
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
};

/** What happens in so many rounds of a way. */
async function measureWay(way, rounds) {
  const folder = mkdtempSync(join(tmpdir(), 'warder-family-'));
  await using authorization = await startAuthorization();
  await using server = await startMcp({ guard: (url) => authorization.guard(url) });
  const visits = installBrowser(folder);
  const env = {
    PATH: `${folder}:/usr/bin:/bin`,
    HOME: folder,
    MCP_REMOTE_CONFIG_DIR: join(folder, 'mcp-auth'),
  };
  const hosts = [];
  try {
    for (let at = 0; at < HOSTS; at++) {
      const host = new Client(ways[way](server.url, folder), env, folder);
      hosts.push(host);
      const { error } = await host.initialize();
      if (error !== undefined) throw new Error(`${way} did not connect: ${error.message}`);
    }
    const outcome = await measureFamily({
      authorization,
      hosts,
      rounds,
      expire: () => authorization.expire(),
      signIns: visits,
    });
    return { ...outcome, rounds };
  } finally {
    for (const host of hosts) host.kill();
    await Promise.all(hosts.map((host) => host.ended));
    rmSync(folder, { recursive: true, force: true });
  }
}

export async function measureRefresh(rounds) {
  const figures = {};
  for (const way of Object.keys(ways)) {
    figures[way] = await measureWay(way, rounds);
    process.stderr.write(`${JSON.stringify(figures[way])}\n`);
  }
  return figures;
}

if (process.argv[1] === import.meta.filename)
  process.stdout.write(table(Object.entries(await measureRefresh(Number(process.argv[2] ?? 5))).map(String)));
