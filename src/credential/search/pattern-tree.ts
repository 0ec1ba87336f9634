// All values in one tree, so that a position costs what it matches of the data, however many values there are. A
// compressed trie: a node has the run of characters up to where patterns part.
import { emptyReadings, isSpecial, type Readings, readCharacters, skipLineBreak } from './escapes.ts';

/** A sequence of characters to search for. */
export interface Pattern {
  /** Code points. */
  readonly characters: ArrayLike<number>;
  /** Line breaks may be between them. */
  readonly mayBreak: boolean;
  /** The longest match, in bytes. */
  readonly maxLength: number;
}

/** The result of `match`. `pattern`: the one with the longest match, or -1. `incomplete`: more data could give another match. */
export interface TreeMatch {
  pattern: number;
  end: number;
  incomplete: boolean;
  /** Characters that were compared: the time that it took. */
  steps: number;
}

interface Node {
  readonly label: ArrayLike<number>;
  readonly from: number;
  to: number;
  children: Map<number, Node> | undefined;
  /** The pattern that ends here, or -1. */
  pattern: number;
  mayBreak: boolean;
}

/** A place in the tree and in the data. */
interface State {
  node: Node;
  /** The position in the node's label. */
  at: number;
  position: number;
}

export class PatternTree {
  readonly #patterns: Pattern[] = [];
  /** By ASCII character: the one that it counts as. */
  readonly #folding = Uint8Array.from({ length: 128 }, (_, character) => character);
  /** By ASCII character that others count as: all these, itself included. */
  readonly #unfolding: readonly (readonly number[])[];
  readonly #root: Node = node([], 0, 0);
  #maxLength = 0;
  readonly #readings: Readings = emptyReadings();

