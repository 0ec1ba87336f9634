// A remote server through Warder, through mcp-remote, and by a client that talks to it directly, in turns: what a call takes,
// and the first answer of a program that is started with a stored token. The server, its authorization server and the browser
// in which the user agrees to all are those of the tests.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { build } from 'esbuild';
import { Client, environment } from './client.js';
import { installBrowser, prepareWarder, refreshPart, warder } from './refresh.js';
import { duration, median, quantile, table } from './table.js';

const root = join(import.meta.dirname, '../..');
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

/** A session over HTTP without any program in between: one connection, and answers that are read to their end. */
class Direct {
  #agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  #url;
  #headers;
  #id = 0;

  static async open(url, token) {
    const direct = new Direct();
    direct.#url = url;
    direct.#headers = {
      accept: 'application/json, text/event-stream',
      'content-type': 'application/json',
      authorization: `Bearer ${token}`,
    };
    const params = {
      protocolVersion: '2025-11-25',
      capabilities: {},
      clientInfo: { name: 'bench', version: '1' },
    };
    const { headers } = await direct.#post({ id: ++direct.#id, method: 'initialize', params });
    direct.#headers['mcp-session-id'] = headers['mcp-session-id'];
    direct.#headers['mcp-protocol-version'] = '2025-11-25';
    await direct.#post({ method: 'notifications/initialized' });
    return direct;
  }

  #post(message) {
    return new Promise((resolve, reject) => {
      const options = { method: 'POST', headers: this.#headers, agent: this.#agent };
      const request = http.request(this.#url, options, (response) => {
        response.resume().once('end', () => resolve(response));
        if (response.statusCode >= 400) reject(new Error(`the server answered ${response.statusCode}`));
      });
      request.once('error', reject).end(JSON.stringify({ jsonrpc: '2.0', ...message }));
    });
  }

  async call() {
    const from = performance.now();
    await this.#post({ id: ++this.#id, method: 'tools/call', params: JSON.parse(call) });
    return performance.now() - from;
  }

  close() {
    this.#agent.destroy();
  }
}

/** Milliseconds from a program's start to its first answer to a call. */
async function first(argv, env) {
  const { client, ms } = await Client.start(argv, env);
  const more = await client.call(call);
  await client.close();
  return ms + more;
}

/** `run`: the words of `warder run`; `times`: how many samples for so many. */
export async function measureRemote(run, times) {
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
  const ways = {
    direct: [process.execPath, plain, server.url, tokens],
    'mcp-remote': [
      process.execPath,
      join(root, 'node_modules/mcp-remote/dist/proxy.js'),
      server.url,
      '--transport',
      'http-only',
    ],
    warder: run('remote'),
  };
  try {
    await prepareWarder(run, env, server.url);
    // Each signs in once, and from then on has a stored token.
    for (const argv of Object.values(ways)) await first(argv, env);
    if (!existsSync(tokens)) throw new Error('the direct client has stored no token');

    const starts = { direct: [], 'mcp-remote': [], warder: [] };
    for (let round = 0; round < times(40); round++)
      for (const [way, argv] of Object.entries(ways)) starts[way].push(await first(argv, env));

    const open = {
      direct: await Direct.open(server.url, JSON.parse(readFileSync(tokens, 'utf8')).tokens.access_token),
    };
    for (const way of ['mcp-remote', 'warder']) {
      open[way] = (await Client.start(ways[way], env)).client;
      await open[way].settle();
    }
    const calls = { direct: [], 'mcp-remote': [], warder: [] };
    for (let round = -times(300); round < times(3000); round++)
      for (const [way, client] of Object.entries(open)) {
        const ms = await client.call(call);
        if (round >= 0) calls[way].push(ms);
      }
    for (const client of Object.values(open)) await client.close();
    const each = (taken, of) => Object.fromEntries(Object.entries(taken).map(([way, all]) => [way, of(all)]));
    return {
      first: each(starts, median),
      p50: each(calls, median),
      p99: each(calls, (all) => quantile(all, 0.99)),
    };
  } finally {
    await warder(run, env, 'stop');
    server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

export const REMOTE = '## Remote servers';

export function remotePart({ first, p50, p99 }, refresh) {
  const ways = ['direct', 'mcp-remote', 'warder'];
  const row = (title, of) => [title, ...ways.map((way) => duration(of[way]))];
  const added = (p50.warder - p50.direct) / (p50['mcp-remote'] - p50.direct);
  return `${REMOTE}

A server of the first SDK (Streamable HTTP, sessions) that wants tokens, on loopback; the three in turns. *Direct* is for calls a
lean HTTP client on one connection, and for starts the second SDK's client, bundled. To reach: at most half of what
\`mcp-remote\` 0.15.1 adds to a call, and a first answer with a stored token at most 1.2 times direct.

${table([
  ['', 'direct', 'mcp-remote', 'Warder'],
  row('`tools/call`, one in flight, p50', p50),
  row('`tools/call`, one in flight, p99', p99),
  row("first answer with a stored token, from the program's start", first),
])}

| | measured | target | |
| --- | ---: | ---: | --- |
| added to a call, of what \`mcp-remote\` adds | ${added.toFixed(2)} | at most 0.50 | ${added <= 0.5 ? 'met' : '**not met**'} |
| first answer, times direct | ${(first.warder / first.direct).toFixed(2)} × | at most 1.20 × | ${first.warder / first.direct <= 1.2 ? 'met' : '**not met**'} |

${refreshPart(refresh)}`;
}
