// The daemon's life cycle: it takes the lock first, then opens the rooms, then listens on the socket, and undoes
// this in reverse. A daemon that finds another one running reports that and exits at once, before it loads anything
// heavy: ten launchers may have started ten daemons.
import { chmodSync, rmSync, writeSync } from 'node:fs';
import { createServer, type Server as NetServer, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { WarderError } from '../errors.ts';
import { buildState, daemonFile, useBuild } from '../os/build.ts';
import type { Clock } from '../os/clock.ts';
import { connect } from '../os/connect.ts';
import { homeFolder } from '../os/home.ts';
import { closeInherited } from '../os/inherited.ts';
import { acquireLock, type Lock } from '../os/lock.ts';
import type { Log } from '../os/log.ts';
import { retiredDaemons, retiredLock, retiredSocket, sweepRetired } from '../os/retired.ts';
import { ensureFolder } from '../os/socket.ts';
import type { Settings } from '../profile/settings.ts';
import type { Check, Handlers, Result } from '../wire/control.ts';
import { WIRE_VERSION } from '../wire/frame.ts';
import type { DaemonProgram, HandOver, HandOverAnswer, Refusal } from '../wire/hello.ts';
import { type Places, places as placesOf } from '../wire/places.ts';
import { forwardChanges } from './forward.ts';
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
}

/** What the rooms together offer to the daemon. Disposing closes everything in them; the sessions have ended by then. */
export interface Rooms extends AsyncDisposable {
  openSession: ServerParts['openSession'];
  readonly handlers: Omit<Handlers, 'status' | 'stop' | 'doctor'>;
  /** What `status` shows beside the daemon itself. */
  status(): Promise<Omit<Result<'status'>, 'daemon'>>;
  /** Another daemon takes over the lock: from now on both append to the audit log, and the other one signs it. */
  retire(): void;
  /** The locks, or a credential's value, were changed through another daemon. Counts what that did to sessions. */
  refresh(credential: string | undefined, revoked: boolean): Promise<Omit<HandOverAnswer, 'pid'>>;
  /** The findings of `doctor` in the rooms. */
  checks(): Promise<Check[]>;
}

/** After this many milliseconds a stop is cut off. */
const STOP_TIMEOUT = 20_000;
/** How long an idle daemon waits for a client that connects just as it stops, in milliseconds. */
const LINGER = 50;
/** How long a socket-activated daemon waits for another one that is stopping, in milliseconds. */
const LOCK_TIMEOUT = 10_000;
/** The first descriptor that systemd passes (SD_LISTEN_FDS_START). */
const LISTEN_FDS_START = 3;

/**
 * Runs the daemon until it is told to stop or has been idle. Ends the process. `argv` is what follows
 * `daemon run`: with `--report` the single word `ready` or `running`, or a refusal as JSON, is written to stdout.
 */
export async function runDaemon(
  argv: readonly string[],
  version: string,
  openRooms: (context: DaemonContext) => Promise<Rooms>,
): Promise<never> {
  process.umask(0o077);
  const report = argv.includes('--report');
  let code: number;
  try {
    code = await serve(report, version, openRooms);
  } catch (error) {
    reportFailure(report, error);
    code = error instanceof WarderError ? error.exit : 70;
  }
  process.exit(code);
}

