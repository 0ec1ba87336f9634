// What a search has found, as ranges of the data in order. Those that overlap count as one.

/**
 * How a value was encoded. `raw`: its own bytes; `escaped`: with escapes of URLs, JSON or HTML; `base64`: the
 * characters of base64 that it alone determines; `hex`: all digits; `decimal`: a list of the numbers of its bytes,
 * hexadecimal ones with `0x`; `hex-list`: of pairs of hexadecimal digits; `other`: what the folded view contains, base64 of base64,
 * base32, or overlapping values.
 */
export type MatchForm = 'raw' | 'escaped' | 'base64' | 'hex' | 'decimal' | 'hex-list' | 'other';

/** Bytes that contain a value, from `start` up to `end`. */
export interface Match {
  readonly start: number;
  readonly end: number;
  /** The index of the value; the first of those that overlap. */
  readonly index: number;
  readonly form: MatchForm;
  /** For `base64`: how many bytes precede the value in its group of three. */
  readonly offset: 0 | 1 | 2;
}

/** A match as a `Replacer` gets it. */
export interface MatchedValue extends Omit<Match, 'start' | 'end'> {
  /** The matched bytes. */
  readonly bytes: Buffer;
  /**
   * The match continues the one before. Only in a stream: a value that overlaps itself again and again is not
   * collected in memory. The form is then `other`.
   */
  readonly continued: boolean;
}

/** Gives the replacement of a match. Whoever replaces passes on what it throws. */
export type Replacer = (match: MatchedValue) => Buffer;

/** A match that grows while others are added. */
export interface Range {
  readonly start: number;
  end: number;
  readonly index: number;
  form: MatchForm;
  readonly offset: 0 | 1 | 2;
  readonly continued: boolean;
}

/** A match of one of the searches beside the exact one. */
export interface FoundRange {
  readonly start: number;
  readonly end: number;
  /** The index of the value. */
  readonly index: number;
  readonly form: MatchForm;
}

/** Data that takes too long to search: it counts as a match of the first value. */
export const UNSEARCHED = { index: 0, form: 'other', offset: 0, continued: false } as const;

/** What a match that goes on is in the data from `until` on. */
export function carriedOver(range: Range, until: number): Range {
  return { ...range, start: 0, end: range.end - until, form: 'other', continued: true };
}

/** Adds a range behind the others, or to the last one where they overlap. */
export function addRange(ranges: Range[], range: Range): void {
  const last = ranges.at(-1);
  if (last === undefined || range.start >= last.end) ranges.push(range);
  else if (range.end > last.end) {
    last.end = range.end;
    last.form = 'other';
  }
}

/** The ranges of all searches, in order. */
export function mergeRanges(ranges: readonly Range[], others: readonly FoundRange[]): readonly Range[] {
  if (others.length === 0) return ranges;
  const more = others.map((found): Range => ({ ...UNSEARCHED, ...found }));
  const merged: Range[] = [];
  for (const range of [...ranges, ...more].sort(
    (a, b) => Number(b.continued) - Number(a.continued) || a.start - b.start || b.end - a.end,
  ))
    addRange(merged, { ...range });
  return merged;
}

/** Replaces the ranges by what `replace` returns. */
export function replaceRanges(data: Buffer, ranges: readonly Range[], replace: Replacer): Buffer[] {
  const pieces: Buffer[] = [];
  let copied = 0;
  for (const { start, end, ...match } of ranges) {
    pieces.push(data.subarray(copied, start), replace({ ...match, bytes: data.subarray(start, end) }));
    copied = end;
  }
  pieces.push(data.subarray(copied));
  return pieces.filter(({ length }) => length > 0);
}
