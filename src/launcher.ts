// `warder run <profile>`: the program that a host starts in place of the server. It has no secrets: it connects to
// the daemon, copies bytes both ways, and exits as the server did. Its start-up time is added to that of every server,
// so it imports only node: modules and the wire, and loads what only a failure needs when the failure occurs.
//
// No process may be left behind: if the daemon dies, the launcher ends the servers that the daemon has announced.
// While the flow is paused, the death of the other side would go unnoticed, so it is checked once a second.
import { fstatSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { WarderError } from './errors.ts';
import { connect, daemonCommand, refusalError, sessionBus } from './os/connect.ts';
import { homeFolder } from './os/home.ts';
import { endServers } from './os/orphans.ts';
import { Frame, FrameDecoder, WIRE_VERSION, writeFrame, writeJson } from './wire/frame.ts';
import type { RunHello, ServerIdentity } from './wire/hello.ts';
import { places } from './wire/places.ts';

/** The time between two checks of the other side while the flow is paused, in milliseconds. */
const KEEPALIVE_INTERVAL = 1000;
const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;
/** How many bytes of standard error wait for a host that does not read it, and how long, at the end, in milliseconds. */
const STDERR_LIMIT = 2 ** 20;
const STDERR_PATIENCE = 1000;
/** How much of what the host sends is kept until the first answer. */
const UNANSWERED_LIMIT = 2 ** 20;
/** The exit code, as in shells, of a program that wrote to a pipe that nobody reads (128 + SIGPIPE). */
const BROKEN_PIPE = 141;
/** How many daemons are asked that end before they answer. */
const TRIES = 3;
/** How long the host is not read while the daemon says nothing, in milliseconds: one of an earlier build may not. */
const ANSWER_PATIENCE = 2000;
const LINE_FEED = 0x0a;

void main();

async function main(): Promise<void> {
  try {
    const { env, argv } = process;
    const uid = process.getuid?.() ?? -1;
    const hello: RunHello = {
      wire: WIRE_VERSION,
      kind: 'run',
      profile: argv[3] ?? '',
      pid: process.pid,
      cwd: workingFolder(),
      ...sessionBus(env),
    };
    const options = {
      places: places({ platform: process.platform, env, home: homeFolder(env), uid }),
      uid,
      env,
      daemon: [...daemonCommand(process.execPath, argv[1] ?? ''), '--report'] as [string, ...string[]],
    };
    for (let tries = 0; tries < TRIES; tries++) {
      const socket = await connect(options);
      writeJson(socket, Frame.HELLO, hello);
      if (await isAnswered(socket)) return relay(socket);
    }
    throw new WarderError('daemon-unreachable', 'the daemon ended before it answered', {
      hint: 'start the server again from the host; "warder doctor" shows what is wrong',
    });
  } catch (error) {
    await refuseStart(errorOf(error), { input: openInput(), output: openOutput(1), asked: [] });
  }
}

/**
 * Whether the daemon has said something, or has had the time to. One that is ending, or has just been killed, closes the
 * connection instead: then nothing was read of the host yet, and another daemon can be asked.
 */
function isAnswered(socket: Socket): Promise<boolean> {
  return new Promise((resolve) => {
    const settle = (answered: boolean) => (): void => {
      clearTimeout(timer);
      socket.off('readable', look).off('close', closed);
      resolve(answered);
    };
    const closed = settle(false);
    const answered = settle(true);
    const look = (): void => {
      if (socket.readableLength > 0) answered();
    };
    const timer = setTimeout(answered, ANSWER_PATIENCE);
    // Handled by the "close" that follows.
    socket.on('error', () => {});
    socket.on('readable', look).once('close', closed);
  });
}

/** Copies until one side ends. Ends the process. */
function relay(socket: Socket): void {
  const input = openInput();
  const output = openOutput(1);
  let errors: Writable | undefined;
  const servers: ServerIdentity[] = [];
  /** What the host has sent, for as long as nothing has come back that could be an answer. */
  let unanswered: Buffer[] | undefined = [];
  let unansweredLength = 0;
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
    flush(code);
  };
  const flush = (code: number): void => {
    // Flushed, and not ended: a socket would be shut down for others who write to it too.
    output.write('', () => {
      if (errors === undefined) process.exit(code);
      errors.write('', () => process.exit(code));
      setTimeout(() => process.exit(code), STDERR_PATIENCE);
    });
  };
  /** Ends the process with an error. If the start failed, the host is told as well. */
  const fail = (error: WarderError, code: number = error.exit): void => {
    ended = true;
    socket.destroy();
    clearInterval(keepalive);
    const asked = unanswered;
    unanswered = undefined;
    if (asked !== undefined) void refuseStart(error, { input, output, asked }, code);
    else {
      printError(error);
      flush(code);
    }
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
      if (type === Frame.DATA) {
        unanswered = undefined;
        write(output, slice);
      } else writeError(slice);
    },
    frame(type, payload) {
      if (type === Frame.OPEN) servers.push(JSON.parse(payload.toString()));
      else if (type === Frame.EXIT) end(JSON.parse(payload.toString()).exit);
      else if (type === Frame.REFUSE && !ended) {
        const refusal = JSON.parse(payload.toString());
        fail(refusalError(refusal), refusal.exit);
      }
    },
  });

  input.on('data', (chunk: Buffer) => {
    if (unanswered !== undefined) {
      unanswered.push(chunk);
      unansweredLength += chunk.length;
      if (unansweredLength > UNANSWERED_LIMIT) unanswered = undefined;
    }
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
      if (!ended) fail(errorOf(error));
    }
  });
  socket.once('close', () => {
    if (ended) return;
    ended = true;
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

/** Opens stdin. A pipe or a socket is opened directly, which is faster than `process.stdin`. */
function openInput(): Readable {
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

function errorOf(error: unknown): WarderError {
  return error instanceof WarderError
    ? error
    : new WarderError('daemon-internal', 'the launcher failed', { cause: error, hint: String(error) });
}

/**
 * Ends the process of a start that is refused. `asked`: what the host has sent so far. If it has asked nothing yet, it may
 * do so until a second after the start, so that its first request is answered with the reason.
 */
async function refuseStart(
  error: WarderError,
  { input, output, asked }: { input: Readable; output: Writable; asked: Buffer[] },
  code: number = error.exit,
): Promise<void> {
  printError(error);
  const { answerRefused, MAX_ASKED, PATIENCE } = await import('./wire/refused-start.ts');
  const exit = (): never => process.exit(code);
  // Also for a host that does not read.
  setTimeout(exit, Math.max(PATIENCE / 4, PATIENCE - performance.now()));
  output.on('error', exit);
  let length = 0;
  let answered = false;
  const answer = (atEnd: boolean): void => {
    const bytes = Buffer.concat(asked.splice(0));
    const whole = atEnd ? bytes.length : bytes.lastIndexOf(LINE_FEED) + 1;
    asked.push(bytes.subarray(whole));
    const answers = answerRefused(bytes.toString('utf8', 0, whole), error);
    if (answers !== '') output.write(answers, exit);
    else if (atEnd) exit();
    answered ||= answers !== '';
  };
  answer(input.readableEnded);
  input.on('data', (chunk: Buffer) => {
    length += chunk.length;
    if (answered || length > MAX_ASKED) return;
    asked.push(chunk);
    if (chunk.includes(LINE_FEED)) answer(false);
  });
  for (const event of ['end', 'error']) input.on(event, () => answered || answer(true));
  input.resume();
}
