// What the gate itself answers to a request that it does not pass on: JSON, and a header that identifies it.
import { type ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { EgressRefusal } from '../refusal.ts';
import { Denial } from './substitution.ts';

/** Milliseconds in which what was not read may still arrive, so that a reset does not discard the response. */
const LINGER = 1000;

/**
 * Answers a request and ends its connection. Clients show `error`, so it has the whole sentence.
 * `Warder-Refused` is `no` where it was the host that failed.
 */
export function sendDenial(response: ServerResponse, { status, reason }: Denial): void {
  const text = `${JSON.stringify({ error: `warder: ${reason}`, status, message: reason })}\n`;
  // The reason phrase of a host's own status may be set already, and be the cause of the failure.
  response.writeHead(status, STATUS_CODES[status] ?? '', {
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(text),
    'Warder-Refused': status === 502 ? 'no' : 'yes',
    Connection: 'close',
  });
  response.end(text);
}

/** As `sendDenial`, where the request could not be read. `status`: the number and its reason phrase. */
export function sendRawResponse(socket: Duplex, status: string, text: string): void {
  // What follows is malformed as well.
  if (socket.writableEnded) return;
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const body = `${JSON.stringify({ error: `warder: ${text}`, message: text })}\n`;
  socket.resume();
  setTimeout(() => socket.destroy(), LINGER).unref();
  socket.end(
    `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}

/** The denial that the server sees for an error: the gate's own reason, or the system's code. */
export function toDenial(error: unknown): Denial {
  if (error instanceof Denial) return error;
  if (error instanceof EgressRefusal) return new Denial(403, error.reason);
  const { code, message } = error as NodeJS.ErrnoException;
  return new Denial(502, `the host cannot be reached or broke off (${code ?? message})`, error);
}
