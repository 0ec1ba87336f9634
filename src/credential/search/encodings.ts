// The forms of a secret that are known, as patterns over bytes. A pattern is a sequence of units, one a
// character; a unit knows every way in which its character may be written (`encoded-character.ts`). Characters may be
// written each in its own way, so an encoder's habits (which characters it leaves alone) need not be known.
//
//     raw      the secret itself
//     base64   three patterns, one for each place that the secret's first byte may have in a group of three;
//              of each, the characters that the secret alone decides. Either alphabet, broken into lines or not
//     hex      the digits of its UTF-8 bytes, in lower and in upper case
//     twice    the base64 of each of the three, in three alignments again
//
// Each pattern brings anchors: strings of which one occurs wherever it does, so that data without any can be
// passed at once.
import {
  behindBreak,
  CODED,
  LONGEST_BREAK,
  longestOf,
  marksOf,
  rawUnit,
  step,
  type Unit,
  WRAPPED,
} from './encoded-character.ts';

export interface Pattern {
  readonly kind: 'raw' | 'base64' | 'hex' | 'twice';
  /** Of base64: how many bytes stand before the secret in its group of three. */
  readonly offset: 0 | 1 | 2;
  readonly units: readonly Unit[];
  /** Of these one at least occurs where the pattern does; empty where no such run of some length is to be had. */
  readonly anchors: readonly Uint8Array[];
  /** The most bytes that a match takes. */
  readonly longest: number;
}

/** The shortest anchor that is worth looking for. */
const SHORTEST_ANCHOR = 4;
/** Longer anchors find nothing sooner. */
const LONGEST_ANCHOR = 24;
/** A run of letters and digits of this length needs no other characters. */
const LONG_RUN = 12;
/** Nobody breaks lines of base64 more often than after so many characters. */
const SHORTEST_LINE = 16;
/** Of a longer secret, in characters, base64 of base64 is not looked for: it would take much memory. */
const LONGEST_TWICE = 8192;

const OFFSETS = [0, 1, 2] as const;
/** What a line break may begin with. */
const BREAKS = [0x0a, 0x0d, 0x5c];
const ANY = Array.from({ length: 256 }, (_, byte) => byte);
const encoder = new TextEncoder();

/** Every pattern of a secret. */
export function patternsOf(secret: string): Pattern[] {
  const bytes = encoder.encode(secret);
  const hex = Buffer.from(bytes).toString('hex');
  const raw = rawUnits(secret);
  const patterns: Pattern[] = [
    patternOf('raw', 0, raw, rawAnchors(raw)),
    ...OFFSETS.map((offset) => {
      const units = codedUnits(base64Core(bytes, offset), WRAPPED);
      return patternOf('base64', offset, units, halvesOf(units));
    }),
    ...[...new Set([hex, hex.toUpperCase()])]
      .map((digits) => codedUnits(digits, CODED))
      .map((units) => patternOf('hex', 0, units, [anchorOf(units)])),
  ];
  if (secret.length > LONGEST_TWICE) return patterns;
  for (const inner of OFFSETS.flatMap((offset) => alphabets(base64Core(bytes, offset)))) {
    for (const offset of OFFSETS) {
      const units = codedUnits(base64Core(encoder.encode(inner), offset), CODED);
      patterns.push(patternOf('twice', offset, units, [anchorOf(units)]));
    }
  }
  return patterns;
}

/** A value whose patterns are made once, however many finders look for it. */
export class EncodedValue {
  readonly value: string;
  #patterns: readonly Pattern[] | undefined;

  constructor(value: string) {
    this.value = value;
  }

  get encodings(): readonly Pattern[] {
    this.#patterns ??= patternsOf(this.value);
    return this.#patterns;
  }
}

/** The bytes that a pattern may start with, each with those that may come next. */
export function startsOf({ units: [first, second] }: Pattern): Map<number, Iterable<number>> {
  const starts = new Map<number, Iterable<number>>();
  if (first === undefined || second === undefined) return starts;
  const [byte = -1, another] = first.bytes;
  const next = [...marksOf(second), second.bytes[0] ?? -1, second.also, ...(second.wraps ? BREAKS : [])];
  starts.set(byte, another === undefined ? next.filter((one) => one >= 0) : [another]);
  if (first.also >= 0)
    starts.set(
      first.also,
      next.filter((one) => one >= 0),
    );
  for (const mark of marksOf(first)) starts.set(mark, ANY);
  return starts;
}

/** What `match` found. `end` is the longest match's, or -1; `open`: with more data there might be another. */
export interface Found {
  end: number;
  open: boolean;
}

/** Matches a pattern at one place. The result is written into `found`: this runs for many places. */
export function match(pattern: Pattern, data: Uint8Array, at: number, found: Found): void {
  const { units } = pattern;
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
      if (index > 0 || !one.fixed || byte === one.also) matchWays(pattern, index, data, at, end, found);
      return;
    }
  }
  found.end = end;
}

