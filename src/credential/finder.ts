// Finds where any of some values stands in bytes, in all the forms that `encodings.ts` knows, whole or in a stream
// that is cut anywhere; the caller says what to put there. Data that holds none is passed at once (`multi-search.ts`).
// Matches that overlap count as one. A value shorter than `SHORTEST` is passed over: it would be found everywhere.
//
// What a stream keeps back tells whoever receives it that the bytes so far begin a value: who can have text of its own
// sent that way guesses a value character by character. Kept back *blindly* is all that looks like a value, whatever
// the values are, so that this tells nothing.
import { match, type Pattern, patternsOf, startsOf } from './search/encodings.ts';
import { Search } from './search/multi-search.ts';

/** The fewest characters of a value that is looked for. */
export const SHORTEST = 8;

/**
 * How a value was written. `raw`: its very bytes; `escaped`: with escapes of URLs, JSON or HTML in it; `base64`:
 * the characters of base64 that it alone decides; `hex`: all digits; `other`: base64 of base64, or values that
 * overlap.
 */
export type MatchForm = 'raw' | 'escaped' | 'base64' | 'hex' | 'other';

/** Bytes that hold a value, from `start` up to `end`. */
export interface Match {
  readonly start: number;
  readonly end: number;
  /** Which of the values; of those that overlap the first. */
  readonly index: number;
  readonly form: MatchForm;
  /** With `base64`: how many bytes stood before the value in its group of three. */
  readonly offset: 0 | 1 | 2;
}

/** A match, for the one who says what to put there. */
export interface MatchedValue extends Omit<Match, 'start' | 'end'> {
  /** What stood there. */
  readonly bytes: Buffer;
  /**
   * It goes on from the one before, in a stream only: a value that overlaps itself again and again is not
   * gathered. The form is `other`.
   */
  readonly continued: boolean;
}

/** Says what to put in the place of a match. What it throws comes out of `push`, `flush` or `replace`. */
export type Replacer = (match: MatchedValue) => Buffer;

/** A value to look for; with its patterns where they are at hand. */
export interface SearchTarget {
  readonly value: string;
  readonly encodings?: readonly Pattern[];
}

/** What replaces in a stream, wherever its pieces are cut. */
export interface ByteTransform {
  /** Takes a piece and gives what may go on. What could be the beginning of a value is kept for the next. */
  push(chunk: Buffer): Buffer[];
  /** Gives the rest: the stream has ended. */
  flush(): Buffer[];
}

