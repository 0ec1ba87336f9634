// What is done to a request's head, as a list of small steps in a fixed order. A step refuses by throwing `Denial`,
// or changes the head. The first steps refuse what is ambiguous or not supported; then the placeholders are replaced
// where they are allowed. A placeholder that no step replaced refuses the request: it is never passed on.
import type { MatchedValue } from '../../credential/finder.ts';
import { filterAcceptEncoding } from '../content-coding.ts';
import { Denial, type Field, type Head, type RequestContext } from './substitution.ts';

type Step = (head: Head, context: RequestContext, authority: UpstreamAuthority) => void;

/** The host that the connection leads to, which `Host` must name. */
export interface UpstreamAuthority {
  readonly host: string;
  readonly port: number;
  readonly secure: boolean;
  /** Of HTTP. */
  readonly version: '1.1' | '2';
  /** The request opens a WebSocket. */
  readonly webSocket: boolean;
}

/** Fields that belong to one connection, not to the message (RFC 9110 7.6.1), and are made anew. */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
  'expect',
]);

/** Fields that make some servers treat a request as one of another method or target. */
const OVERRIDE_FIELD = /^x-(?:(?:http-)?method(?:-override)?|(?:original|rewrite|override)-ur[il])$/i;

/** Schemes that sign: there the secret is not part of the request. */
const SIGNATURE_SCHEME = /^(aws4-|hawk|digest|signature|oauth|hmac|mac|credential=)/i;

/** Checks and changes a head. Throws `Denial`. */
export function processHead(head: Head, context: RequestContext, authority: UpstreamAuthority): void {
  for (const step of STEPS) step(head, context, authority);
}

/**
 * Checks that a request names its host once, and that it is the host of the connection; that its target is a path, and
 * its length is not given twice. Throws `Denial`.
 */
export function checkRequestShape(
  { target, fields, method }: Pick<Head, 'method' | 'target'> & { readonly fields: readonly Field[] },
  { host, port, secure }: Pick<UpstreamAuthority, 'host' | 'port' | 'secure'>,
): void {
  if (method === 'CONNECT' || method === 'TRACE')
    throw new Denial(405, `the method ${method} is not passed on`);
  if (!target.startsWith('/') && !(method === 'OPTIONS' && target === '*')) {
    throw new Denial(400, 'the target is not a path');
  }
  const hosts = fieldValues(fields, 'host');
  // A program of this machine is listed by its name or by its address, and reached at the one by the other.
  const named = hosts[0]?.toLowerCase().replace(/\.?(:\d+)?$/, '$1');
  const authority = host === 'localhost' ? named?.replace(/^127\.0\.0\.1(?=:|$)/, host) : named;
  const defaultPort = secure ? 443 : 80;
  const matches = authority === `${host}:${port}` || (authority === host && port === defaultPort);
  if (hosts.length !== 1 || !matches) throw new Denial(421, 'the Host is not the name that was connected to');
  const lengths = fieldValues(fields, 'content-length');
  const codings = fieldValues(fields, 'transfer-encoding');
  if (lengths.length > 1 || codings.length > 1 || (lengths.length > 0 && codings.length > 0)) {
    throw new Denial(400, 'the length of the body is given twice');
  }
  if (codings.some((coding) => coding.trim().toLowerCase() !== 'chunked')) {
    throw new Denial(501, 'this transfer coding is not supported');
  }
}

const checkShape: Step = (head, _context, authority) => checkRequestShape(head, authority);

/** What the gate cannot inspect is refused, not passed through. */
const refuseUnsupported: Step = ({ fields }, _context, { version, webSocket }) => {
  if (fieldValues(fields, 'upgrade').length > 0 && !webSocket)
    throw new Denial(501, 'a change to another protocol than WebSocket is not supported');
  if (version === '1.1' && isGrpc(fields)) throw new Denial(501, 'gRPC needs HTTP/2');
  const codings = [
    ...fieldValues(fields, 'grpc-encoding'),
    ...fieldValues(fields, 'connect-content-encoding'),
  ];
  if (codings.some((coding) => coding.trim().toLowerCase() !== 'identity'))
    throw new Denial(501, 'compressed messages cannot be searched: do not compress');
};

const noteOverrides: Step = ({ fields }, context) => {
  context.hasOverrideHeader = fields.some(([name]) => OVERRIDE_FIELD.test(name));
};

const removeHopByHop: Step = (head) => {
  const named = fieldValues(head.fields, 'connection').flatMap((value) =>
    value.split(',').map((name) => name.trim().toLowerCase()),
  );
  const dropped = new Set([
    ...HOP_BY_HOP,
    ...named.filter((name) => name !== 'host' && name !== 'content-length'),
  ]);
  head.fields = head.fields.filter(([name]) => !dropped.has(name.toLowerCase()));
};

/**
 * The response must be searchable: only codings that can be decoded are requested, and no part of a body. A secret
 * that is split over parts would be found in none of them; a host may always respond with the whole (RFC 9110 14.2).
 * Deltas to an earlier response (RFC 3229), other character sets and compressed messages (gRPC, Connect, WebSocket) are
 * not requested either.
 */
