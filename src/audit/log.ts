// The audit log, open for append: by the process that has the daemon's lock. While a daemon that has handed over to it still
// has sessions, that one appends too, and each record is written under a lock of the log's own (file/shared.ts); the
// daemon with the lock signs the records of both, and nothing is removed meanwhile.
//
// A record is written by a synchronous `write` before the message that it describes is forwarded: no record, no call. Those of
// one incoming piece are written together (file/batch.ts). A process that is killed loses nothing that was written. Bytes
// are flushed to the disk in the background, a few milliseconds later, or at once for records that ask for it. The head is
// written in a microtask: still before anything else can happen, but once for all records of one piece.
//
// A disk that fails to take them refuses records too, until it has taken them.
//
// Signatures are asynchronous: appending never waits for a key. Each signs an earlier record.
import { mkdirSync } from 'node:fs';
import { unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '../os/clock.ts';
import type { Log } from '../os/log.ts';
import type { Places } from '../wire/places.ts';
import type { JsonObject } from './chain/canonical.ts';
import { Chain, type Head } from './chain/chain.ts';
import { sha256 } from './chain/hash.ts';
import { Lines } from './chain/lines.ts';
import { Timestamps } from './chain/time.ts';
import { keysPath, recordKey, type SignedPoint, type Signer } from './checkpoint.ts';
import type { AuditEvent, Fields } from './events.ts';
import { Appender, type Files, files } from './file/appender.ts';
import { type BatchParts, type PendingRecord, writeBatch } from './file/batch.ts';
import { findSigned, findVaultMark } from './file/find.ts';
import { Flushing } from './file/flushing.ts';
import { GroupCommit } from './file/group.ts';
import { HeadFile, headPath } from './file/head.ts';
import { recover } from './file/recover.ts';
import { Expiry, firstEntry, type Retention, SEGMENTS_PER_AGE } from './file/retention.ts';
import { segmentName } from './file/segments.ts';
import { joinLog, SharedWriting } from './file/shared.ts';
import { unwritableError } from './file/unwritable.ts';
import { Signing } from './signing.ts';
import type { VaultMark } from './vault-mark.ts';

/** What the log needs. `settings` come from `config/warder.yaml`. */
export interface AuditOptions {
  readonly places: Pick<Places, 'audit' | 'state'>;
  readonly settings: {
    /** Bytes after which a segment ends. */
    readonly segment: number;
    readonly keep: Retention;
    /** A signature is made at the latest after so many records, and so many milliseconds after a record. */
    readonly checkpoint: { readonly records: number; readonly every: number };
  };
  readonly version: string;
  readonly pid: number;
  readonly clock: Clock;
  readonly log: Log;
  /** A credential store is set up: its signer will come, and needs what it signed last. By default none is. */
  readonly signerExpected?: boolean;
  /** Whether another daemon, which has handed over to this one, still appends. By default none does. */
  readonly othersAppend?: () => boolean;
  /** The system calls; the real ones by default. */
  readonly files?: Files;
}

/** The events that other rooms append; the log writes the rest itself. */
export type AppendableEvent = Exclude<
  keyof Fields & AuditEvent,
  'daemon.start' | 'daemon.stop' | 'checkpoint'
>;

/** Milliseconds that a stopping daemon waits for the last signature. */
const STOP_TIMEOUT = 2000;

/** Records that wait to be written together, at most. */
const MAX_PENDING = 1024;

/** Up to so many records of another daemon are counted one by one, which is enough for a signature. */
const MAX_COUNTED = 10_000;

/** The log. `open` writes `daemon.start`, disposing writes `daemon.stop`. */
export class AuditLog implements AsyncDisposable {
  readonly #options: AuditOptions;
  readonly #chain: Chain;
  readonly #head: HeadFile;
  readonly #signing: Signing;
  readonly #timer: NodeJS.Timeout;
  readonly #timestamps = new Timestamps();
  #appender: Appender;
  #closed = false;
  readonly #shared: SharedWriting;
  /** When the segment was started, by the monotonic clock. */
  #segmentStart: number;
  #headDue = false;
  #headFault = false;
  #pending: PendingRecord[] = [];
  readonly #batch: BatchParts;
  readonly #flushing: Flushing;
  readonly #group: GroupCommit;
  readonly #expiry: Expiry;
  #retention: Promise<void> = Promise.resolve();
  #closingSegments: Promise<unknown> = Promise.resolve();
  #broken: boolean;
  #writeFault: string | undefined;

  /** Repairs and verifies the log's end, and appends `daemon.start`. Throws `audit-unwritable`. */
  static async open(options: AuditOptions): Promise<AuditLog> {
    const { places, settings, version, pid, clock } = options;
    let appender: Appender | undefined;
    let head: HeadFile | undefined;
    let log: AuditLog | undefined;
    try {
      mkdirSync(places.audit, { recursive: true, mode: 0o700 });
      const shared = options.othersAppend?.() ?? false;
      const recovery = shared ? joinLog(places) : await recover(places.audit, places.state);
      // The segment's age only matters for retention by age.
      const first = settings.keep.age === undefined ? undefined : await firstEntry(recovery.segment);
      const path = recovery.segment?.path ?? join(places.audit, segmentName(recovery.head.seq + 1));
      appender = new Appender(path, options.files ?? files);
      head = new HeadFile(headPath(places.state), options.files ?? files);
      // A new log has a head before its first record: a log without a head shows that it was removed.
      if (recovery.head.seq === 0) head.write(recovery.head);
      // A record from the future says nothing of the segment's age.
      const old = first === undefined ? 0 : Math.max(0, clock.now() - Date.parse(first.time));
      const started = clock.monotonic() - old;
      log = new AuditLog(options, appender, head, new Chain(sha256, recovery.head), recovery.broken, started);
      log.#append('daemon.start', { version, pid, ...recovery.findings }, true);
      log.#writeHead();
      log.#signing.count();
      if (recovery.broken) options.log.error(recovery.findings, 'the audit log does not verify');
      log.#applyRetention();
      return log;
    } catch (error) {
      if (log !== undefined) log.#stop();
      head?.[Symbol.dispose]();
      await appender?.close();
      throw unwritableError(error, places.audit);
    }
  }

  private constructor(
    options: AuditOptions,
    appender: Appender,
    head: HeadFile,
    chain: Chain,
    broken: boolean,
    segmentStart: number,
  ) {
    const { places, settings, log } = options;
    this.#options = options;
    this.#appender = appender;
    this.#head = head;
    this.#chain = chain;
    this.#broken = broken;
    this.#segmentStart = segmentStart;
    this.#batch = {
      chain,
      segment: settings.segment,
      appender: () => this.#appender,
      startSegment: () => this.#startSegment(),
      lines: new Lines(),
    };
    this.#shared = new SharedWriting(places, options.othersAppend ?? (() => false));
    this.#flushing = new Flushing({
      flush: () => this.#appender.flush(),
      onFlushed: () => this.#checkFiles(),
      onFault: (error) =>
        log.error({ error: unwritableError(error, places.audit).message }, 'calls are refused'),
    });
    this.#group = new GroupCommit({
      flush: () => this.#appender.flush(),
      flushNow: () => this.#flushNow(),
      onFlushed: (failed) => {
        if (!this.#closed) this.#flushing.report(failed);
      },
    });
    this.#expiry = new Expiry(settings.keep);
    this.#timer = setInterval(() => this.#tick(), Math.min(settings.checkpoint.every, 2 ** 31 - 1)).unref();
    const { records, every } = settings.checkpoint;
    this.#signing = new Signing(records, every, {
      head: () => chain.head,
      append: (checkpoint) => {
        const { key, signature } = checkpoint;
        if (key !== undefined && signature !== undefined) recordKey(keysPath(places.state), key);
        this.#append('checkpoint', checkpoint, false);
        // What had to stay until it was signed may go now.
        this.#applyRetention();
      },
      find: (point, key) => findSigned(places.audit, point, key),
      flush: async () => {
        await this.#closingSegments;
        const failed = await this.#appender.flush();
        if (failed) throw failed;
      },
      monotonic: () => options.clock.monotonic(),
      report: (message) => log.error({ error: message }, 'the audit log does not verify'),
      warn: (message) => log.warn({ error: message }, 'the audit log continues without a signature'),
    });
    if (options.signerExpected) this.#signing.setUnsigned('the credential store is not open yet', true);
  }

  /**
   * Hands over to another daemon, which signs from now on. This one goes on appending for its sessions, under the log's
   * lock: as soon as this returns, the other one may append as well.
   */
  retire(): void {
    this.commit();
    this.#writeDueHead();
    this.#shared.retire();
    this.#signing.setUnsigned('the daemon that took over signs the log', true);
  }

  /** The last record's number and hash. */
  get head(): Head {
    return this.#chain.head;
  }

  /**
   * Appends a record and returns its number. When it returns, the operating system has the record, and with
   * `fsync` it is on the disk. Throws `audit-unwritable`, and then the log is unchanged: whatever the record
   * describes must not happen.
   */
  append<E extends AppendableEvent>(
    event: E,
    fields: Fields[E],
    durability: 'write' | 'fsync' = 'write',
  ): number {
    const seq = this.#append(event, fields, durability === 'fsync');
    this.#signing.count();
    return seq;
  }

  /**
   * Appends a record together with those that follow: all are written by the next `commit` or `append`, in a microtask at the
   * latest. Until then, and with `fsync` until `whenDurable` says so, nothing that it describes may happen. `unwritten` is
   * called, with an `audit-unwritable`, if it could not be written or flushed, and then it must not happen at all.
   */
  add<E extends AppendableEvent>(
    event: E,
    fields: Fields[E],
    durability: 'write' | 'fsync',
    unwritten: (error: Error) => void,
  ): void {
    if (this.#pending.length === MAX_PENDING) this.#writePending();
    if (this.#pending.length === 0) queueMicrotask(this.commit);
    const sync = durability === 'fsync' ? 'later' : undefined;
    this.#pending.push(this.#pend(event, fields, sync, unwritten));
  }

  /** Writes what was added. Throws nothing: see `add`. */
  readonly commit = (): void => {
    if (this.#pending.length > 0) this.#writePending();
  };

  /**
   * Whether all records that are to be on the disk are there. If not, `then` is called once they are, or those that cannot be
   * were told of.
   */
  whenDurable(then: () => void): boolean {
    if (!this.#group.isWaiting) return true;
    this.#group.wait(() => then());
    return false;
  }

  /** Flushes what `whenDurable` waits for, at once. */
  flushNow(): void {
    this.#group.now();
  }

  /** Sets the signer. A signature of all records so far follows at once, if the log contains what it signed last. */
  setSigner(signer: Signer): void {
    this.#signing.setSigner(signer);
  }

  /** Says why nothing signs the log. `expected`: something will, and the log keeps what that has to find in it. */
  setUnsigned(reason: string, expected: boolean): void {
    this.#signing.setUnsigned(reason, expected);
  }

  /** The newest signed record, which the log has to contain, and the key that signs; `undefined` where there is none. */
  get signed(): { readonly point: SignedPoint | undefined; readonly key: string | undefined } {
    return { point: this.#signing.point, key: this.#signing.key };
  }

  /** The vault's state by the last record that has it. */
  vaultMark(): Promise<Required<VaultMark> | undefined> {
    return findVaultMark(this.#options.places.audit);
  }

  /** Signs the log's end. Resolves when that is done or has failed, which `status` reports; never rejects. */
  checkpoint(): Promise<void> {
    return this.#signing.sign();
  }

  /** For `status` and `doctor`: the head, whether it is being signed, and what is wrong. */
  status(): {
    readonly seq: number;
    readonly hash: string;
    readonly signed: boolean;
    readonly detail?: string;
  } {
    const { problem, warning } = this.#signing;
    const detail =
      this.#writeFault ??
      (this.#flushing.fault && unwritableError(this.#flushing.fault, this.#options.places.audit).message) ??
      (this.#broken ? 'the log does not verify: "warder audit verify" shows where' : undefined) ??
      problem ??
      warning;
    const { seq, hash } = this.head;
    return { seq, hash, signed: problem === undefined, ...(detail !== undefined && { detail }) };
  }

  /** Appends `daemon.stop`, signs it if that does not take long, and closes the log. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    const { version, pid, log } = this.#options;
    try {
      this.#append('daemon.stop', { version, pid }, false);
      this.#signing.count();
    } catch {
      log.error({}, "the daemon's stop is not in the audit log");
    }
    this.#group.now();
    const timer = new AbortController();
    const done = this.checkpoint().then(() => this.#retention);
    const timeout = delay(STOP_TIMEOUT, undefined, { signal: timer.signal }).catch(() => undefined);
    await Promise.race([done, timeout]);
    timer.abort();
    this.#writeDueHead();
    this.#stop();
    await this.#closingSegments;
    await this.#appender.close();
    this.#head[Symbol.dispose]();
  }

  /** Stops all timers. Nothing touches the files afterwards: they are about to be closed. */
  #stop(): void {
    this.#closed = true;
    this.#headDue = false;
    clearInterval(this.#timer);
    this.#flushing[Symbol.dispose]();
  }

  #append<E extends keyof Fields>(event: E, fields: Fields[E], sync: boolean): number {
    const record = this.#pend(event, fields, sync ? 'now' : undefined, undefined);
    this.#pending.push(record);
    this.#writePending();
    if (record.error !== undefined) throw record.error;
    return this.#chain.head.seq;
  }

  #pend<E extends keyof Fields>(
    event: E,
    fields: Fields[E],
    sync: PendingRecord['sync'],
    unwritten: PendingRecord['unwritten'],
  ): PendingRecord {
    const time = this.#timestamps.format(this.#options.clock.now());
    // An interface has no index signature; `Fields` guarantees that its members are JSON.
    return { event, time, fields: fields as unknown as JsonObject, sync, unwritten, error: undefined };
  }

  /** Writes what is pending, and tells of what was not written. Throws nothing. */
  #writePending(): void {
    const records = this.#pending;
    this.#pending = [];
    try {
      if (this.#closed) throw new Error('the log is closed');
      using lock = this.#shared.lock();
      if (lock !== undefined) this.#catchUp();
      if (this.#flushing.fault !== undefined) throw this.#flushing.fault;
      if (this.#headFault) this.#writeHead();
      writeBatch(records, this.#batch);
      // The other daemon reads it as soon as the lock is free.
      if (lock !== undefined) this.#writeHead();
    } catch (error) {
      for (const record of records) record.error ??= error;
    }
    this.#conclude(records);
  }

  #conclude(records: readonly PendingRecord[]): void {
    const { places, log } = this.#options;
    let written = 0;
    for (const record of records) {
      if (record.error === undefined) {
        written++;
        this.#writeFault = undefined;
        continue;
      }
      const refused = unwritableError(record.error, places.audit);
      record.error = refused;
      if (this.#writeFault === undefined) log.error({ error: refused.message }, 'calls are refused');
      this.#writeFault = refused.message;
    }
    if (written > 0) {
      if (!this.#headDue && !this.#shared.active) {
        this.#headDue = true;
        queueMicrotask(this.#writeDueHead);
      }
      this.#flushing.request();
    }
    for (const { error, sync, unwritten } of records) {
      if (unwritten === undefined) continue;
      if (error !== undefined) {
        unwritten(error as Error);
        continue;
      }
      this.#signing.count();
      if (sync === 'later')
        this.#group.wait((failed) => {
          if (failed !== undefined) unwritten(unwritableError(failed, places.audit));
        });
    }
  }

  /** What waits for the disk is in the segment that ends. */
  #flushEnding(): void {
    if (this.#group.isWaiting) this.#appender.sync();
  }

  #flushNow(): Error | undefined {
    try {
      this.#appender.sync();
      return undefined;
    } catch (error) {
      return error as Error;
    }
  }

  /** Goes on from the record that was written last, by whichever daemon. The caller has the log's lock. */
  #catchUp(): void {
    const { files: calls = files } = this.#options;
    const { seq } = this.#chain.head;
    const end = this.#shared.newEnd(this.#chain.head, this.#appender);
    if (end === undefined) return;
    if (end.path === this.#appender.path) this.#appender.acceptSize();
    else {
      this.#flushEnding();
      const previous = this.#appender;
      this.#appender = new Appender(end.path, calls);
      this.#closingSegments = Promise.all([this.#closingSegments, previous.close()]);
    }
    for (let more = Math.min(end.head.seq - seq, MAX_COUNTED); more > 0; more--) this.#signing.count();
    this.#chain.head = end.head;
  }

  /** Looks what the other daemon has appended, so that it is signed, and whether it has ended. */
  #follow(): void {
    const { log } = this.#options;
    try {
      this.#shared.follow(() => {
        this.#catchUp();
        this.#writeHead();
      });
    } catch (error) {
      log.warn({ error: String(error) }, 'cannot follow what the older daemon appends to the audit log');
    }
  }

  #writeHead(): void {
    this.#headDue = false;
    this.#head.write(this.#chain.head);
    this.#headFault = false;
  }

  /** While the head cannot be written, the next record is refused: otherwise a cut end would not show. */
  readonly #writeDueHead = (): void => {
    if (!this.#headDue) return;
    try {
      this.#writeHead();
    } catch (error) {
      this.#headFault = true;
      this.#options.log.error({ error: String(error) }, 'the head of the audit log cannot be written');
    }
  };

  /** Checks that nobody else removed or changed the files. Nothing is repaired: `verify` will report it. */
  #checkFiles(): void {
    const { log, places } = this.#options;
    // The other daemon appends to them.
    if (this.#shared.active) return;
    try {
      const state = this.#appender.state();
      if (state !== 'intact') {
        this.#broken = true;
        log.error({ file: this.#appender.path }, `an audit segment was ${state} by somebody else`);
      }
      if (state === 'removed') this.#startSegment();
      if (state === 'changed') this.#appender.acceptSize();
      if (this.#head.restore(this.head))
        log.error({}, 'the head of the audit log was removed by somebody else');
    } catch (error) {
      log.error(
        { error: unwritableError(error, places.audit).message },
        'the files of the audit log cannot be checked',
      );
    }
  }

  /** Signs the records that are not signed yet, and ends a segment that is old enough. */
  #tick(): void {
    const { settings, clock, log } = this.#options;
    const { age } = settings.keep;
    if (this.#shared.active) this.#follow();
    void this.checkpoint();
    if (age === undefined || this.#shared.active) return;
    try {
      if (this.#appender.size > 0 && clock.monotonic() - this.#segmentStart > age / SEGMENTS_PER_AGE)
        this.#startSegment();
      else this.#applyRetention();
    } catch (error) {
      log.warn({ error: String(error) }, 'the audit log cannot start a segment');
    }
  }

  /** Starts the segment of the next record. */
  #startSegment(): void {
    const { places, clock } = this.#options;
    mkdirSync(places.audit, { recursive: true, mode: 0o700 });
    const path = join(places.audit, segmentName(this.#chain.head.seq + 1));
    this.#flushEnding();
    const previous = this.#appender;
    this.#appender = new Appender(path, this.#options.files ?? files);
    this.#segmentStart = clock.monotonic();
    const closed = previous.close().then((failed) => {
      if (failed !== undefined) this.#flushing.report(failed);
    });
    this.#closingSegments = Promise.all([this.#closingSegments, closed]);
    void this.checkpoint();
    this.#applyRetention();
  }

  /** Removes expired segments. A record first says where the log then starts, so that other removals show. */
  #applyRetention(): void {
    const { places, clock, log } = this.#options;
    const work = async (): Promise<void> => {
      if (this.#shared.active) return;
      const expired = await this.#expiry.find(places.audit, clock.now(), this.#signing.needed);
      if (expired === undefined) return;
      this.#append('checkpoint', { start_seq: expired.start.seq, start_prev: expired.start.prev }, true);
      this.#signing.count();
      for (const { path } of expired.segments) await unlink(path);
    };
    this.#retention = this.#retention
      .then(work)
      .catch((error) => log.warn({ error: String(error) }, 'expired audit segments cannot be removed'));
  }
}
