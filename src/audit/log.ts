// The audit log, open for append: one process at a time, which the daemon's lock guarantees.
//
// A record is written by one synchronous `write` before the message that it tells of goes on: no record, no
// call. A process that is killed loses nothing that was written. Bytes reach the disk in the background, at
// most a few milliseconds later, or at once for records that ask for it. The head follows in a microtask:
// still before anything else can happen, but once for all records of one incoming piece.
//
// Signatures come when they come: appending never waits for a key. Each signs an earlier record.
import { mkdirSync } from 'node:fs';
import { unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '../os/clock.ts';
import type { Log } from '../os/log.ts';
import type { Places } from '../wire/places.ts';
import { Chain, type Head, type JsonObject } from './chain/chain.ts';
import { sha256 } from './chain/hash.ts';
import { Stamp } from './chain/time.ts';
import { keepKey, keysPath, type Signer } from './checkpoint.ts';
import type { AuditEvent, Fields } from './events.ts';
import { Appender, type Files, files } from './file/appender.ts';
import { HeadFile, headPath } from './file/head.ts';
import { recover } from './file/recover.ts';
import { firstEntry, type Keep, outdated } from './file/retention.ts';
import { LONGEST, segmentName } from './file/segments.ts';
import { unwritable } from './file/unwritable.ts';
import { Signing } from './signing.ts';

/** What the log needs. `settings` are those of `config/warder.yaml`. */
export interface AuditOptions {
  readonly places: Pick<Places, 'audit' | 'state'>;
  readonly settings: {
    /** Bytes after which a segment ends. */
    readonly segment: number;
    readonly keep: Keep;
    /** A signature at least after so many records, and so many milliseconds after a record. */
    readonly checkpoint: { readonly records: number; readonly every: number };
  };
  readonly version: string;
  readonly pid: number;
  readonly clock: Clock;
  readonly log: Log;
  /** The system calls; the machine's own if not given. */
  readonly files?: Files;
}

/** The events that others append; the log writes the rest itself. */
export type Told = Exclude<keyof Fields & AuditEvent, 'daemon.start' | 'daemon.stop' | 'checkpoint'>;

/** Milliseconds from a record to the `fdatasync` that takes it and all others since to the disk. */
const FLUSH = 20;

/** Milliseconds that an ending daemon waits for the last signature. */
const PATIENCE = 2000;

/** A segment also ends at this part of the age that is kept: else a quiet log would never let go of anything. */
const AGE_PART = 8;

/** The log. `open` writes `daemon.start`, disposing writes `daemon.stop`. */
export class AuditLog implements AsyncDisposable {
  readonly #options: AuditOptions;
  readonly #chain: Chain;
  readonly #head: HeadFile;
  readonly #signing: Signing;
  readonly #timer: NodeJS.Timeout;
  readonly #stamp = new Stamp();
  #appender: Appender;
  #closed = false;
  /** When the segment began, in milliseconds since the epoch. */
  #began: number;
  #headDue = false;
  #headFault = false;
  #flushDue = false;
  #flushing: NodeJS.Timeout | undefined;
  #keeping: Promise<void> = Promise.resolve();
  #closing: Promise<unknown> = Promise.resolve();
  #broken: boolean;
  #writeFault: string | undefined;

  /** Mends and verifies the log's end, and appends `daemon.start`. Throws `audit-unwritable`. */
  static async open(options: AuditOptions): Promise<AuditLog> {
    const { places, settings, version, pid, clock } = options;
    let appender: Appender | undefined;
    let head: HeadFile | undefined;
    let log: AuditLog | undefined;
    try {
      mkdirSync(places.audit, { recursive: true, mode: 0o700 });
      const found = await recover(places.audit, places.state);
      // Only who lets go by age needs to know how old the segment is.
      const first = settings.keep.age === undefined ? undefined : await firstEntry(found.segment);
      const path = found.segment?.path ?? join(places.audit, segmentName(found.head.seq + 1));
      appender = new Appender(path, options.files ?? files);
      head = new HeadFile(headPath(places.state), options.files ?? files);
      // A new log has a head before its first record: a log without one shows that it was taken away.
      if (found.head.seq === 0) head.write(found.head);
      const began = first === undefined ? clock.now() : Date.parse(first.time);
      log = new AuditLog(options, appender, head, new Chain(sha256, found.head), found.broken, began);
      log.#append('daemon.start', { version, pid, ...found.facts }, true);
      log.#writeHead();
      log.#signing.count();
      if (found.broken) options.log.error(found.facts, 'the audit log does not verify');
      log.#retain();
      return log;
    } catch (error) {
      if (log !== undefined) log.#end();
      head?.[Symbol.dispose]();
      await appender?.close();
      throw unwritable(error, places.audit);
    }
  }

  private constructor(
    options: AuditOptions,
    appender: Appender,
    head: HeadFile,
    chain: Chain,
    broken: boolean,
    began: number,
  ) {
    const { places, settings, log } = options;
    this.#options = options;
    this.#appender = appender;
    this.#head = head;
    this.#chain = chain;
    this.#broken = broken;
    this.#began = began;
    this.#timer = setInterval(() => this.#tick(), Math.min(settings.checkpoint.every, 2 ** 31 - 1)).unref();
    this.#signing = new Signing(settings.checkpoint.records, {
      head: () => chain.head,
      append: (checkpoint) => {
        keepKey(keysPath(places.state), checkpoint.key);
        this.#append('checkpoint', checkpoint, false);
      },
      warn: (message) => log.warn({ error: message }, 'the audit log goes on without a signature'),
    });
  }

  /** The last record's number and hash. */
  get head(): Head {
    return this.#chain.head;
  }

  /**
   * Appends a record and returns its number. When it returns, the record is with the operating system, and
   * with `fsync` on the disk. Throws `audit-unwritable`, and then the log is as before: whatever the record
   * tells of must not happen.
   */
  append<E extends Told>(event: E, fields: Fields[E], durability: 'write' | 'fsync' = 'write'): number {
    const seq = this.#append(event, fields, durability === 'fsync');
    this.#signing.count();
    return seq;
  }

  /** Sets what signs from now on, or that nothing does. A signature of all so far follows at once. */
  setSigner(signer: Signer | undefined): void {
    this.#signing.signer = signer;
  }

  /** Signs the log's end. Settles when that is done, or has failed, which `status` tells; never rejects. */
  checkpoint(): Promise<void> {
    return this.#signing.sign();
  }

  /** For `status` and `doctor`: the head, whether it gets signed, and what is wrong. */
  status(): {
    readonly seq: number;
    readonly hash: string;
    readonly signed: boolean;
    readonly detail?: string;
  } {
    const { signer, fault } = this.#signing;
    const detail =
      this.#writeFault ??
      (this.#broken ? 'the log does not verify: warder audit verify says where' : undefined) ??
      fault ??
      (signer === undefined ? 'no credential store is set up, so nothing signs the log' : undefined);
    const { seq, hash } = this.head;
    return { seq, hash, signed: signer !== undefined && !fault, ...(detail !== undefined && { detail }) };
  }

  /** Appends `daemon.stop`, signs it if that can be done soon, and closes the log. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    const { version, pid, log } = this.#options;
    try {
      this.#append('daemon.stop', { version, pid }, false);
      this.#signing.count();
    } catch {
      log.error({}, 'the end of the daemon is not in the audit log');
    }
    const patience = new AbortController();
    const last = Promise.all([this.checkpoint(), this.#keeping]);
    const enough = delay(PATIENCE, undefined, { signal: patience.signal }).catch(() => undefined);
    await Promise.race([last, enough]);
    patience.abort();
    this.#headSoon();
    this.#end();
    await this.#closing;
    await this.#appender.close();
    this.#head[Symbol.dispose]();
  }

  /** From here on nothing touches the files, which are about to be closed. */
  #end(): void {
    this.#closed = true;
    this.#headDue = false;
    clearInterval(this.#timer);
    clearTimeout(this.#flushing);
  }

  #append<E extends keyof Fields>(event: E, fields: Fields[E], sync: boolean): number {
    const { places, settings, clock, log } = this.#options;
    try {
      if (this.#closed) throw new Error('the log is closed');
      if (this.#headFault) this.#writeHead();
      // An interface has no index signature; that its members are JSON, `Fields` says.
      const next = this.#chain.next(event, this.#stamp.of(clock.now()), fields as unknown as JsonObject);
      if (next.line.length > LONGEST / 4) throw new Error('the record is too long');
      const full = this.#appender.size + next.line.length > settings.segment && this.#appender.size > 0;
      if (full) this.#turn();
      this.#appender.append(next.line, sync);
      this.#chain.head = next.head;
    } catch (error) {
      const refusal = unwritable(error, places.audit);
      if (this.#writeFault === undefined) log.error({ error: refusal.message }, 'calls are refused');
      this.#writeFault = refusal.message;
      throw refusal;
    }
    this.#writeFault = undefined;
    if (!this.#headDue) {
      this.#headDue = true;
      queueMicrotask(this.#headSoon);
    }
    this.#flushDue = true;
    this.#flushing ??= setTimeout(this.#flush, FLUSH).unref();
    return this.#chain.head.seq;
  }

  #writeHead(): void {
    this.#headDue = false;
    this.#head.write(this.#chain.head);
    this.#headFault = false;
  }

  /** A head that cannot be written refuses the next record: a cut end must not go unseen. */
  readonly #headSoon = (): void => {
    if (!this.#headDue) return;
    try {
      this.#writeHead();
    } catch (error) {
      this.#headFault = true;
      this.#options.log.error({ error: String(error) }, 'the head of the audit log cannot be written');
    }
  };

  /** One `fdatasync` at a time, for all records since the last. */
  readonly #flush = async (): Promise<void> => {
    this.#flushDue = false;
    const failed = await this.#appender.flush();
    if (failed)
      this.#options.log.error({ error: String(failed) }, 'the audit log may not have reached the disk');
    if (this.#closed) return;
    this.#guard();
    this.#flushing = this.#flushDue ? setTimeout(this.#flush, FLUSH).unref() : undefined;
  };

  /** Sees that the files are still there, and nobody else's. Nothing is repaired: `verify` will tell. */
  #guard(): void {
    const { log, places } = this.#options;
    try {
      const state = this.#appender.state();
      if (state !== 'kept') {
        this.#broken = true;
        log.error({ file: this.#appender.path }, `an audit segment was ${state} by somebody else`);
      }
      if (state === 'removed') this.#turn();
      if (state === 'changed') this.#appender.adopt();
      if (this.#head.keep(this.head)) log.error({}, 'the head of the audit log was removed by somebody else');
    } catch (error) {
      log.error({ error: unwritable(error, places.audit).message }, 'the audit log cannot be watched');
    }
  }

  /** Signs what is not signed yet, and ends a segment that is old enough. */
  #tick(): void {
    const { settings, clock, log } = this.#options;
    const { age } = settings.keep;
    void this.checkpoint();
    if (age === undefined) return;
    try {
      if (this.#appender.size > 0 && clock.now() - this.#began > age / AGE_PART) this.#turn();
      else this.#retain();
    } catch (error) {
      log.warn({ error: String(error) }, 'the audit log cannot begin a segment');
    }
  }

  /** Begins the segment of the next record. */
  #turn(): void {
    const { places, clock } = this.#options;
    mkdirSync(places.audit, { recursive: true, mode: 0o700 });
    const path = join(places.audit, segmentName(this.#chain.head.seq + 1));
    const old = this.#appender;
    this.#appender = new Appender(path, this.#options.files ?? files);
    this.#began = clock.now();
    this.#closing = Promise.all([this.#closing, old.close()]);
    void this.checkpoint();
    this.#retain();
  }

  /** Lets go of old segments. First a record says where the log then starts: a start missing without it shows. */
  #retain(): void {
    const { places, settings, clock, log } = this.#options;
    const work = async (): Promise<void> => {
      const old = await outdated(places.audit, settings.keep, clock.now());
      if (old === undefined) return;
      this.#append('checkpoint', { start_seq: old.start.seq, start_prev: old.start.prev }, true);
      this.#signing.count();
      for (const { path } of old.segments) await unlink(path);
    };
    this.#keeping = this.#keeping
      .then(work)
      .catch((error) => log.warn({ error: String(error) }, 'old audit segments stay'));
  }
}
