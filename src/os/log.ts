// The daemon's own log: JSON Lines through pino, readable only by its owner. Every line is written before the call
// returns, so that nothing is lost when the daemon is killed. Every line passes through the redaction of the open
// sessions. It is not the audit log: a line that cannot be written is dropped and counted.
//
// Two daemons may write to it: one that has handed over, and the newer one. Each line is one write at the file's end; a
// writer whose file another one has rotated goes on in the new file, and only one at a time rotates.
import { closeSync, fchmodSync, fstatSync, openSync, renameSync, rmSync, statSync, writeSync } from 'node:fs';
import { type Logger, pino } from 'pino';
import { acquireLock } from './lock.ts';

/** The daemon's own log, as the rooms see it. Fields contain plain data, never a secret. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** How a log is kept. */
interface LogOptions {
  /** The file is rotated before it grows beyond this many bytes. */
  readonly size: number;
  /** How many rotated files are kept: `daemon.log.1` is the newest. */
  readonly keep: number;
  /** Redacts secrets from a line. */
  redact(line: string): string;
}

/** A log in a file. */
interface FileLog extends Log, Disposable {
  /** How many lines could not be written. */
  readonly dropped: number;
}

/** Opens the log at `path`, whose folder must exist. Throws the system's error. */
export function openLog(path: string, { size, keep, redact }: LogOptions): FileLog {
  let file = open();
  let dropped = 0;
  /** A rotation that failed is tried again once the file has grown beyond this. */
  let limit = size;

  function open(): number {
    const opened = openSync(path, 'a', 0o600);
    fchmodSync(opened, 0o600);
    return opened;
  }

  function reopen(): void {
    const next = open();
    closeSync(file);
    file = next;
  }

  /** The length of the file at the path, which is open then. */
  function follow(): number {
    const own = fstatSync(file);
    const { ino, dev } = statSync(path, { throwIfNoEntry: false }) ?? {};
    if (ino === own.ino && dev === own.dev) return own.size;
    reopen();
    limit = size;
    return fstatSync(file).size;
  }

  function rotate(): void {
    rmSync(`${path}.${keep}`, { force: true });
    for (let number = keep - 1; number >= 1; number--)
      renameIfExists(`${path}.${number}`, `${path}.${number + 1}`);
    renameIfExists(path, `${path}.1`);
    reopen();
    limit = size;
  }

  /** Rotates, unless another daemon does or just did. */
  function tryRotate(more: number): void {
    const length = follow();
    if (length === 0 || length + more <= limit) return;
    try {
      const lock = acquireLock(`${path}.lock`);
      // The other daemon is about to: until then the file grows by some lines.
      if (!('owner' in lock)) return;
      using _lock = lock;
      if (follow() + more > limit) rotate();
    } catch {
      // The file keeps growing; rotation is tried again after another `size` bytes.
      limit += size;
    }
  }

  function write(line: string): void {
    try {
      const bytes = Buffer.from(redact(line));
      tryRotate(bytes.length);
      for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done);
    } catch {
      dropped++;
    }
  }

  const logger: Logger = pino(
    {
      base: { pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (level) => ({ level }) },
    },
    { write },
  );
  return {
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.info(fields, message),
    warn: (fields, message) => logger.warn(fields, message),
    error: (fields, message) => logger.error(fields, message),
    get dropped() {
      return dropped;
    },
    [Symbol.dispose]: () => closeSync(file),
  };
}

function renameIfExists(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
