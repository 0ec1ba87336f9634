// How Warder says who it is at a token endpoint (RFC 6749 section 2.3, RFC 7523 section 2.2).
import { createPrivateKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import { SignJWT } from 'jose';
import { type ClientAuth, ClientSecretPost, None } from 'oauth4webapi';
import { WarderError } from '../../errors.ts';
import type { AuthorizationServer } from './authorization-server.ts';
import { type OAuthParts, randomText } from './parts.ts';
import type { ClientKey, ClientRegistration } from './registration.ts';

/** Seconds that a signed assertion is valid. */
const ASSERTION_LIFETIME = 60;

/** The client authentication of a registration, for one request. Throws `sign-in-failed` where it is incomplete. */
export function clientAuth(
  parts: OAuthParts,
  registration: ClientRegistration,
  { tokenAuthAlgorithms }: Pick<AuthorizationServer, 'tokenAuthAlgorithms'>,
): ClientAuth {
  const { authMethod, clientSecret, key } = registration;
  if (authMethod === 'none') return None();
  if (authMethod === 'private_key_jwt' && key !== undefined) {
    return async (server, client, body) => {
      const { client_id: clientId } = client;
      const { issuer } = server;
      const assertion = await signAssertion(parts, key, { clientId, issuer, listed: tokenAuthAlgorithms });
      body.set('client_assertion_type', 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer');
      body.set('client_assertion', assertion);
      body.set('client_id', clientId);
    };
  }
  if (clientSecret === undefined) {
    throw new WarderError('sign-in-failed', `the client "${registration.clientId}" has no secret`, {
      hint: 'set "client-secret" in the profile, and store it',
    });
  }
  return authMethod === 'client_secret_post' ? ClientSecretPost(clientSecret) : basic(clientSecret);
}

/**
 * RFC 6749 section 2.3.1: id and secret form-encoded, then Basic. Only what must be encoded is: servers that forget to
 * decode understand ids with `-`, `_` and `.`, too, which oauth4webapi encodes.
 */
function basic(secret: string): ClientAuth {
  return (_server, client, _body, headers) => {
    const encoded = `${formEncode(client.client_id)}:${formEncode(secret)}`;
    headers.set('authorization', `Basic ${Buffer.from(encoded).toString('base64')}`);
  };
}

function formEncode(text: string): string {
  return encodeURIComponent(text)
    .replace(/[!'()]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll('%20', '+');
}

/** The audience is the issuer alone (draft-ietf-oauth-rfc7523bis), so that no other server can use the assertion. */
async function signAssertion(
  parts: OAuthParts,
  key: ClientKey,
  about: {
    readonly clientId: string;
    readonly issuer: string;
    readonly listed: readonly string[] | undefined;
  },
): Promise<string> {
  const { clientId, issuer, listed } = about;
  const now = Math.floor(parts.clock.now() / 1000);
  const { privateKey, algorithm } = readKey(key, listed);
  return new SignJWT({})
    .setProtectedHeader({ alg: algorithm, typ: 'JWT', ...(key.id !== undefined && { kid: key.id }) })
    .setIssuer(clientId)
    .setSubject(clientId)
    .setAudience(issuer)
    .setIssuedAt(now)
    .setNotBefore(now)
    .setExpirationTime(now + ASSERTION_LIFETIME)
    .setJti(randomText(parts, 24))
    .sign(privateKey);
}

const CURVES: Readonly<Record<string, string>> = {
  prime256v1: 'ES256',
  secp384r1: 'ES384',
  secp521r1: 'ES512',
};

/**
 * Reads a client's key, and finds the algorithm that it signs with: the profile's, else the first of the key's that the
 * server lists. Throws `sign-in-failed`; never shows the key.
 */
function readKey(
  key: ClientKey,
  listed: readonly string[] | undefined,
): { readonly privateKey: KeyObject; readonly algorithm: string } {
  let privateKey: KeyObject;
  try {
    const text = key.key.trim();
    privateKey = text.startsWith('{')
      ? createPrivateKey({ key: JSON.parse(text) as JsonWebKey, format: 'jwk' })
      : createPrivateKey(text);
  } catch {
    // The cause could quote the key.
    throw keyError('it is neither PEM nor a JSON Web Key, or has a passphrase');
  }
  const algorithms = algorithmsOf(privateKey);
  const algorithm = key.algorithm ?? algorithms.find((one) => listed?.includes(one)) ?? algorithms[0];
  if (algorithm === undefined)
    throw keyError('it is of a kind that signs no tokens; RSA keys need 2048 bits');
  if (!algorithms.includes(algorithm)) throw keyError(`it cannot sign with ${algorithm}`);
  return { privateKey, algorithm };
}

function algorithmsOf({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): readonly string[] {
  if (asymmetricKeyType === 'ed25519') return ['EdDSA', 'Ed25519'];
  if (asymmetricKeyType === 'ec') {
    const algorithm = CURVES[asymmetricKeyDetails?.namedCurve ?? ''];
    return algorithm === undefined ? [] : [algorithm];
  }
  if (asymmetricKeyType !== 'rsa' || (asymmetricKeyDetails?.modulusLength ?? 0) < 2048) return [];
  return ['RS256', 'PS256', 'RS384', 'PS384', 'RS512', 'PS512'];
}

function keyError(reason: string): WarderError {
  return new WarderError('sign-in-failed', `the private key of the client is not used: ${reason}`, {
    hint: 'store the key again; "auth: {private-key: …, algorithm: …}" in the profile names both',
  });
}
