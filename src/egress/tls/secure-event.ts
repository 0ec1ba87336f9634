// `secure` of a server's TLS socket: the event of a finished handshake. As of Node 24 only the events of whole servers
// and of clients are documented.
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { duplexPair } from 'node:stream';
import * as tls from 'node:tls';
import { unsupportedNode } from '../../os/unsupported-node.ts';

/** Calls `listener` when the handshake of a server's socket is finished. The socket can then be used by node:http2. */
export function onSecure(socket: tls.TLSSocket, listener: () => void): void {
  socket.once('secure', () => {
    // Set by whole servers only; as long as it is true, a session of HTTP/2 waits for an event of clients.
    Object.assign(socket, { secureConnecting: false });
    listener();
  });
}

/** Rejects with `unsupported` where `listen` does not report the handshake of a server's socket. */
export async function checkSecureEvent(listen: typeof onSecure = onSecure): Promise<void> {
  // A shared key makes the cheapest handshake.
  const secureContext = tls.createSecureContext({
    ciphers: 'PSK-AES128-GCM-SHA256',
    minVersion: 'TLSv1.2',
    maxVersion: 'TLSv1.2',
    ca: [],
  });
  const psk = Buffer.alloc(32, 1);
  const [near, far] = duplexPair();
  // The types know neither streams nor shared keys here; the documentation does.
  const options = { isServer: true, secureContext, pskCallback: () => psk };
  const accepted = new tls.TLSSocket(near as Socket, options);
  const client = tls.connect({
    socket: far,
    secureContext,
    pskCallback: () => ({ psk, identity: 'self-test' }),
    checkServerIdentity: () => undefined,
  });
  let reported = false;
  listen(accepted, () => {
    reported = true;
  });
  accepted.on('error', () => {});
  client.on('error', () => {});
  await once(client, 'secureConnect').catch(() => {});
  accepted.destroy();
  client.destroy();
  if (!reported) throw unsupportedNode('report the TLS handshake of a server');
}
