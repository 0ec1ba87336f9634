// Forwards a host's response to the server. Wherever it contains a secret, in whatever spelling and coding, the
// secret is replaced by its placeholder, so an echo discloses nothing. Bodies stream as they arrive. New tokens of a
// token endpoint (RFC 6749 5.1) become secrets with their own placeholders before the server sees them.
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import type { ByteTransform } from '../../credential/finder.ts';
import { type ResponseSealer, sealWithLatest } from '../../credential/redact.ts';
import type { SealedCredential } from '../../credential/sealed.ts';
import { BUDGETS } from '../budgets.ts';
import type { GateTurns } from '../turns.ts';
import { createDecoder, decode, isUnsearchable, parseContentEncoding } from './content-coding.ts';
import { replaceInSlices } from './replace-stream.ts';
import { readWhole } from './request-body.ts';
import { fieldValues } from './request-head.ts';
import { Denial, type Field } from './substitution.ts';

/** Replaces secrets, as they are now, and seals new ones. */
export interface ForwardOptions {
  readonly sealing: () => ResponseSealer;
  /** Seals a new token; returns `undefined` where there is no room for it. `undefined`: no token is sealed here. */
  readonly seal: ((token: string) => unknown) | undefined;
  /** Called with the bytes that stay in memory; may throw. */
  readonly reserve: (bytes: number) => void;
  readonly turns: GateTurns;
}

/** Members of a token endpoint's response that are secrets. */
const TOKEN_MEMBERS = ['access_token', 'refresh_token', 'id_token'];

/** These members in JSON, at any depth and behind any byte order mark, with the value as it is written. */
const TOKEN_IN_JSON = new RegExp(
  `"(?:${TOKEN_MEMBERS.join('|')})"\\s*:\\s*("[^"\\\\]*(?:\\\\.[^"\\\\]*)*")`,
  'g',
);

/** The type of a response that may contain tokens; an event stream is not one. */
const TOKEN_TYPE =
  /^(?:$|text\/(?!event-stream)|application\/(?:[\w.+-]+\+)?json\b|application\/x-www-form-urlencoded\b)/i;

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
  from: IncomingMessage,
  to: ServerResponse,
  method: string,
  { sealing, seal, reserve, turns }: ForwardOptions,
): Promise<void> {
  const status = from.statusCode ?? 502;
  const received = toFields(from.rawHeaders);
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

  let whole: Buffer | undefined;
  const mayHoldTokens = status >= 200 && status < 300 && !bodiless;
  if (
    seal !== undefined &&
    coding !== undefined &&
    mayHoldTokens &&
    TOKEN_TYPE.test(types[0]?.trim() ?? '')
  ) {
    const body = await readWhole(from, BUDGETS.tokenResponse, reserve);
    whole = await decode(coding, body, BUDGETS.tokenResponse);
    reserve(2 * whole.length);
    // A known secret inside a new token must not get a second placeholder.
    whole = await replaceInSlices(whole, sealing().transform(false), turns);
    await sealTokens(whole.toString(), seal, turns);
    whole = await replaceInSlices(whole, sealing().transform(false), turns);
  }

  const out = sealing();
  const lengthKept = length !== undefined && !decoded && whole === undefined;
  const forwarded = received.filter(([name]) => {
    const key = name.toLowerCase();
    if (DROPPED_FIELDS.has(key)) return false;
    return key === 'content-encoding' ? !decoded : key !== 'content-length' || lengthKept;
  });
  const fields = forwarded.flatMap(([name, value]) => [out.text(name), out.text(value)]);
  if (whole !== undefined) fields.push('Content-Length', String(whole.length));
  to.sendDate = false;
  to.writeHead(status, out.text(from.statusMessage ?? '').replace(CONTROL_CHARACTERS, '?'), fields);
  if (bodiless) {
    from.resume();
    to.end();
    return;
  }
  if (whole !== undefined) {
    to.end(whole);
    return;
  }
  const step = coding === undefined ? undefined : createDecoder(coding);
  await streamBody(
    step === undefined ? from : from.pipe(step),
    from,
    to,
    sealWithLatest(sealing, lengthKept),
    turns,
  );
}

/** What Node accepts in a reason phrase, and refuses to write. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what a status line cannot reserve
const CONTROL_CHARACTERS = /[\0-\x08\x0a-\x1f\x7f]/g;

/** Pairs Node's raw header fields. */
export function toFields(raw: readonly string[]): Field[] {
  const fields: Field[] = [];
  for (let at = 0; at + 1 < raw.length; at += 2) fields.push([raw[at] ?? '', raw[at + 1] ?? '']);
  return fields;
}

/**
 * The credential that a response could be about: the first that the request carried, else one that the host may
 * receive.
 */
