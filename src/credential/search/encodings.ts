// The encodings in which a secret is recognised, as patterns over bytes. An encoding is a sequence of characters; each
// knows all its escapes (`encoded-character.ts`). Each character may be escaped in its own way, so the search need not
// know which characters an encoder leaves alone.
//
//     raw             the secret itself
//     base64          three encodings, one for each position of the secret's first byte in a group of three; of each,
//                     the characters that the secret alone determines. Either alphabet, broken into lines or not
//     hex             the digits of its UTF-8 bytes, in lower and in upper case
//     double-base64   the base64 of each of the three, in three alignments again
//
// Each encoding has anchors: strings of which at least one occurs wherever the encoding does. Data without any anchor
// passes without a full search.
import {
  BASE64_CHARACTERS,
  type EncodedCharacter,
  encodedCharacter,
  escapeBytesOf,
  MAX_BREAK,
  matchCharacter,
  maxLengthOf,
  skipLineBreak,
  WRAPPED_BASE64_CHARACTERS,
} from './encoded-character.ts';

export interface Encoding {
  readonly kind: 'raw' | 'base64' | 'hex' | 'double-base64';
  /** For base64: how many bytes precede the secret in its group of three. */
  readonly offset: 0 | 1 | 2;
  readonly characters: readonly EncodedCharacter[];
  /** At least one of these occurs wherever the encoding does. Empty if it has no run that is long enough. */
  readonly anchors: readonly Uint8Array[];
  /** The longest match, in bytes. */
  readonly maxLength: number;
}

/** A shorter anchor would occur too often. */
const MIN_ANCHOR = 4;
/** A longer anchor does not speed up the search. */
const MAX_ANCHOR = 24;
/** A run of letters and digits of this length is preferred to a longer one with other characters. */
const LONG_ALPHANUMERIC_RUN = 12;
/** The shortest line of base64 that is recognised, in characters. */
const MIN_LINE_LENGTH = 16;
/** Base64 of base64 is not searched for a longer secret, in characters: it would take much memory. */
const MAX_DOUBLE_BASE64 = 8192;

const OFFSETS = [0, 1, 2] as const;
/** The bytes that a line break may begin with. */
const LINE_BREAK_STARTS = [0x0a, 0x0d, 0x5c];
const ANY_BYTE = Array.from({ length: 256 }, (_, byte) => byte);
const encoder = new TextEncoder();

/** All encodings of a secret. */
export function encodingsOf(secret: string): Encoding[] {
  const bytes = encoder.encode(secret);
  const hex = Buffer.from(bytes).toString('hex');
  const raw = rawCharacters(secret);
  const encodings: Encoding[] = [
    createEncoding('raw', 0, raw, rawAnchors(raw)),
    ...OFFSETS.map((offset) => {
      const characters = charactersFrom(base64Core(bytes, offset), WRAPPED_BASE64_CHARACTERS);
      return createEncoding('base64', offset, characters, halfAnchors(characters));
    }),
    ...[...new Set([hex, hex.toUpperCase()])]
      .map((digits) => charactersFrom(digits, BASE64_CHARACTERS))
      .map((characters) => createEncoding('hex', 0, characters, [longestAnchor(characters)])),
  ];
  if (secret.length > MAX_DOUBLE_BASE64) return encodings;
  for (const inner of OFFSETS.flatMap((offset) => alphabets(base64Core(bytes, offset)))) {
    for (const offset of OFFSETS) {
      const characters = charactersFrom(base64Core(encoder.encode(inner), offset), BASE64_CHARACTERS);
      encodings.push(createEncoding('double-base64', offset, characters, [longestAnchor(characters)]));
    }
  }
  return encodings;
}

/** A value whose encodings are computed once, for all finders that search for it. */
export class EncodedValue {
  readonly value: string;
  #encodings: readonly Encoding[] | undefined;

  constructor(value: string) {
    this.value = value;
  }

  get encodings(): readonly Encoding[] {
    this.#encodings ??= encodingsOf(this.value);
    return this.#encodings;
  }
}

/** The bytes that a match may start with, each with those that may follow it. */
export function firstBytesOf({ characters: [first, second] }: Encoding): Map<number, Iterable<number>> {
  const starts = new Map<number, Iterable<number>>();
  if (first === undefined || second === undefined) return starts;
  const [byte = -1, another] = first.bytes;
  const next = [
    ...escapeBytesOf(second),
    second.bytes[0] ?? -1,
    second.alternative,
    ...(second.mayFollowBreak ? LINE_BREAK_STARTS : []),
  ];
  starts.set(byte, another === undefined ? next.filter((byte) => byte >= 0) : [another]);
  if (first.alternative >= 0)
    starts.set(
      first.alternative,
      next.filter((byte) => byte >= 0),
    );
  for (const mark of escapeBytesOf(first)) starts.set(mark, ANY_BYTE);
  return starts;
}

/** The result of `matchAt`. `end`: of the longest match, or -1. `incomplete`: more data could give another match. */
export interface MatchResult {
  end: number;
  incomplete: boolean;
}

/** Matches an encoding at `at`. Writes into `result` rather than allocate: it runs for many positions. */
export function matchAt(encoding: Encoding, data: Uint8Array, at: number, result: MatchResult): void {
  const { characters } = encoding;
  result.end = -1;
  result.incomplete = false;
  let end = at;
  for (let index = 0; index < characters.length; index++) {
    const character = characters[index];
    if (character === undefined) break;
    if (end >= data.length) {
      result.incomplete = true;
      return;
    }
    const byte = data[end];
    if (character.unreserved && byte === character.bytes[0]) {
      end++;
    } else {
      if (index > 0 || !character.literal || byte === character.alternative)
        matchAlternatives(encoding, index, data, at, end, result);
      return;
    }
  }
  result.end = end;
}

