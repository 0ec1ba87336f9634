// Dials hosts. A name is resolved at each dial, and exactly the address that was checked is dialled, so a name that
// changes its address in between (DNS rebinding) gains nothing. The addresses are tried one after the other, not at
// once (RFC 8305 would race them): each is recorded before a packet goes to it, and no packet goes to one that is not
// used. An address that does not answer is given up after a second; the last may take the time that is left.
import * as net from 'node:net';
import type { SecureContext } from 'node:tls';
import { matchesHost, normalizeName } from '../../profile/host.ts';
import { abortable, waitForEvent } from '../connection/wait.ts';
import type { Resolve } from '../names/resolver.ts';
import { EgressRefusal } from '../refusal.ts';
import { canonicalAddress, dialRefusal } from './address.ts';
import { basicCredentials, openTunnel } from './proxy-tunnel.ts';

export interface DiallerParts {
  readonly resolve: Resolve;
  /** This machine's own addresses; read at each dial. */
  readonly localAddresses: () => ReadonlySet<string>;
  /**
   * The proxy of the settings, http: or https:, with user and password if it needs them; `except` are hosts dialled
   * directly.
   */
  readonly proxy?: {
    readonly url: URL;
    readonly except: readonly string[];
    /** The authorities that an https: proxy is verified against; the usual roots where undefined. */
    readonly trusted?: SecureContext;
  };
  /** Milliseconds for a whole dial. */
  readonly timeout?: number;
}

/** One dial. `onAddress` is called with each address before the first packet goes to it, and may throw. */
interface DialAttempt {
  readonly onAddress: (address: string) => void;
  readonly signal: AbortSignal;
}

const TIMEOUT = 15_000;
/** Milliseconds for an address while there is another to try. */
const ADDRESS_TIMEOUT = 1000;

/** Dials for all sessions. */
export class Dialler {
  readonly #parts: DiallerParts;
  readonly #timeout: number;
  readonly #login: string | undefined;

  /** Throws URIError where the proxy's user or password is badly encoded. */
  constructor(parts: DiallerParts) {
    this.#parts = parts;
    this.#timeout = parts.timeout ?? TIMEOUT;
    this.#login = parts.proxy === undefined ? undefined : basicCredentials(parts.proxy.url);
  }

  /**
   * A connection to a listed host, paused, half-open allowed, and the address that was dialled (the proxy's, where
   * one is used). `opens` says which addresses the profile's ranges contain. `onAddress` is called with each address
   * before it is tried: if it throws, nothing is dialled and the error is passed on. Throws EgressRefusal where no
   * address may be dialled, and an Error with a short message, or the system's own, where none can be reached.
   */
  async dial(
    name: string,
    port: number,
    opens: (address: string) => boolean,
    onAddress: (address: string) => void,
    signal?: AbortSignal,
  ): Promise<{ socket: net.Socket; address: string }> {
    const normalized = normalizeName(name);
    if (normalized === undefined) throw new EgressRefusal('it is not a host name');
    const limit = AbortSignal.timeout(this.#timeout);
    const attempt = { onAddress, signal: signal === undefined ? limit : AbortSignal.any([limit, signal]) };
    try {
      return this.#bypassesProxy(normalized, port)
        ? await this.#dialDirect(normalized, port, opens, attempt)
        : await this.#dialThroughProxy(normalized, port, opens, attempt);
    } catch (error) {
      // An error caused by the timeout says so.
      if (limit.aborted && !(error instanceof EgressRefusal))
        throw new Error('does not answer in time', { cause: error });
      throw error;
    }
  }

  #bypassesProxy(name: string, port: number): boolean {
    const { proxy } = this.#parts;
    return proxy === undefined || proxy.except.some((pattern) => matchesHost(pattern, name, port, port));
  }

