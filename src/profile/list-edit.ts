// Edits one list of a profile's text in place: everything else stays byte for byte, with comments, quotes and line ends.
// The result is read again; an edit that would change anything else is not made. What is added can be told from what stood there:
// a list, or section, that was made for an entry goes with its last one, and one that was empty is empty again.
import { isMap, isScalar, isSeq, type Node, parseDocument, type YAMLMap, type YAMLSeq } from 'yaml';
import {
  addLine,
  addPair,
  insert,
  isFlow,
  lineStart,
  nextLine,
  nodeAt,
  pairOf,
  rootOf,
  spanOf,
} from './yaml-splice.ts';

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

/** The text without an entry of a list, or without a list or section that was made for it. Undefined where that cannot be done in place. */
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
  const items = change(list);
  const { [key]: _, ...others } = parts;
  const { [section]: __, ...rest } = old ?? {};
  const wanted: object[] = [{ ...old, [section]: { ...parts, [key]: items } }];
  if (items.length === 0) wanted.push({ ...old, [section]: others });
  if (items.length === 0 && Object.keys(others).length === 0) wanted.push(rest);
  return wanted.some((data) => JSON.stringify(edited) === JSON.stringify(data)) ? after : undefined;
}

function insertion(text: string, [section, key]: ListPath, entry: string): string | undefined {
  const root = rootOf(text);
  if (root === undefined) return undefined;
  const parts = nodeAt(root, section);
  if (parts === undefined) return addPair(text, root, section, () => ` {${key}: [${quoted(entry)}]}`);
  if (!isMap<Node, Node | null>(parts)) return undefined;
  const list = nodeAt(parts, key);
  if (list === undefined)
    return (
      fillEmpty(text, parts, '{}', `${key}: [${quoted(entry)}]`) ??
      addPair(text, parts, key, () => ` [${quoted(entry)}]`)
    );
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
  if (list.items.length === 1) {
    const without = withoutMadeList(text, [section, key], list);
    if (without !== undefined) return without;
  }
  if (!isFlow(list)) {
    if (list.items.length > 1) return text.slice(0, lineStart(text, start)) + text.slice(nextLine(text, end));
    const [, keyEnd] = spanOf(pair?.key);
    return keyEnd === undefined ? undefined : `${text.slice(0, keyEnd)}: []${text.slice(end)}`;
  }
  const [listStart = 0, listEnd = 0] = spanOf(list);
  if (text.slice(listStart, listEnd) === `[ ${text.slice(start, end)} ]`)
    return `${text.slice(0, listStart)}[]${text.slice(listEnd)}`;
  const [, before] = spanOf(list.items[index - 1]);
  if (before !== undefined && /^\s*,\s*$/.test(text.slice(before, start)))
    return text.slice(0, before) + text.slice(end);
  const [after] = spanOf(list.items[index + 1]);
  if (after !== undefined && /^\s*,\s*$/.test(text.slice(end, after)))
    return text.slice(0, start) + text.slice(after);
  const comma = /^\s*,/.exec(text.slice(end))?.[0].length ?? 0;
  return text.slice(0, start) + text.slice(end + comma);
}

/** Fills empty brackets, with spaces that no list has that is made here. Undefined where there is something in them. */
function fillEmpty(text: string, node: Node, brackets: '[]' | '{}', content: string): string | undefined {
  const [start = 0, end = 0] = spanOf(node);
  return text.slice(start, end) === brackets ? insert(text, start + 1, ` ${content} `) : undefined;
}

/** The text without a list of one entry that was made for it, as `insertion` writes one. Undefined where it was not. */
function withoutMadeList(text: string, [section, key]: ListPath, list: YAMLSeq<Node>): string | undefined {
  const root = rootOf(text);
  const parts = nodeAt(root, section);
  const pair = isMap<Node, Node | null>(parts) ? pairOf(parts, key) : undefined;
  const [start = 0] = spanOf(pair?.key);
  const [listStart = 0, end = 0] = spanOf(list);
  const [item = 0, itemEnd = 0] = spanOf(list.items[0]);
  if (root === undefined || !isMap<Node, Node | null>(parts) || parts.items.at(-1) !== pair) return undefined;
  if (text.slice(listStart, end) !== `[${text.slice(item, itemEnd)}]`) return undefined;
  if (parts.items.length > 1) return withoutLast(text, parts, start, end);
  const [from = 0, to = 0] = spanOf(parts);
  const content = text.slice(from, to);
  if (content === `{ ${text.slice(start, end)} }`) return `${text.slice(0, from)}{}${text.slice(to)}`;
  const outer = pairOf(root, section);
  if (content !== `{${text.slice(start, end)}}` || root.items.at(-1) !== outer || root.items.length < 2)
    return undefined;
  return withoutLast(text, root, spanOf(outer?.key)[0] ?? 0, to);
}

/** The text without the last pair of a map, as `addPair` writes one. Undefined where it stands otherwise. */
function withoutLast(
  text: string,
  map: YAMLMap<Node, Node | null>,
  start: number,
  end: number,
): string | undefined {
  if (isFlow(map)) {
    const before = map.items.at(-2)?.value;
    const [, last] = spanOf(before);
    return last !== undefined && text.slice(last, start) === ', '
      ? text.slice(0, last) + text.slice(end)
      : undefined;
  }
  const line = lineStart(text, start);
  const next = nextLine(text, end);
  if (!/^ *$/.test(text.slice(line, start)) || !/^\r?\n?$/.test(text.slice(end, next))) return undefined;
  // A text without a line end at its end got one before the line.
  const isOpen = text[next - 1] !== '\n';
  return (isOpen ? text.slice(0, line).replace(/\r?\n$/, '') : text.slice(0, line)) + text.slice(next);
}

/** Adds an item to a list. */
function addItem(text: string, list: YAMLSeq<Node>, item: string): string | undefined {
  const [, end] = spanOf(list.items.at(-1));
  if (isFlow(list)) {
    const [start] = spanOf(list);
    if (end !== undefined) return insert(text, end, `, ${item}`);
    const filled = fillEmpty(text, list, '[]', item);
    if (filled !== undefined) return filled;
    return start === undefined ? undefined : insert(text, start + 1, item);
  }
  const [start] = spanOf(list.items.at(-1));
  if (start === undefined || end === undefined) return undefined;
  const [, indent] = /^( *)- +$/.exec(text.slice(lineStart(text, start), start)) ?? [];
  return indent === undefined ? undefined : addLine(text, end, `${indent}- ${item}`);
}

/** An entry as YAML; in quotes where it could be read as anything but text. */
function quoted(entry: string): string {
  return /^[a-z][a-z0-9-]*\.[a-z0-9.-]*[a-z0-9](?::\d+)?$/.test(entry) ? entry : JSON.stringify(entry);
}
