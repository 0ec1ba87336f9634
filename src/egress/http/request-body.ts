// The body of a request. Placeholders in forms, JSON and multipart become secrets, escaped as that format requires.
// In any other body a placeholder refuses the request, since nobody knows how it would be read. A short body is
// buffered and sent with its correct length; a long body streams, and keeps its length if it can.
import type { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ByteTransform, MatchedValue } from '../../credential/finder.ts';
import { BUDGETS } from '../budgets.ts';
import {
  type ContentCoding,
  createDecoder,
  createEncoder,
  decode,
  isUnsearchable,
  parseContentEncoding,
} from '../content-coding.ts';
import type { GateTurns } from '../turns.ts';
import { EnvelopeTransform, isEnveloped } from './envelope.ts';
import { ReplaceStream, replaceInSlices } from './replace-stream.ts';
import { fieldValues, isPercentEncoded } from './request-head.ts';
import { Denial, type Field, type Head, type RequestContext } from './substitution.ts';
import { readTokenRequest, type TokenRequest } from './token-request.ts';

/** Bytes allocated at first. */
const INITIAL_SIZE = 1024;

/** For requests that somebody waits for. */
const NEVER = new AbortController().signal;

type Format = 'form' | 'json' | 'multipart' | 'other';

/** A body as it arrives. */
export interface IncomingBody {
  readonly body: Readable;
  /** There is one, and its length is not declared. */
  readonly undeclared: boolean;
}

/** A body that is ready to be sent. */
export interface OutgoingBody {
  /** Its `Content-Length` or `Transfer-Encoding` field; empty where there is no body. */
  readonly framing: readonly Field[];
  /** All of it, as it is sent; `undefined` where it streams, or is compressed. */
  readonly bytes?: Buffer;
  /** It requests a token (RFC 6749). */
  readonly isTokenRequest: boolean;
  /** Sends it, and ends the request. Rejects with `Denial`, or with what broke the stream. */
  send(to: Writable): Promise<void>;
}

/**
 * Reads what must be read before the request may leave. `reserve` is called with the bytes that stay in memory until
 * then, and may throw. `whole`: the body is to be known before the head is sent. What a person has to confirm is waited
 * for, unless `gone` says that nobody waits for the request; in a body that streams it has to be confirmed before. Throws
 * `Denial`.
 */
export async function prepareBody(
  { body: request, undeclared }: IncomingBody,
  head: Head,
  context: RequestContext,
  turns: GateTurns,
  reserve: (bytes: number) => void,
  whole = false,
  gone: AbortSignal = NEVER,
): Promise<OutgoingBody> {
  const [length] = fieldValues(head.fields, 'content-length');
  head.fields = head.fields.filter(([name]) => name.toLowerCase() !== 'content-length');
  if (!undeclared && (length === undefined || length === '0')) return emptyBody(head, length);

  // Parts of the body of S3 between lines with their lengths: readable, but nothing can be put in.
  const codings = fieldValues(head.fields, 'content-encoding').join(',');
  const awsChunked = /^\s*aws-chunked\s*$/i.test(codings);
  const coding = awsChunked ? 'identity' : parseContentEncoding(codings);
  if (coding === undefined) throw new Denial(415, 'the content coding of the body cannot be read');
  const types = fieldValues(head.fields, 'content-type');
  if (types.some(isUnsearchable)) throw new Denial(415, 'the character set of the body cannot be read');
  const format = awsChunked ? 'other' : formatOf(types);
  if (isEnveloped(types)) return envelopedBody(request, length, coding, context, turns);
  const buffered = format === 'form' || (!undeclared && Number(length) <= BUDGETS.bufferedBody);
  if (buffered || whole) {
    const body = await readWhole(request, whole ? BUDGETS.signedBody : BUDGETS.form, reserve);
    return await bufferedBody(body, coding, format, context, turns, reserve, gone);
  }

  const lengthKept = !undeclared && coding === 'identity' && preservesLength(format, context);
  const replace = createReplacer(format, context, NO_PARAMETERS);
  const steps = [
    createDecoder(coding),
    new ReplaceStream(
      context.finder.stream(lengthKept ? requireSameLength(replace, context) : replace),
      turns,
    ),
    createEncoder(coding),
  ].filter((step) => step !== undefined);
  return {
    framing: lengthKept ? [['Content-Length', length ?? '']] : [['Transfer-Encoding', 'chunked']],
    isTokenRequest: false,
    send: (to) => pipeline([request, ...steps, to]),
  };
}

