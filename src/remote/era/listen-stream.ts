// The one `subscriptions/listen` that a host of the session era has with a stateless server: for the lists that may change,
// and for the resources that it has subscribed to. Where it wants others, a new stream is opened and acknowledged before the
// old one is closed, so that nothing is missed. A stream that ends is opened again, and what may have been missed is told.
import type { Range } from '../../json/read.ts';
import { memberIn, readElements, readText, whole } from '../../json/read.ts';
import type { RemoteMessage } from '../pipe.ts';
import { Backoff } from './backoff.ts';
import { error, INTERNAL, notification, notificationMessage, result } from './messages.ts';
import { EMPTY, json, textOf } from './objects.ts';
import type { OwnAnswer, OwnRequests } from './own-requests.ts';
import { CANCELLED, LISTEN, type LISTS, UPDATED } from './protocol.ts';

/** Resources that are subscribed to at once: as many as the relay lets one subscription name. */
const MAX_SUBSCRIPTIONS = 500;
/** Milliseconds for an acknowledgement. */
const ACKNOWLEDGE = 30_000;
/** The longest URI, in bytes of JSON text. */
const MAX_URI = 16_384;
/** Of a server without subscriptions: no such method, or no such parameters. */
const REFUSED: ReadonlySet<number> = new Set([-32601, -32602]);

interface Stream {
  readonly id: number;
  readonly filter: string;
  readonly since: number;
  acknowledged: boolean;
  readonly timer: NodeJS.Timeout;
}

export interface ListenStreamParts {
  readonly own: OwnRequests;
  readonly send: (message: RemoteMessage) => void;
  readonly toHost: (json: Buffer) => void;
  /** The `params` of a request of the translator's, with what it says of the host. */
  readonly params: (members: Buffer) => Buffer;
  readonly now: () => number;
}

export class ListenStream {
  readonly #parts: ListenStreamParts;
  #lists: readonly (typeof LISTS)[number][] = [];
  readonly #uris = new Set<string>();
  /** Requests of the host that wait for an acknowledgement, with the URI of each. */
  readonly #waiting = new Map<number, string>();
  /** The acknowledged stream, and the one that is to take its place. */
  #current: Stream | undefined;
  #next: Stream | undefined;
  readonly #backoff: Backoff;
  /** Something may have been missed. */
  #missed = false;
  #closed = false;

  constructor(parts: ListenStreamParts) {
    this.#parts = parts;
    this.#backoff = new Backoff(parts.now);
  }

  /** From now on the host is told when one of these lists changes. */
  start(lists: readonly (typeof LISTS)[number][]): void {
    this.#lists = lists;
    this.#refresh();
  }

  subscribe(id: number, uri: string): void {
    if (!this.#uris.has(uri) && this.#uris.size >= MAX_SUBSCRIPTIONS) {
      this.#answer(id, error(id, INTERNAL, `a session has at most ${MAX_SUBSCRIPTIONS} subscriptions`));
      return;
    }
    this.#uris.add(uri);
    this.#waiting.set(id, uri);
    this.#refresh();
  }

  unsubscribe(id: number, uri: string): void {
    this.#uris.delete(uri);
    this.#answer(id, result(id, EMPTY));
    this.#refresh();
  }

  /** The host has taken a request back. False: it is none that waits here. */
  cancel(id: number): boolean {
    return this.#waiting.delete(id);
  }

