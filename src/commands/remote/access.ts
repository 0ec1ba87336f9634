// What a profile with a remote server does, in words: where it connects, how it signs in, which of it is opened.
import type { RemoteAuth } from '../../profile/auth.ts';
import type { RemoteServer } from '../../profile/format.ts';
import { isLoopbackHost } from '../../profile/host.ts';

/** A label and lines each. */
export type Rows = readonly (readonly [label: string, lines: readonly string[]])[];

export function remoteRows({ url, headers, auth, allowPrivate, insecureLoopback }: RemoteServer): Rows {
  const isHere = isLoopbackHost(new URL(url).hostname);
  const sent = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return [
    [
      'reaches',
      [
        `${url}, and ${REACHED[auth.type]}${isHere ? '' : '; at public addresses, by https'}`,
        ...(allowPrivate.length === 0 ? [] : [`also at private addresses: ${allowPrivate.join(', ')}`]),
        ...(insecureLoopback ? [`${isHere ? '' : 'also '}on this machine, there without TLS too`] : []),
      ],
    ],
    ...(sent.length === 0 ? [] : [['sends', sent] as const]),
    ['auth', authLines(auth)],
  ];
}

const SIGNS_IN = 'the authorization server that it names';
const REACHED: Readonly<Record<RemoteAuth['type'], string>> = {
  none: 'nothing else',
  bearer: 'nothing else',
  header: 'nothing else',
  oauth: SIGNS_IN,
  'client-credentials': SIGNS_IN,
  enterprise: `${SIGNS_IN}, and the identity provider`,
  'token-exchange': SIGNS_IN,
  'jwt-bearer': SIGNS_IN,
};

/** How Warder proves that it may use the server. */
function authLines(auth: RemoteAuth): string[] {
  switch (auth.type) {
    case 'none':
      return ['none: the server gets nothing'];
    case 'bearer':
      return [`bearer: the value of ${auth.credential.name}, in "Authorization"`];
    case 'header': {
      const before = auth.prefix === '' ? '' : `, after ${JSON.stringify(auth.prefix)}`;
      return [`header: the value of ${auth.credential.name}, in "${auth.header}"${before}`];
    }
    case 'oauth': {
      const client =
        auth.clientId ??
        auth.clientMetadataUrl ??
        'what Warder gets there: by its metadata document, or by registration';
      const port = auth.callbackPort === undefined ? '' : `, port ${auth.callbackPort}`;
      return [
        auth.flow === 'device'
          ? 'oauth: you sign in on another machine, with a code'
          : `oauth: you sign in, in a browser that comes back to 127.0.0.1${port}`,
        `client: ${client}`,
        ...clientLines(auth),
      ];
    }
    case 'client-credentials': {
      const how = auth.privateKey === undefined ? 'with a secret' : 'with a key that signs';
      return [
        `client-credentials: the client ${auth.clientId}, without a person, ${how}`,
        ...clientLines(auth),
      ];
    }
    case 'enterprise': {
      const { issuer, idToken } = auth.identity;
      const from = idToken === undefined ? 'you sign in there' : `the ID token is ${idToken.name}`;
      return [`enterprise: ${issuer} decides; ${from}`, `client: ${auth.clientId}`, ...clientLines(auth)];
    }
    case 'token-exchange':
      return [`token-exchange: ${auth.assertion.name} is exchanged for a token`, ...clientLines(auth)];
    case 'jwt-bearer':
      return [`jwt-bearer: ${auth.assertion.name} is the grant`, ...clientLines(auth)];
  }
}

type Client = Extract<RemoteAuth, { readonly scopes: unknown }>;

function clientLines({ issuer, scopes }: Client): string[] {
  const asked =
    scopes?.length === 0 ? 'none are asked for' : (scopes?.join(' ') ?? 'what the server asks for');
  return [`scopes: ${asked}`, ...(issuer === undefined ? [] : [`at ${issuer} only`])];
}

/** Segments of a path that are rather secrets than names: long, without words, of letters and digits. */
const SECRET_SEGMENT = /^(?=[^/]*\d)(?=[^/]*[A-Za-z])[A-Za-z0-9_=~-]{24,}$/;

/** What to know before the first use. */
export function remoteWarnings({ url }: Pick<RemoteServer, 'url'>): string[] {
  const { pathname } = new URL(url);
  const isSecret = pathname
    .split('/')
    .some(
      (segment) =>
        SECRET_SEGMENT.test(segment) && !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(segment),
    );
  return isSecret
    ? [
        'the path of the URL looks like a secret: whoever has it may use the server, and a profile is a plain file',
      ]
    : [];
}
