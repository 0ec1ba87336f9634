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
import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '../os/clock.ts';
import type { Log } from '../os/log.ts';
import type { Places } from '../wire/places.ts';
import type { Head } from './chain/chain.ts';
import { keysPath, recordKey, type SignedPoint, type Signer } from './checkpoint.ts';
import type { AuditEvent, Fields } from './events.ts';
import { type Files, files } from './file/appender.ts';
import { findSigned, findVaultMark } from './file/find.ts';
import type { Unwritten } from './file/pending.ts';
import { type Recovery, recover } from './file/recover.ts';
import { Expiry, firstEntry, type Retention, SEGMENTS_PER_AGE } from './file/retention.ts';
import { joinLog } from './file/shared.ts';
import { unwritableError } from './file/unwritable.ts';
import { Writer } from './file/writer.ts';
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

/** The log. `open` writes `daemon.start`, disposing writes `daemon.stop`. */
export class AuditLog implements AsyncDisposable {
  readonly #options: AuditOptions;
  readonly #writer: Writer;
  readonly #signing: Signing;
  readonly #timer: NodeJS.Timeout;
  /** When the segment was started, by the monotonic clock. */
  #segmentStart: number;
  readonly #expiry: Expiry;
  #retention: Promise<void> = Promise.resolve();
  #closed = false;

  /** Repairs and verifies the log's end, and appends `daemon.start`. Throws `audit-unwritable`. */
  static async open(options: AuditOptions): Promise<AuditLog> {
    const { places, settings, version, pid, clock } = options;
    let log: AuditLog | undefined;
    try {
      mkdirSync(places.audit, { recursive: true, mode: 0o700 });
      const shared = options.othersAppend?.() ?? false;
      const recovery = shared ? joinLog(places) : await recover(places.audit, places.state);
      // The segment's age only matters for retention by age.
      const first = settings.keep.age === undefined ? undefined : await firstEntry(recovery.segment);
      // A record from the future says nothing of the segment's age.
      const old = first === undefined ? 0 : Math.max(0, clock.now() - Date.parse(first.time));
      log = new AuditLog(options, recovery, clock.monotonic() - old);
      const writer = log.#writer;
      // A new log has a head before its first record: a log without a head shows that it was removed.
      if (recovery.head.seq === 0) writer.writeHead();
      writer.append('daemon.start', { version, pid, ...recovery.findings }, true);
      writer.writeHead();
      log.#signing.count();
      if (recovery.broken) options.log.error(recovery.findings, 'the audit log does not verify');
      log.#applyRetention();
      return log;
    } catch (error) {
      if (log !== undefined) {
        log.#stop();
        await log.#writer.close();
      }
      throw unwritableError(error, places.audit);
    }
  }

  private constructor(options: AuditOptions, recovery: Recovery, segmentStart: number) {
    const { places, settings, clock, log } = options;
    this.#options = options;
    this.#segmentStart = segmentStart;
    const writer = new Writer(
      {
        places,
        segment: settings.segment,
        clock,
        log,
        files: options.files ?? files,
        othersAppend: options.othersAppend ?? (() => false),
        onRecord: () => this.#signing.count(),
        onSegment: () => {
          this.#segmentStart = clock.monotonic();
          void this.checkpoint();
          this.#applyRetention();
        },
      },
      recovery,
    );
    this.#writer = writer;
    this.#expiry = new Expiry(settings.keep);
    this.#timer = setInterval(() => this.#tick(), Math.min(settings.checkpoint.every, 2 ** 31 - 1)).unref();
    const { records, every } = settings.checkpoint;
    this.#signing = new Signing(records, every, {
      head: () => writer.head,
      append: (checkpoint) => {
        const { key, signature } = checkpoint;
        if (key !== undefined && signature !== undefined) recordKey(keysPath(places.state), key);
        writer.append('checkpoint', checkpoint, false);
        // What had to stay until it was signed may go now.
        this.#applyRetention();
      },
      find: (point, key) => findSigned(places.audit, point, key),
      flush: () => writer.flush(),
      monotonic: () => clock.monotonic(),
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
    this.#writer.retire();
    this.#signing.setUnsigned('the daemon that took over signs the log', true);
  }

