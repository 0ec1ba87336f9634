// Measures what one session, or one client of the daemon's socket, can do to another session: the calls of a quiet
// session, and the daemon's memory, while another attacks. An attack that gets through shows as "not met" in the table.
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { attacks } from './attacks.js';
import { environment } from './client.js';
import { Upstream } from './egress.js';
import { Host, initialize, LOST } from './session-host.js';
import { duration, mebibytes, median, table } from './table.js';

const MIB = 2 ** 20;
const attacker = join(import.meta.dirname, 'attacker.mjs');
const secret = 'ghp_bench0123456789abcdefghijklmnopqrstu';
const limits = { ratio: 1.5, worst: 100, memory: 150 * MIB };

function writeProfiles(config, upstream, echo) {
  mkdirSync(join(config, 'profiles'), { recursive: true, mode: 0o700 });
  const write = (name, value) => writeFileSync(join(config, name), JSON.stringify(value), { mode: 0o600 });
  write('warder.yaml', {
    consent: { 'first-use': 'accept' },
    egress: { resolvers: [`127.0.0.1:${upstream.names}`], ca: upstream.ca },
  });
  write('profiles/quiet.yaml', { server: { command: echo, args: [] }, policy: { default: 'allow' } });
  const from = { command: ['/bin/echo', secret], ttl: '1h' };
  for (const kind of ['stderr', 'capabilities', 'name', 'changes', 'tools', 'subscriptions', 'forms']) {
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

/** The quiet session, in a process of its own. */
class Quiet {
  #child;
  #lines;

  constructor(command, env) {
    const program = join(import.meta.dirname, 'quiet.js');
    this.#child = spawn(process.execPath, [program, ...command], { env, stdio: ['pipe', 'pipe', 'inherit'] });
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** Milliseconds of calls, one after the other, for a time. */
  async callFor(ms) {
    this.#child.stdin.write(`${ms}\n`);
    const { value } = await this.#lines.next();
    return JSON.parse(value);
  }

  end() {
    this.#child.stdin.end();
  }
}

/** Warder with a home and a daemon of its own. */
class Home {
  #warder;

  constructor(base, warder) {
    mkdirSync(base, { recursive: true, mode: 0o700 });
    this.base = base;
    this.env = environment({ WARDER_HOME: base });
    this.#warder = warder;
  }

  /** Starts the daemon. */
  start() {
    this.#warderSays('daemon', 'start');
    this.pid = JSON.parse(this.#warderSays('status', '--json')).daemon.pid;
  }

  run(profile) {
    return [...this.#warder, 'run', profile];
  }

  /** Attacks the daemon. Returns what ends the attack. */
  attack(kind) {
    const stop = new AbortController();
    const socket = join(this.base, 'run/daemon.sock');
    const attacking = attacks[kind].start({
      run: this.run(kind),
      env: this.env,
      socket,
      stop: stop.signal,
    });
    attacking.catch(() => {});
    return () => stop.abort();
  }

  kill() {
    try {
      process.kill(this.pid, 'SIGKILL');
    } catch {
      // The attack has ended it.
    }
  }

  #warderSays(...words) {
    const [file, ...first] = [...this.#warder, ...words];
    return execFileSync(file, first, { env: this.env, encoding: 'utf8' });
  }
}

/** The figures of attacks (`rows`: which), each with fresh daemons. */
export async function measureIsolation(base, warder, echo, ms, rows = Object.keys(attacks)) {
  mkdirSync(base, { recursive: true, mode: 0o700 });
  await using upstream = await Upstream.start(base);
  const home = new Home(join(base, 'attacked'), warder);
  const beside = new Home(join(base, 'beside'), warder);
  for (const each of [home, beside]) writeProfiles(join(each.base, 'config'), upstream, echo);
  const figures = {};
  for (const kind of rows) {
    const machine = await measureRow(home, beside, kind, ms);
    figures[kind] = { ...(await measureRow(home, home, kind, ms)), machine };
  }
  return figures;
}

/** The figures of one attack on the daemon of `attacked`, with the quiet session at that of `home`. */
async function measureRow(home, attacked, kind, ms) {
  const homes = new Set([home, attacked]);
  for (const each of homes) each.start();
  const quiet = new Quiet(home.run('quiet'), home.env);
  let stop;
  try {
    await quiet.callFor(ms / 4);
    const before = await quiet.callFor(ms);
    const memory = memoryOf(home.pid, 'VmRSS');
    resetPeak(home.pid);
    stop = attacked.attack(kind);
    await sleep(ms / 8);
    const during = await quiet.callFor(ms);
    const opened = await opensSession(home);
    return {
      quiet: median(before),
      p50: median(during),
      worst: Math.max(...during),
      memory: memoryOf(home.pid, 'VmHWM') - memory,
      opened,
    };
  } finally {
    stop?.();
    quiet.end();
    for (const each of homes) each.kill();
    await sleep(300);
  }
}

/** Whether another session opens meanwhile. */
async function opensSession(home) {
  const host = new Host(home.run('quiet'), home.env).read();
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

const ISOLATION = '## Isolation';

export function isolationPart(figures) {
  const rows = Object.entries(figures).map(([kind, { quiet, p50, worst, memory, opened, machine }]) => [
    attacks[kind].title,
    duration(quiet),
    times(p50, quiet),
    times(machine.p50, machine.quiet),
    lost(worst),
    lost(machine.worst),
    Number.isFinite(memory) ? mebibytes(memory) : 'the daemon ended',
    opened ? 'yes' : '**no**',
    verdict({ quiet, p50, worst, memory, opened, machine }),
  ]);
  return `${ISOLATION}

Calls of a quiet session, one a millisecond, while another session or a client of the daemon's socket attacks. To reach: a p50 of
at most ${limits.ratio} times quiet, no call over ${limits.worst} ms, and the daemon at most ${limits.memory / MIB} MiB above quiet. The attacker's processes share
the machine's cores with the daemon and the quiet session. *Beside*: the same attack on a daemon of its own, which the quiet
session has nothing to do with: what it costs there is the machine's.

${table([
  [
    'attack',
    'quiet p50',
    'p50',
    'p50 beside',
    'worst call',
    'worst call beside',
    'memory above quiet',
    'a session opens',
    '',
  ],
  ...rows,
])}
`;
}

const times = (ms, quiet) => `${duration(ms)} (${(ms / quiet).toFixed(2)} ×)`;
const lost = (ms) => (ms >= LOST ? 'lost' : duration(ms));

/** A limit that the same attack on another daemon exceeds too is not met, and says nothing of this daemon. */
function verdict({ quiet, p50, worst, memory, opened, machine }) {
  const slow = p50 > limits.ratio * quiet;
  const late = worst > limits.worst;
  if (opened && !slow && !late && memory <= limits.memory) return 'met';
  const isMachine =
    opened &&
    memory <= limits.memory &&
    (!slow || machine.p50 > limits.ratio * machine.quiet) &&
    (!late || machine.worst > limits.worst);
  return isMachine ? '**not met**, nor beside' : '**not met**';
}
