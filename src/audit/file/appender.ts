// One segment, open for append. One record, or several, are written by one `write`; if that fails or stops half-way, the part
// that was written is removed again, so that the next record begins on a line of its own.
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
import { promisify } from 'node:util';

/** The system calls in use, so that tests can make one fail. */
export interface Files {
  /** Appends the bytes from `start` to `end` to the file and returns the number of bytes written. */
  write(fd: number, data: Uint8Array, start: number, end: number): number;
  /** Overwrites the file's beginning and returns the number of bytes written. */
  writeOver(fd: number, data: Uint8Array): number;
  truncate(fd: number, size: number): void;
  sync(fd: number): void;
  /** As `sync`, without blocking. */
  flush(fd: number): Promise<void>;
}

/** The real system calls. */
export const files: Files = {
  write: (fd, data, start, end) => writeSync(fd, data, start, end - start),
  writeOver: (fd, data) => writeSync(fd, data, 0, data.length, 0),
  truncate: ftruncateSync,
  sync: fdatasyncSync,
  flush: promisify(fdatasync),
};

/** Appends lines to one segment. Throws system errors. */
export class Appender {
  readonly path: string;
  /** Bytes of whole records in the file. */
  size: number;
  readonly #fd: number;
  /** Another opening of the file: the system tells each of an error once, and a flush of the other may be under way. */
  readonly #syncFd: number;
  readonly #files: Files;
  /** The file may end with part of a record. */
  #torn = false;
  #flushing: Promise<Error | undefined> | undefined;

  /** Opens the segment; creates it if it does not exist. */
  constructor(path: string, files: Files) {
    this.path = path;
    this.#files = files;
    const { O_WRONLY, O_APPEND, O_CREAT, O_NOFOLLOW } = constants;
    this.#fd = openSync(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW, 0o600);
    this.size = fstatSync(this.#fd).size;
    try {
      this.#syncFd = openSame(path, this.#fd);
      if (this.size === 0) syncFolder(dirname(path));
    } catch (error) {
      closeSync(this.#fd);
      throw error;
    }
  }

  /**
   * Appends lines, including their "\n", which are the first `length` bytes; with `sync`, flushes them to the disk. On an error the
   * file is unchanged.
   */
  append(lines: Uint8Array, length: number, sync: boolean): void {
    this.removeTorn();
    try {
      let written = this.#files.write(this.#fd, lines, 0, length);
      // A short write means that the disk is full, or that a signal arrived; the next write shows which.
      while (written < length) {
        const more = this.#files.write(this.#fd, lines, written, length);
        if (more === 0) throw new Error('a write wrote no bytes');
        written += more;
      }
      if (sync) this.sync();
    } catch (error) {
      this.#torn = true;
      try {
        this.removeTorn();
      } catch {
        // The next append tries again, and fails as long as this does.
      }
      throw error;
    }
    this.size += length;
  }

  /**
   * Flushes appended records to the disk, without blocking. Never rejects: resolves to the error, if any. One that is asked for
   * while another is under way follows it, and fails with it: that may have had the same records to write.
   */
  flush(): Promise<Error | undefined> {
    const before = this.#flushing;
    const flush =
      before === undefined
        ? this.#flush()
        : before.then(async (failed) => {
            const again = await this.#flush();
            return failed ?? again;
          });
    this.#flushing = flush;
    void flush.then(() => {
      if (this.#flushing === flush) this.#flushing = undefined;
    });
    return flush;
  }

  #flush(): Promise<Error | undefined> {
    return this.#files.flush(this.#fd).then(
      () => undefined,
      (error: Error) => error,
    );
  }

  /** Flushes appended records to the disk at once. Throws system errors. */
  sync(): void {
    this.#files.sync(this.#syncFd);
  }

  /** Whether the file still exists in its folder and has the size that was appended, as nobody else may touch it. */
  state(): 'intact' | 'changed' | 'removed' {
    const { nlink, size } = fstatSync(this.#fd);
    if (nlink === 0) return 'removed';
    return size === this.size || this.#torn ? 'intact' : 'changed';
  }

  /** Continues after bytes that somebody else appended to the file. */
  acceptSize(): void {
    this.size = fstatSync(this.#fd).size;
  }

  /** Removes what is left of records that could not be written whole; nobody else may have appended since. Throws system errors. */
  removeTorn(): void {
    if (!this.#torn) return;
    if (fstatSync(this.#fd).size > this.size) this.#files.truncate(this.#fd, this.size);
    this.#torn = false;
  }

  /** Flushes and closes. Nothing may be appended afterwards. Never rejects: resolves to the error of the flush, if any. */
  async close(): Promise<Error | undefined> {
    await this.#flushing;
    const failed = await this.flush();
    for (const descriptor of [this.#fd, this.#syncFd])
      await new Promise<void>((resolve) => close(descriptor, () => resolve()));
    return failed;
  }
}

/** Opens a file again that is open. Throws if another has its name by now. */
function openSame(path: string, open: number): number {
  const { O_WRONLY, O_NOFOLLOW } = constants;
  const descriptor = openSync(path, O_WRONLY | O_NOFOLLOW);
  const [first, second] = [open, descriptor].map((each) => fstatSync(each, { bigint: true }));
  if (first?.ino === second?.ino && first?.dev === second?.dev) return descriptor;
  closeSync(descriptor);
  throw new Error('the segment was replaced while it was opened');
}

/** Flushes a folder, and with it the names of new files. Systems that cannot open folders do it themselves. */
function syncFolder(path: string): void {
  try {
    const fd = openSync(path, constants.O_RDONLY);
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  } catch {
    // Nothing can be done, and only a power cut could lose the name.
  }
}
