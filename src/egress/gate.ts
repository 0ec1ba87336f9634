// The gate of one server: the only way out of its sandbox. It accepts what the server connects to inside the sandbox'
// own network, where the address that was connected to tells the name that was meant; decides by the profile's list;
// and passes the connection on unopened, or opens it where a sealed credential may be needed. What is not let through
// leaves by one exit. A record is written before the first packet goes out: no record, no connection.
import type { Server, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import * as tls from 'node:tls';
import { Finder } from '../credential/finder.ts';
import { ResponseSealer } from '../credential/redact.ts';
import type { SealedCredential, SealedCredentials, UsageLocks } from '../credential/sealed.ts';
import type { Clock } from '../os/clock.ts';
import type { Log } from '../os/log.ts';
import type { Allowlist } from './allowlist.ts';
import { type Beginning, peek } from './connection/peek.ts';
import { tunnel } from './connection/tunnel.ts';
import type { Dialler } from './dial/dialler.ts';
import { HttpGate, type Link } from './http/http-gate.ts';
import type { Search } from './http/substitution.ts';
import type { EgressLedger, Way } from './ledger.ts';
import type { Names } from './names/virtual-addresses.ts';
import { EgressRefusal } from './refusal.ts';
import type { Authority } from './tls/authority.ts';

export interface GateParts {
  readonly allowed: Allowlist;
  readonly names: Names;
  readonly sealed: SealedCredentials;
  /** Ends TLS inside; none where nothing is sealed. */
  readonly authority: Authority | undefined;
  readonly dialler: Dialler;
  /** Whose certificates are believed outside. */
  readonly trusted: tls.SecureContext;
  readonly guards: UsageLocks;
  readonly ledger: EgressLedger;
  /** A host has answered a request with a credential. */
  readonly judged: (credential: SealedCredential, status: number, host: string) => void;
  readonly clock: Clock;
  readonly log: Log;
}

/** Connections at once: more are refused. */
const MOST = 512;
/** Milliseconds for the first bytes of a connection, where its server cannot be the first to speak. */
const PATIENCE = 30_000;
/** Milliseconds for a TLS handshake with a host. */
const HANDSHAKE = 15_000;

const HTTPS = 443;
const HTTP = 80;

/** One connection that is looked at. */
interface Arrival {
  readonly way: Way;
  readonly socket: Socket;
}

export class Gate implements Disposable {
  readonly #parts: GateParts;
  readonly #http: HttpGate;
  readonly #open = new Set<Duplex>();
  #built = -1;
  #search: (Search & { readonly sealing: ResponseSealer }) | undefined;

  constructor(parts: GateParts) {
    this.#parts = parts;
    const { sealed, guards, ledger, clock, judged, log } = parts;
    this.#http = new HttpGate({
      sealed,
      guards,
      ledger,
      clock,
      judged,
      log,
      search: () => this.#searches(),
      sealing: () => this.#searches().sealing,
    });
  }

  /** Takes the connections that a listener accepts, paused, in the sandbox' own network. */
  serve(listener: Server): void {
    // Of a connection that cannot be taken, as where no descriptor is left. The next may be.
    listener.on('error', () => {});
    listener.on('connection', (socket: Socket) => {
      const { localAddress = '', localPort = 0 } = socket;
      const name = this.#parts.names.nameAt(localAddress);
      if (name === undefined)
        this.#turnAway(socket, { host: localAddress, port: localPort }, 'no listed name has this address');
      else void this.admit(socket, name, localPort);
    });
  }

  /** Decides on one connection, to a name and port as its server meant them, and sees it through. Never rejects. */
  async admit(socket: Socket, host: string, port: number): Promise<void> {
    const { allowed, ledger } = this.#parts;
    socket.on('error', () => {});
    // Else the end of an answer waits for the acknowledgement of its beginning: 40 ms.
    socket.setNoDelay(true);
    if (!allowed.allows(host, port)) {
      this.#turnAway(socket, { host, port }, 'not listed');
      return;
    }
    if (this.#open.size >= MOST) {
      this.#turnAway(socket, { host, port }, 'too many connections are open');
      return;
    }
    const way = { connection: ledger.next(), host, port };
    this.#open.add(socket);
    socket.once('close', () => this.#open.delete(socket));
    try {
      await this.#pass({ way, socket });
    } catch (error) {
      this.#end(socket, way, error);
    }
  }

  /** Cuts the connections that have carried a credential; gives back how many. */
  cut(credential: string): number {
    return this.#http.cut(credential);
  }

  [Symbol.dispose](): void {
    this.#http[Symbol.dispose]();
    for (const socket of this.#open) socket.destroy();
    this.#parts.ledger.close();
  }

  async #pass(arrival: Arrival): Promise<void> {
    const { sealed } = this.#parts;
    const { socket, way } = arrival;
    if (sealed.allowsHost(way.host, way.port)) {
      this.#agree(await peek(socket, PATIENCE), way, 'tls');
      await this.#unwrap(arrival);
    } else if (way.port === HTTPS) {
      this.#agree(await peek(socket, PATIENCE), way, 'tls');
      await this.#tunnel(arrival, await this.#dial(way));
    } else if (way.port === HTTP) {
      this.#agree(await peek(socket, PATIENCE), way, 'http');
      this.#plain(arrival, () => this.#dial(way));
    } else {
      await this.#other(arrival);
    }
  }

  /** Any protocol: whoever speaks first tells. TLS and HTTP must name the host also here. */
  async #other(arrival: Arrival): Promise<void> {
    const { socket, way } = arrival;
    const outside = await this.#dial(way);
    this.#open.add(outside);
    outside.once('close', () => this.#open.delete(outside));
    // Also where the server goes before its first request has been read.
    socket.once('close', () => outside.destroy());
    try {
      const beginning = await this.#first(socket, outside);
      if (beginning.kind === 'http') this.#plain(arrival, async () => outside);
      else {
        if (beginning.kind === 'tls' || beginning.kind === 'broken') this.#agree(beginning, way, 'tls');
        await this.#tunnel(arrival, outside);
      }
    } catch (error) {
      outside.destroy();
      throw error;
    }
  }

  /** What the server says first, whenever that is: else it could wait until nobody looks. `silent`: the host spoke first. */
  async #first(socket: Socket, outside: Socket): Promise<Beginning> {
    const stop = new AbortController();
    const spoken = (): void => stop.abort();
    outside.once('readable', spoken);
    outside.once('close', spoken);
    try {
      return await peek(socket, undefined, stop.signal);
    } finally {
      outside.off('readable', spoken);
      outside.off('close', spoken);
    }
  }

  /** What a connection begins with must be what is expected, and name the host that its address means. */
  #agree(beginning: Beginning, { host }: Way, expected: 'tls' | 'http'): void {
    if (beginning.kind === 'ended') throw new EgressRefusal('it ended before it said anything');
    if (beginning.kind === 'silent') throw new EgressRefusal('nothing was said');
    if (beginning.kind === 'broken') throw new EgressRefusal(`its TLS cannot be read: ${beginning.why}`);
    if (beginning.kind !== expected) {
      throw new EgressRefusal(expected === 'tls' ? 'it is not TLS' : 'it is not HTTP');
    }
    if (beginning.kind !== 'tls') return;
    const name = beginning.name?.toLowerCase().replace(/\.$/, '');
    if (name === undefined) throw new EgressRefusal('its TLS names no host');
    if (name !== host) throw new EgressRefusal('its TLS names another host');
  }

  /** Dials a host; the record comes before the first packet. */
  async #dial(way: Way, opened = false): Promise<Socket> {
    const { dialler, allowed, ledger, clock } = this.#parts;
    const since = clock.monotonic();
    const close = (address: string, { bytesWritten = 0, bytesRead = 0 } = {}): void =>
      ledger.closed(way, address, {
        bytes_out: bytesWritten,
        bytes_in: bytesRead,
        ms: clock.monotonic() - since,
      });
    /** On record, and not yet connected. */
    let tried: string | undefined;
    const dialled = dialler.dial(
      way.host,
      way.port,
      (one) => allowed.opens(one),
      (one) => {
        if (tried !== undefined) close(tried);
        tried = undefined;
        ledger.opening(way, one, opened);
        tried = one;
      },
    );
    const { socket, address } = await dialled.catch((error: unknown) => {
      if (tried !== undefined) close(tried);
      throw error;
    });
    socket.on('error', () => {});
    socket.once('close', () => close(address, socket));
    return socket;
  }

  async #tunnel({ socket }: Arrival, outside: Socket): Promise<void> {
    await tunnel(socket, outside);
    socket.destroy();
    outside.destroy();
  }

  /** HTTP without TLS: each request's Host is looked at, and no secret is put in. */
  #plain({ socket, way }: Arrival, connect: () => Promise<Socket>): void {
    let first: Promise<Socket> | undefined;
    this.#http.serve(socket, {
      way,
      secure: false,
      connect: () => {
        // What was dialled already is the first connection, and no other.
        const now = first === undefined ? connect() : this.#dial(way);
        first = now;
        return now;
      },
    });
  }

  /** Ends TLS inside, with a certificate of the session's own. */
  async #unwrap({ socket, way }: Arrival): Promise<void> {
    const { authority } = this.#parts;
    if (authority === undefined) throw new EgressRefusal('nothing is sealed here');
    const client = new tls.TLSSocket(socket, {
      isServer: true,
      secureContext: authority.contextFor(way.host),
      ALPNProtocols: ['http/1.1'],
    });
    const link: Link = { way, secure: true, connect: () => this.#verified(way) };
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    client.once('secure', resolve);
    const ended = (): void => reject(new EgressRefusal(UNTAKEN));
    client.once('end', ended);
    client.once('close', ended);
    client.on('error', (error: NodeJS.ErrnoException) => reject(new EgressRefusal(handshakeProblem(error))));
    await promise;
    client.off('end', ended);
    this.#http.serve(client, link);
  }

  /** A connection to the host whose certificate was verified, for HTTP/1.1. */
  async #verified(way: Way): Promise<Duplex> {
    const raw = await this.#dial(way, true);
    const secure = tls.connect({
      socket: raw,
      servername: way.host,
      secureContext: this.#parts.trusted,
      ALPNProtocols: ['http/1.1'],
      rejectUnauthorized: true,
    });
    secure.setTimeout(HANDSHAKE, () => secure.destroy(new Error('its TLS handshake takes too long')));
    try {
      await new Promise<void>((resolve, reject) => {
        secure.once('secureConnect', resolve);
        secure.once('error', reject);
        secure.once('close', () => reject(new Error('the host ended its TLS handshake')));
      });
    } catch (error) {
      raw.destroy();
      throw error;
    }
    secure.setTimeout(0);
    secure.on('error', () => {});
    return secure;
  }

  /** The one exit of what was not passed on, or broke before it was. */
  #end(socket: Socket, way: Way, error: unknown): void {
    const { ledger, log } = this.#parts;
    if (error instanceof EgressRefusal) ledger.refused(way, error.reason);
    else {
      const { code, message } = error as NodeJS.ErrnoException;
      ledger.failed(way, `cannot be reached (${code ?? message})`);
      log.info({ host: way.host, port: way.port, code }, 'a host cannot be reached');
    }
    abort(socket);
  }

  #turnAway(socket: Socket, where: { host: string; port: number }, reason: string): void {
    socket.on('error', () => {});
    this.#parts.ledger.refused(where, reason);
    abort(socket);
  }

  /** The searches for what is sealed now: made anew when a value or a token has come. */
  #searches(): Search & { readonly sealing: ResponseSealer } {
    const { sealed } = this.#parts;
    if (this.#search === undefined || this.#built !== sealed.revision) {
      this.#built = sealed.revision;
      const { all, placeholders, secrets } = sealed;
      this.#search = { all, finder: new Finder(placeholders), sealing: new ResponseSealer(secrets) };
    }
    return this.#search;
  }
}

const UNTAKEN =
  'the server did not take the certificate of the gate: it pins another, or does not read the trust that it is given';

/** Refuses at once, as a closed port does. */
function abort(socket: Socket): void {
  socket.resetAndDestroy();
}

function handshakeProblem({ code = '' }: NodeJS.ErrnoException): string {
  if (code.includes('ALERT_UNKNOWN_CA') || code.includes('ALERT_BAD_CERTIFICATE')) {
    return UNTAKEN;
  }
  if (code.includes('NO_APPLICATION_PROTOCOL')) return 'the server wants HTTP/2, which is not there yet';
  return `the TLS handshake inside failed (${code})`;
}
