// The options to the daemon, for the launcher and the command line alike: look at the socket's folder, connect,
// and start a daemon if none runs. Several may find none and each start one: the daemons' lock lets one stay,
// and all connect to that one. No package and no heavy module is imported: the launcher reads this file.
import { connect as dial, type Socket } from 'node:net';
import { type ErrorCode, EXIT, WarderError } from '../errors.ts';
import type { Refusal } from '../wire/hello.ts';
import type { Places } from '../wire/places.ts';
import { verifyFolder, verifySocket } from './socket.ts';

/** How to reach the daemon. */
interface ConnectOptions {
  readonly places: Places;
  readonly uid: number;
  /** The environment that a daemon started here may take from. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The command that runs a daemon in the foreground and reports on its stdout; none: start no daemon. */
  readonly daemon?: readonly [string, ...string[]];
}

/**
 * The command that runs a daemon in the foreground. Its young objects get little room: nearly all hold bytes that were
 * passed on, and the memory of those is free when the room is full.
 */
export function daemonCommand(node: string, program: string): [string, ...string[]] {
  return [node, '--max-semi-space-size=1', program, 'daemon', 'run'];
}

/** How long a start may take before it counts as failed, in milliseconds. A busy machine takes its time. */
const START_LIMIT = 30_000;
/** Between two tries to connect to a daemon that another started, or that is about to go. */
const RETRY = 25;
/** How many such tries before a daemon is started again. */
const TRIES = 40;

/** What the daemon needs of the environment: who the user is, where things lie, how to reach the keychain. */
const PASSED_VARIABLES = new Set(
  'HOME LOGNAME USER PATH SHELL LANG LC_ALL TZ WARDER_HOME DBUS_SESSION_BUS_ADDRESS CREDENTIALS_DIRECTORY'.split(
    ' ',
  ),
);

/**
 * Connects to the daemon, and starts one first if none runs and `options.daemon` says how. Throws `socket-unsafe`,
 * `daemon-unreachable`, or the error with which the new daemon ended.
 */
export async function connect(options: ConnectOptions): Promise<Socket> {
  if (options.uid < 0) {
    throw new WarderError('socket-unsafe', 'this system does not tell who owns a socket', {
      hint: 'Warder runs on Linux and macOS',
    });
  }
  const first = await tryConnect(options);
  if (first instanceof Object) return first;
  if (options.daemon === undefined) {
    throw new WarderError('daemon-unreachable', 'no daemon runs', { hint: 'run "warder daemon start"' });
  }
  const deadline = performance.now() + START_LIMIT;
  let found: Socket | 'none' | 'busy' = first;
  while (performance.now() < deadline) {
    if (found === 'none') await startDaemon(options.daemon, options.env);
    for (let tries = 0; tries < TRIES; tries++) {
      found = await tryConnect(options);
      if (found instanceof Object) return found;
      await new Promise((resolve) => setTimeout(resolve, RETRY));
    }
  }
  throw new WarderError('daemon-unreachable', 'the daemon does not answer', {
    hint: `look into ${options.places.log}, or run "warder stop" and try again`,
  });
}

/** One try. `none`: nobody listens; `busy`: somebody does, and has no room for now. */
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

/** Starts a daemon and waits for its word: that it is ready, or that another one runs. Throws what it failed by. */
function startDaemon(
  [file, ...args]: readonly [string, ...string[]],
  env: ConnectOptions['env'],
): Promise<void> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    if (value !== undefined && (PASSED_VARIABLES.has(name) || name.startsWith('XDG_'))) kept[name] = value;
  }
  return new Promise((resolve, reject) => {
    const { spawn } = process.getBuiltinModule('node:child_process');
    const child = spawn(file, args, {
      cwd: '/',
      env: kept,
      detached: true,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
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

/** The error that a REFUSE frame, or a daemon that could not start, tells of. */
export function refusalError({ code, message, hint }: Partial<Refusal>): WarderError {
  // A newer daemon may know codes that this program does not.
  const known = code !== undefined && Object.hasOwn(EXIT, code) ? (code as ErrorCode) : 'daemon-internal';
  return new WarderError(known, String(message), hint === undefined ? {} : { hint: String(hint) });
}
