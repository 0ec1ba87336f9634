// To which request a line belongs that was too long to be read: some write a message's id first, others last.
import { type Id, readId } from './envelope.ts';
import type { Oversize } from './lines.ts';

const VERSION = String.raw`"jsonrpc"\s*:\s*"2\.0"`;
const ID = String.raw`"id"\s*:\s*(-?\d{1,40}|"[^"\\]{0,500}")`;
const FIRST = new RegExp(String.raw`^\s*\{\s*(?:${VERSION}\s*,\s*)?${ID}\s*,`);
const LAST = new RegExp(String.raw`[{,]\s*${ID}\s*(?:,\s*${VERSION}\s*)?\}\s*$`);
const KIND = new RegExp(
  String.raw`^\s*\{\s*(?:(?:${VERSION}|${ID})\s*,\s*){0,2}"(?:(method|params)|(?:result|error))"`,
);

/** The id of the message in a line of which only head and tail are known; undefined if that is not plain. */
export function idOf({ head, tail }: Oversize): Id | undefined {
  const first = FIRST.exec(head.toString())?.[1];
  const last = LAST.exec(tail.toString())?.[1];
  const text = first ?? last;
  if (text === undefined || (first !== undefined && last !== undefined && first !== last)) return undefined;
  const bytes = Buffer.from(text);
  return readId(bytes, 0, bytes.length);
}

/** What the message is, by the first member in its head that says so. */
export function kindOf(head: Buffer): 'request' | 'response' | 'unknown' {
  const found = KIND.exec(head.toString());
  return found === null ? 'unknown' : found[2] === undefined ? 'response' : 'request';
}
