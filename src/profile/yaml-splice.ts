// Edits of a profile's text in place: a node's text is found by its place in the parsed document, and the text around it
// stays byte for byte, with comments, quotes and line ends.
import { isMap, isScalar, isSeq, type Node, type Pair, parseDocument, type YAMLMap } from 'yaml';

/** What stands behind the colon of a new key: `indent` is that of the key; undefined in a map in brackets. */
type NewValue = (indent: string | undefined, eol: string) => string;

/** Adds a key at the end of a map. `key` and `value` are YAML. Undefined where that cannot be done in place. */
export function addPair(
  text: string,
  map: YAMLMap<Node, Node | null>,
  key: string,
  value: NewValue,
): string | undefined {
  const last = map.items.at(-1);
  const [start] = spanOf(map);
  const eol = eolOf(text);
  if (isFlow(map)) {
    const added = `${key}:${value(undefined, eol)}`;
    const end = last === undefined ? undefined : endOf(last);
    if (end !== undefined) return insert(text, end, `, ${added}`);
    return start === undefined || last !== undefined ? undefined : insert(text, start + 1, added);
  }
  const [first] = spanOf(map.items[0]?.key);
  const end = last === undefined ? undefined : endOf(last);
  if (first === undefined || end === undefined) return undefined;
  const before = text.slice(lineStart(text, first), first).replace(/^\uFEFF/, '');
  // The first key of a list's item stands behind its dash.
  const indent = before.replaceAll('-', ' ');
  return /^ *(?:- +)*$/.test(before)
    ? addLine(text, end, `${indent}${key}:${value(indent, eol)}`)
    : undefined;
}

/** Adds a line after the one in which `end` is. A block scalar ends with its line. */
export function addLine(text: string, end: number, line: string): string {
  const eol = eolOf(text);
  const at = text[end - 1] === '\n' ? end : nextLine(text, end);
  const isOpen = at > 0 && text[at - 1] !== '\n';
  return insert(text, at, isOpen ? `${eol}${line}` : `${line}${eol}`);
}

/** Where the text of a pair ends, without what follows on its line. */
function endOf({ key, value }: Pair<Node, Node | null>): number | undefined {
  if (value === null) return spanOf(key)[1];
  if (isFlow(value) || isScalar(value)) return spanOf(value)[1];
  if (isMap<Node, Node | null>(value)) {
    const last = value.items.at(-1);
    return last === undefined ? undefined : endOf(last);
  }
  if (!isSeq<Node>(value)) return undefined;
  const last = value.items.at(-1);
  return last === undefined ? undefined : endOf({ key, value: last } as Pair<Node, Node>);
}

/** Whether a list or map is written in brackets. */
export function isFlow(node: Node): boolean {
  return 'flow' in node && node.flow === true;
}

/** The map that a text is; undefined: it is broken, or something else. */
export function rootOf(text: string): YAMLMap<Node, Node | null> | undefined {
  const { contents, errors } = parseDocument(text);
  return errors.length === 0 && isMap<Node, Node | null>(contents) ? contents : undefined;
}

/** The entry of a key, by its plain value; undefined: there is none. */
export function pairOf(
  map: YAMLMap<Node, Node | null> | undefined,
  key: string,
): Pair<Node, Node | null> | undefined {
  return map?.items.find((pair) => isScalar(pair.key) && pair.key.value === key);
}

/** The value of a key; undefined where there is no key. */
export function nodeAt(map: YAMLMap<Node, Node | null> | undefined, key: string): Node | null | undefined {
  return pairOf(map, key)?.value;
}

/** Where a node begins, and where it ends without what follows. */
export function spanOf(node: unknown): readonly [start: number | undefined, end: number | undefined] {
  const { range } = (node ?? {}) as { range?: readonly [number, number, number] | null };
  return [range?.[0], range?.[1]];
}

export function lineStart(text: string, at: number): number {
  return text.lastIndexOf('\n', at - 1) + 1;
}

/** The beginning of the next line, or the end of the text. */
export function nextLine(text: string, at: number): number {
  const end = text.indexOf('\n', at);
  return end < 0 ? text.length : end + 1;
}

export function insert(text: string, at: number, added: string): string {
  return text.slice(0, at) + added + text.slice(at);
}

function eolOf(text: string): string {
  return text.includes('\r\n') ? '\r\n' : '\n';
}
