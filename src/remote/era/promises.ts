// What a host has told the server and may count on: a server that is opened anew is told it again.
import { memberIn, readText } from '../../json/read.ts';
import type { RemoteMessage } from '../pipe.ts';
import { incoming, notification, paramsOf } from './messages.ts';
import { metaIn } from './meta.ts';
import { json, textOf } from './objects.ts';
import {
  type Era,
  INITIALIZE,
  INITIALIZED,
  LISTEN,
  LISTS,
  SET_LEVEL,
  SUBSCRIBE,
  SUBSCRIPTION,
  UNSUBSCRIBE,
  versionOf,
} from './protocol.ts';

/** The longest URI, in bytes of JSON text, and how many are kept. */
const MAX_URI = 16_384;
const MAX_KEPT = 1000;
/** The longest `_meta` that is kept. */
const MAX_META = 2 ** 18;
const TRUE = 0x74;

export class Promises {
  /** The `params` of `initialize`, once the host has been answered. */
  initialize: Buffer | undefined;
  #initialized: RemoteMessage | undefined;
  #level: RemoteMessage | undefined;
  readonly #subscriptions = new Map<string, RemoteMessage>();
  readonly #listens = new Map<number, RemoteMessage>();
  #meta: Buffer | undefined;
  readonly #era: Era;

  constructor(era: Era) {
    this.#era = era;
  }

  /** The notification that the host has sent after the handshake. */
  get initialized(): RemoteMessage | undefined {
    return this.#initialized;
  }

  /** What the host says of itself in each request. */
  get meta(): Buffer | undefined {
    return this.#meta;
  }

  /** Requests that set what a session has, to be made again under other ids. */
  get settings(): RemoteMessage[] {
    return [...(this.#level === undefined ? [] : [this.#level]), ...this.#subscriptions.values()];
  }

  /** Subscriptions that are open. */
  get listens(): RemoteMessage[] {
    return [...this.#listens.values()];
  }

  /** What tells the host that all lists may be others, where it wants to know. */
  get announcements(): Buffer[] {
    return LISTS.flatMap(({ changed, wanted }) => {
      if (this.#era === 'session') return this.#initialized === undefined ? [] : [notification(changed)];
      return this.listens.flatMap(({ id, json: line }) => {
        const filter = memberIn(line, paramsOf(incoming(line).envelope), 'notifications');
        const value = memberIn(line, filter, wanted);
        if (value === undefined || line[value.start] !== TRUE) return [];
        return [notification(changed, json({ _meta: { [SUBSCRIPTION]: id } }))];
      });
    });
  }

  /** The host sends a message. */
  note(message: RemoteMessage): void {
    const { method, json, id } = message;
    if (method === INITIALIZED) this.#initialized = message;
    else if (method === SET_LEVEL) this.#level = message;
    else if (method === LISTEN && id !== undefined) this.#keep(this.#listens, id, message);
    else if (method === SUBSCRIBE || method === UNSUBSCRIBE) {
      const found = memberIn(json, paramsOf(incoming(json).envelope), 'uri');
      const uri = found === undefined ? undefined : readText(json, found, MAX_URI);
      if (uri === undefined) return;
      this.#subscriptions.delete(uri);
      if (method === SUBSCRIBE) this.#keep(this.#subscriptions, uri, message);
    }
    if (this.#era === 'stateless' && this.#meta === undefined && json.length <= MAX_META)
      this.#noteMeta(json);
  }

  /** The host was answered. */
  noteInitialize(message: RemoteMessage): void {
    if (message.method !== INITIALIZE) return;
    const params = paramsOf(incoming(message.json).envelope);
    this.initialize = params === undefined ? Buffer.from('{}') : Buffer.from(textOf(message.json, params));
  }

  /** A request of the host has ended. */
  ended(id: number): void {
    this.#listens.delete(id);
  }

  #noteMeta(json: Buffer): void {
    const params = paramsOf(incoming(json).envelope);
    const meta = metaIn(json, params);
    if (meta !== undefined && versionOf(json, params) !== undefined)
      this.#meta = Buffer.from(textOf(json, meta));
  }

  #keep<Key>(map: Map<Key, RemoteMessage>, key: Key, message: RemoteMessage): void {
    if (map.size < MAX_KEPT) map.set(key, message);
  }
}
