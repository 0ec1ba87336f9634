// Lines made from others: parts are taken out or replaced, and the rest stays as it came.

/** A part of a line, and what stands in its place. */
export interface Edit {
  readonly start: number;
  readonly end: number;
  readonly by: readonly Buffer[];
}

/** Bytes that are copied at a time. */
const SLICE = 2 ** 20;

/** The bytes from `start` to `end` with edits, which do not overlap. Yields after each slice. */
export function* splice(
  bytes: Buffer,
  start: number,
  end: number,
  edits: readonly Edit[],
): Generator<void, Buffer> {
  const pieces: Buffer[] = [];
  let at = start;
  for (const { start: from, end: to, by } of [...edits].sort((a, b) => a.start - b.start)) {
    pieces.push(bytes.subarray(at, from), ...by);
    at = to;
  }
  pieces.push(bytes.subarray(at, end));
  const line = Buffer.allocUnsafe(pieces.reduce((sum, { length }) => sum + length, 0));
  let to = 0;
  for (const piece of pieces) {
    for (let from = 0; from < piece.length; from += SLICE) {
      to += piece.copy(line, to, from, from + SLICE);
      if (piece.length > SLICE) yield;
    }
  }
  return line;
}
