// Finds new tokens in the body of a response, whatever its type: a member such as `access_token` or `token` with its
// value, in JSON (also as a text within JSON), in a form or query, or as an element of XML; in UTF-8, or in UTF-16, of
// which NULs are left out. What may be the beginning of such a member is held back until it is complete, so that the
// token is sealed before the bytes go on to the search that replaces it. What is held back depends on the text only,
// never on a secret.
import { MultiSearch } from './search/multi-search.ts';
import { isGuessable } from './strength.ts';

/** Members that hold a secret: OAuth's (RFC 6749, 7591, 8628, OpenID Connect), and what services call a token of their own. */
const SECRET_MEMBERS: ReadonlySet<string> = new Set([
  'accesstoken',
  'refreshtoken',
  'idtoken',
  'devicecode',
  'clientsecret',
  'registrationaccesstoken',
  'authtoken',
  'bearertoken',
  'sessiontoken',
  'apitoken',
]);
/** Members that hold a secret in some answers, and a word in others: a value that is easy to guess is none. */
const LIKELY_MEMBERS: ReadonlySet<string> = new Set(['token', 'jwt']);
const REFRESH_MEMBER = 'refreshtoken';

/** The longest name of a member, in bytes as it is written. */
const MAX_NAME = 96;
/** White space beside a colon, also as JSON within JSON writes it. */
const SPACE = '(?:\\s|\\\\{1,15}[nrt]){0,64}';
/** The longest value as it is written: a token that is longer cannot be sealed. */
const MAX_VALUE = 16 * 1024;

/**
 * The beginning of a member, up to its value. Groups: backslashes and quote of JSON, and the name; the name of a form's
 * field; the name of an element.
 */
const MEMBER = new RegExp(
  [
    `(?<!\\\\)(\\\\{0,15})(["'])([\\w\\\\%.-]{2,${MAX_NAME}}?)\\1\\2${SPACE}:${SPACE}\\1\\2`,
    `(?<![\\w%.+-])([\\w%.+-]{2,${MAX_NAME}})=(?!=)`,
    `<(?:\\w{1,32}:)?([\\w.-]{2,${MAX_NAME}})(?:\\s[^<>]{0,256})?>`,
  ].join('|'),
  'g',
);

/** What may go on as the beginning of a member. */
const BEGINNING = new RegExp(
  [
    `\\\\{1,15}$`,
    `\\\\{0,15}["'](?:[\\w\\\\%.-]{0,${MAX_NAME}}(?:["']${SPACE}(?:\\\\{1,15}|:${SPACE}\\\\{0,15})?)?)?$`,
    `(?<![\\w%.+-])[\\w%.+-]{1,${MAX_NAME}}$`,
    `<(?:[\\w.:-]{0,${MAX_NAME + 33}}(?:\\s[^<>]{0,256})?)?$`,
  ].join('|'),
);
/** The longest of these, and a little more. */
const MAX_BEGINNING = 512;

/**
 * Parts of which every name of a member contains one: data without any passes without a closer look. Names are written
 * in small letters, in capitals, or with capitals for words.
 */
const STEMS = ['token', 'secret', 'device'];
/** A part that is a whole name: short as it is, it is searched for with what may follow it. */
const NAME = 'jwt';
const AFTER_NAME = '\0"\'\\=><_.-% \t\n\v\f\r\xa0';
/** The shortest stem that is searched for: a shorter name of a profile costs a closer look at all data. */
const MIN_STEM = 3;
/** How far before a stem its member may begin. */
const BEFORE_STEM = 160;

/** A token that a response issues. */
export interface IssuedToken {
  readonly value: string;
  /** It is a refresh token (RFC 6749 1.5). */
  readonly refresh: boolean;
}

export interface IssuedTokensListener {
  readonly onToken: (token: IssuedToken) => void;
  /** A token is longer than any that can be sealed: throws. */
  readonly onTooLong: () => never;
}

const NO_BYTES: Buffer = Buffer.alloc(0);

/** Reads a body in pieces. */
export class IssuedTokens {
  readonly #members: ReadonlySet<string>;
  readonly #listener: IssuedTokensListener;
  /** `undefined`: all data gets a closer look. */
  readonly #stems: MultiSearch | undefined;
  #pending: Buffer = NO_BYTES;

  /** `members`: names beside the usual ones. What the listener throws, `push` and `flush` throw. */
  constructor(members: readonly string[], listener: IssuedTokensListener) {
    this.#members = new Set(members.map(normalize));
    this.#listener = listener;
    this.#stems = members.length === 0 ? USUAL_STEMS : stemSearch([...STEMS, ...members.map(longestWord)]);
  }

  /** Takes a piece, and returns the bytes whose tokens are known. */
  push(piece: Buffer): Buffer {
    const data = this.#pending.length === 0 ? piece : Buffer.concat([this.#pending, piece]);
    const until = this.#read(data, false);
    this.#pending = until < data.length ? data.subarray(until) : NO_BYTES;
    return until < data.length ? data.subarray(0, until) : data;
  }

