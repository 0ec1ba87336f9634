// Records that wait to be written together. What holds them is used again: each call would leave two behind as garbage.
import type { JsonObject } from '../chain/canonical.ts';

/** Called if a record was not written, with what was given for it: what it describes must not happen. */
export type Unwritten = (error: Error, given: unknown) => void;

/** A record that is to be written. */
export interface PendingRecord {
  event: string;
  /** RFC 3339. */
  time: string;
  fields: JsonObject;
  /** It is to be on the disk once it is written, or a little later: see `GroupCommit`. */
  sync: 'now' | 'later' | undefined;
  unwritten: Unwritten | undefined;
  given: unknown;
  /** Why it was not written. */
  error: unknown;
}

const NOTHING: JsonObject = {};
/** What more records than that have needed is not kept. */
const MAX_KEPT = 64;

export class PendingRecords {
  readonly #records: PendingRecord[] = [];
  #length = 0;

  get length(): number {
    return this.#length;
  }

  at(index: number): PendingRecord {
    return this.#records[index] as PendingRecord;
  }

  add(
    event: string,
    time: string,
    fields: JsonObject,
    sync: PendingRecord['sync'],
    unwritten: Unwritten | undefined,
    given: unknown,
  ): void {
    const record = this.#records[this.#length++];
    if (record === undefined) {
      this.#records.push({ event, time, fields, sync, unwritten, given, error: undefined });
      return;
    }
    record.event = event;
    record.time = time;
    record.fields = fields;
    record.sync = sync;
    record.unwritten = unwritten;
    record.given = given;
  }

  /** None waits any more. */
  clear(): void {
    for (let at = 0; at < this.#length; at++) {
      const record = this.at(at);
      record.fields = NOTHING;
      record.unwritten = undefined;
      record.given = undefined;
      record.error = undefined;
    }
    this.#length = 0;
    if (this.#records.length > MAX_KEPT) this.#records.length = MAX_KEPT;
  }
}
