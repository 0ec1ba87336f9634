// The body of a request: placeholders in forms, JSON and multipart become secrets, written as that format writes
// them; in any other body a placeholder refuses the request, since nobody knows how it would be read. What is short
// is taken whole, and leaves with its right length; what is long streams, and keeps its length if it can.
import type { IncomingMessage } from 'node:http';
import type { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Finder, type MatchedValue } from '../../credential/finder.ts';
import { type Coding, codingOf, decode, decoder, encoder, strange } from './content-coding.ts';
import { Rewrite } from './replace-stream.ts';
import { percentWritten, valuesOf } from './request-head.ts';
import { Denial, type Field, type Head, type Passage } from './substitution.ts';

/** Bodies of a said length up to this, in bytes, are taken whole; forms always are, up to `LONGEST_FORM`. */
const SHORT = 256 * 1024;
const LONGEST_FORM = 1024 * 1024;
/** Bytes that are made room for at first. */
const SHORTEST = 1024;
/** A short compressed body may hold so many bytes: it is searched at one go, while all else waits. */
const LONGEST_DECODED = 1024 * 1024;

/** What a request for a token says (RFC 6749 4), in whatever format and form: in a query, a form, JSON, multipart. */
const GRANT = new Finder([{ value: 'grant_type' }]);

type Format = 'form' | 'json' | 'multipart' | 'other';

/** A body that is ready to be sent. */
export interface Outgoing {
  /** How long it is: a `Content-Length`, a `Transfer-Encoding`, or nothing. */
  readonly framing: readonly Field[];
  /** It asks for a token: what is answered holds new secrets. Known once it was sent. */
  readonly asksForToken: boolean;
  /** Sends it, and ends the request. Rejects with `Denial`, or with what broke the stream. */
  send(to: Writable): Promise<void>;
}

/** Whether a target, or a part of a body, asks for a token. */
export function asksForToken(bytes: Buffer): boolean {
  return GRANT.has(bytes);
}

/**
 * Reads what there is to read before the request may leave. `hold` hears of the bytes that stay in memory until then,
 * and may throw. Throws `Denial`.
 */
export async function prepareBody(
  request: IncomingMessage,
  head: Head,
  passage: Passage,
  hold: (bytes: number) => void,
): Promise<Outgoing> {
  const [length] = valuesOf(head.fields, 'content-length');
  head.fields = head.fields.filter(([name]) => name.toLowerCase() !== 'content-length');
  const chunked = request.headers['transfer-encoding'] !== undefined;
  if (!chunked && (length === undefined || length === '0')) return none(head, length);

  const codings = valuesOf(head.fields, 'content-encoding');
  const coding = codingOf(codings.join(','));
  if (coding === undefined) throw new Denial(415, 'the content coding of the body cannot be read');
  const types = valuesOf(head.fields, 'content-type');
  if (types.some(strange)) throw new Denial(415, 'the character set of the body cannot be read');
  const format = formatOf(types);
  const replace = replacing(format, passage);
  const whole = format === 'form' || (!chunked && Number(length) <= SHORT);
  if (whole) {
    const body = await collect(request, LONGEST_FORM, hold);
    return short(body, coding, replace, passage, hold);
  }

  const keeps = !chunked && coding === 'identity' && keepsLength(format, passage);
  let asks = false;
  const watch = (match: MatchedValue): Buffer => {
    asks = true;
    return match.bytes;
  };
  const steps = [
    decoder(coding),
    new Rewrite(GRANT.stream(watch)),
    new Rewrite(passage.finder.stream(keeps ? sameLength(replace, passage) : replace)),
    encoder(coding),
  ].filter((step) => step !== undefined);
  return {
    framing: keeps ? [['Content-Length', length ?? '']] : [['Transfer-Encoding', 'chunked']],
    get asksForToken() {
      return asks;
    },
    send: (to) => pipeline([request, ...steps, to]),
  };
}