  /** `alike`: pairs of ASCII characters that count as the same. */
  constructor(alike: readonly string[]) {
    for (const [character = '', same = ''] of alike)
      this.#folding[character.charCodeAt(0)] = same.charCodeAt(0);
    const unfolding = Array.from(this.#folding, (): number[] => []);
    for (const [character, folded] of this.#folding.entries()) unfolding[folded]?.push(character);
    this.#unfolding = unfolding;
  }

  /** Adds a pattern, with the next index. */
  add(pattern: Pattern): void {
    this.#insert(pattern, this.#patterns.push(pattern) - 1);
    this.#maxLength = Math.max(this.#maxLength, pattern.maxLength);
  }

  /** The characters that a match of a pattern may have at a position of it. */
  charactersAt({ characters }: Pattern, at: number): readonly number[] {
    const point = characters[at] as number;
    return point < 128 ? (this.#unfolding[this.#folding[point] as number] ?? []) : [point];
  }

  /** Matches at `at`, and writes into `result`. */
  match(data: Uint8Array, at: number, result: TreeMatch): void {
    result.pattern = -1;
    result.end = -1;
    result.incomplete = false;
    result.steps = 0;
    const state: State = { node: this.#root, at: this.#root.to, position: at };
    while (this.#matchPlain(state, data, at, result) && this.#matchSpecial(state, data, at, result));
  }

  /** Moves on by characters that are one byte and can be read in one way. Returns whether there is more to match. */
  #matchPlain(state: State, data: Uint8Array, start: number, result: TreeMatch): boolean {
    const folding = this.#folding;
    let { node, at, position } = state;
    for (;;) {
      if (at === node.to && node.children === undefined) return false;
      if (position >= data.length) {
        result.incomplete = true;
        return false;
      }
      const byte = data[position] as number;
      if (isSpecial(byte)) break;
      const character = folding[byte] as number;
      result.steps++;
      if (at < node.to) {
        if (node.label[at] !== character) return false;
      } else {
        const child = node.children?.get(character);
        if (child === undefined) return false;
        node = child;
        at = child.from;
      }
      at++;
      position++;
      if (at === node.to && node.pattern >= 0) this.#record(node.pattern, start, position, result);
    }
    state.node = node;
    state.at = at;
    state.position = position;
    return true;
  }

  /**
   * Moves on by characters that can be read in several ways, so that there may be several places at once. Returns
   * whether there is one again, which is then the state; false where nothing matches any more.
   */
  #matchSpecial(state: State, data: Uint8Array, start: number, result: TreeMatch): boolean {
    let states = this.#advance(state, data, start, result);
    while (states.length > 1) {
      const next: State[] = [];
      for (const current of states) {
        const reached = this.#advance(current, data, start, result);
        if (reached === STILL_ONE) addState(next, current);
        else for (const each of reached) addState(next, each);
      }
      states = next;
    }
    const [only] = states;
    if (only === undefined) return states === STILL_ONE;
    Object.assign(state, only);
    return true;
  }

  /** Moves to the places after the next character: where there is one, the state itself, and then returns `STILL_ONE`. */
  #advance(state: State, data: Uint8Array, start: number, result: TreeMatch): readonly State[] {
    const { node, at, position } = state;
    const readings = this.#read(node, position, data, start, result);
    let reached: State[] | undefined;
    let first: Node | undefined;
    let end = 0;
    for (let index = 0; index < readings.count; index++) {
      result.steps++;
      const point = readings.points[index] as number;
      const character = point < 128 ? (this.#folding[point] as number) : point;
      const into =
        at < node.to ? (node.label[at] === character ? node : undefined) : node.children?.get(character);
      if (into === undefined) continue;
      const position = readings.ends[index] as number;
      if (first === undefined) {
        first = into;
        end = position;
      } else {
        reached ??= [stateAfter(node, at, first, end)];
        addState(reached, stateAfter(node, at, into, position));
      }
    }
    if (first === undefined) return NOWHERE;
    for (const each of reached ?? []) this.#recordAt(each, start, result);
    if (reached !== undefined) return reached;
    state.at = first === node ? at + 1 : first.from + 1;
    state.node = first;
    state.position = end;
    this.#recordAt(state, start, result);
    return STILL_ONE;
  }

  /** The characters that may go on at a position. */
  #read(node: Node, position: number, data: Uint8Array, start: number, result: TreeMatch): Readings {
    const readings = this.#readings;
    readings.count = 0;
    readings.incomplete = false;
    // No match is longer: streams rely on it.
    if (position - start > this.#maxLength) return readings;
    if (position >= data.length) {
      result.incomplete = true;
      return readings;
    }
    readCharacters(data, position, readings);
    if (node.mayBreak && position > start) {
      const after = skipLineBreak(data, position);
      if (after < 0 || after === data.length) readings.incomplete = true;
      else if (after > position) readCharacters(data, after, readings);
    }
    if (readings.incomplete) result.incomplete = true;
    return readings;
  }

  #recordAt({ node, at, position }: State, start: number, result: TreeMatch): void {
    if (at === node.to && node.pattern >= 0) this.#record(node.pattern, start, position, result);
  }

  #record(pattern: number, start: number, end: number, result: TreeMatch): void {
    if (end <= result.end || end - start > (this.#patterns[pattern]?.maxLength ?? 0)) return;
    result.end = end;
    result.pattern = pattern;
  }

  #insert({ characters, mayBreak }: Pattern, index: number): void {
    const folded = this.#fold(characters);
    let parent = this.#root;
    let at = 0;
    while (at < folded.length) {
      const first = folded[at] as number;
      const child = parent.children?.get(first);
      if (child === undefined) {
        const leaf = node(folded, at, folded.length);
        leaf.mayBreak = mayBreak;
        leaf.pattern = index;
        parent.children ??= new Map();
        parent.children.set(first, leaf);
        return;
      }
      let end = child.from;
      while (end < child.to && at < folded.length && child.label[end] === folded[at]) {
        end++;
        at++;
      }
      parent = end < child.to ? split(parent, child, end) : child;
      parent.mayBreak ||= mayBreak;
    }
    if (parent.pattern < 0) parent.pattern = index;
  }

  #fold(characters: ArrayLike<number>): ArrayLike<number> {
    const folded = characters instanceof Uint8Array ? characters.slice() : Uint32Array.from(characters);
    for (let at = 0; at < folded.length; at++) {
      const point = folded[at] as number;
      if (point < 128) folded[at] = this.#folding[point] as number;
    }
    return folded;
  }
}

function node(label: ArrayLike<number>, from: number, to: number): Node {
  return { label, from, to, children: undefined, pattern: -1, mayBreak: false };
}

/** Puts a node between two, for the first part of the child's label. */
function split(parent: Node, child: Node, at: number): Node {
  const first = node(child.label, child.from, at);
  first.mayBreak = child.mayBreak;
  const rest = node(child.label, at, child.to);
  rest.children = child.children;
  rest.pattern = child.pattern;
  rest.mayBreak = child.mayBreak;
  first.children = new Map([[child.label[at] as number, rest]]);
  parent.children?.set(child.label[child.from] as number, first);
  return first;
}

/** The place after a character that led from a place in `node` into `into`. */
function stateAfter(node: Node, at: number, into: Node, position: number): State {
  return { node: into, at: into === node ? at + 1 : into.from + 1, position };
}

function addState(states: State[], state: State): void {
  const { node, at, position } = state;
  if (states.some((other) => other.position === position && other.node === node && other.at === at)) return;
  states.push({ node, at, position });
}

const NOWHERE: readonly State[] = [];
/** There is one place, which is the state that moved. */
const STILL_ONE: readonly State[] = [];
