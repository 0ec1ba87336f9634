// Reads the first bytes of a connection to tell what it carries, and puts them back.
import type { Duplex } from 'node:stream';
import { EgressRefusal } from '../refusal.ts';
import { type ClientHello, parseClientHello } from '../tls/client-hello.ts';

/**
 * What a connection begins with. `silent`: nothing came before the timeout or the abort; `ended`: nothing will come.
 */
export type Preface =
  | { readonly kind: 'tls'; readonly name: string | undefined }
  | { readonly kind: 'http' }
  | { readonly kind: 'other' }
  | { readonly kind: 'silent' }
  | { readonly kind: 'ended' }
  | { readonly kind: 'malformed'; readonly reason: string };

/**
 * The longest method token and what follows it, as HTTP/1 requests begin; also HTTP/2's connection preface. Servers
 * skip empty lines before it (RFC 9112 2.2).
 */
const REQUEST = /^(?:[\r\n]|[A-Z]{3,20} [/*h])/;
const PARTIAL_REQUEST = /^[A-Z]{1,20}(?: [/*h]?)?$/;
/** The longest method, a space, and one character. */
const LONGEST_START = 22;

/**
 * Reads a paused stream until it is clear what it carries, for at most `timeout` milliseconds, or until `stop`
 * aborts. What was read is put back, and the stream is left paused.
 */
export async function peek(
  stream: Duplex,
  timeout: number | undefined,
  stop?: AbortSignal,
): Promise<Preface> {
  let read: Buffer = Buffer.alloc(0);
  const { promise, resolve } = Promise.withResolvers<Preface>();
  const readAll = (): void => {
    for (let piece: Buffer | null = stream.read(); piece !== null; piece = stream.read()) {
      read = read.length === 0 ? piece : Buffer.concat([read, piece]);
    }
    const preface = classify(read);
    if (preface !== undefined) resolve(preface);
  };
  const onTimeout = (): void =>
    resolve(
      read.length === 0
        ? { kind: 'silent' }
        : { kind: 'malformed', reason: 'its first bytes are incomplete' },
    );
  const timer = timeout === undefined ? undefined : setTimeout(onTimeout, timeout);
  stop?.addEventListener('abort', onTimeout, { once: true });
  const onEnd = (): void => resolve({ kind: 'ended' });
  stream.on('readable', readAll);
  stream.once('end', onEnd);
  stream.once('close', onEnd);
  if (stream.destroyed) onEnd();
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    stream.off('readable', readAll);
    stream.off('end', onEnd);
    stream.off('close', onEnd);
    stream.pause();
    if (read.length > 0) stream.unshift(read);
  }
}

/**
 * Throws `EgressRefusal` unless a preface is of the expected kind, and TLS names the host that the address stands for.
 */
export function requirePreface(preface: Preface, host: string, expected: 'tls' | 'http'): void {
  if (preface.kind === 'ended') throw new EgressRefusal('it ended before it sent anything');
  if (preface.kind === 'silent') throw new EgressRefusal('it sent nothing');
  if (preface.kind === 'malformed') throw new EgressRefusal(`its TLS cannot be read: ${preface.reason}`);
  if (preface.kind !== expected) {
    throw new EgressRefusal(expected === 'tls' ? 'it is not TLS' : 'it is not HTTP');
  }
  if (preface.kind !== 'tls') return;
  const name = preface.name?.toLowerCase().replace(/\.$/, '');
  if (name === undefined) throw new EgressRefusal('its TLS names no host');
  if (name !== host) throw new EgressRefusal('its TLS names another host');
}

function classify(read: Buffer): Preface | undefined {
  if (read.length === 0) return undefined;
  const hello: ClientHello = parseClientHello(read);
  switch (hello.kind) {
    case 'incomplete':
      return undefined;
    case 'hello':
      return { kind: 'tls', name: hello.name };
    case 'malformed':
      return hello;
    case 'not-tls': {
      const text = read.toString('latin1', 0, LONGEST_START);
      if (REQUEST.test(text)) return { kind: 'http' };
      return text.length < LONGEST_START && PARTIAL_REQUEST.test(text) ? undefined : { kind: 'other' };
    }
  }
}
