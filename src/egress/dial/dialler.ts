// Dials hosts. A name is resolved at each dial, and exactly the address that was checked is dialled, so a name that
// changes its address in between (DNS rebinding) gains nothing. The addresses are tried one after the other, not at
// once (RFC 8305 would race them): each is recorded before a packet goes to it, and no packet goes to one that is not
// used. An address that does not answer is given up after a second; the last may take the time that is left.
import { normalizeName } from '../../profile/host.ts';
import { abortable } from '../connection/wait.ts';
import type { Resolve } from '../names/resolver.ts';
import { EgressRefusal } from '../refusal.ts';
import { canonicalAddress, dialRefusal, orderByFamily } from './address.ts';
import { connectAny, type DialAttempt, type Dialled } from './connect.ts';
import { IPV4_ONLY, type Nat64Prefix, nat64Prefixes } from './nat64.ts';
import type { UpstreamProxy } from './upstream-proxy.ts';

export interface DiallerParts {
  readonly resolve: Resolve;
  /** This machine's own addresses; read at each dial. */
  readonly localAddresses: () => ReadonlySet<string>;
  /** The proxy of the settings. */
  readonly proxy?: UpstreamProxy | undefined;
  /** Hosts may be named by their address. */
  readonly takesAddresses?: boolean;
  /** Milliseconds for a whole dial. */
  readonly timeout?: number;
}

const TIMEOUT = 15_000;
/** Milliseconds for a name that a proxy may know better than this machine. */
const PROXIED_LOOKUP_TIMEOUT = 3000;
/** Milliseconds for the name that tells how the network translates, and for which the answer holds. */
const NAT64_LOOKUP_TIMEOUT = 1500;
const NAT64_LIFETIME = 300_000;

/** Dials for one session. */
export class Dialler {
  readonly #parts: DiallerParts;
  readonly #timeout: number;
  #nat64: { readonly prefixes: Promise<readonly Nat64Prefix[]>; readonly until: number } | undefined;

  constructor(parts: DiallerParts) {
    this.#parts = parts;
    this.#timeout = parts.timeout ?? TIMEOUT;
  }

  /**
   * A connection to a listed host, paused, half-open allowed, and the address that was dialled (the proxy's, where
   * one is used). `opens` says which addresses the profile opens to this host. `onAddress` is called with each address
   * before it is tried: if it throws, nothing is dialled and the error is passed on. Throws EgressRefusal where no
   * address may be dialled, and an Error with a short message, or the system's own, where none can be reached.
   */
  async dial(
    name: string,
    port: number,
    opens: (address: string) => boolean,
    onAddress: DialAttempt['onAddress'],
    signal?: AbortSignal,
  ): Promise<Dialled> {
    const normalized =
      normalizeName(name) ?? (this.#parts.takesAddresses === true ? canonicalAddress(name) : undefined);
    if (normalized === undefined) throw new EgressRefusal('it is not a host name');
    const limit = AbortSignal.timeout(this.#timeout);
    const attempt = { onAddress, signal: signal === undefined ? limit : AbortSignal.any([limit, signal]) };
    try {
      const { proxy } = this.#parts;
      return proxy === undefined || proxy.isBypassed(normalized, port)
        ? await this.#dialDirect(normalized, port, opens, attempt)
        : await this.#dialThroughProxy(proxy, normalized, port, opens, attempt);
    } catch (error) {
      // An error caused by the timeout says so.
      if (limit.aborted && !(error instanceof EgressRefusal))
        throw new Error('does not answer in time', { cause: error });
      throw error;
    }
  }

  async #dialDirect(
    name: string,
    port: number,
    opens: (address: string) => boolean,
    attempt: DialAttempt,
  ): Promise<Dialled> {
    const known = await this.#lookUp(name, attempt.signal);
    const nat64 = await this.#prefixesFor(known);
    const { allowed, refusal } = this.#filterAddresses(known, opens, nat64);
    if (allowed.length === 0) throw refusal ?? new Error('does not resolve');
    const { socket, address } = await connectAny(allowed, port, attempt);
    // A connection to oneself has the same address at both ends. This catches what no list of interfaces shows.
    if (socket.localAddress === socket.remoteAddress && !opens(address)) {
      socket.destroy();
      throw new EgressRefusal(resolvesTo(address, 'an address of this machine'));
    }
    return { socket, address };
  }

  async #dialThroughProxy(
    proxy: UpstreamProxy,
    name: string,
    port: number,
    opens: (address: string) => boolean,
    attempt: DialAttempt,
  ): Promise<Dialled> {
    // The proxy may know names that this machine does not. Addresses that this machine knows and that are not allowed
    // are refused here; one such address is enough, as a proxy that resolves the name itself chooses.
    const limit = AbortSignal.any([attempt.signal, AbortSignal.timeout(PROXIED_LOOKUP_TIMEOUT)]);
    const known = await this.#lookUp(name, limit).catch(() => []);
    attempt.signal.throwIfAborted();
    const nat64 = await this.#prefixesFor(known);
    const { allowed, refusal } = this.#filterAddresses(known, opens, nat64);
    if (refusal !== undefined) throw refusal;
    const localAddresses = this.#parts.localAddresses();
    // What only a range opens is inside, where proxies know names rather than addresses.
    const isPublic = (address: string): boolean =>
      dialRefusal(address, localAddresses, () => false, nat64) === undefined;
    const judged = allowed.every(isPublic) ? allowed : [];
    return proxy.connect({ name, port, judged }, (host) => this.#lookUp(host, attempt.signal), attempt);
  }

  #lookUp(name: string, signal: AbortSignal): Promise<string[]> {
    return canonicalAddress(name) === undefined
      ? abortable(signal, this.#parts.resolve(name))
      : Promise.resolve([name]);
  }

  /** How this network translates IPv6 addresses; asked only where there is one. Empty where nobody says so in time. */
  async #prefixesFor(addresses: readonly string[]): Promise<readonly Nat64Prefix[]> {
    if (!addresses.some((address) => address.includes(':') && address !== '::1')) return [];
    const now = performance.now();
    if (this.#nat64 === undefined || now > this.#nat64.until) {
      const prefixes = this.#lookUp(IPV4_ONLY, AbortSignal.timeout(NAT64_LOOKUP_TIMEOUT)).then(
        nat64Prefixes,
        () => [],
      );
      this.#nat64 = { prefixes, until: now + NAT64_LIFETIME };
    }
    return await this.#nat64.prefixes;
  }

  /**
   * Which of a name's addresses may be dialled, without duplicates, in the order to try them; and why the first of
   * the others may not.
   */
  #filterAddresses(
    addresses: readonly string[],
    opens: (address: string) => boolean,
    nat64: readonly Nat64Prefix[],
  ): { readonly allowed: readonly string[]; readonly refusal: EgressRefusal | undefined } {
    const localAddresses = this.#parts.localAddresses();
    const allowed = new Set<string>();
    let refusal: EgressRefusal | undefined;
    for (const address of addresses) {
      const canonical = canonicalAddress(address);
      const reason = dialRefusal(address, localAddresses, opens, nat64);
      if (reason === undefined && canonical !== undefined) allowed.add(canonical);
      else refusal ??= new EgressRefusal(resolvesTo(canonical ?? 'something', reason ?? 'no address'));
    }
    return { allowed: orderByFamily([...allowed], localAddresses), refusal };
  }
}

function resolvesTo(address: string, reason: string): string {
  return `resolves to ${address}, ${reason}`;
}
