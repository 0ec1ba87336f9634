// Tokens that are made with a private key, and sent instead of it: JWTs by `jose`, and with such a JWT the installation
// tokens of a GitHub App. A token is made when it is first needed, and kept until shortly before it expires.
import { createPrivateKey, type KeyObject } from 'node:crypto';
import { SignJWT } from 'jose';
import type { JwtSigning, TokenSigning } from '../profile/signing.ts';

export interface MadeToken {
  readonly token: string;
  /** Milliseconds since 1970. */
  readonly expires: number;
}

/** Reads a private key for an algorithm (RFC 7518 3.1, RFC 8037). `undefined` if it is none, or of another kind. */
export function readPrivateKey(pem: string, algorithm: string): KeyObject | undefined {
  try {
    const key = createPrivateKey(pem);
    const { namedCurve, modulusLength = 0 } = key.asymmetricKeyDetails ?? {};
    const type = key.asymmetricKeyType;
    const curves: Readonly<Record<string, string>> = {
      ES256: 'prime256v1',
      ES384: 'secp384r1',
      ES512: 'secp521r1',
    };
    const fits = /^[RP]S/.test(algorithm)
      ? type === 'rsa' && modulusLength >= 2048
      : algorithm === 'EdDSA'
        ? type === 'ed25519'
        : type === 'ec' && namedCurve === curves[algorithm];
    return fits ? key : undefined;
  } catch {
    return undefined;
  }
}

/** The algorithm of the key that a scheme needs. */
export function keyAlgorithm(sign: TokenSigning): string {
  return sign.scheme === 'jwt' ? sign.algorithm : 'RS256';
}

/** Signs a JWT. Throws where the key does not fit: see `readPrivateKey`. */
export async function makeJwt(pem: string, sign: JwtSigning, now: number): Promise<MadeToken> {
  const key = readPrivateKey(pem, sign.algorithm);
  if (key === undefined) throw new RangeError('the key does not fit the algorithm');
  const issued = Math.floor(now / 1000);
  const expires = issued + Math.floor(sign.expires / 1000);
  const header = { alg: sign.algorithm, typ: 'JWT', ...(sign.keyId !== undefined && { kid: sign.keyId }) };
  const token = await new SignJWT({ ...sign.claims })
    .setProtectedHeader(header)
    .setIssuedAt(issued - CLOCK_SKEW)
    .setExpirationTime(expires)
    .sign(key);
  return { token, expires: expires * 1000 };
}

/** Seconds by which the clock of whoever reads a JWT may be slow. */
const CLOCK_SKEW = 60;
/** GitHub accepts no longer time than 10 minutes, from its own clock. */
const APP_JWT = 9 * 60_000;

/** The JWT by which a GitHub App asks for an installation token. */
export function makeAppJwt(pem: string, app: string, now: number): Promise<MadeToken> {
  const sign = {
    scheme: 'jwt',
    algorithm: 'RS256',
    keyId: undefined,
    claims: { iss: app },
    expires: APP_JWT,
  } as const;
  return makeJwt(pem, sign, now);
}

/** A text of the kind of the tokens that a scheme makes, after which the placeholder is shaped. */
export function sampleToken(sign: TokenSigning): string {
  if (sign.scheme === 'github-app') return `ghs_${'A1b2C3d4E5'.repeat(4).slice(0, 36)}`;
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: sign.algorithm, typ: 'JWT' })}.${part({ exp: 4_102_444_800 })}.${'A1b2C3d4'.repeat(8)}`;
}
