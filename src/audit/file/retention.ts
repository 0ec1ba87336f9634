// Which segments may go: whole ones only, the oldest first, never the one that is written to.
import { type Checked, check, type Entry } from '../chain/chain.ts';
import { sha256 } from '../chain/hash.ts';
import { listSegments, readLines, type Segment } from './segments.ts';

/** How many closed segments stay, and how long, in milliseconds; `undefined`: all, for ever. */
export interface Keep {
  readonly count: number | undefined;
  readonly age: number | undefined;
}

/**
 * The segments of a folder that are beyond `keep` at time `now` (milliseconds since the epoch), and the
 * record that the log then starts with. None, if that record cannot be read: evidence is not thrown away.
 */
export async function outdated(
  folder: string,
  keep: Keep,
  now: number,
): Promise<{ readonly segments: readonly Segment[]; readonly start: Entry } | undefined> {
  const { count, age } = keep;
  if (count === undefined && age === undefined) return undefined;
  const segments = await listSegments(folder);
  let drop = count === undefined ? 0 : Math.max(0, segments.length - 1 - count);
  for (; age !== undefined && drop < segments.length - 1; drop += 1) {
    // A segment is as old as its newest record, and that is about as old as the next one's first.
    const next = await firstEntry(segments[drop + 1]);
    if (next === undefined || now - Date.parse(next.time) <= age) break;
  }
  const start = drop === 0 ? undefined : await firstEntry(segments[drop]);
  return start && { segments: segments.slice(0, drop), start };
}

/** A segment's first record; `undefined` where there is none, or it is no record. */
export async function firstEntry(segment: Segment | undefined): Promise<Entry | undefined> {
  if (segment === undefined) return undefined;
  for await (const { lines } of readLines(segment.path)) {
    const line = lines[0];
    const checked: Checked | undefined = line === undefined ? undefined : check(line, sha256);
    return checked?.entry;
  }
  return undefined;
}
