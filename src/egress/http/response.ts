// The way back: a host's answer on its way to the server. Wherever a secret stands in it, in whatever form and coding,
// its placeholder takes the place; so an echo hands nothing over. Bodies stream as they come. New tokens of a token
// endpoint (RFC 6749 5.1) become secrets with placeholders of their own before the server hears of them.
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import type { ByteTransform } from '../../credential/finder.ts';
import { type ResponseSealer, sealWithLatest } from '../../credential/redact.ts';
import type { SealedCredential } from '../../credential/sealed.ts';
import { codingOf, decode, decoder, strange } from './content-coding.ts';
import { collect } from './request-body.ts';
import { valuesOf } from './request-head.ts';
import { Denial, type Field } from './substitution.ts';

/** What takes secrets out, as the session's secrets are now. */
export interface WayBack {
  readonly sealing: () => ResponseSealer;
  /** Seals a new token; gives `undefined` where it has no room for it. `undefined`: nothing is sealed here. */
  readonly seal: ((token: string) => unknown) | undefined;
  /** Hears of the bytes that stay in memory, and may throw. */
  readonly hold: (bytes: number) => void;
}

/** The longest answer of a token endpoint, in bytes. */
const LONGEST_TOKEN = 1024 * 1024;

/** Bytes of a body that go on at one time, and that wait until the server has read them. */
const MOST_AT_ONCE = 128 * 1024;
const MOST_UNREAD = 256 * 1024;
/** Pieces that are written although Node would rather wait: one may be a byte, and takes hundreds. */
const MOST_WRITES = 1024;

/** Members of a token endpoint's answer that are secrets. */
const TOKENS = ['access_token', 'refresh_token', 'id_token'];

/** They in JSON, at whatever depth and behind whatever mark at the beginning, with the value as it is written. */
const IN_JSON = new RegExp(`"(?:${TOKENS.join('|')})"\\s*:\\s*("[^"\\\\]*(?:\\\\.[^"\\\\]*)*")`, 'g');

/** An answer that may hold tokens; not one that goes on and on. */
const TOKEN_TYPE =
  /^(?:$|text\/(?!event-stream)|application\/(?:[\w.+-]+\+)?json\b|application\/x-www-form-urlencoded\b)/i;

/** Fields of one connection; those of other services, which there is no way to; and promises on a body that is changed. */
const GONE = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'trailer',
  'upgrade',
  'alt-svc',
]);

/** Passes an answer on. Throws `Denial` before anything was passed on; later it breaks the connection. */
export async function passBack(
  from: IncomingMessage,
  to: ServerResponse,
  method: string,
  { sealing, seal, hold }: WayBack,
): Promise<void> {
  const status = from.statusCode ?? 502;
  const given = fieldsOf(from.rawHeaders);
  const coding = codingOf(valuesOf(given, 'content-encoding').join(','));
  const bodiless = method === 'HEAD' || status === 204 || status === 304;
  if (!bodiless && coding === undefined)
    throw new Denial(502, 'the content coding of the answer cannot be read');
  if (valuesOf(given, 'transfer-encoding').some((one) => one.trim().toLowerCase() !== 'chunked'))
    throw new Denial(502, 'the transfer coding of the answer cannot be read');
  const types = valuesOf(given, 'content-type');
  if (!bodiless && types.some(strange))
    throw new Denial(502, 'the character set of the answer cannot be read');
  if (status < 200) throw new Denial(502, 'the answer changes the protocol');
  // None was asked for: in a part of a body a secret may be hidden by its being a part.
  if (status === 206) throw new Denial(502, 'the answer is a part of a body');
  const opened = coding !== 'identity';
  const [length] = valuesOf(given, 'content-length');

  let whole: Buffer | undefined;
  const good = status >= 200 && status < 300 && !bodiless;
  if (seal !== undefined && coding !== undefined && good && TOKEN_TYPE.test(types[0]?.trim() ?? '')) {
    whole = decode(coding, await collect(from, LONGEST_TOKEN, hold), LONGEST_TOKEN);
    hold(2 * whole.length);
    // A known secret in what is said to be a token is none with limits of its own.
    whole = cleaned(whole, sealing());
    for (const token of tokensIn(whole)) {
      if (seal(token) === undefined) throw new Denial(502, 'more tokens have come than a session can seal');
    }
    whole = cleaned(whole, sealing());
  }

  const out = sealing();
  const keeps = length !== undefined && !opened && whole === undefined;
  const kept = given.filter(([name]) => {
    const key = name.toLowerCase();
    if (GONE.has(key)) return false;
    return key === 'content-encoding' ? !opened : key !== 'content-length' || keeps;
  });
  const fields = kept.flatMap(([name, value]) => [out.text(name), out.text(value)]);
  if (whole !== undefined) fields.push('Content-Length', String(whole.length));
  to.sendDate = false;
  to.writeHead(status, out.text(from.statusMessage ?? '').replace(UNPRINTABLE, '?'), fields);
  if (bodiless) {
    from.resume();
    to.end();
    return;
  }
  if (whole !== undefined) {
    to.end(whole);
    return;
  }
  const step = coding === undefined ? undefined : decoder(coding);
  await flow(step === undefined ? from : from.pipe(step), from, to, sealWithLatest(sealing, keeps));
}

