// Writes the records of a log: to its newest segment, those of one incoming piece together (batch.ts), under the log's lock while
// another daemon appends (shared.ts). The head follows (head-writer.ts); the disk has them a little later, or before anything
// goes on (newest-segment.ts).
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../../os/clock.ts';
import type { Log } from '../../os/log.ts';
import type { Places } from '../../wire/places.ts';
import type { JsonObject } from '../chain/canonical.ts';
import { Chain, type Head } from '../chain/chain.ts';
import { sha256 } from '../chain/hash.ts';
import { Lines } from '../chain/lines.ts';
import { Timestamps } from '../chain/time.ts';
import type { Fields } from '../events.ts';
import type { Files } from './appender.ts';
import { type BatchParts, writeBatch } from './batch.ts';
import { HeadFile, headPath } from './head.ts';
import { HeadWriter } from './head-writer.ts';
import { NewestSegment } from './newest-segment.ts';
import { type PendingRecord, PendingRecords, type Unwritten } from './pending.ts';
import type { Recovery } from './recover.ts';
import { segmentName } from './segments.ts';
import { SharedWriting } from './shared.ts';
import { unwritableError } from './unwritable.ts';

export interface WriterOptions {
  readonly places: Pick<Places, 'audit' | 'state'>;
  /** Bytes after which a segment ends. */
  readonly segment: number;
  readonly clock: Clock;
  readonly log: Log;
  readonly files: Files;
  /** Whether another daemon still appends. */
  readonly othersAppend: () => boolean;
  /** Called for each record that was added, or appended by another daemon. */
  readonly onRecord: () => void;
  /** Called after a segment was started. */
  readonly onSegment: () => void;
}

/** Records that wait to be written together, at most. */
const MAX_PENDING = 1024;

/** `then` of it calls in a microtask, for less than `queueMicrotask` costs. */
const SETTLED = Promise.resolve();

/** Up to so many records of another daemon are counted one by one, which is enough for a signature. */
const MAX_COUNTED = 10_000;

export class Writer {
  readonly #options: WriterOptions;
  readonly #chain: Chain;
  readonly #head: HeadWriter;
  readonly #timestamps = new Timestamps();
  readonly #shared: SharedWriting;
  readonly #batch: BatchParts;
  readonly #segment: NewestSegment;
  #pending = new PendingRecords();
  /** What is to be used next for those that wait. */
  #spare: PendingRecords | undefined;
  #settles = false;
  #isClosed = false;
  #isBroken: boolean;
  #writeFault: string | undefined;

