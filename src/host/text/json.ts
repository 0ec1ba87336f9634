// JSON with comments and commas at the end, as hosts read it. A value is replaced in its place, a member is added after the
// last one and removed with its line; what stands around stays byte for byte.
import { findNodeAtLocation, type Node, type ParseError, parseTree } from 'jsonc-parser';
import {
  eolOf,
  type Format,
  isTable,
  type Path,
  type Splice,
  spliceOf,
  TextProblem,
  type Value,
} from './edit.ts';

const OPTIONS = { allowTrailingComma: true, disallowComments: false } as const;

export const json: Format = {
  read(text) {
    const root = parse(text);
    if (root === undefined) return { value: undefined, twice: [] };
    const twice: Path[] = [];
    return { value: toValue(root, [], twice), twice };
  },

  change(text, { path, value }) {
    const root = parse(text);
    if (root === undefined) throw new TextProblem('is empty');
    const node = findNodeAtLocation(root, [...path]);
    if (value === undefined) return node === undefined ? [] : remove(text, node);
    if (node !== undefined) return [replace(text, node, value)];
    const parent = findNodeAtLocation(root, path.slice(0, -1));
    const key = path.at(-1);
    if (parent?.type !== 'object' || typeof key !== 'string')
      throw new TextProblem(`has no object at ${path.slice(0, -1).join('.') || 'its root'}`);
    return add(text, parent, key, value);
  },

  span(text, path) {
    const root = parse(text);
    const node = root && findNodeAtLocation(root, [...path]);
    if (node === undefined) return undefined;
    const whole = node.parent?.type === 'property' ? node.parent : node;
    return [whole.offset, endOf(whole)];
  },

  create: (value) => `${JSON.stringify(value, null, 2)}\n`,
};

function parse(text: string): Node | undefined {
  const errors: ParseError[] = [];
  let root: Node | undefined;
  try {
    // An empty text has no root, and says so by an error.
    root = parseTree(text, errors, OPTIONS);
  } catch {
    throw new TextProblem('is nested too deeply');
  }
  if (root === undefined && text.trim() === '') return undefined;
  const [error] = errors;
  if (error !== undefined || root === undefined) {
    const line = text.slice(0, error?.offset ?? 0).split('\n').length;
    throw new TextProblem(`is not valid JSON: see line ${line}`);
  }
  return root;
}

/** As `JSON.parse`: of members with one name the last counts. */
function toValue(node: Node, path: Path, twice: Path[]): Value {
  const { children = [] } = node;
  if (node.type === 'array') return children.map((child, index) => toValue(child, [...path, index], twice));
  if (node.type !== 'object') return node.value;
  const seen = new Set<string>();
  const entries = children.flatMap(({ children: [key, value] = [] }) => {
    if (key === undefined || value === undefined) return [];
    const name = String(key.value);
    const here = [...path, name];
    if (seen.has(name)) twice.push(here);
    seen.add(name);
    return [[name, toValue(value, here, twice)] as const];
  });
  return Object.fromEntries(entries);
}

function replace(text: string, node: Node, value: Value): Splice {
  const old = text.slice(node.offset, endOf(node));
  const isOpen = /\n/.test(old) || (isTable(value) && !isTable(node.value) && text.includes('\n'));
  return spliceOf(text, node.offset, endOf(node), write(text, value, indentAt(text, node.offset), isOpen));
}

function add(text: string, object: Node, key: string, value: Value): Splice[] {
  const close = endOf(object) - 1;
  const last = object.children?.at(-1);
  const eol = eolOf(text);
  const from = last === undefined ? object.offset + 1 : endOf(last);
  const between = text.slice(from, close);
  // A file of one line stays one.
  const isOpen = between.includes('\n') || (last === undefined && text.includes('\n'));
  const outer = indentAt(text, object.offset);
  const first = object.children?.[0];
  const own = first === undefined ? undefined : ownIndent(text, first.offset);
  const indent = own ?? outer + unitOf(text);
  const member = `${JSON.stringify(key)}:${isOpen || text.includes(': ') ? ' ' : ''}${write(text, value, indent, isOpen)}`;
  const comma = last !== undefined && findComma(text, from, close) === undefined;
  if (!isOpen) {
    const space = between.trim() === '' && text.includes(': ') ? ' ' : '';
    const at = last === undefined ? from : (findComma(text, from, close) ?? from - 1) + 1;
    return [spliceOf(text, at, at, `${comma ? ',' : ''}${last === undefined ? '' : space}${member}`)];
  }
  // After the comments that follow the last member.
  const at = text.slice(0, close).trimEnd().length;
  const tail = between.includes('\n') ? '' : `${eol}${outer}`;
  const added = spliceOf(text, at, at, `${eol}${indent}${member}${tail}`);
  // Before what was added, so that the offset holds.
  return comma ? [added, spliceOf(text, from, from, ',')] : [added];
}

function remove(text: string, node: Node): Splice[] {
  const item = node.parent?.type === 'property' ? node.parent : node;
  const siblings = item.parent?.children ?? [];
  const index = siblings.indexOf(item);
  const [previous, next] = [siblings[index - 1], siblings[index + 1]];
  const end = endOf(item);
  const close = item.parent === undefined ? text.length : endOf(item.parent) - 1;
  const after = findComma(text, end, next?.offset ?? close);
  const begin = lineStart(text, item.offset);
  const stop = (after ?? end - 1) + 1;
  const rest = /^[ \t]*(?:\r?\n|$)/.exec(text.slice(stop))?.[0];
  const isAlone = /^[ \t]*$/.test(text.slice(begin, item.offset)) && rest?.includes('\n') === true;
  // The last one takes the comma before it along, unless it has one itself.
  const before =
    previous !== undefined && next === undefined && after === undefined
      ? findComma(text, endOf(previous), item.offset)
      : undefined;
  const space = next === undefined ? 0 : (/^[ \t]*/.exec(text.slice(stop))?.[0].length ?? 0);
  const result = isAlone
    ? spliceOf(text, begin, stop + (rest?.length ?? 0), '')
    : spliceOf(text, item.offset, stop + space, '');
  return before === undefined ? [result] : [result, spliceOf(text, before, before + 1, '')];
}

/** The value as JSON; `open`: on lines of its own, indented as the file is. */
function write(text: string, value: Value, indent: string, open: boolean): string {
  if (!open) return JSON.stringify(value);
  return JSON.stringify(value, null, unitOf(text)).replaceAll('\n', `${eolOf(text)}${indent}`);
}

/** Where the comma is between two offsets, comments aside. */
function findComma(text: string, from: number, to: number): number | undefined {
  const tokens = text.slice(from, to).matchAll(/\/\/[^\n]*|\/\*[\s\S]*?\*\/|,/g);
  for (const { 0: token, index } of tokens) if (token === ',') return from + index;
  return undefined;
}

/** One level of a file's indentation: that of its first line that has one. */
function unitOf(text: string): string {
  return /\n([ \t]+)\S/.exec(text)?.[1] ?? '  ';
}

/** The white space before an offset on its line, if there is nothing else. */
function ownIndent(text: string, offset: number): string | undefined {
  const before = text.slice(lineStart(text, offset), offset);
  return /^[ \t]*$/.test(before) ? before : undefined;
}

function indentAt(text: string, offset: number): string {
  return /^[ \t]*/.exec(text.slice(lineStart(text, offset), offset))?.[0] ?? '';
}

function lineStart(text: string, offset: number): number {
  return text.lastIndexOf('\n', offset - 1) + 1;
}

function endOf({ offset, length }: Node): number {
  return offset + length;
}
