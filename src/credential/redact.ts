// Removes the values of credentials from what passes, in all the encodings of `encodings.ts` (unencoded, base64,
// hexadecimal digits) and all the writings of each character of `escapes.ts` and `folded-view.ts`. Each value becomes
// `[redacted:NAME]`. A value shorter than `MIN_SECRET_LENGTH` stays: it would be found everywhere.
// JSON stays JSON: see `redact-json.ts`.
import {
  type ByteTransform,
  Finder,
  type Match,
  type MatchedValue,
  type ReplaceTransform,
  type SearchTarget,
} from './finder.ts';
import { isJson, type Obstacle, replaceInJson, replaceInMessage } from './redact-json.ts';
import { base64Core, encodingsOf } from './search/encodings.ts';
import { secretParts } from './secret-parts.ts';
import { isGuessable } from './strength.ts';

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
const REDACTED = Buffer.from('[redacted:sealed]');

/** A value that cannot be replaced where it is. */
export interface ValuePlace {
  /** The name of the credential, or `***` if it contains a value itself. */
  readonly credential: string;
  /** What contains the value, such as "the name of a tool". */
  readonly place: string;
}

/** `withheld`: the message must not be passed on. `stayed`: values that may be there by chance, and are there still. */
export type MessageRedaction =
  | { readonly line: Buffer; readonly stayed: readonly ValuePlace[] }
  | { readonly withheld: ValuePlace };

/** Looks for what is to be taken out of a message while it comes. */
export interface MessageSearch {
  /** Goes on up to `to`; the bytes before, wherever they are now, are as they were. `whole`: the line ends there. */
  next(bytes: Buffer, to: number, whole: boolean): void;
  /** What is made of the line, once it has gone through all of it: see `messageInSlices`. */
  message(line: Buffer): Generator<void, MessageRedaction>;
}

/** Redacts the values of one set of credentials. */
export class Redactor {
  readonly #finder: Finder;
  /** The replacement of each value. */
  readonly #labels: readonly Buffer[];
  /** Whether each value is found by chance: see `isGuessable`. */
  readonly #guessable: readonly boolean[];
  readonly #names: readonly string[];

  constructor(given: readonly NamedSecret[]) {
    const secrets = given.flatMap((secret) => [
      secret,
      ...secretParts(secret.value).map((value) => ({ name: secret.name, value })),
    ]);
    // Without lists: one of numbers is no text, and cannot be replaced by one.
    this.#finder = new Finder(secrets.map(withoutRare), { folded: true });
    // A name may contain another credential's value.
    this.#labels = secrets.map(
      ({ name }) =>
        [`[redacted:${name}]`, '[redacted]']
          .map((label) => Buffer.from(label))
          .find((label) => !this.#finder.has(label)) ?? Buffer.from('***'),
    );
    this.#guessable = secrets.map(({ value }) => isGuessable(value));
    this.#names = secrets.map(({ name }) => (this.#finder.has(Buffer.from(name)) ? '***' : name));
  }

