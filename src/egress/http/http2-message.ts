// Messages of HTTP/2 (RFC 9113 8) in the form that the gate works on, and back.
import * as http2 from 'node:http2';
import { coalesce } from './coalesce.ts';
import { grpcDenial } from './grpc.ts';
import { fieldValues } from './request-head.ts';
import { type ResponseSink, type ResponseSource, toFields } from './response.ts';
import { Denial, type Field, type Head } from './substitution.ts';

const { NGHTTP2_NO_ERROR, NGHTTP2_INTERNAL_ERROR, NGHTTP2_FLAG_END_STREAM } = http2.constants;

/** A request's head as it arrived. Throws `Denial`. */
export function readRequestHead(raw: readonly string[]): Head {
  const fields = toFields(raw);
  const pseudo = (name: string): string | undefined => fields.find(([key]) => key === name)?.[1];
  const method = pseudo(':method') ?? '';
  if (pseudo(':protocol') !== undefined)
    throw new Denial(501, 'WebSocket over HTTP/2 is not supported: use HTTP/1.1');
  if (pseudo(':scheme') !== 'https' && method !== 'CONNECT')
    throw new Denial(400, 'the scheme is not that of the connection');
  const regular = fields.filter(([name]) => !name.startsWith(':'));
  const [host] = fieldValues(regular, 'host');
  const authority = pseudo(':authority') ?? host ?? '';
  // A host beside the authority must be the same (RFC 9113 8.3.1): then it is one, else two.
  const others = regular.filter(([name, value]) => name !== 'host' || value !== authority);
  return { method, target: pseudo(':path') ?? '', fields: [['host', authority], ...others] };
}

/**
 * The head that goes to the host. What differs from what arrived may hold a secret: it enters no table of either
 * side's compression (RFC 7541 7.1.3).
 */
export function writeRequestHead(
  { method, target, fields }: Head,
  framing: readonly Field[],
  arrived: readonly Field[],
): http2.OutgoingHttpHeaders {
  const before = new Set(arrived.map(([name, value]) => `${name}\n${value}`));
  const regular = fields.filter(([name]) => name.toLowerCase() !== 'host');
  const sensitive = regular.filter(([name, value]) => !before.has(`${name}\n${value}`)).map(([name]) => name);
  const lengths = framing.filter(([name]) => name.toLowerCase() === 'content-length');
  const trailers = fieldValues(arrived, 'te').some((value) => value.trim().toLowerCase() === 'trailers');
  return {
    ...toHeaders([...regular, ...lengths, ...(trailers ? [['te', 'trailers'] satisfies Field] : [])]),
    ':method': method,
    ':scheme': 'https',
    ':authority': fieldValues(fields, 'host')[0] ?? '',
    ':path': target,
    [http2.sensitiveHeaders]: sensitive.map((name) => name.toLowerCase()),
  };
}

/** Fields as Node takes them: names in lower case, and an array for several of one name. */
function toHeaders(fields: readonly Field[]): http2.OutgoingHttpHeaders {
  const headers: http2.OutgoingHttpHeaders = Object.create(null);
  for (const [name, value] of fields) {
    const key = name.toLowerCase();
    const earlier = headers[key];
    headers[key] = earlier === undefined ? value : [earlier, value].flat().map(String);
  }
  return headers;
}

/** A response of a host, as it arrives. */
export interface Http2Source extends ResponseSource {
  /** Nothing follows its head. */
  readonly ended: boolean;
  /** Known once the body has ended. */
  readonly trailers: readonly Field[];
}

/** The response to a request. Rejects with what broke it. */
export function waitForHttp2Response(outgoing: http2.ClientHttp2Stream): Promise<Http2Source> {
  return new Promise((resolve, reject) => {
    let trailers: readonly Field[] = [];
    outgoing.on('trailers', (_headers: unknown, _flags: unknown, raw: unknown) => {
      trailers = toFields(raw as string[]);
    });
    outgoing.once('response', (headers, flags, raw) => {
      resolve({
        status: headers[':status'] ?? 502,
        phrase: '',
        fields: toFields(raw as unknown as string[]).filter(([name]) => !name.startsWith(':')),
        body: outgoing,
        ended: (flags & NGHTTP2_FLAG_END_STREAM) !== 0,
        get trailers() {
          return trailers;
        },
      });
    });
    outgoing.once('error', reject);
    outgoing.once('close', () => reject(new Error('the stream ended before a response')));
  });
}

