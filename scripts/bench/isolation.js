// Measures what one session, or one client of the daemon's socket, can do to another session: the calls of a quiet
// session, and the daemon's memory, while another attacks. An attack that gets through shows as "not met" in the table.
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { environment } from './client.js';
import { Upstream } from './egress.js';
import { duration, mebibytes, median, table } from './table.js';

const MIB = 2 ** 20;
const attacker = join(import.meta.dirname, 'attacker.mjs');
const secret = 'ghp_bench0123456789abcdefghijklmnopqrstu';
/** Milliseconds after which a call counts as lost. */
const LOST = 20_000;

const limits = { ratio: 1.5, worst: 100, memory: 150 * MIB };

/** A session's host, which outlives whatever happens to its session. */
class Host {
  #child;
  #id = 0;
  #waiting = new Map();

  constructor(command, env, readsStderr = true) {
    this.#child = spawn(command[0], command.slice(1), {
      env,
      stdio: ['pipe', 'pipe', readsStderr ? 'pipe' : 'ignore'],
    });
    this.ended = new Promise((resolve) => this.#child.once('close', resolve));
    for (const stream of this.#child.stdio) stream?.on('error', () => {});
    this.#child.stderr?.resume();
  }

  /** Reads answers: only the quiet session does. */
  read() {
    createInterface({ input: this.#child.stdout }).on('line', (line) => {
      const { id } = JSON.parse(line);
      this.#waiting.get(id)?.();
      this.#waiting.delete(id);
    });
    return this;
  }

  /** Reads and drops answers. Resolves at each end of a line, as often as `next` is called. */
  skim() {
    this.#child.stdout.on('data', (chunk) => {
      if (chunk.includes(10)) this.#waiting.get('line')?.();
    });
    return this;
  }

  nextLine() {
    return Promise.race([
      new Promise((resolve) => this.#waiting.set('line', resolve)),
      this.ended,
      sleep(LOST),
    ]);
  }

  send(message) {
    return this.#child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
  }

  drained() {
    return Promise.race([new Promise((resolve) => this.#child.stdin.once('drain', resolve)), this.ended]);
  }

  /** Milliseconds of a request; `LOST` without an answer. */
  async call(method, params) {
    const id = ++this.#id;
    const answered = new Promise((resolve) => this.#waiting.set(id, resolve));
    const lost = new AbortController();
    const from = performance.now();
    this.send({ id, method, params });
    const timeout = sleep(LOST, undefined, { signal: lost.signal }).catch(() => {});
    await Promise.race([answered, this.ended, timeout]);
    lost.abort();
    return this.#waiting.has(id) ? LOST : performance.now() - from;
  }

  kill() {
    this.#child.kill('SIGKILL');
  }
}

const initialize = {
  protocolVersion: '2025-11-25',
  capabilities: {},
  clientInfo: { name: 'bench', version: '1' },
};

/** A session that does nothing but attack, until `stop`. */
function attackingSession(attack) {
  return async ({ run, env, stop }) => {
    const host = new Host(run, env).skim();
    stop.addEventListener('abort', () => host.kill());
    host.send({ id: 0, method: 'initialize', params: initialize });
    await host.nextLine();
    host.send({ method: 'notifications/initialized' });
    await attack?.(host, stop);
  };
}

/** Clients of the daemon's socket. */
function clients(count, talk) {
  return async ({ socket, stop }) => {
    const hello = frame(1, { wire: 1, kind: 'control' });
    const open = Array.from({ length: count }, () => {
      const client = connect(socket).on('error', () => {});
      client.write(hello);
      talk?.(client, stop);
      return client;
    });
    stop.addEventListener('abort', () => {
      for (const client of open) client.destroy();
    });
  };
}

function frame(type, value) {
  const payload = Buffer.from(JSON.stringify(value));
  const head = Buffer.alloc(5);
  head[0] = type;
  head.writeUInt32LE(payload.length, 1);
  return Buffer.concat([head, payload]);
}

const listTools = attackingSession(async (host, stop) => {
  for (let id = 1; !stop.aborted; id++) {
    host.send({ id, method: 'tools/list', params: {} });
    await host.nextLine();
  }
});

const attacks = {
  stderr: { title: 'a sandboxed server floods stderr', start: attackingSession() },
  capabilities: {
    title: '8 MB of capabilities, session after session',
    start: async (context) => {
      while (!context.stop.aborted) {
        const once = new AbortController();
        context.stop.addEventListener('abort', () => once.abort());
        await attackingSession()({ ...context, stop: once.signal });
        once.abort();
      }
    },
  },
  name: { title: 'a tool name of 60 MiB, listed again and again', start: listTools },
  tools: { title: '1,000,000 tools and 21 patterns, listed again and again', start: listTools },
  subscriptions: {
    title: '600 subscriptions of 1 MiB that stay open',
    start: attackingSession(async (host, stop) => {
      const _meta = {
        'io.modelcontextprotocol/protocolVersion': '2026-07-28',
        'io.modelcontextprotocol/clientInfo': initialize.clientInfo,
        'io.modelcontextprotocol/clientCapabilities': {},
      };
      for (let id = 1; id <= 600 && !stop.aborted; id++) {
        const params = { _meta, notifications: { resourceSubscriptions: [`file:///${'s'.repeat(MIB)}`] } };
        if (!host.send({ id, method: 'subscriptions/listen', params })) await host.drained();
      }
    }),
  },
  forms: { title: 'compressed forms of near misses on 16 connections', start: attackingSession() },
  idle: { title: '900 idle control connections', start: clients(900) },
  unread: {
    title: 'control clients that do not read',
    start: clients(16, (client, stop) => {
      client.pause();
      const many = Buffer.concat(
        Array.from({ length: 200 }, (_, id) => frame(8, { id, verb: 'status', params: {} })),
      );
      const pour = () => {
        while (!stop.aborted && client.write(many));
      };
      client.on('drain', pour);
      pour();
    }),
  },
};

function writeProfiles(config, upstream, echo) {
  mkdirSync(join(config, 'profiles'), { recursive: true, mode: 0o700 });
  const write = (name, value) => writeFileSync(join(config, name), JSON.stringify(value), { mode: 0o600 });
  write('warder.yaml', { egress: { resolvers: [`127.0.0.1:${upstream.names}`], ca: upstream.ca } });
  write('profiles/quiet.yaml', { server: { command: echo, args: [] }, policy: { default: 'allow' } });
  const from = { command: ['/bin/echo', secret], ttl: '1h' };
  for (const kind of ['stderr', 'capabilities', 'name', 'tools', 'subscriptions', 'forms']) {
    const patterns = kind === 'tools' ? 21 : 1;
    write(`profiles/${kind}.yaml`, {
      server: { command: process.execPath, args: [attacker, kind, String(upstream.port)] },
      policy: {
        default: 'allow',
        tools: Object.fromEntries(Array.from({ length: patterns }, (_, at) => [`*_*${at}_*x`, 'deny'])),
      },
      ...(kind === 'forms' && {
        credentials: { TOKEN: { from, hosts: [`api.test:${upstream.port}`] } },
        sandbox: { network: ['127.0.0.1/32'] },
      }),
    });
  }
}

/** Milliseconds of calls, one after the other, for a time. */
async function callFor(host, ms) {
  const taken = [];
  for (const end = performance.now() + ms; performance.now() < end; ) {
    taken.push(await host.call('tools/call', { name: 'echo', arguments: { text: 'hello' } }));
    if (taken.at(-1) >= LOST) break;
    await sleep(1);
  }
  return taken;
}

/** The figures of each attack, each with a fresh daemon. */
export async function measureIsolation(base, warder, echo, ms) {
  mkdirSync(base, { recursive: true, mode: 0o700 });
  await using upstream = await Upstream.start(base);
  writeProfiles(join(base, 'config'), upstream, echo);
  const env = environment({ WARDER_HOME: base });
  const run = (...words) => execFileSync(warder[0], [warder[1], ...words], { env, encoding: 'utf8' });
  const figures = {};
  for (const [kind, attack] of Object.entries(attacks)) {
    run('daemon', 'start');
    const { pid } = JSON.parse(run('status', '--json')).daemon;
    const stop = new AbortController();
    const quiet = new Host([...warder, 'run', 'quiet'], env).read();
    try {
      await quiet.call('initialize', initialize);
      quiet.send({ method: 'notifications/initialized' });
      await callFor(quiet, ms / 4);
      const before = await callFor(quiet, ms);
      const memory = memoryOf(pid, 'VmRSS');
      resetPeak(pid);
      const socket = join(base, 'run/daemon.sock');
      const attacking = attack.start({ run: [...warder, 'run', kind], env, socket, stop: stop.signal });
      attacking.catch(() => {});
      await sleep(ms / 8);
      const during = await callFor(quiet, ms);
      const opened = await opensSession(warder, env);
      figures[kind] = {
        quiet: median(before),
        p50: median(during),
        worst: Math.max(...during),
        memory: memoryOf(pid, 'VmHWM') - memory,
        opened,
      };
    } finally {
      stop.abort();
      quiet.kill();
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // The attack has ended it.
      }
      await sleep(300);
    }
  }
  return figures;
}

/** Whether another session opens meanwhile. */
async function opensSession(warder, env) {
  const host = new Host([...warder, 'run', 'quiet'], env).read();
  const ms = await host.call('initialize', initialize);
  host.kill();
  return ms < LOST;
}

function memoryOf(pid, field) {
  try {
    return (
      Number(
        new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1],
      ) * 1024
    );
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

function resetPeak(pid) {
  writeFileSync(`/proc/${pid}/clear_refs`, '5');
}

export const ISOLATION = '## Isolation';

export function isolationPart(figures) {
  const rows = Object.entries(figures).map(([kind, { quiet, p50, worst, memory, opened }]) => {
    const met = opened && p50 <= limits.ratio * quiet && worst <= limits.worst && memory <= limits.memory;
    return [
      attacks[kind].title,
      duration(quiet),
      `${duration(p50)} (${(p50 / quiet).toFixed(2)} ×)`,
      worst >= LOST ? 'lost' : duration(worst),
      Number.isFinite(memory) ? mebibytes(memory) : 'the daemon ended',
      opened ? 'yes' : '**no**',
      met ? 'met' : '**not met**',
    ];
  });
  return `${ISOLATION}

Calls of a quiet session, one a millisecond, while another session or a client of the daemon's socket attacks. To reach: a p50 of
at most ${limits.ratio} times quiet, no call over ${limits.worst} ms, and the daemon at most ${limits.memory / MIB} MiB above quiet. The attacker's processes share
the machine's cores with the daemon and the quiet session.

${table([['attack', 'quiet p50', 'p50', 'worst call', 'memory above quiet', 'a session opens', ''], ...rows])}
`;
}