function cleaned(body: Buffer, sealing: ResponseSealer): Buffer {
  const replacing = sealing.transform(false);
  return Buffer.concat([...replacing.push(body), ...replacing.flush()]);
}

/** What Node reads in the words behind a status, and does not write. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what a status line cannot hold
const UNPRINTABLE = /[\0-\x08\x0a-\x1f\x7f]/g;

/** Header fields as Node has them raw, in pairs. */
export function fieldsOf(raw: readonly string[]): Field[] {
  const fields: Field[] = [];
  for (let at = 0; at + 1 < raw.length; at += 2) fields.push([raw[at] ?? '', raw[at + 1] ?? '']);
  return fields;
}

/** The credentials that an answer could be about: those it was asked with, else those that its host may have. */
export function ownerOf(
  used: Iterable<SealedCredential>,
  all: readonly SealedCredential[],
  mayGoTo: (credential: SealedCredential) => boolean,
): SealedCredential | undefined {
  const [first] = used;
  return first ?? all.find(mayGoTo);
}

/**
 * Passes a body on as fast as the server reads it. What comes at one time goes on at one time, the head with it: each
 * piece is searched and encrypted at a cost of its own. Nothing waits for longer, as an answer may go on for hours, one
 * event at a time. Rejects where either side breaks.
 */
async function flow(
  body: Readable,
  from: IncomingMessage,
  to: ServerResponse,
  replacing: ByteTransform,
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
  /** Since the server last had read all. */
  let writes = 0;
  const put = (): void => {
    const came = Buffer.concat(pieces, length);
    pieces = [];
    length = 0;
    let room = true;
    for (const piece of replacing.push(came)) room = to.write(piece);
    writes = room ? 0 : writes + 1;
    if (to.writableLength < MOST_UNREAD && writes < MOST_WRITES) return;
    body.pause();
    to.once('drain', () => {
      writes = 0;
      body.resume();
    });
  };
  const go = (): void => {
    clearImmediate(soon);
    soon = undefined;
    try {
      if (length > 0) put();
      else to.flushHeaders();
    } catch (error) {
      fail(error);
    }
  };
  let soon: NodeJS.Immediate | undefined = setImmediate(go);
  body.on('data', (piece: Buffer) => {
    pieces.push(piece);
    length += piece.length;
    if (length >= MOST_AT_ONCE) go();
    else soon ??= setImmediate(go);
  });
  try {
    await Promise.race([once(body, 'end'), broken.promise]);
  } finally {
    clearImmediate(soon);
  }
  if (length > 0) put();
  for (const piece of replacing.flush()) to.write(piece);
  to.end();
}

/** The tokens that an answer of a token endpoint holds: JSON, or a form as some give it. */
function tokensIn(body: Buffer): string[] {
  const text = body.toString();
  const form = new URLSearchParams(text);
  const tokens = [
    ...Array.from(text.matchAll(IN_JSON), ([, written = '']) => read(written)),
    ...TOKENS.flatMap((name) => form.getAll(name)),
  ];
  return tokens.filter((token) => token !== '');
}

/** A string of JSON; empty if it is none. */
function read(written: string): string {
  try {
    return String(JSON.parse(written));
  } catch {
    return '';
  }
}