  /** Ends the body and returns the rest. */
  flush(): Buffer {
    const data = this.#pending;
    this.#pending = NO_BYTES;
    this.#read(data, true);
    return data;
  }

  /** Reads the members in the data; returns the position up to which it is done. `whole`: nothing follows. */
  #read(data: Buffer, whole: boolean): number {
    const isClean = this.#stems !== undefined && this.#stems.next(data, 0) < 0;
    if (isClean && whole) return data.length;
    // Of clean data, only what is near its end can go on in the next piece.
    const from = isClean ? Math.max(0, data.length - 2 * MAX_BEGINNING) : 0;
    const part = data.subarray(from);
    if (isClean && !mayEndInBeginning(part)) return data.length;
    const plain = part.includes(0) ? withoutNuls(part) : part;
    const text = plain.toString('latin1');
    const done = isClean ? beginningIn(text) : this.#readText(plain, text, whole);
    return from + (plain === part ? done : positionIn(part, done));
  }

  /** Looks at the members around each stem. The bytes and the text are the same. */
  #readText(bytes: Uint8Array, text: string, whole: boolean): number {
    const stems = this.#stems;
    let position = 0;
    let found: RegExpExecArray | null | undefined;
    for (let stem = 0; stem >= 0 && stem < text.length; stem = Math.max(stem + 1, position)) {
      if (stems !== undefined) stem = stems.next(bytes, stem);
      if (stem < 0) break;
      const from = Math.max(position, stem - BEFORE_STEM);
      if (found === undefined || (found !== null && found.index < from)) found = nextMember(text, from);
      while (found !== null && found.index <= stem) {
        const next = this.#readMember(text, found, whole);
        if (next < 0) return found.index;
        position = next;
        found = nextMember(text, position);
      }
      if (found === null) break;
    }
    return whole ? text.length : beginningIn(text);
  }

  /** Returns where to look on; -1 if the member's value goes on behind the data. */
  #readMember(text: string, found: RegExpExecArray, whole: boolean): number {
    const [all, backslashes = '', quote, quoted, field, element] = found;
    const name = memberName(quoted ?? field ?? element ?? '', backslashes.length);
    if (!this.#isMember(name)) {
      // The next member may begin with the quote that ended this one.
      return found.index + Math.max(1, quoted === undefined ? all.length : backslashes.length + 1);
    }
    const start = found.index + all.length;
    const end =
      quote !== undefined
        ? endOfString(text, start, quote, backslashes.length)
        : endOf(text, start, field === undefined ? /</g : /[&\s"'<>#;,]/g);
    if (end < 0 && !whole) {
      if (text.length - start > MAX_VALUE) this.#listener.onTooLong();
      return -1;
    }
    const written = text.slice(start, end < 0 ? text.length : end);
    const value = Buffer.from(written, 'latin1').toString();
    if (quote !== undefined) this.#report(name, decodeString(value, quote, backslashes.length));
    else this.#report(name, field === undefined ? decodeEntities(value) : decodeField(value));
    return start + written.length;
  }

  #isMember(name: string): boolean {
    return SECRET_MEMBERS.has(name) || LIKELY_MEMBERS.has(name) || this.#members.has(name);
  }

  #report(name: string, value: string): void {
    if (value === '') return;
    if (LIKELY_MEMBERS.has(name) && !this.#members.has(name) && isGuessable(value)) return;
    this.#listener.onToken({ value, refresh: name === REFRESH_MEMBER });
  }
}

/** `access_token`, `accessToken` and `access-token` are one name. */
function normalize(name: string): string {
  return name.toLowerCase().replace(/[_.-]/g, '');
}

function memberName(written: string, backslashes: number): string {
  const decoded = written.includes('\\')
    ? decodeString(written, '"', backslashes)
    : written.includes('%')
      ? decodeField(written)
      : written;
  return normalize(decoded);
}

function nextMember(text: string, from: number): RegExpExecArray | null {
  MEMBER.lastIndex = from;
  return MEMBER.exec(text);
}

/** Where a text ends in what may be the beginning of a member; its length if it does not. */
function beginningIn(text: string): number {
  const from = Math.max(0, text.length - MAX_BEGINNING);
  const beginning = BEGINNING.exec(text.slice(from));
  return beginning === null ? text.length : from + beginning.index;
}

