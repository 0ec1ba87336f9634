// Finds the occurrences of values in bytes, in a buffer or in a stream whose chunks are cut anywhere; the caller says how
// to replace them. Three searches look at the same data:
//
//     exact-search.ts     all encodings of `encodings.ts`, each character in any writing of `escapes.ts`
//     folded-search.ts    the letters and digits of the data alone, which escapes, separators, lines and case do not change
//     byte-list.ts        lists of the numbers of the value's bytes
//
// The second and the third are for those who ask for them. Matches that overlap count as one. A value shorter than
// `MIN_SECRET_LENGTH` is not searched for: it would be found everywhere. The time is proportional to the data.
//
// The bytes that a stream holds back tell its receiver that the bytes so far begin a value. Whoever can have text of
// their own sent through the stream could guess a value from that, character by character. An *oblivious* stream holds
// back everything that looks like a value (`look-alike.ts`), whatever the values are, and so reveals nothing.
import { ByteListSearch } from './search/byte-list.ts';
import { type Encoding, encodingsOf } from './search/encodings.ts';
import { ExactSearch, type SearchWindow } from './search/exact-search.ts';
import { FoldedSearch } from './search/folded-search.ts';
import { addTokenBytes, tokenBytes, trailingLookAlike } from './search/look-alike.ts';
import {
  addRange,
  carriedOver,
  type Match,
  mergeRanges,
  type Range,
  type Replacer,
  replaceRanges,
  UNSEARCHED,
} from './search/ranges.ts';

export type { Match, MatchedValue, MatchForm, Replacer } from './search/ranges.ts';

/** The fewest characters of a value that is searched for. */
export const MIN_SECRET_LENGTH = 8;

/** A value to search for, with its encodings if they were computed already. */
export interface SearchTarget {
  readonly value: string;
  readonly encodings?: readonly Encoding[];
}

/** What is searched beside the encodings. */
export interface SearchViews {
  /** The folded view (`folded-view.ts`). */
  readonly folded?: boolean;
  /** Lists of numbers (`byte-list.ts`), for values of up to 1024 characters: a stream holds back what looks like one. */
  readonly lists?: boolean;
}

/** A search in data that comes. No value may be added before it has ended. */
export interface SearchAsItComes {
  /**
   * Goes on up to `to`; the bytes before, wherever they are now, are the same as at the last call. `whole`: nothing follows.
   * True: there are so many matches that it goes no further.
   */
  next(bytes: Buffer, to: number, whole: boolean): boolean;
  /** The matches, once it has gone through all of so many bytes. */
  matches(length: number): readonly Match[];
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

const NO_BYTES: Buffer = Buffer.alloc(0);
const NO_RANGES: readonly never[] = [];
/** A search in slices goes on by so many bytes at a time: hostile ones take a few milliseconds. */
const SLICE = 32_768;
/** So many matches in one text: the rest of it counts as one more. */
const MAX_MATCHES = 16_384;
/** A longer value is not searched for in lists. */
const MAX_LISTED = 1024;

/** Finds the values of one set. */
export class Finder {
  readonly #exact = new ExactSearch();
  readonly #folded: FoldedSearch | undefined;
  readonly #lists: ByteListSearch | undefined;
  /** By byte: whether a run that looks like a value may contain it. */
  readonly #tokenBytes = tokenBytes();

  constructor(values: readonly SearchTarget[], { folded = false, lists = false }: SearchViews = {}) {
    this.#folded = folded ? new FoldedSearch() : undefined;
    this.#lists = lists ? new ByteListSearch() : undefined;
    this.add(values);
  }

  /**
   * Adds values behind the others, in time proportional to them. A stream finds them in what it has not passed on
   * yet. A search in slices must have ended.
   */
  add(values: readonly SearchTarget[]): void {
    for (const { value, encodings } of values)
      this.#add(value, value.length < MIN_SECRET_LENGTH ? [] : (encodings ?? encodingsOf(value)));
    this.#folded?.setTokenBytes(this.#tokenBytes);
  }

  #add(value: string, encodings: readonly Encoding[]): void {
    const bytes = Buffer.from(value);
    addTokenBytes(this.#tokenBytes, bytes);
    this.#folded?.add(value, encodings);
    this.#lists?.add(encodings.length === 0 || value.length > MAX_LISTED ? NO_BYTES : bytes);
    this.#exact.add(bytes, encodings, this.#folded?.needsExact === true);
  }

  /** Comparisons so far, of all data: the time that the exact searches took. */
  get steps(): number {
    return this.#exact.steps;
  }

  /** Whether the bytes contain a value. */
  has(bytes: Buffer): boolean {
    return this.find(bytes).length > 0;
  }

  /** All matches, in order; none overlaps another. */
  find(bytes: Buffer): readonly Match[] {
    return this.#findRanges(bytes);
  }

  /**
   * As `find`, for data of any size: yields after each `slice` bytes. After `MAX_MATCHES` matches the rest of the data counts
   * as one.
   */
  *findInSlices(bytes: Buffer, slice: number = SLICE): Generator<void, readonly Match[]> {
    const search = this.findAsItComes();
    for (let to = 0; to < bytes.length; ) {
      to = Math.min(bytes.length, to + slice);
      if (search.next(bytes, to, to === bytes.length)) break;
      if (to < bytes.length) yield;
    }
    return search.matches(bytes.length);
  }

