// Gives back to the system what is left of large messages and of sessions that have ended: buffers that nobody has any more,
// which V8 frees only when it needs the room, and pages that V8 and the C library keep for the next ones. A daemon that had
// relayed a few messages of ten megabytes, or served a few hundred sessions, was two or three times as large as before, for as long as it ran.
//
// Collecting everything holds up the event loop for some fifty milliseconds, so it is done once the daemon has little to do.
import { performance } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Milliseconds after the last that leaves memory, and between two looks whether there is little to do. */
const REST = 1000;
/** Bytes that the process must have become larger by: less is not worth the time. */
const WORTH = 6 * 2 ** 20;
/** A daemon whose event loop is in use for a larger part of the time has much to do. */
const BUSY = 0.1;

export interface SpareMemoryParts {
  /** Frees what nobody has any more. */
  readonly collect: () => void;
  /** Gives free pages back. */
  readonly trim: () => void;
  /** The part of the time since the last call in which the event loop was in use. */
  readonly utilization: () => number;
  /** The bytes of this process in memory. */
  readonly resident: () => number;
}

/** One for a process. */
export class SpareMemory implements Disposable {
  readonly #parts: SpareMemoryParts;
  #timer: NodeJS.Timeout | undefined;
  #isBurst = false;
  /** The bytes in memory after the last time. What the start has left is given back whatever it is. */
  #least = 0;

  constructor(parts: SpareMemoryParts) {
    this.#parts = parts;
    this.#wait();
  }

  /** Memory is left behind: something large passes, or a session has been opened or has ended. */
  burst(): void {
    this.#isBurst = true;
    if (this.#timer === undefined) this.#wait();
  }

  /** Gives nothing back any more. */
  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }

  #wait(): void {
    this.#isBurst = false;
    this.#parts.utilization();
    this.#timer = setTimeout(this.#look, REST).unref();
  }

  readonly #look = (): void => {
    const { utilization, resident, collect, trim } = this.#parts;
    if (this.#isBurst || utilization() > BUSY) {
      this.#wait();
      return;
    }
    this.#timer = undefined;
    if (resident() - this.#least < WORTH) return;
    collect();
    trim();
    this.#least = resident();
  };
}

/** That of this process. Without koffi, or with another C library than glibc, pages stay with the library. */
export async function openSpareMemory(): Promise<SpareMemory> {
  let last = performance.eventLoopUtilization();
  let gc: (() => void) | undefined;
  return new SpareMemory({
    collect: () => {
      gc ??= collector();
      gc();
    },
    trim: await openTrim(),
    resident: () => process.memoryUsage.rss(),
    utilization: () => {
      const before = last;
      last = performance.eventLoopUtilization();
      return performance.eventLoopUtilization(last, before).utilization;
    },
  });
}

/** V8's own function, which a new context has while the flag is set. It frees the pages too that V8 keeps at other times. */
function collector(): () => void {
  setFlagsFromString('--expose-gc');
  try {
    const gc = runInNewContext('gc') as (options: object) => void;
    return () => gc({ type: 'major', execution: 'sync', flavor: 'last-resort' });
  } finally {
    setFlagsFromString('--no-expose-gc');
  }
}

async function openTrim(): Promise<() => void> {
  try {
    const trim = (await import('koffi')).default.load(null).func('int malloc_trim(size_t keep)');
    return () => void trim(0);
  } catch {
    return () => {};
  }
}
