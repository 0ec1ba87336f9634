// Ids of the relay's own, under which a server knows the requests of the host and the host those of the server.
import type { Id } from '../json/envelope.ts';

/** Counts from 1, so that no id is 0: some programs take that for none. */
export function counter(): () => number {
  let last = 0;
  return () => ++last;
}

/** An id of the relay's own as the other side repeats it: the number, or the string of that number. */
export function ownId(id: Id | undefined): number | undefined {
  if (typeof id === 'number') return id;
  return typeof id === 'string' && /^[1-9]\d{0,15}$/.test(id) ? Number(id) : undefined;
}

/** An id as it is written from `start` to `end`. */
export function textOfId(bytes: Buffer, start: number, end: number, id: Id): string {
  if (typeof id !== 'number') return bytes.toString('utf8', start, end);
  for (let i = start; i < end; i++) {
    const digit = (bytes[i] as number) - 0x30;
    if (digit < 0 || digit > 9) return bytes.toString('latin1', start, end);
  }
  return String(id);
}
