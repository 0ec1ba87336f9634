// Forwards a host's response to the server. Wherever it contains a secret, in whatever spelling and coding, the
// secret is replaced by its placeholder, so an echo discloses nothing. Bodies stream as they arrive. New tokens
// (`issued-tokens.ts`) become secrets with their own placeholders before the server sees them.
import { Readable } from 'node:stream';
import type { ByteTransform } from '../../credential/finder.ts';
import type { IssuedTokens } from '../../credential/issued-tokens.ts';
import { type ResponseSealer, sealWithLatest, searchWithLatest } from '../../credential/redact.ts';
import { BUDGETS } from '../budgets.ts';
import { createDecoder, decode, isUnsearchable, parseContentEncoding } from '../content-coding.ts';
import type { GateTurns } from '../turns.ts';
import { isPlain } from './body-format.ts';
import type { BodySearch } from './body-search.ts';
import { type BodySink, streamBody } from './body-stream.ts';
import { EnvelopeTransform, isEnveloped } from './envelope.ts';
import { FormattedBody } from './formatted-body.ts';
import { replaceInSlices } from './replace-stream.ts';
import { readWhole } from './request-body.ts';
import { fieldValues } from './request-head.ts';
import { Denial, type Field } from './substitution.ts';

/** A host's response, whatever version of HTTP brought it. Its body emits `aborted` where the host breaks off. */
export interface ResponseSource {
  readonly status: number;
  /** The reason phrase; empty where there is none. */
  readonly phrase: string;
  readonly fields: readonly Field[];
  readonly body: Readable;
}

/** Takes a response to the server. */
export interface ResponseSink extends BodySink {
  /** `fields`: names and values in turn. */
  writeHead(status: number, phrase: string, fields: string[]): unknown;
  readonly headersSent: boolean;
}

/** Replaces secrets, as they are now, and seals new ones. */
export interface ForwardOptions {
  readonly sealing: () => ResponseSealer;
  /** Seals the tokens of the body; `undefined` where none are sealed. */
  readonly issued: IssuedTokens | undefined;
  /** As `issued`, anew for each message of a body that consists of such. */
  readonly issuedByMessage: () => IssuedTokens | undefined;
  /** The response is that to a token request: it is read whole, if it ends. */
  readonly isTokenResponse: boolean;
  /** Called when the tokens of a whole body are known, before anything is forwarded. */
  readonly onTokensRead: (body: Buffer) => Promise<void>;
  /** Called with the bytes that stay in memory; may throw. */
  readonly reserve: (bytes: number) => void;
  /** Files that cannot be searched may pass. */
  readonly unsearched: boolean;
  readonly turns: GateTurns;
}

/** A body of a declared length up to this is read whole if it may have tokens: a placeholder may be longer or shorter. */
const MAX_WHOLE = 64 * 1024;
const EVENT_STREAM = /^\s*text\/event-stream/i;
/** Types that are read by their structure, not by their length. */
const TEXT_TYPE = /^\s*(?:text\/|application\/(?:[\w.+-]*\b(?:json|xml)\b|x-www-form-urlencoded))/i;

/**
 * Fields of one connection; of alternative services, which the gate does not reach; and of a body that is changed.
 */
const DROPPED_FIELDS = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'trailer',
  'upgrade',
  'alt-svc',
]);

