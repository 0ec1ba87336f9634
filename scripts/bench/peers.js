// The peers that npm has: what else stands between a host and a server. Those that the project has no other use for are
// installed, in exact versions, into a folder of the benchmarks' own.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';

const root = join(import.meta.dirname, '../..');
const folder = join(root, 'node_modules/.cache/warder/bench/peers');
const INSTALLED = { 'mcp-proxy': '6.7.19', supergateway: '4.0.0' };

const installed = (name) =>
  JSON.parse(readFileSync(join(folder, 'node_modules', name, 'package.json'), 'utf8'));

/** Installs what is missing. Their install scripts do not run. */
export function installPeers() {
  const isThere = ([name, version]) =>
    existsSync(join(folder, 'node_modules', name, 'package.json')) && installed(name).version === version;
  if (Object.entries(INSTALLED).every(isThere)) return;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{"private":true}');
  const packages = Object.entries(INSTALLED).map(([name, version]) => `${name}@${version}`);
  execFileSync(
    'npm',
    ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--save-exact', ...packages],
    { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] },
  );
}

function programOf(name) {
  const { bin } = installed(name);
  return join(folder, 'node_modules', name, typeof bin === 'string' ? bin : bin[name]);
}

/** A port of loopback that nobody has now. */
export function freePort() {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once('error', reject).listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** Both serve a stdio server by Streamable HTTP, with sessions. Returns the command and the address of its endpoint. */
export const httpPeers = {
  'mcp-proxy': (argv, port) => ({
    argv: [
      process.execPath,
      programOf('mcp-proxy'),
      ...['--host', '127.0.0.1', '--port', String(port), '--server', 'stream', '--maxBodySize', '0', '--'],
      ...argv,
    ],
    url: `http://127.0.0.1:${port}/mcp`,
  }),
  supergateway: (argv, port) => ({
    argv: [
      process.execPath,
      programOf('supergateway'),
      ...['--stdio', argv.map((word) => `'${word}'`).join(' ')],
      ...['--outputTransport', 'streamableHttp', '--stateful', '--port', String(port), '--logLevel', 'none'],
    ],
    url: `http://127.0.0.1:${port}/mcp`,
  }),
};

/** The command that starts a program in `@anthropic-ai/sandbox-runtime`, without a network. */
export function sandboxRuntime(home) {
  const settings = {
    network: { allowedDomains: [], deniedDomains: [] },
    filesystem: { denyRead: [], allowWrite: [], denyWrite: [] },
  };
  const file = join(home, 'sandbox-runtime.json');
  writeFileSync(file, JSON.stringify(settings));
  const main = createRequire(import.meta.url).resolve('@anthropic-ai/sandbox-runtime');
  return [process.execPath, join(dirname(main), 'cli.js'), '--settings', file, '--'];
}
