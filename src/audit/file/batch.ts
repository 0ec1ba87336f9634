// Records that are written together: those of one incoming piece, by one `write` before any of it goes on. They are the same
// records, in the same order and segments, as if each were written by itself.
//
// A write that fails refuses all of its records, and leaves the file as it was. A record that cannot be one, as it is too
// long, is refused alone.
import type { Chain, Head } from '../chain/chain.ts';
import type { Lines } from '../chain/lines.ts';
import type { Appender } from './appender.ts';
import type { PendingRecord, PendingRecords } from './pending.ts';
import { MAX_LINE } from './segments.ts';

/** Where records are written. */
export interface BatchParts {
  readonly chain: Chain;
  /** Bytes after which a segment ends. */
  readonly segment: number;
  readonly appender: () => Pick<Appender, 'size' | 'append'>;
  /** Starts the segment of the next record. `isUnflushed`: records of the batch in the one before are to be on the disk. Throws. */
  readonly startSegment: (isUnflushed: boolean) => void;
  /** Where lines are made. */
  readonly lines: Lines;
}

/** Writes records, in their order. Throws nothing: those that were not written have an `error` afterwards. */
export function writeBatch(records: PendingRecords, parts: BatchParts): void {
  let at = 0;
  try {
    while (at < records.length) at = writeSome(records, at, parts);
  } catch (error) {
    for (; at < records.length; at++) records.at(at).error ??= error;
  }
}

/** Writes those from `at` on that the segment has room for. The index of the first that is left. Throws system errors. */
function writeSome(records: PendingRecords, at: number, parts: BatchParts): number {
  const { chain, segment, lines } = parts;
  const written = chain.head;
  lines.clear();
  let sync = false;
  let end = at;
  try {
    for (; end < records.length; end++) {
      const record = records.at(end);
      const before = lines.length;
      const head = nextLine(lines, chain, record);
      if (head === undefined) continue;
      const { size } = parts.appender();
      if (size + before > 0 && size + lines.length > segment) {
        if (before > 0) {
          lines.length = before;
          break;
        }
        endSegment(records, at, parts.startSegment);
      }
      sync ||= record.sync === 'now';
      chain.head = head;
    }
    if (lines.length > 0) parts.appender().append(lines.memory, lines.length, sync);
    return end;
  } catch (error) {
    chain.head = written;
    throw error;
  }
}

/**
 * Starts a segment. Where what is before it does not reach the disk, no record of it counts that has to: those before `end` of the
 * batch are in it.
 */
function endSegment(records: PendingRecords, end: number, start: BatchParts['startSegment']): void {
  const unflushed: PendingRecord[] = [];
  for (let at = 0; at < end; at++) {
    const record = records.at(at);
    if (record.sync === 'later' && record.error === undefined) unflushed.push(record);
  }
  try {
    start(unflushed.length > 0);
  } catch (error) {
    for (const record of unflushed) record.error = error;
    throw error;
  }
}

/** Writes the record's line. Undefined: it cannot be one, as its `error` says. */
function nextLine(lines: Lines, chain: Chain, record: PendingRecord): Head | undefined {
  const before = lines.length;
  try {
    const head = chain.next(lines, record.event, record.time, record.fields);
    if (lines.length - before <= MAX_LINE / 4) return head;
    lines.length = before;
    record.error = new Error('the record is too long');
  } catch (error) {
    record.error = error;
  }
  return undefined;
}
