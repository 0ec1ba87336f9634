// Runs a program that shows a dialog, until it ends or the question is withdrawn. A program that floods, or that ignores
// the request to end, is killed.
import { addAbortListener } from 'node:events';
import type { Child, Spawn } from '../../os/spawn.ts';

/** A dialog's program: an absolute path that is fixed or the user's own setting, never one that a host has given. */
export interface DialogProgram {
  readonly file: string;
  readonly args: readonly string[];
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>;
  /** What it reads. */
  readonly input?: string;
}

/** How it ended. */
export interface DialogResult {
  /** Its exit code; null if a signal ended it. */
  readonly code: number | null;
  readonly output: string;
}

/** Bytes of output; a program that writes more is no dialog. */
const MAX_OUTPUT = 4096;
/** Milliseconds from the request to end to the kill. */
const GRACE = 1000;

/** Runs a program to its end. Undefined: it cannot be started, writes too much, or the question was withdrawn. */
export async function runDialog(
  spawn: Spawn,
  program: DialogProgram,
  signal: AbortSignal,
): Promise<DialogResult | undefined> {
  const { file, args, env, input = '' } = program;
  if (signal.aborted) return undefined;
  const child = await spawn({ file, args, cwd: '/', env }).catch(() => undefined);
  if (child === undefined) return undefined;
  using _withdrawal = endOnAbort(child, signal);
  const chunks: Buffer[] = [];
  let size = 0;
  child.stdout.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size > MAX_OUTPUT) end(child);
    else chunks.push(chunk);
  });
  const read = new Promise((resolve) => child.stdout.once('close', resolve));
  child.stdout.resume();
  child.stderr.resume();
  child.stdin.end(input);
  const { code } = await child.ended;
  // A process that it left behind may hold the pipe.
  await Promise.race([read, new Promise((resolve) => setTimeout(resolve, GRACE).unref())]);
  child.stdout.destroy();
  if (size > MAX_OUTPUT || signal.aborted) return undefined;
  return { code, output: Buffer.concat(chunks).toString('utf8') };
}

/** Ends a program when the question is withdrawn. */
export function endOnAbort(child: Child, signal: AbortSignal): Disposable {
  const listener = addAbortListener(signal, () => end(child));
  return { [Symbol.dispose]: () => listener[Symbol.dispose]() };
}

/** Ends a program and what it has started: with SIGINT, so that one that draws in a terminal clears it, then by force. */
export function end(child: Child): void {
  kill(child.pid, 'SIGINT');
  const timer = setTimeout(() => kill(child.pid, 'SIGKILL'), GRACE);
  void child.ended.then(() => {
    clearTimeout(timer);
    kill(child.pid, 'SIGKILL');
  });
}

/** To the whole group, which the program leads. */
function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // It has ended.
  }
}