  /** The line without the values, for a record. The same object if there are none; JSON if it was JSON. */
  redact(line: Buffer): Buffer {
    const matches = this.#finder.find(line);
    return matches.length === 0 ? line : finish(this.#replaceInRecord(line, matches));
  }

  /** As `redact`, for lines of any size: yields after each slice of work, and its time is bounded by the size. */
  *redactInSlices(line: Buffer): Generator<void, Buffer> {
    const matches = yield* this.#finder.findInSlices(line);
    return matches.length === 0 ? line : yield* this.#replaceInRecord(line, matches);
  }

  /**
   * A line of JSON-RPC for the host, without the values in its texts. Names, ids and numbers do not change. A value there
   * that is a common word stays, as it may be there by chance; because of any other the message is withheld. The same
   * object if there are none. What is no JSON is redacted like a record.
   */
  message(line: Buffer): MessageRedaction {
    const matches = this.#finder.find(line);
    return matches.length === 0 ? { line, stayed: [] } : finish(this.#replaceInMessage(line, matches));
  }

  /** As `message`, for lines of any size: see `redactInSlices`. */
  *messageInSlices(line: Buffer): Generator<void, MessageRedaction> {
    return yield* this.#messageWithout(line, yield* this.#finder.findInSlices(line));
  }

  /** As `message`, for a line of which the first bytes are there. */
  messageAsItComes(): MessageSearch {
    const search = this.#finder.findAsItComes();
    return {
      next: (bytes, to, whole) => void search.next(bytes, to, whole),
      message: (line) => this.#messageWithout(line, search.matches(line.length)),
    };
  }

  *#messageWithout(line: Buffer, matches: readonly Match[]): Generator<void, MessageRedaction> {
    return matches.length === 0 ? { line, stayed: [] } : yield* this.#replaceInMessage(line, matches);
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

  *#replaceInRecord(line: Buffer, matches: readonly Match[]): Generator<void, Buffer> {
    return isJson(line)
      ? yield* replaceInJson(line, matches, ({ index }) => this.#label(index))
      : this.#finder.replace(line, ({ index }) => this.#label(index));
  }

  *#replaceInMessage(line: Buffer, matches: readonly Match[]): Generator<void, MessageRedaction> {
    if (!isJson(line)) return { line: yield* this.#replaceInRecord(line, matches), stayed: [] };
    const redacted = yield* replaceInMessage(
      line,
      matches,
      ({ index }) => this.#label(index),
      ({ index }) => this.#guessable[index] === true,
    );
    if ('obstacle' in redacted) return { withheld: this.#placeOf(redacted.obstacle) };
    return { line: redacted.line, stayed: redacted.stayed.map((obstacle) => this.#placeOf(obstacle)) };
  }

  #placeOf({ match, place }: Obstacle): ValuePlace {
    return { credential: this.#names[match.index] ?? '***', place };
  }

  #label(index: number): Buffer {
    return this.#labels[index] ?? NO_BYTES;
  }
}

/** Does work in slices at once. */
function finish<Result>(work: Generator<void, Result>): Result {
  for (;;) {
    const { done, value } = work.next();
    if (done === true) return value;
  }
}

/** Without base32, which is searched for towards a server only: a stream would hold back the end of many a line. */
function withoutRare({ value, encodings = encodingsOf(value, false) }: SearchTarget): SearchTarget {
  return { value, encodings: encodings.filter(({ kind }) => kind !== 'base32') };
}

/**
 * Replaces the secrets in a host's responses by their placeholders. A placeholder takes the secret's encoding: hex for
 * hex, base64 for base64 if the lengths allow it. Otherwise it is not encoded, since it needs no escapes anywhere.
 */
export class ResponseSealer {
  readonly #finder: Finder;
  readonly #secrets: SecretPlaceholder[];

  constructor(secrets: readonly SecretPlaceholder[]) {
    this.#finder = new Finder(secrets, { folded: true, lists: true });
    this.#secrets = [...secrets];
  }

  /** Adds a secret, in time proportional to it. Streams replace it in what they have not passed on yet. */
  add(secret: SecretPlaceholder): void {
    this.#secrets.push(secret);
    this.#finder.add([secret]);
  }

  /** For a body. `keepLength`: a replacement is cut, or padded with `*`, to the length of what it replaces. */
  transform(keepLength: boolean): ReplaceTransform {
    return this.#finder.stream((matched) => this.#replacement(matched, keepLength), true);
  }

  /** For a body that must pass unchanged: throws what `refuse` gives where it finds a secret. */
  search(refuse: () => Error): ReplaceTransform {
    return this.#finder.stream(() => {
      throw refuse();
    }, true);
  }

  /** Whether a text contains a secret. */
  has(text: string): boolean {
    return this.#finder.has(Buffer.from(text));
  }

  /** For a record: no placeholder, but a label instead of each secret. */
  redact(text: string): string {
    const bytes = Buffer.from(text);
    const redacted = this.#finder.replace(bytes, ({ continued }) => (continued ? NO_BYTES : REDACTED));
    return redacted === bytes ? text : redacted.toString();
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
  return withLatest(latest, (sealer) => sealer.transform(keepLength));
}

/** Passes a body on unchanged, and throws what `refuse` gives where it finds a secret. */
export function searchWithLatest(latest: () => ResponseSealer, refuse: () => Error): ByteTransform {
  return withLatest(latest, (sealer) => sealer.search(refuse));
}

function withLatest(
  latest: () => ResponseSealer,
  transformOf: (sealer: ResponseSealer) => ReplaceTransform,
): ByteTransform {
  let sealer = latest();
  let transform = transformOf(sealer);
  const push = (chunk: Buffer): Buffer[] => {
    const next = latest();
    if (next === sealer) return transform.push(chunk);
    const pending = transform.takePending();
    sealer = next;
    transform = transformOf(next);
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
  if (form === 'decimal' || form === 'hex-list') return Buffer.from(listOf(plain, form, text));
  if (isUtf16(bytes)) return Buffer.from(placeholder, 'utf16le').subarray(0, -1);
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

/** The numbers of bytes, written and separated like the first two of a list; with indexes if it has them. */
function listOf(bytes: Buffer, form: 'decimal' | 'hex-list', like: string): string {
  const [, prefix = '', separator = ',', index] = FIRST_OF_LIST.exec(like) ?? [];
  const isHex = form === 'hex-list' || prefix !== '';
  const numbers = Array.from(bytes, (byte) =>
    isHex ? prefix + byte.toString(16).padStart(2, '0') : String(byte),
  );
  if (index === undefined) return numbers.join(separator);
  return numbers.reduce(
    (text, number, at) => text + separator.replace(index, String(Number(index) + at - 1)) + number,
  );
}

/** A number, and what separates it from the next, maybe with an index before a colon. */
const FIRST_OF_LIST = /^(0[xX])?[0-9a-fA-F]+([^0-9a-fA-F]+(?:([0-9]+)[^0-9a-fA-F,:]*:[^0-9a-fA-F]*)?)/;

/** Whether every second byte is a NUL, from the second on: ASCII in UTF-16, from the first character to the last. */
function isUtf16(bytes: Buffer): boolean {
  return (
    bytes.length > 2 && bytes.length % 2 === 1 && bytes.every((byte, at) => (byte === 0) === (at % 2 === 1))
  );
}

const LINE_BREAK = /\\+[rn]|[\r\n]/;
