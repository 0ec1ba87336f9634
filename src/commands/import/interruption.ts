// ^C in the middle of an import: what is under way ends, what is not finished is taken back, and then the signal does what it
// does by default.
import { WarderError } from '../../errors.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Watches for signals until it is disposed of. */
export class Interruption implements Disposable {
  readonly #controller = new AbortController();
  readonly #listener = (signal: NodeJS.Signals): void => this.#controller.abort(signal);

  constructor() {
    // A second one ends the program at once.
    for (const signal of SIGNALS) process.once(signal, this.#listener);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Ends this program as the signal that came would have. */
  raise(): void {
    this[Symbol.dispose]();
    process.kill(process.pid, this.signal.reason as NodeJS.Signals);
  }

  [Symbol.dispose](): void {
    for (const signal of SIGNALS) process.off(signal, this.#listener);
  }
}

/** Throws `refused` once it was interrupted. */
export function throwIfInterrupted(signal: AbortSignal): void {
  if (signal.aborted) throw new WarderError('refused', 'the import was interrupted');
}

/** The result of `work`, or `refused` as soon as it was interrupted; the work itself may go on. */
export async function unlessInterrupted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  const over = new AbortController();
  try {
    return await Promise.race([
      work,
      new Promise<never>((_resolve, reject) => {
        const refuse = (): void => reject(new WarderError('refused', 'the import was interrupted'));
        if (signal.aborted) refuse();
        else signal.addEventListener('abort', refuse, { once: true, signal: over.signal });
      }),
    ]);
  } finally {
    over.abort();
    work.catch(() => {});
  }
}
