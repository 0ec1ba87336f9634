// Passes over data that has no match for the folded search (`folded-search.ts`): what its loop does where one look is enough,
// in WebAssembly, which does it in a third of the time. Where one look does not show that there is no match it stops, and
// the loop goes on.
import {
  ADD,
  constant,
  END as END_BLOCK,
  get,
  I32,
  IF,
  LANES,
  LOOP,
  lazyModule,
  loadVector,
  NOT_BELOW,
  natural,
  PAGE,
  RETURN,
  set,
  unsigned,
  V128,
  vector,
} from '../../wire/web-assembly.ts';
import { MARK_BYTES, MAX_ESCAPE_RUN, NO_SYMBOL, SYMBOLS } from './folded-view.ts';
import { BLANK_BITS, LAST, LAST_BUT_ONE } from './indentation.ts';

/** The class of what ends a run, as a bit, and of a space or a tab: see `folded-search.ts`. */
export const END = 128;
export const BLANK = BLANK_BITS | NO_SYMBOL;

// The module's memory: neighbours of a key, classes, the two tables of `indentation.ts`; from the second page on the data, with
// as many bytes before it as are looked at before a position.
const TRIPLES = 0;
const CLASSES = 0xb800;
const LAST_AT = 0xba00;
const LAST_BUT_ONE_AT = 0xbc00;
const DATA = PAGE;
const CAPACITY = PAGE;
const PAGES = 2;
const BEFORE = 32;
/** Of a shorter key the first look would be too near the data's beginning. */
const LEAST_SYMBOLS = 6;

interface Memory {
  readonly bytes: Uint8Array;
  /** The last position up to which there is no match: from a position on, up to a last look, in steps. */
  readonly run: (clear: number, last: number, step: number) => number;
}

const load: () => Memory | undefined = lazyModule(
  { parameters: 3, pages: PAGES, body },
  ({ memory, run }) => {
    const bytes = new Uint8Array(memory);
    bytes.set(new Uint8Array(LAST.buffer, LAST.byteOffset, LAST.byteLength), LAST_AT);
    bytes.set(
      new Uint8Array(LAST_BUT_ONE.buffer, LAST_BUT_ONE.byteOffset, LAST_BUT_ONE.byteLength),
      LAST_BUT_ONE_AT,
    );
    return { bytes, run };
  },
);

/** Whose tables are in the memory. */
let owner: FoldedSkip | undefined;

export class FoldedSkip {
  readonly #memory: Memory;
  readonly #triples: Uint8Array;
  readonly #classes: Uint8Array;
  readonly #step: number;
  /** From which positions on, and up to where, the data is in the memory; and what its positions have there beside. */
  #from = 0;
  #to = 0;
  #base = 0;

  private constructor(memory: Memory, triples: Uint8Array, classes: Uint16Array, least: number) {
    this.#memory = memory;
    this.#triples = triples;
    this.#classes = new Uint8Array(classes.buffer, classes.byteOffset, classes.byteLength);
    this.#step = least - 2;
  }

  /** `triples` and `classes` as in the search, and do not change. `least`: symbols of the shortest key. */
  static of(triples: Uint8Array, classes: Uint16Array, least: number): FoldedSkip | undefined {
    if (least < LEAST_SYMBOLS || least > CAPACITY / 4) return undefined;
    const memory = load();
    return memory && new FoldedSkip(memory, triples, classes, least);
  }

  /** Begins with other data. No other search begins before this one has ended. */
  begin(): void {
    this.#from = 0;
    this.#to = 0;
    if (owner === this) return;
    owner = this;
    this.#memory.bytes.set(this.#triples, TRIPLES);
    this.#memory.bytes.set(this.#classes, CLASSES);
  }