/** What replaces values. */
export interface ReplaceTransform extends ByteTransform {
  /** Gives what is kept, as it came, to be pushed into another; without what belongs to a value put out already. */
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

/** Places of data, from `from` up to `to`. */
interface Window {
  readonly from: number;
  to: number;
}

interface Candidate {
  readonly pattern: Pattern;
  readonly index: number;
}

const NOTHING: Buffer = Buffer.alloc(0);
const NONE: readonly never[] = [];
const LF = 0x0a;
const CR = 0x0d;
/** What a run that looks like a value is made of, beside the bytes of the values: ASCII but spaces and marks around values. */
const INSIDE = /[!#$%&*+./0-9:;=?@A-Z\\^_`a-z|~-]/;
/** A run this short is kept back only where it must be: it tells no more than a value's first characters, mostly its kind. */
const SHORT_RUN = 2;

/** Finds one set of values. */
export class Finder {
  readonly #values: readonly Buffer[];
  readonly #search: Search | undefined;
  /** One of the patterns has nothing to search for: all data is looked through. */
  readonly #always: boolean;
  /** Patterns by their first byte. */
  readonly #starts: (Candidate[] | undefined)[] = [];
  /** Whether a pattern may begin with two bytes: a bit for each two. */
  readonly #begins = new Uint8Array(8192);
  readonly #longest: number;
  /** By byte: whether it may be in a run that looks like a value. */
  readonly #inside: readonly boolean[];

  constructor(values: readonly SearchTarget[]) {
    this.#values = values.map(({ value }) => Buffer.from(value));
    const candidates = values.flatMap(({ value, encodings }, index) =>
      value.length < SHORTEST ? [] : (encodings ?? patternsOf(value)).map((pattern) => ({ pattern, index })),
    );
    for (const candidate of candidates) {
      for (const [byte, second] of startsOf(candidate.pattern)) {
        for (const next of second) {
          const place = (byte << 5) | (next >> 3);
          this.#begins[place] = (this.#begins[place] ?? 0) | (1 << (next & 7));
        }
        const others = this.#starts[byte];
        if (others === undefined) this.#starts[byte] = [candidate];
        else others.push(candidate);
      }
    }
    const patterns = candidates.map(({ pattern }) => pattern);
    this.#always = patterns.some(({ anchors }) => anchors.length === 0);
    const anchors = this.#always ? [] : patterns.flatMap((pattern) => pattern.anchors);
    this.#search = anchors.length === 0 ? undefined : new Search(anchors);
    this.#longest = Math.max(0, ...patterns.map(({ longest }) => longest));
    const own = new Set(this.#values.flatMap((bytes) => [...bytes]));
    this.#inside = Array.from(
      { length: 256 },
      (_, byte) => own.has(byte) || INSIDE.test(String.fromCharCode(byte)),
    );
  }

  /** Whether a value stands anywhere in the bytes. */
  has(bytes: Buffer): boolean {
    return this.find(bytes).length > 0;
  }

  /** Every place of a value, in order; none overlaps another. */
  find(bytes: Buffer): readonly Match[] {
    return this.#whole(bytes);
  }

  /** The bytes with something else in the place of each value. The same object when there is none. */
  replace(bytes: Buffer, replace: Replacer): Buffer {
    const ranges = this.#whole(bytes);
    return ranges.length === 0 ? bytes : Buffer.concat(put(bytes, ranges, replace));
  }

  /**
   * Replaces in bytes that come in pieces. Nothing is kept back but what may be the beginning of a value; `blind`: what
   * looks like one, which no mark, space or empty line does.
   */
  stream(replace: Replacer, blind = false): ReplaceTransform {
    let rest: Buffer = NOTHING;
    // So many bytes of `rest` belong to a value of which the first part was replaced already.
    let before: Range | undefined;
    return {
      push: (chunk) => {
        const data = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
        const end = { from: Math.max(0, data.length - this.#longest), to: data.length };
        const windows = [...this.#windows(data), end].sort((a, b) => a.from - b.from);
        const { ranges, open: needed } = this.#scan(data, windows, before);
        const open = blind ? Math.min(needed, this.#tail(data)) : needed;
        let until = open;
        let across = ranges.find((range) => open < range.end && (range.start < open || range.continued));
        if (across !== undefined && !across.continued && across.end - across.start <= 2 * this.#longest) {
          until = across.start;
          across = undefined;
        }
        rest = data.subarray(until);
        before = across && { ...across, start: 0, end: across.end - until, form: 'other', continued: true };
        if (across !== undefined) {
          across.end = until;
          across.form = 'other';
        }
        return put(
          data.subarray(0, until),
          ranges.filter(({ start }) => start < until),
          replace,
        );
      },
      flush: () => {
        const data = rest;
        const { ranges } = this.#scan(data, [{ from: 0, to: data.length }], before);
        rest = NOTHING;
        before = undefined;
        return put(data, ranges, replace);
      },
      takePending: () => {
        const kept = rest.subarray(before?.end ?? 0);
        rest = NOTHING;
        before = undefined;
        return kept;
      },
    };
  }

  /** Where the run begins that looks like a value and ends with the data: single line breaks may be in it. */
  #tail(data: Buffer): number {
    const least = Math.max(0, data.length - this.#longest);
    const inside = (at: number): boolean => at >= least && this.#inside[data[at] ?? 0] === true;
    let at = data.length;
    while (at > least) {
      let last = at - 1;
      if (!inside(last)) {
        if (data[last] !== LF && data[last] !== CR) break;
        if (data[last] === LF && data[last - 1] === CR) last--;
        if (!inside(last - 1)) break;
      }
      at = last;
    }
    return data.length - at > SHORT_RUN ? at : data.length;
  }

  #whole(bytes: Buffer): readonly Range[] {
    const windows = this.#windows(bytes);
    return windows.length === 0 ? NONE : this.#scan(bytes, windows).ranges;
  }

  /** Where values may begin: cheap, and seldom wrong. In order; none where there is no value. */
  #windows(data: Buffer): readonly Window[] {
    if (this.#always) return [{ from: 0, to: data.length }];
    const search = this.#search;
    let at = search?.next(data, 0) ?? -1;
    if (search === undefined || at < 0) return NONE;
    const windows: Window[] = [];
    for (; at >= 0; at = search.next(data, at + 1)) {
      const last = windows.at(-1);
      const from = Math.max(0, at - this.#longest);
      if (last !== undefined && from <= last.to) last.to = at + 1;
      else windows.push({ from, to: at + 1 });
    }
    return windows;
  }

  /**
   * Finds the values that begin in the windows, in order, those that overlap as one; `before` is one that goes
   * on from earlier data. `open` is the first place where a value might begin of which the end is not there
   * yet: the data's length if there is none.
   */
  #scan(
    data: Buffer,
    windows: readonly Window[],
    before?: Range,
  ): { readonly ranges: Range[]; readonly open: number } {
    const begins = this.#begins;
    const ranges: Range[] = before === undefined ? [] : [{ ...before }];
    const found = { end: -1, open: false };
    let open = data.length;
    let at = 0;
    for (const { from, to } of windows) {
      for (at = Math.max(at, from); at < to; at++) {
        const byte = data[at] ?? 0;
        const next = data[at + 1];
        if (next !== undefined && !((begins[(byte << 5) | (next >> 3)] ?? 0) & (1 << (next & 7)))) continue;
        const candidates = this.#starts[byte];
        if (candidates === undefined) continue;
        let end = -1;
        let best: Candidate | undefined;
        for (const candidate of candidates) {
          match(candidate.pattern, data, at, found);
          if (found.open && at < open) open = at;
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
    return { ranges, open };
  }

  #range({ pattern: { kind, offset }, index }: Candidate, data: Buffer, start: number, end: number): Range {
    const form =
      kind === 'twice'
        ? 'other'
        : kind !== 'raw'
          ? kind
          : this.#values[index]?.equals(data.subarray(start, end))
            ? 'raw'
            : 'escaped';
    return { start, end, index, form, offset, continued: false };
  }
}

/** Puts what `replace` gives in the place of the ranges. */
function put(data: Buffer, ranges: readonly Range[], replace: Replacer): Buffer[] {
  const pieces: Buffer[] = [];
  let done = 0;
  for (const { start, end, ...match } of ranges) {
    pieces.push(data.subarray(done, start), replace({ ...match, bytes: data.subarray(start, end) }));
    done = end;
  }
  pieces.push(data.subarray(done));
  return pieces.filter(({ length }) => length > 0);
}
