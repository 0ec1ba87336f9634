// Finds the bytes of a long string of JSON that end a run of plain ones: quotes, backslashes and control characters; sixteen
// bytes at a time, by vectors of WebAssembly.
import {
  ADD,
  BITMASK,
  END,
  get,
  I32,
  IF,
  LANES,
  LOOP,
  LOWEST_BIT,
  lazyModule,
  loadVector,
  NOT_BELOW,
  PAGE,
  RETURN,
  type SmallModule,
  SPLAT,
  set,
  V128,
  vector,
} from '../wire/web-assembly.ts';

/** Bytes that are looked at together. They lie at the beginning of the module's memory, what is found in its second page. */
export const CAPACITY = 32_768;
const PAGES = 2;

// Locals: the parameters, the bits of what was found, the bytes.
const POSITION = 0;
const LIMIT = 1;
const OUT = 2;
const FOUND = 3;
const BYTES = 4;

/** `i8x16.splat` of a byte below 64, or of any as LEB128. */
const splat = (...value: number[]): number[] => [0x41, ...value, ...SPLAT];
const EQUAL = vector(0x23);
const LESS = vector(0x26);
const OR = vector(0x50);

const BODY: readonly number[] = [
  ...[2, 1, I32, 1, V128],
  ...LOOP,
  // Done.
  ...[...get(POSITION), ...get(LIMIT), NOT_BELOW, ...IF, ...get(OUT), RETURN, END],
  ...[...get(POSITION), ...loadVector(0), ...set(BYTES)],
  ...[...get(BYTES), ...splat(0x22), ...EQUAL],
  // 0x5c in signed LEB128 takes two bytes.
  ...[...get(BYTES), ...splat(0xdc, 0x00), ...EQUAL, ...OR],
  ...[...get(BYTES), ...splat(0x20), ...LESS, ...OR],
  ...[...BITMASK, ...set(FOUND)],
  ...[...get(FOUND), ...IF, ...LOOP],
  // `i32.store16` of the position of the lowest bit.
  ...[...get(OUT), ...get(POSITION), ...get(FOUND), LOWEST_BIT, ADD, 0x3b, 0, 0],
  ...[...get(OUT), 0x41, 2, ADD, ...set(OUT)],
  // Without that bit: `found & (found - 1)`; on while there are others, by `br_if 0`.
  ...[...get(FOUND), ...get(FOUND), 0x41, 1, 0x6b, 0x71, ...set(FOUND)],
  ...[...get(FOUND), 0x0d, 0, END, END],
  ...[...get(POSITION), 0x41, LANES, ADD, ...set(POSITION)],
  // `br 0`, the loop's end, and `unreachable`.
  ...[0x0c, 0, END, 0x00, END],
];

/** The marks in up to `CAPACITY` bytes. */
export interface StringMarks {
  /** The places of those in the bytes from `from` to `to`, counted from `from`; the first `count` hold until the next call. */
  readonly places: Uint16Array;
  count(bytes: Uint8Array, from: number, to: number): number;
}

function wrap({ memory, run }: SmallModule): StringMarks {
  const data = new Uint8Array(memory, 0, CAPACITY + LANES);
  return {
    places: new Uint16Array(memory, PAGE),
    count(bytes, from, to) {
      const length = to - from;
      data.set(bytes.subarray(from, to));
      // Plain ones behind them: the last vector goes beyond the end.
      data.fill(0x20, length, length + LANES);
      return (run(0, length, PAGE) - PAGE) >> 1;
    },
  };
}

/** Undefined where there are no vectors. */
export const stringMarks: () => StringMarks | undefined = lazyModule(
  { parameters: 3, pages: PAGES, body: () => BODY },
  wrap,
);
