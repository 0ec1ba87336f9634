// Reads the first bytes of a connection to tell what it carries, and puts them back.
import type { Duplex } from 'node:stream';
import { EgressRefusal } from '../refusal.ts';
import { type ClientHello, parseClientHello } from '../tls/client-hello.ts';

/**
 * What a connection begins with. `silent`: nothing came before the timeout or the abort; `ended`: nothing will come.
 */
export type Preface =
  | { readonly kind: 'tls'; readonly name: string | undefined; readonly protocols: readonly string[] }
  | { readonly kind: 'http' }
  | { readonly kind: 'other' }
  /** It may become a request, and does not say so in time. */
  | { readonly kind: 'undecided' }
  | { readonly kind: 'silent' }
  | { readonly kind: 'ended' }
  | { readonly kind: 'malformed'; readonly reason: string };

/** How a request begins (RFC 9112 3): a token and white space. Servers take lines that are not quite right, too. */
const METHOD = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,40}(?:[ \t]|$)/;
/** The end of a request's first line. A line without a version is another protocol's: `AUTH hunter2`. */
const VERSION = /[ \t]HTTP\/\d+(?:\.\d+)?[ \t\r]*$/i;
/** The longest first line that is waited for. */
const MAX_LINE = 64 * 1024;
/** Milliseconds for the first line after its first byte, where the client need not speak at all. */
const SLOW = 1000;

/**
 * Reads a paused stream until it is clear what it carries, for at most `timeout` milliseconds, or until `stop`
 * aborts. What was read is put back, and the stream is left paused.
 */
export async function peek(
  stream: Duplex,
  timeout: number | undefined,
  stop?: AbortSignal,
): Promise<Preface> {
  let slow: NodeJS.Timeout | undefined;
  let read: Buffer = Buffer.alloc(0);
  const { promise, resolve } = Promise.withResolvers<Preface>();
  const readAll = (): void => {
    for (let piece: Buffer | null = stream.read(); piece !== null; piece = stream.read()) {
      read = read.length === 0 ? piece : Buffer.concat([read, piece]);
    }
    const preface = classify(read);
    if (preface !== undefined) resolve(preface);
    else if (timeout === undefined && read.length > 0 && !looksLikeTls(read))
      slow ??= setTimeout(() => resolve({ kind: 'undecided' }), SLOW);
  };
  const onTimeout = (): void =>
    resolve(
      read.length === 0
        ? { kind: 'silent' }
        : { kind: 'malformed', reason: 'its first bytes are incomplete' },
    );
  const timer = timeout === undefined ? undefined : setTimeout(onTimeout, timeout);
  const onStop = (): void =>
    read.length === 0 || looksLikeTls(read) ? onTimeout() : resolve({ kind: 'undecided' });
  stop?.addEventListener('abort', onStop, { once: true });
  const onEnd = (): void => resolve({ kind: 'ended' });
  stream.on('readable', readAll);
  stream.once('end', onEnd);
  stream.once('close', onEnd);
  if (stream.destroyed) onEnd();
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    clearTimeout(slow);
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
  if (preface.kind === 'malformed' && expected === 'tls')
    throw new EgressRefusal(`its TLS cannot be read: ${preface.reason}`);
  if (preface.kind !== expected) {
    throw new EgressRefusal(expected === 'tls' ? 'it is not TLS' : 'it is not HTTP');
  }
  if (preface.kind !== 'tls') return;
  const name = preface.name?.toLowerCase().replace(/\.$/, '');
  // Programs of this machine are reached by their address, too, which TLS does not name.
  if (name === undefined && host === 'localhost') return;
  if (name === undefined) throw new EgressRefusal('its TLS names no host');
  if (name !== host) throw new EgressRefusal('its TLS names another host');
}

/** Whether it begins as a record of a TLS handshake (RFC 8446 5.1). */
function looksLikeTls(read: Buffer): boolean {
  return read[0] === 0x16;
}

function classify(read: Buffer): Preface | undefined {
  if (read.length === 0) return undefined;
  const hello: ClientHello = parseClientHello(read);
  switch (hello.kind) {
    case 'incomplete':
      return undefined;
    case 'hello':
      return { kind: 'tls', name: hello.name, protocols: hello.protocols };
    case 'malformed':
      return hello;
    case 'not-tls':
      return classifyText(read.toString('latin1', 0, MAX_LINE));
  }
}

function classifyText(text: string): Preface | undefined {
  // Servers skip empty lines before a request (RFC 9112 2.2).
  const begun = text.replace(/^[\r\n]+/, '');
  if (begun === '') return text.length < MAX_LINE ? undefined : { kind: 'other' };
  if (!METHOD.test(begun)) return { kind: 'other' };
  const end = begun.indexOf('\n');
  if (end < 0)
    return text.length < MAX_LINE ? undefined : { kind: 'malformed', reason: 'its first line is too long' };
  return { kind: isRequestLine(begun.slice(0, end)) ? 'http' : 'other' };
}

/** Whether a line is a request of HTTP, well-formed or not. */
export function isRequestLine(line: string): boolean {
  return METHOD.test(line) && VERSION.test(line);
}
