// Makes diallers as the settings say it: with their name servers, and through their proxy.
import { networkInterfaces } from 'node:os';
import * as tls from 'node:tls';
import type { Clock } from '../../os/clock.ts';
import { Lookups } from '../names/lookups.ts';
import { type Resolve, resolverWith, systemResolver } from '../names/resolver.ts';
import { Dialler } from './dialler.ts';
import { UpstreamProxy } from './upstream-proxy.ts';

/** The proxy of the settings. `url`: with its login. */
export interface ProxyData {
  readonly url: string;
  /** Hosts that are dialled directly. */
  readonly except: readonly string[];
}

/** The part of it that is plain data, and no secret. */
export interface OutboundData {
  readonly resolvers: readonly string[];
  /** The authorities that hosts are verified against, PEM. */
  readonly authorities: readonly string[];
}

/** Verifies hosts against these authorities. */
export function trustContext(authorities: readonly string[]): tls.SecureContext {
  return tls.createSecureContext({ ca: [...authorities], minVersion: 'TLSv1.2' });
}

export class Diallers {
  readonly #resolve: Resolve;
  readonly #clock: Clock;
  /** One for all sessions: it remembers what it refuses. */
  #proxy: { readonly url: string; readonly proxy: UpstreamProxy } | undefined;

  constructor(resolvers: readonly string[], clock: Clock) {
    this.#resolve = resolvers.length > 0 ? resolverWith(resolvers) : systemResolver();
    this.#clock = clock;
  }

  /** A dialler for one session. `takesAddresses`: of hosts that may be addresses. Throws URIError for a login that is badly encoded. */
  make(proxy: ProxyData | undefined, trusted: () => tls.SecureContext, takesAddresses = false): Dialler {
    const lookups = new Lookups(this.#resolve, this.#clock);
    return new Dialler({
      resolve: (name) => lookups.resolve(name),
      localAddresses,
      proxy: proxy && this.#proxyAt(proxy, trusted),
      takesAddresses,
    });
  }

  #proxyAt({ url, except }: ProxyData, trusted: () => tls.SecureContext): UpstreamProxy {
    if (this.#proxy?.url !== url)
      this.#proxy = { url, proxy: new UpstreamProxy({ url: new URL(url), except, trusted: trusted() }) };
    return this.#proxy.proxy;
  }
}

function localAddresses(): ReadonlySet<string> {
  return new Set(
    Object.values(networkInterfaces()).flatMap((addresses = []) => addresses.map(({ address }) => address)),
  );
}
