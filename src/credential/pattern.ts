// The forms of a secret that redaction knows, as patterns over bytes. A pattern is a sequence of units, one a
// character; a unit knows every way in which its character may be written:
//
//     raw       its UTF-8 bytes
//     URL       %XX for each byte, in either case; "+" for a space
//     JSON      \uXXXX in either case, \n \t \" \/ and so on, under up to three layers of JSON in JSON, where
//               each layer doubles the backslashes
//
// Characters may be written each in its own way, so an encoder's habits (which characters it leaves alone)
// need not be known. Base64 has three patterns, one for each place that the secret's first byte may have in
// a group of three; of each, the characters that the secret alone decides. "+" and "/" of the standard
// alphabet may be "-" and "_" of the other.

/** One character of a secret, or of its base64. */
export interface Unit {
  readonly bytes: Uint8Array;
  /** UTF-16 code units, for `\uXXXX`. */
  readonly codes: readonly number[];
  /** The byte behind a backslash in JSON's short form, or -1. */
  readonly short: number;
  /** Another byte that stands for the character, or -1. */
  readonly also: number;
  /** Encoders leave the character as it is. */
  readonly plain: boolean;
}

export interface Pattern {
  readonly units: readonly Unit[];
  /** Bytes that occur wherever the pattern does; empty where no such run of some length is to be had. */
  readonly anchor: Uint8Array;
  /** The most bytes that a match takes. */
  readonly longest: number;
}

/** The shortest anchor that is worth looking for. */
const SHORTEST_ANCHOR = 4;
/** Longer anchors find nothing sooner. */
const LONGEST_ANCHOR = 24;
/** Backslashes before an escaped character: one layer of JSON has 1, two 3, three 7. */
const DEEPEST = 7;

const BACKSLASH = 0x5c;
const PERCENT = 0x25;
const SHORT = new Map([
  ['\b', 'b'],
  ['\t', 't'],
  ['\n', 'n'],
  ['\f', 'f'],
  ['\r', 'r'],
  ['"', '"'],
  ['/', '/'],
]);
const encoder = new TextEncoder();

/** Every pattern of a secret: itself, and its base64 in the three alignments. */
export function patternsOf(secret: string): Pattern[] {
  const raw = unitsOf(secret, rawUnit);
  const bytes = encoder.encode(secret);
  const coded = [0, 1, 2].map((offset) => unitsOf(core(bytes, offset), base64Unit));
  return [raw, ...coded].map((units) => ({
    units,
    anchor: anchorOf(units),
    longest: units.reduce((sum, one) => sum + longestOf(one), 0),
  }));
}

/** The bytes that a pattern may start with. */
export function startsOf({ units: [first] }: Pattern): number[] {
  if (first === undefined) return [];
  const starts = [first.bytes[0] ?? -1, first.also, PERCENT, BACKSLASH];
  return [...new Set(starts)].filter((byte) => byte >= 0);
}

/** What `match` found. `end` is the longest match's, or -1; `open`: with more data there might be another. */
export interface Found {
  end: number;
  open: boolean;
}

/** Matches a pattern at one place. The result is written into `found`: this runs for many places. */
export function match({ units }: Pattern, data: Uint8Array, at: number, found: Found): void {
  found.end = -1;
  found.open = false;
  let end = at;
  for (let index = 0; index < units.length; index++) {
    const one = units[index];
    if (one === undefined) break;
    if (end >= data.length) {
      found.open = true;
      return;
    }
    const byte = data[end];
    if (one.plain && byte === one.bytes[0]) {
      end++;
    } else {
      matchWays(units, index, data, end, found);
      return;
    }
  }
  found.end = end;
}

/** Goes on from a unit that may be written in several ways, so that there may be several ends at once. */
function matchWays(units: readonly Unit[], from: number, data: Uint8Array, at: number, found: Found): void {
  let ends = [at];
  for (let index = from; index < units.length; index++) {
    const one = units[index];
    const next: number[] = [];
    for (const end of ends) {
      if (one !== undefined && step(one, data, end, next)) found.open = true;
    }
    if (next.length === 0) return;
    ends = next.length === 1 ? next : [...new Set(next)];
  }
  found.end = Math.max(...ends);
}

