// Measures what the gate costs: the same client outside, in Warder's sandbox, and in the sandbox of the most similar
// project, with the same host on loopback.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { TestAuthority } from '../../test/fixtures/authority.ts';
import { Client } from './client.js';
import { median, quantile } from './figures.js';

const here = import.meta.dirname;
const fetcher = [process.execPath, join(here, 'fetcher.mjs')];

/** The value of the sealed credential. */
const secret = 'ghp_bench0123456789abcdefghijklmnopqrstu';

/** How many requests one client makes before the next one takes its turn. */
const TURN = 20;

/** The host, a separate process. */
export class Upstream {
  static async start(home) {
    const authority = new TestAuthority();
    const { key, cert } = authority.issue(['api.test', 'files.test', 'localhost']);
    const at = (name) => join(home, name);
    for (const [name, text] of Object.entries({
      'ca.pem': authority.ca,
      'host.key': key,
      'host.pem': cert,
    })) {
      writeFileSync(at(name), text, { mode: 0o600 });
    }
    const upstream = new Upstream();
    upstream.ca = at('ca.pem');
    upstream.child = spawn(
      process.execPath,
      [join(here, 'upstream.js'), secret, at('host.key'), at('host.pem')],
      { stdio: ['pipe', 'pipe', 'inherit'] },
    );
    const [line] = await once(createInterface({ input: upstream.child.stdout }), 'line');
    return Object.assign(upstream, JSON.parse(line));
  }

  async [Symbol.asyncDispose]() {
    this.child.stdin.end();
    await once(this.child, 'exit');
  }
}

/** Writes the settings and profiles. `server`: the command of the profiles whose start is measured. */
export function prepareEgress(config, { ca, port, names }, server) {
  mkdirSync(join(config, 'profiles'), { recursive: true, mode: 0o700 });
  const write = (name, value) => writeFileSync(join(config, name), JSON.stringify(value), { mode: 0o600 });
  write('warder.yaml', {
    consent: { 'first-use': 'accept' },
    egress: { resolvers: [`127.0.0.1:${names}`], ca },
  });
  const policy = { default: 'allow' };
  const network = [`files.test:${port}`, '127.0.0.1/32'];
  const sealed = {
    TOKEN: { from: { command: ['/bin/echo', secret], ttl: '1h' }, hosts: [`api.test:${port}`], as: 'bearer' },
  };
  const command = ([program, ...args]) => ({ command: program, args, start: 'eager' });
  write('profiles/fetcher.yaml', {
    server: command(fetcher),
    credentials: sealed,
    sandbox: { network },
    policy,
  });
  write('profiles/netless.yaml', { server: command(server), policy });
  write('profiles/networked.yaml', { server: command(server), sandbox: { network }, policy });
  write('profiles/sealed.yaml', {
    server: command(server),
    credentials: sealed,
    sandbox: { network },
    policy,
  });
}

/**
 * The command that starts a program in `@anthropic-ai/sandbox-runtime`. That one resolves names by the system, so it
 * gets an /etc/hosts of its own.
 */
export function peerCommand(home, { ca, port }) {
  const at = (name) => join(home, name);
  const names = ['files.test', 'api.test'];
  const settings = {
    network: {
      allowedDomains: [...names, '127.0.0.1'].map((name) => `${name}:${port}`),
      deniedDomains: [],
      tlsTerminate: { excludeDomains: ['files.test'], extraCaCertPaths: [ca] },
    },
    filesystem: { denyRead: [], allowWrite: [], denyWrite: [] },
    credentials: { envVars: [{ name: 'TOKEN', mode: 'mask', injectHosts: ['api.test'] }] },
  };
  writeFileSync(at('peer.json'), JSON.stringify(settings));
  writeFileSync(at('hosts'), `127.0.0.1 localhost ${names.join(' ')}\n`);
  const program = join(
    dirname(createRequire(import.meta.url).resolve('@anthropic-ai/sandbox-runtime')),
    'cli.js',
  );
  const hosts = ['bwrap', '--dev-bind', '/', '/', '--ro-bind', at('hosts'), '/etc/hosts', '--'];
  return [...hosts, process.execPath, program, '--settings', at('peer.json'), '--'];
}

