// The first bytes of a connection: read to tell what it is, and put back.
import type { Duplex } from 'node:stream';
import { type Hello, readHello } from '../tls/client-hello.ts';

/** What a connection begins with. `silent`: nothing came in time, or before it was told to stop; `ended`: nothing will. */
export type Beginning =
  | { readonly kind: 'tls'; readonly name: string | undefined }
  | { readonly kind: 'http' }
  | { readonly kind: 'other' }
  | { readonly kind: 'silent' }
  | { readonly kind: 'ended' }
  | { readonly kind: 'broken'; readonly why: string };

/**
 * The longest token of a method and what follows it, as HTTP/1 requests begin; also HTTP/2's own beginning. Servers
 * skip empty lines before it (RFC 9112 2.2).
 */
const REQUEST = /^(?:[\r\n]|[A-Z]{3,20} [/*h])/;
const PART_OF_REQUEST = /^[A-Z]{1,20}(?: [/*h]?)?$/;
/** The longest method, a space, and one character. */
const ENOUGH = 22;

/**
 * Reads a paused stream until it can be told what it carries, for so many milliseconds if any are said, or until `stop`;
 * what was read is put back, and the stream is left paused.
 */
export async function peek(
  stream: Duplex,
  patience: number | undefined,
  stop?: AbortSignal,
): Promise<Beginning> {
  let read: Buffer = Buffer.alloc(0);
  const { promise, resolve } = Promise.withResolvers<Beginning>();
  const look = (): void => {
    for (let piece: Buffer | null = stream.read(); piece !== null; piece = stream.read()) {
      read = read.length === 0 ? piece : Buffer.concat([read, piece]);
    }
    const told = tell(read);
    if (told !== undefined) resolve(told);
  };
  const enough = (): void =>
    resolve(read.length === 0 ? { kind: 'silent' } : { kind: 'broken', why: 'its beginning does not come' });
  const timer = patience === undefined ? undefined : setTimeout(enough, patience);
  stop?.addEventListener('abort', enough, { once: true });
  const ended = (): void => resolve({ kind: 'ended' });
  stream.on('readable', look);
  stream.once('end', ended);
  stream.once('close', ended);
  if (stream.destroyed) ended();
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    stream.off('readable', look);
    stream.off('end', ended);
    stream.off('close', ended);
    stream.pause();
    if (read.length > 0) stream.unshift(read);
  }
}

function tell(read: Buffer): Beginning | undefined {
  if (read.length === 0) return undefined;
  const hello: Hello = readHello(read);
  switch (hello.kind) {
    case 'more':
      return undefined;
    case 'hello':
      return { kind: 'tls', name: hello.name };
    case 'broken':
      return hello;
    case 'other': {
      const text = read.toString('latin1', 0, ENOUGH);
      if (REQUEST.test(text)) return { kind: 'http' };
      return text.length < ENOUGH && PART_OF_REQUEST.test(text) ? undefined : { kind: 'other' };
    }
  }
}
