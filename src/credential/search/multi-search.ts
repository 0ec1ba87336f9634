// Searches data for several byte strings in one pass: the algorithm of Wu and Manber with blocks of two bytes
// ("A fast algorithm for multi-pattern searching", 1994). Nearly all data contains none of them. The search then
// reads one block in every n bytes, where n is the length of the shortest string. Native `indexOf` would cost a
// call for each string and each short line. Long data is searched by vectors (`start-filter.ts`), as far as few places in it
// look like the beginning of a string.
import { FINGERPRINT, StartFilter } from './start-filter.ts';

/** The number of blocks of ASCII, no two of which share a bucket. */
const BUCKETS = 1 << 14;
const MAX_WINDOW = 255;
/** With a window of more bytes the filter is no faster; less data than this is not worth one. */
const WIDE_WINDOW = 12;
const FEW_BYTES = 1024;
/** Places that only look like a beginning: so many at least, and one in so many bytes, and the filter is no use. */
const MAX_MISSES = 16;
const BYTES_A_MISS = 128;

/** Searches for strings of at least two bytes. */
export class MultiSearch {
  /** How far to move on from a block: 0 if the window of a string may end there. */
  readonly #shift = new Uint8Array(BUCKETS);
  readonly #strings: Uint8Array[] = [];
  /** The strings, by the last block of their window. */
  readonly #byBlock = new Map<number, Uint8Array[]>();
  /** The length of the shortest string. */
  #window = 0;
  /** `null`: not made yet; `undefined`: it would be no use. */
  #filter: StartFilter | undefined | null = null;
  /** The strings, by their first bytes. */
  readonly #byStart = new Map<number, Uint8Array[]>();

  constructor(strings: readonly Uint8Array[] = []) {
    this.add(strings);
  }

  get isEmpty(): boolean {
    return this.#strings.length === 0;
  }

  add(strings: readonly Uint8Array[]): void {
    if (strings.length === 0) return;
    const shortest = Math.min(MAX_WINDOW, ...strings.map(({ length }) => length));
    const fits = !this.isEmpty && shortest >= this.#window;
    this.#strings.push(...strings);
    this.#filter = null;
    if (fits) for (const string of strings) this.#enter(string);
    else {
      this.#window = shortest;
      this.#shift.fill(shortest - 1);
      this.#byBlock.clear();
      for (const string of this.#strings) this.#enter(string);
    }
  }

  #enter(string: Uint8Array): void {
    for (let at = 1; at < this.#window; at++) {
      const block = hash(string[at - 1] ?? 0, string[at] ?? 0);
      const shift = this.#window - 1 - at;
      if (shift < (this.#shift[block] ?? 0)) this.#shift[block] = shift;
      if (shift > 0) continue;
      const others = this.#byBlock.get(block);
      if (others === undefined) this.#byBlock.set(block, [string]);
      else others.push(string);
    }
  }

  /** The first position, from `from` on, at which one of the strings occurs; -1 if there is none. */
  next(data: Uint8Array, from: number): number {
    if (data.length - from < FEW_BYTES) return this.#scan(data, from);
    if (this.#filter === null) this.#makeFilter();
    if (!this.#filter) return this.#scan(data, from);
    let misses = 0;
    let seen = from;
    let isUseless = false;
    const at = this.#filter.first(data, from, (start) => {
      if (this.#startsAt(data, start)) return true;
      seen = start + 1;
      isUseless = ++misses > MAX_MISSES && misses * BYTES_A_MISS > seen - from;
      return isUseless;
    });
    return isUseless ? this.#scan(data, seen) : at;
  }

  #makeFilter(): void {
    this.#filter = this.#window > WIDE_WINDOW ? undefined : StartFilter.of(this.#strings);
    this.#byStart.clear();
    if (this.#filter === undefined) return;
    for (const string of this.#strings) {
      const key = startKey(string, 0);
      const others = this.#byStart.get(key);
      if (others === undefined) this.#byStart.set(key, [string]);
      else others.push(string);
    }
  }

  /** Whether a string is there. */
  #startsAt(data: Uint8Array, at: number): boolean {
    const strings = this.#byStart.get(startKey(data, at));
    return strings?.some((string) => bytesMatch(string, data, at)) === true;
  }

  #scan(data: Uint8Array, from: number): number {
    const shifts = this.#shift;
    const length = data.length;
    const whole = this.#window - 1;
    const far = length - 2 * whole;
    let at = from + whole;
    while (at < length) {
      const shift = shiftAt(shifts, data, at);
      // Nearly all shifts are maximal. Three at once spare the processor the wait for one to know the next.
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

  /** The start of a string whose window ends at `at`; -1 if there is none. */
  #ending(data: Uint8Array, at: number): number {
    const start = at - this.#window + 1;
    for (const string of this.#byBlock.get(hash(data[at - 1] ?? 0, data[at] ?? 0)) ?? []) {
      if (bytesMatch(string, data, start)) return start;
    }
    return -1;
  }
}

function shiftAt(shifts: Uint8Array, data: Uint8Array, at: number): number {
  // In range by the loop's condition. `| 0` tells the compiler that both are integers.
  return shifts[hash((data[at - 1] as number) | 0, (data[at] as number) | 0)] as number;
}

function hash(first: number, second: number): number {
  return ((first << 7) ^ second) & (BUCKETS - 1);
}

/** The first bytes of a string as a number. */
function startKey(data: Uint8Array, at: number): number {
  let key = 0;
  for (let index = 0; index < FINGERPRINT; index++) key = (key << 8) | (data[at + index] ?? 0);
  return key;
}

function bytesMatch(string: Uint8Array, data: Uint8Array, at: number): boolean {
  for (let index = 0; index < string.length; index++) {
    if (data[at + index] !== string[index]) return false;
  }
  return true;
}
