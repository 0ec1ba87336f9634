// Where any of some byte strings occurs in a piece of data, in one pass: Wu and Manber's search with blocks
// of two bytes ("A fast algorithm for multi-pattern searching", 1994). Nearly all data holds none, and then a
// pass looks at one block in as many bytes as the shortest string has; native `indexOf` would cost a call
// for each string and short line.

/** As many as there are blocks of ASCII: of these no two share one. */
const BUCKETS = 1 << 14;

/** Looks for strings of at least two bytes. */
export class Search {
  /** How far to go on from a block: 0 where one of the strings may end its window. */
  readonly #shift: Uint8Array;
  /** The strings by their window's last block. */
  readonly #byBlock = new Map<number, Uint8Array[]>();
  readonly #window: number;

  constructor(strings: readonly Uint8Array[]) {
    this.#window = Math.min(255, ...strings.map(({ length }) => length));
    this.#shift = new Uint8Array(BUCKETS).fill(this.#window - 1);
    for (const string of strings) {
      for (let at = 1; at < this.#window; at++) {
        const block = hash(string[at - 1] ?? 0, string[at] ?? 0);
        const shift = this.#window - 1 - at;
        if (shift < (this.#shift[block] ?? 0)) this.#shift[block] = shift;
        if (shift === 0) this.#byBlock.set(block, [...(this.#byBlock.get(block) ?? []), string]);
      }
    }
  }

  /** The first place, not before `from`, where one of the strings stands; -1 if there is none. */
  next(data: Uint8Array, from: number): number {
    const shifts = this.#shift;
    const length = data.length;
    const whole = this.#window - 1;
    const far = length - 2 * whole;
    let at = from + whole;
    while (at < length) {
      const shift = shiftAt(shifts, data, at);
      // Nearly all shifts are whole: three at once, so that a processor need not wait for one to know the next.
      if (
        at < far &&
        shift + shiftAt(shifts, data, at + whole) + shiftAt(shifts, data, at + 2 * whole) === 3 * whole
      ) {
        at += 3 * whole;
        continue;
      }
      if (shift > 0) {
        at += shift;
        continue;
      }
      const found = this.#ending(data, at);
      if (found >= 0) return found;
      at++;
    }
    return -1;
  }

  /** Where one of the strings begins of which the window ends at a place; -1 if there is none. */
  #ending(data: Uint8Array, at: number): number {
    const start = at - this.#window + 1;
    for (const string of this.#byBlock.get(hash(data[at - 1] ?? 0, data[at] ?? 0)) ?? []) {
      if (stands(string, data, start)) return start;
    }
    return -1;
  }
}

function shiftAt(shifts: Uint8Array, data: Uint8Array, at: number): number {
  // In range by the loop's condition; `| 0` is what the compiler would otherwise check for.
  return shifts[hash((data[at - 1] as number) | 0, (data[at] as number) | 0)] as number;
}

function hash(first: number, second: number): number {
  return ((first << 7) ^ second) & (BUCKETS - 1);
}

function stands(string: Uint8Array, data: Uint8Array, at: number): boolean {
  for (let index = 0; index < string.length; index++) {
    if (data[at + index] !== string[index]) return false;
  }
  return true;
}
