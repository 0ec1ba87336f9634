// A server as a process: finds its executable, starts it, and presents it as one end of a session. Its output is
// passed on unchanged; what it writes never appears in an error.
import { accessSync, constants, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { WarderError } from '../errors.ts';
import { writeTogether } from '../os/direct-writes.ts';
import type { Log } from '../os/log.ts';
import type { Processes } from '../os/processes.ts';
import type { Child, Ending, Spawn } from '../os/spawn.ts';
import type { ServerEnd } from '../relay/endpoint.ts';
import type { ConfinedServer } from '../sandbox/confine.ts';
import type { Launch } from '../sandbox/launch.ts';
import type { PlantedReport } from '../sandbox/planted.ts';
import type { PreparedSandbox } from '../sandbox/start.ts';
import { Output } from './output.ts';
import { plantedText } from './planted-record.ts';
import { writeRecord } from './process-record.ts';
import { endTree, STOP_TIMEOUTS, type StopTimeouts, settlesWithin } from './process-tree.ts';
import type { RuntimeFolder } from './runtime-folder.ts';

/** The program to run. */
export interface ServerSpec {
  /** The profile's name, for messages. */
  readonly profile: string;
  /** A path (absolute, `~/…`, or one with a slash, relative to `cwd`), or a name to look up in the child's PATH. */
  readonly command: string;
  readonly args: readonly string[];
  /** An absolute path. */
  readonly cwd: string;
  /** The child's whole environment, with the marker of its runtime folder: see `environment`. */
  readonly env: Readonly<Record<string, string>>;
  readonly home: string;
  /** Prepares a sandbox for the executable that was found. Undefined: it runs without one. */
  readonly sandbox: ((file: string) => Promise<ServerSandbox>) | undefined;
  /** Called when its process is there, and before anything comes from it. */
  readonly onSpawned?: () => void;
  /** Told what the server planted. Its standard error tells it too, as long as somebody reads that. */
  readonly onPlanted?: (report: PlantedReport) => void;
  /** Told that it is ended because it takes more than it may. */
  readonly onOverrun?: (error: WarderError) => void;
}

/** A prepared sandbox. `begun`: it is there already, and waits for its server. */
export type ServerSandbox = PreparedSandbox & { readonly begun?: BegunProcess };

/** A process that was started, and what comes from it. */
export interface BegunProcess {
  readonly child: Child;
  readonly stdout: Output;
  readonly stderr: Output;
}

/** What starting a server needs. */
export interface ServerParts {
  readonly spawn: Spawn;
  readonly processes: Processes;
  readonly log: Log;
  readonly timeouts?: StopTimeouts;
}

/** A server that is a process on this machine. */
export interface ServerProcess extends ServerEnd {
  readonly pid: number;
  /** As `Process.started`; undefined where the system cannot say at once. */
  readonly started: number | undefined;
  /** The value of `MARKER` in the environment of all its processes. */
  readonly marker: string;
  /** The executable that was found. */
  readonly file: string;
  /** What confines the server, by measurement; undefined where nothing does. */
  readonly confined: Pick<ConfinedServer, 'layers' | 'limits' | 'unlinkedBytes'> | undefined;
  /** Settles once the server has said something, or will say nothing: before that it is busy with its start. */
  readonly spoken: Promise<void>;
  /** Settles when the server, all processes that it started, and its private folder are gone; never rejects. */
  readonly gone: Promise<void>;
}

/**
 * Starts a server. Takes ownership of `runtime` and disposes it when the start fails, or when the server and all
 * processes that it started are gone. When a server ends by itself, the rest of its tree is ended too. Throws
 * `server-missing`, `server-unstartable`.
 */
export async function spawnServer(
  spec: ServerSpec,
  runtime: RuntimeFolder,
  parts: ServerParts,
): Promise<ServerProcess> {
  try {
    const file = findCommand(spec);
    const { args, cwd, env, profile } = spec;
    using prepared = await spec.sandbox?.(file);
    const launch = prepared?.launch ?? { file, args, cwd, env };
    const begun =
      prepared?.begun ??
      (await beginProcess(launch, parts.spawn).catch((error: { code?: string }) => {
        throw spawnError(profile, spec.command, error.code);
      }));
    const { child, stderr } = begun;
    const started = parts.processes.find(child.pid)?.started;
    if (started !== undefined) recordProcess(runtime, child.pid, started, parts);
    spec.onSpawned?.();
    const confined = await prepared?.confine(child, {
      onPlanted: (report) => {
        stderr.append(Buffer.from(plantedText(profile, report)));
        spec.onPlanted?.(report);
      },
      onOveruse: spec.onOverrun,
    });
    return superviseServer(file, begun, started, confined, runtime, parts);
  } catch (error) {
    await runtime[Symbol.asyncDispose]();
    throw error;
  }
}

/** Starts a process. Throws the system's error. */
export async function beginProcess(
  { descriptors = [], ...launch }: Omit<Launch, 'descriptors'> & Partial<Pick<Launch, 'descriptors'>>,
  spawn: Spawn,
): Promise<BegunProcess> {
  const inherited = descriptors.map((entry) => (entry.kind === 'open' ? entry.descriptor : 'pipe'));
  const [stdout, stderr] = [new Output(), new Output()];
  const child = await spawn({ ...launch, descriptors: inherited, reader: stdout });
  // Attached at once: of a server that ends while it is being confined Node would discard the output.
  stdout.open(child.stdout, child.isRead);
  stderr.open(child.stderr, false);
  return { child, stdout, stderr };
}

/** Writes the record that the next daemon needs if this one is killed. The server runs without it, too. */
function recordProcess(
  runtime: RuntimeFolder,
  pid: number,
  started: number,
  { processes, log }: ServerParts,
): void {
  try {
    writeRecord(runtime.path, { pid, started, boot: processes.boot });
  } catch (error) {
    log.warn({ code: (error as NodeJS.ErrnoException).code }, "cannot record a server's process");
  }
}

function superviseServer(
  file: string,
  { child, stdout, stderr }: BegunProcess,
  started: number | undefined,
  confined: ConfinedServer | undefined,
  runtime: RuntimeFolder,
  { processes, log, timeouts = STOP_TIMEOUTS }: ServerParts,
): ServerProcess {
  const { pid, stdin, direct, ended } = child;
  const { marker } = runtime.instance;
  const tree = { pid, started, marker, supervised: true, beginning: processes.beginning(pid) };
  let onDrain = (): void => {};

  const finish = async (close?: () => void): Promise<void> => {
    try {
      if (confined === undefined) {
        await endTree(tree, { processes, log, timeouts }, ended, close);
      } else {
        await stopSandboxed(confined, timeouts, ended, close);
        // With the first process of a pid namespace all others of it have ended. Those that set it up end with it, and are in
        // the server's group.
        const isContained = confined.layers.includes('processes');
        const hasEnded = await settlesWithin(ended, timeouts.kill);
        if (!isContained || !hasEnded || processes.hasGroup(pid))
          await endTree(tree, { processes, log, timeouts: { ...timeouts, end: 0 } }, ended);
      }
    } catch (error) {
      log.error({ err: error, pid }, "cannot list a server's processes");
      processes.signal(-pid, 'SIGKILL');
    }
    // A process that escaped may still keep the pipes open.
    stdout.drain();
    stderr.drain();
    await runtime[Symbol.asyncDispose]();
    gone.resolve();
  };
  const gone = Promise.withResolvers<void>();
  let finishing: Promise<void> | undefined;
  const end = (close?: () => void): Promise<void> => {
    finishing ??= finish(close);
    return finishing;
  };
  void ended.then(() => end());
  stdin.on('drain', () => onDrain());
  // Nobody reads any more: a writer that waits may go on, and its bytes are dropped.
  stdin.on('close', () => onDrain());

  return {
    pid,
    started,
    marker: tree.marker,
    file,
    confined,
    spoken: stdout.first,
    ended,
    gone: gone.promise,
    listen: (on) => stdout.listen(on),
    pause() {
      stdout.pause();
      stderr.pause();
    },
    resume() {
      stdout.resume();
      stderr.resume();
    },
    onStderr: (listener) => stderr.listen({ data: listener, end() {} }),
    onDrain: (listener) => {
      onDrain = listener;
    },
    write(chunks) {
      if (stdin.destroyed || stdin.writableEnded) return true;
      const rest = direct === undefined ? chunks : direct.write(chunks);
      if (rest === undefined) return true;
      writeTogether(stdin, rest);
      // Bytes that the pipe accepted at once are not counted any more.
      return stdin.writableLength < stdin.writableHighWaterMark;
    },
    close: () => void stdin.end(),
    async stop(): Promise<Ending> {
      await end(() => stdin.end());
      // Unsettled only where a killed process is blocked in the kernel.
      return Promise.race([ended, setTimeout(1000, { code: null, signal: 'SIGKILL' }, { ref: false })]);
    },
  };
}

/** Ends everything in a sandbox as a tree is ended, but spares the processes that keep the sandbox until last. */
async function stopSandboxed(
  confined: ConfinedServer,
  { end, term }: StopTimeouts,
  ended: Promise<unknown>,
  close?: () => void,
): Promise<void> {
  close?.();
  if (!(await settlesWithin(ended, end))) {
    confined.signal('SIGTERM');
    await settlesWithin(ended, term);
  }
  await confined[Symbol.asyncDispose]();
}

/** Finds the executable that a spec names. Throws `server-missing`, `server-unstartable`. */
export function findCommand({
  profile,
  command,
  cwd,
  env,
  home,
}: Omit<ServerSpec, 'args' | 'sandbox'>): string {
  const folder = statSync(cwd, { throwIfNoEntry: false });
  if (folder?.isDirectory() !== true || !isExecutable(cwd)) {
    throw new WarderError(
      'server-unstartable',
      `cannot start "${profile}": cannot enter the folder "${cwd}"`,
      {
        hint: 'create it, or set another "cwd" in the profile',
      },
    );
  }
  let refused: string | undefined;
  for (const file of candidatePaths(command, cwd, env.PATH ?? '', home)) {
    const stat = tryStat(file);
    if (stat === undefined) continue;
    if (stat.isFile() && isExecutable(file)) return file;
    refused ??= file;
  }
  if (refused !== undefined) {
    throw new WarderError('server-unstartable', `cannot start "${profile}": "${refused}" is not executable`, {
      hint: 'use the program that runs it as the command, or make it executable',
    });
  }
  throw new WarderError(
    'server-missing',
    `cannot start "${profile}": the command "${command}" was not found`,
    {
      hint: command.includes('/')
        ? 'correct "server.command" in the profile'
        : `set "server.command" to its absolute path; only these folders are searched: ${env.PATH ?? ''}`,
    },
  );
}

function candidatePaths(command: string, cwd: string, path: string, home: string): string[] {
  if (command.startsWith('~/')) return [join(home, command.slice(2))];
  if (command.includes('/')) return [resolve(cwd, command)];
  // To a shell an empty entry means the current folder; here it does not.
  return path.split(':').flatMap((folder) => (folder.startsWith('/') ? [join(folder, command)] : []));
}

function tryStat(file: string): ReturnType<typeof statSync> {
  try {
    return statSync(file, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Explains, by the system's error code, why a program that exists did not start. */
function spawnError(profile: string, command: string, code: string | undefined): WarderError {
  const [what, hint] = REASONS[code ?? ''] ?? [
    `the system refused (${code ?? 'no reason given'})`,
    undefined,
  ];
  const message = `cannot start "${profile}": ${what.replace('%', `"${command}"`)}`;
  return new WarderError('server-unstartable', message, hint === undefined ? {} : { hint });
}

const REASONS: Readonly<Record<string, readonly [what: string, hint: string]>> = {
  ENOENT: ['the interpreter that % names does not exist', 'install it, or set another command'],
  EACCES: ['% may not be executed', 'check its permissions, and those of the folders above it'],
  ENOEXEC: ['% is not a program for this machine', 'install the one that is built for it'],
  ETXTBSY: ['% is being written', 'try again'],
  E2BIG: ['its arguments and environment are too long', 'use "deliver: file" for long credentials'],
  EAGAIN: ['the machine accepts no more processes', 'end some, or raise the limit (ulimit -u)'],
  ENOMEM: ['the machine has no memory left', 'end some programs'],
  EMFILE: ['Warder has too many files open', 'raise the limit (ulimit -n), and start the daemon again'],
  ENFILE: ['the machine has too many files open', 'end some programs'],
};
