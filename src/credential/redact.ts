// Removes the values of credentials from what passes, in all the encodings of `encodings.ts` (unencoded, base64,
// hexadecimal digits) and all the writings of each character of `escapes.ts` and `folded-view.ts`. Each value becomes
// `[redacted:NAME]`. A value shorter than `MIN_SECRET_LENGTH` stays: it would be found everywhere.
//
// JSON stays JSON: a match is widened to whole escape sequences; a number or word outside strings is replaced by a
// string; quotes, brackets and commas stay, even where a value spans them.
import {
  type ByteTransform,
  Finder,
  type Match,
  type MatchedValue,
  type ReplaceTransform,
  type SearchTarget,
} from './finder.ts';
import { base64Core } from './search/encodings.ts';

export { MIN_SECRET_LENGTH as SHORTEST } from './finder.ts';

/** A value to remove, and the name that replaces it. */
export interface NamedSecret extends SearchTarget {
  readonly name: string;
}

/** A secret, and the placeholder that the server has for it. */
export interface SecretPlaceholder extends SearchTarget {
  readonly placeholder: string;
}

const NO_BYTES: Buffer = Buffer.alloc(0);

/** Redacts the values of one set of credentials. */
export class Redactor {
  readonly #finder: Finder;
  /** The replacement of each value. */
  readonly #labels: readonly Buffer[];

  constructor(secrets: readonly NamedSecret[]) {
    this.#finder = new Finder(secrets, true);
    // A name may contain another credential's value.
    this.#labels = secrets.map(
      ({ name }) =>
        [`[redacted:${name}]`, '[redacted]']
          .map((label) => Buffer.from(label))
          .find((label) => !this.#finder.has(label)) ?? Buffer.from('***'),
    );
  }

  /** The line without the values. The same object if there are none; JSON if it was JSON. */
  redact(line: Buffer): Buffer {
    const matches = this.#finder.find(line);
    if (matches.length === 0) return line;
    return isJson(line)
      ? replaceInJson(line, matches, ({ index }) => this.#label(index))
      : this.#finder.replace(line, ({ index }) => this.#label(index));
  }

  /** Like `redact`, for text. */
  text(text: string): string {
    const bytes = Buffer.from(text);
    const redacted = this.redact(bytes);
    return redacted === bytes ? text : redacted.toString();
  }

  /** Redacts a stream, such as a server's stderr. */
  stream(): ReplaceTransform {
    return this.#finder.stream(({ index, continued }) => (continued ? NO_BYTES : this.#label(index)));
  }

  #label(index: number): Buffer {
    return this.#labels[index] ?? NO_BYTES;
  }
}

/**
 * Replaces the secrets in a host's responses by their placeholders. A placeholder takes the secret's encoding: hex for
 * hex, base64 for base64 if the lengths allow it. Otherwise it is not encoded, since it needs no escapes anywhere.
 */
export class ResponseSealer {
  readonly #finder: Finder;
  readonly #secrets: readonly SecretPlaceholder[];

  constructor(secrets: readonly SecretPlaceholder[]) {
    this.#finder = new Finder(secrets, true);
    this.#secrets = secrets;
  }

  /** For a body. `keepLength`: a replacement is cut, or padded with `*`, to the length of what it replaces. */
  transform(keepLength: boolean): ReplaceTransform {
    return this.#finder.stream((matched) => this.#replacement(matched, keepLength), true);
  }

  /** For a header field's name or value: latin1, as node:http gives it. */
  text(value: string): string {
    const bytes = Buffer.from(value, 'latin1');
    const sealed = this.#finder.replace(bytes, (matched) => this.#replacement(matched, false));
    return sealed === bytes ? value : sealed.toString('latin1');
  }

  #replacement(matched: MatchedValue, keepLength: boolean): Buffer {
    const secret = this.#secrets[matched.index];
    const replacement =
      secret === undefined || matched.continued ? NO_BYTES : encodePlaceholder(secret, matched);
    if (!keepLength || replacement.length === matched.bytes.length) return replacement;
    return Buffer.concat([replacement, Buffer.alloc(matched.bytes.length, '*')], matched.bytes.length);
  }
}

/** Like `transform` of the latest sealer at each chunk: a secret that is added while a response streams is removed from the rest. */
export function sealWithLatest(latest: () => ResponseSealer, keepLength: boolean): ByteTransform {
  let sealer = latest();
  let transform = sealer.transform(keepLength);
  const push = (chunk: Buffer): Buffer[] => {
    const next = latest();
    if (next === sealer) return transform.push(chunk);
    const pending = transform.takePending();
    sealer = next;
    transform = next.transform(keepLength);
    return transform.push(Buffer.concat([pending, chunk]));
  };
  return { push, flush: () => [...push(NO_BYTES), ...transform.flush()] };
}

/** The placeholder in the encoding of the secret that it replaces. */
function encodePlaceholder(
  { value, placeholder }: SecretPlaceholder,
  { form, offset, bytes }: MatchedValue,
): Buffer {
  const plain = Buffer.from(placeholder);
  const text = bytes.toString('latin1');
  if (form === 'hex') {
    const digits = plain.toString('hex');
    return Buffer.from(/[A-F]/.test(text) ? digits.toUpperCase() : digits);
  }
  if (form !== 'base64' || (plain.length - Buffer.byteLength(value)) % 3 !== 0) return plain;
  const core = base64Core(plain, offset);
  // If broken into lines, the breaks stay where they were. A placeholder's base64 contains neither "+" nor "/".
  const lines = text.split(LINE_BREAK);
  if (lines.length === 1 || lines.reduce((sum, line) => sum + line.length, 0) !== core.length)
    return Buffer.from(core);
  let done = 0;
  return Buffer.from(
    text.replace(/(\\+[rn]|[\r\n])|[^\\\r\n]/g, (_, lineBreak) => lineBreak ?? core.charAt(done++)),
  );
}

const LINE_BREAK = /\\+[rn]|[\r\n]/;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const LOWER_U = 0x75;

/** Whether a line must stay JSON: it begins like an object, an array or a string. */
function isJson(line: Buffer): boolean {
  for (const byte of line) {
    if (byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d) continue;
    return byte === 0x7b || byte === 0x5b || byte === QUOTE;
  }
  return false;
}

/**
 * Replaces matches by labels. Goes through the line token by token: a character or escape sequence of a string, a
 * number or word, a structural character. A token that a match touches is replaced whole; structural ones stay.
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
  return Buffer.concat(pieces);
}

/** Whether a byte may be part of a number, `true`, `false` or `null`. */
function isWord(byte: number): boolean {
  const lower = byte | 0x20;
  if (lower >= 0x61 && lower <= 0x7a) return true;
  return (byte >= 0x30 && byte <= 0x39) || byte === 0x2b || byte === 0x2d || byte === 0x2e;
}
