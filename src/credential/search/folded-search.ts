// Searches the folded view of data (`folded-view.ts`) for values, in time proportional to the data. Nearly all data is
// told from a value without folding it: of any n bytes, n the letters and digits of the shortest key, three neighbours
// that no key contains as neighbours, or a space between two words, exclude a match around them. The rest runs through
// an automaton.

import type { Encoding } from './encodings.ts';
import { isPlain, type Key, keysOf } from './folded-keys.ts';
import { BLANK, END, FoldedSkip } from './folded-skip.ts';
import {
  codeOfUnit,
  INCOMPLETE,
  isBlank,
  isLineBreak,
  lengthOfUnit,
  mayBeInEscape,
  mayHaveEscapes,
  NO_SYMBOL,
  readUnit,
  SYMBOL_OF,
  SYMBOLS,
  symbolOf,
} from './folded-view.ts';
import { endsEmptyLine, isIndentation, mayBeQuoted, wordEnd } from './indentation.ts';
import type { FoundRange } from './ranges.ts';
import { NO_STATE, SymbolAutomaton } from './symbol-automaton.ts';
import { extendLeft, extendRight, isWritten, MAX_GAP_EACH } from './written-value.ts';

/** What a search has found. It holds until the next one. */
export interface FoldedResult {
  matches: FoundRange[];
  /** Positions near which the exact search must look. */
  anchors: number[];
  /** The first position of a match whose end may be yet to come; the data's length if there is none. */
  incomplete: number;
}

/** Less data than this is not looked through for marks of escapes first, and not passed over by other means. */
const FEW_BYTES = 4096;
/** Of passing over data: the credit of keys' lengths that it begins with, and what a call costs. */
const CREDIT = 16;
const CALL = 2;
/** Nothing is ever added to it. */
const NONE: never[] = [];
/**
 * Classes of bytes beside the symbols, with bits for each kind that matters: what is no symbol, what ends a run, and what may end
 * one: a space or a tab, but at the beginning of a line; a line break where the line is empty.
 */
const GAP = NO_SYMBOL;
const MARK = NO_SYMBOL | 1;
const EQUALS = NO_SYMBOL | 2;
/** Bits of what may stand for a letter or digit, beside the symbols, and of `END`. */
const NOT_SKIPPED = END | (MARK ^ NO_SYMBOL) | (EQUALS ^ NO_SYMBOL);
const LINE_BREAK = 0x800 | NO_SYMBOL;
const LF = 0x0a;
const CR = 0x0d;
const EQUALS_SIGN = 0x3d;

export class FoldedSearch {
  readonly #values: string[] = [];
  readonly #keys: Key[] = [];
  /** By byte: its symbol or class. */
  #classes: Uint16Array = new Uint16Array(256);
  /** No value contains a line break. */
  #emptyLinesEnd = true;
  /** Three neighbouring symbols of a key: 1. */
  readonly #triples = new Uint8Array(SYMBOLS ** 3);
  /** The symbols of the shortest key. */
  #least = Number.POSITIVE_INFINITY;
  /** The most bytes between two letters or digits of a match. */
  #maxGap = MAX_GAP_EACH;
  #maxLength = 0;
  #needsExact = false;
  readonly #automaton = new SymbolAutomaton(SYMBOLS);
  /** Of the scan under way. */
  #patient = false;
  readonly #result: FoldedResult = { matches: NONE, anchors: NONE, incomplete: 0 };
  /** Passes over most data; `null`: not made yet. */
  #skip: FoldedSkip | undefined | null = null;
  /** Where the last symbols began, as many as the longest key has at least; a power of two. */
  #starts = new Int32Array(1);

  /** The longest match, in bytes. */
  get maxLength(): number {
    return this.#maxLength;
  }

  /** A value can be read in several ways, and has no anchor. */
  get needsExact(): boolean {
    return this.#needsExact;
  }

