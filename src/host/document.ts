// A host's configuration file as a document: read, changed by span, and every change proved before anybody writes it.
import { isDeepStrictEqual } from 'node:util';
import {
  applySplices,
  type Change,
  difference,
  type Format,
  isTable,
  type Path,
  type Splice,
  type Table,
  TextProblem,
  type Value,
  valueAt,
} from './text/edit.ts';
import { json } from './text/json.ts';
import { toml } from './text/toml.ts';
import { yaml } from './text/yaml.ts';

export { TextProblem };

export type FormatName = 'json' | 'yaml' | 'toml';

const FORMATS: Readonly<Record<FormatName, Format>> = { json, yaml, toml };
const BOM = '\uFEFF';
/** A document: its text, and what it says. */
export interface Document {
  readonly format: FormatName;
  /** With its byte order mark, if it has one. */
  readonly text: string;
  /** Undefined if there is nothing in it. */
  readonly value: Value;
  /** Keys that are there twice: two programs may read different things. */
  readonly twice: readonly Path[];
}

/** Reads a text. Throws `TextProblem`. */
export function readDocument(text: string, format: FormatName): Document {
  const bare = withoutMark(text);
  try {
    return { format, text, ...FORMATS[format].read(bare) };
  } catch (error) {
    if (error instanceof RangeError) throw new TextProblem('is nested too deeply');
    throw error;
  }
}

/** A text with one entry in it, as the format has it: for a person to copy. */
export function snippetOf(format: FormatName, path: Path, entry: Table): string {
  return FORMATS[format].create(nested(path, entry));
}

/** What is done to one server of a document. */
export interface ServerEdit {
  /** Where its entry is, or is to be. */
  readonly path: Path;
  /** Below that path: parts of it that get another value, or are removed. An empty path is the entry itself. */
  readonly changes: readonly Change[];
}

/** A server's entry before and after; undefined where there is none. */
export interface Piece {
  readonly path: Path;
  /** Its text, with its key. */
  readonly before: string | undefined;
  readonly after: string | undefined;
  /** What it says. */
  readonly was: Value;
  readonly is: Value;
}

/** A document after edits, and how to make it of the one before. */
export interface Edited {
  readonly document: Document;
  readonly splices: readonly Splice[];
  /** One for each edit. */
  readonly pieces: readonly Piece[];
}

/**
 * Edits servers, one after the other, and proves of each edit: what the document says differs in this server only, and so
 * do its bytes. Throws `TextProblem`, and nothing has happened then.
 */
export function editDocument(document: Document, edits: readonly ServerEdit[]): Edited {
  const splices: Splice[] = [];
  const pieces: Piece[] = [];
  let current = document;
  for (const edit of edits) {
    const edited = editServer(current, edit);
    splices.push(...edited.splices);
    const isGone = edit.changes.some(({ path, value }) => path.length === 0 && value === undefined);
    pieces.push({
      path: edit.path,
      before: pieceOf(current, edit.path),
      was: valueAt(current.value, edit.path),
      // In a list the next one takes the place of one that was removed.
      after: isGone ? undefined : pieceOf(edited.document, edit.path),
      is: isGone ? undefined : valueAt(edited.document.value, edit.path),
    });
    current = edited.document;
  }
  return { document: current, splices, pieces };
}

function pieceOf(document: Document, path: Path): string | undefined {
  const span = spanAt(document, path);
  return span && document.text.slice(...span);
}

/** Where the text of an entry is, with its key; undefined if nobody can say. */
export function spanAt({ text, format }: Document, path: Path): readonly [number, number] | undefined {
  const bare = withoutMark(text);
  const span = bare.trim() === '' ? undefined : FORMATS[format].span(bare, path);
  const mark = text.length - bare.length;
  return span && [span[0] + mark, span[1] + mark];
}

/** Whether two documents say the same but for one entry. */
export function differsOnlyAt(one: Document, other: Document, path: Path): boolean {
  return isEqual(normal(without(one.value, path)), normal(without(other.value, path)));
}