/** Reads a body to its end; `hold` hears of the memory that it takes. Throws `Denial` where it is longer than `most` bytes. */
export async function collect(
  from: AsyncIterable<Buffer>,
  most: number,
  hold: (bytes: number) => void,
): Promise<Buffer> {
  let whole: Buffer = Buffer.alloc(0);
  let length = 0;
  for await (const piece of from) {
    const needed = length + piece.length;
    if (needed > most) throw new Denial(413, 'the body is longer than the gate takes whole');
    if (needed > whole.length) {
      // Twice as much each time, and copied: many small pieces are many times their size.
      const wider = Math.min(most, Math.max(needed, 2 * whole.length, SHORTEST));
      hold(wider - whole.length);
      whole = Buffer.concat([whole], wider);
    }
    length += piece.copy(whole, length);
  }
  return whole.subarray(0, length);
}

function none({ method }: Head, length: string | undefined): Outgoing {
  const said = length !== undefined || ['POST', 'PUT', 'PATCH'].includes(method);
  return {
    framing: said ? [['Content-Length', '0']] : [],
    asksForToken: false,
    async send(to) {
      to.end();
    },
  };
}

function short(
  body: Buffer,
  coding: Coding,
  replace: (match: MatchedValue) => Buffer,
  passage: Passage,
  hold: (bytes: number) => void,
): Outgoing {
  let plain: Buffer;
  try {
    plain = decode(coding, body, LONGEST_DECODED);
  } catch (cause) {
    throw new Denial(400, 'the body is not what its content coding says', cause);
  }
  if (plain !== body) hold(plain.length);
  const put = passage.finder.replace(plain, replace);
  if (put !== plain) hold(put.length);
  // Coded anew: what this decoder takes for padding, or for the end, another may read on in.
  const step = encoder(coding);
  return {
    framing:
      step === undefined ? [['Content-Length', String(put.length)]] : [['Transfer-Encoding', 'chunked']],
    asksForToken: asksForToken(plain),
    async send(to) {
      if (step === undefined) {
        to.end(put);
        return;
      }
      step.end(put);
      await pipeline(step, to);
    },
  };
}

function formatOf(types: readonly string[]): Format {
  const type = types.length === 1 ? (types[0]?.split(';')[0]?.trim().toLowerCase() ?? '') : '';
  if (type === 'application/x-www-form-urlencoded') return 'form';
  if (/^application\/(?:[\w.+-]+\+)?(?:json|x-ndjson|json-seq)$/.test(type)) return 'json';
  return type.startsWith('multipart/') ? 'multipart' : 'other';
}

const ENCODE: Readonly<Record<Exclude<Format, 'other'>, (value: string) => string>> = {
  form: (value) => encodeURIComponent(value).replaceAll('%20', '+'),
  json: (value) => JSON.stringify(value).slice(1, -1),
  multipart: (value) => value,
};

/** What to put in for a placeholder that was found. Throws `Denial`. */
function replacing(format: Format, passage: Passage): (match: MatchedValue) => Buffer {
  return (match) => {
    if (format === 'other') {
      throw passage.misplaced(match.index, 'it stands in a body that is neither form, JSON nor multipart');
    }
    if (!writtenAs(format, match)) {
      throw passage.misplaced(match.index, 'it is written in another form in the body');
    }
    return Buffer.from(ENCODE[format](passage.spend(match.index, 'body')));
  };
}

function writtenAs(format: Exclude<Format, 'other'>, match: MatchedValue): boolean {
  if (match.form === 'raw') return true;
  if (match.form !== 'escaped') return false;
  if (format === 'form') return percentWritten(match);
  // Nothing but JSON's own escapes, and one layer of them.
  return format === 'json' && /^(?:[^\\%&]|\\u[0-9a-f]{4})+$/i.test(match.bytes.toString('latin1'));
}

/** Whether every placeholder is as long as what would take its place. */
function keepsLength(format: Format, passage: Passage): boolean {
  if (format === 'other') return true;
  return passage.lengths((value) => Buffer.byteLength(ENCODE[format](value)));
}

function sameLength(
  replace: (match: MatchedValue) => Buffer,
  passage: Passage,
): (match: MatchedValue) => Buffer {
  return (match) => {
    const put = replace(match);
    if (put.length === match.bytes.length) return put;
    throw passage.misplaced(match.index, 'the body would get another length than it has said');
  };
}
