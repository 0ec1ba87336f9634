// Finds strings of symbols in a sequence of symbols, each in constant time: the algorithm of Aho and Corasick
// ("Efficient string matching: an aid to bibliographic search", 1975). A state is the longest beginning of a string
// that the sequence ends with.
//
// Strings can be added at any time, in time proportional to the string. So what the algorithm computes of all strings
// in advance is computed here as sequences need it: a state's longest proper ending that is a state, too. A table of
// states and symbols would be a hundred times as large as the strings.
/** No state: the end of a list. */
export const NO_STATE = -1;

/** What is not computed yet. */
const UNKNOWN = -1;
const FIRST_SIZE = 1024;
/** Kinds of states, as bits. */
const BRANCHES = 1;
const ENDS = 2;

export class SymbolAutomaton {
  #states = 1;
  /** By state: the symbol that leads to it. */
  #symbols = new Uint8Array(FIRST_SIZE);
  /** By state: whether a string ends with it, and whether several symbols may follow. */
  #kinds = new Uint8Array(FIRST_SIZE);
  /** By state: the one before its last symbol. Mostly the number before its own. */
  #parents = new Int32Array(FIRST_SIZE);
  /** By state: how many symbols it stands for. */
  #depths = new Int32Array(FIRST_SIZE);
  /** By state: its longest proper ending that is a state, or `UNKNOWN`. */
  #shorter = new Int32Array(FIRST_SIZE).fill(UNKNOWN);
  /** By state whose `#shorter` is known: the next shorter one with which a string ends. */
  #nextEnds = new Int32Array(FIRST_SIZE).fill(NO_STATE);
  readonly #alphabet: number;
  /** By symbol: the state of that symbol alone. */
  readonly #first: Int32Array;
  /** `#shorter` was computed for some state. */
  #computed = false;
  /** By state and symbol: the state after it, if that does not have the next number. */
  readonly #branches = new Map<number, number>();
  /** By state with which strings end: their indexes. */
  readonly #strings = new Map<number, number[]>();

  /** `alphabet`: how many symbols there are, 256 at most. */
  constructor(alphabet: number) {
    this.#alphabet = alphabet;
    this.#first = new Int32Array(alphabet);
    this.#shorter[0] = 0;
  }

  /** Adds a string with an index. */
  add(string: Uint8Array, index: number): void {
    this.#reserve(this.#states + string.length);
    let state = 0;
    for (let at = 0; at < string.length; at++) {
      const symbol = string[at] as number;
      state = this.#child(state, symbol) || this.#create(state, symbol, at + 1);
    }
    this.#kinds[state] = (this.#kinds[state] as number) | ENDS;
    const others = this.#strings.get(state);
    if (others === undefined) this.#strings.set(state, [index]);
    else others.push(index);
    if (this.#computed) this.#shorter.fill(UNKNOWN, 1);
    this.#computed = false;
  }

  next(state: number, symbol: number): number {
    for (let from = state; ; from = this.#shorterOf(from)) {
      const found = this.#child(from, symbol);
      if (found > 0 || from === 0) return found;
    }
  }

  depthOf(state: number): number {
    return this.#depths[state] as number;
  }

  /** The longest state that the sequence ends with and a string continues; 0 if there is none. */
  firstOpen(state: number): number {
    let open = state;
    while (open > 0 && !this.#hasChild(open)) open = this.#shorterOf(open);
    return open;
  }

  /** The next shorter one. */
  nextOpen(state: number): number {
    return this.firstOpen(this.#shorterOf(state));
  }

  /** The longest state with which a string ends, of those that the sequence ends with. */
  firstEnd(state: number): number {
    return ((this.#kinds[state] as number) & ENDS) !== 0 ? state : this.nextEnd(state);
  }

  nextEnd(state: number): number {
    this.#shorterOf(state);
    return this.#nextEnds[state] as number;
  }

  /** The indexes of the strings that end with a state. */
  keysAt(state: number): readonly number[] {
    return this.#strings.get(state) ?? [];
  }

  /** The state after a symbol that a string continues with; 0 if none does. */
  #child(state: number, symbol: number): number {
    if (state === 0) return this.#first[symbol] as number;
    const next = state + 1;
    if (this.#symbols[next] === symbol && this.#parents[next] === state) return next;
    if (((this.#kinds[state] as number) & BRANCHES) === 0) return 0;
    return this.#branches.get(state * this.#alphabet + symbol) ?? 0;
  }

  #hasChild(state: number): boolean {
    return ((this.#kinds[state] as number) & BRANCHES) !== 0 || this.#parents[state + 1] === state;
  }

  #create(parent: number, symbol: number, depth: number): number {
    const state = this.#states++;
    this.#symbols[state] = symbol;
    this.#parents[state] = parent;
    this.#depths[state] = depth;
    if (parent === 0) this.#first[symbol] = state;
    else if (state !== parent + 1) {
      this.#kinds[parent] = (this.#kinds[parent] as number) | BRANCHES;
      this.#branches.set(parent * this.#alphabet + symbol, state);
    }
    return state;
  }

  /** The longest proper ending of a state that is a state. Computes it, and those of the states before, if need be. */
  #shorterOf(state: number): number {
    const shorter = this.#shorter;
    const unknown: number[] = [];
    for (let at = state; shorter[at] === UNKNOWN; at = this.#parents[at] as number) unknown.push(at);
    if (unknown.length > 0) this.#computed = true;
    for (let at = unknown.pop(); at !== undefined; at = unknown.pop()) {
      const parent = this.#parents[at] as number;
      const found = parent === 0 ? 0 : this.next(shorter[parent] as number, this.#symbols[at] as number);
      shorter[at] = found;
      this.#nextEnds[at] = this.firstEnd(found);
    }
    return shorter[state] as number;
  }

  /** Makes room for so many states, and one after them that is none. */
  #reserve(states: number): void {
    const size = this.#symbols.length;
    if (states < size) return;
    const larger = Math.max(states + 1, size + (size >> 1));
    const grow = <Numbers extends Uint8Array | Int32Array>(numbers: Numbers, into: Numbers): Numbers => {
      into.set(numbers.subarray(0, this.#states));
      return into;
    };
    this.#symbols = grow(this.#symbols, new Uint8Array(larger));
    this.#kinds = grow(this.#kinds, new Uint8Array(larger));
    this.#parents = grow(this.#parents, new Int32Array(larger));
    this.#depths = grow(this.#depths, new Int32Array(larger));
    this.#shorter = grow(this.#shorter, new Int32Array(larger).fill(UNKNOWN));
    this.#nextEnds = grow(this.#nextEnds, new Int32Array(larger));
  }
}
