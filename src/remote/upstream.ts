// A remote server as the server's side of a session. Which era its host speaks shows by what it sends; a host that tries one
// and falls back to the other has a connection for each, of which the last counts. What goes to the relay is handed over in
// guarded turns, never from within one of its own calls.
import type { Ending } from '../os/spawn.ts';
import type { HostDialog } from '../relay/consent.ts';
import type { OfflineRecord } from '../relay/offline-record.ts';
import type { Listed } from '../relay/trust.ts';
import {
  IGNORE,
  type Outgoing,
  type Upstream,
  type UpstreamListener,
  type UpstreamParts,
} from '../relay/upstream.ts';
import { SIGN_IN_TOOL } from '../wire/sign-in-tool.ts';
import type { PipeOpeners, Verdicts } from './era/arbitration.ts';
import { Connection } from './era/connection.ts';
import { incoming, paramsOf, responseMessage } from './era/messages.ts';
import { CALL, DISCOVER, type Era, FIRST_OWN_ID, INITIALIZE, versionOf } from './era/protocol.ts';
import { signInTool } from './offline/sign-in-tool.ts';
import type { PipeParts, RemoteMessage } from './pipe.ts';

export interface RemoteUpstreamParts {
  /** The profile's name. */
  readonly profile: string;
  readonly pipe: Omit<PipeParts, 'listener'>;
  readonly openers: PipeOpeners;
  readonly offline: OfflineRecord | undefined;
  readonly verdicts: Verdicts;
}

/** Bytes that are handed over in one turn. */
const TURN = 2 ** 17;
/** Bytes of the relay's own answers that may wait for a server that does not keep up. */
const MAX_OWED = 65_536;
/** Milliseconds for the server to be told that the session is over. */
const GOODBYE = 2000;
/** A process that has ended well: there is none. */
const ENDED: Ending = { code: 0, signal: null };

export class RemoteUpstream implements Upstream {
  readonly mayWait = true;
  readonly process = undefined;
  /** Settles when the session is over at the server; never rejects. */
  readonly gone: Promise<Ending>;
  readonly #gone = Promise.withResolvers<Ending>();
  readonly #parts: RemoteUpstreamParts;
  readonly #guard: UpstreamParts['guard'];
  readonly #commit: UpstreamParts['commit'];
  readonly #signInTool: Listed;
  #listener = IGNORE;
  #isListening = false;
  #paused = false;
  #connection: Connection | undefined;
  #era: Era | undefined;
  /** Those of hosts that have fallen back to another era. */
  readonly #left = new Set<Connection>();
  #queue: RemoteMessage[] = [];
  #owed = 0;
  /** What is not handed over yet. */
  #inbox: Buffer[] = [];
  #isScheduled = false;
  #lastId = FIRST_OWN_ID;
  #closed = false;
  #ending: Ending | undefined;
  #stopping: Promise<Ending> | undefined;

