// Finds the occurrences of values in bytes, in all the encodings of `encodings.ts`, in a buffer or in a stream whose
// chunks are cut anywhere; the caller says how to replace them. Data without any value passes at once
// (`multi-search.ts`). Matches that overlap count as one. A value shorter than `MIN_SECRET_LENGTH` is not searched for:
// it would be found everywhere.
//
// The bytes that a stream holds back tell its receiver that the bytes so far begin a value. Whoever can have text of
// their own sent through the stream could guess a value from that, character by character. An *oblivious* stream holds
// back everything that looks like a value, whatever the values are, and so reveals nothing.
import { type Encoding, encodingsOf, firstBytesOf, type MatchResult, matchAt } from './search/encodings.ts';
import { MultiSearch } from './search/multi-search.ts';

/** The fewest characters of a value that is searched for. */
export const MIN_SECRET_LENGTH = 8;

/**
 * How a value was encoded. `raw`: its own bytes; `escaped`: with escapes of URLs, JSON or HTML; `base64`: the
 * characters of base64 that it alone determines; `hex`: all digits; `other`: base64 of base64, or overlapping values.
 */
export type MatchForm = 'raw' | 'escaped' | 'base64' | 'hex' | 'other';

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

/** Gives the replacement of a match. `push`, `flush` and `replace` pass on what it throws. */
export type Replacer = (match: MatchedValue) => Buffer;

/** A value to search for, with its encodings if they were computed already. */
export interface SearchTarget {
  readonly value: string;
  readonly encodings?: readonly Encoding[];
}

/** Transforms a stream of bytes, wherever its chunks are cut. */
export interface ByteTransform {
  /** Takes a chunk and returns what can be passed on. Holds back what could be the beginning of a value. */
  push(chunk: Buffer): Buffer[];
  /** Ends the stream and returns the rest. */
  flush(): Buffer[];
}

/** Replaces values in a stream. */
export interface ReplaceTransform extends ByteTransform {
  /** Returns the bytes held back, unchanged, to push into another transform; not those of a value replaced already. */
  takePending(): Buffer;
}

interface Range {
  readonly start: number;
  end: number;
  readonly index: number;
  form: MatchForm;
  readonly offset: 0 | 1 | 2;
  readonly continued: boolean;
}

/** Positions from `from` up to `to`. */
interface SearchWindow {
  readonly from: number;
  to: number;
}

interface Candidate {
  readonly encoding: Encoding;
  readonly index: number;
}

