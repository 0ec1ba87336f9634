// Ids of Warder's own, as the other side repeats them.
import { readId } from '../../json/envelope.ts';

/** The number at a place, or in the string there; undefined for all else. */
export function ownIdOf(bytes: Buffer, start: number, end: number): number | undefined {
  if (start === -1) return undefined;
  const id = readId(bytes, start, end);
  if (typeof id === 'number') return id;
  return typeof id === 'string' && /^[1-9]\d{0,15}$/.test(id) ? Number(id) : undefined;
}
