// Edits one list of a profile's text in place: everything else stays byte for byte, with comments, quotes and line ends.
// The result is read again; an edit that would change anything else is not made.
import { isMap, isScalar, isSeq, type Node, parseDocument, type YAMLSeq } from 'yaml';
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
  if (parts === undefined) return addPair(text, root, section, () => ` {${key}: [${quoted(entry)}]}`);
  if (!isMap<Node, Node | null>(parts)) return undefined;
  const list = nodeAt(parts, key);
  if (list === undefined) return addPair(text, parts, key, () => ` [${quoted(entry)}]`);
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

/** An entry as YAML; in quotes where it could be read as anything but text. */
function quoted(entry: string): string {
  return /^[a-z][a-z0-9-]*\.[a-z0-9.-]*[a-z0-9](?::\d+)?$/.test(entry) ? entry : JSON.stringify(entry);
}
