// A remote server through Warder, through mcp-remote, and by a client that talks to it directly, in turns: what a call takes,
// and the first answer of a program that is started with a stored token. The server, its authorization server and the browser
// in which the user agrees to all are those of the tests.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { build } from 'esbuild';
import { Client, environment } from '../client.js';
import { duration, ratio, spreads } from '../figures.js';
import { HttpClient } from '../http-client.js';
import { installBrowser, measureRefresh, prepareWarder, refreshPart, warder } from '../refresh.js';
import { bySide, target } from '../table.js';
import { inTurns } from '../turns.js';
import { Warder } from '../warder.js';

export const name = 'remote';
export const title = 'Remote servers';
export const about = `A server of the first SDK (Streamable HTTP, sessions) that wants tokens, on loopback. *Direct* is for calls a lean HTTP client
on one connection, and for starts the second SDK's client, bundled.`;

const root = join(import.meta.dirname, '../../..');
const fixture = (name) => join(root, 'test/fixtures/remote', name);
const call = '{"name":"echo","arguments":{"text":"hello"}}';

/** The server of the tests, in a process of its own. */
async function startServer(env) {
  const child = spawn(process.execPath, [fixture('program.ts'), 'session', '86400'], {
    env,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const [line] = await once(createInterface(child.stdout), 'line');
  return { ...JSON.parse(line), stop: () => child.stdin.end() };
}

/** Milliseconds from a program's start to its first answer to a call. */
async function first(argv, env) {
  const { client, ms } = await Client.start(argv, env);
  const more = await client.call(call);
  await client.close();
  return ms + more;
}

const SIDES = { direct: 'direct', 'mcp-remote': 'mcp-remote 0.15.1', warder: 'Warder' };

export async function measure(bench) {
  const figures = await measureCalls(bench);
  return { ...figures, refresh: await measureRefresh(bench.quick ? 1 : 6) };
}

async function measureCalls(bench) {
  const folder = mkdtempSync(join(tmpdir(), 'warder-remote-'));
  installBrowser(folder);
  const env = environment({
    WARDER_HOME: join(folder, 'home'),
    HOME: folder,
    PATH: `${folder}:${process.env.PATH}`,
    MCP_REMOTE_CONFIG_DIR: join(folder, 'mcp-auth'),
  });
  const server = await startServer(env);
  const plain = join(folder, 'plain-host.mjs');
  const options = { bundle: true, platform: 'node', format: 'esm', minify: true, external: ['node:*'] };
  await build({
    ...options,
    entryPoints: [fixture('plain-host.ts')],
    outfile: plain,
    banner: {
      js: "import {createRequire} from 'node:module'; const require = createRequire(import.meta.url);",
    },
  });
  const tokens = join(folder, 'tokens.json');
  const installed = new Warder(env.WARDER_HOME, env);
  const ways = {
    direct: [process.execPath, plain, server.url, tokens],
    'mcp-remote': [
      process.execPath,
      join(root, 'node_modules/mcp-remote/dist/proxy.js'),
      server.url,
      '--transport',
      'http-only',
    ],
    warder: installed.run('remote'),
  };
  try {
    await prepareWarder(env, server.url);
    // Each signs in once, and from then on has a stored token.
    for (const argv of Object.values(ways)) await first(argv, env);
    if (!existsSync(tokens)) throw new Error('the direct client has stored no token');
    const each = (of, take) =>
      Object.fromEntries(Object.entries(of).map(([way, one]) => [way, () => take(one)]));
    const starts = await inTurns(
      bench.samples(30),
      each(ways, (argv) => first(argv, env)),
    );

    const token = JSON.parse(readFileSync(tokens, 'utf8')).tokens.access_token;
    const open = { direct: await HttpClient.open(server.url, token) };
    for (const way of ['mcp-remote', 'warder']) {
      open[way] = (await Client.start(ways[way], env)).client;
      await open[way].settle();
    }
    await inTurns(
      bench.samples(300),
      each(open, (client) => client.call(call)),
    );
    const calls = await inTurns(
      bench.samples(2000),
      each(open, (client) => client.call(call)),
    );
    for (const client of Object.values(open)) await client.close();
    return { first: spreads(starts), calls: spreads(calls) };
  } finally {
    await warder(env, 'stop');
    server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

const added = (calls, way) => calls[way].median - calls.direct.median;

export function targets({ first, calls }) {
  return [
    target(
      'added to a remote call, times what mcp-remote adds',
      added(calls, 'warder') / added(calls, 'mcp-remote'),
      0.5,
      ratio,
    ),
    target('first remote answer, times direct', first.warder.median / first.direct.median, 1.2, ratio),
  ];
}

export function rows({ first, calls }) {
  const sides = Object.keys(SIDES);
  return [
    ['', ...Object.values(SIDES)],
    bySide('`tools/call`, one in flight, p50', calls, sides, duration),
    bySide('`tools/call`, one in flight, p99', calls, sides, duration, ({ p99 }) => p99),
    bySide("first answer with a stored token, from the program's start", first, sides, duration),
  ];
}

export const notes = ({ refresh }) => refreshPart(refresh);

export function plots({ calls }) {
  const kinds = { direct: 'plain', 'mcp-remote': 'other', warder: 'warder' };
  return [
    {
      file: 'remote-calls',
      title: 'One call of a remote server',
      note: 'less is better; the line shows quartiles',
      show: duration,
      bars: Object.entries(SIDES).map(([way, label]) => ({
        label,
        kind: kinds[way],
        value: calls[way].median,
        low: calls[way].low,
        high: calls[way].high,
      })),
      meaning: 'What stands between a host and a server on the network adds, beside the network itself.',
    },
  ];
}
