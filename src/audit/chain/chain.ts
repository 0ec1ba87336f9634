// The audit log's chain, as plain data: canonical JSON, hashes, links. Nothing here reads or writes.
//
// A record is one JSON object on one line, ended by "\n". `seq` counts 1, 2, …; `time` is RFC 3339, UTC, with
// milliseconds; `event` says what happened; then the event's own members. `prev` is the `hash` of the record
// before, or 64 zeros in the first. `hash` is the SHA-256, in lower-case hex, of the record without `hash`
// in RFC 8785 canonical JSON, as UTF-8. The line is the canonical form of the whole record, `hash` included,
// so that each record has exactly one spelling: any other byte on the line is an edit.
//
// Of JSON, records use: null, booleans, strings, arrays, objects, and integers up to 2^53 - 1. A lone
// surrogate in a string becomes U+FFFD, since SHA-256 is over UTF-8. `seq` orders the records; `time` is
// what the machine's clock showed and may go back.
//
// `format.md` documents the rest: segments, head, checkpoints, and what each of them proves.
import { WarderError } from '../../errors.ts';

/** What a record may hold. Members that are `undefined` are left out. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;

/** An object of a record. */
export interface JsonObject {
  readonly [member: string]: Json | undefined;
}

/** SHA-256 of a text's UTF-8, in lower-case hex. A parameter, so that this file does not depend on Node. */
export type Hash = (text: string) => string;

/** The end of a chain: its last record's number and hash. */
export interface Head {
  readonly seq: number;
  readonly hash: string;
}

/** A record that was read from a log. */
export interface Entry extends JsonObject {
  readonly seq: number;
  readonly time: string;
  readonly event: string;
  readonly prev: string;
  readonly hash: string;
}

/** The result of `check`: a record that matches its hash, or why the line is not one. */
export type Checked =
  | { readonly entry: Entry }
  | { readonly entry: undefined; readonly why: string; readonly seq: number | undefined };

/** The head of a chain without records. */
export const ORIGIN: Head = { seq: 0, hash: '0'.repeat(64) };

const HASH = /^[0-9a-f]{64}$/;

/** The deepest nesting: more than any record needs, and too little for a hostile line to exhaust the stack. */
const MAX_DEPTH = 64;

/**
 * RFC 8785 canonical JSON of the subset above. Member names are ordered by UTF-16 code units, as the RFC
 * requires. Throws `audit-unwritable` for a number that is not a safe integer, and beyond 64 levels.
 */
export function canonical(value: Json, depth = 0): string {
  if (typeof value === 'string') return quote(value);
  if (typeof value === 'number') {
    if (Number.isSafeInteger(value)) return String(value);
    throw new WarderError('audit-unwritable', `an audit record cannot hold the number ${value}`);
  }
  if (value === null || typeof value === 'boolean') return String(value);
  if (depth === MAX_DEPTH) throw new WarderError('audit-unwritable', 'an audit record cannot nest so deep');
  if (isList(value)) return `[${value.map((item) => canonical(item, depth + 1)).join(',')}]`;
  let text = '';
  for (const name of sorted(Object.keys(value))) {
    const member = value[name];
    if (member === undefined) continue;
    text += `${text === '' ? '' : ','}${quote(name)}:${canonical(member, depth + 1)}`;
  }
  return `{${text}}`;
}

/** Makes the lines of a chain: each record links to the head that the one before it left. */
export class Chain {
  /** Where the next record links. The caller sets it to a line's head once that line is written. */
  head: Head;
  readonly #hash: Hash;
  readonly #orders = new Map<string, MemberOrder>();

  constructor(hash: Hash, head: Head) {
    this.#hash = hash;
    this.head = head;
  }

