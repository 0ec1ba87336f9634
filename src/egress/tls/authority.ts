// The authority of one session: it signs the certificates that the gate shows for the hosts of sealed credentials. Its
// keys are made in memory, never leave this object, and are gone with it; its certificate is trusted in the session's
// own sandbox alone, and even there for those hosts only (name constraints, RFC 5280 4.2.1.10).
//
// Two certificates say so: an anchor, and below it the one that signs. Java does not ask what a trust anchor is bound
// to (RFC 5280 6.1 leaves that open), only what stands between the anchor and the server. The anchor's key signs once
// and is not kept.
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { createSecureContext, type SecureContext } from 'node:tls';
import { type Issuer, issueAuthority, issueServer, type Validity, writePem } from './certificate.ts';

const HOUR = 3_600_000;
/** A sandbox' clock is the machine's, but a machine's clock may be set back. */
const BEFORE = HOUR;
const AFTER = 397 * 24 * HOUR;
/** Names whose contexts are kept. Below a wildcard a server makes up as many names as it likes. */
const MOST_CONTEXTS = 256;

/** Who signs for servers, with what leads from it to the anchor. */
export interface Signer extends Issuer {
  /** The signer's certificate, PEM, which a server shows below its own. */
  readonly link: string;
  /** What clients trust, DER. */
  readonly anchor: Buffer;
}

/** A signer bound to names and all below them: `AuthorityParts.permitted`. */
export function makeSigner(name: string, validity: Validity, permitted: readonly string[]): Signer {
  const root: Issuer = { name, ...makeKeys() };
  const signer: Issuer = { name: `${name}, signer`, ...makeKeys() };
  const shared = { issuer: root, validity, permitted };
  return {
    ...signer,
    link: writePem(issueAuthority({ ...shared, subject: signer, depth: 0 })),
    anchor: issueAuthority({ ...shared, subject: root, depth: 1 }),
  };
}

/** Keys on the curve that every client knows. */
export function makeKeys() {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' });
}

export class Authority {
  /** What the sandbox trusts, PEM. */
  readonly certificate: string;
  readonly der: Buffer;
  readonly #signer: Signer;
  readonly #validity: Validity;
  readonly #permitted: readonly string[];
  /** By name, the one used longest ago first. */
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
    const validity = { from: now - BEFORE, until: now + AFTER };
    const names = permitted.map((host) => host.replace(/:\d+$/, ''));
    const subtrees = new Set(names.map((one) => one.replace(/^\*\./, '')));
    const name = `Warder session ${randomBytes(8).toString('hex')}`;
    return new Authority(makeSigner(name, validity, [...subtrees]), validity, names);
  }

  /**
   * What the gate answers a handshake with for a host, in lower case. Throws `RangeError` for one that is not
   * permitted.
   */
  contextFor(name: string): SecureContext {
    const context = this.#contexts.get(name) ?? this.#make(name);
    this.#contexts.delete(name);
    this.#contexts.set(name, context);
    const [oldest] = this.#contexts.keys();
    if (this.#contexts.size > MOST_CONTEXTS && oldest !== undefined) this.#contexts.delete(oldest);
    return context;
  }

  #make(name: string): SecureContext {
    if (!this.#permits(name)) throw new RangeError(`no certificate for "${name}": nothing is sealed for it`);
    const { privateKey, publicKey } = makeKeys();
    const own = writePem(issueServer(this.#signer, this.#validity, [name], publicKey));
    return createSecureContext({
      cert: own + this.#signer.link,
      key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
      minVersion: 'TLSv1.2',
      ca: [], // no client's certificate is asked for; without this line all of Node's roots are read
    });
  }

  #permits(name: string): boolean {
    return this.#permitted.some((one) => (one.startsWith('*.') ? name.endsWith(one.slice(1)) : name === one));
  }
}
