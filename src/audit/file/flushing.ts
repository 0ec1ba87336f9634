// Flushes what was appended to the disk, in the background: one `fdatasync` at a time, a few milliseconds after a record, and
// seldom while records keep coming. On a file system with a journal a `write` waits for an `fdatasync` of the same file, one
// to ten milliseconds: with fifty of them a second that was one message in a hundred.
//
// After one that failed records are refused until one succeeds: what the disk did not take may be lost, and a call must not
// outlive its record.

/** Milliseconds without another record after which those before are flushed. */
const QUIET = 20;

/** While records keep coming they are flushed each time so many such periods are over. */
const PERIODS = 12;

/** Milliseconds after which a failed `fdatasync` is tried again. */
const FLUSH_RETRY = 200;

export interface FlushingParts {
  /** Flushes; resolves to the error, if there was one. */
  readonly flush: () => Promise<Error | undefined>;
  /** Called after each flush. */
  readonly onFlushed: () => void;
  /** Called with the first error of several. */
  readonly onFault: (error: Error) => void;
}

export class Flushing implements Disposable {
  readonly #parts: FlushingParts;
  #due = false;
  /** Periods since the last flush, and whether a record came in this one. */
  #periods = 0;
  #isBusy = false;
  #timer: NodeJS.Timeout | undefined;
  #fault: Error | undefined;
  #closed = false;

  constructor(parts: FlushingParts) {
    this.#parts = parts;
  }

  /** What was appended may not be on the disk. */
  get fault(): Error | undefined {
    return this.#fault;
  }

  /** A record was appended. */
  request(): void {
    this.#isBusy = true;
    this.#due = true;
    if (this.#timer === undefined) this.#wait();
  }

  /** Another flush has ended: of a segment that was closed. */
  report(failed: Error | undefined): void {
    if (failed !== undefined && this.#fault === undefined) this.#parts.onFault(failed);
    this.#fault = failed;
    if (failed !== undefined && !this.#closed) this.#timer ??= setTimeout(this.#flush, FLUSH_RETRY).unref();
  }

  /** Flushes nothing more. */
  [Symbol.dispose](): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  /** A record is flushed once this period, or the last of several, is over. */
  #wait(): void {
    this.#isBusy = false;
    this.#timer = setTimeout(this.#next, QUIET).unref();
  }

  readonly #next = (): void => {
    this.#periods++;
    if (this.#isBusy && this.#periods < PERIODS) this.#wait();
    else void this.#flush();
  };

  readonly #flush = async (): Promise<void> => {
    this.#periods = 0;
    this.#due = false;
    this.report(await this.#parts.flush());
    if (this.#closed) return;
    this.#parts.onFlushed();
    this.#timer = undefined;
    if (this.#fault !== undefined) this.#timer = setTimeout(this.#flush, FLUSH_RETRY).unref();
    else if (this.#due) this.#wait();
  };
}
