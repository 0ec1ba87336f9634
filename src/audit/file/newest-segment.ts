// The segment that records are appended to, and how they reach the disk: a little later (flushing.ts), or before what they
// describe goes on (group.ts). When the log goes on in another segment, what this one still has to write is written first,
// or is lost, and everybody is told so.
import { Appender, type Files } from './appender.ts';
import { Flushing } from './flushing.ts';
import { GroupCommit, type Waiter } from './group.ts';

export interface NewestSegmentParts {
  readonly files: Files;
  /** Called after each flush in the background. */
  readonly onFlushed: () => void;
  /** Called after each flush that records waited for, before those are told. */
  readonly onDurable: () => void;
  /** Called with the first error of several: the disk does not take what was appended. */
  readonly onFault: (error: Error) => void;
}

export class NewestSegment {
  readonly #parts: NewestSegmentParts;
  readonly #flushing: Flushing;
  readonly #group: GroupCommit;
  #appender: Appender;
  #closing: Promise<unknown> = Promise.resolve();
  #isStopped = false;

  /** Opens the segment; creates it if it does not exist. Throws system errors. */
  constructor(path: string, parts: NewestSegmentParts) {
    this.#parts = parts;
    this.#appender = new Appender(path, parts.files);
    this.#flushing = new Flushing({
      flush: () => this.#appender.flush(),
      onFlushed: parts.onFlushed,
      onFault: parts.onFault,
    });
    this.#group = new GroupCommit({
      flush: () => this.#appender.flush(),
      flushNow: () => this.#flushNow(),
      onFlushed: (failed) => {
        if (this.#isStopped) return;
        this.#flushing.report(failed);
        parts.onDurable();
      },
    });
  }

  /** The file. It is another one after `goOnWith`. */
  get file(): Pick<Appender, 'path' | 'size' | 'append' | 'removeTorn' | 'state' | 'acceptSize'> {
    return this.#appender;
  }

  /** What was appended may not be on the disk. */
  get fault(): Error | undefined {
    return this.#flushing.fault;
  }

  /** A record was appended: it is flushed a little later. */
  requestFlush(): void {
    this.#flushing.request();
  }

  /** `waiter` is called once what was appended until now is on the disk, or cannot be; never before this returns. */
  wait(waiter: Waiter): void {
    this.#group.wait(waiter);
  }

  /** Whether anything waits: see `wait`. */
  get isWaiting(): boolean {
    return this.#group.isWaiting;
  }

  /** Flushes what is waited for, at once. */
  flushNow(): void {
    this.#group.now();
  }

  /** Flushes all that was appended, also to segments before. Rejects with system errors. */
  async flush(): Promise<void> {
    await this.#closing;
    const failed = await this.#appender.flush();
    if (failed) throw failed;
  }

  /**
   * Goes on with another segment, which is created if it does not exist. `isUnflushed`: what the caller has appended to the one
   * before has to be on the disk. Throws system errors, and then goes on with the same one.
   */
  goOnWith(path: string, isUnflushed = false): void {
    if (isUnflushed || this.#group.isWaiting) this.#flushEnding();
    const ended = this.#appender;
    this.#appender = new Appender(path, this.#parts.files);
    const closed = ended.close().then((failed) => {
      if (failed !== undefined) this.#flushing.report(failed);
    });
    this.#closing = Promise.all([this.#closing, closed]);
  }

  /** Stops all timers. */
  stop(): void {
    this.#isStopped = true;
    this.#flushing[Symbol.dispose]();
  }

  /** Flushes and closes, after `stop`. Resolves to the error of the last flush, if any. */
  async close(): Promise<Error | undefined> {
    await this.#closing;
    return await this.#appender.close();
  }

  /** What waits for the disk is in the segment that ends: it is flushed, or lost. Throws system errors. */
  #flushEnding(): void {
    const failed = this.#flushNow();
    if (failed === undefined) return;
    this.#group.lose(failed);
    this.#flushing.report(failed);
    throw failed;
  }

  #flushNow(): Error | undefined {
    try {
      this.#appender.sync();
      return undefined;
    } catch (error) {
      return error as Error;
    }
  }
}