function editServer(document: Document, { path, changes }: ServerEdit): Omit<Edited, 'pieces'> {
  const { format, text } = document;
  const doubled = document.twice.find((one) => isWithin(one, path) || isWithin(path, one));
  if (doubled !== undefined) throw new TextProblem(`has ${quote(doubled)} twice`);
  const mark = text.startsWith(BOM) ? BOM : '';
  const editor = FORMATS[format];
  const splices: Splice[] = [];
  let bare = withoutMark(text);
  if (document.value === undefined) {
    if (bare.trim() !== '')
      throw new TextProblem('has nothing but comments: write the servers into it first');
    const [only] = changes;
    if (changes.length !== 1 || only?.path.length !== 0 || !isTable(only.value))
      throw new TextProblem('is empty');
    bare = editor.create(nested(path, only.value));
    const after = readEdited(mark + bare, format);
    proveValues(document, after, path, changes);
    const splice = difference(text, after.text);
    return { document: after, splices: splice === undefined ? [] : [splice] };
  }
  for (const change of changes) {
    // What is there already stays as it is written.
    if (isEqual(valueAt(document.value, [...path, ...change.path]), change.value)) continue;
    const span = editor.span(bare, path);
    if (span === undefined && valueAt(document.value, path) !== undefined)
      throw new TextProblem('is written in a form that is not edited');
    const steps = editor.change(bare, outermost(document.value, path, change));
    const isRemoval = change.value === undefined;
    for (const splice of steps) {
      proveBytes(bare, splice, span, isRemoval, path);
      bare = applySplices(bare, [splice]);
      splices.push({ ...splice, at: splice.at + mark.length });
    }
  }
  const after = readEdited(mark + bare, format);
  proveValues(document, after, path, changes);
  return { document: after, splices };
}

function readEdited(text: string, format: FormatName): Document {
  try {
    return readDocument(text, format);
  } catch (error) {
    throw error instanceof TextProblem ? unsafe('it would be broken') : error;
  }
}

/** A change that makes the table of the servers too, where there is none yet. */
function outermost(value: Value, path: Path, change: Change): Change {
  const whole = [...path, ...change.path];
  const missing = firstMissing(value, path);
  if (missing === undefined || missing === path.length - 1) return { path: whole, value: change.value };
  const outer = path.slice(0, missing + 1);
  return { path: outer, value: valueAt(nested(whole, change.value), outer) };
}

/** Whether two values say the same: the order of members, and of which program an object is, do not count. */
export function isSame(one: Value, other: Value): boolean {
  return isDeepStrictEqual(ownForm(one), ownForm(other));
}

function ownForm(value: Value): Value {
  if (Array.isArray(value)) return value.map(ownForm);
  if (!isTable(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, ownForm(one)]));
}

function unsafe(what: string): TextProblem {
  return new TextProblem(`cannot be edited safely: ${what}`);
}

/** Throws unless the values differ in one server only, and there in what was to be changed. */
function proveValues(before: Document, after: Document, path: Path, changes: readonly Change[]): void {
  const isRemoved = changes.some(({ path: below, value }) => below.length === 0 && value === undefined);
  const isFromList = isRemoved && typeof path.at(-1) === 'number';
  // In a list the next one takes the place of one that was removed.
  const rest = isFromList ? after.value : without(after.value, path);
  if (!isEqual(normal(without(before.value, path)), normal(rest)))
    throw unsafe(`more than ${quote(path)} would change`);
  if (isFromList) return;
  for (const { path: below, value } of changes) {
    if (!isEqual(valueAt(after.value, [...path, ...below]), value))
      throw unsafe(`${quote(path)} would not be what it should`);
  }
  const others = ({ value }: Document): Value =>
    changes.reduce<Value>(
      (kept, { path: below }) => (below.length === 0 ? undefined : without(kept, below)),
      valueAt(value, path),
    );
  if (!isEqual(others(before), others(after))) throw unsafe(`other members of ${quote(path)} would change`);
}