/**
 * Reads a body to its end; `reserve` is called with the memory it takes. Throws `Denial` where the body is longer
 * than `maxLength` bytes.
 */
export async function readWhole(
  from: AsyncIterable<Buffer>,
  maxLength: number,
  reserve: (bytes: number) => void,
): Promise<Buffer> {
  let whole: Buffer = Buffer.alloc(0);
  let length = 0;
  for await (const piece of from) {
    const needed = length + piece.length;
    if (needed > maxLength) throw new Denial(413, 'the body is longer than the gate buffers');
    if (needed > whole.length) {
      // The buffer doubles, and pieces are copied into it: many small pieces take many times their size.
      const wider = Math.min(maxLength, Math.max(needed, 2 * whole.length, INITIAL_SIZE));
      reserve(wider - whole.length);
      whole = Buffer.concat([whole], wider);
    }
    length += piece.copy(whole, length);
  }
  return whole.subarray(0, length);
}

function emptyBody({ method }: Head, length: string | undefined): OutgoingBody {
  const needsLength = length !== undefined || ['POST', 'PUT', 'PATCH'].includes(method);
  return {
    framing: needsLength ? [['Content-Length', '0']] : [],
    bytes: Buffer.alloc(0),
    isTokenRequest: false,
    async send(to) {
      to.end();
    },
  };
}

/** A body of messages: none of them waits for the next. */
function envelopedBody(
  body: Readable,
  length: string | undefined,
  coding: ContentCoding,
  context: RequestContext,
  turns: GateTurns,
): OutgoingBody {
  const replace = createReplacer('other', context, NO_PARAMETERS);
  const search = (): ByteTransform => context.finder.stream(replace);
  if (coding !== 'identity') throw new Denial(415, 'the content coding of the body cannot be read');
  const messages = new EnvelopeTransform(search, (reason) => new Denial(400, reason));
  return {
    framing: length === undefined ? [['Transfer-Encoding', 'chunked']] : [['Content-Length', length]],
    isTokenRequest: false,
    send: (to) => pipeline([body, new ReplaceStream(messages, turns), to]),
  };
}