  async #dialDirect(
    name: string,
    port: number,
    opens: (address: string) => boolean,
    attempt: DialAttempt,
  ): Promise<{ socket: net.Socket; address: string }> {
    const { allowed, refusal } = this.#filterAddresses(await this.#lookUp(name, attempt.signal), opens);
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
    name: string,
    port: number,
    opens: (address: string) => boolean,
    attempt: DialAttempt,
  ): Promise<{ socket: net.Socket; address: string }> {
    const { proxy } = this.#parts;
    if (proxy === undefined) throw new Error('no proxy is set');
    // The proxy resolves the name itself, and may know names that this machine does not. Addresses that this machine
    // knows and that are not allowed are refused here; one such address is enough, as the proxy chooses.
    const known = await this.#lookUp(name, attempt.signal).catch(() => []);
    attempt.signal.throwIfAborted();
    const { refusal } = this.#filterAddresses(known, opens);
    if (refusal !== undefined) throw refusal;
    const { protocol, hostname, port: proxyPort } = proxy.url;
    const host = hostname.replace(/^\[(.*)\]$/, '$1');
    const secure = protocol === 'https:';
    const resolved = net.isIP(host) === 0 ? await this.#lookUp(host, attempt.signal) : [host];
    const addresses = resolved.flatMap((address) => canonicalAddress(address) ?? []);
    if (addresses.length === 0) throw new Error('the proxy does not resolve');
    const dialled = await connectAny(addresses, Number(proxyPort) || (secure ? 443 : 80), attempt);
    const { trusted } = proxy;
    const tunnel = { host, secure, trusted, login: this.#login, authority: `${name}:${port}` };
    return { socket: await openTunnel(dialled.socket, tunnel, attempt.signal), address: dialled.address };
  }

  #lookUp(name: string, signal: AbortSignal): Promise<string[]> {
    return abortable(signal, this.#parts.resolve(name));
  }

  /**
   * Which of a name's addresses may be dialled, in their order, without duplicates; and why the first of the others
   * may not.
   */
  #filterAddresses(
    addresses: readonly string[],
    opens: (address: string) => boolean,
  ): { readonly allowed: readonly string[]; readonly refusal: EgressRefusal | undefined } {
    const localAddresses = this.#parts.localAddresses();
    const allowed = new Set<string>();
    let refusal: EgressRefusal | undefined;
    for (const address of addresses) {
      const canonical = canonicalAddress(address);
      const reason = dialRefusal(address, localAddresses, opens);
      if (reason === undefined && canonical !== undefined) allowed.add(canonical);
      else refusal ??= new EgressRefusal(resolvesTo(canonical ?? 'something', reason ?? 'no address'));
    }
    return { allowed: [...allowed], refusal };
  }
}

function resolvesTo(address: string, reason: string): string {
  return `resolves to ${address}, ${reason}`;
}

/** Connects to the first of the addresses that answers. Throws the error of the last one. */
async function connectAny(
  addresses: readonly string[],
  port: number,
  { onAddress, signal }: DialAttempt,
): Promise<{ socket: net.Socket; address: string }> {
  let failure: unknown;
  for (const [index, address] of addresses.entries()) {
    signal.throwIfAborted();
    onAddress(address);
    try {
      const last = index === addresses.length - 1;
      return { socket: await connect(address, port, last ? undefined : ADDRESS_TIMEOUT, signal), address };
    } catch (error) {
      failure = error;
    }
  }
  signal.throwIfAborted();
  throw failure;
}

/** Connects to one address; nothing is resolved. `timeout`: milliseconds after which it is given up. */
async function connect(
  address: string,
  port: number,
  timeout: number | undefined,
  signal: AbortSignal,
): Promise<net.Socket> {
  const socket = net.connect({
    host: address,
    port,
    family: net.isIP(address),
    autoSelectFamily: false,
    allowHalfOpen: true,
    noDelay: true,
  });
  // An error that arrives when nobody waits any more must find a listener.
  socket.on('error', () => {});
  const late = (): void => void socket.destroy(new Error('does not answer in time'));
  const timer = timeout === undefined ? undefined : setTimeout(late, timeout);
  try {
    await abortable(signal, waitForEvent(socket, 'connect'));
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
