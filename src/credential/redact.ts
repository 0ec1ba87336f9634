// Takes the values of credentials out of what passes, in every form that `encodings.ts` knows: exactly as they are,
// URL-encoded, JSON-escaped, with HTML's entities, in base64 and in hexadecimal digits. A value is replaced by
// `[redacted:NAME]`. A value shorter than `SHORTEST` is passed over: it would be found everywhere.
//
// JSON stays JSON: there a match is widened to whole escape sequences; a number or word outside of strings is
// replaced by a string; quotes, brackets and commas stay, also where a value spans them.
import {
  type ByteTransform,
  Finder,
  type Match,
  type MatchedValue,
  type ReplaceTransform,
  type SearchTarget,
} from './finder.ts';
import { base64Core } from './search/encodings.ts';

export { SHORTEST } from './finder.ts';

/** A value to take out, and the name to put in its place. */
export interface NamedSecret extends SearchTarget {
  readonly name: string;
}

/** A secret, and what the server knows it as. */
export interface SecretPlaceholder extends SearchTarget {
  readonly placeholder: string;
}

const NOTHING: Buffer = Buffer.alloc(0);

/** Redacts for one set of credentials. */
export class Redactor {
  readonly #finder: Finder;
  /** What to put in the place of each value. */
  readonly #labels: readonly Buffer[];

  constructor(secrets: readonly NamedSecret[]) {
    this.#finder = new Finder(secrets);
    // A name may hold another credential's value.
    this.#labels = secrets.map(
      ({ name }) =>
        [`[redacted:${name}]`, '[redacted]']
          .map((label) => Buffer.from(label))
          .find((label) => !this.#finder.has(label)) ?? Buffer.from('***'),
    );
  }

  /** A line without the values. The same object when there are none; JSON if it was JSON. */
  redact(line: Buffer): Buffer {
    const matches = this.#finder.find(line);
    if (matches.length === 0) return line;
    return isJson(line)
      ? replaceInJson(line, matches, ({ index }) => this.#label(index))
      : this.#finder.replace(line, ({ index }) => this.#label(index));
  }

  /** As `redact`, for text. */
  text(text: string): string {
    const bytes = Buffer.from(text);
    const redacted = this.redact(bytes);
    return redacted === bytes ? text : redacted.toString();
  }

  /** Redacts bytes that come in pieces, such as a server's stderr. */
  stream(): ReplaceTransform {
    return this.#finder.stream(({ index, continued }) => (continued ? NOTHING : this.#label(index)));
  }

  #label(index: number): Buffer {
    return this.#labels[index] ?? NOTHING;
  }
}

/**
 * Puts placeholders back in the place of secrets, in what a host answers. Each stands as its secret stood: in hex for
 * hex, in base64 for base64 where the lengths allow it; in all other forms as it is, which needs no escapes anywhere.
 */
export class ResponseSealer {
  readonly #finder: Finder;
  readonly #secrets: readonly SecretPlaceholder[];

  constructor(pairs: readonly SecretPlaceholder[]) {
    this.#finder = new Finder(pairs);
    this.#secrets = pairs;
  }

  /** For a body. `keepLength`: what is put in is cut, or filled up with `*`, to the length of what stood there. */
  transform(keepLength: boolean): ReplaceTransform {
    return this.#finder.stream((standing) => this.#put(standing, keepLength), true);
  }

  /** A header field's name or value, each byte a character (latin1) as node:http gives it. */
  text(value: string): string {
    const bytes = Buffer.from(value, 'latin1');
    const sealed = this.#finder.replace(bytes, (standing) => this.#put(standing, false));
    return sealed === bytes ? value : sealed.toString('latin1');
  }

  #put(standing: MatchedValue, keepLength: boolean): Buffer {
    const pair = this.#secrets[standing.index];
    const put = pair === undefined || standing.continued ? NOTHING : encodePlaceholder(pair, standing);
    if (!keepLength || put.length === standing.bytes.length) return put;
    return Buffer.concat([put, Buffer.alloc(standing.bytes.length, '*')], standing.bytes.length);
  }
}

/** As `response` of what is sealed at each piece: a secret that comes while an answer streams is taken out of its rest. */
export function sealWithLatest(sealing: () => ResponseSealer, keepLength: boolean): ByteTransform {
  let now = sealing();
  let flow = now.transform(keepLength);
  const push = (chunk: Buffer): Buffer[] => {
    const fresh = sealing();
    if (fresh === now) return flow.push(chunk);
    const kept = flow.takePending();
    now = fresh;
    flow = fresh.transform(keepLength);
    return flow.push(Buffer.concat([kept, chunk]));
  };
  return { push, flush: () => [...push(NOTHING), ...flow.flush()] };
}

/** A placeholder in the form in which its secret stood. */
function encodePlaceholder(
  { value, placeholder }: SecretPlaceholder,
  { form, offset, bytes }: MatchedValue,
): Buffer {
  const plain = Buffer.from(placeholder);
  const said = bytes.toString('latin1');
  if (form === 'hex') {
    const digits = plain.toString('hex');
    return Buffer.from(/[A-F]/.test(said) ? digits.toUpperCase() : digits);
  }
  if (form !== 'base64' || (plain.length - Buffer.byteLength(value)) % 3 !== 0) return plain;
  const core = base64Core(plain, offset);
  // Broken into lines, the breaks stay where they were. A placeholder's base64 holds neither "+" nor "/".
  const lines = said.split(BREAK);
  if (lines.length === 1 || lines.reduce((sum, line) => sum + line.length, 0) !== core.length)
    return Buffer.from(core);
  let done = 0;
  return Buffer.from(
    said.replace(/(\\+[rn]|[\r\n])|[^\\\r\n]/g, (_, broken) => broken ?? core.charAt(done++)),
  );
}

const BREAK = /\\+[rn]|[\r\n]/;
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
 * Puts labels in the place of matches. Goes through the line atom by atom: a character or escape sequence in a
 * string, a number or word, a mark of the structure. An atom that a match touches goes whole, but marks stay.
 */
function replaceInJson(line: Buffer, matches: readonly Match[], labelOf: (match: Match) => Buffer): Buffer {
  const pieces: Buffer[] = [];
  let done = 0;
  let at = 0;
  let inString = false;
  for (const match of matches) {
    let labelled = false;
    while (at < match.end && at < line.length) {
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
      } else if (at > match.start) {
        const label = labelOf(match);
        if (!labelled) pieces.push(line.subarray(done, start), inString ? label : Buffer.from(`"${label}"`));
        labelled = true;
        done = at;
      }
    }
  }
  pieces.push(line.subarray(done));
  return Buffer.concat(pieces);
}

/** Whether a byte may be in a number, `true`, `false` or `null`. */
function isWord(byte: number): boolean {
  const lower = byte | 0x20;
  if (lower >= 0x61 && lower <= 0x7a) return true;
  return (byte >= 0x30 && byte <= 0x39) || byte === 0x2b || byte === 0x2d || byte === 0x2e;
}