async function bufferedBody(
  body: Buffer,
  coding: ContentCoding,
  format: Format,
  context: RequestContext,
  turns: GateTurns,
  reserve: (bytes: number) => void,
  gone: AbortSignal,
): Promise<OutgoingBody> {
  let plain: Buffer;
  try {
    plain = await decode(coding, body, BUDGETS.decoded);
  } catch (cause) {
    throw new Denial(400, 'the body does not match its content coding', cause);
  }
  if (plain !== body) reserve(plain.length);
  const tokenRequest = format === 'form' || format === 'json' ? readTokenRequest(plain, format) : undefined;
  const parameters = inSecretParameters(plain, tokenRequest, context);
  const replace = createReplacer(format, context, parameters);
  // Before its turn to exchange a refresh token: others wait for that.
  const unconfirmed = await context.rehearse(
    async () => void (await replaceInSlices(plain, context.finder.stream(replace), turns)),
  );
  await context.confirm(unconfirmed, gone);
  const refreshed = indexOfValue(tokenRequest?.get('refresh_token'), context);
  if (refreshed !== undefined && parameters.has(refreshed)) await context.beginRefresh(refreshed);
  const put = await replaceInSlices(plain, context.finder.stream(replace), turns);
  if (put !== plain) reserve(put.length);
  // Encoded anew: another decoder could read on where this one sees padding or the end.
  const step = createEncoder(coding);
  return {
    framing:
      step === undefined ? [['Content-Length', String(put.length)]] : [['Transfer-Encoding', 'chunked']],
    ...(step === undefined && { bytes: put }),
    isTokenRequest: tokenRequest !== undefined,
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

const ESCAPE: Readonly<Record<Exclude<Format, 'other'>, (value: string) => string>> = {
  form: (value) => encodeURIComponent(value).replaceAll('%20', '+'),
  json: (value) => JSON.stringify(value).slice(1, -1),
  multipart: (value) => value,
};

/**
 * A text with its placeholders replaced as in JSON. The same object where there are none. Throws `Denial` where one is
 * in something that is not JSON, or may not be in a body.
 */
export function replaceInJson(text: Buffer, context: RequestContext): Buffer {
  const [found] = context.finder.find(text);
  if (found === undefined) return text;
  try {
    JSON.parse(text.toString());
  } catch {
    throw context.denyMisplaced(found.index, 'it is in a message that is not JSON, or too long');
  }
  return context.finder.replace(text, createReplacer('json', context, NO_PARAMETERS));
}

const NO_PARAMETERS: ReadonlySet<number> = new Set();

/** The placeholders, by index, that are nowhere in a token request but as whole values of its secret parameters. */
function inSecretParameters(
  body: Buffer,
  tokenRequest: TokenRequest | undefined,
  context: RequestContext,
): ReadonlySet<number> {
  if (tokenRequest === undefined) return NO_PARAMETERS;
  const others = context.finder.find(body).map(({ index }) => index);
  const inside: number[] = [];
  for (const value of tokenRequest.values()) {
    const index = indexOfValue(value, context);
    if (index === undefined) continue;
    inside.push(index);
    others.splice(others.indexOf(index), 1);
  }
  return new Set(inside.filter((index) => !others.includes(index)));
}

/** The index of the placeholder that a value is. */
function indexOfValue(value: string | undefined, { finder }: RequestContext): number | undefined {
  if (value === undefined) return undefined;
  const bytes = Buffer.from(value);
  const [match] = finder.find(bytes);
  return match?.form === 'raw' && match.end - match.start === bytes.length ? match.index : undefined;
}

/**
 * Returns what replaces a placeholder that was found. `parameters`: those in secret parameters of a token request. The
 * function throws `Denial`.
 */
function createReplacer(
  format: Format,
  context: RequestContext,
  parameters: ReadonlySet<number>,
): (match: MatchedValue) => Buffer {
  return (match) => {
    if (format === 'other') {
      throw context.denyMisplaced(match.index, 'it is in a body that is neither form, JSON nor multipart');
    }
    if (!isReplaceable(format, match)) {
      throw context.denyMisplaced(match.index, 'it is written in another form in the body');
    }
    const location = parameters.has(match.index) ? 'token' : 'body';
    return Buffer.from(ESCAPE[format](context.substitute(match.index, location)));
  };
}

function isReplaceable(format: Exclude<Format, 'other'>, match: MatchedValue): boolean {
  if (match.form === 'raw') return true;
  if (match.form !== 'escaped') return false;
  if (format === 'form') return isPercentEncoded(match);
  // Nothing but JSON's own escapes, and one layer of them.
  return format === 'json' && /^(?:[^\\%&]|\\u[0-9a-f]{4})+$/i.test(match.bytes.toString('latin1'));
}

/** Whether every placeholder is as long as what would replace it. */
function preservesLength(format: Format, context: RequestContext): boolean {
  if (format === 'other') return true;
  return context.preservesLengths((value) => Buffer.byteLength(ESCAPE[format](value)));
}

function requireSameLength(
  replace: (match: MatchedValue) => Buffer,
  context: RequestContext,
): (match: MatchedValue) => Buffer {
  return (match) => {
    const put = replace(match);
    if (put.length === match.bytes.length) return put;
    throw context.denyMisplaced(match.index, 'the body would no longer have its declared length');
  };
}
