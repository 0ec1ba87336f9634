// The proxy of the settings, through which all sessions go. Where this machine has resolved a public name, the proxy is
// asked for the address that was judged: if it were asked for the name, it would resolve it again, perhaps to another.
// Some proxies refuse addresses. One that has never granted one is asked for the name instead, for some minutes; so is
// every proxy for a name that this machine does not know. The record then says that no address was judged.
import * as net from 'node:net';
import type { SecureContext } from 'node:tls';
import { LOOPBACK, matchesHost } from '../../profile/host.ts';
import { canonicalAddress } from './address.ts';
import { connectAny, type DialAttempt, type Dialled, type ProxiedTarget } from './connect.ts';
import { basicCredentials, openTunnel, TunnelRefusal } from './proxy-tunnel.ts';

export interface UpstreamProxyOptions {
  /** http: or https:, with user and password if it needs them. */
  readonly url: URL;
  /** Hosts that are dialled directly. */
  readonly except: readonly string[];
  /** The authorities that an https: proxy is verified against; the usual roots where undefined. */
  readonly trusted?: SecureContext | undefined;
}

/** What a server wants to reach. `judged`: its addresses where they are public and may be dialled, in order. */
export interface ProxiedHost {
  readonly name: string;
  readonly port: number;
  readonly judged: readonly string[];
}

/** Milliseconds for which a proxy that has refused an address is asked for names. */
const REFUSAL_MEMORY = 10 * 60_000;

export class UpstreamProxy {
  readonly #options: UpstreamProxyOptions;
  readonly #login: string | undefined;
  readonly #host: string;
  readonly #secure: boolean;
  /** It has granted an address. */
  #takesAddresses = false;
  /** Milliseconds of the monotonic clock. */
  #asksNamesUntil = 0;

  /** Throws URIError where the user or password is badly encoded. */
  constructor(options: UpstreamProxyOptions) {
    this.#options = options;
    this.#login = basicCredentials(options.url);
    this.#host = options.url.hostname.replace(/^\[(.*)\]$/, '$1');
    this.#secure = options.url.protocol === 'https:';
  }

  /** Whether a host is dialled directly. This machine's own programs always are: the proxy's would be others. */
  isBypassed(name: string, port: number): boolean {
    if (name === 'localhost' || name.endsWith('.localhost') || name === LOOPBACK || name === '::1')
      return true;
    return this.#options.except.some((pattern) => matchesHost(pattern, name, port, port));
  }

  /** A tunnel to a host. `resolve` is for the proxy's own name. Throws what failed, with a short message. */
  async connect(
    { name, port, judged }: ProxiedHost,
    resolve: (name: string) => Promise<readonly string[]>,
    attempt: DialAttempt,
  ): Promise<Dialled> {
    const resolved = net.isIP(this.#host) === 0 ? await resolve(this.#host) : [this.#host];
    const addresses = resolved.flatMap((address) => canonicalAddress(address) ?? []);
    if (addresses.length === 0) throw new Error('the proxy does not resolve');
    const tunnel = (host: string, proxied: ProxiedTarget): Promise<Dialled> =>
      this.#tunnel(addresses, `${net.isIPv6(host) ? `[${host}]` : host}:${port}`, proxied, attempt);

    let failure: unknown;
    for (const target of performance.now() < this.#asksNamesUntil ? [] : judged) {
      try {
        const dialled = await tunnel(target, { target });
        this.#takesAddresses = true;
        return dialled;
      } catch (error) {
        if (!(error instanceof TunnelRefusal)) throw error;
        failure = error;
        if (!this.#takesAddresses && error.isOfRequest) {
          this.#asksNamesUntil = performance.now() + REFUSAL_MEMORY;
          failure = undefined;
          break;
        }
      }
    }
    if (failure !== undefined) throw failure;
    return tunnel(name, { target: undefined });
  }

  async #tunnel(
    addresses: readonly string[],
    authority: string,
    proxied: ProxiedTarget,
    attempt: DialAttempt,
  ): Promise<Dialled> {
    const port = Number(this.#options.url.port) || (this.#secure ? 443 : 80);
    const { socket, address } = await connectAny(addresses, port, attempt, proxied);
    const request = {
      host: this.#host,
      secure: this.#secure,
      trusted: this.#options.trusted,
      login: this.#login,
      authority,
    };
    return { socket: await openTunnel(socket, request, attempt.signal), address };
  }
}