/** Goes on from a unit that may be written in several ways, so that there may be several ends at once. */
function matchWays(
  { units, longest }: Pattern,
  from: number,
  data: Uint8Array,
  start: number,
  at: number,
  found: Found,
): void {
  let ends = [at];
  for (let index = from; index < units.length; index++) {
    const one = units[index];
    if (one === undefined) return;
    const next: number[] = [];
    for (const end of ends) {
      // A match takes `longest` bytes at most: streams rely on it.
      if (end - start > longest) continue;
      if (step(one, data, end, next)) found.open = true;
      if (!one.wraps || index === 0) continue;
      const behind = behindBreak(data, end);
      if (behind < 0 || (behind > end && step(one, data, behind, next))) found.open = true;
    }
    if (next.length === 0) return;
    ends = next.length === 1 ? next : [...new Set(next)];
  }
  const end = Math.max(...ends);
  if (end - start <= longest) found.end = end;
}

/** The base64 characters that `bytes` alone decide when `offset` other bytes stand before them. */
export function base64Core(bytes: Uint8Array, offset: 0 | 1 | 2): string {
  const padded = Buffer.concat([Buffer.alloc(offset), bytes]);
  const first = Math.ceil((offset * 8) / 6);
  const last = Math.floor((padded.length * 8) / 6);
  return padded.toString('base64').slice(first, last);
}

function patternOf(
  kind: Pattern['kind'],
  offset: 0 | 1 | 2,
  units: readonly Unit[],
  anchors: readonly Uint8Array[],
): Pattern {
  const breaks = kind === 'base64' ? LONGEST_BREAK * Math.ceil(units.length / SHORTEST_LINE) : 0;
  const longest = units.reduce((sum, one) => sum + longestOf(one), breaks);
  return { kind, offset, units, anchors: anchors.filter(({ length }) => length > 0), longest };
}

/** One object a character, however often it occurs: a long secret costs a pointer a character. */
function rawUnits(text: string): Unit[] {
  const made = new Map<string, Unit>();
  return Array.from(text, (character) => {
    const unit = made.get(character) ?? rawUnit(character);
    made.set(character, unit);
    return unit;
  });
}

function codedUnits(text: string, units: ReadonlyMap<string, Unit>): Unit[] {
  return Array.from(text, (character) => units.get(character) ?? rawUnit(character));
}

/** A text of base64 in both alphabets, where they differ. */
function alphabets(text: string): string[] {
  const other = text.replaceAll('+', '-').replaceAll('/', '_');
  return other === text ? [text] : [text, other];
}

/** The longest run of characters that nearly every encoder leaves alone. */
function anchorOf(units: readonly Unit[], fits = (one: Unit) => one.plain): Uint8Array {
  let best = 0;
  let end = 0;
  let run = 0;
  for (let at = 0; at < units.length && best < LONGEST_ANCHOR; at++) {
    const one = units[at];
    run = one !== undefined && fits(one) ? run + 1 : 0;
    if (run <= best) continue;
    best = run;
    end = at + 1;
  }
  if (best < SHORTEST_ANCHOR) return new Uint8Array(0);
  return Uint8Array.from(units.slice(end - best, end), ({ bytes }) => bytes[0] ?? 0);
}

/** Two anchors apart from each other: a line break splits one of them at most. One, where two are not to be had. */
function halvesOf(units: readonly Unit[]): Uint8Array[] {
  const middle = units.length >> 1;
  const halves = [anchorOf(units.slice(0, middle)), anchorOf(units.slice(middle))];
  return halves.every(({ length }) => length > 0) ? halves : [anchorOf(units)];
}

/** A run as it is, and where an encoder escapes every character, or every one that is neither letter nor digit. */
function rawAnchors(units: readonly Unit[]): Uint8Array[] {
  const letters = anchorOf(units, ({ plain, bytes }) => plain && isLetter(bytes[0] ?? 0));
  const run = letters.length >= LONG_RUN ? letters : anchorOf(units);
  if (run.length === 0) return [];
  const forms = new Set<string>([String.fromCharCode(...run)]);
  for (const every of [true, false]) {
    const add = (write: (byte: number) => string): void => {
      const form = Array.from(run, (byte) =>
        every || !isLetter(byte) ? write(byte) : String.fromCharCode(byte),
      );
      forms.add(form.join('').slice(0, LONGEST_ANCHOR));
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

/** Whether a byte is a letter or digit of ASCII. */
function isLetter(byte: number): boolean {
  const lower = byte | 0x20;
  return (byte >= 0x30 && byte <= 0x39) || (lower >= 0x61 && lower <= 0x7a);
}