/** Throws unless a step changes bytes of the server only. `span`: where it is; undefined for a new one. */
function proveBytes(
  text: string,
  { at, removed, added }: Splice,
  span: readonly [start: number, end: number] | undefined,
  isRemoval: boolean,
  path: Path,
): void {
  const [start, end] = span ?? [at, at];
  const stop = at + removed.length;
  const outside =
    removed.slice(0, Math.max(0, start - at)) +
    removed.slice(Math.max(0, Math.min(removed.length, end - at)));
  const isApart = stop < start || at > end;
  const isNextLine = removed === '' && at > end && /^(?:[ \t]*(?:#.*)?\r?\n)?$/.test(text.slice(end, at));
  // What separates a server from its neighbours goes with it, and so do the brackets of a table that was empty.
  const isSeparator = isRemoval ? /^[\s,-]*$/ : /^[\s{}[\]]*$/;
  const isBracket = /^(?: ?(?:\{\}|\[\]))?$/;
  const isSafe =
    span === undefined
      ? isSeparator.test(removed)
      : (outside === '' || (isRemoval && isSeparator.test(outside))) &&
        (!isApart || (isRemoval && isBracket.test(added)) || isNextLine);
  if (!isSafe) throw unsafe(`bytes outside of ${quote(path)} would change`);
}

/** Equal, with the members in the same order. */
function isEqual(one: Value, other: Value): boolean {
  return isDeepStrictEqual(ordered(one), ordered(other));
}

/** The index of the first key of a path that is not there; undefined if all are. */
function firstMissing(value: Value, path: Path): number | undefined {
  for (let length = 1; length <= path.length; length++)
    if (valueAt(value, path.slice(0, length)) === undefined) return length - 1;
  return undefined;
}

/** A value without what is at a path. A table that is empty then, and was made for it, is no difference. */
function without(value: Value, path: Path): Value {
  const [key, ...rest] = path;
  if (key === undefined) return undefined;
  if (Array.isArray(value)) {
    const index = Number(key);
    if (rest.length > 0) return value.map((item, at) => (at === index ? without(item, rest) : item));
    return value.filter((_, at) => at !== index);
  }
  if (!isTable(value)) return value ?? {};
  const kept = Object.entries(value).flatMap(([name, one]) => {
    if (name !== key) return [[name, one] as const];
    if (rest.length === 0) return [];
    const less = without(one, rest);
    return isEmpty(less) ? [] : [[name, less] as const];
  });
  return Object.fromEntries(kept);
}

function isEmpty(value: Value): boolean {
  return (
    value === null ||
    value === undefined ||
    (Array.isArray(value) && value.length === 0) ||
    (isTable(value) && Object.keys(value).length === 0)
  );
}

/** Without tables and lists that are empty: those of servers come and go with the first and the last. */
function normal(value: Value): Value {
  if (!isTable(value)) return value;
  const kept = Object.entries(value).map(([key, one]) => [key, normal(one)] as const);
  return Object.fromEntries(kept.filter(([, one]) => !isEmpty(one)));
}

/** A value in which the order of members counts. */
function ordered(value: Value): Value {
  if (Array.isArray(value)) return value.map(ordered);
  if (!isTable(value)) return value;
  return Object.entries(value).map(([key, one]) => [key, ordered(one)]);
}

function nested(path: Path, value: Value): Table {
  return path.reduceRight<Value>(
    (inner, key) => (typeof key === 'number' ? [inner] : { [key]: inner }),
    value,
  ) as Table;
}

function isWithin(path: Path, outer: Path): boolean {
  return outer.every((key, index) => path[index] === key);
}

function quote(path: Path): string {
  return `"${path.join('.')}"`;
}

function withoutMark(text: string): string {
  return text.startsWith(BOM) ? text.slice(1) : text;
}
