// Selects the segments that retention removes: whole ones only, the oldest first, never the open one.
import { type Checked, check, type Entry } from '../chain/chain.ts';
import { sha256 } from '../chain/hash.ts';
import { listSegments, readLines, type Segment } from './segments.ts';

/** How many closed segments are kept, and for how many milliseconds; `undefined`: no limit. */
export interface Retention {
  readonly count: number | undefined;
  readonly age: number | undefined;
}

/**
 * The segments of a folder that exceed `keep` at time `now` (milliseconds since the epoch), and the record that
 * the log starts with once they are removed. `undefined` if that record cannot be read: evidence is kept.
 */
export async function findExpired(
  folder: string,
  keep: Retention,
  now: number,
): Promise<{ readonly segments: readonly Segment[]; readonly start: Entry } | undefined> {
  const { count, age } = keep;
  if (count === undefined && age === undefined) return undefined;
  const segments = await listSegments(folder);
  let drop = count === undefined ? 0 : Math.max(0, segments.length - 1 - count);
  for (; age !== undefined && drop < segments.length - 1; drop += 1) {
    // A segment's age is that of its newest record, which is about that of the next segment's first record.
    const next = await firstEntry(segments[drop + 1]);
    if (next === undefined || now - Date.parse(next.time) <= age) break;
  }
  const start = drop === 0 ? undefined : await firstEntry(segments[drop]);
  return start && { segments: segments.slice(0, drop), start };
}

/** A segment's first record; `undefined` if there is none or the line is not a record. */
export async function firstEntry(segment: Segment | undefined): Promise<Entry | undefined> {
  if (segment === undefined) return undefined;
  for await (const { lines } of readLines(segment.path)) {
    const line = lines[0];
    const checked: Checked | undefined = line === undefined ? undefined : check(line, sha256);
    return checked?.entry;
  }
  return undefined;
}
