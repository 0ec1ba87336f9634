// What servers have written to standard error, and what Warder has told their hosts, one file a profile. It is for people
// who look for a fault, and no record: lines are left out of what comes too fast, and old ones go. Text comes here
// redacted as it goes to the host, and each line is redacted once more when it is written.
//
// A file has JSON Lines and is rotated once. Two daemons may write to it, one that has handed over and the newer one: each
// write is whole lines at the file's end; if both rotate at once, the older lines are lost.
import { closeSync, constants, fstatSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../os/clock.ts';
import type { Log } from '../os/log.ts';

/** A line of a log. `time` is of RFC 3339, in UTC. */
export interface ServerLine {
  readonly time: string;
  readonly session: string;
  /** `warder`: what the host was told beside the protocol. */
  readonly from: 'server' | 'warder';
  readonly text: string;
}

/** A file is rotated before it grows beyond this many bytes; one rotated file is kept. */
const FILE_LIMIT = 256 * 1024;
/** Bytes of a line; the rest is another line. */
const LINE_LIMIT = 4096;
/** Lines of a session wait for this many milliseconds, and so many bytes of them as they are written; what else comes is counted. */
const FLUSH_INTERVAL = 250;
const WAITING_LIMIT = 64 * 1024;
/** What a line costs beside its text. */
const LINE_COST = 100;

/** The file of a profile, and with `.1` that which was rotated. */
export function serverLogPath(state: string, profile: string): string {
  return join(state, 'logs', `${profile}.log`);
}

/** Deletes what is kept of a profile's servers. Throws the system's error. */
export function removeServerLog(state: string, profile: string): void {
  for (const end of ['', '.1']) rmSync(`${serverLogPath(state, profile)}${end}`, { force: true });
}

export interface ServerLogParts {
  readonly profile: string;
  readonly session: string;
  /** The folder of Warder's state. */
  readonly state: string;
  readonly clock: Clock;
  readonly log: Log;
  redact(text: string): string;
}

/** The log of one session. It never throws: what cannot be written is dropped. */
export class ServerLog implements Disposable {
  readonly #parts: ServerLogParts;
  readonly #path: string;
  /** The beginning of a line. */
  #line: Buffer[] = [];
  #lineLength = 0;
  #waiting: Omit<ServerLine, 'session'>[] = [];
  #waitingBytes = 0;
  /** Bytes that are in no line, since the last flush; and whether the line that they end in goes on. */
  #leftOut = 0;
  #isCut = false;
  #timer: NodeJS.Timeout | undefined;
  #hasFailed = false;

  constructor(parts: ServerLogParts) {
    this.#parts = parts;
    this.#path = serverLogPath(parts.state, parts.profile);
  }

  /** Pieces of what the server writes, redacted. */
  server(pieces: readonly Uint8Array[]): void {
    for (const piece of pieces) {
      let rest = Buffer.from(piece.buffer, piece.byteOffset, piece.length);
      while (rest.length > 0) {
        const end = rest.indexOf(10);
        // What nobody will read is not cut into lines.
        if (this.#isFull || this.#isCut) {
          const length = this.#isFull || end < 0 ? rest.length : end + 1;
          this.#leftOut += this.#lineLength + length;
          this.#line = [];
          this.#lineLength = 0;
          this.#isCut = rest[length - 1] !== 10;
          rest = rest.subarray(length);
          continue;
        }
        const room = LINE_LIMIT - this.#lineLength;
        const isWhole = end >= 0 && end <= room;
        const length = isWhole ? end : Math.min(rest.length, room);
        // The piece may be a part of a buffer that is used again.
        if (length > 0) this.#line.push(Buffer.from(rest.subarray(0, length)));
        this.#lineLength += length;
        rest = rest.subarray(isWhole ? length + 1 : length);
        if (isWhole || this.#lineLength >= LINE_LIMIT) this.#endLine();
      }
    }
  }

  /** A line of Warder's own. */
  warder(text: string): void {
    this.#add('warder', text);
  }

  [Symbol.dispose](): void {
    this.#endLine();
    this.#flush();
  }

  #endLine(): void {
    if (this.#lineLength === 0) return;
    const text = Buffer.concat(this.#line).toString();
    this.#line = [];
    this.#lineLength = 0;
    this.#add('server', text);
  }

  get #isFull(): boolean {
    return this.#waitingBytes >= WAITING_LIMIT;
  }

  #add(from: ServerLine['from'], text: string): void {
    if (this.#isFull) {
      this.#leftOut += Buffer.byteLength(text);
      return;
    }
    this.#waiting.push({ time: new Date(this.#parts.clock.now()).toISOString(), from, text });
    this.#waitingBytes += Buffer.byteLength(JSON.stringify(text)) + LINE_COST;
    this.#timer ??= setTimeout(() => this.#flush(), FLUSH_INTERVAL).unref();
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const { session, clock, redact } = this.#parts;
    const lines: Omit<ServerLine, 'session'>[] = this.#waiting;
    if (this.#leftOut > 0) {
      const time = new Date(clock.now()).toISOString();
      lines.push({
        time,
        from: 'warder',
        text: `${this.#leftOut} more bytes came too fast, and are left out`,
      });
    }
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#leftOut = 0;
    if (lines.length === 0) return;
    const text = lines.map(({ time, from, text }) =>
      JSON.stringify({ time, session, from, text: redact(text) }),
    );
    try {
      this.#write(Buffer.from(`${text.join('\n')}\n`));
    } catch (error) {
      if (!this.#hasFailed)
        this.#parts.log.warn({ session, error: String(error) }, "what a server writes can't be kept");
      this.#hasFailed = true;
    }
  }

  #write(bytes: Buffer): void {
    mkdirSync(join(this.#parts.state, 'logs'), { recursive: true, mode: 0o700 });
    let file = openLog(this.#path);
    try {
      const { size } = fstatSync(file);
      if (size > 0 && size + bytes.length > FILE_LIMIT) {
        renameSync(this.#path, `${this.#path}.1`);
        closeSync(file);
        file = openLog(this.#path);
      }
      for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done);
    } finally {
      closeSync(file);
    }
  }
}

function openLog(path: string): number {
  const { O_WRONLY, O_APPEND, O_CREAT, O_NOFOLLOW } = constants;
  return openSync(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW, 0o600);
}