/** Continues from a character that has several encodings, so that there may be several ends at once. */
function matchAlternatives(
  { characters, maxLength }: Encoding,
  from: number,
  data: Uint8Array,
  start: number,
  at: number,
  result: MatchResult,
): void {
  let ends = [at];
  for (let index = from; index < characters.length; index++) {
    const character = characters[index];
    if (character === undefined) return;
    const next: number[] = [];
    for (const end of ends) {
      // No match is longer than `maxLength`: streams rely on it.
      if (end - start > maxLength) continue;
      if (matchCharacter(character, data, end, next)) result.incomplete = true;
      if (!character.mayFollowBreak || index === 0) continue;
      const afterBreak = skipLineBreak(data, end);
      if (afterBreak < 0 || (afterBreak > end && matchCharacter(character, data, afterBreak, next)))
        result.incomplete = true;
    }
    if (next.length === 0) return;
    ends = next.length === 1 ? next : [...new Set(next)];
  }
  const end = Math.max(...ends);
  if (end - start <= maxLength) result.end = end;
}

/** The base64 characters that `bytes` alone determine when `offset` other bytes precede them. */
export function base64Core(bytes: Uint8Array, offset: 0 | 1 | 2): string {
  const padded = Buffer.concat([Buffer.alloc(offset), bytes]);
  const first = Math.ceil((offset * 8) / 6);
  const last = Math.floor((padded.length * 8) / 6);
  return padded.toString('base64').slice(first, last);
}

function createEncoding(
  kind: Encoding['kind'],
  offset: 0 | 1 | 2,
  characters: readonly EncodedCharacter[],
  anchors: readonly Uint8Array[],
): Encoding {
  const breaks = kind === 'base64' ? MAX_BREAK * Math.ceil(characters.length / MIN_LINE_LENGTH) : 0;
  const maxLength = characters.reduce((sum, character) => sum + maxLengthOf(character), breaks);
  return {
    kind,
    offset,
    characters,
    anchors: anchors.filter(({ length }) => length > 0),
    maxLength,
  };
}

/** One object for each distinct character: a long secret costs one pointer a character. */
function rawCharacters(text: string): EncodedCharacter[] {
  const made = new Map<string, EncodedCharacter>();
  return Array.from(text, (character) => {
    const encoded = made.get(character) ?? encodedCharacter(character);
    made.set(character, encoded);
    return encoded;
  });
}

function charactersFrom(text: string, table: ReadonlyMap<string, EncodedCharacter>): EncodedCharacter[] {
  return Array.from(text, (character) => table.get(character) ?? encodedCharacter(character));
}

/** A text of base64 in both alphabets, if they differ. */
function alphabets(text: string): string[] {
  const other = text.replaceAll('+', '-').replaceAll('/', '_');
  return other === text ? [text] : [text, other];
}

/** The longest run of characters that nearly every encoder leaves unescaped. */
function longestAnchor(
  characters: readonly EncodedCharacter[],
  accepts = (character: EncodedCharacter) => character.unreserved,
): Uint8Array {
  let best = 0;
  let end = 0;
  let run = 0;
  for (let at = 0; at < characters.length && best < MAX_ANCHOR; at++) {
    const character = characters[at];
    run = character !== undefined && accepts(character) ? run + 1 : 0;
    if (run <= best) continue;
    best = run;
    end = at + 1;
  }
  if (best < MIN_ANCHOR) return new Uint8Array(0);
  return Uint8Array.from(characters.slice(end - best, end), ({ bytes }) => bytes[0] ?? 0);
}

/** One anchor from each half: a line break splits at most one of them. A single anchor if a half has none. */
function halfAnchors(characters: readonly EncodedCharacter[]): Uint8Array[] {
  const middle = characters.length >> 1;
  const halves = [longestAnchor(characters.slice(0, middle)), longestAnchor(characters.slice(middle))];
  return halves.every(({ length }) => length > 0) ? halves : [longestAnchor(characters)];
}

/** A run unescaped, with every character escaped, and with all but letters and digits escaped. */
function rawAnchors(characters: readonly EncodedCharacter[]): Uint8Array[] {
  const letters = longestAnchor(
    characters,
    ({ unreserved, bytes }) => unreserved && isAlphanumeric(bytes[0] ?? 0),
  );
  const run = letters.length >= LONG_ALPHANUMERIC_RUN ? letters : longestAnchor(characters);
  if (run.length === 0) return [];
  const forms = new Set<string>([String.fromCharCode(...run)]);
  for (const every of [true, false]) {
    const add = (write: (byte: number) => string): void => {
      const form = Array.from(run, (byte) =>
        every || !isAlphanumeric(byte) ? write(byte) : String.fromCharCode(byte),
      );
      forms.add(form.join('').slice(0, MAX_ANCHOR));
    };
    add((byte) => `&#${byte};`);
    for (const digits of [
      (byte: number) => byte.toString(16),
      (byte: number) => byte.toString(16).toUpperCase(),
    ]) {
      add((byte) => `&#x${digits(byte)};`);
      for (const mark of ['%', '%25', '\\u00']) add((byte) => `${mark}${digits(byte)}`);
    }
  }
  return [...forms].map((form) => encoder.encode(form));
}

/** Whether a byte is an ASCII letter or digit. */
function isAlphanumeric(byte: number): boolean {
  const lower = byte | 0x20;
  return (byte >= 0x30 && byte <= 0x39) || (lower >= 0x61 && lower <= 0x7a);
}
