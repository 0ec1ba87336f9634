// YAML. The document API finds where a value is; the text around it stays byte for byte, with comments, quotes and line ends.
import {
  isAlias,
  isCollection,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml';
import { addLine, addPair, isFlow, lineStart, nextLine, spanOf } from '../../profile/yaml-splice.ts';
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

type Map = YAMLMap<Node, Node | null>;
type MapPair = Pair<Node, Node | null>;

export const yaml: Format = {
  read(text) {
    const document = parse(text);
    if (document.contents === null) return { value: undefined, twice: [] };
    try {
      return { value: document.toJS({ maxAliasCount: 100 }), twice: [] };
    } catch (error) {
      if (!(error instanceof ReferenceError)) throw error;
      throw new TextProblem('has an alias that stands for nothing, or for more than a file may');
    }
  },

  change(text, { path, value }) {
    const root = parse(text).contents;
    const key = path.at(-1);
    const parent = nodeAt(root, path.slice(0, -1));
    if (value === undefined) return remove(text, root, path);
    if (isSeq<Node>(parent) && typeof key === 'number') {
      const item = parent.items[key];
      return [item === undefined ? append(text, parent, value) : replace(text, item, value)];
    }
    if (!isMap<Node, Node | null>(parent) || typeof key !== 'string')
      throw new TextProblem(`has no map at ${path.slice(0, -1).join('.') || 'its root'}`);
    const pair = pairOf(parent, key);
    if (pair?.value === null || pair?.value === undefined) {
      const written = (indent: string | undefined, eol: string): string =>
        indent === undefined ? ` ${JSON.stringify(value)}` : writeBlock(value, indent, eol);
      if (pair === undefined) {
        const added = addPair(text, parent, writeKey(key), written);
        if (added === undefined) throw new TextProblem('is written in a form that is not edited');
        return [addedTo(text, added)];
      }
      const [, end] = spanOf(pair.key);
      const colon = text.indexOf(':', end);
      const indent = indentOf(text, spanOf(pair.key)[0] ?? 0);
      return [
        spliceOf(text, colon + 1, colon + 1, written(isFlow(parent) ? undefined : indent, eolOf(text))),
      ];
    }
    return [replace(text, pair.value, value)];
  },

  span(text, path) {
    const found = find(text, parse(text).contents, path);
    if (found === undefined) return undefined;
    const { parent, start, end } = found;
    // The comment at the end of its last line is about it.
    const rest =
      isFlow(parent) || text[end - 1] === '\n' ? undefined : /^[ \t]*#[^\r\n]*/.exec(text.slice(end));
    return [start, end + (rest?.[0].length ?? 0)];
  },

  create: (value) =>
    Object.entries(value)
      .map(([key, one]) => `${writeKey(key)}:${writeBlock(one, '', '\n')}\n`)
      .join(''),
};

function parse(text: string): ReturnType<typeof parseDocument> {
  let document: ReturnType<typeof parseDocument>;
  try {
    document = parseDocument(text, { lineCounter: new LineCounter(), uniqueKeys: true });
  } catch {
    throw new TextProblem('is nested too deeply');
  }
  const [error] = document.errors;
  if (error === undefined) return document;
  throw new TextProblem(`is not valid YAML: see line ${error.linePos?.[0].line ?? 1}`);
}

function nodeAt(root: unknown, path: Path): unknown {
  let node = root;
  for (const key of path) {
    if (isAlias(node)) throw new TextProblem('has an alias where its servers are');
    if (isMap<Node, Node | null>(node) && typeof key === 'string') node = pairOf(node, key)?.value;
    else if (isSeq<Node>(node) && typeof key === 'number') node = node.items[key];
    else return undefined;
  }
  if (isAlias(node)) throw new TextProblem('has an alias where its servers are');
  return node;
}

function pairOf(map: Map, key: string): MapPair | undefined {
  return map.items.find((pair) => isScalar(pair.key) && pair.key.value === key);
}

/** Where the dash of an item is. A comment may stand between the two. */
function dashOf(text: string, list: YAMLSeq<Node>, index: number): number | undefined {
  const previous = list.items[index - 1];
  if (previous === undefined) return spanOf(list)[0];
  return skipSpace(text, endOf(previous));
}

/** Goes over white space, line ends and comments. */
function skipSpace(text: string, at: number): number {
  const space = /(?:\s|#[^\n]*)*/y;
  space.lastIndex = at;
  return at + (space.exec(text)?.[0].length ?? 0);
}

/** A value with its key or dash. */
function find(
  text: string,
  root: unknown,
  path: Path,
): { parent: Map | YAMLSeq<Node>; pair: MapPair | undefined; start: number; end: number } | undefined {
  const key = path.at(-1);
  const parent = nodeAt(root, path.slice(0, -1));
  if (isSeq<Node>(parent) && typeof key === 'number') {
    const item = parent.items[key];
    const start = isFlow(parent) ? spanOf(item)[0] : dashOf(text, parent, key);
    return item === undefined || start === undefined
      ? undefined
      : { parent, pair: undefined, start, end: endOf(item) };
  }
  if (!isMap<Node, Node | null>(parent) || typeof key !== 'string') return undefined;
  const pair = pairOf(parent, key);
  const [start, keyEnd] = spanOf(pair?.key);
  if (pair === undefined || start === undefined || keyEnd === undefined) return undefined;
  return { parent, pair, start, end: pair.value === null ? keyEnd : endOf(pair.value) };
}

/** Where the text of a node ends, without what follows on its line. */
function endOf(node: Node): number {
  if (isCollection(node) && !isFlow(node)) {
    const last: unknown = node.items.at(-1);
    if (isMap<Node, Node | null>(node)) {
      const pair = last as MapPair;
      return pair.value === null ? (spanOf(pair.key)[1] ?? 0) : endOf(pair.value);
    }
    return last === null || last === undefined ? (spanOf(node)[1] ?? 0) : endOf(last as Node);
  }
  return spanOf(node)[1] ?? 0;
}

function replace(text: string, node: Node, value: Value): Splice {
  const [start] = spanOf(node);
  if (start === undefined) throw new TextProblem('is written in a form that is not edited');
  const hasTag = node.tag !== undefined && !node.tag.startsWith('tag:yaml.org,2002:');
  if (node.anchor !== undefined || hasTag)
    throw new TextProblem('has an anchor, or a tag of its own, where its servers are');
  const end = endOf(node);
  const eol = eolOf(text);
  // The line end of a block scalar is a part of it.
  const tail = text[end - 1] === '\n' ? eol : '';
  const isBlock = isCollection(node) && !isFlow(node);
  if (!isBlock) return spliceOf(text, start, end, `${JSON.stringify(value)}${tail}`);
  const indent = ' '.repeat(start - lineStart(text, start));
  const written = writeLines(value, indent, eol);
  return spliceOf(text, start, end, `${written.trimStart()}${tail}`);
}

function append(text: string, list: YAMLSeq<Node>, value: Value): Splice {
  const last = list.items.at(-1);
  const [start] = spanOf(list);
  if (start === undefined) throw new TextProblem('is written in a form that is not edited');
  if (isFlow(list)) {
    const at = last === undefined ? start + 1 : endOf(last);
    return spliceOf(text, at, at, `${last === undefined ? '' : ', '}${JSON.stringify(value)}`);
  }
  if (last === undefined) throw new TextProblem('is written in a form that is not edited');
  const indent = text.slice(lineStart(text, start), start).replace(/^\uFEFF/, '');
  return addedTo(text, addLine(text, endOf(last), writeItem(value, indent, eolOf(text))));
}

function remove(text: string, root: unknown, path: Path): Splice[] {
  const found = find(text, root, path);
  if (found === undefined) return [];
  const { parent, start, end } = found;
  if (isFlow(parent)) {
    const index = (parent.items as unknown[]).indexOf(found.pair ?? parent.items[Number(path.at(-1))]);
    // With the comma behind it; the last one, which may have none, with the one before it.
    const after = skipSpace(text, end);
    if (text[after] === ',') {
      // A comment wants a space before it.
      const space = /^[ \t]*(?!#)/.exec(text.slice(after + 1))?.[0].length ?? 0;
      return [
        ...(after === end ? [] : [spliceOf(text, after, after + 1, '')]),
        spliceOf(text, start, after === end ? after + 1 + space : end, ''),
      ];
    }
    const previous: unknown = parent.items[index - 1];
    if (previous === undefined) return [spliceOf(text, start, end, '')];
    const stop = isMap(parent) ? pairEnd(previous as MapPair) : endOf(previous as Node);
    const comma = skipSpace(text, stop);
    if (/^,\s*$/.test(text.slice(comma, start))) return [spliceOf(text, comma, end, '')];
    return [spliceOf(text, start, end, ''), spliceOf(text, comma, comma + 1, '')];
  }
  const begin = lineStart(text, start);
  const before = text.slice(begin, start);
  if (isMap<Node, Node | null>(parent) && /^ *(?:- +)+$/.test(before)) {
    // The next key takes its place behind the dash.
    const [next] = spanOf(parent.items[1]?.key);
    if (next !== undefined) return [spliceOf(text, start, next, '')];
  }
  if (!/^[ \t]*$/.test(before)) throw new TextProblem('is written in a form that is not edited');
  const stop = text[end - 1] === '\n' ? end : nextLine(text, end);
  const rest = spliceOf(text, begin, stop, '');
  if (parent.items.length > 1 || path.length === 1) return [rest];
  // Without its last entry a table would be null.
  const above = nodeAt(root, path.slice(0, -2));
  const own = isMap<Node, Node | null>(above) ? pairOf(above, String(path.at(-2))) : undefined;
  const [, keyEnd] = spanOf(own?.key);
  if (keyEnd === undefined) throw new TextProblem('is written in a form that is not edited');
  const colon = text.indexOf(':', keyEnd) + 1;
  return [rest, spliceOf(text, colon, colon, isMap(parent) ? ' {}' : ' []')];
}

function pairEnd({ key, value }: MapPair): number {
  return value === null ? (spanOf(key)[1] ?? 0) : endOf(value);
}

/** What stands behind a colon: on its line, or on lines of its own, indented by two more. */
function writeBlock(value: Value, indent: string, eol: string): string {
  const isLong =
    (isTable(value) && Object.keys(value).length > 0) || (Array.isArray(value) && value.length > 0);
  return isLong ? `${eol}${writeLines(value, `${indent}  `, eol)}` : ` ${JSON.stringify(value)}`;
}

function writeLines(value: Value, indent: string, eol: string): string {
  if (Array.isArray(value) && value.length > 0)
    return value.map((item) => writeItem(item, indent, eol)).join(eol);
  if (!isTable(value) || Object.keys(value).length === 0) return `${indent}${JSON.stringify(value)}`;
  return Object.entries(value)
    .map(([key, one]) => `${indent}${writeKey(key)}:${writeBlock(one, indent, eol)}`)
    .join(eol);
}

function writeItem(value: Value, indent: string, eol: string): string {
  const lines = writeLines(value, `${indent}  `, eol);
  return `${indent}- ${lines.trimStart()}`;
}

function writeKey(key: string): string {
  return /^[A-Za-z][\w-]*$/.test(key) && !/^(?:true|false|null|yes|no|on|off|y|n)$/i.test(key)
    ? key
    : JSON.stringify(key);
}

function indentOf(text: string, at: number): string {
  return /^ */.exec(text.slice(lineStart(text, at)))?.[0] ?? '';
}

/** What was put into a text, as a step: from the beginning of a line, where it can be said so. */
function addedTo(text: string, after: string): Splice {
  let at = 0;
  while (at < text.length && text.charCodeAt(at) === after.charCodeAt(at)) at++;
  const added = after.slice(at, after.length - (text.length - at));
  const start = lineStart(text, at);
  const same = text.slice(start, at);
  return added.endsWith(same)
    ? { at: start, removed: '', added: same + added.slice(0, added.length - same.length) }
    : { at, removed: '', added };
}