/** Adds each place where the unit, written at `at`, may end. `true`: the data ended before all was said. */
function step(one: Unit, data: Uint8Array, at: number, ends: number[]): boolean {
  if (at >= data.length) return true;
  const { bytes } = one;
  const byte = data[at];
  let open = false;
  if (byte === bytes[0]) {
    let length = 1;
    while (length < bytes.length && data[at + length] === bytes[length]) length++;
    if (length === bytes.length) ends.push(at + length);
    else if (at + length >= data.length) open = true;
  }
  if (byte === one.also) ends.push(at + 1);
  if (byte === PERCENT) {
    const length = percent(bytes, data, at);
    if (length > 0) ends.push(at + length);
    else if (length < 0) open = true;
  }
  if (byte === BACKSLASH && escaped(one, data, at, ends)) open = true;
  return open;
}

/** The length of `%XX%XX…` for the bytes; 0: something else; -1: the data ended too soon. */
function percent(bytes: Uint8Array, data: Uint8Array, at: number): number {
  let place = at;
  for (const byte of bytes) {
    if (place >= data.length) return -1;
    if (data[place] !== PERCENT) return 0;
    const length = hex(byte, 2, data, place + 1);
    if (length <= 0) return length;
    place += 3;
  }
  return place - at;
}

/** Whether `digits` hexadecimal digits at a place say `value`: their number; 0: no; -1: the data ended. */
function hex(value: number, digits: number, data: Uint8Array, at: number): number {
  for (let digit = 0; digit < digits; digit++) {
    const byte = data[at + digit];
    if (byte === undefined) return -1;
    const wanted = (value >> (4 * (digits - 1 - digit))) & 15;
    const lower = byte | 0x20;
    const said =
      byte >= 0x30 && byte <= 0x39 ? byte - 0x30 : lower >= 0x61 && lower <= 0x66 ? lower - 87 : -1;
    if (said !== wanted) return 0;
  }
  return digits;
}

/** The ways that begin with a backslash. */
function escaped(one: Unit, data: Uint8Array, at: number, ends: number[]): boolean {
  let count = 1;
  while (count <= DEEPEST && data[at + count] === BACKSLASH) count++;
  let open = at + count >= data.length;
  if (one.bytes[0] === BACKSLASH) {
    for (const written of [2, 4, 8]) {
      if (written <= count) ends.push(at + written);
    }
  }
  if (count > DEEPEST) return open;
  const next = data[at + count];
  if (next === one.short) ends.push(at + count + 1);
  if (next !== 0x75) return open;
  let place = at;
  for (const code of one.codes) {
    // Each half of a surrogate pair has backslashes of its own.
    let slashes = 0;
    while (slashes <= DEEPEST && data[place] === BACKSLASH) {
      place++;
      slashes++;
    }
    if (place >= data.length) return true;
    if (slashes === 0 || slashes > DEEPEST || data[place] !== 0x75) return open;
    const length = hex(code, 4, data, place + 1);
    if (length < 0) open = true;
    if (length <= 0) return open;
    place += 5;
  }
  ends.push(place);
  return open;
}

/** One object a character, however often it occurs: a long secret costs a pointer a character. */
function unitsOf(text: string, make: (character: string) => Unit): Unit[] {
  const made = new Map<string, Unit>();
  return Array.from(text, (character) => {
    const unit = made.get(character) ?? make(character);
    made.set(character, unit);
    return unit;
  });
}

function rawUnit(character: string): Unit {
  return {
    bytes: encoder.encode(character),
    codes: Array.from({ length: character.length }, (_, index) => character.charCodeAt(index)),
    short: SHORT.get(character)?.charCodeAt(0) ?? -1,
    also: character === ' ' ? 0x2b : -1,
    plain: /^[A-Za-z0-9._-]$/.test(character),
  };
}

function base64Unit(character: string): Unit {
  const also = character === '+' ? 0x2d : character === '/' ? 0x5f : -1;
  return { ...rawUnit(character), also };
}

/** The base64 characters that `bytes` alone decide when `offset` other bytes stand before them. */
function core(bytes: Uint8Array, offset: number): string {
  const padded = Buffer.concat([Buffer.alloc(offset), bytes]);
  const first = Math.ceil((offset * 8) / 6);
  const last = Math.floor((padded.length * 8) / 6);
  return padded.toString('base64').slice(first, last);
}

/** The longest run of characters that every encoder leaves alone. */
function anchorOf(units: readonly Unit[]): Uint8Array {
  let best: Unit[] = [];
  let run: Unit[] = [];
  for (const one of units) {
    run = one.plain ? [...run, one] : [];
    if (run.length > best.length) best = run;
    if (best.length === LONGEST_ANCHOR) break;
  }
  return Uint8Array.from(best.length < SHORTEST_ANCHOR ? [] : best.map(({ bytes }) => bytes[0] ?? 0));
}

function longestOf({ bytes, codes }: Unit): number {
  return Math.max(3 * bytes.length, (DEEPEST + 5) * codes.length);
}
