// JSON objects with members set or taken out. Every value that stays does so byte for byte, and so does the order.
import { keysOf, NO_KEY } from '../../json/member.ts';
import { type Range, readMembers } from '../../json/read.ts';

/** Members by their names: JSON text to set, `undefined` to take out. */
export type Changes = Readonly<Record<string, Buffer | undefined>>;

const OPEN = Buffer.from('{');
const CLOSE = Buffer.from('}');
const COMMA = Buffer.from(',');

/**
 * The object in a range with changes. What is set stands at its end. Members whose names some parser takes for one that is
 * changed go too. Undefined for what is no object.
 */
export function changed(bytes: Buffer, range: Range, changes: Changes): Buffer | undefined {
  if (bytes[range.start] !== 0x7b) return undefined;
  const keys = keysOf(Object.fromEntries(Object.keys(changes).map((name, slot) => [name, slot])));
  const members = [...readMembers(bytes, range.start, range.end, keys)];
  const kept = members.filter(({ slot }) => slot === NO_KEY);
  const added: Buffer[] = [];
  for (const [name, value] of Object.entries(changes))
    if (value !== undefined) added.push(COMMA, Buffer.from(`${JSON.stringify(name)}:`), value);
  if (kept.length === members.length) {
    if (added.length === 0) return bytes.subarray(range.start, range.end);
    const before = bytes.subarray(range.start, range.end - 1);
    return Buffer.concat([before, ...added.slice(kept.length === 0 ? 1 : 0), CLOSE]);
  }
  const pieces = kept.flatMap(({ start, end }) => [COMMA, bytes.subarray(start, end)]);
  return Buffer.concat([OPEN, ...[...pieces, ...added].slice(1), CLOSE]);
}

/** An object of members that are JSON texts; those that are undefined are left out. */
export function objectOf(members: Changes): Buffer {
  return changed(EMPTY, { start: 0, end: EMPTY.length }, members) ?? EMPTY;
}

/** An object of members in their order; names and values are JSON texts. */
export function objectOfTexts(members: Iterable<readonly [name: string, value: Buffer]>): Buffer {
  const pieces = [...members].flatMap(([name, value]) => [COMMA, Buffer.from(`${name}:`), value]);
  return Buffer.concat([OPEN, ...pieces.slice(1), CLOSE]);
}

export const EMPTY = Buffer.from('{}');

/** The JSON text of a value that is Warder's own. */
export function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

/** A program that has not said what it is. */
export const UNNAMED = json({ name: 'unnamed', version: '0' });

/** The bytes of a range. */
export function textOf(bytes: Buffer, range: Range): Buffer {
  return bytes.subarray(range.start, range.end);
}

/** The line with other bytes in the place of a range. */
export function replaced(bytes: Buffer, range: Range, by: Buffer): Buffer {
  return Buffer.concat([bytes.subarray(0, range.start), by, bytes.subarray(range.end)]);
}