const requestWholeResponse: Step = (head) => {
  head.fields = head.fields.filter(
    ([name]) =>
      !/^(?:(?:if-|request-)?range|a-im|accept-charset|(?:grpc|connect)-accept-encoding|sec-websocket-extensions)$/i.test(
        name,
      ),
  );
  for (const field of head.fields) {
    if (field[0].toLowerCase() === 'accept-encoding') field[1] = filterAcceptEncoding(field[1]);
  }
};

/** `Authorization: Basic` (RFC 7617): the placeholder is inside base64. */
const replaceInBasic: Step = ({ fields }, context) => {
  for (const field of fields) {
    const parsed = /^(basic +)([A-Za-z0-9+/_-]+=*) *$/i.exec(field[1]);
    if (parsed === null || field[0].toLowerCase() !== 'authorization') continue;
    const [, scheme = '', text = ''] = parsed;
    const plain = Buffer.from(text, 'base64');
    const replaced = context.finder.replace(plain, (match) => {
      if (match.form !== 'raw') throw context.denyMisplaced(match.index, 'it is written in another form');
      return Buffer.from(context.substitute(match.index, 'basic'));
    });
    if (replaced !== plain) field[1] = `${scheme}${replaced.toString('base64')}`;
  }
};

const replaceInFields: Step = (head, context) => {
  const { finder } = context;
  for (const field of head.fields) {
    const [name, value] = field;
    const [named] = finder.find(Buffer.from(name, 'latin1'));
    if (named !== undefined) throw context.denyMisplaced(named.index, "it is in a header's name");
    const bytes = Buffer.from(value, 'latin1');
    const authorization = name.toLowerCase() === 'authorization';
    const bearer = authorization && /^bearer +\S+ *$/i.test(value);
    const replaced = finder.replace(bytes, (match) => {
      if (match.form !== 'raw')
        throw context.denyMisplaced(match.index, 'it is written in another form in a header');
      // A signature of AWS that the gate makes anew may name a key whose id is a credential too.
      if (
        authorization &&
        SIGNATURE_SCHEME.test(value) &&
        !(context.signsForAws && /^\s*AWS4-/i.test(value))
      ) {
        throw context.denyMisplaced(
          match.index,
          'the request is signed with a placeholder: its profile has no "sign"',
        );
      }
      return toFieldValue(context.substitute(match.index, bearer ? 'bearer' : 'header'), context, match);
    });
    if (replaced !== bytes) field[1] = replaced.toString('latin1');
  }
};

const replaceInQuery: Step = (head, context) => {
  const at = head.target.indexOf('?');
  if (at < 0) return;
  head.target = `${head.target.slice(0, at)}${replaceInUrl(head.target.slice(at), context, 'query')}`;
};

const replaceInPath: Step = (head, context) => {
  const at = head.target.indexOf('?');
  const end = at < 0 ? head.target.length : at;
  head.target = `${replaceInUrl(head.target.slice(0, end), context, 'path')}${head.target.slice(end)}`;
};

const STEPS: readonly Step[] = [
  checkShape,
  refuseUnsupported,
  noteOverrides,
  removeHopByHop,
  requestWholeResponse,
  replaceInBasic,
  replaceInFields,
  replaceInQuery,
  replaceInPath,
];

/** The values of all fields of a name, which is given in lower case. */
export function fieldValues(all: readonly Field[], name: string): string[] {
  return all.filter(([key]) => key.toLowerCase() === name).map(([, value]) => value);
}

/** Whether a request is one of gRPC, whose clients read a status of its own. */
export function isGrpc(fields: readonly Field[]): boolean {
  return /^application\/grpc(?:[+;]|$)/i.test(fieldValues(fields, 'content-type')[0]?.trim() ?? '');
}

function replaceInUrl(text: string, context: RequestContext, place: 'query' | 'path'): string {
  const bytes = Buffer.from(text, 'latin1');
  const replaced = context.finder.replace(bytes, (match) => {
    if (!isPercentEncoded(match))
      throw context.denyMisplaced(match.index, `it is written in another form in the ${place}`);
    return Buffer.from(encodeURIComponent(context.substitute(match.index, place)));
  });
  return replaced === bytes ? text : replaced.toString('latin1');
}

/** Whether a match is the value itself, or its percent-encoding in one layer. */
export function isPercentEncoded({ form, bytes }: Pick<MatchedValue, 'form' | 'bytes'>): boolean {
  return (
    form === 'raw' ||
    (form === 'escaped' && /^(?:[\w.~-]|%(?!25)[0-9a-f]{2})+$/i.test(bytes.toString('latin1')))
  );
}

/** A value as a header field takes it: each byte a character. */
function toFieldValue(value: string, context: RequestContext, { index }: MatchedValue): Buffer {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what a header cannot hold
  if (/[\0-\x08\x0a-\x1f\x7f]/.test(value))
    throw context.denyMisplaced(index, 'its value cannot be sent in a header');
  return Buffer.from(value);
}
