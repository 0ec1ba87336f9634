// A server that is not started yet, as the server's side of a session. What asks only what it is and what it offers is
// answered from what is known of it; whatever else the host asks has it started, by which another server's side takes this
// one's place: see late-start.ts. What the host tells it meanwhile is kept where a server that replaces another has it from
// (see replay.ts), and means nothing to one that was not there.

import { readEnvelope } from '../../json/envelope.ts';
import { memberIn, type Range } from '../../json/read.ts';
import type { Ending } from '../../os/spawn.ts';
import { type Call, LISTEN } from '../call.ts';
import {
  canBegin,
  declares,
  hostOfRequest,
  LIST_METHODS,
  pageOf,
  type RecordedAnswers,
} from '../recorded-answers.ts';
import {
  type AskedOf,
  IGNORE,
  type Outgoing,
  type SessionServer,
  type Upstream,
  type UpstreamListener,
  type UpstreamParts,
} from '../upstream.ts';
import { DISCOVER, INITIALIZE } from './replay.ts';

export interface RecordedServerParts {
  /** The host that it answers at first: see `hostOfRequest`. */
  readonly host: string;
  /** What a host is answered; undefined: nothing is known of it that counts still. */
  readonly answers: (host: string) => RecordedAnswers | undefined;
  /** Has the server started, and compared with what is known. Settles with why that failed; never rejects. */
  readonly start: () => Promise<string | undefined>;
}

const PING = 'ping';
const SET_LEVEL = 'logging/setLevel';
const ACKNOWLEDGED = 'notifications/subscriptions/acknowledged';
const SUBSCRIPTION = 'io.modelcontextprotocol/subscriptionId';
/** Requests of the relay's own are not asked whether they can be answered. */
const NOT_STARTED = '{"code":-32603,"message":"the server is not started"}';
const NOTHING: RecordedAnswers = { introduction: undefined, lists: new Map() };
/** The levels of logging, as JSON text. */
const LEVELS: ReadonlySet<string> = new Set(
  ['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency'].map(
    (level) => `"${level}"`,
  ),
);
/** A process that has ended well: there was none. */
const ENDED: Ending = { code: 0, signal: null };

export function recordedServer(server: RecordedServerParts): SessionServer {
  let upstream: RecordedUpstream | undefined;
  return {
    open: (parts) => {
      upstream = new RecordedUpstream(server, parts);
      return upstream;
    },
    stop: async () => upstream?.stop(),
  };
}

class RecordedUpstream implements Upstream {
  readonly mayWait = false;
  readonly isReady = false;
  readonly ownTool = undefined;
  readonly process = undefined;
  readonly full = false;
  readonly crowded = false;
  readonly #server: RecordedServerParts;
  readonly #guard: UpstreamParts['guard'];
  readonly #commit: UpstreamParts['commit'];
  /** Whom it answers. */
  #host: string;
  /** The last that was known. */
  #known: RecordedAnswers;
  #listener: UpstreamListener = IGNORE;
  #queue: { readonly id: number; readonly answer: Buffer }[] = [];
  #inbox: Buffer[] = [];
  #isPaused = false;
  #isScheduled = false;
  #closed = false;
  #ending: Ending | undefined;

  constructor(server: RecordedServerParts, { guard, commit }: UpstreamParts) {
    this.#server = server;
    this.#guard = guard;
    this.#commit = commit;
    this.#host = server.host;
    this.#known = server.answers(server.host) ?? NOTHING;
  }

  get closed(): boolean {
    return this.#closed;
  }

  get ending(): Ending | undefined {
    return this.#ending;
  }

  listen(listener: UpstreamListener): void {
    this.#listener = listener;
    this.#schedule();
  }