const NO_BYTES: Buffer = Buffer.alloc(0);
const NO_RANGES: readonly never[] = [];
const LF = 0x0a;
const CR = 0x0d;
/** The characters of a run that looks like a value, beside those of the values: ASCII without spaces and delimiters. */
const TOKEN_CHARACTER = /[!#$%&*+./0-9:;=?@A-Z\\^_`a-z|~-]/;
/** An oblivious stream does not hold back a run this short: it reveals no more than a value's first characters, mostly its kind. */
const MAX_UNBUFFERED_RUN = 2;

/** Finds the values of one set. */
export class Finder {
  readonly #values: readonly Buffer[];
  readonly #search: MultiSearch | undefined;
  /** An encoding has no anchor, so all data is scanned. */
  readonly #scanAll: boolean;
  /** Encodings by their first byte. */
  readonly #byFirstByte: (Candidate[] | undefined)[] = [];
  /** Whether an encoding may begin with two bytes: one bit for each pair. */
  readonly #firstTwoBytes = new Uint8Array(8192);
  readonly #maxLength: number;
  /** By byte: whether a run that looks like a value may contain it. */
  readonly #tokenBytes: readonly boolean[];

  constructor(values: readonly SearchTarget[]) {
    this.#values = values.map(({ value }) => Buffer.from(value));
    const candidates = values.flatMap(({ value, encodings }, index) =>
      value.length < MIN_SECRET_LENGTH
        ? []
        : (encodings ?? encodingsOf(value)).map((encoding) => ({ encoding, index })),
    );
    for (const candidate of candidates) {
      for (const [byte, second] of firstBytesOf(candidate.encoding)) {
        for (const next of second) {
          const pair = (byte << 5) | (next >> 3);
          this.#firstTwoBytes[pair] = (this.#firstTwoBytes[pair] ?? 0) | (1 << (next & 7));
        }
        const others = this.#byFirstByte[byte];
        if (others === undefined) this.#byFirstByte[byte] = [candidate];
        else others.push(candidate);
      }
    }
    const encodings = candidates.map(({ encoding }) => encoding);
    this.#scanAll = encodings.some(({ anchors }) => anchors.length === 0);
    const anchors = this.#scanAll ? [] : encodings.flatMap((encoding) => encoding.anchors);
    this.#search = anchors.length === 0 ? undefined : new MultiSearch(anchors);
    this.#maxLength = Math.max(0, ...encodings.map(({ maxLength }) => maxLength));
    const valueBytes = new Set(this.#values.flatMap((bytes) => [...bytes]));
    this.#tokenBytes = Array.from(
      { length: 256 },
      (_, byte) => valueBytes.has(byte) || TOKEN_CHARACTER.test(String.fromCharCode(byte)),
    );
  }

  /** Whether the bytes contain a value. */
  has(bytes: Buffer): boolean {
    return this.find(bytes).length > 0;
  }

  /** All matches, in order; none overlaps another. */
  find(bytes: Buffer): readonly Match[] {
    return this.#findRanges(bytes);
  }

  /** The bytes with each value replaced. The same object if there is none. */
  replace(bytes: Buffer, replace: Replacer): Buffer {
    const ranges = this.#findRanges(bytes);
    return ranges.length === 0 ? bytes : Buffer.concat(replaceRanges(bytes, ranges, replace));
  }

  /**
   * Replaces values in a stream. Holds back only what may be the beginning of a value; if `oblivious`, what looks like
   * one: a run without delimiter, space or empty line.
   */
  stream(replace: Replacer, oblivious = false): ReplaceTransform {
    let pending: Buffer = NO_BYTES;
    // The range in `pending` of a value whose first part was replaced already.
    let carried: Range | undefined;
    return {
      push: (chunk) => {
        const data = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
        const end = { from: Math.max(0, data.length - this.#maxLength), to: data.length };
        const windows = [...this.#searchWindows(data), end].sort((a, b) => a.from - b.from);
        const { ranges, incomplete } = this.#scan(data, windows, carried);
        const safe = oblivious ? Math.min(incomplete, this.#trailingToken(data)) : incomplete;
        let until = safe;
        let spanning = ranges.find((range) => safe < range.end && (range.start < safe || range.continued));
        if (
          spanning !== undefined &&
          !spanning.continued &&
          spanning.end - spanning.start <= 2 * this.#maxLength
        ) {
          until = spanning.start;
          spanning = undefined;
        }
        pending = data.subarray(until);
        carried = spanning && {
          ...spanning,
          start: 0,
          end: spanning.end - until,
          form: 'other',
          continued: true,
        };
        if (spanning !== undefined) {
          spanning.end = until;
          spanning.form = 'other';
        }
        return replaceRanges(
          data.subarray(0, until),
          ranges.filter(({ start }) => start < until),
          replace,
        );
      },
      flush: () => {
        const data = pending;
        const { ranges } = this.#scan(data, [{ from: 0, to: data.length }], carried);
        pending = NO_BYTES;
        carried = undefined;
        return replaceRanges(data, ranges, replace);
      },
      takePending: () => {
        const kept = pending.subarray(carried?.end ?? 0);
        pending = NO_BYTES;
        carried = undefined;
        return kept;
      },
    };
  }

  /** The start of the run at the end of the data that looks like a value. It may contain single line breaks. */
  #trailingToken(data: Buffer): number {
    const least = Math.max(0, data.length - this.#maxLength);
    const isToken = (at: number): boolean => at >= least && this.#tokenBytes[data[at] ?? 0] === true;
    let at = data.length;
    while (at > least) {
      let last = at - 1;
      if (!isToken(last)) {
        if (data[last] !== LF && data[last] !== CR) break;
        if (data[last] === LF && data[last - 1] === CR) last--;
        if (!isToken(last - 1)) break;
      }
      at = last;
    }
    return data.length - at > MAX_UNBUFFERED_RUN ? at : data.length;
  }

  #findRanges(bytes: Buffer): readonly Range[] {
    const windows = this.#searchWindows(bytes);
    return windows.length === 0 ? NO_RANGES : this.#scan(bytes, windows).ranges;
  }

  /** The positions at which values may begin, in order: a cheap test that is seldom wrong. Empty if there is no value. */
  #searchWindows(data: Buffer): readonly SearchWindow[] {
    if (this.#scanAll) return [{ from: 0, to: data.length }];
    const search = this.#search;
    let at = search?.next(data, 0) ?? -1;
    if (search === undefined || at < 0) return NO_RANGES;
    const windows: SearchWindow[] = [];
    for (; at >= 0; at = search.next(data, at + 1)) {
      const last = windows.at(-1);
      const from = Math.max(0, at - this.#maxLength);
      if (last !== undefined && from <= last.to) last.to = at + 1;
      else windows.push({ from, to: at + 1 });
    }
    return windows;
  }

  /**
   * Finds the values that begin in the windows, in order; those that overlap count as one. `carried` continues from
   * earlier data. `incomplete` is the first position of a value whose end may be yet to come; the data's length if
   * there is none.
   */
  #scan(
    data: Buffer,
    windows: readonly SearchWindow[],
    carried?: Range,
  ): { readonly ranges: Range[]; readonly incomplete: number } {
    const begins = this.#firstTwoBytes;
    const ranges: Range[] = carried === undefined ? [] : [{ ...carried }];
    const found: MatchResult = { end: -1, incomplete: false };
    let incomplete = data.length;
    let at = 0;
    for (const { from, to } of windows) {
      for (at = Math.max(at, from); at < to; at++) {
        const byte = data[at] ?? 0;
        const next = data[at + 1];
        if (next !== undefined && !((begins[(byte << 5) | (next >> 3)] ?? 0) & (1 << (next & 7)))) continue;
        const candidates = this.#byFirstByte[byte];
        if (candidates === undefined) continue;
        let end = -1;
        let best: Candidate | undefined;
        for (const candidate of candidates) {
          matchAt(candidate.encoding, data, at, found);
          if (found.incomplete && at < incomplete) incomplete = at;
          if (found.end <= end) continue;
          end = found.end;
          best = candidate;
        }
        if (best === undefined) continue;
        const last = ranges.at(-1);
        if (last === undefined || at >= last.end) ranges.push(this.#range(best, data, at, end));
        else if (end > last.end) {
          last.end = end;
          last.form = 'other';
        }
      }
    }
    return { ranges, incomplete };
  }

  #range({ encoding: { kind, offset }, index }: Candidate, data: Buffer, start: number, end: number): Range {
    const form =
      kind === 'double-base64'
        ? 'other'
        : kind !== 'raw'
          ? kind
          : this.#values[index]?.equals(data.subarray(start, end))
            ? 'raw'
            : 'escaped';
    return { start, end, index, form, offset, continued: false };
  }
}

/** Replaces the ranges by what `replace` returns. */
function replaceRanges(data: Buffer, ranges: readonly Range[], replace: Replacer): Buffer[] {
  const pieces: Buffer[] = [];
  let copied = 0;
  for (const { start, end, ...match } of ranges) {
    pieces.push(data.subarray(copied, start), replace({ ...match, bytes: data.subarray(start, end) }));
    copied = end;
  }
  pieces.push(data.subarray(copied));
  return pieces.filter(({ length }) => length > 0);
}
