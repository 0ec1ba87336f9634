// Flushes what was appended to the disk, in the background: one `fdatasync` at a time, a few milliseconds after a record. After
// one that failed records are refused until one succeeds: what the disk did not take may be lost, and a call must not
// outlive its record.

/** Milliseconds from a record to the `fdatasync` that flushes it and all later ones to the disk. */
const FLUSH_DELAY = 20;

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
    this.#due = true;
    this.#timer ??= setTimeout(this.#flush, FLUSH_DELAY).unref();
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

  readonly #flush = async (): Promise<void> => {
    this.#due = false;
    this.report(await this.#parts.flush());
    if (this.#closed) return;
    this.#parts.onFlushed();
    if (this.#fault !== undefined) this.#timer = setTimeout(this.#flush, FLUSH_RETRY).unref();
    else this.#timer = this.#due ? setTimeout(this.#flush, FLUSH_DELAY).unref() : undefined;
  };
}
