// The way out through a proxy of the user's: HTTP's CONNECT (RFC 9110 9.3.6), in the clear or inside TLS. The proxy's
// own words go into no message; its status is told in the standard's words.
import { STATUS_CODES } from 'node:http';
import { isIP, type Socket } from 'node:net';
import * as tls from 'node:tls';
import { before, until } from '../connection/wait.ts';

export interface Tunnel {
  /** The proxy's name or address, whose certificate it must have where it speaks TLS. */
  readonly host: string;
  readonly secure: boolean;
  readonly trusted: tls.SecureContext | undefined;
  /** For `Proxy-Authorization: Basic`. */
  readonly login: string | undefined;
  /** Where to: `name:port`. */
  readonly authority: string;
}

/** The longest head of a proxy's answer. */
const MAX_ANSWER = 16_384;

/** The user and password of a proxy's URL as RFC 7617 sends them; none where it has none. Throws URIError. */
export function loginOf({ username, password }: URL): string | undefined {
  if (username === '' && password === '') return undefined;
  return Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64');
}

/** Asks the proxy at the other end of `raw` for a tunnel; destroys `raw` where there is none to be had. */
export async function openTunnel(raw: Socket, tunnel: Tunnel, signal: AbortSignal): Promise<Socket> {
  try {
    const socket = tunnel.secure ? await encrypt(raw, tunnel, signal) : raw;
    await ask(socket, tunnel, signal);
    return socket;
  } catch (error) {
    raw.destroy();
    throw error;
  }
}

/** TLS to the proxy itself. It takes over from `raw` that one half may end first. */
async function encrypt(raw: Socket, { host, trusted }: Tunnel, signal: AbortSignal): Promise<Socket> {
  const socket = tls.connect({
    socket: raw,
    host,
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(trusted === undefined ? {} : { secureContext: trusted }),
    ALPNProtocols: ['http/1.1'],
    rejectUnauthorized: true,
  });
  // An error that comes when nobody waits any more must find a listener.
  socket.on('error', () => {});
  await before(signal, until(socket, 'secureConnect'));
  return socket;
}

/** What comes behind the head of the answer stays in the socket, unread. */
async function ask(socket: Socket, { authority, login }: Tunnel, signal: AbortSignal): Promise<void> {
  const fields = [
    `CONNECT ${authority} HTTP/1.1`,
    `Host: ${authority}`,
    ...(login === undefined ? [] : [`Proxy-Authorization: Basic ${login}`]),
  ];
  socket.write(`${fields.join('\r\n')}\r\n\r\n`);
  let read: Buffer = Buffer.alloc(0);
  let end = -1;
  while (end < 0) {
    const piece: Buffer | null = socket.read();
    if (piece === null) {
      await before(signal, until(socket, 'readable'));
      continue;
    }
    read = Buffer.concat([read, piece]);
    end = read.indexOf('\r\n\r\n');
    if (Math.max(end, end < 0 ? read.length : 0) > MAX_ANSWER) throw new Error('the proxy says too much');
  }
  const [, status] = /^HTTP\/1\.[01] ([1-5]\d\d)(?: |\r)/.exec(read.toString('latin1', 0, end + 2)) ?? [];
  if (status === undefined) throw new Error('the proxy does not speak HTTP');
  if (!status.startsWith('2')) {
    throw new Error(`the proxy answers ${status} ${STATUS_CODES[status] ?? ''}`.trimEnd());
  }
  const rest = read.subarray(end + 4);
  if (rest.length > 0) socket.unshift(rest);
}
