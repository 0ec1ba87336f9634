// What is done to a request's head, as a list of small steps in a fixed order. A step refuses by throwing `Denial`,
// or changes the head. First comes what could be read in two ways, or is not there yet; then the placeholders are
// replaced where they may stand. A placeholder that no step replaced refuses the request: it is never passed on.
import type { MatchedValue } from '../../credential/finder.ts';
import { acceptable } from './content-coding.ts';
import { Denial, type Field, type Head, type Passage } from './substitution.ts';

type Step = (head: Head, passage: Passage, authority: Authority) => void;

/** Whom the connection is to: what `Host` must say. */
export interface Authority {
  readonly host: string;
  readonly port: number;
  readonly secure: boolean;
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

/** Fields by which some servers take a request for one of another method or target. */
const DIVERTS = /^x-(?:(?:http-)?method(?:-override)?|(?:original|rewrite|override)-ur[il])$/i;

/** The ways of signing that a later version may have: the secret is then no part of the request. */
const SIGNED = /^(aws4-|hawk|digest|signature|oauth|hmac|mac|credential=)/i;

/** Checks and changes a head. Throws `Denial`. */
export function process(head: Head, passage: Passage, authority: Authority): void {
  for (const step of STEPS) step(head, passage, authority);
}

/** The request names its host once, and it is the one that is connected to; its target is a path. */
const shape: Step = ({ target, fields, method }, _passage, { host, port, secure }) => {
  if (method === 'CONNECT' || method === 'TRACE')
    throw new Denial(405, `the method ${method} is not passed on`);
  if (!target.startsWith('/') && !(method === 'OPTIONS' && target === '*')) {
    throw new Denial(400, 'the target is not a path');
  }
  const hosts = valuesOf(fields, 'host');
  const said = hosts[0]?.toLowerCase().replace(/\.?(:\d+)?$/, '$1');
  const usual = secure ? 443 : 80;
  const fits = said === `${host}:${port}` || (said === host && port === usual);
  if (hosts.length !== 1 || !fits) throw new Denial(421, 'the Host is not the name that was connected to');
  const lengths = valuesOf(fields, 'content-length');
  const codings = valuesOf(fields, 'transfer-encoding');
  if (lengths.length > 1 || codings.length > 1 || (lengths.length > 0 && codings.length > 0)) {
    throw new Denial(400, 'the length of the body is said twice');
  }
  if (codings.some((coding) => coding.trim().toLowerCase() !== 'chunked')) {
    throw new Denial(501, 'this transfer coding is not passed on');
  }
};

/** What the gate cannot look into yet is refused, not passed by. */
const missing: Step = ({ fields }) => {
  if (valuesOf(fields, 'upgrade').length > 0) {
    throw new Denial(
      501,
      'a change of protocol (WebSocket, HTTP/2) is not there yet for a host with a sealed credential',
    );
  }
  if (valuesOf(fields, 'content-type').some((type) => /^application\/grpc\b/i.test(type.trim()))) {
    throw new Denial(501, 'gRPC is not there yet for a host with a sealed credential');
  }
};

const diverting: Step = ({ fields }, passage) => {
  passage.diverted = fields.some(([name]) => DIVERTS.test(name));
};

const hopByHop: Step = (head) => {
  const named = valuesOf(head.fields, 'connection').flatMap((value) =>
    value.split(',').map((name) => name.trim().toLowerCase()),
  );
  const gone = new Set([
    ...HOP_BY_HOP,
    ...named.filter((name) => name !== 'host' && name !== 'content-length'),
  ]);
  head.fields = head.fields.filter(([name]) => !gone.has(name.toLowerCase()));
};

/**
 * What comes back must be readable: only codings that can be opened are asked for, and no part of a body. A secret that
 * comes back in parts is found in none of them; a host may always answer with the whole (RFC 9110 14.2). Nor are changes
 * to what was sent before (RFC 3229), or other characters.
 */
const whole: Step = (head) => {
  head.fields = head.fields.filter(
    ([name]) => !/^(?:(?:if-|request-)?range|a-im|accept-charset)$/i.test(name),
  );
  for (const field of head.fields) {
    if (field[0].toLowerCase() === 'accept-encoding') field[1] = acceptable(field[1]);
  }
};

/** `Authorization: Basic` (RFC 7617): the placeholder stands in base64. */
const basic: Step = ({ fields }, passage) => {
  for (const field of fields) {
    const coded = /^(basic +)([A-Za-z0-9+/_-]+=*) *$/i.exec(field[1]);
    if (coded === null || field[0].toLowerCase() !== 'authorization') continue;
    const [, scheme = '', text = ''] = coded;
    const plain = Buffer.from(text, 'base64');
    if (!passage.finder.has(plain)) continue;
    const put = passage.finder.replace(plain, (match) => {
      if (match.form !== 'raw') throw passage.misplaced(match.index, 'it is written in another form');
      return Buffer.from(passage.spend(match.index, 'basic'));
    });
    field[1] = `${scheme}${put.toString('base64')}`;
  }
};

const fields: Step = (head, passage) => {
  const { finder } = passage;
  for (const field of head.fields) {
    const [name, value] = field;
    const [named] = finder.find(Buffer.from(name, 'latin1'));
    if (named !== undefined) throw passage.misplaced(named.index, "it stands in a header's name");
    const bytes = Buffer.from(value, 'latin1');
    if (!finder.has(bytes)) continue;
    const authorization = name.toLowerCase() === 'authorization';
    const bearer = authorization && /^bearer +\S+ *$/i.test(value);
    field[1] = finder
      .replace(bytes, (match) => {
        if (match.form !== 'raw')
          throw passage.misplaced(match.index, 'it is written in another form in a header');
        if (authorization && SIGNED.test(value)) {
          throw passage.misplaced(match.index, 'requests that are signed are not there yet');
        }
        return latin1(passage.spend(match.index, bearer ? 'bearer' : 'header'), passage, match);
      })
      .toString('latin1');
  }
};

const query: Step = (head, passage) => {
  const at = head.target.indexOf('?');
  if (at < 0) return;
  head.target = `${head.target.slice(0, at)}${inUrl(head.target.slice(at), passage, 'query')}`;
};

const path: Step = (head, passage) => {
  const at = head.target.indexOf('?');
  const end = at < 0 ? head.target.length : at;
  head.target = `${inUrl(head.target.slice(0, end), passage, 'path')}${head.target.slice(end)}`;
};

const STEPS: readonly Step[] = [shape, missing, diverting, hopByHop, whole, basic, fields, query, path];

/** The values of all fields of a name, in lower case. */
export function valuesOf(all: readonly Field[], name: string): string[] {
  return all.filter(([key]) => key.toLowerCase() === name).map(([, value]) => value);
}

function inUrl(text: string, passage: Passage, place: 'query' | 'path'): string {
  const bytes = Buffer.from(text, 'latin1');
  if (!passage.finder.has(bytes)) return text;
  const put = passage.finder.replace(bytes, (match) => {
    if (!percentWritten(match))
      throw passage.misplaced(match.index, `it is written in another form in the ${place}`);
    return Buffer.from(encodeURIComponent(passage.spend(match.index, place)));
  });
  return put.toString('latin1');
}

/** Whether nothing but percent-encoding stands between a match and its value, and no more than once. */
export function percentWritten({ form, bytes }: Pick<MatchedValue, 'form' | 'bytes'>): boolean {
  return (
    form === 'raw' ||
    (form === 'escaped' && /^(?:[\w.~-]|%(?!25)[0-9a-f]{2})+$/i.test(bytes.toString('latin1')))
  );
}

/** A value as a header takes it: a byte a character. */
function latin1(value: string, passage: Passage, { index }: MatchedValue): Buffer {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what a header cannot hold
  if (/[\0-\x08\x0a-\x1f\x7f]/.test(value))
    throw passage.misplaced(index, 'its value cannot stand in a header');
  return Buffer.from(value);
}
