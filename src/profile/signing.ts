// How a sealed credential is used that signs instead of being sent: `credentials.X.sign` of a profile. The secret stays
// in the daemon, and so does the signing.
import type { SigningFile } from './signing-schema.ts';
import { formatDuration, parseDuration } from './units.ts';

export interface AwsSigV4 {
  readonly scheme: 'aws-sigv4';
  readonly services: readonly string[];
  readonly regions: readonly string[];
}

export interface HmacSigning {
  readonly scheme: 'hmac';
  readonly algorithm: 'sha1' | 'sha256' | 'sha384' | 'sha512';
  readonly key: 'text' | 'hex' | 'base64';
  readonly message: string;
  readonly encoding: 'hex' | 'base64' | 'base64url';
  /** Exactly one of `header` and `query` is set. */
  readonly header: string | undefined;
  readonly query: string | undefined;
  readonly prefix: string;
}

export interface JwtSigning {
  readonly scheme: 'jwt';
  readonly algorithm: string;
  readonly keyId: string | undefined;
  readonly claims: Readonly<Record<string, string | number | boolean | readonly string[]>>;
  /** Milliseconds. */
  readonly expires: number;
}

export interface GithubAppSigning {
  readonly scheme: 'github-app';
  readonly app: string;
  readonly installation: number;
  readonly repositories: readonly string[] | undefined;
  readonly permissions: Readonly<Record<string, string>> | undefined;
  /** Host, port where it is not 443, and path. */
  readonly api: string;
}

/** Schemes that sign requests, and schemes whose tokens are sent instead of the secret. */
export type RequestSigning = AwsSigV4 | HmacSigning;
export type TokenSigning = JwtSigning | GithubAppSigning;
export type Signing = RequestSigning | TokenSigning;

/** Whether a scheme signs requests, so that nothing of the credential is sent. */
export function signsRequests(sign: Signing | undefined): sign is RequestSigning {
  return sign?.scheme === 'aws-sigv4' || sign?.scheme === 'hmac';
}

/** Whether a scheme makes tokens, which are sent in place of the credential. */
export function makesTokens(sign: Signing | undefined): sign is TokenSigning {
  return sign?.scheme === 'jwt' || sign?.scheme === 'github-app';
}

const DEFAULT_EXPIRY = 600_000;

/** With its defaults. */
export function toSigning(sign: SigningFile | undefined): Signing | undefined {
  switch (sign?.scheme) {
    case undefined:
      return undefined;
    case 'aws-sigv4':
      return { scheme: sign.scheme, services: sign.service, regions: sign.region };
    case 'hmac': {
      const { scheme, algorithm = 'sha256', key = 'text', encoding = 'hex', prefix = '' } = sign;
      const { message, header, query } = sign;
      return {
        scheme,
        algorithm,
        key,
        message: message.replaceAll('\\n', '\n'),
        encoding,
        header,
        query,
        prefix,
      };
    }
    case 'jwt': {
      const { scheme, algorithm, claims = {}, expires } = sign;
      const lifetime = expires === undefined ? undefined : parseDuration(expires);
      return { scheme, algorithm, keyId: sign['key-id'], claims, expires: lifetime ?? DEFAULT_EXPIRY };
    }
    case 'github-app': {
      const { scheme, app, installation, repositories, permissions, api = 'api.github.com' } = sign;
      return { scheme, app: String(app), installation, repositories, permissions, api };
    }
  }
}

/** As a profile says it, with its defaults: the opposite of `toSigning`. */
export function fromSigning(sign: Signing | undefined): object | undefined {
  switch (sign?.scheme) {
    case undefined:
      return undefined;
    case 'aws-sigv4':
      return { scheme: sign.scheme, service: sign.services, region: sign.regions };
    case 'hmac':
      return {
        ...sign,
        message: sign.message.replaceAll('\n', '\\n'),
        prefix: sign.prefix === '' ? undefined : sign.prefix,
      };
    case 'jwt': {
      const { keyId, expires, claims, ...same } = sign;
      return { ...same, 'key-id': keyId, claims, expires: formatDuration(expires) };
    }
    case 'github-app':
      return { ...sign };
  }
}

const PART = /\{([a-z0-9-]+)(?::([A-Za-z0-9-]{1,64}))?\}/g;
/** The parts of a request that a message may contain; `header` names one. */
const MESSAGE_PARTS = ['method', 'path', 'query', 'target', 'host', 'body', 'body-sha256', 'header'];

/** What is wrong across the keys of `sign`; `undefined`: nothing. `path`: the key, below `sign`. */
export function signingProblem(
  sign: SigningFile,
): { readonly key: string; readonly message: string } | undefined {
  if (sign.scheme === 'jwt') {
    for (const name of ['iat', 'exp', 'nbf'])
      if (sign.claims !== undefined && Object.hasOwn(sign.claims, name))
        return { key: 'claims', message: `cannot set "${name}": the gate does` };
    const lifetime = sign.expires === undefined ? undefined : parseDuration(sign.expires);
    if (lifetime !== undefined && (lifetime < 60_000 || lifetime > 86_400_000))
      return { key: 'expires', message: 'must be between 1m and 24h' };
  }
  if (sign.scheme !== 'hmac') return undefined;
  if ((sign.header === undefined) === (sign.query === undefined))
    return { key: 'scheme', message: 'needs one of "header" and "query"' };
  if (sign.prefix !== undefined && sign.header === undefined)
    return { key: 'prefix', message: 'has no effect without "header"' };
  for (const [, part = '', name] of sign.message.matchAll(PART)) {
    if (!MESSAGE_PARTS.includes(part) || (part === 'header') !== (name !== undefined))
      return {
        key: 'message',
        message: `has an unknown part "{${part}}": there are ${MESSAGE_PARTS.join(', ')}:NAME`,
      };
  }
  if (!PART.test(sign.message)) return { key: 'message', message: 'contains nothing of the request' };
  PART.lastIndex = 0;
  return undefined;
}

/** Replaces each part of a message by what `read` returns. */
export function fillMessage(
  message: string,
  read: (part: string, name: string | undefined) => Buffer,
): Buffer {
  const pieces: Buffer[] = [];
  let at = 0;
  for (const match of message.matchAll(PART)) {
    pieces.push(Buffer.from(message.slice(at, match.index)), read(match[1] ?? '', match[2]));
    at = match.index + match[0].length;
  }
  return Buffer.concat([...pieces, Buffer.from(message.slice(at))]);
}
