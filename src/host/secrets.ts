// What of a host's server is a secret: by the name of a variable, a header or an option, and by the shape of a value. What
// stands for a value that the host fills in (`${env:X}`, `${input:x}`, `$VAR`) is none, and is never filled in here.
import { detectSecret } from '../profile/variable.ts';
import type { HostServer } from './servers.ts';
import { isTable, type Value } from './text/edit.ts';

/** A secret of a server. */
export interface HostSecret {
  readonly where: 'variable' | 'argument' | 'header' | 'url';
  /** The variable, header, option or parameter; for an argument without one, its number. */
  readonly name: string;
  readonly value: string;
  /** Why it is taken for one. Never contains the value. */
  readonly why: string;
  /** Of an argument: which one, and what of it is the secret: `--key=SECRET`. */
  readonly argument?: { readonly index: number; readonly start: number; readonly end: number };
}

const SECRET_WORDS =
  'token|secret|secrets|password|passwd|passphrase|pwd|pat|apikey|key|auth|authorization|bearer|credential|credentials|jwt|cookie|dsn|signature|sig|webhook';
const SECRET_NAME = new RegExp(`(?:^|[_.-])(?:${SECRET_WORDS})(?:[_.-]?\\d+)?$`);
/** Names that end like one of a secret and are none. */
const PUBLIC_NAME =
  /(?:^|[_.-])(?:public|ssh[_-]?auth[_-]?sock|primary|foreign|sort|partition|cache|hot|map)[_.-](?:key|token)(?:[_.-]?\d+)?$|sock$/;
const CONNECTION_NAME =
  /(?:connection[_-]?string|database[_-]?ur[il]|(?:postgres|pg|mysql|redis|mongo|mongodb)[_-]?(?:uri|url))$/;
const MIN_LENGTH = 20;
/**
 * Characters of a value that are looked at. What is longer is taken for a secret: nobody can say that it is none. An argument
 * is not, because arguments are shown.
 */
export const MAX_LOOKED_AT = 8192;
/** A header in JSON in a variable, a URL in a parameter of another. */
const MAX_DEPTH = 2;
/** Bits for each character, from which a value is taken for one that a machine made. */
const MIN_ENTROPY = 3.4;

/** Whether a variable, a header or an option of this name holds a secret: `GITHUB_TOKEN`, `exaApiKey`, `X-Api-Key`. */
export function isSecretName(name: string): boolean {
  const plain = name
    .replace(/^-+/, '')
    .replaceAll(/(?<=[a-z0-9])(?=[A-Z])/g, '_')
    .toLowerCase();
  return SECRET_NAME.test(plain) && !PUBLIC_NAME.test(plain);
}

/** Whether a text is filled in by the host: all of it, but for a word such as "Bearer" before it. */
export function isReference(value: string): boolean {
  return /^(?:[A-Za-z]+ )?(?:\$\{[^}]*\}|\$[A-Za-z_][A-Za-z0-9_]*|\{(?:env|file):[^}]*\})$/.test(
    value.trim(),
  );
}

/** The secrets of a server, in the order of variables, arguments, headers and URL. */
export function secretsOf({ env, args, headers, url }: HostServer): HostSecret[] {
  return [
    ...Object.entries(env).flatMap(([name, value]) => named('variable', name, value)),
    ...inArguments(args),
    ...Object.entries(headers).flatMap(([name, value]) => named('header', name, value)),
    ...inUrl(url),
  ];
}

function named(where: 'variable' | 'header', name: string, value: string): HostSecret[] {
  const why = whySecret(name, value);
  return why === undefined ? [] : [{ where, name, value, why }];
}

/** Why a value is a secret, by the name before it or by its shape; undefined: it is none. */
function whySecret(name: string, value: string, depth = MAX_DEPTH): string | undefined {
  if (value.length > MAX_LOOKED_AT) return 'it is too long to tell';
  return whyNamed(name, value) ?? shapeOf(value, depth);
}

/** Whether a part of a URL is a secret, by the name before it or by its shape, as it is written or as it is meant. */
export function isSecretPart(name: string, text: string): boolean {
  return whySecret(name, text) !== undefined || whySecret(name, decoded(text)) !== undefined;
}

/** Whether a text looks like a secret, or has one in it. */
export function hasSecret(text: string): boolean {
  return shapeOf(text) !== undefined || secretsInside(text).length > 0;
}

/** Whether a text is a secret by its name, or by what tokens of services begin with; a random look is not enough. */
export function isSecretText(name: string, text: string): boolean {
  if (text.length > MAX_LOOKED_AT) return true;
  return (whyNamed(name, text) ?? detectSecret(text)) !== undefined;
}

/** Whether what is filled in under this name may be a secret. */
export function mayBeSecretName(name: string): boolean {
  return isSecretName(name) || CONNECTION_NAME.test(name.toLowerCase());
}

