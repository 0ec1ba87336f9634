// `warder run <profile>`: the program that a host starts in place of the server. It has no secrets: it connects to
// the daemon, copies bytes both ways, and exits as the server did. Its start-up time is added to that of every server,
// so it imports only node: modules and the wire, and loads what only a failure needs when the failure occurs.
//
// No process may be left behind: if the daemon dies, the launcher ends the servers that the daemon has announced.
// While the flow is paused, the death of the other side would go unnoticed, so it is checked once a second.
import { fstatSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import type { Writable } from 'node:stream';
import { WarderError } from './errors.ts';
import { connect, daemonCommand, refusalError, sessionBus } from './os/connect.ts';
import { homeFolder } from './os/home.ts';
import { findServerProcesses, isRunning, type ProcessStat } from './os/proc.ts';
import { Frame, FrameDecoder, WIRE_VERSION, writeFrame, writeJson } from './wire/frame.ts';
import type { RunHello, ServerIdentity } from './wire/hello.ts';
import { places } from './wire/places.ts';

/** The time between two checks of the other side while the flow is paused, in milliseconds. */
const KEEPALIVE_INTERVAL = 1000;
/** How long a server has between SIGTERM and SIGKILL, in milliseconds. */
const GRACE_PERIOD = 2000;
const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;
/** How many bytes of standard error wait for a host that does not read it, and how long, at the end, in milliseconds. */
const STDERR_LIMIT = 2 ** 20;
const STDERR_PATIENCE = 1000;
/** The exit code, as in shells, of a program that wrote to a pipe that nobody reads (128 + SIGPIPE). */
const BROKEN_PIPE = 141;

void main();

async function main(): Promise<void> {
  try {
    const { env, argv } = process;
    const uid = process.getuid?.() ?? -1;
    const socket = await connect({
      places: places({ platform: process.platform, env, home: homeFolder(env), uid }),
      uid,
      env,
      daemon: [...daemonCommand(process.execPath, argv[1] ?? ''), '--report'],
    });
    relay(socket, argv[3] ?? '');
  } catch (error) {
    fail(error);
  }
}

/** Sends HELLO and copies until one side ends. Ends the process. */
function relay(socket: Socket, profile: string): void {
  // Sent first: the daemon starts the server while the rest is set up here.
  const hello: RunHello = {
    wire: WIRE_VERSION,
    kind: 'run',
    profile,
    pid: process.pid,
    cwd: workingFolder(),
    ...sessionBus(process.env),
  };
  writeJson(socket, Frame.HELLO, hello);

  const input = openInput();
  const output = openOutput(1);
  let errors: Writable | undefined;
  const servers: ServerIdentity[] = [];
  let ended = false;
  let cleanup: Promise<void> | undefined;
  /** How many of the output streams are full, so that the daemon's bytes wait. */
  let full = 0;
  let stalled = false;
  let inputEnded = false;
  /** Bytes of standard error that were dropped because nobody reads it. */
  let dropped = 0;
  const parent = process.ppid;

  const keepalive = setInterval(() => {
    if (full > 0) writeFrame(socket, Frame.DATA, []);
    // While the input is paused or has ended, the only sign that the host was killed is that this process has
    // another parent.
    if ((stalled || inputEnded) && process.ppid !== parent) process.exit(BROKEN_PIPE);
  }, KEEPALIVE_INTERVAL);

  /** Ends the process once everything that was written has been flushed. */
  const end = (code: number): void => {
    if (ended) return;
    ended = true;
    socket.destroy();
    clearInterval(keepalive);
    // Flushed, and not ended: a socket would be shut down for others who write to it too.
    output.write('', () => {
      if (errors === undefined) process.exit(code);
      errors.write('', () => process.exit(code));
      setTimeout(() => process.exit(code), STDERR_PATIENCE);
    });
  };
  const write = (stream: Writable, bytes: Buffer): void => {
    if (stream.write(bytes)) return;
    full++;
    socket.pause();
    stream.once('drain', () => {
      if (--full === 0) socket.resume();
    });
  };

  /** Standard error never holds up the rest: what nobody reads is dropped. */
  const writeError = (bytes: Buffer): void => {
    errors ??= openOutput(2).on('error', () => {});
    if (errors.writableLength + bytes.length > STDERR_LIMIT) {
      dropped += bytes.length;
      return;
    }
    if (dropped > 0) {
      errors.write(`\nwarder: ${dropped} bytes of standard error were dropped: nobody read it\n`);
      dropped = 0;
    }
    errors.write(bytes);
  };

  const decoder = new FrameDecoder({
    bytes(type, slice) {
      if (type === Frame.DATA) write(output, slice);
      else writeError(slice);
    },
    frame(type, payload) {
      if (type === Frame.OPEN) servers.push(JSON.parse(payload.toString()));
      else if (type === Frame.EXIT) end(JSON.parse(payload.toString()).exit);
      else if (type === Frame.REFUSE) {
        const refusal = JSON.parse(payload.toString());
        printError(refusalError(refusal));
        end(refusal.exit);
      }
    },
  });

  input.on('data', (chunk: Buffer) => {
    if (ended || inputEnded || writeFrame(socket, Frame.DATA, [chunk])) return;
    stalled = true;
    input.pause();
  });
  socket.on('drain', () => {
    if (!stalled) return;
    stalled = false;
    input.resume();
  });
  /** The host asks no more. The daemon answers what is open, and ends the session. */
  const endInput = (): void => {
    if (ended || inputEnded) return;
    inputEnded = true;
    writeFrame(socket, Frame.EOF, []);
  };
  input.once('end', endInput);
  input.on('error', endInput);
  // Whatever the host does, the servers of a dead daemon are ended first.
  const exitAfterCleanup = (code: number) => () =>
    void (cleanup ?? Promise.resolve()).then(() => process.exit(code));
  output.on('error', exitAfterCleanup(BROKEN_PIPE));

  socket.on('data', (chunk: Buffer) => {
    try {
      decoder.push(chunk);
    } catch (error) {
      socket.destroy();
      fail(error);
    }
  });
  // Handled by the "close" that follows.
  socket.on('error', () => {});
  socket.once('close', () => {
    if (ended) return;
    ended = true;
    input.pause();
    cleanup = endServers(servers);
    void cleanup.then(() => {
      fail(
        new WarderError('daemon-unreachable', 'the daemon ended during the session', {
          hint: 'start the server again from the host; "warder doctor" shows what is wrong',
        }),
      );
    });
  });

  for (const [name, number] of Object.entries(SIGNALS)) {
    // The first ends the session as the end of the input does; a second one does not wait for it.
    process.on(name, () => {
      if (inputEnded || ended || name === 'SIGHUP') exitAfterCleanup(128 + number)();
      else endInput();
    });
  }
}

function workingFolder(): string {
  try {
    return process.cwd();
  } catch {
    // The folder was removed.
    return '/';
  }
}

/** Ends the servers of a dead daemon: SIGTERM to each server and all its processes, SIGKILL to those that remain. */
async function endServers(servers: readonly ServerIdentity[]): Promise<void> {
  if (servers.length === 0) return;
  const signalAll = process.platform === 'linux' ? signalTrees(servers) : signalGroups(servers);
  signalAll('SIGTERM');
  const deadline = performance.now() + GRACE_PERIOD;
  while (performance.now() < deadline && signalAll()) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  // A killed process starts no other; one that it started just before is found in the next round.
  while (performance.now() < deadline + GRACE_PERIOD && signalAll('SIGKILL')) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Sends `signal`, if any, to all processes of the servers. Returns whether any is left. */
type SignalTree = (signal?: 'SIGTERM' | 'SIGKILL') => boolean;

function signalTrees(servers: readonly ServerIdentity[]): SignalTree {
  // A process that was found once stays in the list, even when the parent by which it was found is gone.
  let found: ProcessStat[] = [];
  return (signal) => {
    found = findServerProcesses(servers, found).filter(isRunning);
    if (signal !== undefined) for (const { pid } of found) kill(pid, signal);
    return found.length > 0;
  };
}

/** For systems on which only the leader's pid is known. */
function signalGroups(servers: readonly ServerIdentity[]): SignalTree {
  return (signal) => servers.filter(({ pid }) => pid !== undefined && kill(-pid, signal ?? 0)).length > 0;
}

/** Sends a signal. Returns whether there was a process to receive it. */
function kill(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

/** Opens stdin. A pipe or a socket is opened directly, which is faster than `process.stdin`. */
function openInput(): NodeJS.ReadableStream {
  return isPipe(0) ? new Socket({ fd: 0, readable: true, writable: false }) : process.stdin;
}

function openOutput(fd: 1 | 2): Writable {
  if (isPipe(fd)) return new Socket({ fd, readable: false, writable: true });
  return fd === 1 ? process.stdout : process.stderr;
}

function isPipe(fd: number): boolean {
  try {
    const stats = fstatSync(fd);
    return stats.isFIFO() || stats.isSocket();
  } catch {
    return false;
  }
}

function printError({ message, hint }: WarderError): void {
  try {
    writeSync(2, `warder: error: ${message}\n${hint === undefined ? '' : `warder: hint: ${hint}\n`}`);
  } catch {
    // Nobody reads, or the pipe is full.
  }
}

function fail(error: unknown): never {
  const failure =
    error instanceof WarderError
      ? error
      : new WarderError('daemon-internal', 'the launcher failed', { cause: error, hint: String(error) });
  printError(failure);
  process.exit(failure.exit);
}
