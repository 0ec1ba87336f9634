// A log that two daemons append to: the one that has the daemon's lock, and an older one that has handed over and still has
// sessions. Each record is written under a lock of the log's own, after its writer has looked where the log ends now, so
// the records of both are one chain. A lock whose owner was killed is taken over; what the owner left behind shows in
// the files: part of a record, which is cut off, or a record that the head does not have yet.
import { closeSync, existsSync, fstatSync, ftruncateSync, openSync, readdirSync, readSync } from 'node:fs';
import { basename, join } from 'node:path';
import { acquireLock } from '../../os/lock.ts';
import type { Places } from '../../wire/places.ts';
import { check, type Head, ORIGIN } from '../chain/chain.ts';
import { sha256 } from '../chain/hash.ts';
import type { Appender } from './appender.ts';
import { headPath, readHead } from './head.ts';
import type { Recovery } from './recover.ts';
import { MAX_LINE, segment, segmentName } from './segments.ts';

/** Milliseconds that a record waits for the other daemon. It needs less than one. */
const TIMEOUT = 1000;
const FIRST_READ = 16 * 1024;
const SEGMENT = /^\d{16}\.jsonl$/;
const NEWLINE = 0x0a;

/** Where a log ends. */
export interface LogEnd {
  readonly head: Head;
  /** The newest segment, which exists unless the log is empty. */
  readonly path: string;
}

/** Takes the log's lock, and blocks until it has it. Throws if the other daemon does not let go of it in time. */
function lockLog(state: string): Disposable {
  const deadline = performance.now() + TIMEOUT;
  for (;;) {
    const lock = acquireLock(join(state, 'audit.lock'));
    if ('owner' in lock) return lock;
    if (performance.now() > deadline) throw new Error(`the daemon ${lock.pid} does not let go of the log`);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
  }
}

/** Whether two daemons append, and the lock that each then takes for each record. */
export class SharedWriting {
  readonly #places: Pick<Places, 'audit' | 'state'>;
  /** Whether another daemon, which has handed over to this one, still appends. */
  readonly #othersAppend: () => boolean;
  #active: boolean;
  /** This daemon has handed over to the other one. */
  #retired = false;

  constructor(places: Pick<Places, 'audit' | 'state'>, othersAppend: () => boolean) {
    this.#places = places;
    this.#othersAppend = othersAppend;
    this.#active = othersAppend();
  }

  get active(): boolean {
    return this.#active;
  }

  /** The other daemon may append as soon as this returns. */
  retire(): void {
    this.#active = true;
    this.#retired = true;
  }

  /** Takes the log's lock if another daemon appends. Throws as `lockLog` does. */
  lock(): Disposable | undefined {
    return this.#active ? lockLog(this.#places.state) : undefined;
  }

  /** Where the log ends, unless that is where this daemon left it. The caller has the lock. */
  newEnd({ seq, hash }: Head, appender: Pick<Appender, 'state'>): LogEnd | undefined {
    const { audit, state } = this.#places;
    const stored = readHead(headPath(state));
    const unchanged =
      stored?.seq === seq &&
      stored.hash === hash &&
      appender.state() === 'intact' &&
      !existsSync(join(audit, segmentName(seq + 1)));
    return unchanged ? undefined : findLogEnd(audit, state);
  }

  /**
   * Calls `work` with the log's lock. If the other daemon had ended before, this one has the log alone afterwards, unless it
   * has handed over itself.
   */
  follow(work: () => void): void {
    const ended = !this.#othersAppend();
    using _lock = lockLog(this.#places.state);
    work();
    if (ended && !this.#retired) this.#active = false;
  }
}

/** Where a log ends that another daemon appends to: it is checked by that one, and may be longer by the next record. */
export function joinLog({ audit, state }: Pick<Places, 'audit' | 'state'>): Recovery {
  using _lock = lockLog(state);
  const { head, path } = findLogEnd(audit, state);
  return { head, segment: segment(audit, basename(path)), findings: {}, broken: false };
}

/** Finds the log's end. Cuts off a part of a record, which nobody was told is written. The caller has the lock. */
function findLogEnd(folder: string, state: string): LogEnd {
  const head = readHead(headPath(state)) ?? ORIGIN;
  const newest = readdirSync(folder)
    .filter((name) => SEGMENT.test(name))
    .sort()
    .at(-1);
  if (newest === undefined) return { head, path: join(folder, segmentName(head.seq + 1)) };
  const path = join(folder, newest);
  const line = lastLine(path);
  const { entry } = line === undefined ? { entry: undefined } : check(line, sha256);
  // As at a start: a head that is ahead of the log shows that the end was cut.
  if (entry === undefined || entry.seq < head.seq) return { head, path };
  return { head: { seq: entry.seq, hash: entry.hash }, path };
}

/** The last whole line, without its "\n"; what follows it is cut off. */
function lastLine(path: string): string | undefined {
  const fd = openSync(path, 'r+');
  try {
    let end = fstatSync(fd).size;
    for (let size = FIRST_READ; end > 0; size *= 4) {
      const length = Math.min(size, end);
      const bytes = Buffer.allocUnsafe(length);
      readSync(fd, bytes, 0, length, end - length);
      const last = bytes.lastIndexOf(NEWLINE);
      if (last < 0) {
        if (length < end && length < MAX_LINE) continue;
        end = length < end ? end : 0;
        ftruncateSync(fd, end);
        return undefined;
      }
      if (last < length - 1) {
        end -= length - 1 - last;
        ftruncateSync(fd, end);
        size = FIRST_READ / 4;
        continue;
      }
      const before = length < 2 ? -1 : bytes.lastIndexOf(NEWLINE, length - 2);
      if (before < 0 && length < end && length < MAX_LINE) continue;
      return bytes.toString('utf8', before + 1, length - 1);
    }
    return undefined;
  } finally {
    closeSync(fd);
  }
}
