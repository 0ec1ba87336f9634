// Proofs of possession (RFC 9449): a token that is bound to a key is of no use to whoever steals the token alone.
import { importJWK, SignJWT } from 'jose';
import type { AuthorizationServer } from './authorization-server.ts';
import type { Challenge } from './challenge.ts';
import { type OAuthParts, randomText } from './parts.ts';
import type { ResourceMetadata } from './resource-metadata.ts';
import type { DpopKey } from './token-set.ts';

const ALGORITHM = 'ES256';

/** Whether tokens are bound: the remote server asks for it or takes it, and its authorization server can. */
export function wantsDpop(
  server: AuthorizationServer,
  metadata: ResourceMetadata | undefined,
  challenge: Challenge | undefined,
): boolean {
  if (server.dpopAlgorithms?.includes(ALGORITHM) !== true) return false;
  const { dpopAlgorithms: listed, dpopRequired = false } = metadata ?? {};
  if (listed !== undefined && !listed.includes(ALGORITHM)) return false;
  const challenged = challenge?.scheme === 'dpop' && challenge.dpopAlgorithms?.includes(ALGORITHM) !== false;
  return challenged || dpopRequired || listed !== undefined;
}

/** A new key pair. */
export async function makeDpopKey(): Promise<DpopKey> {
  const pair = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, [
    'sign',
    'verify',
  ]);
  const { x = '', y = '', d = '' } = await crypto.subtle.exportKey('jwk', pair.privateKey);
  return { kty: 'EC', crv: 'P-256', x, y, d };
}

export interface ProvenRequest {
  readonly method: string;
  readonly url: URL;
  /** The token that the request carries; undefined at a token endpoint. */
  readonly accessToken?: string;
}

/** Origins whose nonces are remembered. */
const MAX_NONCES = 100;
/** Characters of a nonce (RFC 9449 section 8.1). */
const NONCE = /^[\x21\x23-\x5b\x5d-\x7e]{1,1024}$/;

/** Proofs with one key, and the nonces that servers gave for them. */
export class Dpop {
  readonly key: DpopKey;
  readonly #parts: Pick<OAuthParts, 'clock' | 'random'>;
  readonly #nonces = new Map<string, string>();
  #imported: ReturnType<typeof importJWK> | undefined;

  constructor(parts: Pick<OAuthParts, 'clock' | 'random'>, key: DpopKey) {
    this.#parts = parts;
    this.key = key;
  }

  /** The value of the `DPoP` header for one request; another is needed for each. */
  async proof({ method, url, accessToken }: ProvenRequest): Promise<string> {
    const { kty, crv, x, y } = this.key;
    const nonce = this.#nonces.get(url.origin);
    this.#imported ??= importJWK({ ...this.key }, ALGORITHM);
    return new SignJWT({
      htm: method.toUpperCase(),
      htu: url.origin + url.pathname,
      ...(accessToken !== undefined && { ath: await hashOf(accessToken) }),
      ...(nonce !== undefined && { nonce }),
    })
      .setProtectedHeader({ alg: ALGORITHM, typ: 'dpop+jwt', jwk: { kty, crv, x, y } })
      .setIssuedAt(Math.floor(this.#parts.clock.now() / 1000))
      .setJti(randomText(this.#parts, 16))
      .sign(await this.#imported);
  }

  /** Keeps the nonce of a response for the next proof at this origin. Returns whether it is a new one. */
  remember(url: URL, headers: Pick<Headers, 'get'>): boolean {
    const nonce = headers.get('dpop-nonce');
    if (nonce === null || !NONCE.test(nonce) || this.#nonces.get(url.origin) === nonce) return false;
    this.#nonces.delete(url.origin);
    const oldest = this.#nonces.keys().next().value;
    if (this.#nonces.size >= MAX_NONCES && oldest !== undefined) this.#nonces.delete(oldest);
    this.#nonces.set(url.origin, nonce);
    return true;
  }
}

async function hashOf(token: string): Promise<string> {
  return Buffer.from(await crypto.subtle.digest('SHA-256', Buffer.from(token))).toString('base64url');
}