/** Why a value is a secret by its name; empty values, switches, numbers and paths are none. */
function whyNamed(name: string, value: string): string | undefined {
  if (value === '' || isReference(value)) return undefined;
  if (/^(?:true|false|yes|no|on|off|none|null|\d{1,6})$/i.test(value)) return undefined;
  if (/^(?:~?\/|\.{1,2}\/|[A-Za-z]:\\)[^\s]*$/.test(value) && !/^[\w+/=-]{40,}$/.test(value))
    return undefined;
  const plain = name.toLowerCase();
  if (CONNECTION_NAME.test(plain) && passwordOf(value) === undefined) return undefined;
  return isSecretName(name) || CONNECTION_NAME.test(plain) ? 'its name' : undefined;
}

/** What a value looks like; undefined for what is no secret. `depth`: how many texts deep it is looked into. */
export function shapeOf(value: string, depth = MAX_DEPTH): string | undefined {
  if (isReference(value)) return undefined;
  if (value.length > MAX_LOOKED_AT) return 'it is too long to tell';
  const kind = detectSecret(value);
  if (kind !== undefined) return `it looks like ${kind}`;
  if (passwordOf(value) !== undefined) return 'a URL with a password';
  if (isRandom(value)) return 'it looks like a random key';
  return depth > 0 && secretsInside(value, depth - 1).length > 0 ? SECRET_INSIDE : undefined;
}

/** Why a text is a secret: another one is inside of it, beside other things. */
export const SECRET_INSIDE = 'it has a secret in it';