/** Forwards a response. Throws `Denial` before anything was forwarded; after that it breaks the connection. */
export async function forwardResponse(
  { status, phrase, fields: received, body: from }: ResponseSource,
  to: ResponseSink,
  method: string,
  {
    sealing,
    issued,
    issuedByMessage,
    isTokenResponse,
    onTokensRead,
    reserve,
    unsearched,
    turns,
  }: ForwardOptions,
): Promise<void> {
  const coding = parseContentEncoding(fieldValues(received, 'content-encoding').join(','));
  const bodiless = method === 'HEAD' || status === 204 || status === 304;
  if (!bodiless && coding === undefined)
    throw new Denial(502, 'the content coding of the response cannot be read');
  if (fieldValues(received, 'transfer-encoding').some((value) => value.trim().toLowerCase() !== 'chunked'))
    throw new Denial(502, 'the transfer coding of the response cannot be read');
  const types = fieldValues(received, 'content-type');
  if (!bodiless && types.some(isUnsearchable))
    throw new Denial(502, 'the character set of the response cannot be read');
  if (status < 200) throw new Denial(502, 'the response switches protocols');
  // None was requested: a secret could be split by the borders of the part.
  if (status === 206) throw new Denial(502, 'the response is a part of a body');
  const decoded = coding !== 'identity';
  const [length] = fieldValues(received, 'content-length');

  const tokens = status < 300 && !bodiless ? issued : undefined;
  const isText = TEXT_TYPE.test(types[0] ?? '');
  let whole: Buffer | undefined;
  /** The decoded body. */
  let source: Readable | undefined;
  if (
    tokens !== undefined &&
    coding !== undefined &&
    !isEventStream({ fields: received }) &&
    (isTokenResponse || Number(length) <= MAX_WHOLE)
  ) {
    const body = await readWhole(from, BUDGETS.tokenResponse, reserve);
    const decodedBody = await decode(coding, body, BUDGETS.tokenResponse);
    reserve(2 * decodedBody.length);
    if (isPlain(decodedBody)) {
      await readTokens(decodedBody, tokens, turns);
      await onTokensRead(decodedBody);
      whole = await replaceInSlices(decodedBody, sealing().transform(false), turns);
    } else source = Readable.from([decodedBody]);
  }

  const out = sealing();
  const lengthKept = length !== undefined && !decoded && whole === undefined && !(tokens && isText);
  const forwarded = received.filter(([name]) => {
    const key = name.toLowerCase();
    if (DROPPED_FIELDS.has(key)) return false;
    return key === 'content-encoding' ? !decoded : key !== 'content-length' || lengthKept;
  });
  const fields = forwarded.flatMap(([name, value]) => [out.text(name), out.text(value)]);
  if (whole !== undefined) fields.push('Content-Length', String(whole.length));
  const sendHead = (): void => {
    if (!to.headersSent) to.writeHead(status, out.text(phrase).replace(CONTROL_CHARACTERS, '?'), fields);
  };
  if (bodiless || whole !== undefined) sendHead();
  if (bodiless) {
    from.resume();
    to.end();
    return;
  }
  if (whole !== undefined) {
    to.end(whole);
    return;
  }
  const step = source === undefined && coding !== undefined ? createDecoder(coding) : undefined;
  source ??= step === undefined ? from : from.pipe(step);
  const enveloped = isEnveloped(types);
  await streamBody({
    body: source,
    from,
    to,
    sendHead,
    search: enveloped ? undefined : searchUnlabelled(tokens && issuedByMessage, sealing, unsearched, turns),
    replacing: enveloped
      ? new EnvelopeTransform(
          () => sealTokensFirst(tokens && issuedByMessage(), sealWithLatest(sealing, true)),
          (reason) => new Denial(502, `the response cannot be read: ${reason}`),
        )
      : sealTokensFirst(tokens, sealWithLatest(sealing, lengthKept)),
    turns,
  });
}

/**
 * Searches a body that may be compressed without a label: a file, or an answer whose label is missing. It passes as it is,
 * byte for byte, since programs verify digests of files; but first it is decoded and searched, and where it contains a
 * secret or a new token it is refused.
 */
function searchUnlabelled(
  issued: (() => IssuedTokens | undefined) | undefined,
  sealing: () => ResponseSealer,
  unsearched: boolean,
  turns: GateTurns,
): BodySearch {
  const refuse = (): Denial =>
    new Denial(502, 'the body is compressed without a label, and contains a secret');
  return new FormattedBody({
    search: () => sealTokensFirst(issued?.(), searchWithLatest(sealing, refuse)),
    unsearched,
    turns,
  });
}

/** Reads the tokens of a whole body, in slices. */
async function readTokens(body: Buffer, tokens: IssuedTokens, turns: GateTurns): Promise<void> {
  for (let at = 0; at < body.length; at += BUDGETS.slice) {
    const slice = body.subarray(at, at + BUDGETS.slice);
    await turns.slice(() => tokens.push(slice));
  }
  await turns.slice(() => tokens.flush());
}

/** Seals the tokens of each piece before secrets are replaced in it. */
function sealTokensFirst(tokens: IssuedTokens | undefined, replacing: ByteTransform): ByteTransform {
  if (tokens === undefined) return replacing;
  return {
    push: (piece) => replacing.push(tokens.push(piece)),
    flush: () => [...replacing.push(tokens.flush()), ...replacing.flush()],
  };
}

/** What Node accepts in a reason phrase, and refuses to write. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what a status line cannot reserve
const CONTROL_CHARACTERS = /[\0-\x08\x0a-\x1f\x7f]/g;

/** Whether a response may go on for ever. */
export function isEventStream({ fields }: Pick<ResponseSource, 'fields'>): boolean {
  return fieldValues(fields, 'content-type').some((type) => EVENT_STREAM.test(type));
}

/** Pairs Node's raw header fields. */
export function toFields(raw: readonly string[]): Field[] {
  const fields: Field[] = [];
  for (let at = 0; at + 1 < raw.length; at += 2) fields.push([raw[at] ?? '', raw[at + 1] ?? '']);
  return fields;
}