  /**
   * The next record's line, with its "\n", and the head once that line is written. `time` is RFC 3339. `fields`
   * must not contain `seq`, `time`, `event`, `prev` or `hash`. Throws as `canonical` does.
   */
  next(event: string, time: string, fields: JsonObject): { readonly line: string; readonly head: Head } {
    const { seq: last, hash: prev } = this.head;
    const seq = last + 1;
    const { members, hashBefore } = this.#order(event, fields);
    // The chain's own members need no escapes.
    const chainMembers: Readonly<Record<string, string>> = {
      event: `"${event}"`,
      prev: `"${prev}"`,
      seq: `${seq}`,
      time: `"${time}"`,
    };
    let text = '{';
    let hashAt = 0;
    for (let i = 0; i < members.length; i += 1) {
      if (i === hashBefore) hashAt = text.length;
      const member = members[i];
      if (member === undefined) continue;
      const value = fields[member.name];
      const json = member.ofChain
        ? chainMembers[member.name]
        : value === undefined
          ? undefined
          : canonical(value, 1);
      if (json !== undefined) text += (text.length === 1 ? '' : ',') + member.label + json;
    }
    text += '}';
    const hash = this.#hash(text);
    return { line: `${text.slice(0, hashAt)},"hash":"${hash}"${text.slice(hashAt)}\n`, head: { seq, hash } };
  }

  /** Records of one event mostly have the same members: they are sorted once, not for each record. */
  #order(event: string, fields: JsonObject): MemberOrder {
    const names = Object.keys(fields);
    const cached = this.#orders.get(event);
    if (cached !== undefined && equal(cached.names, names)) return cached;
    for (const name of ['event', 'hash', 'prev', 'seq', 'time']) {
      if (name in fields)
        throw new WarderError('audit-unwritable', `an event cannot have a member "${name}"`);
    }
    const all = [...names, 'event', 'prev', 'seq', 'time'].sort();
    const members = all.map((name) => ({ name, label: `${quote(name)}:`, ofChain: !names.includes(name) }));
    const order = { names, members, hashBefore: all.findIndex((name) => name > 'hash') };
    this.#orders.set(event, order);
    return order;
  }
}

/** The order of the members in an event's records; `hashBefore` is the index of the member after `hash`. */
interface MemberOrder {
  readonly names: readonly string[];
  readonly members: readonly { readonly name: string; readonly label: string; readonly ofChain: boolean }[];
  readonly hashBefore: number;
}

/** The record on a line (without its "\n"); `undefined` if it is not a record. The hash is not checked: see `check`. */
export function parse(line: string): Entry | undefined {
  try {
    const record: unknown = JSON.parse(line);
    return isEntry(record) ? record : undefined;
  } catch {
    return undefined;
  }
}

/** Checks that a line (without its "\n") is a record in canonical form with the right hash. */
export function check(line: string, hash: Hash): Checked {
  const record = parse(line);
  if (record === undefined) return { entry: undefined, why: 'the line is not a record', seq: undefined };
  const { seq } = record;
  try {
    if (canonical(record) !== line)
      return { entry: undefined, why: 'the line is not in canonical form', seq };
  } catch {
    return { entry: undefined, why: 'the record holds values that no record may hold', seq };
  }
  // Inside a string the quotes would be escaped, and no nested member can hold the hash of the whole record.
  const member = `"hash":"${record.hash}",`;
  const cut = line.indexOf(member);
  if (hash(line.slice(0, cut) + line.slice(cut + member.length)) === record.hash) return { entry: record };
  return { entry: undefined, why: 'the record does not match its hash', seq };
}

/** Whether an entry links to `head`. */
export function follows(entry: Entry, head: Head): boolean {
  return entry.seq === head.seq + 1 && entry.prev === head.hash;
}

function isEntry(value: unknown): value is Entry {
  if (typeof value !== 'object' || value === null) return false;
  const { seq, time, event, prev, hash } = value as Partial<Entry>;
  return (
    Number.isSafeInteger(seq) &&
    Number(seq) > 0 &&
    typeof time === 'string' &&
    typeof event === 'string' &&
    typeof prev === 'string' &&
    HASH.test(prev) &&
    typeof hash === 'string' &&
    HASH.test(hash)
  );
}

/** Texts that are the same in JSON: nearly all that records have. */
const PLAIN = /^[ !#-[\]-~]*$/;

function quote(text: string): string {
  if (PLAIN.test(text)) return `"${text}"`;
  return JSON.stringify(text.isWellFormed() ? text : text.toWellFormed());
}

/** Sorts in place. The names of a record that was read are in order already. */
function sorted(names: string[]): readonly string[] {
  for (let i = 1; i < names.length; i += 1) {
    if (String(names[i - 1]) > String(names[i])) return names.sort();
  }
  return names;
}

function isList(value: object): value is readonly Json[] {
  return Array.isArray(value);
}

function equal(a: readonly string[], b: readonly string[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i += 1) if (a[i] !== b[i]) return false;
  return true;
}
