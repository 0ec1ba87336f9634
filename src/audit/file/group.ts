// Group commit: records that must be on the disk before what they describe goes on are flushed by one `fdatasync` for all that
// wait, off the event loop. It begins once the turn that wrote the first of them is over, without a timer; those that come
// meanwhile are flushed by the next one, which follows at once.

/** Called when what was written before is on the disk, or cannot be. */
export type Waiter = (failed: Error | undefined) => void;

export interface GroupParts {
  /** Flushes, without blocking. Resolves to the error, if there was one. */
  readonly flush: () => Promise<Error | undefined>;
  /** Flushes at once; returns the error, if there was one. */
  readonly flushNow: () => Error | undefined;
  /** Called after each flush, before those that waited for it. */
  readonly onFlushed: (failed: Error | undefined) => void;
}

export class GroupCommit {
  readonly #parts: GroupParts;
  /** Those that the flush under way is for, and those that the next one is for. */
  #flushed: Waiter[] = [];
  #waiting: Waiter[] = [];
  #isRunning = false;
  /** Those whose records did not reach the disk, and why. */
  #lost: { readonly waiter: Waiter; readonly error: Error }[] = [];

  constructor(parts: GroupParts) {
    this.#parts = parts;
  }

  /** Whether anything that was written waits for the disk. */
  get isWaiting(): boolean {
    return this.#waiting.length + this.#flushed.length + this.#lost.length > 0;
  }

  /** What was written until now is to be flushed. Waiters are called in their order, never before this returns. */
  wait(waiter: Waiter): void {
    this.#waiting.push(waiter);
    if (this.#isRunning) return;
    this.#isRunning = true;
    queueMicrotask(() => void this.#run());
  }

  /** A flush of what was written until now has failed. Those that wait are told so once this has returned. */
  lose(error: Error): void {
    if (this.#lost.length === 0) queueMicrotask(() => this.#tellLost());
    for (const waiter of [...this.#flushed, ...this.#waiting]) this.#lost.push({ waiter, error });
    this.#flushed = [];
    this.#waiting = [];
  }

  /** Flushes at once, and calls all that wait. */
  now(): void {
    this.#tellLost();
    if (!this.isWaiting) return;
    const failed = this.#parts.flushNow();
    const waiters = [...this.#flushed, ...this.#waiting];
    this.#flushed = [];
    this.#waiting = [];
    this.#settle(waiters, failed);
  }

  #tellLost(): void {
    const lost = this.#lost;
    this.#lost = [];
    if (lost[0] !== undefined) this.#parts.onFlushed(lost[0].error);
    tellAll(lost, ({ waiter, error }) => waiter(error));
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      this.#flushed = this.#waiting;
      this.#waiting = [];
      const failed = await this.#parts.flush();
      const waiters = this.#flushed;
      this.#flushed = [];
      if (waiters.length > 0) this.#settle(waiters, failed);
    }
    this.#isRunning = false;
  }

  #settle(waiters: readonly Waiter[], failed: Error | undefined): void {
    this.#parts.onFlushed(failed);
    tellAll(waiters, (waiter) => waiter(failed));
  }
}

/** What one throws keeps no other from being told, who may be of another session, and is thrown afterwards. */
function tellAll<Told>(all: readonly Told[], tell: (each: Told) => void): void {
  const faults: unknown[] = [];
  for (const each of all) {
    try {
      tell(each);
    } catch (fault) {
      faults.push(fault);
    }
  }
  if (faults.length > 0) throw faults[0];
}