  constructor(parts: RemoteUpstreamParts, { guard, commit }: Pick<UpstreamParts, 'guard' | 'commit'>) {
    this.#parts = parts;
    this.#guard = guard;
    this.#commit = commit;
    this.gone = this.#gone.promise;
    this.#signInTool = { name: SIGN_IN_TOOL, definition: signInTool(parts.pipe.server.host) };
    parts.pipe.authorizer.onChange(() => this.#guard.run(() => this.#connection?.authorizerChanged()));
  }

  listen(listener: UpstreamListener): void {
    this.#listener = listener;
    this.#isListening = true;
    this.#schedule();
  }

  get ownTool(): Listed | undefined {
    return this.#connection?.showsTool === true ? this.#signInTool : undefined;
  }

  get isReady(): boolean {
    return this.#connection?.isReady ?? this.#parts.pipe.authorizer.state === 'ready';
  }

  get full(): boolean {
    return this.#connection?.full === true;
  }

  get crowded(): boolean {
    return this.full && this.#owed > MAX_OWED;
  }

  get closed(): boolean {
    return this.#closed;
  }

  get ending(): Ending | undefined {
    return this.#ending;
  }

  send({ bytes, start, end, from, to, text, method, name, id }: Outgoing): boolean {
    const json = Buffer.concat([bytes.subarray(start, from), Buffer.from(text), bytes.subarray(to, end)]);
    const kind = id !== undefined ? 'request' : method === '' ? 'response' : 'notification';
    this.#queue.push({ json, kind, method, name, id });
    return !this.full;
  }

  answer(text: string): void {
    const json = Buffer.from(text);
    if (this.full) this.#owed += json.length;
    this.#queue.push(responseMessage(json));
  }

  withdraw(id: number): void {
    this.#queue = this.#queue.filter((message) => message.id !== id);
  }

  flush(): void {
    this.#commit();
    const queue = this.#queue;
    if (queue.length === 0) return;
    this.#queue = [];
    if (this.#stopping !== undefined) return;
    for (const message of queue) this.#connectionFor(message).send(message);
  }

  pause(paused: boolean): void {
    if (paused === this.#paused) return;
    this.#paused = paused;
    this.#connection?.pause(paused);
    if (!paused) this.#schedule();
  }

  /** What is open may still be answered: the server is told when the session stops. */
  close(): void {}

  stop(): Promise<Ending> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  prepare(
    waits: (text: string) => void,
    signal: AbortSignal,
    dialog?: HostDialog,
  ): Promise<string | undefined> {
    const connection = this.#connection;
    if (connection === undefined) return Promise.resolve(undefined);
    return connection.prepare((text) => this.#guard.run(() => waits(text)), signal, dialog);
  }

  /** The token that requests carry counts no more: aborts them all, with the reason. Returns how many connections that were. */
  cut(reason: string): number {
    let count = 0;
    this.#guard.run(() => {
      for (const connection of [this.#connection, ...this.#left]) count += connection?.cut(reason) ?? 0;
    });
    return count;
  }

  /** The connection that a message belongs to. */
  #connectionFor(message: RemoteMessage): Connection {
    const era = this.#eraOf(message);
    if (this.#connection !== undefined && era === this.#era) return this.#connection;
    const { profile, pipe, openers, offline, verdicts } = this.#parts;
    const before = this.#connection;
    const connection: Connection = new Connection({
      era,
      profile,
      pipe,
      openers,
      offline,
      verdicts,
      nextId: () => ++this.#lastId,
      owner: {
        message: (json) => this.#receive(json),
        drained: () => {
          if (connection === this.#connection) this.#later(() => this.#listener.drained());
        },
        waiting: (id, text) => this.#later(() => this.#listener.waiting(id, text)),
        introduced: (result) => this.#listener.introduced(result),
        run: (turn) => this.#guard.run(turn),
      },
    });
    if (before !== undefined) {
      // Its host has asked it something that it may still answer.
      this.#left.add(before);
      setTimeout(() => this.#leave(before), LEFT).unref();
    }
    this.#era = era;
    this.#connection = connection;
    connection.pause(this.#paused);
    return connection;
  }

  #leave(connection: Connection): void {
    if (!this.#left.delete(connection)) return;
    this.#guard.run(() => connection.cut('the host goes on in another era of the protocol'));
    void connection.close();
  }

  #eraOf({ kind, method, json }: RemoteMessage): Era {
    if (method === INITIALIZE) return 'session';
    if (method === DISCOVER) return 'stateless';
    if (kind !== 'request') return this.#era ?? 'session';
    // A call names its era, if it is of the stateless one: to look for that in each would cost time.
    if (this.#era === 'stateless' || (this.#era === 'session' && method === CALL)) return this.#era;
    return versionOf(json, paramsOf(incoming(json).envelope)) === undefined
      ? (this.#era ?? 'session')
      : 'stateless';
  }

  #receive(json: Buffer): void {
    this.#inbox.push(json);
    this.#schedule();
  }

  /** Runs what the listener is told, after what runs now. */
  #later(turn: () => void): void {
    queueMicrotask(() => this.#guard.run(turn));
  }

  #schedule(): void {
    if (this.#isScheduled || this.#paused || !this.#isListening || this.#inbox.length === 0) return;
    this.#isScheduled = true;
    queueMicrotask(() => this.#handOver());
  }

  #handOver(): void {
    this.#guard.run(() => {
      this.#parts.pipe.ledger.settle();
      let taken = 0;
      while (this.#inbox.length > 0 && taken < TURN && !this.#closed) {
        const json = this.#inbox.shift() as Buffer;
        this.#listener.message(json, 0, json.length);
        taken += json.length;
      }
      this.#listener.taken(taken, 0);
      this.#listener.settle();
    });
    this.#isScheduled = false;
    if (this.#inbox.length > 0 && !this.#paused) {
      this.#isScheduled = true;
      setImmediate(() => this.#handOver());
    }
  }

  async #stop(): Promise<Ending> {
    const connections = [this.#connection, ...this.#left];
    const goodbye = Promise.withResolvers<void>();
    const timer = setTimeout(goodbye.resolve, GOODBYE);
    const closing = Promise.all(connections.map((connection) => connection?.close()));
    await Promise.race([closing, goodbye.promise]);
    clearTimeout(timer);
    this.#guard.run(() => {
      this.#closed = true;
      this.#inbox = [];
      this.#listener.settle();
      this.#listener.closed();
      this.#ending = ENDED;
      this.#listener.ended(ENDED);
    });
    this.#gone.resolve(ENDED);
    return ENDED;
  }
}

/** Milliseconds for which a connection that its host has left may still answer. */
const LEFT = 30_000;
