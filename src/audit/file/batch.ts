// Records that are written together: those of one incoming piece, by one `write` before any of it goes on. They are the same
// records, in the same order and segments, as if each were written by itself.
//
// A write that fails refuses all of its records, and leaves the file as it was. A record that cannot be one, as it is too
// long, is refused alone.
import type { Chain, JsonObject } from '../chain/chain.ts';
import type { Appender } from './appender.ts';
import { MAX_LINE } from './segments.ts';

/** A record that is to be written. */
export interface PendingRecord {
  readonly event: string;
  /** RFC 3339. */
  readonly time: string;
  readonly fields: JsonObject;
  /** It is to be on the disk. */
  readonly sync: boolean;
  /** Called if it was not written: what it describes must not happen. */
  readonly unwritten: ((error: Error) => void) | undefined;
  /** Why it was not written. */
  error: unknown;
}

/** Where records are written. */
export interface BatchParts {
  readonly chain: Chain;
  /** Bytes after which a segment ends. */
  readonly segment: number;
  readonly appender: () => Pick<Appender, 'size' | 'append'>;
  /** Starts the segment of the next record. */
  readonly startSegment: () => void;
}

/** Writes records, in their order. Throws nothing: those that were not written have an `error` afterwards. */
export function writeBatch(records: readonly PendingRecord[], parts: BatchParts): void {
  let at = 0;
  try {
    while (at < records.length) at = writeSome(records, at, parts);
  } catch (error) {
    for (const record of records.slice(at)) record.error ??= error;
  }
}

/** Writes those from `at` on that the segment has room for. The index of the first that is left. Throws system errors. */
function writeSome(records: readonly PendingRecord[], at: number, parts: BatchParts): number {
  const { chain, segment, appender, startSegment } = parts;
  const written = chain.head;
  let text = '';
  let sync = false;
  let end = at;
  try {
    for (; end < records.length; end++) {
      const record = records[end] as PendingRecord;
      const next = nextLine(chain, record);
      if (next === undefined) continue;
      const size = appender().size + text.length;
      if (size > 0 && size + next.line.length > segment) {
        if (text !== '') break;
        startSegment();
      }
      text += next.line;
      sync ||= record.sync;
      chain.head = next.head;
    }
    if (text !== '') appender().append(text, sync);
    return end;
  } catch (error) {
    chain.head = written;
    throw error;
  }
}

/** The record's line; undefined if it cannot be one, which its `error` then says. */
function nextLine(chain: Chain, record: PendingRecord): ReturnType<Chain['next']> | undefined {
  try {
    const next = chain.next(record.event, record.time, record.fields);
    if (next.line.length <= MAX_LINE / 4) return next;
    record.error = new Error('the record is too long');
  } catch (error) {
    record.error = error;
  }
  return undefined;
}
