// TOML. A library says what a text means; where each statement of it is, is found here, and edited there: a value in its
// place, a pair after the last one of its table, however the table is written: under a header, with dotted keys, or inline.
import { parse as parseToml } from '@decimalturn/toml-patch';
import {
  applySplices,
  eolOf,
  type Format,
  isTable,
  type Path,
  type Splice,
  spliceOf,
  type Table,
  TextProblem,
  type Value,
  valueAt,
} from './edit.ts';
import { statementsOf, type TomlPair, type TomlStatement } from './toml-statements.ts';

export const toml: Format = {
  read(text) {
    // A key that is there twice is an error of TOML.
    return { value: text.trim() === '' ? undefined : parse(text), twice: [] };
  },

  change(text, { path, value }) {
    const root = parse(text);
    const statements = scan(text);
    if (value === undefined) return removals(text, statements, path);
    if (valueAt(root, path) === undefined) return [insertion(text, root, statements, path, value)];
    const pair = pairAt(statements, path);
    if (pair !== undefined) return [spliceOf(text, pair.valueStart, pair.end, writeValue(value))];
    // A table of several statements: what is there goes, and the new one comes in its place.
    const steps = removals(text, statements, path, { blank: false });
    const rest = applySplices(text, steps);
    const [first] = statements.filter((one) => isBelow(one.path, path));
    if (isTable(value) && first !== undefined && first.pair === undefined)
      return [
        ...steps,
        spliceOf(rest, first.start, first.start, writeTables(value, path, eolOf(text)).trimStart()),
      ];
    return [...steps, insertion(rest, parse(rest), scan(rest), path, value)];
  },

  span(text, path) {
    const statements = scan(text);
    const own = statements.map((one) => isBelow(one.path, path));
    const first = own.indexOf(true);
    const last = own.lastIndexOf(true);
    if (first >= 0) {
      // Statements of others in between would be a part of the span.
      if (own.slice(first, last).includes(false)) return undefined;
      return [statements[first]?.start ?? 0, statements[last]?.end ?? text.length];
    }
    const members = membersAt(statements, path);
    const [one] = members;
    return one === undefined ? undefined : [one.start, members.at(-1)?.end ?? one.end];
  },

  create: (value) => writeTables(value, [], '\n').trimStart(),
};

