// The daemon's own log: JSON Lines through pino, for its owner alone. Every line is written before the call
// returns, so nothing is lost when the daemon is killed; every line passes the redaction of the sessions that
// are open. It is no audit log: a line that cannot be written is dropped, and counted.
import { closeSync, fchmodSync, fstatSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { type Logger, pino } from 'pino';

/** The daemon's own log, as the rooms see it. Fields hold plain data; never a secret. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** How a log is kept. */
interface LogOptions {
  /** A file is put aside before it grows beyond so many bytes. */
  readonly size: number;
  /** So many files are kept beside the one being written: `daemon.log.1` is the newest. */
  readonly keep: number;
  /** Takes secrets out of a line. */
  redact(line: string): string;
}

/** A log in a file. */
interface FileLog extends Log, Disposable {
  /** Lines that could not be written. */
  readonly dropped: number;
}

/** Opens the log at `path`, whose folder exists. Throws the system's error. */
export function openLog(path: string, { size, keep, redact }: LogOptions): FileLog {
  let file = open();
  let length = fstatSync(file).size;
  let dropped = 0;

  function open(): number {
    const opened = openSync(path, 'a', 0o600);
    fchmodSync(opened, 0o600);
    return opened;
  }

  function rotate(): void {
    rmSync(`${path}.${keep}`, { force: true });
    for (let number = keep - 1; number >= 1; number--) move(`${path}.${number}`, `${path}.${number + 1}`);
    move(path, `${path}.1`);
    const next = open();
    closeSync(file);
    file = next;
    length = 0;
  }

  function tryRotate(): void {
    try {
      rotate();
    } catch {
      // The file grows on; it is tried again after as much once more.
      length = 0;
    }
  }

  function write(line: string): void {
    try {
      const bytes = Buffer.from(redact(line));
      if (length > 0 && length + bytes.length > size) tryRotate();
      for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done);
      length += bytes.length;
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

function move(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
