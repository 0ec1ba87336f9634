// What the URI of a resource leads to. A server may decode `%2e`, follow `..`, and take `\` for `/`; a pattern
// sees only characters. So a deny is compared with the normal form too, and a pattern with a `*` or `?` allows no
// URI that is not in it: `file:///home/me/*` does not allow `file:///home/me/../../etc/passwd`.

/** How often a percent-encoding inside a percent-encoding is decoded. */
const ROUNDS = 3;

/** `%41`, or several in a row, which together may be UTF-8. */
const ENCODED = /(?:%[0-9a-f]{2})+/gi;

const PARTS = /^([a-z][a-z0-9+.-]*:)?(\/\/[^/?#]*)?([^?#]*)([^#]*)/is;
/** The same where `?` and `#` are characters like any other. */
const PLAIN_PARTS = /^([a-z][a-z0-9+.-]*:)?(\/\/[^/?#]*)?(.*)()/is;
const WEB = /^https?:/i;

/**
 * Whether no part of the URI's path leads elsewhere than its characters say, nor hides where it leads. Query and
 * fragment count as path, but for `http` and `https`: many a server takes all after the scheme for a path.
 */
export function isNormal(uri: string): boolean {
  const text = decode(uri);
  const path = pathOf(text);
  const led = WEB.test(text) ? path : text;
  return (
    !/[\\\p{Cc}]/u.test(path) &&
    !/(^|[:/\\])\.\.?([/\\?#]|$)/.test(led) &&
    countSlashes(path) === countSlashes(pathOf(uri))
  );
}

/**
 * The URI with its percent-encodings decoded, `\` as `/`, its dot segments resolved (RFC 3986, section 5.2.4),
 * empty segments and the fragment left out. `file:/x` and `file://localhost/x` become `file:///x`.
 */
export function normalForm(uri: string): string {
  return normal(uri, PARTS);
}

/** As `normalForm`, to a server that takes all after the scheme for a path, `?` and `#` included. */
export function plainForm(uri: string): string {
  return normal(uri, PLAIN_PARTS);
}

function normal(uri: string, parts: RegExp): string {
  const [, scheme = '', authority = '', path = '', query = ''] =
    parts.exec(decode(uri).replaceAll('\\', '/')) ?? [];
  const isFile = scheme.toLowerCase() === 'file:';
  const host = isFile && /^(\/\/(localhost)?)?$/i.test(authority) ? '//' : authority;
  return `${scheme}${host}${resolve(path)}${query}`;
}

function resolve(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '.' && part !== '') parts.push(part);
  }
  const open = path.startsWith('/') ? '/' : '';
  const close = parts.length > 0 && /\/\.{0,2}$/.test(path) ? '/' : '';
  return `${open}${parts.join('/')}${close}`;
}

function decode(uri: string): string {
  let text = uri;
  for (let round = 0; round < ROUNDS; round++) {
    const before = text;
    text = text.replace(ENCODED, (bytes) => Buffer.from(bytes.replaceAll('%', ''), 'hex').toString());
    if (text === before) break;
  }
  return text;
}

function pathOf(uri: string): string {
  return PARTS.exec(uri)?.[3] ?? '';
}

function countSlashes(text: string): number {
  return text.split('/').length;
}
