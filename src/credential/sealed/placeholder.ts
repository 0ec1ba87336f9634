// The placeholder that a server gets instead of a secret: random, and of the secret's format if that is a known one, so
// that a client that validates the format accepts it. It keeps only what all secrets of the kind have in common: a
// prefix, separators, the length, which parts are digits or members of JSON; of the members only the expiry, since clients
// renew tokens by that.
// Only `A-Z a-z 0-9 _ . -` occur in it: no encoder of URLs, JSON or HTML escapes any of them.

/** Returns the given number of random bytes. */
export type RandomBytes = (bytes: number) => Uint8Array;

const BASE62 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
const HEX = '0123456789abcdef';
const DIGITS = '0123456789';

/** Prefixes of issuers' tokens, and the separator of the parts after them. */
const SHAPES: readonly (readonly [prefix: RegExp, separator: string])[] = [
  [/^gh[pousr]_/, ''],
  [/^github_pat_/, '_'],
  [/^sk-ant-[a-z]+\d\d-/, ''],
  [/^sk-(?:proj-|svcacct-|admin-|or-v1-)?/, ''],
  [/^[srp]k_(?:live|test)_/, ''],
  [/^pk_/, ''],
  // Mapbox: the second part is the payload of a JWT.
  [/^[pst]k\.(?=ey)/, '.'],
  [/^(?:xoxe\.)?xox[a-z]-/, '-'],
  [/^xapp-/, '-'],
  [/^gl[a-z]{2,6}-/, '.'],
  [/^npm_/, ''],
  [/^pypi-(?:AgEIcHlwaS5vcmc)?/, ''],
  [/^hf_/, ''],
  [/^A[KS]IA(?=[A-Z0-9]+$)/, ''],
  [/^AIza/, ''],
  [/^ya29\./, ''],
  [/^lin_(?:api|oauth)_/, ''],
  [/^(?:secret|ntn)_/, ''],
  [/^sntrys_/, '_'],
  [/^sntryu_/, ''],
  [/^figd_/, ''],
  [/^PMAK-/, '-'],
  [/^do[opr]_v1_/, ''],
  [/^shp[a-z]{2}_/, ''],
  [/^SG\./, '.'],
  [/^(?:SK|AC)(?=[0-9a-f]{32}$)/, ''],
  [/^hv[sbr]\./, '.'],
  [/^dp\.[a-z]{2,5}\./, '.'],
  [/^v[1-4]\.(?:local|public)\./, '.'],
  [/^pat(?=[A-Za-z0-9]{14}\.)/, '.'],
  [/^pat-[a-z]{2}\d-/, '-'],
  [/^ctx7sk-/, '-'],
  [/^CCIPAT_/, '_'],
  [/^ATATT3/, ''],
  [/^(?:sbp|apify_api)_/, ''],
  [/^(?:tvly(?:-dev)?|pplx|fc)-/, ''],
];

/** An identifier, of which the first part of Discord's tokens is the base64. */
const NUMBER = /^\d{15,}$/;
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const JWT = /^[\w-]{2,}\.[\w-]{2,}\.[\w-]{2,}$/;
const JWT_HEADER = base64url('{"alg":"HS256","typ":"JWT"}');
/** A token of parts, as those of Discord and JSON Web Encryption (RFC 7516) are. */
const DOTTED = /^[\w-]+(?:\.[\w-]*){2,4}$/;

/** The fewest characters after a known prefix; with fewer it does not count as a prefix. */
const MIN_TAIL = 12;
const MAX_SHAPED = 512;
const MAX_JWT = 8192;
/** A shorter part of a token is a version or a kind, the same in all tokens. */
const MIN_RANDOM_PART = 3;
/** Of a token of parts that is of no known issuer at least one part is this long: passwords have dots too, between words. */
const MIN_LONG_PART = 20;
/** Random bits without which a placeholder is not of the format of its value; of a known issuer's, as `MIN_TAIL` digits have. */
const MIN_BITS = 96;
const MIN_KNOWN_BITS = 39;
/** The fewest random characters in JSON that says that it is sealed. */
const MIN_ID = 4;
/** The fewest bytes of a JWT's payload: an expiry and 22 random characters have room. */
const MIN_PAYLOAD = 64;
/** No placeholder contains a run of the secret of this length. */
const RUN_LENGTH = 8;
/** How many candidates are tried at most until none of the secret's runs occurs: the first one in practice. */
const ATTEMPTS = 64;