/** What is secret in a text of several parts: JSON, `Name: value` lines, `Name=value` pairs, a URL. */
export function secretsInside(text: string, depth = MAX_DEPTH): Part[] {
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text))
    return inUrl(text, depth).map(({ name, value }) => [name, value]);
  const parts = /^\s*[{[]/.test(text) ? partsOfJson(text) : partsOf(text);
  return parts.filter(([name, value]) => whySecret(name, value, depth) !== undefined);
}

type Part = readonly [name: string, value: string];

/** What separates the parts of a text, and what one is: headers, a connection string (`Server=db;Pwd=x`), libpq's (`host=db`). */
const FORMS: readonly (readonly [separator: RegExp, part: RegExp])[] = [
  [/[\r\n]+|\\n/, /^\s*([A-Za-z][\w-]*):(.*)$/s],
  [/;/, /^\s*([A-Za-z][\w .-]{0,60})=(.*)$/s],
  [/[\s,&]+/, /^([A-Za-z][\w.-]*)=(.*)$/s],
];

/** The parts of a text that has nothing else, in each form that it could be of. */
function partsOf(text: string): Part[] {
  return FORMS.flatMap(([separator, part]) => {
    const found = text
      .split(separator)
      .filter((one) => one.trim() !== '')
      .map((one) => part.exec(one));
    if (found.includes(null)) return [];
    return found.map((one): Part => [(one?.[1] ?? '').trim().replaceAll(' ', '_'), (one?.[2] ?? '').trim()]);
  });
}

function partsOfJson(text: string): Part[] {
  try {
    return textsIn(JSON.parse(text) as Value);
  } catch {
    return [];
  }
}

/** All texts in a value, each with the name of the member that it is in. */
export function textsIn(value: Value, name = ''): Part[] {
  if (typeof value === 'string') return [[name, value]];
  if (Array.isArray(value)) return value.flatMap((one) => textsIn(one, name));
  return isTable(value) ? Object.entries(value).flatMap(([key, one]) => textsIn(one, key)) : [];
}

/** The password in a URL. */
function passwordOf(value: string): string | undefined {
  const password = /^[a-z][a-z0-9+.-]*:\/\/[^\s/@:]*:([^\s/@]+)@/i.exec(value)?.[1];
  return password === undefined || isReference(password) ? undefined : password;
}

/** Whether a value is long, without words, and of letters and digits: as machines make keys. */
function isRandom(value: string): boolean {
  const bare = value.replace(/^(?:Bearer|Basic|Token) /i, '');
  if (bare.length < MIN_LENGTH || !/^[A-Za-z0-9+/=_.-]+$/.test(bare)) return false;
  if (!/\d/.test(bare) || !/[A-Za-z]/.test(bare) || /^(?:~|\.{1,2})?\//.test(bare)) return false;
  // Paths, names of packages and hosts, versions, ids of people: words with something between them.
  if (/^[\w-]+(?:[./][\w-]+)+$/.test(bare) && bare.split(/[./_-]/).every((part) => part.length < 16))
    return false;
  return entropyOf(bare) >= MIN_ENTROPY && !hasWords(bare);
}

/** Shannon's entropy of the characters, in bits each. */
function entropyOf(text: string): number {
  const counts = Map.groupBy(text, (character) => character);
  return [...counts.values()].reduce((sum, { length }) => {
    const share = length / text.length;
    return sum - share * Math.log2(share);
  }, 0);
}

/** Whether most of a text is words: runs of letters that can be pronounced. */
function hasWords(text: string): boolean {
  const words = text.match(/[A-Z]?[a-z]{3,}|[A-Z]{4,}/g) ?? [];
  const said = words.filter((word) => /[aeiouy]/i.test(word) && !/[^aeiouy]{4}/i.test(word));
  return said.join('').length > text.length / 2;
}

/** `--api-key=…`, `--token …`, `--header "Authorization: …"`, `-H`, `KEY=…`, and what looks like a secret by itself. */
function inArguments(args: readonly string[]): HostSecret[] {
  return args.flatMap((argument, index): HostSecret[] => {
    if (argument.length > MAX_LOOKED_AT) return [];
    const found = (name: string, start: number, why: string, end = argument.length): HostSecret[] => [
      { where: 'argument', name, value: argument.slice(start, end), why, argument: { index, start, end } },
    ];
    const before = args[index - 1] ?? '';
    const header = /^(?:--?headers?[= ])?([A-Za-z][\w-]*): ?(.+)$/s.exec(argument);
    if (header !== null && (/^--?h(?:eaders?)?$/i.test(before) || /^--?headers?=/.test(argument))) {
      const [, name = '', value = ''] = header;
      const why = whySecret(name, value);
      return why === undefined ? [] : found(name, argument.length - value.length, why);
    }
    const isFlag = /^--?[A-Za-z][\w.-]*$/.test(argument);
    if (/^--[A-Za-z][\w.-]*$/.test(before) && !isFlag) {
      const why = whyNamed(before, argument);
      if (why !== undefined) return found(before, 0, why);
    }
    const option = /^(--?[A-Za-z][\w.-]*|[A-Za-z_]\w*)=(.*)$/s.exec(argument);
    if (option !== null && shapeOf(option[1] ?? '') === undefined) {
      const [, name = '', value = ''] = option;
      const why = whySecret(name, value);
      if (why !== undefined) return found(name, argument.length - value.length, why);
      return secretsInside(argument).length > 0 ? found(name, 0, SECRET_INSIDE) : [];
    }
    const shape = shapeOf(argument);
    if (isFlag) {
      if (detectSecret(argument) !== undefined) return found(String(index + 1), 0, shape ?? '');
      // `-pSECRET`: an option and its value in one word.
      const glued = argument.startsWith('--') ? undefined : shapeOf(argument.slice(2));
      return glued === undefined ? [] : found(argument.slice(0, 2), 2, glued);
    }
    const isUrl = /^https?:\/\//i.test(argument) && inUrl(argument).length > 0;
    if (isUrl) return found(String(index + 1), 0, 'a URL with a secret');
    return shape === undefined ? [] : found(String(index + 1), 0, shape);
  });
}

/** The secrets in a URL: its user and password, parts of its path, parameters and fragment as they are written. */
function inUrl(url: string, depth = MAX_DEPTH): HostSecret[] {
  const password = passwordOf(url);
  const own: HostSecret[] =
    password === undefined
      ? []
      : [{ where: 'url', name: 'password', value: password, why: 'a URL with a password' }];
  const [, user = ''] = /^[a-z][a-z0-9+.-]*:\/\/([^\s/?#@:]+):?@/i.exec(url) ?? [];
  const whyUser = shapeOf(decoded(user), depth);
  if (whyUser !== undefined) own.push({ where: 'url', name: 'user', value: user, why: whyUser });
  const query = /\?([^#]*)/.exec(url)?.[1] ?? '';
  const fragment = /#(.*)/s.exec(url)?.[1] ?? '';
  const parameters = [...query.split('&'), ...fragment.split('&')].flatMap((part): HostSecret[] => {
    const [name = '', value] = part.split(/=(.*)/s);
    // Without a name it is all value, and a name may be the secret itself.
    const bare = shapeOf(decoded(name), depth);
    if (bare !== undefined) return [{ where: 'url', name: 'parameter', value: part, why: bare }];
    const why = value === undefined ? undefined : whySecret(name, decoded(value), depth);
    return why === undefined ? [] : [{ where: 'url', name, value: value ?? '', why }];
  });
  const path = url.replace(/^[a-z]+:\/\/[^/?#]*/i, '').split(/[?#]/)[0] ?? '';
  const segments = path.split('/').flatMap((value): HostSecret[] => {
    const why = shapeOf(value, depth);
    return why === undefined ? [] : [{ where: 'url', name: 'path', value, why }];
  });
  return [...own, ...segments, ...parameters];
}

/** A parameter as it is meant; one with a broken escape as it is. */
export function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
