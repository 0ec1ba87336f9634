// What a host has told its server and the server keeps for the session: repeated word for word to a new session where the
// server has forgotten the old one (2025-11-25, "Session Management", 4).
import { createHash } from 'node:crypto';
import { readMember, readText } from '../../json/read.ts';
import { ownId } from '../../relay/ids.ts';
import type { HttpResponse } from '../http/client.ts';
import { badAnswer } from '../http/problem.ts';
import type { RemoteMessage } from '../pipe.ts';
import { discard, isEventStream, mediaType, readEvents, readWhole } from './body.ts';
import type { Flow } from './flow.ts';
import { toOneLine } from './one-line.ts';
import { readMessage } from './read-message.ts';
import { SseParser } from './sse.ts';

const MAX_URI = 16_384;
/** Bytes that are kept, and what keeping one of many costs beside its bytes. */
const MAX_KEPT = 4 * 2 ** 20;
const OVERHEAD = 256;
/** The longest answer to `initialize`. */
const MAX_INTRODUCTION = 2 ** 20;

/** Members of the answer to `initialize` by which a host, and the person behind it, know a server. */
const INTRODUCTION = ['protocolVersion', 'capabilities', 'serverInfo', 'instructions'] as const;

export class Handshake {
  /** The request that the server has accepted. */
  initialize: RemoteMessage | undefined;
  initialized: RemoteMessage | undefined;
  #introduction: string | undefined;
  #level: RemoteMessage | undefined;
  readonly #subscriptions = new Map<string, RemoteMessage>();
  #bytes = 0;

  /** The server has accepted `initialize`. `result` is its result as JSON text. */
  accepted(message: RemoteMessage, result: Buffer): void {
    this.initialize = message;
    this.#introduction = digestOf(result);
  }

  /** Whether the server introduces itself to a new session as it did to the first. */
  isSame(result: Buffer): boolean {
    return digestOf(result) === this.#introduction;
  }

  /** The server has accepted a request of the session. */
  note(message: RemoteMessage): void {
    if (message.method === 'logging/setLevel') {
      this.#level = message;
    } else if (message.method === 'resources/subscribe' || message.method === 'resources/unsubscribe') {
      const uri = uriOf(message.json);
      if (uri === undefined) return;
      const cost = (one: RemoteMessage): number => one.json.length + OVERHEAD;
      const before = this.#subscriptions.get(uri);
      if (before !== undefined) this.#bytes -= cost(before);
      this.#subscriptions.delete(uri);
      if (message.method === 'resources/unsubscribe' || this.#bytes + cost(message) > MAX_KEPT) return;
      this.#bytes += cost(message);
      this.#subscriptions.set(uri, message);
    }
  }

  /** The requests that a new session is told after the handshake. */
  *rest(): Generator<RemoteMessage> {
    if (this.#level !== undefined) yield this.#level;
    yield* this.#subscriptions.values();
  }
}

/** The version of the protocol that the server has chosen: undefined where it cannot be said in a header. */
export function versionIn(result: Buffer): string | undefined {
  const member = readMember(result, 0, result.length, 'protocolVersion');
  const version = typeof member === 'string' ? undefined : readText(result, member, 64);
  return version !== undefined && /^[\x21-\x7e]+$/.test(version) ? version : undefined;
}

/** The id of the session that a response opens. Throws where it is none (2025-11-25, "Session Management", 1). */
export function sessionIn(server: URL, headers: Pick<Headers, 'get'>): string | undefined {
  const id = headers.get('mcp-session-id');
  if (id === null) return undefined;
  if (!/^[\x21-\x7e]{1,1024}$/.test(id))
    throw badAnswer(server, 'names a session that cannot be said in a header');
  return id;
}

/** The result of a repeated `initialize`, whose answer goes to nobody. Undefined where it has none. */
export async function readIntroduction(
  response: HttpResponse,
  id: number,
  flow: Flow,
): Promise<Buffer | undefined> {
  const read = async (text: Buffer): Promise<Buffer | 'other' | undefined> => {
    const json = await toOneLine(text);
    const message = json && (await readMessage(json));
    if (json === undefined || message?.kind !== 'response' || ownId(message.id) !== id) return 'other';
    return message.failed ? undefined : Buffer.from(json.subarray(message.resultStart, message.resultEnd));
  };
  try {
    if (isEventStream(response)) {
      for await (const { data } of readEvents(response.body, new SseParser(MAX_INTRODUCTION), flow)) {
        const result = data === undefined ? 'other' : await read(data);
        if (result === 'other') continue;
        discard(response.body);
        return result;
      }
    } else if (response.status === 200 && mediaType(response) === 'application/json') {
      const whole = await readWhole(response.body, MAX_INTRODUCTION);
      const result = typeof whole === 'number' ? 'other' : await read(whole);
      return result === 'other' ? undefined : result;
    }
  } catch {
    // There is no answer then.
  }
  response.body.destroy();
  return undefined;
}

function digestOf(result: Buffer): string {
  const digest = createHash('sha256');
  for (const name of INTRODUCTION) {
    const member = readMember(result, 0, result.length, name);
    digest.update(`${name} ${typeof member === 'string' ? member : member.end - member.start}\n`);
    if (typeof member !== 'string') digest.update(result.subarray(member.start, member.end));
  }
  return digest.digest('hex');
}

function uriOf(json: Buffer): string | undefined {
  const params = readMember(json, 0, json.length, 'params');
  if (typeof params === 'string') return undefined;
  const uri = readMember(json, params.start, params.end, 'uri');
  return typeof uri === 'string' ? undefined : readText(json, uri, MAX_URI);
}