  /** Throws system errors, with nothing left open. */
  constructor(options: WriterOptions, { head, segment, broken }: Recovery) {
    const { places, log, files } = options;
    this.#options = options;
    this.#isBroken = broken;
    this.#chain = new Chain(sha256, head);
    this.#segment = new NewestSegment(segment?.path ?? join(places.audit, segmentName(head.seq + 1)), {
      files,
      onFlushed: () => this.#checkFiles(),
      onDurable: () => this.#head.writeDue(),
      onFault: (error) =>
        log.error({ error: unwritableError(error, places.audit).message }, 'calls are refused'),
    });
    try {
      this.#head = new HeadWriter(new HeadFile(headPath(places.state), files), {
        head: () => this.#chain.head,
        settleSoon: () => this.#settleSoon(),
        onFault: (error) =>
          log.error({ error: String(error) }, 'the head of the audit log cannot be written'),
      });
    } catch (error) {
      this.#segment.stop();
      void this.#segment.close();
      throw error;
    }
    this.#batch = {
      chain: this.#chain,
      segment: options.segment,
      appender: () => this.#segment.file,
      startSegment: (isUnflushed) => this.startSegment(isUnflushed),
      lines: new Lines(),
    };
    this.#shared = new SharedWriting(places, options.othersAppend);
  }

  /** The last record's number and hash. */
  get head(): Head {
    return this.#chain.head;
  }

  /** Another daemon appends, too. */
  get isShared(): boolean {
    return this.#shared.active;
  }

  /** Bytes of the newest segment. */
  get size(): number {
    return this.#segment.file.size;
  }

  /** Why records are refused, or what is wrong with the files. */
  get fault(): string | undefined {
    const { fault } = this.#segment;
    return (
      this.#writeFault ??
      (fault && unwritableError(fault, this.#options.places.audit).message) ??
      (this.#isBroken ? 'the log does not verify: "warder audit verify" shows where' : undefined)
    );
  }

  /** See `AuditLog.append`. `sync`: it is on the disk when this returns. */
  append<E extends keyof Fields>(event: E, fields: Fields[E], sync: boolean): number {
    this.#pend(event, fields, sync ? 'now' : undefined, undefined, undefined);
    const error = this.#writePending();
    if (error !== undefined) throw error;
    return this.#chain.head.seq;
  }

  /** See `AuditLog.add`. */
  add<E extends keyof Fields>(
    event: E,
    fields: Fields[E],
    sync: 'later' | undefined,
    unwritten: Unwritten,
    given: unknown,
  ): void {
    if (this.#pending.length === MAX_PENDING) this.#writePending();
    this.#pend(event, fields, sync, unwritten, given);
    this.#settleSoon();
  }

  /** Writes what was added. Throws nothing: see `add`. */
  commit(): void {
    if (this.#pending.length > 0) this.#writePending();
  }

  #settleSoon(): void {
    if (this.#settles) return;
    this.#settles = true;
    void SETTLED.then(this.#settle);
  }

  /** Once for all records of one piece. */
  readonly #settle = (): void => {
    this.#settles = false;
    this.commit();
    this.#head.settle();
  };

  /** See `AuditLog.whenDurable`. */
  whenDurable(then: () => void): boolean {
    if (!this.#segment.isWaiting) return true;
    this.#segment.wait(() => then());
    return false;
  }

  /** Flushes what `whenDurable` waits for, at once. */
  flushNow(): void {
    this.#segment.flushNow();
  }

  /** Flushes all that was written, also to segments that have ended. Rejects with system errors. */
  flush(): Promise<void> {
    return this.#segment.flush();
  }

  /** From now on another daemon may append as well. */
  retire(): void {
    this.commit();
    this.writeDueHead();
    this.#shared.retire();
  }

  /** Starts the segment of the next record; see `BatchParts.startSegment`. Throws system errors. */
  startSegment(isUnflushed = false): void {
    const { places, onSegment } = this.#options;
    mkdirSync(places.audit, { recursive: true, mode: 0o700 });
    this.#segment.file.removeTorn();
    this.#segment.goOnWith(join(places.audit, segmentName(this.#chain.head.seq + 1)), isUnflushed);
    onSegment();
  }

  /** Looks what the other daemon has appended, so that it is signed, and whether it has ended. */
  follow(): void {
    const { log } = this.#options;
    try {
      this.#shared.follow(() => {
        this.#catchUp();
        this.writeHead();
      });
    } catch (error) {
      log.warn({ error: String(error) }, 'cannot follow what the older daemon appends to the audit log');
    }
  }

  /** Writes the head. Throws system errors. */
  writeHead(): void {
    this.#head.write();
  }

  /** Writes the head if it is due. Throws nothing: while it cannot be written, the next record is refused. */
  writeDueHead(): void {
    this.#head.writeDue();
  }

  /** Stops all timers. Nothing touches the files afterwards but `close`. */
  stop(): void {
    this.#isClosed = true;
    this.#head.stop();
    this.#segment.stop();
  }

  /** Closes the files, after `stop`. */
  async close(): Promise<void> {
    const failed = await this.#segment.close();
    this.#head[Symbol.dispose]();
    const { log, places } = this.#options;
    if (failed !== undefined)
      log.error(
        { error: unwritableError(failed, places.audit).message },
        'the last records may not be on the disk',
      );
  }

  #pend<E extends keyof Fields>(
    event: E,
    fields: Fields[E],
    sync: PendingRecord['sync'],
    unwritten: Unwritten | undefined,
    given: unknown,
  ): void {
    const time = this.#timestamps.format(this.#options.clock.now());
    // An interface has no index signature; `Fields` guarantees that its members are JSON.
    this.#pending.add(event, time, fields as unknown as JsonObject, sync, unwritten, given);
  }

  /**
   * Writes what is pending, and tells of what was not written. Returns why the last one was not, if it was not. Throws only what
   * one throws who is told, once all are.
   */
  #writePending(): unknown {
    const records = this.#pending;
    const { seq } = this.#chain.head;
    this.#pending = this.#spare ?? new PendingRecords();
    this.#spare = undefined;
    try {
      if (this.#isClosed) throw new Error('the log is closed');
      const lock = this.#shared.lock();
      try {
        if (lock !== undefined) this.#catchUp();
        if (this.#segment.fault !== undefined) throw this.#segment.fault;
        if (this.#head.hasFailed) this.writeHead();
        writeBatch(records, this.#batch);
        // The other daemon reads it as soon as the lock is free.
        if (lock !== undefined) this.writeHead();
      } finally {
        lock?.[Symbol.dispose]();
      }
    } catch (error) {
      for (let at = 0; at < records.length; at++) records.at(at).error ??= error;
    }
    try {
      this.#conclude(records, this.#chain.head.seq > seq);
      return records.at(records.length - 1).error;
    } finally {
      records.clear();
      this.#spare = records;
    }
  }

  /** `isLonger`: some are in the log. */
  #conclude(records: PendingRecords, isLonger: boolean): void {
    let isLater = true;
    for (let at = 0; at < records.length; at++) {
      const record = records.at(at);
      if (record.error === undefined) {
        isLater &&= record.sync === 'later';
        this.#writeFault = undefined;
      } else this.#refuse(record);
    }
    if (isLonger) {
      // What waits for the disk has its head behind it: after a power cut that is not ahead of the log.
      if (!this.#shared.active) this.#head.request(isLater);
      this.#segment.requestFlush();
    }
    // They may be of several sessions: a fault of one keeps no other from being told.
    let faults: unknown[] | undefined;
    for (let at = 0; at < records.length; at++) {
      try {
        this.#tell(records.at(at));
      } catch (fault) {
        faults ??= [];
        faults.push(fault);
      }
    }
    if (faults !== undefined) throw faults[0];
  }

  #tell({ error, sync, unwritten, given }: PendingRecord): void {
    if (unwritten === undefined) return;
    if (error !== undefined) {
      unwritten(error as Error, given);
      return;
    }
    this.#options.onRecord();
    if (sync === 'later') this.#awaitDisk(unwritten, given);
  }

  #refuse(record: PendingRecord): void {
    const { places, log } = this.#options;
    const refused = unwritableError(record.error, places.audit);
    record.error = refused;
    if (this.#writeFault === undefined) log.error({ error: refused.message }, 'calls are refused');
    this.#writeFault = refused.message;
  }

  #awaitDisk(unwritten: Unwritten, given: unknown): void {
    const { places } = this.#options;
    this.#segment.wait((failed) => {
      if (failed !== undefined) unwritten(unwritableError(failed, places.audit), given);
    });
  }

  /** Goes on from the record that was written last, by whichever daemon. The caller has the log's lock. */
  #catchUp(): void {
    const { onRecord } = this.#options;
    const { seq } = this.#chain.head;
    const end = this.#shared.newEnd(this.#chain.head, this.#segment.file);
    if (end === undefined) return;
    if (end.path === this.#segment.file.path) this.#segment.file.acceptSize();
    else this.#segment.goOnWith(end.path);
    for (let more = Math.min(end.head.seq - seq, MAX_COUNTED); more > 0; more--) onRecord();
    this.#chain.head = end.head;
  }

  /** Checks that nobody else removed or changed the files. Nothing is repaired: `verify` will report it. */
  #checkFiles(): void {
    const { log, places } = this.#options;
    // The other daemon appends to them.
    if (this.#shared.active) return;
    try {
      const { path } = this.#segment.file;
      const state = this.#segment.file.state();
      if (state !== 'intact') {
        this.#isBroken = true;
        log.error({ file: path }, `an audit segment was ${state} by somebody else`);
      }
      if (state === 'removed') this.startSegment();
      if (state === 'changed') this.#segment.file.acceptSize();
      if (this.#head.restore()) log.error({}, 'the head of the audit log was removed by somebody else');
    } catch (error) {
      log.error(
        { error: unwritableError(error, places.audit).message },
        'the files of the audit log cannot be checked',
      );
    }
  }
}
