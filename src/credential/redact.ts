// Takes the values of credentials out of what passes: exactly as they are, URL-encoded, JSON-escaped and in
// base64 (`pattern.ts` says which forms, `search.ts` how data without any is passed at once). A value is
// replaced by `[redacted:NAME]`. A value shorter than `SHORTEST` is passed over: it would be found everywhere.
//
// JSON stays JSON: there a match is widened to whole escape sequences; a number or word outside of strings is
// replaced by a string; quotes, brackets and commas stay, also where a value spans them.
import { match, type Pattern, patternsOf, startsOf } from './pattern.ts';
import { Search } from './search.ts';

/** A value to take out, and the name to put in its place. */
export interface Secret {
  readonly name: string;
  readonly value: string;
}

/** What takes values out of a stream, wherever its pieces are cut. */
export interface Redaction {
  /** Takes a piece and gives what may go on. What could be the beginning of a value is kept for the next. */
  push(chunk: Buffer): Buffer[];
  /** Gives the rest: the stream has ended. */
  flush(): Buffer[];
}

/** The fewest characters of a value that is looked for. */
export const SHORTEST = 8;

/** A piece of data that holds a value, from `start` up to `end`. */
interface Range {
  readonly start: number;
  end: number;
  /** What to put there. */
  readonly label: Buffer;
}

/** Places of data, from `from` up to `to`. */
interface Window {
  readonly from: number;
  to: number;
}

interface Candidate {
  readonly pattern: Pattern;
  label: Buffer;
}

const NOTHING: Buffer = Buffer.alloc(0);

/** Redacts for one set of credentials. */
export class Redactor {
  readonly #search: Search | undefined;
  /** One of the patterns has nothing to search for: all data is looked through. */
  readonly #always: boolean;
  /** Patterns by their first byte. */
  readonly #starts: (Candidate[] | undefined)[] = [];
  /** Whether a pattern may begin with a byte. */
  readonly #begins = new Uint8Array(256);
  readonly #longest: number;

