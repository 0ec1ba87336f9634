// Edits one list of a profile's text in place: everything else stays byte for byte, with comments, quotes and line ends.
// The result is read again; an edit that would change anything else is not made.
import {
  isMap,
  isScalar,
  isSeq,
  type Node,
  type Pair,
  parseDocument,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml';

/** Where a list is: a key of a map that is a key of the root. */
export type ListPath = readonly [section: string, list: string];

type Data = Readonly<Record<string, unknown>>;

/**
 * The text with an entry at the end of a list, which is made where it is missing. Undefined where that cannot be done in
 * place; the caller then asks for an editor. The text must be a valid profile without the entry.
 */
export function addToList(text: string, path: ListPath, entry: string): string | undefined {
  return checked(text, path, insertion(text, path, entry), (list) => [...list, entry]);
}

/** The text without an entry of a list. Undefined where that cannot be done in place. */
export function removeFromList(text: string, path: ListPath, entry: string): string | undefined {
  return checked(text, path, removal(text, path, entry), (list) => list.filter((one) => one !== entry));
}

/** The edited text, if the list has become what `change` makes of it, and nothing else is different. */
function checked(
  before: string,
  [section, key]: ListPath,
  after: string | undefined,
  change: (list: readonly unknown[]) => readonly unknown[],
): string | undefined {
  if (after === undefined) return undefined;
  const [old, edited] = [before, after].map((text) => parseDocument(text).toJS() as Data);
  const parts = (old?.[section] ?? {}) as Data;
  const list = (parts[key] ?? []) as readonly unknown[];
  const wanted = { ...old, [section]: { ...parts, [key]: change(list) } };
  return JSON.stringify(edited) === JSON.stringify(wanted) ? after : undefined;
}

function insertion(text: string, [section, key]: ListPath, entry: string): string | undefined {
  const root = rootOf(text);
  if (root === undefined) return undefined;
  const parts = nodeAt(root, section);
  if (parts === undefined) return addPair(text, root, section, `{${key}: [${quoted(entry)}]}`);
  if (!isMap<Node, Node | null>(parts)) return undefined;
  const list = nodeAt(parts, key);
  if (list === undefined) return addPair(text, parts, key, `[${quoted(entry)}]`);
  return isSeq<Node>(list) ? addItem(text, list, quoted(entry)) : undefined;
}

function removal(text: string, [section, key]: ListPath, entry: string): string | undefined {
  const parts = nodeAt(rootOf(text), section);
  const pair = isMap<Node, Node | null>(parts) ? pairOf(parts, key) : undefined;
  const list = pair?.value;
  if (!isSeq<Node>(list)) return undefined;
  const index = list.items.findIndex((item) => isScalar(item) && item.value === entry);
  const [start, end] = spanOf(list.items[index]);
  if (start === undefined || end === undefined) return undefined;
  if (!isFlow(list)) {
    if (list.items.length > 1) return text.slice(0, lineStart(text, start)) + text.slice(nextLine(text, end));
    const [, keyEnd] = spanOf(pair?.key);
    return keyEnd === undefined ? undefined : `${text.slice(0, keyEnd)}: []${text.slice(end)}`;
  }
  const [, before] = spanOf(list.items[index - 1]);
  if (before !== undefined && /^\s*,\s*$/.test(text.slice(before, start)))
    return text.slice(0, before) + text.slice(end);
  const [after] = spanOf(list.items[index + 1]);
  if (after !== undefined && /^\s*,\s*$/.test(text.slice(end, after)))
    return text.slice(0, start) + text.slice(after);
  const comma = /^\s*,/.exec(text.slice(end))?.[0].length ?? 0;
  return text.slice(0, start) + text.slice(end + comma);
}

/** Adds an item to a list. */
function addItem(text: string, list: YAMLSeq<Node>, item: string): string | undefined {
  const [, end] = spanOf(list.items.at(-1));
  if (isFlow(list)) {
    const [start] = spanOf(list);
    if (end !== undefined) return insert(text, end, `, ${item}`);
    return start === undefined ? undefined : insert(text, start + 1, item);
  }
  const [start] = spanOf(list.items.at(-1));
  if (start === undefined || end === undefined) return undefined;
  const [, indent] = /^( *)- +$/.exec(text.slice(lineStart(text, start), start)) ?? [];
  return indent === undefined ? undefined : addLine(text, end, `${indent}- ${item}`);
}

/** Adds a key at the end of a map. */
function addPair(
  text: string,
  map: YAMLMap<Node, Node | null>,
  key: string,
  value: string,
): string | undefined {
  const last = map.items.at(-1);
  const [start] = spanOf(map);
  if (isFlow(map)) {
    const end = last === undefined ? undefined : endOf(last);
    if (end !== undefined) return insert(text, end, `, ${key}: ${value}`);
    return start === undefined || last !== undefined
      ? undefined
      : insert(text, start + 1, `${key}: ${value}`);
  }
  const [first] = spanOf(map.items[0]?.key);
  const end = last === undefined ? undefined : endOf(last);
  if (first === undefined || end === undefined) return undefined;
  const indent = text.slice(lineStart(text, first), first).replace(/^\uFEFF/, '');
  return /^ *$/.test(indent) ? addLine(text, end, `${indent}${key}: ${value}`) : undefined;
}

/** Adds a line after the one in which `end` is. A block scalar ends with its line. */
function addLine(text: string, end: number, line: string): string {
  const eol = text.includes('\r\n') ? '\r\n' : '\n';
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
function isFlow(node: Node): boolean {
  return 'flow' in node && node.flow === true;
}

function rootOf(text: string): YAMLMap<Node, Node | null> | undefined {
  const { contents, errors } = parseDocument(text);
  return errors.length === 0 && isMap<Node, Node | null>(contents) ? contents : undefined;
}

function pairOf(
  map: YAMLMap<Node, Node | null> | undefined,
  key: string,
): Pair<Node, Node | null> | undefined {
  return map?.items.find((pair) => isScalar(pair.key) && pair.key.value === key);
}

/** The value of a key; undefined where there is no key. */
function nodeAt(map: YAMLMap<Node, Node | null> | undefined, key: string): Node | null | undefined {
  return pairOf(map, key)?.value;
}

/** Where a node begins, and where it ends without what follows. */
function spanOf(node: unknown): readonly [start: number | undefined, end: number | undefined] {
  const { range } = (node ?? {}) as { range?: readonly [number, number, number] | null };
  return [range?.[0], range?.[1]];
}

function lineStart(text: string, at: number): number {
  return text.lastIndexOf('\n', at - 1) + 1;
}

/** The beginning of the next line, or the end of the text. */
function nextLine(text: string, at: number): number {
  const end = text.indexOf('\n', at);
  return end < 0 ? text.length : end + 1;
}

function insert(text: string, at: number, added: string): string {
  return text.slice(0, at) + added + text.slice(at);
}

/** An entry as YAML; in quotes where it could be read as anything but text. */
function quoted(entry: string): string {
  return /^[a-z][a-z0-9-]*\.[a-z0-9.-]*[a-z0-9](?::\d+)?$/.test(entry) ? entry : JSON.stringify(entry);
}
