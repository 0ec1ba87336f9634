// What the gate itself answers to a request that it does not pass on: JSON, and a header by which it is known.
import { type ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { EgressRefusal } from '../refusal.ts';
import { Denial } from './substitution.ts';

/** Milliseconds for the rest of what is not read to come, so that the answer is not lost to a reset. */
const REST = 1000;

/** Answers a request, and ends its connection. `Warder-Refused`: `no` where the host is what failed. */
export function answerDenial(response: ServerResponse, { status, reason }: Denial): void {
  const text = `${JSON.stringify({ error: 'warder', status, message: reason })}\n`;
  // The words of a host's own status may be there already, and be what broke.
  response.writeHead(status, STATUS_CODES[status] ?? '', {
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(text),
    'Warder-Refused': status === 502 ? 'no' : 'yes',
    Connection: 'close',
  });
  response.end(text);
}

/** As `answerDenial`, where there is no request that could be read. `status`: the number and its words. */
export function answerPlainly(socket: Duplex, status: string, text: string): void {
  // What comes after it is malformed as well.
  if (socket.writableEnded) return;
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const body = `${JSON.stringify({ error: 'warder', message: text })}\n`;
  socket.resume();
  setTimeout(() => socket.destroy(), REST).unref();
  socket.end(
    `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}

/** What broke a request, as the server is told: a reason of the gate's own, or the system's code. */
export function asDenial(error: unknown): Denial {
  if (error instanceof Denial) return error;
  if (error instanceof EgressRefusal) return new Denial(403, error.reason);
  const { code, message } = error as NodeJS.ErrnoException;
  return new Denial(502, `the host cannot be reached or broke off (${code ?? message})`, error);
}
