// Tunnels through the user's proxy: HTTP's CONNECT (RFC 9110 9.3.6), in the clear or inside TLS. No message repeats
// the proxy's own text; its status is reported with the standard reason phrase.
import { STATUS_CODES } from 'node:http';
import { isIP, type Socket } from 'node:net';
import * as tls from 'node:tls';
import { abortable, waitForEvent } from '../connection/wait.ts';

export interface TunnelRequest {
  /** The proxy's name or address, which its certificate must name where it speaks TLS. */
  readonly host: string;
  readonly secure: boolean;
  readonly trusted: tls.SecureContext | undefined;
  /** For `Proxy-Authorization: Basic`. */
  readonly login: string | undefined;
  /** The target: `name:port`. */
  readonly authority: string;
}

/** A proxy's answer that grants no tunnel. */
export class TunnelRefusal extends Error {
  override readonly name = 'TunnelRefusal';
  /** The proxy does not do what was asked for, whoever asks and whether or not the host can be reached. */
  readonly isOfRequest: boolean;

  constructor(status: number) {
    super(`the proxy answers ${status} ${STATUS_CODES[status] ?? ''}`.trimEnd());
    this.isOfRequest = [400, 403, 404, 405, 406, 409, 410, 421, 422, 451, 501].includes(status);
  }
}

/** The longest head of a proxy's response. */
const MAX_HEAD = 16_384;

/** The user and password of a proxy's URL in the form of RFC 7617; undefined where it has none. Throws URIError. */
export function basicCredentials({ username, password }: URL): string | undefined {
  if (username === '' && password === '') return undefined;
  return Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64');
}

/** Requests a tunnel from the proxy at the other end of `raw`; destroys `raw` where it grants none. */
export async function openTunnel(raw: Socket, tunnel: TunnelRequest, signal: AbortSignal): Promise<Socket> {
  try {
    const socket = tunnel.secure ? await startTls(raw, tunnel, signal) : raw;
    await requestTunnel(socket, tunnel, signal);
    return socket;
  } catch (error) {
    raw.destroy();
    throw error;
  }
}

/** TLS to the proxy itself. Whether half-open is allowed is taken over from `raw`. */
async function startTls(raw: Socket, { host, trusted }: TunnelRequest, signal: AbortSignal): Promise<Socket> {
  const socket = tls.connect({
    socket: raw,
    host,
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(trusted === undefined ? {} : { secureContext: trusted }),
    ALPNProtocols: ['http/1.1'],
    rejectUnauthorized: true,
  });
  // An error that arrives when nobody waits any more must find a listener.
  socket.on('error', () => {});
  await abortable(signal, waitForEvent(socket, 'secureConnect'));
  return socket;
}

/** What follows the head of the response stays in the socket, unread. */
async function requestTunnel(
  socket: Socket,
  { authority, login }: TunnelRequest,
  signal: AbortSignal,
): Promise<void> {
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
      await abortable(signal, waitForEvent(socket, 'readable'));
      continue;
    }
    read = Buffer.concat([read, piece]);
    end = read.indexOf('\r\n\r\n');
    if (Math.max(end, end < 0 ? read.length : 0) > MAX_HEAD)
      throw new Error("the head of the proxy's response is too long");
  }
  const [, status] = /^HTTP\/1\.[01] ([1-5]\d\d)(?: |\r)/.exec(read.toString('latin1', 0, end + 2)) ?? [];
  if (status === undefined) throw new Error('the proxy does not speak HTTP');
  if (!status.startsWith('2')) {
    throw new TunnelRefusal(Number(status));
  }
  const rest = read.subarray(end + 4);
  if (rest.length > 0) socket.unshift(rest);
}
