// Decides what a program requests of the proxy: a tunnel (CONNECT, RFC 9110 9.3.6), or a plain HTTP request with an
// absolute target (RFC 9112 3.2.2). The program shows the session's token, names a host, and nothing more: no address,
// no user. What could be read in two ways is refused; Node's strict parser has refused malformed heads before.
import { normalizeName } from '../../profile/host.ts';
import { fieldValues } from '../http/request-head.ts';
import type { Field } from '../http/substitution.ts';

/** The host and port that a program wants to reach. `host` is empty where none was understood. */
export interface ProxyTarget {
  readonly host: string;
  readonly port: number;
}

/** A request as Node's parser has read it. */
export interface ProxyRequestHead {
  readonly method: string;
  readonly target: string;
  /** As `1.1`. */
  readonly httpVersion: string;
  readonly fields: readonly Field[];
}

/** A plain request in the form that its host expects. */
export interface ForwardedRequest extends ProxyTarget {
  /** Origin form, or `*`. */
  readonly path: string;
  readonly fields: readonly Field[];
}

/** What the proxy does not do, and the status that the program gets. The message is short and contains no secret. */
export class ProxyRefusal extends Error {
  override readonly name = 'ProxyRefusal';
  readonly status: number;
  readonly target: ProxyTarget;

  constructor(status: number, reason: string, target: ProxyTarget = NO_TARGET) {
    super(reason);
    this.status = status;
    this.target = target;
  }
}

/** The target of what was not understood. */
export const NO_TARGET: ProxyTarget = { host: '', port: 0 };

const HTTP = 80;
/** Methods that Node sends without a body unless a field announces one. */
const WITHOUT_BODY = new Set(['GET', 'HEAD', 'DELETE', 'OPTIONS', 'TRACE']);
/** Fields that are meant for the proxy. */
const OWN_FIELDS = new Set(['connection', 'expect', 'keep-alive', 'proxy-authorization', 'proxy-connection']);

/** Reads a CONNECT. `isAuthorized` tells whether a login, `user:password`, is this session's. Throws `ProxyRefusal`. */
export function readConnect(head: ProxyRequestHead, isAuthorized: (login: string) => boolean): ProxyTarget {
  return authorize(head, readAuthority(head.target, undefined), isAuthorized);
}

/**
 * Reads a plain request. It is forwarded as the last of its connection, so the next one, to whatever host, is decided
 * anew. `isAuthorized` as above. Throws `ProxyRefusal`.
 */
export function readForward(
  head: ProxyRequestHead,
  isAuthorized: (login: string) => boolean,
): ForwardedRequest {
  const { method, target, fields } = head;
  const [, authority = '', path = ''] = /^http:\/\/([^/?#]*)([^#]*)$/i.exec(target) ?? [];
  const { host, port } = authorize(head, readAuthority(authority, HTTP), isAuthorized);
  // Other options name fields that belong to the connection: the gate must see them to drop those fields.
  const options = fieldValues(fields, 'connection')
    .flatMap((value) => value.split(',').map((option) => option.trim()))
    .filter((option) => option !== '' && !/^(?:keep-alive|close)$/i.test(option));
  const hasLength = fields.some(([name]) => /^(?:content-length|transfer-encoding)$/i.test(name));
  return {
    host,
    port,
    path: path === '' && method === 'OPTIONS' ? '*' : path.replace(/^(?!\/)/, '/'),
    fields: [
      ...fields.filter(([name]) => !OWN_FIELDS.has(name.toLowerCase())),
      // Node would else announce a chunked body.
      ...(hasLength || WITHOUT_BODY.has(method) ? [] : [['Content-Length', '0'] satisfies Field]),
      ['Connection', [...options, 'close'].join(', ')],
    ],
  };
}

function authorize(
  { target, httpVersion, fields }: ProxyRequestHead,
  requested: ProxyTarget | undefined,
  isAuthorized: (login: string) => boolean,
): ProxyTarget {
  if (!/^1\.[01]$/.test(httpVersion) || !/^[!-~]+$/.test(target)) {
    throw new ProxyRefusal(400, 'the request is malformed');
  }
  const [authorization = '', another] = fieldValues(fields, 'proxy-authorization');
  const [, login = ''] = /^basic +([A-Za-z0-9+/]+={0,2}) *$/i.exec(authorization) ?? [];
  if (another !== undefined || !isAuthorized(Buffer.from(login, 'base64').toString())) {
    throw new ProxyRefusal(407, 'the token of this session is missing', requested);
  }
  if (requested === undefined) {
    throw new ProxyRefusal(
      400,
      /^https:/i.test(target)
        ? 'https goes through a proxy by CONNECT'
        : 'this is a proxy: it takes CONNECT HOST:PORT, and http://HOST/… as a target',
    );
  }
  const host = normalizeName(requested.host);
  if (host === undefined) {
    throw new ProxyRefusal(403, 'it is not a host name, and a server reaches hosts by name only', requested);
  }
  return { host, port: requested.port };
}

/** A host and its port, without a user. Undefined for any other text, and where a port is needed and missing. */
function readAuthority(text: string, defaultPort: number | undefined): ProxyTarget | undefined {
  const [, host, digits] = /^(\[[0-9a-f:.]+\]|[\w.-]{1,255})(?::([1-9]\d{0,4}))?$/i.exec(text) ?? [];
  const port = digits === undefined ? defaultPort : Number(digits);
  return host === undefined || port === undefined || port > 65_535
    ? undefined
    : { host: normalizeName(host) ?? host.toLowerCase(), port };
}
