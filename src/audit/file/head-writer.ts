// Keeps the head's file at the log's end: it is written in a microtask, still before anything else can happen, but once for all
// records of one piece; or behind a flush, where records wait for the disk, so that after a power cut it is not ahead of the log.
import type { Head } from '../chain/chain.ts';
import type { HeadFile } from './head.ts';

export interface HeadWriterParts {
  /** The last record's number and hash. */
  readonly head: () => Head;
  /** Has `settle` called in a microtask. */
  readonly settleSoon: () => void;
  /** Called with the system error when the head cannot be written by itself. */
  readonly onFault: (error: unknown) => void;
}

export class HeadWriter implements Disposable {
  readonly #file: HeadFile;
  readonly #parts: HeadWriterParts;
  #isDue = false;
  /** It is due in a microtask, and not behind a flush. */
  #isSoon = false;
  #hasFailed = false;

  /** Takes over the file, which is closed with this. */
  constructor(file: HeadFile, parts: HeadWriterParts) {
    this.#file = file;
    this.#parts = parts;
  }

  /** The head could not be written: the next record has to write it first, as a cut end would not show otherwise. */
  get hasFailed(): boolean {
    return this.#hasFailed;
  }

  /** Writes the head. Throws system errors. */
  write(): void {
    this.#isDue = false;
    this.#file.write(this.#parts.head());
    this.#hasFailed = false;
  }

  /** A record was written. `isLater`: `writeDue` will be called once it is on the disk. */
  request(isLater: boolean): void {
    this.#isDue = true;
    if (isLater) return;
    this.#isSoon = true;
    this.#parts.settleSoon();
  }

  /** Writes the head if it is due and waits for no flush. Throws nothing. */
  settle(): void {
    if (!this.#isSoon) return;
    this.#isSoon = false;
    this.writeDue();
  }

  /** Writes the head if it is due. Throws nothing. */
  writeDue(): void {
    if (!this.#isDue) return;
    try {
      this.write();
    } catch (error) {
      this.#hasFailed = true;
      this.#parts.onFault(error);
    }
  }

  /** Creates the file again if somebody removed it. Returns whether it had been removed. Throws system errors. */
  restore(): boolean {
    return this.#file.restore(this.#parts.head());
  }

  /** What is due is not written any more. */
  stop(): void {
    this.#isDue = false;
  }

  /** Closes the file, after `stop`. */
  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }
}