/** Runs measurements in turns, so that other load on the machine affects all of them alike. */
async function inTurns(rounds, ways) {
  const taken = Object.fromEntries(Object.keys(ways).map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, measure] of Object.entries(ways)) taken[name].push(await measure());
  }
  return taken;
}

/** The peak memory of a process during `work`, in bytes. */
async function peak(pid, work) {
  writeFileSync(`/proc/${pid}/clear_refs`, '5');
  await work();
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) * 1024;
}

const each = (taken, of) => Object.fromEntries(Object.entries(taken).map(([how, all]) => [how, of(all)]));

const ECHO = '{"name":"echo","arguments":{"text":"hello"}}';
/** Milliseconds for which a session is measured while nothing is downloaded. */
const QUIET = 1500;

/**
 * Milliseconds of a call of another session, p50, while nothing happens and while each of `downloads` is under way: functions
 * that settle with their download.
 */
async function measureBeside(run, env, downloads, rounds) {
  const other = (await Client.start(run('netless'), env)).client;
  try {
    await other.settle();
    await other.flood(ECHO, 2000, 32);
    const callsUntil = async (end) => {
      let over = false;
      const ended = end.finally(() => {
        over = true;
      });
      const taken = [];
      while (!over) taken.push(await other.call(ECHO));
      await ended;
      return taken;
    };
    const ways = { idle: () => sleep(QUIET), ...downloads };
    const taken = await inTurns(
      rounds,
      Object.fromEntries(Object.entries(ways).map(([how, way]) => [how, () => callsUntil(way())])),
    );
    return each(taken, (turns) => median(turns.flat()));
  } finally {
    await other.close();
  }
}

/**
 * Milliseconds of a small request over a persistent connection, bytes per second of a large answer (`bytes`), and milliseconds
 * of another session's call beside a longer one (`long` bytes).
 */
export async function measureGate(run, env, pid, upstream, inPeer, { requests, bytes, long, downloads }) {
  const { port, ca } = upstream;
  const by = (client, where) => ({
    latency: async () => client.ask('latency', { ...where, port, count: TURN }),
    download: async () => (bytes / (await client.ask('download', { ...where, port, bytes }))) * 1000,
    curl: async () => (bytes / (await client.ask('curl', { ...where, port, bytes }))) * 1000,
    long: () => client.ask('curl', { ...where, port, bytes: long }),
  });
  const trust = { NODE_EXTRA_CA_CERTS: ca, CURL_CA_BUNDLE: ca };
  const outside = (await Client.start(fetcher, { ...env, ...trust, TOKEN: secret })).client;
  const inside = (await Client.start(run('fetcher'), env)).client;
  const peer = (await Client.start([...inPeer, ...fetcher], { ...env, ...trust, TOKEN: secret })).client;
  const ways = {
    direct: by(outside, { host: 'api.test', at: '127.0.0.1' }),
    passed: by(inside, { host: 'files.test' }),
    opened: by(inside, { host: 'api.test' }),
    peerPassed: by(peer, { host: 'files.test' }),
    peerOpened: by(peer, { host: 'api.test' }),
  };
  const clients = [outside, inside, peer];
  try {
    await Promise.all(clients.map((client) => client.settle()));
    const of = (kind) => Object.fromEntries(Object.entries(ways).map(([how, way]) => [how, way[kind]]));
    await inTurns(10, of('latency'));
    const latency = await inTurns(Math.ceil(requests / TURN), of('latency'));
    await inTurns(1, of('download'));
    const figures = {
      p50: each(latency, (turns) => median(turns.flat())),
      p99: each(latency, (turns) => quantile(turns.flat(), 0.99)),
    };
    figures.node = each(await inTurns(downloads, of('download')), median);
    figures.curl = each(await inTurns(downloads, of('curl')), median);
    figures.peak = {
      idle: await peak(pid, () => sleep(200)),
      passed: await peak(pid, ways.passed.curl),
      opened: await peak(pid, ways.opened.curl),
    };
    const { passed, opened } = of('long');
    figures.beside = await measureBeside(run, env, { passed, opened }, Math.ceil(downloads / 4));
    return figures;
  } finally {
    await Promise.all(clients.map((client) => client.close()));
  }
}