/** A candidate for a placeholder. */
interface Candidate {
  readonly text: string;
  /** The random part of the text. */
  readonly fresh: string;
  /** The length of the value's prefix, which the text shares with it. */
  readonly kept: number;
}

/**
 * Creates a placeholder for a value: the same one for the same random bytes. It has at least 96 random bits if the
 * format of a known issuer has room for them, never equals the value, and contains no 8 consecutive characters of it but
 * in its prefix, its header and its expiry.
 */
export function createPlaceholder(value: string, random: RandomBytes): string {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    // Each attempt gives another text, even for the same random bytes.
    const randomText = (length: number, alphabet: string): string =>
      Array.from(random(length), (byte) => alphabet[(byte + attempt) % alphabet.length]).join('');
    const { text, fresh, kept } = drawCandidate(value, randomText, attempt);
    if (text !== value && !sharesRun(fresh, value, kept)) return text;
  }
  throw new RangeError('no placeholder differs from the value');
}

type RandomText = (length: number, alphabet: string) => string;

function drawCandidate(value: string, randomText: RandomText, attempt: number): Candidate {
  const shaped =
    value.length <= MAX_SHAPED
      ? (uuidLike(value, randomText) ?? hexLike(value, randomText) ?? tokenLike(value, randomText))
      : undefined;
  const special = shaped ?? jwtLike(value, randomText) ?? dottedLike(value, randomText);
  if (special !== undefined) return special;
  const length = value.length >= 20 && value.length <= 200 ? value.length : 40;
  const prefix = attempt < ATTEMPTS / 2 ? 'sealed-' : '';
  const text = `${prefix}${randomText(length - prefix.length, BASE62)}`;
  return { text, fresh: text, kept: 0 };
}

/** RFC 9562: keeps the version, and has a valid variant. */
function uuidLike(value: string, randomText: RandomText): Candidate | undefined {
  if (!UUID.test(value)) return undefined;
  const digits = randomText(32, HEX);
  const version = /^[1-8]$/.test(value.charAt(14)) ? value.charAt(14) : '4';
  const variant = '89ab'.charAt(HEX.indexOf(digits.charAt(16)) & 3);
  const text = [
    digits.slice(0, 8),
    digits.slice(8, 12),
    `${version}${digits.slice(13, 16)}`,
    `${variant}${digits.slice(17, 20)}`,
    digits.slice(20),
  ].join('-');
  const cased = /[A-F]/.test(value) ? text.toUpperCase() : text;
  return { text: cased, fresh: cased, kept: 0 };
}

function hexLike(value: string, randomText: RandomText): Candidate | undefined {
  if (!/^[0-9a-f]{16,}$/.test(value)) return undefined;
  const text = randomText(value.length, HEX);
  return { text, fresh: text, kept: 0 };
}

function tokenLike(value: string, randomText: RandomText): Candidate | undefined {
  for (const [pattern, separator] of SHAPES) {
    const prefix = pattern.exec(value)?.[0];
    if (prefix === undefined) continue;
    const tail = value.slice(prefix.length);
    if (!/^[\w.~+/=-]+$/.test(tail) || tail.length < MIN_TAIL) return undefined;
    const parts = separator === '' ? [tail] : tail.split(separator);
    const drawn = drawParts(parts, separator, randomText);
    if (drawn.bits < MIN_KNOWN_BITS) return undefined;
    return { text: prefix + drawn.text, fresh: drawn.fresh, kept: prefix.length };
  }
  return undefined;
}

/** Several parts, at least one of them members of JSON or long and random. */
function dottedLike(value: string, randomText: RandomText): Candidate | undefined {
  if (value.length > MAX_JWT || !DOTTED.test(value)) return undefined;
  const parts = value.split('.');
  const isToken = parts.some(
    (part) =>
      parseMembers(part) !== undefined ||
      (part.length >= MIN_LONG_PART && /\d/.test(part) && /[A-Z]/.test(part) && /[a-z]/.test(part)),
  );
  if (!isToken) return undefined;
  const { text, fresh, bits } = drawParts(parts, '.', randomText);
  return bits < MIN_BITS ? undefined : { text, fresh, kept: 0 };
}

