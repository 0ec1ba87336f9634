// The members of a JSON value, a line each, so that people can read what a server says, and what of it is other than
// before, word by word.
import { diffWordsWithSpace } from 'diff';

/** A member: its path (`inputSchema.properties.owner.type`), and its text. */
export type Members = ReadonlyMap<string, string>;

/** A run of words that both texts have, or one of them. */
export interface Words {
  readonly text: string;
  readonly in: 'both' | 'before' | 'after';
}

/** How one member differs. */
export type MemberChange =
  | { readonly path: string; readonly change: 'added' | 'removed'; readonly text: string }
  | { readonly path: string; readonly change: 'changed'; readonly words: readonly Words[] };

/** Milliseconds for the comparison of two texts; what takes longer is shown as removed and added whole. */
const TIMEOUT = 500;

/** The members of a JSON text; of what is none, the text itself. Numbers keep their spelling. */
export function membersOf(json: string): Members {
  const members = new Map<string, string>();
  let value: unknown;
  try {
    value = JSON.parse(json, (_, member: unknown, context?: { readonly source?: string }) =>
      typeof member === 'number' ? new Spelled(context?.source ?? String(member)) : member,
    );
  } catch {
    return members.set('', json);
  }
  collect(value, '', members);
  return members;
}

/** A number as it is spelled. */
class Spelled {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

function collect(value: unknown, path: string, members: Map<string, string>): void {
  if (typeof value === 'string') members.set(path, value);
  else if (value instanceof Spelled) members.set(path, value.text);
  else if (typeof value !== 'object' || value === null) members.set(path, String(value));
  else if (Array.isArray(value)) {
    if (value.length === 0) members.set(path, '[]');
    for (const [at, member] of value.entries()) collect(member, `${path}[${at}]`, members);
  } else {
    const entries = Object.entries(value);
    if (entries.length === 0) members.set(path, '{}');
    for (const [name, member] of entries) {
      const step = /^[\w$-]+$/.test(name) ? name : JSON.stringify(name);
      collect(member, path === '' ? step : `${path}.${step}`, members);
    }
  }
}

/** How two values differ, member by member, in the order of the new one; what is only in the old one comes last. */
export function changesBetween(before: string, after: string): MemberChange[] {
  const old = membersOf(before);
  const now = membersOf(after);
  const changes: MemberChange[] = [];
  for (const [path, text] of now) {
    const was = old.get(path);
    if (was === undefined) changes.push({ path, change: 'added', text });
    else if (was !== text) changes.push({ path, change: 'changed', words: wordsBetween(was, text) });
  }
  for (const [path, text] of old) if (!now.has(path)) changes.push({ path, change: 'removed', text });
  return changes;
}

function wordsBetween(before: string, after: string): Words[] {
  const changes = diffWordsWithSpace(before, after, { timeout: TIMEOUT }) ?? [
    { value: before, added: false, removed: true },
    { value: after, added: true, removed: false },
  ];
  return changes.map(({ value, added, removed }) => ({
    text: value,
    in: added ? 'after' : removed ? 'before' : 'both',
  }));
}