  constructor(secrets: readonly Secret[]) {
    const known = secrets.filter(({ value }) => value.length >= SHORTEST);
    const patterns: Candidate[] = known.flatMap(({ name, value }) =>
      patternsOf(value).map((pattern) => ({ pattern, label: Buffer.from(`[redacted:${name}]`) })),
    );
    for (const one of patterns) {
      for (const byte of startsOf(one.pattern)) {
        const others = this.#starts[byte];
        this.#begins[byte] = 1;
        if (others === undefined) this.#starts[byte] = [one];
        else others.push(one);
      }
    }
    const anchors = patterns.map(({ pattern }) => pattern.anchor);
    this.#always = anchors.some(({ length }) => length === 0);
    this.#search = this.#always || anchors.length === 0 ? undefined : new Search(anchors);
    this.#longest = Math.max(0, ...patterns.map(({ pattern }) => pattern.longest));
    for (const one of patterns) {
      // A name may hold another credential's value.
      if (this.#scan(one.label, [whole(one.label)]).ranges.length > 0) one.label = Buffer.from('[redacted]');
    }
    for (const one of patterns) {
      if (this.#scan(one.label, [whole(one.label)]).ranges.length > 0) one.label = Buffer.from('***');
    }
  }

  /** A line without the values. The same object when there are none; JSON if it was JSON. */
  redact(line: Buffer): Buffer {
    const windows = this.#windows(line);
    if (windows.length === 0) return line;
    const { ranges } = this.#scan(line, windows);
    if (ranges.length === 0) return line;
    return Buffer.concat(isJson(line) ? replaceInJson(line, ranges) : replace(line, ranges));
  }

  /** As `redact`, for text. */
  text(text: string): string {
    const bytes = Buffer.from(text);
    const redacted = this.redact(bytes);
    return redacted === bytes ? text : redacted.toString();
  }

  /** Redacts bytes that come in pieces, such as a server's stderr. */
  stream(): Redaction {
    let rest: Buffer = NOTHING;
    // So many bytes of `rest` belong to a value whose name has been put out already.
    let covered = 0;
    return {
      push: (chunk) => {
        const data = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
        const end = { from: Math.max(0, data.length - this.#longest), to: data.length };
        const windows = [...this.#windows(data), end].sort((a, b) => a.from - b.from);
        const { ranges, open } = this.#scan(data, windows, covered);
        const across = ranges.find(
          ({ start, end, label }) => open < end && (start < open || label === NOTHING),
        );
        rest = data.subarray(open);
        covered = across === undefined ? 0 : across.end - open;
        if (across !== undefined) across.end = open;
        return replace(
          data.subarray(0, open),
          ranges.filter(({ start }) => start < open),
        );
      },
      flush: () => {
        const data = rest;
        const { ranges } = this.#scan(data, [whole(data)], covered);
        rest = NOTHING;
        covered = 0;
        return replace(data, ranges);
      },
    };
  }

  /** Where values may begin: cheap, and seldom wrong. In order; none where there is no value. */
  #windows(data: Buffer): Window[] {
    if (this.#always) return [whole(data)];
    const windows: Window[] = [];
    for (let at = this.#search?.next(data, 0) ?? -1; at >= 0; at = this.#search?.next(data, at + 1) ?? -1) {
      const last = windows.at(-1);
      const from = Math.max(0, at - this.#longest);
      if (last !== undefined && from <= last.to) last.to = at + 1;
      else windows.push({ from, to: at + 1 });
    }
    return windows;
  }

  /**
   * Finds the values that begin in the windows, in order, those that overlap as one. The first `covered`
   * bytes are counted in, with an empty name. `open` is the first place where a value might begin of which
   * the end is not there yet: the data's length if there is none.
   */
  #scan(
    data: Buffer,
    windows: readonly Window[],
    covered = 0,
  ): { readonly ranges: Range[]; readonly open: number } {
    const ranges: Range[] = covered > 0 ? [{ start: 0, end: covered, label: NOTHING }] : [];
    const found = { end: -1, open: false };
    let open = data.length;
    let at = 0;
    for (const { from, to } of windows) {
      for (at = Math.max(at, from); at < to; at++) {
        if (this.#begins[data[at] ?? 0] === 0) continue;
        const candidates = this.#starts[data[at] ?? 0];
        if (candidates === undefined) continue;
        let end = -1;
        let label: Buffer = NOTHING;
        for (const candidate of candidates) {
          match(candidate.pattern, data, at, found);
          if (found.open) open = Math.min(open, at);
          if (found.end <= end) continue;
          end = found.end;
          label = candidate.label;
        }
        if (end < 0) continue;
        const last = ranges.at(-1);
        if (last !== undefined && at < last.end) last.end = Math.max(last.end, end);
        else ranges.push({ start: at, end, label });
      }
    }
    return { ranges, open };
  }
}

function whole(data: Buffer): Window {
  return { from: 0, to: data.length };
}

/** Puts the labels in place of the ranges. */
function replace(data: Buffer, ranges: readonly Range[]): Buffer[] {
  const pieces: Buffer[] = [];
  let done = 0;
  for (const { start, end, label } of ranges) {
    pieces.push(data.subarray(done, start), label);
    done = end;
  }
  pieces.push(data.subarray(done));
  return pieces.filter(({ length }) => length > 0);
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const LOWER_U = 0x75;

/** Whether a line is to stay JSON: it begins as an object, an array or a string. */
function isJson(line: Buffer): boolean {
  for (const byte of line) {
    if (byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d) continue;
    return byte === 0x7b || byte === 0x5b || byte === QUOTE;
  }
  return false;
}

/**
 * As `replace`, for JSON. Goes through the line atom by atom: a character or escape sequence in a string, a
 * number or word, a mark of the structure. An atom that a range touches goes whole, but marks stay.
 */
function replaceInJson(line: Buffer, ranges: readonly Range[]): Buffer[] {
  const pieces: Buffer[] = [];
  let done = 0;
  let at = 0;
  let inString = false;
  for (const range of ranges) {
    let labelled = false;
    while (at < range.end && at < line.length) {
      const start = at;
      const byte = line[at] ?? 0;
      const mark = inString ? byte === QUOTE : !isWord(byte);
      if (inString) at += byte !== BACKSLASH ? 1 : line[at + 1] === LOWER_U ? 6 : 2;
      else
        do at++;
        while (!mark && isWord(line[at] ?? 0));
      if (mark) {
        if (byte === QUOTE) inString = !inString;
        labelled = false;
      } else if (at > range.start) {
        if (!labelled) {
          pieces.push(line.subarray(done, start), inString ? range.label : Buffer.from(`"${range.label}"`));
        }
        labelled = true;
        done = at;
      }
    }
  }
  pieces.push(line.subarray(done));
  return pieces.filter(({ length }) => length > 0);
}

/** Whether a byte may be in a number, `true`, `false` or `null`. */
function isWord(byte: number): boolean {
  const lower = byte | 0x20;
  if (lower >= 0x61 && lower <= 0x7a) return true;
  return (byte >= 0x30 && byte <= 0x39) || byte === 0x2b || byte === 0x2d || byte === 0x2e;
}
