// ID tokens (OpenID Connect Core section 3.1.3.7), where OpenID Connect was asked for.
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTPayload, jwtVerify } from 'jose';
import { WarderError } from '../../errors.ts';
import type { AuthorizationServer } from './authorization-server.ts';
import { fetchMetadata } from './metadata.ts';
import { metadataError } from './metadata-error.ts';
import type { OAuthParts } from './parts.ts';
import { readClaims } from './token-check.ts';

/** Algorithms with a public key; `none` and those with a shared secret prove nothing here. */
const ASYMMETRIC = [
  'RS256',
  'PS256',
  'ES256',
  'EdDSA',
  'Ed25519',
  'RS384',
  'PS384',
  'ES384',
  'RS512',
  'PS512',
  'ES512',
];

/** Seconds by which the clocks may differ. */
const CLOCK_TOLERANCE = 60;

export interface IdTokenUse {
  readonly idToken: string;
  readonly clientId: string;
  /** Of the sign-in; of a renewed token the old one, whose person and nonce it has (OpenID Connect Core section 12.2). */
  readonly expected: { readonly nonce: string } | { readonly before: string };
}

/** Verifies signature, issuer, audience, times and nonce. Throws `sign-in-failed`; `server-metadata` where keys are missing. */
export async function checkIdToken(
  parts: OAuthParts,
  server: AuthorizationServer,
  { idToken, clientId, expected }: IdTokenUse,
): Promise<void> {
  const keys =
    server.jwksUri && (await fetchMetadata(parts, server.jwksUri, 'keys of the authorization server'));
  if (!keys) {
    throw metadataError(`the authorization server ${server.issuer} shows no keys for its ID tokens`);
  }
  const algorithms = ASYMMETRIC.filter((one) => (server.idTokenAlgorithms ?? ['RS256']).includes(one));
  try {
    const { payload } = await jwtVerify(idToken, createLocalJWKSet(keys.json as unknown as JSONWebKeySet), {
      algorithms,
      issuer: server.issuer,
      audience: clientId,
      currentDate: new Date(parts.clock.now()),
      clockTolerance: CLOCK_TOLERANCE,
      requiredClaims: ['sub', 'exp', 'iat'],
    });
    if (!belongs(payload, expected)) throw refused(server, 'it does not belong to this sign-in');
    const others = Array.isArray(payload.aud) && payload.aud.length > 1;
    if ((others || payload.azp !== undefined) && payload.azp !== clientId)
      throw refused(server, 'it is for another client');
  } catch (error) {
    if (error instanceof WarderError) throw error;
    // The claims in jose's errors stay out of the message.
    throw refused(
      server,
      error instanceof errors.JOSEError
        ? (REASONS[error.code] ?? 'it is no valid JWT')
        : 'it is no valid JWT',
    );
  }
}

function belongs(payload: JWTPayload, expected: IdTokenUse['expected']): boolean {
  if ('nonce' in expected) return payload.nonce === expected.nonce;
  const before = readClaims(expected.before)?.claims;
  return payload.sub === before?.sub && (payload.nonce === undefined || payload.nonce === before?.nonce);
}

const REASONS: Readonly<Record<string, string>> = {
  ERR_JWS_SIGNATURE_VERIFICATION_FAILED: 'its signature is wrong',
  ERR_JWT_EXPIRED: 'it has expired',
  ERR_JWT_CLAIM_VALIDATION_FAILED: 'it is of another issuer or for another client',
  ERR_JWKS_NO_MATCHING_KEY: 'no key of the server fits it',
  ERR_JWKS_MULTIPLE_MATCHING_KEYS: 'several keys of the server fit it',
  ERR_JOSE_ALG_NOT_ALLOWED: 'it is signed in a way that proves nothing',
};

function refused({ issuer }: AuthorizationServer, reason: string): WarderError {
  return new WarderError('sign-in-failed', `the ID token of ${issuer} is not used: ${reason}`, {
    hint: 'sign in again; if it stays, tell whoever runs the server',
  });
}
