// `warder run <profile>`: what a host starts in the server's place. It holds nothing: it connects to the
// daemon, copies bytes both ways, and ends as the server ended. Its start-up time is added to every server's,
// so it imports nothing but node: and the wire, and loads what only a fault needs when the fault is there.
//
// Nobody may be left behind: if the daemon dies, the launcher ends the servers that it was told of. While the
// flow stands still nothing would tell of the other side's death, so then it asks once a second.
import { fstatSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { WarderError } from './errors.ts';
import { connect, daemonCommand, refusalError } from './os/connect.ts';
import { findServerProcesses, isRunning, type ProcessStat } from './os/proc.ts';
import { Frame, FrameDecoder, WIRE_VERSION, writeFrame, writeJson } from './wire/frame.ts';
import type { RunHello, ServerIdentity } from './wire/hello.ts';
import { places } from './wire/places.ts';

/** Between two questions whether the other side still lives, while the flow stands still. Milliseconds. */
const KEEPALIVE_INTERVAL = 1000;
/** How long a server has between SIGTERM and SIGKILL. Milliseconds. */
const GRACE_PERIOD = 2000;
const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;
/** As a shell says it of a program that wrote to a pipe nobody reads. */
const BROKEN_PIPE = 141;

void main();

async function main(): Promise<void> {
  try {
    const { env, argv } = process;
    const uid = process.getuid?.() ?? -1;
    const home = env.HOME ?? process.getBuiltinModule('node:os').homedir();
    const socket = await connect({
      places: places({ platform: process.platform, env, home, uid }),
      uid,
      env,
      daemon: [...daemonCommand(process.execPath, argv[1] ?? ''), '--report'],
    });
    relay(socket, argv[3] ?? '');
  } catch (error) {
    fail(error);
  }
}

/** Says hello and copies until one side ends. Ends the process. */
function relay(socket: Socket, profile: string): void {
  // Before all else: the daemon starts the server while the rest is set up here.
  const hello: RunHello = {
    wire: WIRE_VERSION,
    kind: 'run',
    profile,
    pid: process.pid,
    cwd: workingFolder(),
  };
  writeJson(socket, Frame.HELLO, hello);

  const input = openInput();
  const output = openOutput(1);
  let errors: NodeJS.WritableStream | undefined;
  const servers: ServerIdentity[] = [];
  let over = false;
  let cleanup: Promise<void> | undefined;
  /** Streams of ours that the daemon's bytes wait for. */
  let full = 0;
  let stalled = false;
  const parent = process.ppid;

  const pulse = setInterval(() => {
    if (full > 0) writeFrame(socket, Frame.DATA, []);
    // With its input held back, a host that was killed shows only by its child having got another parent.
    if (stalled && process.ppid !== parent) process.exit(BROKEN_PIPE);
  }, KEEPALIVE_INTERVAL);

  /** Ends the process once all that was written has gone. */
  const end = (code: number): void => {
    if (over) return;
    over = true;
    socket.destroy();
    clearInterval(pulse);
    let left = errors === undefined ? 1 : 2;
    const done = (): void => {
      if (--left === 0) process.exit(code);
    };
    output.end(done);
    errors?.end(done);
  };
  const write = (stream: NodeJS.WritableStream, bytes: Buffer): void => {
    if (stream.write(bytes)) return;
    full++;
    socket.pause();
    stream.once('drain', () => {
      if (--full === 0) socket.resume();
    });
  };

  const decoder = new FrameDecoder({
    bytes(type, slice) {
      if (type === Frame.DATA) write(output, slice);
      else {
        errors ??= openOutput(2);
        write(errors, slice);
      }
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
    if (over || writeFrame(socket, Frame.DATA, [chunk])) return;
    stalled = true;
    input.pause();
  });
  socket.on('drain', () => {
    if (!stalled) return;
    stalled = false;
    input.resume();
  });
  input.once('end', () => {
    if (!over) writeFrame(socket, Frame.EOF, []);
  });
  input.on('error', () => {
    if (!over) writeFrame(socket, Frame.EOF, []);
  });
  // Whatever the host does, a dead daemon's server is ended first.
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
  // What went wrong is in the close that follows.
  socket.on('error', () => {});
  socket.once('close', () => {
    if (over) return;
    over = true;
    input.pause();
    cleanup = endServers(servers);
    void cleanup.then(() => {
      fail(
        new WarderError('daemon-unreachable', 'the daemon ended in mid-session', {
          hint: 'start the server again from the host; "warder doctor" says what is wrong',
        }),
      );
    });
  });

  for (const [name, number] of Object.entries(SIGNALS)) {
    // Closing is enough: the daemon ends the server.
    process.once(name, exitAfterCleanup(128 + number));
  }
}

function workingFolder(): string {
  try {
    return process.cwd();
  } catch {
    // It was removed.
    return '/';
  }
}

/** Ends what a dead daemon left running: SIGTERM to each server and all its processes, SIGKILL to what remains. */
async function endServers(servers: readonly ServerIdentity[]): Promise<void> {
  if (servers.length === 0) return;
  const left = process.platform === 'linux' ? signalTrees(servers) : signalGroups(servers);
  left('SIGTERM');
  const patience = performance.now() + GRACE_PERIOD;
  while (performance.now() < patience && left()) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  // Who is killed can start nobody; who started somebody just before shows the next time.
  while (performance.now() < patience + GRACE_PERIOD && left('SIGKILL')) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Whether any of the servers' processes is left, each of which is sent `signal`. */
type SignalTree = (signal?: 'SIGTERM' | 'SIGKILL') => boolean;

function signalTrees(servers: readonly ServerIdentity[]): SignalTree {
  // Once a member, always a member, also when the parent is gone by which it was found.
  let found: ProcessStat[] = [];
  return (signal) => {
    found = findServerProcesses(servers, found).filter(isRunning);
    if (signal !== undefined) for (const { pid } of found) kill(pid, signal);
    return found.length > 0;
  };
}

/** Where only the leader's pid is known. */
function signalGroups(servers: readonly ServerIdentity[]): SignalTree {
  return (signal) => servers.filter(({ pid }) => pid !== undefined && kill(-pid, signal ?? 0)).length > 0;
}

/** Whether there was somebody to get the signal. */
function kill(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

/** Stdin. A pipe or a socket without the detour over `process.stdin`. */
function openInput(): NodeJS.ReadableStream {
  return isPipe(0) ? new Socket({ fd: 0, readable: true, writable: false }) : process.stdin;
}

function openOutput(fd: 1 | 2): NodeJS.WritableStream {
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
    // Nobody listens, or has no room for it.
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
