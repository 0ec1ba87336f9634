// What a server gets instead of a secret: random, and of the secret's own shape where that is a known one, so that
// a client that looks at the format is content. Nothing of the secret is kept but what all of its kind have in
// common: a prefix, separators, the length, which of the parts are digits; of a JWT also when it ends, since clients
// renew by it. Only `A-Z a-z 0-9 _ . -` occur: no encoder of URLs, JSON or HTML changes any.

/** Gives so many random bytes. */
export type Random = (bytes: number) => Uint8Array;

const BASE62 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
const HEX = '0123456789abcdef';
const DIGITS = '0123456789';

/** Prefixes that issuers give their tokens, and what separates the parts behind them. */
const SHAPES: readonly (readonly [prefix: RegExp, separator: string])[] = [
  [/^gh[pousr]_/, ''],
  [/^github_pat_/, '_'],
  [/^sk-ant-[a-z]+\d\d-/, ''],
  [/^sk-(?:proj-|svcacct-|admin-|or-v1-)?/, ''],
  [/^[srp]k_(?:live|test)_/, ''],
  [/^pk_/, ''],
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
  [/^sntrys_/, ''],
  [/^figd_/, ''],
  [/^PMAK-/, '-'],
  [/^do[opr]_v1_/, ''],
  [/^shp[a-z]{2}_/, ''],
  [/^SG\./, '.'],
  [/^(?:SK|AC)(?=[0-9a-f]{32}$)/, ''],
];

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const JWT = /^[\w-]{2,}\.[\w-]{2,}\.[\w-]{2,}$/;
const JWT_HEADER = base64url('{"alg":"HS256","typ":"JWT"}');

/** Behind a known prefix there are so many characters, or it is taken for no prefix. */
const SHORTEST_TAIL = 12;
const LONGEST_SHAPED = 512;
const LONGEST_JWT = 8192;
/** A part of a token up to this length is a version or a kind, the same in all. */
const SHORTEST_PART = 3;
/** A run of a secret of this length is in no placeholder. */
const RUN = 8;
/** How often another is made where one held a run of the secret: once in practice. */
const TRIES = 64;

/** One draw, with what it need not differ in from the value: its first `kept` characters, or `all` of its start. */
interface Draw {
  readonly text: string;
  /** The part of the text that is new. */
  readonly fresh: string;
  /** The value's characters up to here are its kind's. */
  readonly kept: number;
}

/**
 * A placeholder for a value: the same for the same random bytes. It holds 96 random bits or more where the shape has
 * room for them, is never the value, and holds no 8 characters in a row of it behind its prefix.
 */
export function placeholderFor(value: string, random: Random): string {
  for (let attempt = 0; attempt < TRIES; attempt++) {
    // Whatever bytes come, each attempt makes something else of them.
    const spell = (length: number, alphabet: string): string =>
      Array.from(random(length), (byte) => alphabet[(byte + attempt) % alphabet.length]).join('');
    const { text, fresh, kept } = draw(value, spell, attempt);
    if (text !== value && !repeats(fresh, value, kept)) return text;
  }
  throw new RangeError('no placeholder differs from the value');
}

type Spell = (length: number, alphabet: string) => string;

function draw(value: string, spell: Spell, attempt: number): Draw {
  const shaped =
    value.length <= LONGEST_SHAPED
      ? (uuid(value, spell) ?? hex(value, spell) ?? token(value, spell))
      : undefined;
  const special = shaped ?? jwt(value, spell);
  if (special !== undefined) return special;
  const length = value.length >= 20 && value.length <= 200 ? value.length : 40;
  const prefix = attempt < TRIES / 2 ? 'sealed-' : '';
  const text = `${prefix}${spell(length - prefix.length, BASE62)}`;
  return { text, fresh: text, kept: 0 };
}

/** RFC 9562: the version stays, the variant is right. */
function uuid(value: string, spell: Spell): Draw | undefined {
  if (!UUID.test(value)) return undefined;
  const digits = spell(32, HEX);
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

function hex(value: string, spell: Spell): Draw | undefined {
  if (!/^[0-9a-f]{16,}$/.test(value)) return undefined;
  const text = spell(value.length, HEX);
  return { text, fresh: text, kept: 0 };
}

function token(value: string, spell: Spell): Draw | undefined {
  for (const [pattern, separator] of SHAPES) {
    const prefix = pattern.exec(value)?.[0];
    if (prefix === undefined) continue;
    const tail = value.slice(prefix.length);
    if (!/^[\w.~+/=-]+$/.test(tail) || tail.length < SHORTEST_TAIL) return undefined;
    const parts = separator === '' ? [tail] : tail.split(separator);
    const text = prefix + parts.map((part) => like(part, spell)).join(separator);
    return { text, fresh: text, kept: prefix.length };
  }
  return undefined;
}

/** A part of the same length and the same kind of characters. */
function like(part: string, spell: Spell): string {
  if (part.length < SHORTEST_PART && /^\w*$/.test(part)) return part;
  if (/^\d+$/.test(part)) return spell(part.length, DIGITS);
  if (/^[0-9a-f]+$/.test(part)) return spell(part.length, HEX);
  return spell(part.length, /^[A-Z0-9]+$/.test(part) ? BASE32 : BASE62);
}

/** RFC 7519: header and payload decode, the end is the real one's; as long as the real one where there is room. */
function jwt(value: string, spell: Spell): Draw | undefined {
  if (value.length > LONGEST_JWT || !JWT.test(value)) return undefined;
  const [header = '', payload = ''] = value.split('.');
  const claims = members(payload);
  if (claims === undefined || members(header) === undefined) return undefined;
  const ends = typeof claims.exp === 'number' ? `"exp":${JSON.stringify(claims.exp)},` : '';
  const open = `{"sealed":true,${ends}"jti":"`;
  // A payload of 4n + 1 characters is not to be had: the signature takes one more then.
  const room = value.length - JWT_HEADER.length - 2 - 43;
  const signed = room % 4 === 1 ? 33 : 32;
  const bytes = Math.floor(((signed === 33 ? room - 1 : room) * 3) / 4);
  const id = spell(Math.max(22, bytes - open.length - 2), BASE62);
  const signature = base64url(spell(signed, BASE62));
  return { text: `${JWT_HEADER}.${base64url(`${open}${id}"}`)}.${signature}`, fresh: signature, kept: 0 };
}

/** What a part of a JWT holds; `undefined` unless it is a JSON object in base64url. */
function members(part: string): Readonly<Record<string, unknown>> | undefined {
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

/** Whether a run of characters of a text stands in the value, from `kept` on. */
function repeats(text: string, value: string, kept: number): boolean {
  for (let at = 0; at + RUN <= text.length; at++) {
    if (value.includes(text.slice(at, at + RUN), kept)) return true;
  }
  return false;
}
