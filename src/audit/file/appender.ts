// One segment, open for append. A record reaches the file by one `write`; if that fails or stops half-way,
// what was written of it is taken off again, so that the next record begins on a line of its own.
import {
  close,
  closeSync,
  constants,
  fdatasync,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';

/** The system calls in use, so that tests can let one fail. */
export interface Files {
  /** Appends to the file; the count of bytes that went out. */
  write(fd: number, data: string | Buffer): number;
  /** Writes over the file's beginning; the count of bytes that went out. */
  writeOver(fd: number, text: string): number;
  truncate(fd: number, size: number): void;
  sync(fd: number): void;
}

/** The machine's own. */
export const files: Files = {
  write: (fd, data) => (typeof data === 'string' ? writeSync(fd, data) : writeSync(fd, data)),
  writeOver: (fd, text) => writeSync(fd, text, 0, 'latin1'),
  truncate: ftruncateSync,
  sync: fdatasyncSync,
};

/** Appends lines to one segment. Errors are the system's own. */
export class Appender {
  readonly path: string;
  /** Bytes of whole records in the file. */
  size: number;
  readonly #fd: number;
  readonly #files: Files;
  /** The file may end with a part of a record. */
  #torn = false;
  #flushed: Promise<Error | undefined> = Promise.resolve(undefined);

  /** Opens the segment; makes it if it is not there. */
  constructor(path: string, use: Files) {
    this.path = path;
    this.#files = use;
    const { O_WRONLY, O_APPEND, O_CREAT, O_NOFOLLOW } = constants;
    this.#fd = openSync(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW, 0o600);
    this.size = fstatSync(this.#fd).size;
    if (this.size === 0) syncFolder(dirname(path));
  }

  /** Appends a line, its "\n" included; with `sync`, down to the disk. On an error nothing of it stays. */
  append(line: string, sync: boolean): void {
    if (this.#torn) this.#mend();
    const length = Buffer.byteLength(line);
    try {
      let written = this.#files.write(this.#fd, line);
      // A short write means that the disk is full, or that a signal came; the second one tells.
      while (written < length) {
        const more = this.#files.write(this.#fd, Buffer.from(line).subarray(written));
        if (more === 0) throw new Error('a write took nothing');
        written += more;
      }
      if (sync) this.#files.sync(this.#fd);
    } catch (error) {
      this.#torn = true;
      try {
        this.#mend();
      } catch {
        // The next append tries again, and fails while it cannot be done.
      }
      throw error;
    }
    this.size += length;
  }

  /** Brings what was appended to the disk, without blocking. Never rejects: says what went wrong. */
  flush(): Promise<Error | undefined> {
    this.#flushed = new Promise((resolve) => fdatasync(this.#fd, (error) => resolve(error ?? undefined)));
    return this.#flushed;
  }

  /** Whether the file is still in its folder and holds what was appended: nobody else writes to it or removes it. */
  state(): 'kept' | 'changed' | 'removed' {
    const { nlink, size } = fstatSync(this.#fd);
    if (nlink === 0) return 'removed';
    return size === this.size || this.#torn ? 'kept' : 'changed';
  }

  /** Goes on after the bytes that somebody else has left in the file. */
  adopt(): void {
    this.size = fstatSync(this.#fd).size;
  }

  /** Flushes and closes. Nothing may be appended any more. */
  async close(): Promise<void> {
    await this.#flushed;
    await this.flush();
    await new Promise<void>((resolve) => close(this.#fd, () => resolve()));
  }

  #mend(): void {
    if (fstatSync(this.#fd).size > this.size) this.#files.truncate(this.#fd, this.size);
    this.#torn = false;
  }
}

/** A new file's name is on the disk only when its folder is. Where folders cannot be opened the system does it. */
function syncFolder(path: string): void {
  try {
    const fd = openSync(path, constants.O_RDONLY);
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  } catch {
    // Nothing to be done, and nothing that a record depends on before the next power cut.
  }
}
