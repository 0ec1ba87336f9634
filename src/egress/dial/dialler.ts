// The way out. A name is resolved at each dial and the very address that was judged is dialled, so a name that changes
// its mind in between (DNS rebinding) leads nowhere. The addresses are tried one after the other, not at once (RFC 8305
// would race them): each is on record before a packet goes to it, and no packet goes to one that is not used. One that
// does not answer loses its turn after a second; the last may take the time that is left.
import * as net from 'node:net';
import type { SecureContext } from 'node:tls';
import { matchesHost, normalizeName } from '../../profile/host.ts';
import { before, until } from '../connection/wait.ts';
import type { Resolve } from '../names/resolver.ts';
import { EgressRefusal } from '../refusal.ts';
import { canonical, refusalOf } from './address.ts';
import { loginOf, openTunnel } from './proxy-tunnel.ts';

export interface DiallerParts {
  readonly resolve: Resolve;
  /** This machine's own addresses; looked at for each dial. */
  readonly own: () => ReadonlySet<string>;
  /** The proxy of the settings, http: or https:, with user and password if it wants any; `except` are hosts dialled directly. */
  readonly proxy?: {
    readonly url: URL;
    readonly except: readonly string[];
    /** Whose certificates are believed of an https: proxy; the usual roots where none is said. */
    readonly trusted?: SecureContext;
  };
  /** Milliseconds for a whole dial. */
  readonly timeout?: number;
}

/** What a dial needs to know; `decided` hears of each address before the first packet goes to it, and may throw. */
interface Attempt {
  readonly decided: (address: string) => void;
  readonly signal: AbortSignal;
}

const TIMEOUT = 15_000;
/** Milliseconds for an address while there is another to try. */
const TURN = 1000;

/** Dials for all sessions. */
export class Dialler {
  readonly #parts: DiallerParts;
  readonly #timeout: number;
  readonly #login: string | undefined;

  /** Throws URIError where the proxy's user or password is badly encoded. */
  constructor(parts: DiallerParts) {
    this.#parts = parts;
    this.#timeout = parts.timeout ?? TIMEOUT;
    this.#login = parts.proxy === undefined ? undefined : loginOf(parts.proxy.url);
  }

  /**
   * A connection to a listed host, paused, half-open allowed, and the address that was dialled (the proxy's, where one is
   * used). `opens` says which addresses the profile's ranges hold. `decided` is called with each address before it is
   * tried: what it throws is thrown on, and nothing is dialled. Throws EgressRefusal where no address may be dialled,
   * and an Error with a short message, or the system's own, where none can be reached.
   */
  async dial(
    name: string,
    port: number,
    opens: (address: string) => boolean,
    decided: (address: string) => void,
    signal?: AbortSignal,
  ): Promise<{ socket: net.Socket; address: string }> {
    const plain = normalizeName(name);
    if (plain === undefined) throw new EgressRefusal('it is no name of a host');
    const limit = AbortSignal.timeout(this.#timeout);
    const attempt = { decided, signal: signal === undefined ? limit : AbortSignal.any([limit, signal]) };
    try {
      return this.#direct(plain, port)
        ? await this.#straight(plain, port, opens, attempt)
        : await this.#throughProxy(plain, port, opens, attempt);
    } catch (error) {
      // What broke because the time was up says so.
      if (limit.aborted && !(error instanceof EgressRefusal))
        throw new Error('does not answer in time', { cause: error });
      throw error;
    }
  }

  #direct(name: string, port: number): boolean {
    const { proxy } = this.#parts;
    return proxy === undefined || proxy.except.some((pattern) => matchesHost(pattern, name, port, port));
  }

