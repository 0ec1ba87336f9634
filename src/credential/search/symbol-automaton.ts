// Finds strings of symbols in a sequence of symbols, each in constant time: the algorithm of Aho and Corasick
// ("Efficient string matching: an aid to bibliographic search", 1975). A state is the longest beginning of a string
// that the sequence ends with.
import { SYMBOLS } from './folded-view.ts';

/** No state: the end of a list. */
export const NO_STATE = -1;

export class SymbolAutomaton {
  /** By state and symbol: the state after it. */
  readonly #next: Int32Array;
  /** By state: how many symbols it stands for. */
  readonly #depths: Int32Array;
  /** By state: the next shorter one with which a string ends. */
  readonly #nextEnds: Int32Array;
  /** By state: the longest shorter one that the sequence ends with. */
  readonly #shorter: Int32Array;
  /** By state: the longest one that the sequence ends with and a string continues; 0 if there is none. */
  readonly #open: Int32Array;
  /** By state with which strings end: their indexes. */
  readonly #strings = new Map<number, number[]>();

  constructor(strings: readonly Uint8Array[]) {
    const most = 1 + strings.reduce((sum, { length }) => sum + length, 0);
    const next = new Int32Array(most * SYMBOLS);
    const depths = new Int32Array(most);
    let states = 1;
    strings.forEach((string, index) => {
      let state = 0;
      for (const symbol of string) {
        let following = next[state * SYMBOLS + symbol] ?? 0;
        if (following === 0) {
          following = states++;
          next[state * SYMBOLS + symbol] = following;
          depths[following] = (depths[state] ?? 0) + 1;
        }
        state = following;
      }
      const others = this.#strings.get(state);
      if (others === undefined) this.#strings.set(state, [index]);
      else others.push(index);
    });
    this.#next = next.slice(0, states * SYMBOLS);
    this.#depths = depths.slice(0, states);
    this.#nextEnds = new Int32Array(states).fill(NO_STATE);
    this.#shorter = new Int32Array(states);
    this.#open = new Int32Array(states);
    this.#link();
  }

  next(state: number, symbol: number): number {
    return this.#next[state * SYMBOLS + symbol] as number;
  }

  depthOf(state: number): number {
    return this.#depths[state] as number;
  }

  /** The longest state that the sequence ends with and a string continues; 0 if there is none. */
  firstOpen(state: number): number {
    return this.#open[state] as number;
  }

  /** The next shorter one. */
  nextOpen(state: number): number {
    return this.#open[this.#shorter[state] as number] as number;
  }

  /** The longest state with which a string ends, of those that the sequence ends with. */
  firstEnd(state: number): number {
    return this.#strings.has(state) ? state : this.nextEnd(state);
  }

  nextEnd(state: number): number {
    return this.#nextEnds[state] as number;
  }

  /** The indexes of the strings that end with a state. */
  keysAt(state: number): readonly number[] {
    return this.#strings.get(state) ?? [];
  }

  /** Adds, breadth first, the transitions of symbols that no string continues with. */
  #link(): void {
    const next = this.#next;
    const shorter = this.#shorter;
    const queue = [0];
    for (const state of queue) {
      let isOpen = false;
      for (let symbol = 0; symbol < SYMBOLS; symbol++) {
        const at = state * SYMBOLS + symbol;
        const following = next[at] as number;
        const other = state === 0 ? 0 : (next[(shorter[state] ?? 0) * SYMBOLS + symbol] as number);
        if (following === 0) {
          next[at] = other;
          continue;
        }
        isOpen = true;
        shorter[following] = other;
        this.#nextEnds[following] = this.firstEnd(other);
        queue.push(following);
      }
      this.#open[state] = isOpen ? state : (this.#open[shorter[state] ?? 0] ?? 0);
    }
  }
}
