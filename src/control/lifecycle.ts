// The daemon's life cycle: it takes the lock first, then opens the rooms, then listens on the socket, and undoes
// this in reverse. A daemon that finds another one running reports that and exits at once, before it loads anything
// heavy: ten launchers may have started ten daemons.
import { readFileSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { WarderError } from '../errors.ts';
import { buildState, daemonFile, useBuild } from '../os/build.ts';
import type { Clock } from '../os/clock.ts';
import { connect, WAITING } from '../os/connect.ts';
import { DescriptorInbox } from '../os/descriptor-inbox.ts';
import { homeFolder } from '../os/home.ts';
import { closeInherited } from '../os/inherited.ts';
import { acquireLock, type Lock } from '../os/lock.ts';
import type { Log } from '../os/log.ts';
import { retiredDaemons, sweepRetired } from '../os/retired.ts';
import { ensureFolder } from '../os/socket.ts';
import type { Settings } from '../profile/settings.ts';
import type { Check, Handlers, Result } from '../wire/control.ts';
import { WIRE_VERSION } from '../wire/frame.ts';
import type { DaemonProgram, Inheritance, Refusal } from '../wire/hello.ts';
import { type Places, places as placesOf } from '../wire/places.ts';
import { DaemonSocket, LISTEN_FDS_START } from './daemon-socket.ts';
import { forwardChanges } from './forward.ts';
import { Retirement, type RetiringRooms } from './hand-over.ts';
import { joinOlder } from './older-questions.ts';
import type { Server, ServerParts } from './server.ts';

/** What the daemon passes to the rooms. */
export interface DaemonContext {
  readonly places: Places;
  readonly settings: Settings;
  readonly log: Log;
  readonly clock: Clock;
  readonly uid: number;
  readonly version: string;
  /** Every line of the daemon's log passes through all of these. The sessions' redaction is added and removed here. */
  readonly redactions: Set<(line: string) => string>;
  /** What the daemon in whose place this one was started has passed on. */
  readonly inherited: Inheritance | undefined;
}

/** What the rooms together offer to the daemon. Disposing closes everything in them; the sessions have ended by then. */
export interface Rooms extends RetiringRooms, AsyncDisposable {
  openSession: ServerParts['openSession'];
  /** Whether the daemon must not end while it is idle: with it something would be lost that only the user can give. */
  readonly needed: boolean;
  readonly handlers: Omit<Handlers, 'status' | 'stop' | 'doctor'>;
  /** What `status` shows beside the daemon itself. */
  status(): Promise<Omit<Result<'status'>, 'daemon'>>;
  /** The findings of `doctor` in the rooms. */
  checks(): Promise<Check[]>;
}

/** After this many milliseconds a stop is cut off. */
const STOP_TIMEOUT = 20_000;
/** How long a daemon that systemd or its predecessor started waits for another one that is stopping, in milliseconds. */
const LOCK_TIMEOUT = 10_000;
/** The time between two attempts to take it, in milliseconds: nobody else is to be faster. */
const LOCK_RETRY = 5;
/**
 * Runs the daemon until it is told to stop or has been idle. Ends the process. `argv` is what follows
 * `daemon run`: with `--report` the single word `ready` or `running`, or a refusal as JSON, is written to stdout; with
 * `--inherit` an older daemon passes something on by stdin.
 */
export async function runDaemon(
  argv: readonly string[],
  version: string,
  openRooms: (context: DaemonContext) => Promise<Rooms>,
): Promise<never> {
  process.umask(0o077);
  const report = argv.includes('--report');
  const inherits = argv.includes('--inherit');
  let code: number;
  try {
    code = await serve({ report, inherits, version }, openRooms);
  } catch (error) {
    reportFailure(report, error);
    code = error instanceof WarderError ? error.exit : 70;
  }
  process.exit(code);
}

/** Runs from taking the lock to closing everything that was opened. Returns the exit code. */
async function serve(
  { report, inherits, version }: { report: boolean; inherits: boolean; version: string },
  openRooms: (context: DaemonContext) => Promise<Rooms>,
): Promise<number> {
  const { env, platform } = process;
  const uid = process.getuid?.() ?? -1;
  const places = placesOf({ platform, env, home: homeFolder(env), uid });
  const activated = env.LISTEN_PID === String(process.pid) && Number(env.LISTEN_FDS) > 0;
  for (const name of ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES']) delete env[name];
  closeInherited(activated ? LISTEN_FDS_START + 1 : LISTEN_FDS_START);
  for (const folder of [places.state, places.run, dirname(places.socket)]) ensureFolder(folder, uid);

  // Before any key is in memory: who may signal this process could have it dump its core, or stop it and read it.
  const { openLibc } = await import('../os/libc.ts');
  const { peer, descriptors: calls, disableCoreDumps } = await openLibc(platform);
  const undumpable = disableCoreDumps();
  // Read in any case, so that nobody is left with a full pipe.
  const given = inherits ? readFileSync(0, 'utf8') : undefined;
  if (inherits) writeLine(1, WAITING.trimEnd());
  using lock = await waitForLock(places, activated || inherits ? LOCK_TIMEOUT : 0);
  if (!activated && (await isSocketServed(places, uid)))
    throw alreadyRunning('another program listens on its socket');
  sweepRetired(places);
  using descriptors = DescriptorInbox.open(calls, places.socket, uid);

  const [{ loadSettings }, { openLog }, { clock }, { Server }, { adoptBus }, { parseInheritance }, scoped] =
    await Promise.all([
      import('../profile/settings.ts'),
      import('../os/log.ts'),
      import('../os/clock.ts'),
      import('./server.ts'),
      import('../os/bus.ts'),
      import('./hello.ts'),
      // One that a client started. Before the rooms: a sandbox's control group may be made below the daemon's.
      report && import('../os/scope.ts').then(({ enterScope }) => enterScope(env, uid)),
    ]);
  const settings = loadSettings(places);
  const redactions = new Set<(line: string) => string>();
  const redact = (line: string): string => {
    let clean = line;
    for (const redaction of redactions) clean = redaction(clean);
    return clean;
  };
  using log = openLog(places.log, { ...settings.daemon.log, redact });
  const started = clock.now();
  const since = clock.monotonic();
  const inherited = given === undefined ? undefined : parseInheritance(given);
  await using rooms = await openRooms({ places, settings, log, clock, uid, version, redactions, inherited });

  const exitCode = Promise.withResolvers<number>();
  let stopping = false;
  let idle: NodeJS.Timeout | undefined;
  const server: Server = new Server({
    uid,
    peer,
    descriptors,
    log,
    async openSession(request, host) {
      if (buildState() === 'removed') throw replaced();
      await rooms.openSession(request, host);
    },
    handlers: {
      ...joinOlder(forwardChanges(rooms.handlers, places), places, () => clock.monotonic()),
      status: async () => ({
        daemon: {
          pid: process.pid,
          version,
          started: new Date(started).toISOString(),
          uptime: Math.round(clock.monotonic() - since),
          memory: process.memoryUsage.rss(),
          peer: peer.kind,
        },
        ...(await rooms.status()),
      }),
      stop() {
        setImmediate(stop, 'requested', 0);
        return { pid: process.pid, sessions: server.sessions };
      },
      doctor: async () => ({
        checks: [...daemonChecks(peer.kind, undumpable, places.log, log.dropped), ...(await rooms.checks())],
      }),
    },
    handOver: (request) => retirement.answer(request),
    onBus(bus) {
      if (adoptBus(bus, { env, home: homeFolder(env), uid })) log.info({}, "a client's session bus is used");
    },
    onBusy: () => clearTimeout(idle),
    onIdle() {
      clearTimeout(idle);
      if (stopping) return;
      if (retirement.done) void stop('handed over', 0);
      else idle = setTimeout(stopIfIdle, settings.daemon.idle);
    },
  });

  using retirement = new Retirement({
    places,
    version,
    log,
    lock,
    rooms,
    socket: () => socket,
    sessions: () => server.sessions,
    stop: (reason) => void stop(reason, 0),
    stopping: () => stopping,
  });
  const socket = await DaemonSocket.open(places.socket, activated, (client) => server.accept(client));

  /** Ends everything, once: new connections, then the sessions with their servers, then what `serve` opened. */
  async function stop(reason: string, code: number): Promise<void> {
    if (stopping) return;
    stopping = true;
    clearTimeout(idle);
    log.info({ reason, sessions: server.sessions }, 'daemon stops');
    setTimeout(() => {
      log.error({}, 'daemon did not stop in time');
      process.exit(70);
    }, STOP_TIMEOUT).unref();
    socket.close();
    await server.stop();
    await server.close();
    exitCode.resolve(code);
  }

  /** Stops, unless somebody connects at that very moment: the path is removed first, and whoever has found it is served. */
  async function stopIfIdle(): Promise<void> {
    // The records of a daemon that has handed over are signed by this one.
    if (rooms.needed || retiredDaemons(places).length > 0) {
      idle = setTimeout(stopIfIdle, settings.daemon.idle);
      return;
    }
    if (!activated) {
      await socket.hide();
      if (stopping) return;
      if (server.busy) return await socket.show();
    }
    await stop('idle', 0);
  }

  process.on('uncaughtException', (error) => {
    log.error({ error: error.stack ?? error.message }, 'fault');
    void stop('a fault', 70);
  });
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => void stop(signal, 0));

  log.info({ version, peer: peer.kind, activated, scoped }, 'daemon ready');
  reportReady(report);
  using _build = useBuild();
  if (!server.busy) idle = setTimeout(stopIfIdle, settings.daemon.idle);
  return await exitCode.promise;
}

/** Takes the lock; waits for it up to `timeout` milliseconds. Throws `daemon-running`. */
async function waitForLock(places: Places, timeout: number): Promise<Lock> {
  const deadline = performance.now() + timeout;
  for (;;) {
    const program: DaemonProgram | undefined =
      daemonFile === undefined ? undefined : { wire: WIRE_VERSION, build: daemonFile };
    const lock = acquireLock(places.lock, program);
    if ('owner' in lock) return lock;
    if (performance.now() >= deadline) throw alreadyRunning(`its pid is ${lock.pid}`);
    await new Promise((resolve) => setTimeout(resolve, LOCK_RETRY));
  }
}

/** Whether somebody listens on the daemon's socket although we have the lock: systemd does, for a daemon of its own. */
async function isSocketServed(places: Places, uid: number): Promise<boolean> {
  try {
    (await connect({ places, uid, env: {} })).destroy();
    return true;
  } catch (error) {
    if (error instanceof WarderError && error.code === 'daemon-unreachable') return false;
    throw error;
  }
}

function alreadyRunning(detail: string): WarderError {
  return new WarderError('daemon-running', `a daemon is already running: ${detail}`, {
    hint: 'run "warder stop" first',
  });
}

function replaced(): WarderError {
  return new WarderError('daemon-version', 'Warder was replaced by another version while the daemon ran', {
    hint: 'run "warder stop": the next session starts the daemon of the new version',
  });
}

/** The findings of `doctor` in the daemon itself. */
function daemonChecks(
  peer: Result<'status'>['daemon']['peer'],
  undumpable: boolean,
  log: string,
  dropped: number,
): Check[] {
  const koffi = 'install Warder with its optional dependency koffi';
  return [
    peer === 'folder permissions'
      ? {
          name: 'peer',
          state: 'warn',
          detail: 'only the permissions of its folder protect the socket',
          hint: koffi,
        }
      : { name: 'peer', state: 'ok', detail: `the user who connects is checked: ${peer}` },
    undumpable
      ? { name: 'core dumps', state: 'ok', detail: 'off' }
      : { name: 'core dumps', state: 'warn', detail: 'the system may still write one', hint: koffi },
    dropped === 0
      ? { name: 'log', state: 'ok', detail: `written to ${log}` }
      : {
          name: 'log',
          state: 'warn',
          detail: `${dropped} lines could not be written to ${log}`,
          hint: 'free space on the disk',
        },
  ];
}

function reportReady(report: boolean): void {
  writeLine(1, report ? 'ready' : `warder: the daemon is ready (pid ${process.pid})`);
}

function reportFailure(report: boolean, error: unknown): void {
  const { code, message, hint, exit } =
    error instanceof WarderError
      ? error
      : new WarderError('daemon-internal', 'the daemon cannot start', { hint: String(error) });
  if (!report) {
    writeLine(2, `warder: error: ${message}${hint === undefined ? '' : `\nwarder: hint: ${hint}`}`);
    return;
  }
  const refusal: Refusal = { code, message, exit, ...(hint !== undefined && { hint }) };
  writeLine(1, code === 'daemon-running' ? 'running' : JSON.stringify(refusal));
}

function writeLine(descriptor: 1 | 2, line: string): void {
  try {
    writeSync(descriptor, `${line}\n`);
  } catch {
    // Nobody listens.
  }
}
