// The statements of a TOML text, and where each is: headers of tables, pairs, and the pairs in inline tables. The text is
// known to be valid: what is read here is only where things are.
import type { Path } from './edit.ts';

/** A key and its value: a line of a table, or a member of an inline one. */
export interface TomlPair {
  /** From the root: with the keys of its header, and the indexes of lists of tables. */
  readonly path: Path;
  /** From the key to the end of the value. */
  readonly start: number;
  readonly end: number;
  readonly valueStart: number;
  /** Of an inline table; undefined for any other value. */
  readonly members: readonly TomlPair[] | undefined;
}

/** A header, `[a.b]` or `[[a.b]]`, or a pair that stands in a table. */
export interface TomlStatement {
  readonly path: Path;
  /** Whole lines, with the comment at the end and the line end. */
  readonly start: number;
  readonly end: number;
  /** The path of the table in which it stands; for a header its own. */
  readonly table: Path;
  /** Undefined for a header. */
  readonly pair: TomlPair | undefined;
}

/** Finds the statements of a valid text. `decode` reads a key in double quotes. */
export function statementsOf(text: string, decode: (quoted: string) => string): TomlStatement[] {
  return new Scanner(text, decode).statements();
}

class Scanner {
  readonly #text: string;
  readonly #decode: (quoted: string) => string;
  #at = 0;

  constructor(text: string, decode: (quoted: string) => string) {
    this.#text = text;
    this.#decode = decode;
  }

  statements(): TomlStatement[] {
    const found: TomlStatement[] = [];
    const lists = new Map<string, number>();
    let table: Path = [];
    for (this.#skip(); this.#at < this.#text.length; this.#skip()) {
      const start = this.#text.lastIndexOf('\n', this.#at - 1) + 1;
      if (this.#text[this.#at] === '[') {
        const isList = this.#text[this.#at + 1] === '[';
        this.#at += isList ? 2 : 1;
        const keys = this.#keys();
        table = located(keys, isList, lists);
        found.push({ path: table, start, end: this.#nextLine(), table, pair: undefined });
      } else {
        const pair = this.#pair(table);
        found.push({ path: pair.path, start, end: this.#nextLine(), table, pair });
      }
    }
    return found;
  }

  #pair(above: Path): TomlPair {
    const start = this.#at;
    const path = [...above, ...this.#keys()];
    this.#at = this.#text.indexOf('=', this.#at) + 1;
    this.#skip();
    const valueStart = this.#at;
    const members = this.#value(path);
    return { path, start, end: this.#at, valueStart, members };
  }

  /** Goes behind a value; the members of an inline table. */
  #value(path: Path): TomlPair[] | undefined {
    const first = this.#text[this.#at];
    if (first === '"' || first === "'") this.#string(first);
    else if (first === '[') this.#each(']', () => this.#value(path));
    else if (first === '{') {
      const members: TomlPair[] = [];
      this.#each('}', () => members.push(this.#pair(path)));
      return members;
    } else {
      // A date may have a space in it.
      const bare = /[^,\]}#\n]*/y;
      bare.lastIndex = this.#at;
      this.#at += (bare.exec(this.#text)?.[0] ?? '').trimEnd().length;
    }
    return undefined;
  }

  /** Goes through a list or an inline table, from its first bracket to behind its last one. */
  #each(close: string, item: () => void): void {
    this.#at++;
    for (;;) {
      this.#skip();
      const next = this.#text[this.#at];
      if (next === close || next === undefined) break;
      if (next === ',') this.#at++;
      else item();
    }
    this.#at++;
  }

  #string(quote: string): void {
    const { length } = this.#text;
    const isLong = this.#text.startsWith(quote.repeat(3), this.#at);
    const close = quote.repeat(isLong ? 3 : 1);
    this.#at += close.length;
    while (this.#at < length && !this.#text.startsWith(close, this.#at))
      this.#at += quote === '"' && this.#text[this.#at] === '\\' ? 2 : 1;
    this.#at += close.length;
    // Two quotes may stand before the three that close it.
    for (let more = 0; isLong && more < 2 && this.#text[this.#at] === quote; more++) this.#at++;
  }

  #keys(): string[] {
    const keys: string[] = [];
    for (;;) {
      const key = /[ \t]*(?:("(?:\\.|[^"\\\n])*")|'([^'\n]*)'|([^\s.='"\]]+))[ \t]*(\.?)/y;
      key.lastIndex = this.#at;
      const [whole = '', quoted, literal, bare, dot] = key.exec(this.#text) ?? [];
      keys.push(bare ?? literal ?? this.#decode(quoted ?? '""'));
      this.#at += whole.length;
      if (dot !== '.') return keys;
    }
  }

  /** Goes over white space, line ends and comments. */
  #skip(): void {
    const space = /(?:\s|#[^\n]*)*/y;
    space.lastIndex = this.#at;
    this.#at += space.exec(this.#text)?.[0].length ?? 0;
  }

  #nextLine(): number {
    const end = this.#text.indexOf('\n', this.#at);
    this.#at = end < 0 ? this.#text.length : end + 1;
    return this.#at;
  }
}

/** The path of a header's keys: where a list of tables is meant, its last one. */
function located(keys: readonly string[], isList: boolean, lists: Map<string, number>): Path {
  const path: (string | number)[] = [];
  for (const [index, key] of keys.entries()) {
    path.push(key);
    const name = JSON.stringify(path);
    if (isList && index === keys.length - 1) lists.set(name, (lists.get(name) ?? -1) + 1);
    const last = lists.get(name);
    if (last !== undefined) path.push(last);
  }
  return path;
}