  /** What is told by a stream. `params` is JSON text, without the name of the stream. */
  notified(stream: number, method: string, params: Buffer): void {
    if (stream === this.#current?.id || (stream === this.#next?.id && this.#next.acknowledged))
      this.#parts.toHost(notification(method, params.equals(EMPTY) ? undefined : params));
  }

  acknowledged(stream: number, bytes: Buffer, params: Range | undefined): void {
    const next = this.#next;
    if (next === undefined || next.id !== stream || next.acknowledged) return;
    next.acknowledged = true;
    clearTimeout(next.timer);
    this.#next = undefined;
    const before = this.#current;
    this.#current = next;
    if (before !== undefined) this.#cancel(before);
    this.#settle(acceptedIn(bytes, params));
    if (this.#missed) this.#tell();
    this.#refresh();
  }

  /** The server ends a stream. False: it is none of these. */
  ended(stream: number): boolean {
    if (stream !== this.#current?.id && stream !== this.#next?.id) return false;
    this.#parts.own.forget(stream);
    this.#gone(stream, undefined);
    return true;
  }

  close(): void {
    this.#closed = true;
    this.#backoff.cancel();
    clearTimeout(this.#next?.timer);
  }

  /** Has a stream for what is wanted now. */
  #refresh(): void {
    if (this.#closed || this.#next !== undefined || this.#backoff.isWaiting) return;
    const filter = this.#filter();
    if (filter === this.#current?.filter) {
      this.#settle(this.#uris);
      return;
    }
    if (filter === '{}') {
      if (this.#current !== undefined) this.#cancel(this.#current);
      this.#current = undefined;
      this.#settle(this.#uris);
      return;
    }
    const { own, params, now } = this.#parts;
    const members = Buffer.from(`{"notifications":${filter}}`);
    const id = own.next();
    const timer = setTimeout(() => this.#late(id), ACKNOWLEDGE);
    this.#next = { id, filter, since: now(), acknowledged: false, timer };
    own.ask(id, LISTEN, params(members), (answer) => this.#gone(id, answer));
  }

  #filter(): string {
    const wanted = Object.fromEntries(this.#lists.map((list) => [list.wanted, true]));
    return JSON.stringify(
      this.#uris.size === 0 ? wanted : { ...wanted, resourceSubscriptions: [...this.#uris].sort() },
    );
  }

  /** Answers the requests that wait: their resources are subscribed to, or are not. */
  #settle(accepted: ReadonlySet<string>): void {
    for (const [id, uri] of this.#waiting) {
      if (this.#current !== undefined && !this.#current.filter.includes(JSON.stringify(uri))) continue;
      this.#waiting.delete(id);
      if (accepted.has(uri)) this.#answer(id, result(id, EMPTY));
      else {
        this.#uris.delete(uri);
        this.#answer(id, error(id, INTERNAL, 'the server does not take subscriptions to this resource'));
      }
    }
  }

  #late(id: number): void {
    if (this.#next?.id !== id) return;
    this.#cancel(this.#next);
    this.#gone(id, undefined);
  }

  #cancel({ id, timer }: Stream): void {
    clearTimeout(timer);
    this.#parts.own.forget(id);
    this.#parts.send(notificationMessage(CANCELLED, json({ requestId: id })));
  }

  /** A stream has ended; `answer` is how the server said so. */
  #gone(id: number, answer: OwnAnswer | undefined): void {
    const isNext = this.#next?.id === id;
    const stream = isNext ? this.#next : this.#current?.id === id ? this.#current : undefined;
    if (stream === undefined || this.#closed) return;
    clearTimeout(stream.timer);
    if (isNext) this.#next = undefined;
    else {
      this.#current = undefined;
      this.#missed = true;
    }
    if (isNext) {
      const refused = answer !== undefined && 'error' in answer ? codeIn(answer.error) : undefined;
      for (const [request, uri] of this.#waiting) {
        this.#waiting.delete(request);
        this.#uris.delete(uri);
        this.#answer(request, error(request, INTERNAL, 'the server has not taken the subscription'));
      }
      // What it takes no subscriptions for it will not take them for later.
      if (refused !== undefined && REFUSED.has(refused)) this.#lists = [];
    }
    this.#backoff.later(isNext ? undefined : stream.since, () => this.#refresh());
  }

  /** Tells the host of all that may have changed. */
  #tell(): void {
    this.#missed = false;
    for (const { changed } of this.#lists) this.#parts.toHost(notification(changed));
    for (const uri of this.#uris) this.#parts.toHost(notification(UPDATED, json({ uri })));
  }

  #answer(id: number, line: Buffer): void {
    this.#waiting.delete(id);
    this.#parts.toHost(line);
  }
}

/** The resources that an acknowledgement names. */
function acceptedIn(bytes: Buffer, params: Range | undefined): ReadonlySet<string> {
  const list = memberIn(bytes, memberIn(bytes, params, 'notifications'), 'resourceSubscriptions');
  if (list === undefined) return new Set();
  const found = new Set<string>();
  for (const range of readElements(bytes, list.start, list.end)) {
    const uri = readText(bytes, range, MAX_URI);
    if (uri !== undefined && found.size < MAX_SUBSCRIPTIONS) found.add(uri);
  }
  return found;
}

function codeIn(text: Buffer): number | undefined {
  const code = memberIn(text, whole(text), 'code');
  return code === undefined ? undefined : Number(textOf(text, code));
}