/** What stands for a part of a token, or for all of them. */
interface Drawn {
  readonly text: string;
  /** What of the text is not JSON, whose beginnings are alike. */
  readonly fresh: string;
  /** How many random bits the text has. */
  readonly bits: number;
}

function drawParts(parts: readonly string[], separator: string, randomText: RandomText): Drawn {
  const drawn = parts.map((part) => drawPart(part, randomText));
  return {
    text: drawn.map(({ text }) => text).join(separator),
    fresh: drawn.map(({ fresh }) => fresh).join(separator),
    bits: drawn.reduce((sum, { bits }) => sum + bits, 0),
  };
}

/** A random part of the same length and the same class of characters; for members of JSON, others. */
function drawPart(part: string, randomText: RandomText): Drawn {
  if (part.length < MIN_RANDOM_PART && /^\w*$/.test(part)) return { text: part, fresh: '', bits: 0 };
  const claims = parseMembers(part);
  if (claims !== undefined) {
    const { before, room } = openMembers(Buffer.from(part, 'base64url').length, claims);
    const text = base64url(`${before}${randomText(room, BASE62)}"}`);
    return { text, fresh: '', bits: Math.log2(BASE62.length) * room };
  }
  const digits = Buffer.from(part, 'base64url').toString('latin1');
  if (NUMBER.test(digits)) {
    const text = base64url(randomText(digits.length, DIGITS).replace(/^0/, '1'));
    return { text, fresh: text, bits: Math.log2(10) * (digits.length - 1) };
  }
  const alphabet = alphabetOf(part);
  const text = randomText(part.length, alphabet);
  return { text, fresh: text, bits: Math.log2(alphabet.length) * part.length };
}

function alphabetOf(part: string): string {
  if (/^\d+$/.test(part)) return DIGITS;
  if (/^[0-9a-f]+$/.test(part)) return HEX;
  return /^[A-Z0-9]+$/.test(part) ? BASE32 : BASE62;
}

/**
 * The beginning of JSON that says that it is sealed and when it expires, as far as the value of a random member. With that and
 * the end it is this many bytes long; if it could say nothing then, it has that member alone, and one random character at least.
 */
function openMembers(
  bytes: number,
  { exp }: Readonly<Record<string, unknown>>,
): { readonly before: string; readonly room: number } {
  const full = `{"sealed":true,${typeof exp === 'number' ? `"exp":${JSON.stringify(exp)},` : ''}"jti":"`;
  const before = bytes - full.length - 2 < MIN_ID ? '{"jti":"' : full;
  return { before, room: Math.max(1, bytes - before.length - 2) };
}

/** RFC 7519: header and payload can be decoded, the expiry is the real one; as long as the real one if there is room. */
function jwtLike(value: string, randomText: RandomText): Candidate | undefined {
  if (value.length > MAX_JWT || !JWT.test(value)) return undefined;
  const [header = '', payload = ''] = value.split('.');
  const claims = parseMembers(payload);
  if (claims === undefined || parseMembers(header) === undefined) return undefined;
  // No base64 has 4n + 1 characters: then the signature takes one more.
  const room = value.length - JWT_HEADER.length - 2 - 43;
  const signed = room % 4 === 1 ? 33 : 32;
  const bytes = Math.floor(((signed === 33 ? room - 1 : room) * 3) / 4);
  const { before, room: free } = openMembers(Math.max(bytes, MIN_PAYLOAD), claims);
  const members = `${before}${randomText(free, BASE62)}"}`;
  const signature = base64url(randomText(signed, BASE62));
  return { text: `${JWT_HEADER}.${base64url(members)}.${signature}`, fresh: signature, kept: 0 };
}

/** The members of a part of a token; `undefined` unless it is a JSON object in base64url. */
function parseMembers(part: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString());
    return typeof value === 'object' && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

function base64url(text: string): string {
  return Buffer.from(text).toString('base64url');
}

/** Whether the value contains, from `kept` on, a run of the text. */
function sharesRun(text: string, value: string, kept: number): boolean {
  for (let at = 0; at + RUN_LENGTH <= text.length; at++) {
    if (value.includes(text.slice(at, at + RUN_LENGTH), kept)) return true;
  }
  return false;
}
