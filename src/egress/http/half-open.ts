// `httpAllowHalfOpen` of an HTTP server: a client may end its side once it has sent its request, and still gets the
// response. As of Node 24 the option has no documented name.
import * as http from 'node:http';
import { duplexPair } from 'node:stream';
import { text } from 'node:stream/consumers';
import { unsupportedNode } from '../../os/unsupported-node.ts';

/** Lets clients of a server end their side first. To be called before the first connection. */
export function allowHalfOpen(server: http.Server): void {
  Object.assign(server, { httpAllowHalfOpen: true });
}

/** Rejects with `unsupported` where `allow` does not let a client end its side first. */
export async function checkHalfOpen(allow: (server: http.Server) => void = allowHalfOpen): Promise<void> {
  const server = http.createServer((_request, response) => setImmediate(() => response.end('served')));
  allow(server);
  const [client, accepted] = duplexPair();
  server.emit('connection', accepted);
  client.end('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
  const received = await text(client).catch(() => '');
  if (!received.endsWith('served')) throw unsupportedNode('answer an HTTP client that has ended its side');
}
