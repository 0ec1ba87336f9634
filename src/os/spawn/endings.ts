// How processes end that Node has not started: at each SIGCHLD each of them is asked for. Node asks for its own only, so
// neither takes an answer from the other.
import { constants } from 'node:os';
import type { Ending } from '../program.ts';

const WNOHANG = 1;
/** Milliseconds: the most that a timer takes. */
const LONG = 2 ** 31 - 1;

/** Of the names of one signal the first, as Node has it: SIGABRT, not SIGIOT. */
const SIGNAL_NAMES = new Map(
  Object.entries(constants.signals)
    .reverse()
    .map(([name, number]) => [number, name]),
);

/** One for a process: it takes the process's SIGCHLD. */
export class Endings {
  readonly #waitpid: (pid: number, status: Buffer, options: number) => number;
  readonly #status = Buffer.alloc(4);
  readonly #waiting = new Map<number, (ending: Ending) => void>();
  /** Keeps this process running while a child does, which a handler of signals does not. */
  #hold: NodeJS.Timeout | undefined;

  constructor(library: import('koffi').LibraryHandle) {
    this.#waitpid = library.func('int waitpid(int pid, void *status, int options)');
    process.on('SIGCHLD', () => this.#collect());
  }

  /** Settles when a child of this process has ended. Its pid is no other process's until then. */
  of(pid: number): Promise<Ending> {
    const { promise, resolve } = Promise.withResolvers<Ending>();
    this.#waiting.set(pid, resolve);
    this.#hold ??= setInterval(() => {}, LONG);
    // It may have ended before it was here.
    setImmediate(() => this.#ask(pid));
    return promise;
  }

  #collect(): void {
    for (const pid of this.#waiting.keys()) this.#ask(pid);
  }

  /** Asks whether a process has ended. */
  #ask(pid: number): void {
    const resolve = this.#waiting.get(pid);
    if (resolve === undefined) return;
    const found = this.#waitpid(pid, this.#status, WNOHANG);
    if (found === 0) return;
    this.#waiting.delete(pid);
    // Nobody else asks for it, so there is an answer.
    resolve(found === pid ? endingOf(this.#status.readInt32LE(0)) : { code: null, signal: 'SIGKILL' });
    if (this.#waiting.size > 0) return;
    clearInterval(this.#hold);
    this.#hold = undefined;
  }
}

/** Of a status of wait(2). */
function endingOf(status: number): Ending {
  const signal = status & 0x7f;
  if (signal === 0) return { code: (status >> 8) & 0xff, signal: null };
  return { code: null, signal: SIGNAL_NAMES.get(signal) ?? `SIG${signal}` };
}