  async #straight(
    name: string,
    port: number,
    opens: (address: string) => boolean,
    attempt: Attempt,
  ): Promise<{ socket: net.Socket; address: string }> {
    const { fit, refusal } = this.#judge(await this.#lookUp(name, attempt.signal), opens);
    if (fit.length === 0) throw refusal ?? new Error('does not resolve');
    const { socket, address } = await connectAny(fit, port, attempt);
    // A connection to oneself has one address at both ends. This finds what no list of interfaces shows.
    if (socket.localAddress === socket.remoteAddress && !opens(address)) {
      socket.destroy();
      throw new EgressRefusal(resolvesTo(address, 'an address of this machine'));
    }
    return { socket, address };
  }

  async #throughProxy(
    name: string,
    port: number,
    opens: (address: string) => boolean,
    attempt: Attempt,
  ): Promise<{ socket: net.Socket; address: string }> {
    const { proxy } = this.#parts;
    if (proxy === undefined) throw new Error('no proxy is set');
    // The proxy looks the name up itself, and may know names that this machine does not. What this machine knows to lead
    // where it may not is refused here; one such address is enough, as the proxy chooses.
    const known = await this.#lookUp(name, attempt.signal).catch(() => []);
    attempt.signal.throwIfAborted();
    const { refusal } = this.#judge(known, opens);
    if (refusal !== undefined) throw refusal;
    const { protocol, hostname, port: said } = proxy.url;
    const host = hostname.replace(/^\[(.*)\]$/, '$1');
    const secure = protocol === 'https:';
    const at = net.isIP(host) === 0 ? await this.#lookUp(host, attempt.signal) : [host];
    const addresses = at.flatMap((one) => canonical(one) ?? []);
    if (addresses.length === 0) throw new Error('the proxy does not resolve');
    const dialled = await connectAny(addresses, Number(said) || (secure ? 443 : 80), attempt);
    const { trusted } = proxy;
    const tunnel = { host, secure, trusted, login: this.#login, authority: `${name}:${port}` };
    return { socket: await openTunnel(dialled.socket, tunnel, attempt.signal), address: dialled.address };
  }

  #lookUp(name: string, signal: AbortSignal): Promise<string[]> {
    return before(signal, this.#parts.resolve(name));
  }

  /** Which of a name's addresses may be dialled, in their order, each once; and why the first other one may not. */
  #judge(
    addresses: readonly string[],
    opens: (address: string) => boolean,
  ): { readonly fit: readonly string[]; readonly refusal: EgressRefusal | undefined } {
    const own = this.#parts.own();
    const fit = new Set<string>();
    let refusal: EgressRefusal | undefined;
    for (const address of addresses) {
      const usual = canonical(address);
      const reason = refusalOf(address, own, opens);
      if (reason === undefined && usual !== undefined) fit.add(usual);
      else refusal ??= new EgressRefusal(resolvesTo(usual ?? 'something', reason ?? 'no address'));
    }
    return { fit: [...fit], refusal };
  }
}

function resolvesTo(address: string, reason: string): string {
  return `resolves to ${address}, ${reason}`;
}

/** Connects to the first of the addresses that answers. Throws what the last one failed with. */
async function connectAny(
  addresses: readonly string[],
  port: number,
  { decided, signal }: Attempt,
): Promise<{ socket: net.Socket; address: string }> {
  let failure: unknown;
  for (const [index, address] of addresses.entries()) {
    signal.throwIfAborted();
    decided(address);
    try {
      const last = index === addresses.length - 1;
      return { socket: await connect(address, port, last ? undefined : TURN, signal), address };
    } catch (error) {
      failure = error;
    }
  }
  signal.throwIfAborted();
  throw failure;
}

/** Connects to one address; nothing is looked up. `turn`: milliseconds after which it is given up. */
async function connect(
  address: string,
  port: number,
  turn: number | undefined,
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
  // An error that comes when nobody waits any more must find a listener.
  socket.on('error', () => {});
  const late = (): void => void socket.destroy(new Error('does not answer in time'));
  const timer = turn === undefined ? undefined : setTimeout(late, turn);
  try {
    await before(signal, until(socket, 'connect'));
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
