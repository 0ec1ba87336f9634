// The text of a host's configuration, and changes of it by span. Offsets are in UTF-16 code units, as in JavaScript.

/** A value of JSON, YAML or TOML. Dates of TOML and the like are objects of their own. */
export type Value = unknown;
export type Table = Readonly<Record<string, Value>>;

/** Keys, and the indexes of lists, from the root. */
export type Path = readonly (string | number)[];

/** One change: `removed` stands at `at`, and `added` takes its place. Each of a list is about the text after those before it. */
export interface Splice {
  readonly at: number;
  readonly removed: string;
  readonly added: string;
}

/** Sets a value, or removes what is there (`undefined`). */
export interface Change {
  readonly path: Path;
  readonly value: Value;
}

/** Why a text cannot be read or edited; the message completes "FILE …". */
export class TextProblem extends Error {}

/** How a format is read and edited. Both throw `TextProblem`. */
export interface Format {
  /** The value, and the paths of keys that are there twice. Of an empty text: undefined. */
  read(text: string): { readonly value: Value; readonly twice: readonly Path[] };
  /** A change as steps; none if nothing is to be done. */
  change(text: string, change: Change): readonly Splice[];
  /** Where the text of the value at a path is, with its key; undefined if nobody can say. */
  span(text: string, path: Path): readonly [start: number, end: number] | undefined;
  /** A new text with nothing but this in it. */
  create(value: Table): string;
}

/** The smallest change that makes one text of another; undefined if they are equal. */
export function difference(before: string, after: string): Splice | undefined {
  if (before === after) return undefined;
  const most = Math.min(before.length, after.length);
  let start = 0;
  while (start < most && before.charCodeAt(start) === after.charCodeAt(start)) start++;
  let end = 0;
  while (
    end < most - start &&
    before.charCodeAt(before.length - 1 - end) === after.charCodeAt(after.length - 1 - end)
  )
    end++;
  // No half of a surrogate pair: each part is written as UTF-8.
  while (start > 0 && isHighSurrogate(before.charCodeAt(start - 1))) start--;
  while (end > 0 && isLowSurrogate(before.charCodeAt(before.length - end))) end--;
  return {
    at: start,
    removed: before.slice(start, before.length - end),
    added: after.slice(start, after.length - end),
  };
}

/** A step: what is between two offsets becomes `added`. */
export function spliceOf(text: string, from: number, to: number, added: string): Splice {
  return { at: from, removed: text.slice(from, to), added };
}

/** Applies changes, each to the result of those before it. Throws `TextProblem` where the text is another. */
export function applySplices(text: string, splices: readonly Splice[]): string {
  return splices.reduce((current, { at, removed, added }) => {
    if (current.slice(at, at + removed.length) !== removed)
      throw new TextProblem('has changed in the meantime');
    return current.slice(0, at) + added + current.slice(at + removed.length);
  }, text);
}

/** The changes that undo these. */
export function inverse(splices: readonly Splice[]): Splice[] {
  return splices.toReversed().map(({ at, removed, added }) => ({ at, removed: added, added: removed }));
}

/** The line end of a text: that of its first line. */
export function eolOf(text: string): string {
  const at = text.indexOf('\n');
  return at > 0 && text[at - 1] === '\r' ? '\r\n' : '\n';
}

export function isTable(value: Value): value is Table {
  // Dates of TOML are no tables.
  return Object.prototype.toString.call(value) === '[object Object]';
}

/** The value at a path; undefined if there is none. Only own members count. */
export function valueAt(value: Value, path: Path): Value {
  let current = value;
  for (const key of path) {
    if (typeof current !== 'object' || current === null || !Object.hasOwn(current, key)) return undefined;
    current = (current as Readonly<Record<string | number, Value>>)[key];
  }
  return current;
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit < 0xdc00;
}

function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit < 0xe000;
}
