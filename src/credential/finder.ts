// Finds the occurrences of values in bytes, in all the encodings of `encodings.ts`, in a buffer or in a stream whose
// chunks are cut anywhere; the caller says how to replace them. A *folded* finder also searches the letters and digits
// of the data alone (`folded-search.ts`), which escapes, separators and case do not change. Data without any value passes at once
// (`multi-search.ts`). Matches that overlap count as one. A value shorter than `MIN_SECRET_LENGTH` is not searched for:
// it would be found everywhere.
//
// The time is proportional to the data, whatever the data and however many values there are: positions that may begin
// a value are matched against all values at once (`pattern-tree.ts`). Only a value that repeats itself could make them
// match the same bytes again and again. The comparisons are counted, and data that takes more than `MAX_STEPS` a byte
// counts as a match from there on: what cannot be searched is not passed on.
//
// The bytes that a stream holds back tell its receiver that the bytes so far begin a value. Whoever can have text of
// their own sent through the stream could guess a value from that, character by character. An *oblivious* stream holds
// back everything that looks like a value, whatever the values are, and so reveals nothing.
import { type Encoding, encodingsOf } from './search/encodings.ts';
import { emptyReadings, isSpecial, mayBeginEscape, readCharacters } from './search/escapes.ts';
import { type FoldedMatch, FoldedSearch } from './search/folded-search.ts';
import { MultiSearch } from './search/multi-search.ts';
import { PatternTree, type TreeMatch } from './search/pattern-tree.ts';

/** The fewest characters of a value that is searched for. */
export const MIN_SECRET_LENGTH = 8;

/**
 * How a value was encoded. `raw`: its own bytes; `escaped`: with escapes of URLs, JSON or HTML; `base64`: the
 * characters of base64 that it alone determines; `hex`: all digits; `decimal`: the numbers of its bytes;
 * `other`: base64 of base64, base32, or overlapping values.
 */
export type MatchForm = 'raw' | 'escaped' | 'base64' | 'hex' | 'decimal' | 'other';

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

/** An encoding of a value. */
interface Candidate extends Encoding {
  readonly index: number;
}

/** Candidates that are matched together. */
interface CandidateTree {
  readonly candidates: Candidate[];
  readonly tree: PatternTree;
}