  /** The last position of the data known to be clear, as far as one look at a time shows, if `clear` is one. */
  from(data: Uint8Array, clear: number): number {
    const { run } = this.#memory;
    const { length } = data;
    let at = clear;
    for (;;) {
      if (at < this.#from || (this.#to < length && at + this.#step + 3 > this.#to)) this.#fill(data, at);
      at = run(at + this.#base, this.#to - 3 + this.#base, this.#step) - this.#base;
      if (this.#to === length || at + this.#step + 3 <= this.#to) return at;
    }
  }

  /** Copies the data around and after a position. */
  #fill(data: Uint8Array, at: number): void {
    const { bytes } = this.#memory;
    const from = Math.max(0, at - BEFORE);
    const to = Math.min(data.length, from + CAPACITY - BEFORE - LANES);
    this.#base = DATA + BEFORE - from;
    bytes.set(data.subarray(from, to), from + this.#base);
    this.#from = from === 0 ? -1 : from + BEFORE;
    this.#to = to;
  }
}

// The module. Locals: the parameters, the position that is looked at, the classes of its bytes, all of them.
const CLEAR = 0;
const LIMIT = 1;
const STEP = 2;
const FAR = 3;
const KINDS = [4, 5, 6] as const;
const ALL = 7;
const BYTES = 8;

const SUBTRACT = 0x6b;
const MULTIPLY = 0x6c;
const AND = 0x71;
const OR = 0x72;
const SHIFT = 0x74;
const LESS = 0x49;
const GREATER = 0x4a;

/** `i32.load8_u` and `i32.load16_u` at an offset. */
const byteAt = (offset: number): number[] => [0x2d, 0, ...unsigned(offset)];
const wordAt = (offset: number): number[] => [0x2f, 0, ...unsigned(offset)];

/** Of the byte at `FAR`, some before or after, what a table of words says. */
function lookUp(table: number, offset: number): number[] {
  const place =
    offset < 0
      ? [...get(FAR), ...constant(-offset), SUBTRACT, ...byteAt(0)]
      : [...get(FAR), ...byteAt(offset)];
  return [...place, ...constant(1), SHIFT, ...wordAt(table)];
}

/** Whether a mark is among the bytes before `FAR` that an escape may have: by the halves of each byte. */
function marksBefore(): number[] {
  const halves = [new Array<number>(LANES).fill(0), new Array<number>(LANES).fill(0)] as const;
  for (const mark of MARK_BYTES) {
    const bit = 1 << ((mark >> 4) - 2);
    halves[0][mark & 0x0f] = (halves[0][mark & 0x0f] as number) | bit;
    halves[1][mark >> 4] = bit;
  }
  const literal = (bytes: readonly number[]): number[] => [...vector(0x0c), ...bytes];
  const [lower, upper] = halves;
  return [
    ...[...get(FAR), ...constant(MAX_ESCAPE_RUN), SUBTRACT, ...loadVector(0), ...set(BYTES)],
    // `i8x16.swizzle` by the lower halves and, after `i8x16.shr_u`, by the upper ones; `v128.and`.
    ...[...literal(lower), ...get(BYTES), ...literal(Array<number>(LANES).fill(0x0f)), ...vector(0x4e)],
    ...[...vector(0x0e), ...literal(upper), ...get(BYTES), ...constant(4), ...vector(0x6d), ...vector(0x0e)],
    ...vector(0x4e),
    // `i8x16.ne` with zeros, `i8x16.bitmask`.
    ...[...literal(Array<number>(LANES).fill(0)), ...vector(0x24), ...vector(0x64)],
    ...[...natural(2 ** MAX_ESCAPE_RUN - 1), AND],
  ];
}

function body(): number[] {
  const [first, second, third] = KINDS;
  const stop = [...get(CLEAR), RETURN];
  const goOn = (depth: number): number[] => [...get(FAR), ...set(CLEAR), 0x0c, depth];
  return [
    ...[2, 5, I32, 1, V128],
    ...LOOP,
    ...[...get(CLEAR), ...get(STEP), ADD, ...set(FAR)],
    ...[...get(FAR), ...get(LIMIT), GREATER, ...IF, ...stop, END_BLOCK],
    ...KINDS.flatMap((kind, offset) => [...lookUp(CLASSES, offset), ...set(kind)]),
    ...[...get(first), ...get(second), OR, ...get(third), OR, ...set(ALL)],
    // Three symbols: neighbours of a key, or maybe in an escape.
    ...[...get(ALL), ...natural(NO_SYMBOL), LESS, ...IF],
    ...[...get(first), ...constant(SYMBOLS), MULTIPLY, ...get(second), ADD, ...constant(SYMBOLS), MULTIPLY],
    ...[...get(third), ADD, ...byteAt(TRIPLES), ...IF, ...stop, END_BLOCK],
    ...[...marksBefore(), ...IF, ...stop, END_BLOCK],
    ...[...goOn(1), END_BLOCK],
    // What ends a run.
    ...[...get(ALL), ...natural(END), AND, ...IF, ...goOn(1), END_BLOCK],
    // A space after a word.
    ...[...get(ALL), ...natural(BLANK), NOT_BELOW, ...IF],
    ...KINDS.flatMap((kind, offset) => [
      ...[...get(kind), ...lookUp(LAST_AT, offset - 1), AND],
      ...[...lookUp(LAST_BUT_ONE_AT, offset - 2), AND],
      ...(offset > 0 ? [OR] : []),
    ]),
    ...[...IF, ...goOn(2), END_BLOCK, END_BLOCK],
    ...stop,
    ...[END_BLOCK, 0x00, END_BLOCK],
  ];
}