/** Runs from taking the lock to closing everything that was opened. Returns the exit code. */
async function serve(
  report: boolean,
  version: string,
  openRooms: (context: DaemonContext) => Promise<Rooms>,
): Promise<number> {
  const { env, platform } = process;
  const uid = process.getuid?.() ?? -1;
  const places = placesOf({ platform, env, home: homeFolder(env), uid });
  const activated = env.LISTEN_PID === String(process.pid) && Number(env.LISTEN_FDS) > 0;
  for (const name of ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES']) delete env[name];
  closeInherited(activated ? LISTEN_FDS_START + 1 : LISTEN_FDS_START);
  for (const folder of [places.state, places.run, dirname(places.socket)]) ensureFolder(folder, uid);

  using lock = await waitForLock(places, activated ? LOCK_TIMEOUT : 0);
  /** Its lock says that this daemon has handed over and goes on with its sessions. */
  using retired = new Retirement();
  if (!activated && (await isSocketServed(places, uid)))
    throw alreadyRunning('another program listens on its socket');
  sweepRetired(places);

  const [{ loadSettings }, { openLog }, { openLibc }, { clock }, { Server }, { adoptBus }, scoped] =
    await Promise.all([
      import('../profile/settings.ts'),
      import('../os/log.ts'),
      import('../os/libc.ts'),
      import('../os/clock.ts'),
      import('./server.ts'),
      import('../os/bus.ts'),
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
  const { peer, disableCoreDumps } = await openLibc(platform);
  const undumpable = disableCoreDumps();
  const started = clock.now();
  const since = clock.monotonic();
  await using rooms = await openRooms({ places, settings, log, clock, uid, version, redactions });

  const exitCode = Promise.withResolvers<number>();
  let stopping = false;
  let idle: NodeJS.Timeout | undefined;
  let retiring: Promise<void> | undefined;
  const server: Server = new Server({
    uid,
    peer,
    log,
    async openSession(request, host) {
      if (buildState() === 'removed') throw replaced();
      await rooms.openSession(request, host);
    },
    handlers: {
      ...forwardChanges(rooms.handlers, places),
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
        checks: [...daemonChecks(peer.kind, undumpable, log.dropped), ...(await rooms.checks())],
      }),
    },
    handOver: answerHandOver,
    onBus(bus) {
      if (adoptBus(bus, { env, home: homeFolder(env), uid })) log.info({}, "a client's session bus is used");
    },
    onBusy: () => clearTimeout(idle),
    onIdle() {
      clearTimeout(idle);
      if (stopping) return;
      if (retired.lock !== undefined) void stop('handed over', 0);
      else idle = setTimeout(stopIfIdle, settings.daemon.idle);
    },
  });

  let listener = await listen(places.socket, activated, (socket) => server.accept(socket));

  /** Answers a program of another version: gives way to it, or, once that is done, tells and does what it asks. */
  async function answerHandOver({
    ask,
    wire,
    credential,
    revoked = false,
  }: HandOver): Promise<HandOverAnswer> {
    const answer = { pid: process.pid, version, sessions: server.sessions };
    if (ask === 'stop') void setImmediate(stop, 'requested', 0);
    else if (ask === 'refresh') return { ...answer, ...(await rooms.refresh(credential, revoked)) };
    else if (ask === 'hand-over') await handOver(wire);
    return answer;
  }

  /** Lets go of the lock and the socket. Sessions go on with this build's files; the daemon ends after the last one. */
  async function handOver(clientWire: number): Promise<void> {
    if (clientWire <= WIRE_VERSION && buildState() === 'current')
      throw new WarderError('daemon-version', 'the daemon is not older than this program');
    if (server.sessions === 0 || stopping) {
      void stop('handed over', 0);
      return;
    }
    if (activated) {
      // systemd would start no other daemon while this one runs.
      throw new WarderError('daemon-version', `the older daemon has ${server.sessions} open sessions`, {
        hint: 'end them, or run "systemctl --user restart warder.service"',
      });
    }
    retiring ??= retire();
    await retiring;
  }

  async function retire(): Promise<void> {
    const own = await listen(retiredSocket(places, process.pid), false, (socket) => server.accept(socket));
    const record = acquireLock(retiredLock(places, process.pid));
    if (!('owner' in record)) throw alreadyRunning(`its pid is ${record.pid}`);
    retired.lock = record;
    // Whoever has found the path is still served; whoever comes later finds the lock until the other daemon may have it.
    rmSync(places.socket, { force: true });
    await new Promise((resolve) => setTimeout(resolve, LINGER));
    listener.close();
    listener = own;
    if (stopping) return;
    rooms.retire();
    lock[Symbol.dispose]();
    log.info({ sessions: server.sessions }, 'handed over to a newer daemon');
    if (!server.busy) void stop('handed over', 0);
  }

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
    listener.close();
    await server.stop();
    await server.close();
    exitCode.resolve(code);
  }

  /** Stops, unless somebody connects at that very moment: the path is removed first, and whoever has found it is served. */
  async function stopIfIdle(): Promise<void> {
    // The records of a daemon that has handed over are signed by this one.
    if (retiredDaemons(places).length > 0) {
      idle = setTimeout(stopIfIdle, settings.daemon.idle);
      return;
    }
    if (!activated) {
      rmSync(places.socket, { force: true });
      await new Promise((resolve) => setTimeout(resolve, LINGER));
      if (stopping) return;
      if (server.busy) {
        listener.close();
        listener = await listen(places.socket, activated, (socket) => server.accept(socket));
        return;
      }
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

class Retirement implements Disposable {
  lock: Lock | undefined;

  [Symbol.dispose](): void {
    this.lock?.[Symbol.dispose]();
  }
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
    await new Promise((resolve) => setTimeout(resolve, 50));
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

/** Listens on systemd's descriptor, or on the path, where at this point only a dead daemon's socket can be. */
async function listen(
  path: string,
  activated: boolean,
  accept: (socket: Socket) => void,
): Promise<NetServer> {
  const listener = createServer(accept);
  if (!activated) rmSync(path, { force: true });
  await new Promise<void>((resolve, reject) => {
    listener.once('error', reject);
    listener.listen(activated ? { fd: LISTEN_FDS_START } : { path }, resolve);
  });
  if (!activated) chmodSync(path, 0o600);
  return listener;
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
      ? { name: 'log', state: 'ok', detail: 'written' }
      : {
          name: 'log',
          state: 'warn',
          detail: `${dropped} lines could not be written`,
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
