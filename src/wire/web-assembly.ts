// Small WebAssembly modules, for what JavaScript has no instructions for: vectors. A module is one function over a memory of
// its own, written here as the bytes that a compiler would make of it: core specification 5.4 (instructions) and 5.5
// (modules). Numbers are below 64 or written as LEB128 by `unsigned`.

/** Types of values (5.3). */
export const I32 = 0x7f;
export const V128 = 0x7b;
const VOID = 0x40;
/** Instructions, some with what begins a block. */
export const LOOP: readonly number[] = [0x03, VOID];
export const IF: readonly number[] = [0x04, VOID];
export const END = 0x0b;
export const RETURN = 0x0f;
export const ADD = 0x6a;
/** `i32.ge_u` */
export const NOT_BELOW = 0x4f;
/** `i32.ctz` */
export const LOWEST_BIT = 0x68;
/** Bytes in a vector. */
export const LANES = 16;
export const PAGE = 65_536;

/** What TypeScript's library for Node lacks. */
declare const WebAssembly:
  | {
      Module: new (bytes: Uint8Array) => object;
      Instance: new (
        module: object,
      ) => { exports: { memory: { buffer: ArrayBuffer }; run: (...values: number[]) => number } };
    }
  | undefined;

export interface SmallModule {
  readonly memory: ArrayBuffer;
  readonly run: (...values: number[]) => number;
}

/** What a module is made of: a function of so many integers that returns one, over a memory of so many pages of 64 KiB. */
export interface SmallModuleText {
  readonly parameters: number;
  readonly pages: number;
  /** The function's locals and instructions, without the length. */
  readonly body: () => readonly number[];
}

/**
 * Gives a module, made at the first use, as `wrap` makes it of its function and memory. Undefined where there is no
 * WebAssembly, or one without vectors.
 */
export function lazyModule<T>(text: SmallModuleText, wrap: (module: SmallModule) => T): () => T | undefined {
  let made: { readonly wrapped: T | undefined } | undefined;
  return () => {
    if (made === undefined) {
      const module = smallModule(text);
      made = { wrapped: module && wrap(module) };
    }
    return made.wrapped;
  };
}

function smallModule({ parameters, pages, body: write }: SmallModuleText): SmallModule | undefined {
  const body = write();
  const bytes = Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [1, 0x60, parameters, ...Array<number>(parameters).fill(I32), 1, I32]),
    ...section(3, [1, 0]),
    ...section(5, [1, 0, pages]),
    ...section(7, [2, ...name('memory'), 2, 0, ...name('run'), 0, 0]),
    ...section(10, [1, ...unsigned(body.length), ...body]),
  ]);
  try {
    if (typeof WebAssembly === 'undefined') return undefined;
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes));
    return { memory: exports.memory.buffer, run: exports.run };
  } catch {
    return undefined;
  }
}

export const get = (local: number): number[] => [0x20, local];
export const set = (local: number): number[] => [0x21, local];
/** `i32.const` of a number from -64 to 63. */
export const constant = (value: number): number[] => [0x41, value & 0x7f];
/** `i32.const` of any number that is not negative: LEB128 whose last byte shows no sign. */
export const natural = (value: number): number[] => {
  const bytes = unsigned(value);
  return [
    0x41,
    ...((bytes.at(-1) as number) < 0x40
      ? bytes
      : [...bytes.slice(0, -1), (bytes.at(-1) as number) | 0x80, 0]),
  ];
};
/** A vector instruction. */
export const vector = (operation: number): number[] => [0xfd, ...unsigned(operation)];
/** `i8x16.splat`, of the integer before. */
export const SPLAT = vector(0x0f);
/** `i8x16.bitmask` */
export const BITMASK = vector(0x64);
/** `v128.load`, not aligned. */
export const loadVector = (offset: number): number[] => [...vector(0x00), 0, ...unsigned(offset)];

export function unsigned(value: number): number[] {
  return value < 128 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >> 7)];
}

function section(id: number, content: readonly number[]): number[] {
  return [id, ...unsigned(content.length), ...content];
}

function name(text: string): number[] {
  return [text.length, ...Buffer.from(text)];
}
