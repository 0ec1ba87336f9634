// TLS handshakes of one gate, on both sides: with the server in its sandbox, and with the host. So many go at a time;
// the others wait. The version of HTTP inside is agreed there too (ALPN, RFC 7301).
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import * as tls from 'node:tls';
import { BUDGETS } from '../budgets.ts';
import { EgressRefusal } from '../refusal.ts';
import { type GateTurns, Places } from '../turns.ts';
import { onSecure } from './secure-event.ts';

const CERTIFICATE_NOT_ACCEPTED =
  'the server did not accept the certificate of the gate: it pins another, or does not read the trust files';

export class Handshakes {
  readonly #turns: GateTurns;
  readonly #inside = new Places(BUDGETS.handshakes);
  readonly #outside = new Places(BUDGETS.handshakes);

  constructor(turns: GateTurns) {
    this.#turns = turns;
  }

  /** Terminates the server's TLS with a certificate of the gate, for one protocol. Rejects with `EgressRefusal`. */
  async accept(socket: Duplex, secureContext: tls.SecureContext, protocol: string): Promise<tls.TLSSocket> {
    using _place = await this.#inside.take();
    if (socket.destroyed) throw new EgressRefusal(CERTIFICATE_NOT_ACCEPTED);
    // Any duplex stream will do, as documented; the type is narrower.
    const client = new tls.TLSSocket(socket as Socket, {
      isServer: true,
      secureContext,
      ALPNProtocols: [protocol],
    });
    this.#turns.watch(client);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    onSecure(client, resolve);
    const onEnd = (): void => reject(new EgressRefusal(CERTIFICATE_NOT_ACCEPTED));
    client.once('end', onEnd);
    client.once('close', onEnd);
    client.on('error', (error: NodeJS.ErrnoException) => reject(new EgressRefusal(handshakeProblem(error))));
    const timer = setTimeout(
      () => reject(new EgressRefusal('its TLS handshake takes too long')),
      BUDGETS.handshake,
    );
    try {
      await promise;
    } finally {
      clearTimeout(timer);
    }
    client.off('end', onEnd);
    return client;
  }

  /** TLS with a host, whose certificate must be valid for its name. `raw` is destroyed where it fails. */
  async connect(
    raw: Socket,
    servername: string,
    secureContext: tls.SecureContext,
    protocols: readonly string[],
  ): Promise<tls.TLSSocket> {
    using _place = await this.#outside.take();
    const secure = tls.connect({
      socket: raw,
      servername,
      secureContext,
      ALPNProtocols: [...protocols],
      rejectUnauthorized: true,
    });
    this.#turns.watch(secure);
    secure.setTimeout(BUDGETS.handshake, () => secure.destroy(new Error('its TLS handshake takes too long')));
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
}

function handshakeProblem({ code = '' }: NodeJS.ErrnoException): string {
  if (code.includes('ALERT_UNKNOWN_CA') || code.includes('ALERT_BAD_CERTIFICATE')) {
    return CERTIFICATE_NOT_ACCEPTED;
  }
  if (code.includes('NO_APPLICATION_PROTOCOL')) return 'the server wants another protocol than HTTP';
  return `the TLS handshake inside failed (${code})`;
}