const NO_BYTES: Buffer = Buffer.alloc(0);
const NO_RANGES: readonly never[] = [];
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const PLUS = 0x2b;
const COMMA = 0x2c;
/** The characters of a run that looks like a value, beside those of the values: ASCII without spaces and delimiters. */
const TOKEN_CHARACTER = /[!#$%&*+./0-9:;=?@A-Z\\^_`a-z|~-]/;
/** An oblivious stream does not hold back a run this short: it reveals no more than a value's first characters, mostly its kind. */
const MAX_UNBUFFERED_RUN = 2;

/** Comparisons that a search may take: for each byte of the data, and at least. */
const MAX_STEPS = 16;
const MIN_ALLOWANCE = 65_536;
/** A search in slices goes on by so many bytes at a time: hostile ones take a few milliseconds. */
const SLICE = 32_768;
/** So many matches in one text: the rest of it counts as one more. */
const MAX_MATCHES = 16_384;
/** Characters that count as the same: forms write "+" for a space, and base64 has two alphabets. */
const ALIKE_IN_TEXT = [' +'];
const ALIKE_IN_BASE64 = ['-+', '_/'];
const ANY_BYTE = Array.from({ length: 256 }, (_, byte) => byte);
/** Bytes that a line break or an escape may begin with. */
const BREAKS = [LF, CR, 0x5c];
const ESCAPES = [0x25, 0x26, 0x5c];
const utf8 = new TextEncoder();

/** Finds the values of one set. */
export class Finder {
  readonly #values: Buffer[] = [];
  readonly #search = new MultiSearch();
  /** An encoding has no anchor, so all data is scanned. */
  #scanAll = false;
  readonly #raw: CandidateTree = { candidates: [], tree: new PatternTree(ALIKE_IN_TEXT) };
  readonly #encoded: CandidateTree = { candidates: [], tree: new PatternTree(ALIKE_IN_BASE64) };
  readonly #trees: readonly CandidateTree[] = [this.#raw, this.#encoded];
  /** Whether an encoding may begin with two bytes: one bit for each pair. */
  readonly #firstTwoBytes = new Uint8Array(8192);
  /** By ASCII character: whether a value may begin with it. */
  readonly #firstCharacters = new Uint8Array(128);
  readonly #readings = emptyReadings();
  #maxLength = 0;
  /** By byte: whether a run that looks like a value may contain it. */
  readonly #tokenBytes: boolean[] = Array.from(
    { length: 256 },
    (_, byte) => byte === 0 || TOKEN_CHARACTER.test(String.fromCharCode(byte)),
  );
  readonly #folded: FoldedSearch | undefined;
  #steps = 0;

  /** `folded`: values are found in the folded view too (`folded-view.ts`), with the form `other`. */
  constructor(values: readonly SearchTarget[], folded = false) {
    this.#folded = folded ? new FoldedSearch() : undefined;
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
    const index = this.#values.push(bytes) - 1;
    for (const byte of bytes) this.#tokenBytes[byte] = true;
    // A space may stand for the "+" of a value.
    if (bytes.includes(PLUS)) this.#tokenBytes[SPACE] = true;
    for (const encoding of encodings) {
      const { candidates, tree } = encoding.kind === 'raw' ? this.#raw : this.#encoded;
      candidates.push({ ...encoding, index });
      tree.add(encoding);
      this.#allowBeginning(tree, encoding);
      this.#maxLength = Math.max(this.#maxLength, encoding.maxLength);
    }
    this.#folded?.add(value, encodings);
    this.#scanAll ||=
      this.#folded?.needsExact === true || encodings.some(({ anchors }) => anchors.length === 0);
    this.#search.add(encodings.flatMap(({ anchors }) => anchors));
  }

  /** Comparisons so far, of all data: the time that the searches took. */
  get steps(): number {
    return this.#steps;
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
    const all: Range[] = [];
    let from = 0;
    let carried: Range | undefined;
    for (let to = 0; to < bytes.length; ) {
      to = Math.min(bytes.length, to + slice);
      const data = bytes.subarray(from, to);
      const whole = to === bytes.length;
      const { ranges, until, spanning } = this.#findPart(data, whole, carried, 'patient');
      for (const range of ranges) {
        const last = all.at(-1);
        if (range.continued && last !== undefined) last.end = from + range.end;
        else if (range.start < until)
          addRange(all, { ...range, start: from + range.start, end: from + range.end });
      }
      if (all.length > MAX_MATCHES) {
        addRange(all, { ...UNSEARCHED, start: from + until, end: bytes.length });
        return all;
      }
      carried = spanning && carriedOver(spanning, until);
      from += until;
      if (!whole) yield;
    }
    const last = all.at(-1);
    if (last !== undefined) last.end = Math.min(last.end, bytes.length);
    return all;
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
        const { ranges, until, spanning } = this.#findPart(
          data,
          false,
          carried,
          oblivious ? 'oblivious' : 'prompt',
        );
        pending = data.subarray(until);
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
    const end = { from: Math.max(0, data.length - this.#maxLength), to: data.length };
    const { ranges, incomplete } = this.#findIn(data, whole, carried, end, hold === 'patient');
    if (whole) return { ranges, until: data.length, spanning: undefined };
    const until = hold === 'oblivious' ? Math.min(incomplete, this.#trailingToken(data)) : incomplete;
    const spanning = ranges.find((range) => until < range.end && (range.start < until || range.continued));
    const isShort =
      spanning !== undefined && !spanning.continued && spanning.end - spanning.start <= 2 * this.#maxHeld;
    return isShort ? { ranges, until: spanning.start, spanning: undefined } : { ranges, until, spanning };
  }

  /** The start of the run at the end of the data that looks like a value. It may contain single line breaks. */
  #trailingToken(data: Buffer): number {
    const least = Math.max(0, data.length - this.#maxHeld);
    const isToken = (at: number): boolean =>
      at >= least && (this.#tokenBytes[data[at] ?? 0] === true || isListSeparator(data, at));
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
    const { ranges } = this.#findIn(bytes, true);
    const last = ranges.at(-1);
    if (last !== undefined) last.end = Math.min(last.end, bytes.length);
    return ranges;
  }

  /** Searches both views. `whole`: nothing follows the data. `also`: positions that the exact search must look at. */
  #findIn(
    data: Buffer,
    whole: boolean,
    carried?: Range,
    also?: SearchWindow,
    patient = false,
  ): { readonly ranges: readonly Range[]; readonly incomplete: number } {
    const folded = this.#folded?.scan(data, whole, patient);
    const windows = this.#searchWindows(data);
    const isFolded = folded !== undefined && (folded.matches.length > 0 || folded.anchors.length > 0);
    if (windows.length === 0 && also === undefined && !isFolded)
      return { ranges: NO_RANGES, incomplete: folded?.incomplete ?? data.length };
    const extra = (folded?.anchors ?? []).map((at) => ({
      from: Math.max(0, at - this.#maxLength),
      to: at + 1,
    }));
    const all =
      also === undefined && extra.length === 0
        ? windows
        : [...windows, ...extra, ...(also ? [also] : [])].sort((a, b) => a.from - b.from);
    const exact = all.length === 0 ? { ranges: [], incomplete: data.length } : this.#scan(data, all, carried);
    if (folded === undefined) return exact;
    const incomplete = Math.min(exact.incomplete, folded.incomplete);
    return { ranges: mergeRanges(exact.ranges, folded.matches), incomplete };
  }

  /** The positions at which values may begin, in order: a cheap test that is seldom wrong. Empty if there is no value. */
  #searchWindows(data: Buffer): readonly SearchWindow[] {
    if (this.#scanAll) return [{ from: 0, to: data.length }];
    const search = this.#search;
    let at = search.isEmpty ? -1 : search.next(data, 0);
    if (at < 0) return NO_RANGES;
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
    const found: TreeMatch = { pattern: -1, end: -1, incomplete: false, steps: 0 };
    let allowance = MIN_ALLOWANCE + MAX_STEPS * data.length;
    let incomplete = data.length;
    let at = 0;
    for (const { from, to } of windows) {
      for (at = Math.max(at, from); at < to; at++) {
        const byte = data[at] ?? 0;
        const next = data[at + 1];
        if (next !== undefined && !((begins[(byte << 5) | (next >> 3)] ?? 0) & (1 << (next & 7)))) continue;
        if (isSpecial(byte) && !this.#mayBegin(data, at)) continue;
        let end = -1;
        let best: Candidate | undefined;
        for (const { candidates, tree } of this.#trees) {
          tree.match(data, at, found);
          allowance -= found.steps;
          this.#steps += found.steps;
          if (found.incomplete && at < incomplete) incomplete = at;
          if (found.end <= end) continue;
          end = found.end;
          best = candidates[found.pattern];
        }
        if (allowance < 0) {
          // A value may begin at the end of the data.
          addRange(ranges, { ...UNSEARCHED, start: at, end: data.length + this.#maxLength });
          return { ranges, incomplete };
        }
        if (best !== undefined) addRange(ranges, this.#range(best, data, at, end));
      }
    }
    return { ranges, incomplete };
  }

  /** Whether a value may begin with the escape at a position. */
  #mayBegin(data: Buffer, at: number): boolean {
    const readings = this.#readings;
    readings.count = 0;
    readings.incomplete = false;
    readCharacters(data, at, readings);
    if (readings.incomplete) return true;
    for (let index = 0; index < readings.count; index++) {
      const point = readings.points[index] as number;
      if (point >= 128 || this.#firstCharacters[point] === 1) return true;
    }
    return false;
  }

  /** The longest match of either search. */
  get #maxHeld(): number {
    return Math.max(this.#maxLength, this.#folded?.maxLength ?? 0);
  }

  /** Sets the bits of the pairs of bytes that an encoding may begin with. */
  #allowBeginning(tree: PatternTree, encoding: Encoding): void {
    if (this.#maxLength === 0) {
      for (const byte of ESCAPES)
        this.#allow(
          byte,
          ANY_BYTE.filter((next) => mayBeginEscape(byte, next)),
        );
    }
    for (const first of tree.charactersAt(encoding, 0)) {
      if (first < 128) this.#firstCharacters[first] = 1;
      const [byte = 0, another] = utf8.encode(String.fromCodePoint(first));
      if (another !== undefined) this.#allow(byte, [another]);
      else {
        const second = tree.charactersAt(encoding, 1);
        const bytes = second.map((point) => utf8.encode(String.fromCodePoint(point))[0] ?? 0);
        this.#allow(byte, [...bytes, ...ESCAPES, ...(encoding.mayBreak ? BREAKS : [])]);
      }
    }
  }

  #allow(byte: number, next: Iterable<number>): void {
    for (const second of next) {
      const pair = (byte << 5) | (second >> 3);
      this.#firstTwoBytes[pair] = (this.#firstTwoBytes[pair] ?? 0) | (1 << (second & 7));
    }
  }

  #range({ kind, offset, index }: Candidate, data: Buffer, start: number, end: number): Range {
    const form =
      kind === 'double-base64' || kind === 'base32'
        ? 'other'
        : kind !== 'raw'
          ? kind
          : this.#values[index]?.equals(data.subarray(start, end))
            ? 'raw'
            : 'escaped';
    return { start, end, index, form, offset, continued: false };
  }
}

/** Whether a comma, or a space after one, follows a digit: numbers of bytes in a list look like a value too. */
function isListSeparator(data: Buffer, at: number): boolean {
  const comma = data[at] === SPACE ? at - 1 : at;
  const digit = data[comma - 1] ?? 0;
  return data[comma] === COMMA && digit >= 0x30 && digit <= 0x39;
}

/** Data that takes too long to search: it counts as a match of the first value. */
const UNSEARCHED = { index: 0, form: 'other', offset: 0, continued: false } as const;

/** What a match that goes on is in the data from `until` on. */
function carriedOver(range: Range, until: number): Range {
  return { ...range, start: 0, end: range.end - until, form: 'other', continued: true };
}

/** Adds a range behind the others, or to the last one where they overlap. */
function addRange(ranges: Range[], range: Range): void {
  const last = ranges.at(-1);
  if (last === undefined || range.start >= last.end) ranges.push(range);
  else if (range.end > last.end) {
    last.end = range.end;
    last.form = 'other';
  }
}

/** The ranges of both searches, in order; those that overlap count as one. */
function mergeRanges(ranges: readonly Range[], matches: readonly FoldedMatch[]): readonly Range[] {
  if (matches.length === 0) return ranges;
  const folded = matches.map((match): Range => ({ ...UNSEARCHED, ...match }));
  const merged: Range[] = [];
  for (const range of [...ranges, ...folded].sort(
    (a, b) => Number(b.continued) - Number(a.continued) || a.start - b.start || b.end - a.end,
  ))
    addRange(merged, { ...range });
  return merged;
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