  /** The last record's number and hash. */
  get head(): Head {
    return this.#writer.head;
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
    const seq = this.#writer.append(event, fields, durability === 'fsync');
    this.#signing.count();
    return seq;
  }

  /**
   * Appends a record together with those that follow: all are written by the next `commit` or `append`, in a microtask at the
   * latest. Until then, and with `fsync` until `whenDurable` says so, nothing that it describes may happen. `unwritten` is
   * called, with an `audit-unwritable` and what was given for it, if it could not be written or flushed, and then it must not happen
   * at all.
   */
  add<E extends AppendableEvent, Given = undefined>(
    event: E,
    fields: Fields[E],
    durability: 'write' | 'fsync',
    unwritten: (error: Error, given: Given) => void,
    given?: Given,
  ): void {
    const sync = durability === 'fsync' ? 'later' : undefined;
    this.#writer.add(event, fields, sync, unwritten as Unwritten, given);
  }

  /** Writes what was added. Throws only what an `unwritten` throws: see `add`. */
  commit(): void {
    this.#writer.commit();
  }

  /**
   * Whether all records that are to be on the disk are there. If not, `then` is called once they are, or those that cannot be
   * were told of.
   */
  whenDurable(then: () => void): boolean {
    return this.#writer.whenDurable(then);
  }

  /** Flushes what `whenDurable` waits for, at once. */
  flushNow(): void {
    this.#writer.flushNow();
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
    const detail = this.#writer.fault ?? problem ?? warning;
    const { seq, hash } = this.head;
    return { seq, hash, signed: problem === undefined, ...(detail !== undefined && { detail }) };
  }

  /** Appends `daemon.stop`, signs it if that does not take long, and closes the log. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    const { version, pid, log } = this.#options;
    try {
      this.#writer.append('daemon.stop', { version, pid }, false);
      this.#signing.count();
    } catch {
      log.error({}, "the daemon's stop is not in the audit log");
    }
    this.#writer.flushNow();
    const timer = new AbortController();
    const done = this.checkpoint().then(() => this.#retention);
    const timeout = delay(STOP_TIMEOUT, undefined, { signal: timer.signal }).catch(() => undefined);
    await Promise.race([done, timeout]);
    timer.abort();
    this.#writer.writeDueHead();
    this.#stop();
    await this.#writer.close();
  }

  /** Stops all timers. Nothing touches the files afterwards: they are about to be closed. */
  #stop(): void {
    this.#closed = true;
    clearInterval(this.#timer);
    this.#writer.stop();
  }

  /** Signs the records that are not signed yet, and ends a segment that is old enough. */
  #tick(): void {
    const { settings, clock, log } = this.#options;
    const { age } = settings.keep;
    const writer = this.#writer;
    if (writer.isShared) writer.follow();
    void this.checkpoint();
    if (age === undefined || writer.isShared) return;
    try {
      if (writer.size > 0 && clock.monotonic() - this.#segmentStart > age / SEGMENTS_PER_AGE)
        writer.startSegment();
      else this.#applyRetention();
    } catch (error) {
      log.warn({ error: String(error) }, 'the audit log cannot start a segment');
    }
  }

  /** Removes expired segments. A record first says where the log then starts, so that other removals show. */
  #applyRetention(): void {
    const { places, clock, log } = this.#options;
    const work = async (): Promise<void> => {
      if (this.#writer.isShared) return;
      const expired = await this.#expiry.find(places.audit, clock.now(), this.#signing.needed);
      if (expired === undefined) return;
      this.#writer.append(
        'checkpoint',
        { start_seq: expired.start.seq, start_prev: expired.start.prev },
        true,
      );
      this.#signing.count();
      for (const { path } of expired.segments) await unlink(path);
    };
    this.#retention = this.#retention
      .then(work)
      .catch((error) => log.warn({ error: String(error) }, 'expired audit segments cannot be removed'));
  }
}
