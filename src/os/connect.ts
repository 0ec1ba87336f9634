// Connects to the daemon, for the launcher and the command line alike: verifies the socket's folder, connects, and
// starts a daemon if none runs. Several clients may find none and each start one: the daemons' lock keeps one, and
// all clients connect to that one. Imports no package and no heavy module, because the launcher loads this file.
import type { ChildProcessByStdio } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { connect as dial, type Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { type ErrorCode, EXIT, WarderError } from '../errors.ts';
import { Frame, WIRE_VERSION, writeJson } from '../wire/frame.ts';
import type { DaemonProgram, HandOver, Refusal, SessionBus } from '../wire/hello.ts';
import type { Places } from '../wire/places.ts';
import { verifyFolder, verifySocket } from './socket.ts';

/** How to reach the daemon. */
interface ConnectOptions {
  readonly places: Places;
  readonly uid: number;
  /** The environment from which a daemon that is started here gets its variables. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The command that runs a daemon in the foreground and reports on its stdout; undefined: start no daemon. */
  readonly daemon?: readonly [string, ...string[]];
}

/**
 * The command that runs a daemon in the foreground. V8's young generation is kept small: nearly all young objects hold
 * bytes that were passed on, and their memory is released when it is full. Without incremental marking the size of those
 * bytes alone starts no collection of everything: dozens of them a second held up all sessions while one sent long lines.
 * SIGUSR1 opens no inspector.
 */
export function daemonCommand(node: string, program: string): [string, ...string[]] {
  return [
    node,
    '--max-semi-space-size=1',
    '--no-incremental-marking',
    '--disable-sigusr1',
    program,
    'daemon',
    'run',
  ];
}

/** The client's session bus, for its HELLO. */
export function sessionBus({
  DBUS_SESSION_BUS_ADDRESS: address,
  XDG_RUNTIME_DIR: runtime,
}: ConnectOptions['env']): { bus: SessionBus } | undefined {
  return address ? { bus: { address, ...(runtime && { runtime }) } } : undefined;
}

/** How long a start may take before it counts as failed, in milliseconds. A busy machine is slow. */
const START_LIMIT = 30_000;
/** How long a daemon may take to give way before its client tries to connect anyway, in milliseconds. */
const HAND_OVER_LIMIT = 5000;
/** The time between two attempts to connect to a daemon that another client started, or that is stopping, in milliseconds. */
const RETRY = 25;
/** How many such attempts are made before a daemon is started again. */
const TRIES = 40;

/** What a daemon reports before `ready` that waits for its predecessor. */
export const WAITING = 'waiting\n';

/** The variables that the daemon needs: who the user is, where files are, how to reach the keychain, and a person. */
const PASSED_VARIABLES = new Set(
  (
    'HOME LOGNAME USER PATH SHELL LANG LC_ALL TZ WARDER_HOME DBUS_SESSION_BUS_ADDRESS CREDENTIALS_DIRECTORY ' +
    'DISPLAY WAYLAND_DISPLAY XAUTHORITY'
  ).split(' '),
);

/**
 * Connects to the daemon. Starts one first if none runs and `options.daemon` is set. Throws `socket-unsafe`,
 * `daemon-unreachable`, or the error with which the new daemon ended.
 */
export async function connect(options: ConnectOptions): Promise<Socket> {
  if (options.uid < 0) {
    throw new WarderError('socket-unsafe', 'this system does not report who owns a socket', {
      hint: 'Warder runs on Linux and macOS',
    });
  }
  if (options.daemon !== undefined && isOutdated(options.places.lock)) await requestHandOver(options);
  let found = await tryConnect(options);
  if (found instanceof Object) return found;
  if (options.daemon === undefined) {
    throw new WarderError('daemon-unreachable', 'no daemon is running', {
      hint: 'run "warder daemon start"',
    });
  }
  const deadline = performance.now() + START_LIMIT;

  while (performance.now() < deadline) {
    if (found === 'none') await startDaemon(options.daemon, options.env);
    for (let tries = 0; tries < TRIES; tries++) {
      found = await tryConnect(options);
      if (found instanceof Object) return found;
      await new Promise((resolve) => setTimeout(resolve, RETRY));
    }
  }
  throw new WarderError('daemon-unreachable', 'the daemon does not answer', {
    hint: `look at ${options.places.log}, or run "warder stop" and try again`,
  });
}

/**
 * Whether the daemon's lock names a program that speaks an older protocol, or one that another build has replaced in its
 * own folder. Two installations that differ only in their builds do not replace each other's daemon.
 */
function isOutdated(lock: string): boolean {
  let program: Partial<DaemonProgram>;
  try {
    program = JSON.parse(readFileSync(lock, 'utf8'));
  } catch {
    return false;
  }
  const { wire, build } = program;
  if (typeof wire !== 'number' || typeof build !== 'string') return false;
  if (wire !== WIRE_VERSION) return wire < WIRE_VERSION;
  const at = build.lastIndexOf('/') + 1;
  try {
    return !readFileSync(`${build.slice(0, at)}current`, 'utf8').includes(`"${build.slice(at)}"`);
  } catch {
    return true;
  }
}

/** Asks the daemon to give way. Settles when it has, or has refused, which the connection that follows will show. */
async function requestHandOver(options: ConnectOptions): Promise<void> {
  const socket = await tryConnect(options);
  if (!(socket instanceof Object)) return;
  const request: HandOver = { wire: WIRE_VERSION, ask: 'hand-over' };
  writeJson(socket, Frame.HAND_OVER, request);
  await new Promise<void>((resolve) => {
    socket.on('error', () => {});
    socket.once('close', () => resolve());
    socket.setTimeout(HAND_OVER_LIMIT, () => socket.destroy());
    socket.resume().once('end', () => socket.destroy());
  });
}

/** Tries once. `none`: nobody listens; `busy`: somebody listens, but the backlog is full. */
function tryConnect({ places, uid }: ConnectOptions): Promise<Socket | 'none' | 'busy'> {
  const folder = places.socket.slice(0, places.socket.lastIndexOf('/'));
  if (!verifyFolder(folder, uid) || !verifySocket(places.socket, uid)) return Promise.resolve('none');
  return new Promise((resolve, reject) => {
    const socket = dial(places.socket);
    const fail = (cause: NodeJS.ErrnoException): void => {
      if (cause.code === 'ENOENT' || cause.code === 'ECONNREFUSED') resolve('none');
      else if (cause.code === 'EAGAIN') resolve('busy');
      else reject(new WarderError('daemon-unreachable', `cannot connect to ${places.socket}`, { cause }));
    };
    socket.once('error', fail);
    socket.once('connect', () => {
      socket.removeListener('error', fail);
      resolve(socket);
    });
  });
}

/**
 * Starts a daemon and waits for its report that it is ready, or that another one runs. Throws the error that it reports.
 * `next`: one that takes this daemon's place gets `input` as its standard input, and says when it waits for the lock.
 *
 * A shell starts it in the background and ends, in a session of its own, so that the daemon is a child of init: a host
 * that ends its tree by parent, process group or session does not end the daemon that other hosts use.
 */
export function startDaemon(
  command: readonly string[],
  env: ConnectOptions['env'],
  next?: { readonly input: string; onWaiting(): void },
): Promise<void> {
  const passed: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    if (value !== undefined && (PASSED_VARIABLES.has(name) || name.startsWith('XDG_'))) passed[name] = value;
  }
  return new Promise((resolve, reject) => {
    const { spawn } = process.getBuiltinModule('node:child_process');
    // A shell gives what it starts in the background no input but what it is told to.
    const script = next === undefined ? '"$@" &' : '"$@" 0<&3 3<&- &';
    const child = spawn('/bin/sh', ['-c', script, 'sh', ...command], {
      cwd: '/',
      env: passed,
      detached: true,
      stdio: ['ignore', 'pipe', 'ignore', ...(next === undefined ? [] : ['pipe' as const])],
    }) as ChildProcessByStdio<null, Readable, null>;
    (child.stdio[3] as Writable | undefined)?.on('error', () => {}).end(next?.input);
    let report = '';
    const finish = (): void => {
      clearTimeout(timer);
      child.stdout.destroy();
      child.unref();
      const word = report.trim();
      if (word === 'ready' || word === 'running') resolve();
      else reject(reportedError(word));
    };
    const timer = setTimeout(finish, START_LIMIT);
    child.stdout.setEncoding('utf8');
    child.stdout.on('data', (text: string) => {
      report += text;
      if (report.startsWith(WAITING)) {
        report = report.slice(WAITING.length);
        next?.onWaiting();
      }
      if (report.includes('\n')) finish();
    });
    child.stdout.once('end', finish);
    child.once('error', (cause) => {
      clearTimeout(timer);
      reject(new WarderError('daemon-unreachable', 'cannot start the daemon', { cause }));
    });
  });
}

function reportedError(report: string): WarderError {
  try {
    return refusalError(JSON.parse(report));
  } catch {
    return new WarderError('daemon-unreachable', 'the daemon did not start', {
      hint: 'run "warder daemon run" to see why',
    });
  }
}

/** Makes an error from a REFUSE frame, or from the report of a daemon that could not start. */
export function refusalError({ code, message, hint }: Partial<Refusal>): WarderError {
  // A newer daemon may use codes that this program does not know.
  const known = code !== undefined && Object.hasOwn(EXIT, code) ? (code as ErrorCode) : 'daemon-internal';
  return new WarderError(known, String(message), hint === undefined ? {} : { hint: String(hint) });
}