/** Whether `BEGINNING` may match the bytes without their NULs: by their last one, or by what follows the last "<". */
function mayEndInBeginning(bytes: Uint8Array): boolean {
  let last = bytes.length - 1;
  while (last >= 0 && bytes[last] === 0) last--;
  if (last < 0) return false;
  const kinds = BEGINNING_KINDS;
  if (kinds[bytes[last] as number] !== OTHER) return true;
  const open = bytes.lastIndexOf(LESS_THAN);
  if (open < 0) return false;
  let at = open + 1;
  while (at <= last && (bytes[at] === 0 || kinds[bytes[at] as number] === OF_NAME)) at++;
  return at > last || kinds[bytes[at] as number] === SPACE_KIND;
}

const LESS_THAN = 0x3c;
/** Kinds of bytes: of an element's name, white space, the rest of what a beginning may end with, and none of these. */
const OTHER = 0;
const OF_NAME = 1;
const SPACE_KIND = 2;
const OF_BEGINNING = 3;
const BEGINNING_KINDS = Uint8Array.from({ length: 256 }, (_, byte) => {
  const character = String.fromCharCode(byte);
  if (/[\w.:-]/.test(character)) return OF_NAME;
  if (/\s/.test(character)) return SPACE_KIND;
  return /[\\"'%+<]/.test(character) ? OF_BEGINNING : OTHER;
});

function withoutNuls(bytes: Uint8Array): Buffer {
  const plain = Buffer.allocUnsafe(bytes.length);
  let length = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] as number;
    plain[length] = byte;
    if (byte !== 0) length++;
  }
  return plain.subarray(0, length);
}

/** The search for the stems, also as UTF-16 has them; `undefined` if one is too short to be searched for. */
function stemSearch(stems: readonly string[]): MultiSearch | undefined {
  if (stems.some(({ length }) => length < MIN_STEM)) return undefined;
  const utf16 = (stem: string): Buffer => Buffer.from(stem, 'utf16le').subarray(0, -1);
  return new MultiSearch([
    ...writingsOf(stems).flatMap((stem) => [Buffer.from(stem, 'latin1'), utf16(stem)]),
    ...writingsOf([NAME]).flatMap((name) => [
      ...[...AFTER_NAME].map((after) => Buffer.from(name + after, 'latin1')),
      utf16(name),
    ]),
  ]);
}

function writingsOf(stems: readonly string[]): string[] {
  const written = stems.flatMap((stem) => [
    stem,
    stem.toUpperCase(),
    stem.replace(/[a-z]/, (first) => first.toUpperCase()),
    stem.toLowerCase(),
  ]);
  return [...new Set(written)];
}

const USUAL_STEMS = stemSearch(STEMS);

/** The longest run of letters and digits in a name, as it is written. */
function longestWord(name: string): string {
  const words = name.match(/[A-Z]?[a-z0-9]+|[A-Z0-9]+/g) ?? [];
  return words.reduce((longest, word) => (word.length > longest.length ? word : longest), '');
}

/** The position in bytes with NULs of a position in the bytes without them. */
function positionIn(bytes: Uint8Array, position: number): number {
  let left = position;
  for (let at = 0; at < bytes.length; at++) {
    if (bytes[at] !== 0 && left-- === 0) return at;
  }
  return bytes.length;
}

/**
 * Where a string ends that begins after `backslashes` and a quote: in JSON within JSON the quotes have 1, 3, 7
 * backslashes, and an escaped quote one more layer of them. -1 if it does not.
 */
function endOfString(text: string, start: number, quote: string, backslashes: number): number {
  const layer = 2 * (backslashes + 1);
  for (let at = text.indexOf(quote, start); at >= 0; at = text.indexOf(quote, at + 1)) {
    let run = 0;
    while (at - run > start && text.charAt(at - run - 1) === '\\') run++;
    if (run % layer === backslashes) return at - backslashes;
  }
  return -1;
}

function endOf(text: string, start: number, delimiter: RegExp): number {
  delimiter.lastIndex = start;
  return delimiter.exec(text)?.index ?? -1;
}

/** Decodes a string in as many layers of JSON as its quotes have backslashes; one that is malformed stays as it is. */
function decodeString(written: string, quote: string, backslashes: number): string {
  let text = written;
  try {
    for (let layer = backslashes + 1; layer >= 1; layer /= 2) {
      if (quote === "'") text = text.replaceAll("\\'", "'").replaceAll('"', '\\"');
      text = String(JSON.parse(`"${text}"`));
    }
    return text;
  } catch {
    return written;
  }
}

/** Decodes a form's value (WHATWG URL, application/x-www-form-urlencoded). */
function decodeField(written: string): string {
  return new URLSearchParams(`v=${written}`).get('v') ?? '';
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

function decodeEntities(written: string): string {
  return written
    .trim()
    .replace(
      /&(?:#x([0-9a-f]{1,6})|#([0-9]{1,7})|(\w+));/gi,
      (all, hex?: string, decimal?: string, name = '') => {
        if (hex === undefined && decimal === undefined) return ENTITIES[name] ?? all;
        const code = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16);
        return code <= 0x10ffff ? String.fromCodePoint(code) : all;
      },
    );
}
