// Searches data for the patterns of `encodings.ts`, each of whose characters may be written in every way of `escapes.ts`.
// Data without any value passes at once (`multi-search.ts`).
//
// The time is proportional to the data, whatever the data and however many values there are: positions that may begin
// a value are matched against all values at once (`pattern-tree.ts`). Only a value that repeats itself could make them
// match the same bytes again and again. The comparisons are counted, and data that takes more than `MAX_STEPS` a byte
// counts as a match from there on: what cannot be searched is not passed on.
import type { Encoding } from './encodings.ts';
import { emptyReadings, isSpecial, mayBeginEscape, readCharacters } from './escapes.ts';
import { MultiSearch } from './multi-search.ts';
import { PatternTree, type TreeMatch } from './pattern-tree.ts';
import { addRange, type Range, UNSEARCHED } from './ranges.ts';

/** Positions from `from` up to `to`. */
export interface SearchWindow {
  readonly from: number;
  to: number;
}

export interface ExactResult {
  readonly ranges: readonly Range[];
  /** The first position of a value whose end may be yet to come; the data's length if there is none. */
  readonly incomplete: number;
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

const NO_WINDOWS: readonly never[] = [];
const LF = 0x0a;
const CR = 0x0d;

/** Comparisons that a search may take: for each byte of the data, and at least. */
const MAX_STEPS = 16;
const MIN_ALLOWANCE = 65_536;
/** Characters that count as the same: forms write "+" for a space, and base64 has two alphabets. */
const ALIKE_IN_TEXT = [' +'];
const ALIKE_IN_BASE64 = ['-+', '_/'];
const ANY_BYTE = Array.from({ length: 256 }, (_, byte) => byte);
/** Bytes that a line break or an escape may begin with. */
const BREAKS = [LF, CR, 0x5c];
const ESCAPES = [0x25, 0x26, 0x5c];
const utf8 = new TextEncoder();

export class ExactSearch {
  readonly #values: Buffer[] = [];
  readonly #anchors = new MultiSearch();
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
  #steps = 0;

  /** The longest match, in bytes. */
  get maxLength(): number {
    return this.#maxLength;
  }

  /** Comparisons so far, of all data: the time that the searches took. */
  get steps(): number {
    return this.#steps;
  }

  /** Adds a value behind the others. `scanAll`: no window can be told without matching. */
  add(value: Buffer, encodings: readonly Encoding[], scanAll: boolean): void {
    const index = this.#values.push(value) - 1;
    for (const encoding of encodings) {
      const { candidates, tree } = encoding.kind === 'raw' ? this.#raw : this.#encoded;
      candidates.push({ ...encoding, index });
      tree.add(encoding);
      this.#allowBeginning(tree, encoding);
      this.#maxLength = Math.max(this.#maxLength, encoding.maxLength);
    }
    this.#scanAll ||= scanAll || encodings.some(({ anchors }) => anchors.length === 0);
    this.#anchors.add(encodings.flatMap(({ anchors }) => anchors));
  }

  /** The positions at which values may begin, in order: a cheap test that is seldom wrong. Empty if there is no value. */
  windows(data: Buffer): readonly SearchWindow[] {
    if (this.#scanAll) return [{ from: 0, to: data.length }];
    const anchors = this.#anchors;
    let at = anchors.isEmpty ? -1 : anchors.next(data, 0);
    if (at < 0) return NO_WINDOWS;
    const windows: SearchWindow[] = [];
    for (; at >= 0; at = anchors.next(data, at + 1)) {
      const last = windows.at(-1);
      const window = this.windowAt(at);
      if (last !== undefined && window.from <= last.to) last.to = window.to;
      else windows.push(window);
    }
    return windows;
  }

  /** Where a value may begin that has an anchor at `at`. */
  windowAt(at: number): SearchWindow {
    return { from: Math.max(0, at - this.#maxLength), to: at + 1 };
  }

  /**
   * Finds the values that begin in the windows, in order; those that overlap count as one. `carried` continues from
   * earlier data.
   */
  scan(data: Buffer, windows: readonly SearchWindow[], carried?: Range): ExactResult {
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
