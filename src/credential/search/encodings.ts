// The encodings in which a secret is recognised, as patterns of characters. Each character may be escaped in its own
// way (`escapes.ts`), so the search need not know which characters an encoder leaves alone.
//
//     raw             the secret itself
//     base64          three encodings, one for each position of the secret's first byte in a group of three; of each,
//                     the characters that the secret alone determines. Either alphabet, broken into lines or not
//     hex             the digits of its UTF-8 bytes, in lower and in upper case
//     base32          in five alignments, without padding (RFC 4648 6)
//     double-base64   the base64 of each of the three, in three alignments again
//
// Each encoding has anchors: strings of which at least one occurs wherever the encoding does. Data without any anchor
// passes without a full search.
import { MAX_BREAK, maxLengthOf } from './escapes.ts';

export interface Encoding {
  readonly kind: 'raw' | 'base64' | 'hex' | 'base32' | 'double-base64';
  /** For base64: how many bytes precede the secret in its group of three. */
  readonly offset: 0 | 1 | 2;
  /** Code points. */
  readonly characters: ArrayLike<number>;
  /** A line break may precede each character but the first. */
  readonly mayBreak: boolean;
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
/** Base32 and base64 of base64 are not searched for a longer secret, in characters: they would take much memory. */
const MAX_RARE = 1024;

/** The longest escape of "+" or "/" in base64, in bytes. */
const ESCAPED = maxLengthOf('+');

/** Runs of characters that nearly every encoder leaves unescaped; of base64, those that both alphabets share. */
const UNRESERVED = /[A-Za-z0-9._-]+/g;
const ALPHANUMERIC = /[A-Za-z0-9]+/g;
const UNALTERED = ALPHANUMERIC;

const OFFSETS = [0, 1, 2] as const;
const encoder = new TextEncoder();

/** All encodings of a secret; without base32 if nobody asks for it. */
export function encodingsOf(secret: string, base32 = true): Encoding[] {
  const bytes = encoder.encode(secret);
  const hex = Buffer.from(bytes).toString('hex');
  const encodings: Encoding[] = [
    createEncoding('raw', 0, secret, rawAnchors(secret)),
    ...OFFSETS.map((offset) => {
      const text = base64Core(bytes, offset);
      return createEncoding('base64', offset, text, halfAnchors(text));
    }),
    ...[...new Set([hex, hex.toUpperCase()])].map((digits) =>
      createEncoding('hex', 0, digits, [longestAnchor(digits, UNALTERED)]),
    ),
  ];
  if (secret.length > MAX_RARE) return encodings;
  for (let offset = 0; base32 && offset < 5; offset++) {
    const text = base32Core(bytes, offset);
    encodings.push(createEncoding('base32', 0, text, [longestAnchor(text, UNALTERED)]));
  }
  for (const inner of OFFSETS.flatMap((offset) => alphabets(base64Core(bytes, offset)))) {
    for (const offset of OFFSETS) {
      const text = base64Core(encoder.encode(inner), offset);
      encodings.push(createEncoding('double-base64', offset, text, [longestAnchor(text, UNALTERED)]));
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

/** The base64 characters that `bytes` alone determine when `offset` other bytes precede them. */
export function base64Core(bytes: Uint8Array, offset: 0 | 1 | 2): string {
  const padded = Buffer.concat([Buffer.alloc(offset), bytes]);
  const first = Math.ceil((offset * 8) / 6);
  const last = Math.floor((padded.length * 8) / 6);
  return padded.toString('base64').slice(first, last);
}

const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** The base32 characters that `bytes` alone determine when `offset` other bytes precede them. */
export function base32Core(bytes: Uint8Array, offset: number): string {
  let text = '';
  let held = 0;
  // Bits that are left of the bytes before, and whether they are known.
  let bits = (offset * 8) % 5;
  let unknown = bits;
  for (const byte of bytes) {
    held = ((held << 8) | byte) & 0xfff;
    bits += 8;
    for (; bits >= 5; bits -= 5) {
      if (unknown > 0) unknown = 0;
      else text += BASE32.charAt((held >> (bits - 5)) & 31);
    }
  }
  return text;
}

function createEncoding(
  kind: Encoding['kind'],
  offset: 0 | 1 | 2,
  text: string,
  anchors: readonly Uint8Array[],
): Encoding {
  const mayBreak = kind === 'base64';
  const breaks = mayBreak ? MAX_BREAK * Math.ceil(text.length / MIN_LINE_LENGTH) : 0;
  return {
    kind,
    offset,
    characters: charactersOf(text),
    mayBreak,
    anchors: anchors.filter(({ length }) => length > 0),
    maxLength: breaks + (kind === 'raw' ? longestRaw(text) : longestCoded(text)),
  };
}

function longestRaw(text: string): number {
  let sum = 0;
  for (const character of text) sum += maxLengthOf(character);
  return sum;
}

function longestCoded(text: string): number {
  const plain = text.length - text.replaceAll(/\w+/g, '').length;
  return plain + ESCAPED * (text.length - plain);
}

/** Code points, in as little memory as a long secret needs. */
function charactersOf(text: string): ArrayLike<number> {
  if (/^[\0-\xff]*$/.test(text)) return Uint8Array.from(Buffer.from(text, 'latin1'));
  return Uint32Array.from(Array.from(text), (character) => character.codePointAt(0) ?? 0);
}

/** A text of base64 in both alphabets, if they differ. */
function alphabets(text: string): string[] {
  const other = text.replaceAll('+', '-').replaceAll('/', '_');
  return other === text ? [text] : [text, other];
}

/** The longest run of characters that encoders leave as they are. */
function longestAnchor(text: string, accepted: RegExp): Uint8Array {
  let best = '';
  for (const [run] of text.matchAll(accepted)) {
    if (run.length > best.length) best = run.slice(0, MAX_ANCHOR);
    if (best.length === MAX_ANCHOR) break;
  }
  return encoder.encode(best.length < MIN_ANCHOR ? '' : best);
}

/** One anchor from each half: a line break splits at most one of them. A single anchor if a half has none. */
function halfAnchors(text: string): Uint8Array[] {
  const middle = text.length >> 1;
  const halves = [text.slice(0, middle), text.slice(middle)].map((half) => longestAnchor(half, UNALTERED));
  return halves.every(({ length }) => length > 0) ? halves : [longestAnchor(text, UNALTERED)];
}

/** A run unescaped, with every character escaped, and with all but letters and digits escaped. */
function rawAnchors(text: string): Uint8Array[] {
  const letters = longestAnchor(text, ALPHANUMERIC);
  const run = letters.length >= LONG_ALPHANUMERIC_RUN ? letters : longestAnchor(text, UNRESERVED);
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
