// What a server was told once and a new one has to be told again. Up to 2025-11-25 a host opens with
// `initialize` and `notifications/initialized`, may set the level of logging, and subscribes to resources; the
// server keeps all that. From 2026-07-28 a server keeps nothing but `subscriptions/listen` requests that are
// still open: see call.ts. Each request then says in its `_meta` what there is to know of the host, and
// `server/discover` asks the same of the server. Which of the two a host speaks shows by what it has sent.
//
// Of what servers answer only digests are kept, so that its size costs nothing.

import { digestOf } from '../../json/digest.ts';
import { type Range, readMember, readText, whole } from '../../json/read.ts';
import { LISTEN } from '../call.ts';

export const INITIALIZE = 'initialize';
export const DISCOVER = 'server/discover';
const SET_LEVEL = 'logging/setLevel';
const SUBSCRIBE = 'resources/subscribe';
const UNSUBSCRIBE = 'resources/unsubscribe';

/** Requests whose `params` a new server may have to be sent again. */
export const REPLAYED: ReadonlySet<string> = new Set([INITIALIZE, LISTEN, SET_LEVEL, SUBSCRIBE, UNSUBSCRIBE]);

/** The longest URI that is subscribed to, in bytes of JSON text. */
const MAX_URI = 16_384;

/** What keeping one of many costs beside its bytes. */
const OVERHEAD = 256;

/** By this member a `_meta` is one of 2026-07-28. */
const VERSION = '"io.modelcontextprotocol/protocolVersion"';

const INITIALIZED_LINE = Buffer.from('{"jsonrpc":"2.0","method":"notifications/initialized"}');

const ABSENT = 'absent';

/** What of a server's answers the host goes by, each member as a digest of its JSON text. */
interface Identity {
  readonly version: string;
  readonly capabilities: string;
  readonly name: string;
}

/** Of a request: the JSON text of its `params`; `none` where it has no such member. */
type Params = Buffer | 'none';

/** What the host has told its server. */
export class Replay {
  #initialize: Params | undefined;
  #opened: Identity | undefined;
  #initialized: Buffer | undefined;
  #meta: Buffer | undefined;
  #discovered: Identity | undefined;
  #level: Buffer | undefined;
  /** The `params` of each `resources/subscribe`, by URI. */
  readonly #subscriptions = new Map<string, Buffer>();
  #bytes = 0;
  readonly #whenOpened = Promise.withResolvers<void>();

  /** Bytes that are kept. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Settles when the server has answered the host's `initialize`. */
  get opened(): Promise<void> {
    return this.#whenOpened.promise;
  }

  /** The server has answered the host's `initialize`. */
  get isOpened(): boolean {
    return this.#initialize !== undefined;
  }

  /** The server has answered `server/discover` of the host. */
  get isDiscovered(): boolean {
    return this.#discovered !== undefined;
  }

  /** The `params` of `initialize`. */
  get initialize(): Buffer | undefined {
    return this.#initialize === 'none' ? undefined : this.#initialize;
  }

  /** The line of `notifications/initialized`, if the host has sent it. */
  get initialized(): Buffer | undefined {
    return this.#initialized;
  }

  /** Whether the host is subscribed to a resource. */
  get isSubscribed(): boolean {
    return this.#subscriptions.size > 0;
  }

  /** What the host says of itself in each request; undefined if it does not. */
  get meta(): Buffer | undefined {
    return this.#meta;
  }

  /** The host has sent a request with a `_meta`; the first one that counts is kept, up to `limit` bytes. */
  noteMeta(bytes: Buffer, start: number, end: number, limit: number): void {
    if (this.#meta !== undefined || this.#initialize !== undefined || end - start > limit) return;
    const meta = bytes.subarray(start, end);
    if (meta.includes(VERSION)) this.#meta = this.#keep(Buffer.from(meta));
  }

  /** The host has sent `notifications/initialized`; what is longer than `limit` is not repeated word for word. */
  noteInitialized(bytes: Buffer, start: number, end: number, limit: number): void {
    this.#drop(this.#initialized);
    const line = end - start > limit ? INITIALIZED_LINE : bytes.subarray(start, end);
    this.#initialized = this.#keep(Buffer.from(line));
  }

  /** The server has accepted a request. `params` is its JSON text, `result` where the result is in `bytes`. */
  accepted(method: string, params: Buffer | undefined, bytes: Buffer, result: Range): void {
    if (method === DISCOVER) {
      this.#discovered = identityOf(bytes, result, 'supportedVersions');
    } else if (method === INITIALIZE) {
      if (this.#initialize !== 'none') this.#drop(this.#initialize);
      this.#initialize = params === undefined ? 'none' : this.#keep(params);
      this.#opened = identityOf(bytes, result, 'protocolVersion');
      this.#whenOpened.resolve();
    } else if (params === undefined) {
      // Nothing to repeat: what it asks for stands in its parameters.
    } else if (method === SET_LEVEL) {
      this.#drop(this.#level);
      this.#level = this.#keep(params);
    } else if (method === SUBSCRIBE || method === UNSUBSCRIBE) {
      const uri = uriOf(params);
      if (uri === undefined) return;
      this.#drop(this.#subscriptions.get(uri));
      this.#subscriptions.delete(uri);
      if (method === SUBSCRIBE) this.#subscriptions.set(uri, this.#keep(params));
    }
  }

  /** What a new server has yet to be told after the handshake itself. */
  *rest(): Generator<{ readonly method: string; readonly params: Buffer }> {
    if (this.#level !== undefined) yield { method: SET_LEVEL, params: this.#level };
    for (const params of this.#subscriptions.values()) yield { method: SUBSCRIBE, params };
  }

  /** How a new server's answer to `initialize` differs from the one that the host knows; undefined: it does not. */
  initializeDiffers(result: Buffer): string | undefined {
    return differs(this.#opened, identityOf(result, whole(result), 'protocolVersion'));
  }

  /** As `initializeDiffers`, for `server/discover`; what the host has not asked for cannot differ. */
  discoverDiffers(result: Buffer): string | undefined {
    if (this.#discovered === undefined) return undefined;
    return differs(this.#discovered, identityOf(result, whole(result), 'supportedVersions'));
  }

  #keep(bytes: Buffer): Buffer {
    this.#bytes += bytes.length + OVERHEAD;
    return bytes;
  }

  #drop(bytes: Buffer | undefined): void {
    if (bytes !== undefined) this.#bytes -= bytes.length + OVERHEAD;
  }
}

function differs(known: Identity | undefined, found: Identity): string | undefined {
  if (found.version !== known?.version) return 'speaks another version of the protocol';
  if (found.name !== known.name) return 'has another name';
  return found.capabilities === known.capabilities ? undefined : 'has other capabilities';
}

function identityOf(bytes: Buffer, result: Range, version: string): Identity {
  const info = readMember(bytes, result.start, result.end, 'serverInfo');
  return {
    version: digestOfMember(bytes, result, version),
    capabilities: digestOfMember(bytes, result, 'capabilities'),
    name: typeof info === 'string' ? info : digestOfMember(bytes, info, 'name'),
  };
}

function digestOfMember(bytes: Buffer, { start, end }: Range, name: string): string {
  const member = readMember(bytes, start, end, name);
  if (member === ABSENT) return ABSENT;
  return member === 'ambiguous' ? digestOf(bytes, { start, end }) : digestOf(bytes, member);
}

function uriOf(params: Buffer): string | undefined {
  const uri = readMember(params, 0, params.length, 'uri');
  return typeof uri === 'string' ? undefined : readText(params, uri, MAX_URI);
}