function parse(text: string): Value {
  try {
    return parseToml(text, { integersAsBigInt: 'asNeeded' });
  } catch (error) {
    if (error instanceof RangeError) throw error;
    const line = /\((\d+)[:,]/.exec(String(error))?.[1] ?? /line (\d+)/.exec(String(error))?.[1];
    throw new TextProblem(`is not valid TOML${line === undefined ? '' : `: see line ${line}`}`);
  }
}

function scan(text: string): TomlStatement[] {
  return statementsOf(text, (quoted) => String(valueAt(parse(`x = ${quoted}`), ['x'])));
}

function isBelow(path: Path, above: Path): boolean {
  return above.every((key, index) => path[index] === key);
}

/** All pairs, those of inline tables too. */
function pairsOf(statements: readonly TomlStatement[]): TomlPair[] {
  const all = (pair: TomlPair): TomlPair[] => [pair, ...(pair.members ?? []).flatMap(all)];
  return statements.flatMap(({ pair }) => (pair === undefined ? [] : all(pair)));
}

function pairAt(statements: readonly TomlStatement[], path: Path): TomlPair | undefined {
  return pairsOf(statements).find((pair) => pair.path.length === path.length && isBelow(pair.path, path));
}

/** The members of one inline table that make up the value at a path: several where it is written with dotted keys. */
function membersAt(statements: readonly TomlStatement[], path: Path): readonly TomlPair[] {
  for (const { members = [] } of pairsOf(statements)) {
    const own = members.filter((member) => isBelow(member.path, path));
    if (own.length > 0) return own;
  }
  return [];
}

/** Takes out what is at a path, from the end, so that the offsets hold. `blank`: with the blank lines that follow. */
function removals(
  text: string,
  statements: readonly TomlStatement[],
  path: Path,
  { blank: withBlank = true }: { readonly blank?: boolean } = {},
): Splice[] {
  const own = statements.filter((one) => isBelow(one.path, path));
  if (own.length > 0) {
    const runs: { start: number; end: number; hasHeader: boolean }[] = [];
    for (const [index, one] of statements.entries()) {
      if (!own.includes(one)) continue;
      const before = runs.at(-1);
      const isNext = before !== undefined && own.includes(statements[index - 1] as TomlStatement);
      const hasHeader = one.pair === undefined;
      if (isNext)
        runs.splice(-1, 1, { start: before.start, end: one.end, hasHeader: before.hasHeader || hasHeader });
      else runs.push({ start: one.start, end: one.end, hasHeader });
    }
    return runs.toReversed().map(({ start, end, hasHeader }) => {
      // The blank lines between two tables go with the first one.
      const blank = hasHeader && withBlank ? (/^(?:[ \t]*\r?\n)+/.exec(text.slice(end))?.[0].length ?? 0) : 0;
      return spliceOf(text, start, end + blank, '');
    });
  }
  const members = membersAt(statements, path);
  const table = pairsOf(statements).find(({ members: all }) => all?.includes(members[0] as TomlPair));
  return members.toReversed().map((member) => {
    const all = table?.members ?? [];
    const index = all.indexOf(member);
    const next = all[index + 1];
    const previous = all[index - 1];
    // One that goes as well is no neighbour.
    if (next !== undefined && !members.includes(next)) return spliceOf(text, member.start, next.start, '');
    return spliceOf(text, previous?.end ?? member.start, member.end, '');
  });
}

/** Adds what is not there yet. */
function insertion(
  text: string,
  root: Value,
  statements: readonly TomlStatement[],
  path: Path,
  value: Value,
): Splice {
  const above = path.slice(0, -1);
  const key = String(path.at(-1));
  const eol = eolOf(text);
  const line = (words: readonly string[]): string =>
    `${words.map(writeKey).join('.')} = ${writeValue(value)}`;
  const after = ({ end }: TomlStatement, one: string, indent = ''): Splice => {
    const open = text[end - 1] === '\n' ? '' : eol;
    return spliceOf(text, end, end, `${open}${indent}${one}${open === '' ? eol : ''}`);
  };
  const parent = valueAt(root, above);
  if (parent === undefined && isTable(value)) return append(text, path, value);
  if (!isTable(parent)) throw new TextProblem(`has no table at ${above.join('.') || 'its root'}`);
  const pair = pairAt(statements, above);
  if (pair !== undefined) return intoInline(text, pair, line([key]));
  const headers = statements.filter((one) => one.pair === undefined && isBelow(one.path, above));
  // A new server has a header of its own, unless its neighbours are not written so.
  const isDotted = headers.length === 0 && above.length > 0;
  if (isTable(value) && above.length < 2 && !isDotted) return append(text, path, value);
  const inTable = statements.findLast(
    (one) => one.table.length === above.length && isBelow(one.table, above),
  );
  if (inTable !== undefined) return after(inTable, line([key]), indentAt(text, inTable.start));
  const dotted = statements.findLast((one) => one.pair !== undefined && isBelow(one.path, above));
  if (isDotted && dotted !== undefined)
    return after(
      dotted,
      line([...above.slice(dotted.table.length).map(String), key]),
      indentAt(text, dotted.start),
    );
  const [first] = headers;
  if (first === undefined) throw new TextProblem('is written in a form that is not edited');
  // The table is there only by those below it.
  const header = `[${above.map(String).map(writeKey).join('.')}]${eol}`;
  return spliceOf(text, first.start, first.start, `${header}${line([key])}${eol}`);
}

function intoInline(text: string, { members, valueStart, end }: TomlPair, added: string): Splice {
  if (members === undefined) throw new TextProblem('is written in a form that is not edited');
  const last = members.at(-1);
  if (last === undefined) return spliceOf(text, valueStart, end, `{ ${added} }`);
  return spliceOf(text, last.end, last.end, `, ${added}`);
}

/** A new table stands at the end, under a header of its own. */
function append(text: string, path: Path, value: Table): Splice {
  const eol = eolOf(text);
  const end = text === '' || text.endsWith('\n') ? '' : eol;
  return spliceOf(text, text.length, text.length, `${end}${writeTables(value, path, eol)}`);
}

function writeTables(value: Table, path: Path, eol: string): string {
  const entries = Object.entries(value);
  const lines = entries
    .filter(([, one]) => !isTable(one))
    .map(([key, one]) => `${writeKey(key)} = ${writeValue(one)}${eol}`);
  const head =
    path.length === 0 || (lines.length === 0 && entries.length > 0)
      ? ''
      : `${eol}[${path.map(String).map(writeKey).join('.')}]${eol}`;
  const tables = entries.flatMap(([key, one]) =>
    isTable(one) ? [writeTables(one, [...path, key], eol)] : [],
  );
  return [head, ...lines, ...tables].join('');
}

/** Strings, numbers, booleans, and lists and inline tables of them. JSON escapes as TOML does, but for DEL. */
function writeValue(value: Value): string {
  if (Array.isArray(value)) return `[${value.map(writeValue).join(', ')}]`;
  if (isTable(value)) {
    const members = Object.entries(value).map(([key, one]) => `${writeKey(key)} = ${writeValue(one)}`);
    return members.length === 0 ? '{}' : `{ ${members.join(', ')} }`;
  }
  return JSON.stringify(value).replaceAll('\u007f', '\\u007f');
}

function writeKey(key: string): string {
  return /^[A-Za-z0-9_-]+$/.test(key) ? key : writeValue(key);
}

function indentAt(text: string, start: number): string {
  return /^[ \t]*/.exec(text.slice(start))?.[0] ?? '';
}