  /** Adds a value, behind the others. With no encodings it is not searched for, but counted. */
  add(value: string, encodings: readonly Encoding[]): void {
    const index = this.#values.push(value) - 1;
    if (encodings.length === 0) return;
    this.#skip = null;
    const keys = keysOf(value, encodings, index);
    if (!isPlain(value) && !keys.some(({ use }) => use === 'anchor')) this.#needsExact = true;
    for (const [{ length }] of value.matchAll(BETWEEN))
      this.#maxGap = Math.max(this.#maxGap, MAX_GAP_EACH * (1 + length));
    for (const key of keys) {
      const { symbols, maxLength } = key;
      this.#automaton.add(symbols, this.#keys.push(key) - 1);
      for (let at = 2; at < symbols.length; at++)
        this.#triples[tripleOf(symbols[at - 2] ?? 0, symbols[at - 1] ?? 0, symbols[at] ?? 0)] = 1;
      this.#least = Math.min(this.#least, symbols.length);
      this.#maxLength = Math.max(this.#maxLength, maxLength);
      if (symbols.length >= this.#starts.length)
        this.#starts = new Int32Array(2 ** Math.ceil(Math.log2(symbols.length + 1)));
    }
  }

  /** `tokenBytes`: by byte, whether a value may contain it, or what separates its characters. */
  setTokenBytes(tokenBytes: readonly boolean[]): void {
    this.#skip = null;
    this.#classes = Uint16Array.from(SYMBOL_OF, (symbol, byte) => {
      if (symbol !== NO_SYMBOL) return symbol;
      if ('\\%&'.includes(String.fromCharCode(byte))) return MARK;
      if (byte === EQUALS_SIGN) return EQUALS;
      if (tokenBytes[byte] === true) return GAP;
      if (isBlank(byte)) return BLANK;
      return isLineBreak(byte) ? LINE_BREAK : END;
    });
    this.#emptyLinesEnd = this.#classes[LF] === LINE_BREAK && this.#classes[CR] === LINE_BREAK;
  }

  /**
   * Finds the matches; in a `whole` text there is nothing after the data. `patient`: what may be a match counts as
   * incomplete also where it begins within a complete one, as a value that repeats itself does.
   */
  scan(data: Buffer, whole: boolean, patient = false): FoldedResult {
    this.#patient = patient;
    const result = this.#result;
    result.matches = NONE;
    result.anchors = NONE;
    result.incomplete = data.length;
    if (this.#keys.length === 0) return result;
    const least = this.#least;
    const classes = this.#classes;
    const triples = this.#triples;
    // No match has the three bytes at `clear` in it. Those after it up to `seen` exclude nothing.
    let clear = -1;
    let seen = -1;
    const isLong = data.length >= FEW_BYTES;
    let skip = isLong ? this.#beginSkip() : undefined;
    let credit = CREDIT;
    // Where most is passed over it is seldom asked for.
    let hasEscapes = skip !== undefined || !isLong || mayHaveEscapes(data);
    for (;;) {
      if (skip !== undefined) {
        const next = skip.from(data, clear);
        credit = Math.min(CREDIT, credit + (next - clear) / least - CALL);
        if (credit < 0) {
          // It stops at nearly every step.
          skip = undefined;
          hasEscapes = mayHaveEscapes(data);
        }
        if (next > clear) {
          clear = next;
          seen = next;
        }
      }
      let far = clear + least - 2;
      if (far + 2 >= data.length) break;
      let first = classes[data[far] as number] as number;
      // What stands for no letter or digit does not count.
      while (first >= NO_SYMBOL && (first & NOT_SKIPPED) === 0 && far + 3 < data.length)
        first = classes[data[++far] as number] as number;
      const second = classes[data[far + 1] as number] as number;
      const third = classes[data[far + 2] as number] as number;
      const all = first | second | third;
      // As `#excludes` says of most data.
      if (
        all < NO_SYMBOL
          ? triples[tripleOf(first, second, third)] === 0 && !(hasEscapes && mayBeInEscape(data, far))
          : (all & END) !== 0 || (all >= BLANK && followsWord(data, far, first, second, third))
      ) {
        clear = far;
        seen = far;
        continue;
      }
      let at = this.#lastExcluding(data, far, seen);
      if (at > seen) {
        clear = at;
        seen = far;
        continue;
      }
      at = far + 1;
      while (at + 2 < data.length && !this.#excludes(data, at)) at++;
      if (at + 2 >= data.length) break;
      this.#fold(data, clear + 1, at + 2, whole, result);
      clear = at;
      seen = at;
    }
    this.#fold(data, clear + 1, data.length, whole, result);
    return result;
  }

  #beginSkip(): FoldedSkip | undefined {
    if (this.#skip === null) this.#skip = FoldedSkip.of(this.#triples, this.#classes, this.#least);
    this.#skip?.begin();
    return this.#skip;
  }

  /** The last position from `far` down to `seen` that excludes a match; `seen` itself does not count. */
  #lastExcluding(data: Uint8Array, far: number, seen: number): number {
    const classes = this.#classes;
    for (let at = far; at > seen; ) {
      if (this.#excludes(data, at)) return at;
      // What precedes indentation is indentation, or the line break.
      if (classes[data[at--] as number] === BLANK)
        while (at > seen && classes[data[at] as number] === BLANK) at--;
    }
    return seen;
  }

  /** Whether no match has the three bytes in it. */
  #excludes(data: Uint8Array, at: number): boolean {
    const classes = this.#classes;
    const first = classes[data[at] as number] as number;
    const second = classes[data[at + 1] as number] as number;
    const third = classes[data[at + 2] as number] as number;
    const all = first | second | third;
    if (all < NO_SYMBOL)
      return this.#triples[tripleOf(first, second, third)] === 0 && !mayBeInEscape(data, at);
    return (all & END) !== 0 || (all >= BLANK && this.#endsRun(data, at, first, second, third));
  }

  /** Whether one of three bytes of these classes is a space that is no indentation, or ends an empty line. */
  #endsRun(data: Uint8Array, at: number, first: number, second: number, third: number): boolean {
    if (at >= 2 && followsWord(data, at, first, second, third)) return true;
    if (first === BLANK && !isIndentation(data, at)) return true;
    if (second === BLANK && first !== BLANK && !isIndentation(data, at + 1)) return true;
    if (third === BLANK && second !== BLANK && !isIndentation(data, at + 2)) return true;
    if (!this.#emptyLinesEnd) return false;
    if (first === LINE_BREAK && endsEmptyLine(data, at)) return true;
    if (second === LINE_BREAK && endsEmptyLine(data, at + 1)) return true;
    return third === LINE_BREAK && endsEmptyLine(data, at + 2);
  }

  /** Folds the data from `from` to `to`, where no escape is cut but by the data's end. */
  #fold(data: Uint8Array, from: number, to: number, whole: boolean, result: FoldedResult): void {
    if ((whole || to < data.length) && !this.#hasSymbols(data, from, to)) return;
    if (this.#foldAs(data, from, to, whole, false, result)) this.#foldAs(data, from, to, whole, true, result);
  }

  /** Whether there may be as many letters and digits as in the shortest key: a byte or a mark of an escape for each. */
  #hasSymbols(data: Uint8Array, from: number, to: number): boolean {
    const classes = this.#classes;
    let count = 0;
    for (let at = from; at < to && count < this.#least; at++) {
      const kind = classes[data[at] as number] as number;
      if (kind < NO_SYMBOL || kind === MARK || kind === EQUALS) count++;
    }
    return count >= this.#least;
  }

  /** `quoted`: reads quoted-printable. Returns whether the data contains what may be such. */
  #foldAs(
    data: Uint8Array,
    from: number,
    to: number,
    whole: boolean,
    quoted: boolean,
    result: FoldedResult,
  ): boolean {
    const automaton = this.#automaton;
    const starts = this.#starts;
    const mask = starts.length - 1;
    let state = 0;
    let count = 0;
    let last = from;
    /** Since the last line break there were only spaces. */
    let atBreak = false;
    /** That line break was no escaped one. */
    let afterRawBreak = false;
    let mayBe = false;
    for (let at = from; at < to; ) {
      const byte = data[at] as number;
      let symbol = this.#classes[byte] as number;
      let length = 1;
      if (symbol >= NO_SYMBOL) {
        let isBreak = isLineBreak(byte);
        if (symbol === MARK || (symbol === EQUALS && quoted)) {
          const unit = readUnit(data, at, whole, quoted);
          if (unit === INCOMPLETE) {
            this.#hold(data, at, result);
            this.#holdOpen(data, automaton, state, count, result);
            return mayBe;
          }
          length = lengthOfUnit(unit);
          const code = codeOfUnit(unit);
          symbol = symbolOf(code);
          isBreak = isLineBreak(code) || (atBreak && isBlank(code));
          afterRawBreak = false;
        } else if (symbol === EQUALS) mayBe ||= mayBeQuoted(data, at);
        else if (symbol === LINE_BREAK) {
          if (byte === CR && data[at + 1] === LF) length = 2;
          if (afterRawBreak) state = 0;
          afterRawBreak = true;
        } else if (isBlank(byte)) {
          if (symbol === BLANK && !atBreak) state = 0;
          at++;
          continue;
        } else if (symbol === END) state = 0;
        if (symbol >= NO_SYMBOL) {
          atBreak = isBreak;
          afterRawBreak &&= symbol === LINE_BREAK;
          at += length;
          continue;
        }
      }
      atBreak = false;
      afterRawBreak = false;
      if (at - last > this.#maxGap) state = 0;
      starts[count & mask] = at;
      count++;
      at += length;
      last = at;
      state = automaton.next(state, symbol);
      for (let found = automaton.firstEnd(state); found !== NO_STATE; found = automaton.nextEnd(found)) {
        const start = starts[(count - automaton.depthOf(found)) & mask] ?? 0;
        for (const key of automaton.keysAt(found)) this.#report(data, start, at, whole, quoted, key, result);
      }
    }
    if (to === data.length && !whole && to - last <= this.#maxGap)
      this.#holdOpen(data, automaton, state, count, result);
    return mayBe;
  }

  /** Holds back what may be the beginning of a match: the longest that is not within a complete one. */
  #holdOpen(
    data: Uint8Array,
    automaton: SymbolAutomaton,
    state: number,
    count: number,
    result: FoldedResult,
  ): void {
    const mask = this.#starts.length - 1;
    for (let open = automaton.firstOpen(state); open !== 0; open = automaton.nextOpen(open)) {
      const start = this.#starts[(count - automaton.depthOf(open)) & mask] ?? 0;
      if (this.#hold(data, start, result)) return;
    }
  }

  /**
   * Holds back from `start` on. Not from within a complete match, unless `#patient`: a stream passes on the line that a value
   * ends. False: not held back.
   */
  #hold(data: Uint8Array, start: number, result: FoldedResult): boolean {
    const last = result.matches.at(-1);
    if (!this.#patient && last !== undefined && start > last.start && start < last.end) return false;
    if (data.length - start > this.maxLength) return false;
    result.incomplete = Math.min(result.incomplete, start);
    return true;
  }

  #report(
    data: Uint8Array,
    start: number,
    end: number,
    whole: boolean,
    quoted: boolean,
    number: number,
    result: FoldedResult,
  ): void {
    const key = this.#keys[number];
    if (key === undefined || end - start > key.maxLength) return;
    const { index, use, raw } = key;
    const value = this.#values[index] ?? '';
    if (use === 'anchor') {
      if (result.anchors === NONE) result.anchors = [];
      result.anchors.push(start);
      return;
    }
    if (!raw) {
      add(result, { start, end, index, form: 'other' });
      return;
    }
    if (use === 'strict' && !isWritten(value, data, start, end, quoted)) return;
    const [, before = '', after = ''] = EDGES.exec(value) ?? [];
    const extended = extendRight(after, data, end, whole, quoted);
    if (extended === INCOMPLETE) this.#hold(data, start, result);
    add(result, {
      start: extendLeft(before, data, start, quoted),
      end: extended === INCOMPLETE ? end : extended,
      index,
      form: 'other',
    });
  }
}

/**
 * Whether one of three bytes of these classes, the third byte of the data at least, is a space that follows a word for certain.
 * Without a branch for each, which the processor could not foresee.
 */
function followsWord(data: Uint8Array, at: number, first: number, second: number, third: number): boolean {
  return (
    ((first & wordEnd(data, at)) | (second & wordEnd(data, at + 1)) | (third & wordEnd(data, at + 2))) !== 0
  );
}

function add(result: FoldedResult, match: FoundRange): void {
  if (result.matches === NONE) result.matches = [];
  result.matches.push(match);
}

/** What a value has before its first letter or digit, and after its last. */
const EDGES = /^([^A-Za-z0-9]*)[\s\S]*?([^A-Za-z0-9]*)$/;
/** What a value has between two letters or digits. */
const BETWEEN = /[^A-Za-z0-9]+/g;
function tripleOf(first: number, second: number, third: number): number {
  return (first * SYMBOLS + second) * SYMBOLS + third;
}
