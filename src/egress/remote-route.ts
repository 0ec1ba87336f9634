// How Warder itself reaches a remote server and what signs in to it, by the rules of the gate: names are resolved and
// addresses judged at each connection, each is recorded before the first packet goes there, the proxy and the authorities of
// the settings are used. What the profile opens is its own choice: ranges of private addresses, and programs of this machine.
import type { Socket } from 'node:net';
import * as net from 'node:net';
import * as tls from 'node:tls';
import { contains, parseAddress, parseRange, rangeProblem } from '../profile/address-range.ts';
import { isLoopbackHost, LOOPBACK } from '../profile/host.ts';
import { BUDGETS } from './budgets.ts';
import { isMetadata } from './dial/address.ts';
import { Routes, type RoutesParts } from './dial/routes.ts';
import type { EgressLedger } from './ledger.ts';
import { EgressRefusal } from './refusal.ts';

/** What a profile opens beside public addresses. */
export interface OpenedAddresses {
  /** Ranges in CIDR notation; only a range of that one address opens a cloud's metadata service. */
  readonly allowPrivate: readonly string[];
  /** `localhost`, 127.0.0.1 and ::1, also without TLS. */
  readonly insecureLoopback: boolean;
}

/** Where to connect. */
export interface RemoteTarget {
  readonly secure: boolean;
  /** A name, or an address without brackets. */
  readonly host: string;
  readonly port: number;
}

export interface RemoteRouteParts extends Omit<RoutesParts, 'allowed'> {
  readonly opened: OpenedAddresses;
  readonly trust: tls.SecureContext;
}

/** Milliseconds of silence after which the other side is asked whether it is there. */
const KEEP_ALIVE = 30_000;

/** The way of one session, or of one sign-in outside of a session. */
export class RemoteRoute {
  readonly ledger: EgressLedger;
  readonly insecureLoopback: boolean;
  readonly #routes: Routes;
  readonly #trust: tls.SecureContext;

  /** Throws RangeError for a range that could not be opened. */
  constructor({ opened, trust, ...routes }: RemoteRouteParts) {
    this.ledger = routes.ledger;
    this.insecureLoopback = opened.insecureLoopback;
    this.#trust = trust;
    this.#routes = new Routes({ ...routes, allowed: { opens: opensFor(opened) } });
  }

  /**
   * Connects; TLS is verified. Throws `audit-unwritable`, `EgressRefusal` where no address may be dialled, and else an Error
   * with a short message.
   */
  async connect({ secure, host, port }: RemoteTarget): Promise<Socket> {
    const destination = { connection: this.ledger.nextConnectionId(), host, port };
    try {
      if (!secure && !(this.insecureLoopback && isLoopbackHost(host)))
        throw new EgressRefusal('it is not asked without TLS');
      const socket = await this.#routes.dial(destination, true);
      socket.allowHalfOpen = false;
      // An answer may take hours: whether the other side is still there shows meanwhile.
      socket.setKeepAlive(true, KEEP_ALIVE);
      return secure ? await this.#startTls(socket, host) : socket;
    } catch (error) {
      if (error instanceof EgressRefusal) this.ledger.recordRefusal(destination, error.reason);
      else this.ledger.recordFailure(destination, error instanceof Error ? error.message : String(error));
      throw error;
    }
  }

  async #startTls(raw: Socket, host: string): Promise<Socket> {
    const secure = tls.connect({
      socket: raw,
      host,
      ...(net.isIP(host) === 0 ? { servername: host } : {}),
      secureContext: this.#trust,
      ALPNProtocols: ['http/1.1'],
      rejectUnauthorized: true,
    });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    secure.once('secureConnect', resolve);
    secure.on('error', reject);
    secure.once('close', () => reject(new Error('the host ended its TLS handshake')));
    const timer = setTimeout(
      () => secure.destroy(new Error('its TLS handshake takes too long')),
      BUDGETS.handshake,
    );
    try {
      await promise;
      return secure;
    } catch (error) {
      raw.destroy();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }
}

function opensFor({ allowPrivate, insecureLoopback }: OpenedAddresses): RoutesParts['allowed']['opens'] {
  const ranges = allowPrivate.map((entry) => {
    const range = parseRange(entry);
    if (range === undefined || rangeProblem(entry) !== undefined)
      throw new RangeError(`"${entry}" is not a range that could be opened`);
    return range;
  });
  return (text, destination) => {
    const address = parseAddress(text);
    if (address === undefined) return false;
    const canonical = address.toString();
    if (insecureLoopback && destination !== undefined && isLoopbackHost(destination.host))
      return canonical === LOOPBACK || canonical === '::1';
    const allBits = address.toByteArray().length * 8;
    return ranges.some(
      (range) => contains(range, address) && (!isMetadata(canonical) || range.bits === allBits),
    );
  };
}