/** Takes a response to the server. */
export class Http2Sink implements ResponseSink {
  readonly #stream: http2.ServerHttp2Stream;
  readonly #toHead: boolean;
  readonly #ended: () => boolean;
  readonly #trailers: () => readonly Field[];

  /** `toHead`: it answers HEAD. `ended`: nothing follows the head. `trailers` are asked for when the body has ended. */
  constructor(
    stream: http2.ServerHttp2Stream,
    toHead: boolean,
    ended: () => boolean,
    trailers: () => readonly Field[],
  ) {
    this.#stream = stream;
    this.#toHead = toHead;
    this.#ended = ended;
    this.#trailers = trailers;
  }

  get writableLength(): number {
    return this.#stream.writableLength;
  }

  get headersSent(): boolean {
    return this.#stream.headersSent;
  }

  writeHead(status: number, _phrase: string, fields: string[]): void {
    const stream = this.#stream;
    const endStream = this.#ended();
    if (!endStream) stream.once('wantTrailers', () => this.#sendTrailers());
    stream.respond(
      { ...toHeaders(toFields(fields)), ':status': status },
      { endStream, waitForTrailers: !endStream && !this.#toHead },
    );
  }

  /** A head of HTTP/2 is sent at once. */
  flushHeaders(): void {}

  write(piece: Buffer, done?: () => void): boolean {
    return this.#stream.writableEnded || this.#stream.write(piece, done);
  }

  end(piece?: Buffer): void {
    if (this.#stream.writableEnded) return;
    if (piece === undefined) this.#stream.end();
    else this.#stream.end(piece);
  }

  once(event: 'drain' | 'close', listener: () => void): void {
    this.#stream.once(event, listener);
  }

  #sendTrailers(): void {
    const stream = this.#stream;
    try {
      stream.sendTrailers(toHeaders(this.#trailers()));
    } catch {
      stream.close(NGHTTP2_INTERNAL_ERROR);
    }
  }
}

/** Answers a request that the gate does not pass on. A gRPC client gets a status that it can read. */
export function sendHttp2Denial(stream: http2.ServerHttp2Stream, denial: Denial, grpc: boolean): void {
  const { status, reason } = denial;
  // What the client still sends is not read (RFC 9113 8.1).
  stream.once('finish', () => stream.close(NGHTTP2_NO_ERROR));
  if (grpc) {
    stream.respond({ ...toHeaders(grpcDenial(denial)), ':status': 200 }, { endStream: true });
    return;
  }
  const text = `${JSON.stringify({ error: 'warder', status, message: reason })}\n`;
  stream.respond({
    ':status': status,
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    'warder-refused': status === 502 ? 'no' : 'yes',
  });
  stream.end(text);
}

/**
 * Prepares a stream before its first byte: its chunks are joined while nobody reads, and a body that was broken off,
 * with whatever code, does not end as if it were whole. As of Node 24 a stream that was reset with no error ends like
 * one that is complete; only the order shows the difference, as a complete one ends before it is closed.
 */
export function prepareStream(stream: http2.Http2Stream): void {
  stream.on('error', () => {});
  coalesce(stream);
  const push = stream.push.bind(stream);
  let ended = stream.endAfterHeaders;
  stream.push = (chunk: unknown): boolean => {
    if (chunk === null && !ended && stream.closed) {
      // Not at once: Node goes on with the stream after this call.
      process.nextTick(() => stream.destroy(new Error(`the stream was reset (${stream.rstCode})`)));
      return false;
    }
    ended ||= chunk === null;
    return push(chunk);
  };
}
