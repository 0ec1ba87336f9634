// Tells where in data one of several byte strings may begin, sixteen positions at a time: the idea of Teddy, of the
// Hyperscan library ("Hyperscan: a fast multi-pattern regex matcher for modern CPUs", 2019). The strings are in eight
// buckets, one bit each. For each of a string's first three bytes two tables of sixteen say by the byte's halves in which
// buckets it may be; where the six agree on a bucket, a string may begin. Whoever asks compares the bytes.
//
// JavaScript has no such instructions, WebAssembly has: `i8x16.swizzle` looks sixteen halves up at once. The module below
// is one loop, written as the bytes that a compiler would make of it.
import {
  ADD,
  BITMASK,
  constant,
  END,
  get,
  IF,
  LANES,
  LOOP,
  LOWEST_BIT,
  lazyModule,
  loadVector,
  NOT_BELOW,
  RETURN,
  SPLAT,
  set,
  V128,
  vector,
} from '../../wire/web-assembly.ts';

/** The first bytes of a string that are looked at. */
export const FINGERPRINT = 3;
const BUCKETS = 8;
/** Bytes that are searched at a time, and where they lie in the module's memory: behind the tables. */
const CAPACITY = 64 * 1024;
const DATA = 1024;
const PAGES = 2;
/** More positions that may be one, of those of random bytes, are no use. */
const MAX_DENSITY = 1 / 512;

interface Module {
  readonly memory: Uint8Array;
  /** The first position from `from` up to `to` and fifteen more at which the tables agree; -1 if there is none. */
  readonly find: (from: number, to: number) => number;
}

const load: () => Module | undefined = lazyModule(
  { parameters: 2, pages: PAGES, body },
  ({ memory, run }) => ({ memory: new Uint8Array(memory), find: run }),
);

export class StartFilter {
  readonly #module: Module;
  readonly #tables: Uint8Array;

  private constructor(module: Module, tables: Uint8Array) {
    this.#module = module;
    this.#tables = tables;
  }

  /** Undefined where it would be no use: with too many strings, or one that is too short. */
  static of(strings: readonly Uint8Array[]): StartFilter | undefined {
    if (strings.length === 0 || strings.some(({ length }) => length < FINGERPRINT)) return undefined;
    const tables = tablesOf(strings);
    if (densityOf(tables) > MAX_DENSITY) return undefined;
    const module = load();
    return module && new StartFilter(module, tables);
  }

  /**
   * Calls `isThere` with each position from `from` on at which a string may begin, in order, until it returns true; returns
   * that position, or -1. Looks at little data first: the next position may be near, and whoever asks goes on from there.
   */
  first(data: Uint8Array, from: number, isThere: (at: number) => boolean): number {
    const { memory, find } = this.#module;
    memory.set(this.#tables, 0);
    let size = CAPACITY / 16;
    for (let start = from; start < data.length; size = Math.min(2 * size, CAPACITY)) {
      const end = Math.min(start + size, data.length);
      const piece = data.subarray(start, end + FINGERPRINT - 1);
      memory.set(piece, DATA);
      memory.fill(0, DATA + piece.length, DATA + piece.length + 2 * LANES);
      const limit = DATA + end - start;
      for (let at = find(DATA, limit); at >= 0 && at < limit; at = find(at + 1, limit)) {
        if (isThere(start + at - DATA)) return start + at - DATA;
      }
      start = end;
    }
    return -1;
  }
}

/** For each of the first bytes the table of its lower halves, then that of its upper halves. */
function tablesOf(strings: readonly Uint8Array[]): Uint8Array {
  const tables = new Uint8Array(2 * FINGERPRINT * LANES);
  // Strings that differ in the case of letters only share a bucket: their halves nearly agree.
  const buckets = new Map<string, number>();
  for (const string of strings) {
    const first = [...string.subarray(0, FINGERPRINT)];
    const folded = first.map((byte) => byte | 0x20).join();
    const bucket = buckets.get(folded) ?? buckets.size % BUCKETS;
    buckets.set(folded, bucket);
    for (const [index, byte] of first.entries()) {
      for (const at of [2 * index * LANES + (byte & 0x0f), (2 * index + 1) * LANES + (byte >> 4)])
        tables[at] = (tables[at] ?? 0) | (1 << bucket);
    }
  }
  return tables;
}

/** How many positions of random bytes may be the beginning of a string. */
function densityOf(tables: Uint8Array): number {
  let density = 0;
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    let share = 1;
    for (let table = 0; table < 2 * FINGERPRINT; table++) {
      const halves = tables.subarray(table * LANES, (table + 1) * LANES);
      share *= halves.filter((bits) => (bits & (1 << bucket)) !== 0).length / LANES;
    }
    density += share;
  }
  return density;
}

/** Locals: the two parameters, the six tables, the bytes, the buckets so far. */
const POSITION = 0;
const LIMIT = 1;
const TABLES = 2;
const BYTES = 8;
const AGREED = 9;

const AND = vector(0x4e);
const SWIZZLE = vector(0x0e);
const LOWER_HALVES = [...vector(0x0c), ...Array<number>(LANES).fill(0x0f), ...AND];
/** `i8x16.shr_u` by four. */
const UPPER_HALVES = [...constant(4), ...vector(0x6d)];

/** The buckets in which the byte at an index of the fingerprint may be, for sixteen positions. */
function bucketsOf(index: number): number[] {
  const table = TABLES + 2 * index;
  return [
    ...[...get(POSITION), ...loadVector(index), ...set(BYTES)],
    ...[...get(table), ...get(BYTES), ...LOWER_HALVES, ...SWIZZLE],
    ...[...get(table + 1), ...get(BYTES), ...UPPER_HALVES, ...SWIZZLE],
    ...AND,
  ];
}

function body(): number[] {
  const indexes = Array.from({ length: FINGERPRINT }, (_, index) => index);
  const tables = Array.from({ length: 2 * FINGERPRINT }, (_, table) => [
    ...[...constant(0), ...loadVector(table * LANES), ...set(TABLES + table)],
  ]);
  return [
    ...[1, 2 * FINGERPRINT + 2, V128],
    ...tables.flat(),
    ...LOOP,
    // None.
    ...[...get(POSITION), ...get(LIMIT), NOT_BELOW, ...IF, ...constant(-1), RETURN, END],
    ...indexes.flatMap((index) => [
      ...bucketsOf(index),
      ...(index > 0 ? [...get(AGREED), ...AND] : []),
      ...set(AGREED),
    ]),
    // `v128.any_true`: the lowest lane that is not zero, by `i8x16.ne`.
    ...[...get(AGREED), ...vector(0x53), ...IF],
    ...[...get(POSITION), ...get(AGREED), ...constant(0), ...SPLAT, ...vector(0x24)],
    ...[...BITMASK, LOWEST_BIT, ADD, RETURN, END],
    ...[...get(POSITION), ...constant(LANES), ADD, ...set(POSITION)],
    // `br 0`, the loop's end, and `unreachable`.
    ...[0x0c, 0, END, 0x00, END],
  ];
}
