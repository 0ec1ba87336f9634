// Selects the segments that retention removes: whole ones only, the oldest first, never the open one.
import { type Checked, check, type Entry } from '../chain/chain.ts';
import { sha256 } from '../chain/hash.ts';
import { listSegments, readLines, type Segment } from './segments.ts';

/** How many closed segments are kept, and for how many milliseconds; `undefined`: no limit. */
export interface Retention {
  readonly count: number | undefined;
  readonly age: number | undefined;
}

/** A segment also ends after this part of the retention age: otherwise a quiet log would never expire. */
export const SEGMENTS_PER_AGE = 8;

/** What one gap between two segments counts at most, in parts of the retention age: no jump of the clock counts more. */
const MAX_GAP = 1.25 / SEGMENTS_PER_AGE;

/** Finds the segments that have expired. */
export class Expiry {
  readonly #keep: Retention;
  /** The time of each segment's first record, by name. Milliseconds since the epoch. */
  readonly #times = new Map<string, number>();

  constructor(keep: Retention) {
    this.#keep = keep;
  }

  /**
   * The segments of a folder that exceed the retention at time `now` (milliseconds since the epoch), and the record
   * that the log starts with once they are removed. `undefined` if there are none, or if that record cannot be read:
   * evidence is kept. `needed`: a record that has to stay with all that come after it.
   */
  async find(
    folder: string,
    now: number,
    needed: number | undefined,
  ): Promise<{ readonly segments: readonly Segment[]; readonly start: Entry } | undefined> {
    const { count, age } = this.#keep;
    if (count === undefined && age === undefined) return undefined;
    const segments = await listSegments(folder);
    let drop = count === undefined ? 0 : Math.max(0, segments.length - 1 - count);
    if (age !== undefined) drop = Math.max(drop, await this.#expired(segments, age, now));
    while (drop > 0 && needed !== undefined && (segments[drop]?.first ?? 0) > needed) drop -= 1;
    const start = drop === 0 ? undefined : await firstEntry(segments[drop]);
    return start && { segments: segments.slice(0, drop), start };
  }

  /**
   * How many of the oldest segments are too old. A segment is as old as its newest record, and that is about as old
   * as the next segment's first. Its age is the sum of the gaps between the segments after it: a gap into the past
   * counts nothing, and one that is longer than a running daemon leaves counts no more than such a one. So neither a
   * clock that was set far ahead nor a record from the future makes the log expire; time in which no daemon ran
   * hardly counts, and a log may be kept longer than its age says.
   */
  async #expired(segments: readonly Segment[], age: number, now: number): Promise<number> {
    let total = 0;
    let later = now;
    for (let i = segments.length - 1; i > 0; i -= 1) {
      const time = await this.#timeOf(segments[i]);
      if (time === undefined) continue;
      total += Math.min(Math.max(later - time, 0), age * MAX_GAP);
      later = time;
      if (total > age) return i;
    }
    return 0;
  }

  async #timeOf(segment: Segment | undefined): Promise<number | undefined> {
    if (segment === undefined) return undefined;
    const cached = this.#times.get(segment.name);
    if (cached !== undefined) return cached;
    const entry = await firstEntry(segment);
    const time = Date.parse(entry?.time ?? '');
    if (Number.isNaN(time)) return undefined;
    this.#times.set(segment.name, time);
    return time;
  }
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