  /** As `findInSlices`, for data of which the first bytes are there. */
  findAsItComes(): SearchAsItComes {
    const all: Range[] = [];
    let from = 0;
    let carried: Range | undefined;
    let isOver = false;
    return {
      next: (bytes, to, whole) => {
        if (isOver) return true;
        const { ranges, until, spanning } = this.#findPart(
          bytes.subarray(from, to),
          whole,
          carried,
          'patient',
        );
        for (const range of ranges) {
          const last = all.at(-1);
          if (range.continued && last !== undefined) last.end = from + range.end;
          else if (range.start < until)
            addRange(all, { ...range, start: from + range.start, end: from + range.end });
        }
        isOver = all.length > MAX_MATCHES;
        if (isOver) addRange(all, { ...UNSEARCHED, start: from + until, end: Number.POSITIVE_INFINITY });
        carried = spanning && carriedOver(spanning, until);
        from += until;
        return isOver;
      },
      matches: (length) => {
        const last = all.at(-1);
        if (last !== undefined) last.end = Math.min(last.end, length);
        return all;
      },
    };
  }

  /** The bytes with each value replaced. The same object if there is none. */
  replace(bytes: Buffer, replace: Replacer): Buffer {
    const ranges = this.#findRanges(bytes);
    return ranges.length === 0 ? bytes : Buffer.concat(replaceRanges(bytes, ranges, replace));
  }

  /**
   * Replaces values in a stream. Holds back only what may be the beginning of a value; if `oblivious`, what looks like
   * one: see `look-alike.ts`.
   */
  stream(replace: Replacer, oblivious = false): ReplaceTransform {
    let pending: Buffer = NO_BYTES;
    // The range in `pending` of a value whose first part was replaced already.
    let carried: Range | undefined;
    return {
      push: (chunk) => {
        const data = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
        const { ranges, until, spanning } = this.#findPart(
          data,
          false,
          carried,
          oblivious ? 'oblivious' : 'prompt',
        );
        // Of data that was passed on whole nothing is kept: whoever got it may give back its memory.
        pending = until < data.length ? data.subarray(until) : NO_BYTES;
        carried = spanning && carriedOver(spanning, until);
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
        const { ranges } = this.#findIn(data, true, carried, { from: 0, to: data.length });
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

  /**
   * Searches data that goes on, unless it is `whole`. `until`: up to where it need not be looked at again. `spanning`: the
   * match that goes beyond that, too long to be looked at as a whole. `hold`: what it holds back at the end: what may be a
   * value; `oblivious`: what looks like one; `patient`: also what may overlap the value before.
   */
  #findPart(
    data: Buffer,
    whole: boolean,
    carried: Range | undefined,
    hold: 'prompt' | 'oblivious' | 'patient',
  ): {
    readonly ranges: readonly Range[];
    readonly until: number;
    readonly spanning: Range | undefined;
  } {
    const end = { from: Math.max(0, data.length - this.#exact.maxLength), to: data.length };
    const { ranges, incomplete } = this.#findIn(data, whole, carried, end, hold === 'patient');
    if (whole) return { ranges, until: data.length, spanning: undefined };
    const until = hold === 'oblivious' ? Math.min(incomplete, this.#lookAlike(data)) : incomplete;
    const spanning = ranges.find((range) => until < range.end && (range.start < until || range.continued));
    const isShort =
      spanning !== undefined && !spanning.continued && spanning.end - spanning.start <= 2 * this.#maxHeld;
    return isShort ? { ranges, until: spanning.start, spanning: undefined } : { ranges, until, spanning };
  }

  /** The start of what looks like a value at the end of the data. */
  #lookAlike(data: Buffer): number {
    const least = Math.max(0, data.length - this.#maxHeld);
    return trailingLookAlike(data, least, this.#tokenBytes, this.#lists !== undefined);
  }

  #findRanges(bytes: Buffer): readonly Range[] {
    const { ranges } = this.#findIn(bytes, true);
    const last = ranges.at(-1);
    if (last !== undefined) last.end = Math.min(last.end, bytes.length);
    return ranges;
  }

  /** Searches all views. `whole`: nothing follows the data. `also`: positions that the exact search must look at. */
  #findIn(
    data: Buffer,
    whole: boolean,
    carried?: Range,
    also?: SearchWindow,
    patient = false,
  ): { readonly ranges: readonly Range[]; readonly incomplete: number } {
    const exact = this.#exact;
    const folded = this.#folded?.scan(data, whole, patient);
    const listed = this.#lists?.scan(data, whole);
    const beside = Math.min(folded?.incomplete ?? data.length, listed?.incomplete ?? data.length);
    const lists = listed?.matches ?? NO_RANGES;
    const matches = folded?.matches ?? NO_RANGES;
    const found = lists.length === 0 ? matches : [...matches, ...lists];
    const extra = folded?.anchors ?? NO_RANGES;
    const windows = exact.windows(data);
    if (windows.length === 0 && also === undefined && found.length === 0 && extra.length === 0)
      return { ranges: NO_RANGES, incomplete: beside };
    const all =
      also === undefined && extra.length === 0
        ? windows
        : [...windows, ...extra.map((at) => exact.windowAt(at)), ...(also ? [also] : [])].sort(
            (a, b) => a.from - b.from,
          );
    const { ranges, incomplete } =
      all.length === 0 ? { ranges: NO_RANGES, incomplete: data.length } : exact.scan(data, all, carried);
    return { ranges: mergeRanges(ranges, found), incomplete: Math.min(incomplete, beside) };
  }

  /** The longest match of any search. */
  get #maxHeld(): number {
    return Math.max(this.#exact.maxLength, this.#folded?.maxLength ?? 0, this.#lists?.maxLength ?? 0);
  }
}
