// Replaces values in lines of JSON. JSON stays JSON: a match is widened to whole escape sequences; quotes, brackets and
// commas stay, even where a value spans them.
//
// A record (`replaceInJson`) contains no value afterwards: a number or word outside strings becomes a string, and names
// of members are replaced too. A message (`replaceInMessage`) must still mean the same to the host. Only the content of
// strings is replaced, and of these not what the host or the protocol goes by (redaction/fixed-tokens.ts). A value that stands
// there is an obstacle. What the caller decides by is whether the value is there by chance.
import type { Match } from './finder.ts';
import { fixedTokens, isWord, type Span } from './redaction/fixed-tokens.ts';

/** A value where it cannot be replaced. */
export interface Obstacle {
  readonly match: Match;
  /** What contains it, such as "the name of a tool". */
  readonly place: string;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const LOWER_U = 0x75;
/** White space that is looked at before what follows. */
const MAX_SPACE = 4096;
/** Long work yields after so many bytes. */
const SLICE = 65_536;
/** Copying yields after so many bytes. */
const COPIED = 2 ** 20;

/** Whether a line must stay JSON: it begins like an object, an array or a string, or with a lot of white space. */
export function isJson(line: Buffer): boolean {
  for (let at = 0; at < line.length; at++) {
    const byte = line[at];
    if (at === MAX_SPACE) return true;
    if (byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d) continue;
    return byte === 0x7b || byte === 0x5b || byte === QUOTE;
  }
  return false;
}

/**
 * Replaces matches by labels; yields after each slice of work. Goes through the line token by token: a character or escape sequence of a string, a
 * number or word, a structural character. A token that a match touches is replaced whole; structural ones stay.
 */
export function* replaceInJson(
  line: Buffer,
  matches: readonly Match[],
  labelOf: (match: Match) => Buffer,
): Generator<void, Buffer> {
  const pieces: Buffer[] = [];
  let done = 0;
  let at = 0;
  let inString = false;
  let slice = SLICE;
  for (const match of matches) {
    let labelled = false;
    while (at < match.end && at < line.length) {
      if (at > slice) {
        slice = at + SLICE;
        yield;
      }
      const start = at;
      const byte = line[at] ?? 0;
      const structural = inString ? byte === QUOTE : !isWord(byte);
      if (inString) at += byte !== BACKSLASH ? 1 : line[at + 1] === LOWER_U ? 6 : 2;
      else
        do at++;
        while (!structural && isWord(line[at] ?? 0));
      if (structural) {
        if (byte === QUOTE) inString = !inString;
        labelled = false;
      } else if (at > match.start) {
        const label = labelOf(match);
        if (!labelled) pieces.push(line.subarray(done, start), inString ? label : Buffer.from(`"${label}"`));
        labelled = true;
        done = at;
      }
    }
  }
  pieces.push(line.subarray(done));
  return yield* concat(pieces);
}

/** As `Buffer.concat`, in slices. */
function* concat(pieces: readonly Buffer[]): Generator<void, Buffer> {
  const all = Buffer.allocUnsafe(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  let slice = COPIED;
  for (const piece of pieces) {
    for (let from = 0; from < piece.length; from += COPIED) {
      at += piece.copy(all, at, from, from + COPIED);
      if (at <= slice) continue;
      slice = at + COPIED;
      yield;
    }
  }
  return all;
}

/**
 * Replaces matches by labels in a message or a batch, where that is safe. An obstacle for which `mayStay` is false ends
 * it: then the message must not be passed on. The others stay. Yields after each slice of work.
 */
export function* replaceInMessage(
  line: Buffer,
  matches: readonly Match[],
  labelOf: (match: Match) => Buffer,
  mayStay: (match: Match) => boolean,
): Generator<
  void,
  { readonly line: Buffer; readonly stayed: readonly Obstacle[] } | { readonly obstacle: Obstacle }
> {
  const stayed: Obstacle[] = [];
  const kept: Span[] = [];
  for (const token of fixedTokens(line, matches)) {
    if (token === undefined) {
      yield;
      continue;
    }
    const { start, end, place, index } = token;
    for (let next = index; next < matches.length; next++) {
      const match = matches[next];
      if (match === undefined || match.start >= end) break;
      if (!mayStay(match)) return { obstacle: { match, place } };
      stayed.push({ match, place });
    }
    kept.push({ start, end });
  }
  const parts = kept.length === 0 ? matches : outside(matches, kept);
  return { line: parts.length === 0 ? line : yield* replaceInJson(line, parts, labelOf), stayed };
}

/** The parts of the matches that are in no span. Both are in order. */
function outside(matches: readonly Match[], spans: readonly Span[]): Match[] {
  const parts: Match[] = [];
  let index = 0;
  for (const match of matches) {
    while ((spans[index]?.end ?? match.start + 1) <= match.start) index++;
    let start = match.start;
    for (let next = index; start < match.end; next++) {
      const span = spans[next];
      const end = Math.min(match.end, span?.start ?? match.end);
      if (end > start) parts.push({ ...match, start, end });
      if (span === undefined) break;
      start = Math.max(start, span.end);
    }
  }
  return parts;
}
