// The subscriptions of a host of the stateless era at a server of the session era: each `subscriptions/listen` is told of the
// lists that may change, and of the resources that it names, which the server is asked to watch once for all of them.
import { memberIn, type Range, readElements, readText } from '../../json/read.ts';
import { serverOffers } from './capabilities.ts';
import { notification } from './messages.ts';
import { metaChanged } from './meta.ts';
import { json } from './objects.ts';
import type { OwnRequests } from './own-requests.ts';
import { ACKNOWLEDGED, LISTS, SUBSCRIBE, SUBSCRIPTION, UNSUBSCRIBE } from './protocol.ts';

const MAX_URI = 16_384;
const TRUE = 0x74;

interface Listener {
  readonly lists: ReadonlySet<string>;
  readonly uris: Set<string>;
  acknowledged: boolean;
}

export interface SessionListenersParts {
  readonly own: OwnRequests;
  readonly toHost: (json: Buffer) => void;
}

export class SessionListeners {
  readonly #parts: SessionListenersParts;
  readonly #listeners = new Map<number, Listener>();
  /** How many listeners want a resource. */
  readonly #watched = new Map<string, number>();

  constructor(parts: SessionListenersParts) {
    this.#parts = parts;
  }

  /** A host subscribes. `params` is where its parameters are, `capabilities` what the server offers. */
  add(id: number, bytes: Buffer, params: Range | undefined, capabilities: Buffer): void {
    const filter = memberIn(bytes, params, 'notifications');
    const lists = LISTS.filter(({ wanted, capability }) => {
      const value = memberIn(bytes, filter, wanted);
      return (
        value !== undefined &&
        bytes[value.start] === TRUE &&
        serverOffers(capabilities, capability, 'listChanged')
      );
    });
    const wanted = serverOffers(capabilities, 'resources', 'subscribe') ? urisIn(bytes, filter) : [];
    const listener: Listener = {
      lists: new Set(lists.map(({ changed }) => changed)),
      uris: new Set(),
      acknowledged: false,
    };
    this.#listeners.set(id, listener);
    let left = wanted.length;
    if (left === 0) this.#acknowledge(id, listener, lists);
    for (const uri of wanted)
      this.#watch(uri, (isWatched) => {
        if (isWatched) {
          if (this.#listeners.has(id)) listener.uris.add(uri);
          else this.#unwatch(uri);
        }
        if (--left === 0 && this.#listeners.has(id)) this.#acknowledge(id, listener, lists);
      });
  }

  /** A host ends its subscription. False: it is none of these. */
  remove(id: number): boolean {
    const listener = this.#listeners.get(id);
    if (listener === undefined) return false;
    this.#listeners.delete(id);
    for (const uri of listener.uris) this.#unwatch(uri);
    return true;
  }

  /** A list may be another one. `params` is JSON text. */
  changed(method: string, params: Buffer): void {
    for (const [id, { lists, acknowledged }] of this.#listeners)
      if (acknowledged && lists.has(method)) this.#tell(id, method, params);
  }

  /** A resource, or one below it, may be another. */
  updated(method: string, uri: string, params: Buffer): void {
    for (const [id, { uris, acknowledged }] of this.#listeners)
      if (acknowledged && [...uris].some((each) => uri === each || uri.startsWith(`${each}/`)))
        this.#tell(id, method, params);
  }

  #acknowledge(id: number, listener: Listener, lists: readonly (typeof LISTS)[number][]): void {
    listener.acknowledged = true;
    const accepted = {
      ...Object.fromEntries(lists.map(({ wanted }) => [wanted, true])),
      ...(listener.uris.size === 0 ? {} : { resourceSubscriptions: [...listener.uris] }),
    };
    this.#tell(id, ACKNOWLEDGED, json({ notifications: accepted }));
  }

  #tell(id: number, method: string, params: Buffer): void {
    const named = metaChanged(params, { [SUBSCRIPTION]: json(id) });
    if (named !== undefined) this.#parts.toHost(notification(method, named));
  }

  #watch(uri: string, done: (isWatched: boolean) => void): void {
    const count = this.#watched.get(uri) ?? 0;
    this.#watched.set(uri, count + 1);
    if (count > 0) {
      done(true);
      return;
    }
    const { own } = this.#parts;
    own.ask(own.next(), SUBSCRIBE, json({ uri }), (answer) => {
      if ('error' in answer) this.#watched.delete(uri);
      done('result' in answer);
    });
  }

  #unwatch(uri: string): void {
    const count = this.#watched.get(uri) ?? 0;
    if (count > 1) {
      this.#watched.set(uri, count - 1);
      return;
    }
    const { own } = this.#parts;
    if (this.#watched.delete(uri)) own.ask(own.next(), UNSUBSCRIBE, json({ uri }), () => {});
  }
}

function urisIn(bytes: Buffer, filter: Range | undefined): string[] {
  const list = memberIn(bytes, filter, 'resourceSubscriptions');
  if (list === undefined) return [];
  const found = new Set<string>();
  for (const range of readElements(bytes, list.start, list.end)) {
    const uri = readText(bytes, range, MAX_URI);
    if (uri !== undefined) found.add(uri);
  }
  return [...found];
}
