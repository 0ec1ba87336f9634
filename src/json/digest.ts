// The digest of a JSON value, to compare it with another without keeping either. The order of members and the
// white space do not count where the value is small enough to be built; beyond that its bytes are what counts.
import { isUtf8 } from 'node:buffer';
import { createHash, hash } from 'node:crypto';
import { isExactNumber, parseExactly } from '../wire/exact-json.ts';
import { hasDuplicateMembers } from './duplicates.ts';
import type { Range } from './read.ts';

/** The largest value, in bytes of JSON text, that is built to be digested in canonical form. */
export const MAX_CANONICAL = 65_536;

/** Bytes that are hashed at a time. */
const SLICE = 2 ** 19;

/**
 * `sha256:<hex>` of the value in a range: of its RFC 8785 canonical form if it has at most `MAX_CANONICAL` bytes,
 * no member twice and is UTF-8, else of its bytes. Integers beyond 2^53 are compared as the numbers that
 * JavaScript reads.
 */
export function digestOf(bytes: Buffer, { start, end }: Range): string {
  const text = bytes.subarray(start, end);
  const small = text.length <= MAX_CANONICAL && isUtf8(text) && !hasDuplicateMembers(bytes, start, end);
  return digest(small ? canonical(JSON.parse(text.toString())) : text);
}

/** `sha256:<hex>` of bytes, or of a text's UTF-8. */
export function digest(data: Buffer | string): string {
  return `sha256:${hash('sha256', data, 'hex')}`;
}

/** As `digest`, of pieces that follow one another, of any size: yields after each slice. */
export function* digestInSlices(pieces: readonly Buffer[]): Generator<void, string> {
  const all = createHash('sha256');
  for (const piece of pieces) {
    for (let at = 0; at < piece.length; at += SLICE) {
      all.update(piece.subarray(at, at + SLICE));
      yield;
    }
  }
  return `sha256:${all.digest('hex')}`;
}

/**
 * The canonical form of a JSON text with its numbers as they are spelled, so that no two numbers are one: undefined if it has
 * more than `MAX_CANONICAL` bytes, a member twice, or is not UTF-8.
 */
export function exactForm(bytes: Buffer): string | undefined {
  if (bytes.length > MAX_CANONICAL || !isUtf8(bytes)) return undefined;
  if (hasDuplicateMembers(bytes, 0, bytes.length)) return undefined;
  return canonical(parseExactly(bytes.toString()));
}

/** Members in the order of their UTF-16 code units: RFC 8785, section 3.2.3. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null || isExactNumber(value)) return JSON.stringify(value);
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join(',')}}`;
}
