// The audit log's chain, as plain data: hashes and links. Nothing here reads or writes.
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
import { canonical, type Json, type JsonObject, quote } from './canonical.ts';
import type { Lines } from './lines.ts';

/** SHA-256 of bytes, or of a text's UTF-8, in lower-case hex. A parameter, so that this file does not depend on Node. */
export type Hash = (data: string | Uint8Array) => string;

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

const encoder = new TextEncoder();
const END = encoder.encode('}');
const LINE_FEED = encoder.encode('\n');
/** Sets of members that are kept of an event: a call and its answer, with and without what few have. */
const MAX_ORDERS = 8;
/** The members that every record has, beside `hash`. */
const OWN = ['event', 'prev', 'seq', 'time'];
const PREV = -2;
const SEQ = -3;
const TIME = -4;
const NONE: readonly MemberOrder[] = [];
const HASH_LABEL = encoder.encode(',"hash":');
const HASH = /^[0-9a-f]{64}$/;

/** Makes the lines of a chain: each record links to the head that the one before it left. */
export class Chain {
  /** Where the next record links. The caller sets it to a line's head once that line is written. */
  head: Head;
  readonly #hash: Hash;
  readonly #orders = new Map<string, readonly MemberOrder[]>();
  /** Of the record that is written: its event's own members. */
  readonly #values: (Json | undefined)[] = [];

  constructor(hash: Hash, head: Head) {
    this.#hash = hash;
    this.head = head;
  }

  /**
   * Writes the next record's line, with its "\n", behind what `lines` has. Returns the head once that line is in the log. `time`
   * is RFC 3339. `fields` must not contain `seq`, `time`, `event`, `prev` or `hash`. Throws as `canonical` does, and has
   * written nothing then.
   */
  next(lines: Lines, event: string, time: string, fields: JsonObject): Head {
    const start = lines.length;
    try {
      return this.#write(lines, event, time, fields);
    } catch (error) {
      lines.length = start;
      throw error;
    }
  }

  #write(lines: Lines, event: string, time: string, fields: JsonObject): Head {
    const { seq: last, hash: prev } = this.head;
    const seq = last + 1;
    const { members, hashBefore } = this.#order(event, fields);
    const values = this.#values;
    const start = lines.length;
    let hashAt = 0;
    for (let i = 0; i < members.length; i += 1) {
      if (i === hashBefore) hashAt = lines.length;
      const { at, first, label } = members[i] as Member;
      if (at >= 0 && values[at] === undefined) continue;
      lines.bytes(lines.length === start ? first : label);
      if (at >= 0) lines.value(values[at] as Json);
      else if (at === SEQ) lines.value(seq);
      else if (at === PREV) lines.plain(prev);
      else lines.value(at === TIME ? time : event);
    }
    lines.bytes(END);
    const hash = this.#hash(lines.from(start));
    lines.insert(hashAt, HASH_LABEL, hash);
    lines.bytes(LINE_FEED);
    return { seq, hash };
  }

  /** Records of one event mostly have one of a few sets of members: those are sorted once, not for each record. Sets the values. */
  #order(event: string, fields: JsonObject): MemberOrder {
    const known = this.#orders.get(event) ?? NONE;
    for (let i = 0; i < known.length; i += 1) {
      const order = known[i] as MemberOrder;
      if (this.#hasMembers(fields, order.names)) return order;
    }
    const names = Object.keys(fields);
    for (const name of ['event', 'hash', 'prev', 'seq', 'time']) {
      if (name in fields)
        throw new WarderError('audit-unwritable', `an event cannot have a member "${name}"`);
    }
    const all = [...names, ...OWN].sort();
    const members = all.map((name) => ({
      at: names.includes(name) ? names.indexOf(name) : -1 - OWN.indexOf(name),
      first: encoder.encode(`{${quote(name)}:`),
      label: encoder.encode(`,${quote(name)}:`),
    }));
    const order = { names, members, hashBefore: all.findIndex((name) => name > 'hash') };
    this.#orders.set(event, [order, ...known].slice(0, MAX_ORDERS));
    this.#hasMembers(fields, names);
    return order;
  }

  /**
   * Whether these are an object's members, in this order: then `#values` are theirs. What nobody has added to every object has no
   * others.
   */
  #hasMembers(fields: JsonObject, names: readonly string[]): boolean {
    const values = this.#values;
    let at = 0;
    for (const name in fields) {
      if (name !== names[at]) return false;
      values[at++] = fields[name];
    }
    return at === names.length;
  }
}

/** The order of the members in an event's records; `hashBefore` is the index of the member after `hash`. */
interface MemberOrder {
  readonly names: readonly string[];
  readonly members: readonly Member[];
  readonly hashBefore: number;
}

/** Where a member's value is, and what is written before it: where it is the first of the record, and elsewhere. */
interface Member {
  /** The index among the event's own members, or that of one of `OWN`, below zero. */
  readonly at: number;
  readonly first: Uint8Array;
  readonly label: Uint8Array;
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
