// The authority of one session: it signs the certificates that the gate presents for the hosts of sealed credentials.
// Its keys are generated in memory, never leave this object, and are gone with it; its certificate is trusted in the
// session's own sandbox alone, and even there for those hosts only (name constraints, RFC 5280 4.2.1.10).
//
// Two certificates carry the constraints: a trust anchor, and below it the one that signs. Java does not apply the
// constraints of a trust anchor (RFC 5280 6.1 leaves that open), only those between the anchor and the server. The
// anchor's key signs once and is not kept.
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { createSecureContext, type SecureContext } from 'node:tls';
import { type Issuer, issueAuthority, issueServer, type Validity, writePem } from './certificate.ts';

const HOUR = 3_600_000;
/** A sandbox's clock is the machine's, but a machine's clock may be set back. */
const BACKDATED = HOUR;
const LIFETIME = 397 * 24 * HOUR;
/** Names whose contexts are kept. Below a wildcard a server can make up any number of names. */
const MAX_CONTEXTS = 256;

/** Signs for servers, with the certificates that lead from it to the anchor. */
export interface Signer extends Issuer {
  /** The signer's certificate, PEM, which a server presents after its own. */
  readonly certificate: string;
  /** The trust anchor of clients, DER. */
  readonly anchor: Buffer;
}

/** A signer constrained to names and all below them: `AuthorityParts.permitted`. */
export function createSigner(name: string, validity: Validity, permitted: readonly string[]): Signer {
  const root: Issuer = { name, ...generateKeys() };
  const signer: Issuer = { name: `${name}, signer`, ...generateKeys() };
  const shared = { issuer: root, validity, permitted };
  return {
    ...signer,
    certificate: writePem(issueAuthority({ ...shared, subject: signer, pathLength: 0 })),
    anchor: issueAuthority({ ...shared, subject: root, pathLength: 1 }),
  };
}

/** Keys on the curve that every client supports. */
export function generateKeys() {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' });
}

export class Authority {
  /** The certificate that the sandbox trusts, PEM. */
  readonly certificate: string;
  readonly der: Buffer;
  readonly #signer: Signer;
  readonly #validity: Validity;
  readonly #permitted: readonly string[];
  /** By name, the least recently used first. */
  readonly #contexts = new Map<string, SecureContext>();

  private constructor(signer: Signer, validity: Validity, permitted: readonly string[]) {
    this.der = signer.anchor;
    this.certificate = writePem(signer.anchor);
    this.#signer = signer;
    this.#validity = validity;
    this.#permitted = permitted;
  }

  /**
   * `permitted`: the hosts of sealed credentials as a profile lists them, at least one: in lower case, `*.name` for
   * any name below, and with ports, which certificates do not know. `now`: milliseconds since 1970. Throws
   * `RangeError` without a host.
   */
  static create(permitted: readonly string[], now: number): Authority {
    const validity = { notBefore: now - BACKDATED, notAfter: now + LIFETIME };
    const names = permitted.map((host) => host.replace(/:\d+$/, ''));
    const subtrees = new Set(names.map((name) => name.replace(/^\*\./, '')));
    const name = `Warder session ${randomBytes(8).toString('hex')}`;
    return new Authority(createSigner(name, validity, [...subtrees]), validity, names);
  }

  /**
   * The context of the gate's handshake for a host, in lower case. Throws `RangeError` for a host that is not
   * permitted.
   */
  contextFor(name: string): SecureContext {
    const context = this.#contexts.get(name) ?? this.#make(name);
    this.#contexts.delete(name);
    this.#contexts.set(name, context);
    const [oldest] = this.#contexts.keys();
    if (this.#contexts.size > MAX_CONTEXTS && oldest !== undefined) this.#contexts.delete(oldest);
    return context;
  }

  #make(name: string): SecureContext {
    if (!this.#permits(name)) throw new RangeError(`no certificate for "${name}": nothing is sealed for it`);
    const { privateKey, publicKey } = generateKeys();
    const certificate = writePem(issueServer(this.#signer, this.#validity, [name], publicKey));
    return createSecureContext({
      cert: certificate + this.#signer.certificate,
      key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
      minVersion: 'TLSv1.2',
      ca: [], // no client's certificate is asked for; without this line all of Node's roots are read
    });
  }

  #permits(name: string): boolean {
    return this.#permitted.some((host) =>
      host.startsWith('*.') ? name.endsWith(host.slice(1)) : name === host,
    );
  }
}