  answers(call: Pick<Call, 'method' | 'targets' | 'namesTasks'>, { message, bytes }: AskedOf): boolean {
    if (call.method === LISTEN) return call.targets.length === 0 && !call.namesTasks;
    const { paramsStart: start, paramsEnd: end } = message;
    const params = start === -1 ? undefined : { start, end };
    const introduces = call.method === INITIALIZE || call.method === DISCOVER;
    if (introduces && !this.#isHost(call.method, hostOfRequest(message, bytes))) return false;
    // An older answer than what was accepted since is none, but for what is the same of every server.
    if (!this.#isCurrent() && !isPlain(call.method)) return false;
    if (call.method === DISCOVER && this.#known.refused !== undefined) return true;
    return this.#resultOf(call.method, bytes, params) !== undefined;
  }

  send({ bytes, start, end, from, to, text, id }: Outgoing): boolean {
    if (id === undefined) return true;
    const json = Buffer.concat([bytes.subarray(start, from), Buffer.from(text), bytes.subarray(to, end)]);
    // As it is asked: what comes behind it may be asked by another host.
    this.#queue.push({ id, answer: this.#answerTo(id, json) });
    return true;
  }

  withdraw(id: number): void {
    this.#queue = this.#queue.filter((request) => request.id !== id);
  }

  answer(): void {}

  flush(): void {
    this.#commit();
    for (const { answer } of this.#queue) this.#inbox.push(answer);
    this.#queue.length = 0;
    this.#schedule();
  }

  pause(paused: boolean): void {
    this.#isPaused = paused;
    this.#schedule();
  }

  prepare(_waits: (text: string) => void, signal: AbortSignal): Promise<string | undefined> {
    const left = Promise.withResolvers<string>();
    signal.addEventListener('abort', () => left.resolve('the request was taken back'), { once: true });
    return Promise.race([this.#server.start(), left.promise]);
  }

  close(): void {}

  async stop(): Promise<Ending> {
    if (this.#ending !== undefined) return this.#ending;
    await Promise.resolve();
    this.#guard.run(() => {
      this.#closed = true;
      this.#ending ??= ENDED;
      this.#inbox = [];
      this.#listener.settle();
      this.#listener.closed();
      this.#listener.ended(ENDED);
    });
    return ENDED;
  }

  /**
   * Whether a host that asks what the server is is the one that is answered. One whose `server/discover` was refused goes on
   * as a host of before 2026-07-28, of which other things are known.
   */
  #isHost(method: string, host: string | undefined): boolean {
    if (host === this.#host || host === undefined) return host !== undefined;
    const answers = this.#known.refused === undefined ? undefined : this.#server.answers(host);
    if (answers === undefined || !canBegin(method, answers)) return false;
    this.#host = host;
    return true;
  }

  /** Whether what is known counts still. */
  #isCurrent(): boolean {
    const answers = this.#server.answers(this.#host);
    this.#known = answers ?? this.#known;
    return answers !== undefined;
  }

  #answerTo(id: number, json: Buffer): Buffer {
    const message = readEnvelope(json, 0, json.length);
    const { paramsStart: start, paramsEnd: end } = message;
    const params = start === -1 ? undefined : { start, end };
    if (message.method === LISTEN) {
      const filter = memberIn(json, params, 'notifications');
      const wanted = filter === undefined ? '{}' : json.toString('utf8', filter.start, filter.end);
      const given = `{"_meta":{"${SUBSCRIPTION}":${id}},"notifications":${wanted}}`;
      return Buffer.from(`{"jsonrpc":"2.0","method":"${ACKNOWLEDGED}","params":${given}}`);
    }
    const result = this.#resultOf(message.method, json, params);
    const { refused } = this.#known;
    const error =
      message.method === DISCOVER && refused !== undefined
        ? `{"code":${refused},"message":"the server does not know this method"}`
        : NOT_STARTED;
    return Buffer.from(
      result === undefined
        ? `{"jsonrpc":"2.0","id":${id},"error":${error}}`
        : `{"jsonrpc":"2.0","id":${id},"result":${result}}`,
    );
  }

  #resultOf(method: string, bytes: Buffer, params: Range | undefined): string | undefined {
    const { introduction, lists } = this.#known;
    if (method === INITIALIZE || method === DISCOVER) return introduction;
    if (method === PING) return '{}';
    if (method === SET_LEVEL) {
      const logs = introduction !== undefined && declares(Buffer.from(introduction), 'logging');
      return logs && isLevel(bytes, memberIn(bytes, params, 'level')) ? '{}' : undefined;
    }
    const pages = LIST_METHODS.has(method) ? lists.get(method) : undefined;
    if (pages === undefined) return undefined;
    const cursor = memberIn(bytes, params, 'cursor');
    return pageOf(pages, cursor && bytes.subarray(cursor.start, cursor.end));
  }

  #schedule(): void {
    if (this.#isScheduled || this.#isPaused || this.#inbox.length === 0) return;
    this.#isScheduled = true;
    queueMicrotask(() =>
      this.#guard.run(() => {
        this.#isScheduled = false;
        if (this.#isPaused || this.#closed) return;
        const inbox = this.#inbox;
        this.#inbox = [];
        for (const json of inbox) {
          this.#listener.message(json, 0, json.length);
          this.#listener.taken(json.length, 0);
        }
        this.#listener.settle();
      }),
    );
  }
}

/** Whether a server answers that whatever it offers. */
function isPlain(method: string): boolean {
  return method === PING || method === SET_LEVEL;
}

function isLevel(bytes: Buffer, level: Range | undefined): boolean {
  return level !== undefined && LEVELS.has(bytes.toString('utf8', level.start, level.end));
}
