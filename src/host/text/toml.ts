// TOML. The values are changed by a library that keeps comments, blank lines and the spelling of numbers. Where a table's
// text is, is found here, by its headers. The library makes all line ends alike: a text that mixes them is refused.
import { parse as parseToml, patch } from '@decimalturn/toml-patch';
import {
  difference,
  eolOf,
  type Format,
  isTable,
  type Path,
  type Splice,
  slideInto,
  spliceOf,
  type Table,
  TextProblem,
  type Value,
  valueAt,
} from './edit.ts';

export const toml: Format = {
  read(text) {
    // A key that is there twice is an error of TOML.
    return { value: text.trim() === '' ? undefined : parse(text), twice: [] };
  },

  change(text, { path, value }) {
    if (/\r\n/.test(text) && /(?<!\r)\n/.test(text)) throw new TextProblem('has line ends of two kinds');
    const before = parse(text);
    const after = structured(before);
    const parent = valueAt(after, path.slice(0, -1)) ?? (isTable(value) ? {} : undefined);
    const key = path.at(-1);
    if (!isTable(parent) || key === undefined)
      throw new TextProblem(`has no table at ${path.slice(0, -1).join('.') || 'its root'}`);
    const table = parent as Record<string | number, Value>;
    if (value !== undefined && isTable(value) && table[key] === undefined) return [append(text, path, value)];
    const own = value === undefined && table[key] !== undefined ? this.span(text, path) : undefined;
    if (own !== undefined) return [cut(text, own)];
    if (value === undefined) delete table[key];
    else table[key] = value;
    const splice = difference(text, patched(text, after));
    if (splice === undefined) return [];
    const span = this.span(text, path.slice(0, 2));
    return [span === undefined ? splice : slideInto(text, splice, span)];
  },

  span(text, path) {
    const headers = headersOf(text);
    const own = headers.map(({ keys }) => path.every((key, index) => keys[index] === key));
    const first = own.indexOf(true);
    const last = own.lastIndexOf(true);
    // Tables of others in between would be a part of the span.
    if (first < 0 || own.slice(first, last).includes(false)) return undefined;
    return [headers[first]?.start ?? 0, headers[last + 1]?.start ?? text.length];
  },

  create: (value) => writeTables(value, [], '\n').trimStart(),
};

function parse(text: string): Value {
  try {
    return parseToml(text, { integersAsBigInt: 'asNeeded' });
  } catch (error) {
    const line = /\((\d+)[:,]/.exec(String(error))?.[1] ?? /line (\d+)/.exec(String(error))?.[1];
    throw new TextProblem(`is not valid TOML${line === undefined ? '' : `: see line ${line}`}`);
  }
}

/** Takes tables out. Comments before the next header are about what follows. */
function cut(text: string, [start, end]: readonly [number, number]): Splice {
  const lines = text.slice(start, end).split(/(?<=\n)/);
  const last = lines.findLastIndex((line) => !/^[ \t]*(?:#.*)?\r?\n?$/.test(line));
  const rest = lines.findIndex((line, index) => index > last && line.trim() !== '');
  const stop = start + lines.slice(0, rest < 0 ? lines.length : rest).join('').length;
  return spliceOf(text, start, stop, '');
}

function patched(text: string, value: Value): string {
  try {
    return patch(text, value);
  } catch {
    throw new TextProblem('is written in a form that is not edited');
  }
}

/** A copy of the tables; other values are the same ones. */
function structured(value: Value): Value {
  if (Array.isArray(value)) return value.map(structured);
  if (!isTable(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, structured(one)]));
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

/** Strings, numbers, booleans and lists of them. JSON escapes as TOML does, but for DEL. */
function writeValue(value: Value): string {
  if (Array.isArray(value)) return `[${value.map(writeValue).join(', ')}]`;
  return JSON.stringify(value).replaceAll('\u007f', '\\u007f');
}

function writeKey(key: string): string {
  return /^[A-Za-z0-9_-]+$/.test(key) ? key : writeValue(key);
}

interface Header {
  readonly keys: Path;
  /** The beginning of its line. */
  readonly start: number;
}

/** The headers of tables, `[a.b]` and `[[a.b]]`, outside of strings and lists. */
function headersOf(text: string): Header[] {
  const headers: Header[] = [];
  // Strings, comments and brackets. A header stands at the beginning of a line, where no list is open.
  const token = /"""[\s\S]*?(?<!\\)"""|'''[\s\S]*?'''|"(?:\\.|[^"\\\n])*"|'[^'\n]*'|#[^\n]*|[[\]{}]|\n/g;
  let depth = 0;
  let line = 0;
  for (let match = token.exec(text); match !== null; match = token.exec(text)) {
    const [found] = match;
    if (found === '\n') line = token.lastIndex;
    else if (found === '[' && depth === 0 && text.slice(line, match.index).trim() === '') {
      const header = /^\[\[?([^\n]*?)\]\]?[ \t]*(?:#[^\n]*)?\r?$/m.exec(lineFrom(text, match.index));
      if (header?.[1] === undefined) depth++;
      else {
        headers.push({ keys: keysOf(header[1]), start: line });
        token.lastIndex = match.index + lineFrom(text, match.index).length;
      }
    } else if (found === '[' || found === '{') depth++;
    else if (found === ']' || found === '}') depth = Math.max(0, depth - 1);
  }
  return headers;
}

function lineFrom(text: string, at: number): string {
  const end = text.indexOf('\n', at);
  return text.slice(at, end < 0 ? text.length : end);
}

/** The keys of a header: bare, or in quotes. */
function keysOf(text: string): string[] {
  return [...text.matchAll(/"((?:\\.|[^"\\])*)"|'([^']*)'|([A-Za-z0-9_-]+)/g)].map(
    ([whole, , literal, bare]) =>
      bare ?? literal ?? String(Object.values(parse(`x = ${whole}`) as object)[0]),
  );
}