export function tokenIssuer(
  used: Iterable<SealedCredential>,
  all: readonly SealedCredential[],
  allowsHost: (credential: SealedCredential) => boolean,
): SealedCredential | undefined {
  const [first] = used;
  return first ?? all.find(allowsHost);
}

/**
 * Forwards a body as fast as the server reads it. What arrives at one time is forwarded at one time, together with
 * the head: each piece is searched and encrypted at its own cost. Nothing waits for longer, as a response may go on
 * for hours, one event at a time. Rejects where either side breaks.
 */
async function streamBody(
  body: Readable,
  from: IncomingMessage,
  to: ServerResponse,
  replacing: ByteTransform,
  turns: GateTurns,
): Promise<void> {
  const broken = Promise.withResolvers<never>();
  broken.promise.catch(() => {});
  const fail = (error: unknown): void => broken.reject(error);
  from.once('error', fail);
  from.once('aborted', () => fail(new Error('the host broke off')));
  body.once('error', fail);
  to.once('close', () => fail(new Error('the server has gone')));
  let pieces: Buffer[] = [];
  let length = 0;
  /** Since the server had last read everything. */
  let writes = 0;
  const write = (): void => {
    const batch = Buffer.concat(pieces, length);
    pieces = [];
    length = 0;
    let room = true;
    for (const piece of replacing.push(batch)) room = to.write(piece);
    writes = room ? 0 : writes + 1;
    if (to.writableLength < BUDGETS.unread && writes < BUDGETS.writes) {
      body.resume();
      return;
    }
    body.pause();
    to.once('drain', () => {
      writes = 0;
      body.resume();
    });
  };
  /** A batch waits for its turn: until then nothing more is read. */
  let waiting = false;
  const flush = (): void => {
    clearImmediate(scheduled);
    scheduled = undefined;
    if (waiting) return;
    if (length === 0) {
      to.flushHeaders();
      return;
    }
    waiting = true;
    turns.run(() => {
      waiting = false;
      try {
        write();
      } catch (error) {
        fail(error);
      }
    });
    if (waiting) body.pause();
  };
  let scheduled: NodeJS.Immediate | undefined = setImmediate(flush);
  body.on('data', (piece: Buffer) => {
    pieces.push(piece);
    length += piece.length;
    if (length >= BUDGETS.batch) flush();
    else scheduled ??= setImmediate(flush);
  });
  try {
    await Promise.race([once(body, 'end'), broken.promise]);
  } finally {
    clearImmediate(scheduled);
  }
  await turns.slice(() => {
    if (length > 0) write();
    for (const piece of replacing.flush()) to.write(piece);
    to.end();
  });
}

/** Seals the tokens in a response of a token endpoint, a few in each slice. */
async function sealTokens(text: string, seal: (token: string) => unknown, turns: GateTurns): Promise<void> {
  const tokens = readTokens(text);
  let next = await turns.slice(() => tokens.next());
  while (next.done !== true) {
    const token = next.value;
    if (token !== undefined && (await turns.slice(() => seal(token))) === undefined)
      throw new Denial(502, 'more tokens were issued than a session can seal');
    next = await turns.slice(() => tokens.next());
  }
}

/**
 * The tokens in JSON, or in a form, as some servers send; each once. `undefined` after each `FIELDS_READ` fields
 * without one.
 */
function* readTokens(text: string): Generator<string | undefined> {
  const seen = new Set<string>();
  const isNew = (token: string): boolean => token !== '' && seen.size < seen.add(token).size;
  for (const [, literal = ''] of text.matchAll(TOKEN_IN_JSON)) {
    const token = parseJsonString(literal);
    if (isNew(token)) yield token;
  }
  let fields = 0;
  for (let start = 0; start < text.length; ) {
    const next = text.indexOf('&', start);
    const end = next < 0 ? text.length : next;
    const [[name = '', token = ''] = []] = isTokenField(text, start)
      ? new URLSearchParams(text.slice(start, end))
      : [];
    start = end + 1;
    if (TOKEN_MEMBERS.includes(name) && isNew(token)) yield token;
    else if (++fields % FIELDS_READ === 0) yield undefined;
  }
}

/** How many fields of a form are read in one slice. */
const FIELDS_READ = 1000;
/** The longest name of a token's field: each character may be escaped. */
const MAX_FIELD_NAME = 3 * 'refresh_token'.length;

/** Whether the field at a position may have the name of a token. */
function isTokenField(text: string, start: number): boolean {
  const equals = text.slice(start, start + MAX_FIELD_NAME + 1).indexOf('=');
  return equals >= 'id_token'.length;
}

/** Decodes a JSON string; empty if it is malformed. */
function parseJsonString(literal: string): string {
  try {
    return String(JSON.parse(literal));
  } catch {
    return '';
  }
}
