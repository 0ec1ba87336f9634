// A stateless server for a host of the session era. `initialize` is answered from `server/discover`; what the host has said
// of itself goes along with each request; what the server wants to know first is asked of the host; `ping`, the level of
// logging and subscriptions, which the stateless era has no requests for, are answered here.

import { memberIn, readText, whole } from '../../json/read.ts';
import type { Pipe, RemoteMessage } from '../pipe.ts';
import { hostOf, serverForOther, serverOffers } from './capabilities.ts';
import { HostCalls } from './host-calls.ts';
import { ownIdOf } from './ids.ts';
import { ListenStream } from './listen-stream.ts';
import {
  BAD_PARAMS,
  BAD_VERSION,
  error,
  type Incoming,
  incoming,
  NO_METHOD,
  paramsOf,
  result,
  withId,
} from './messages.ts';
import { metaChanged, metaIn, withMeta } from './meta.ts';
import { type Changes, changed, EMPTY, json, objectOf, replaced, textOf, UNNAMED } from './objects.ts';
import { type OwnAnswer, OwnRequests } from './own-requests.ts';
import {
  ACKNOWLEDGED,
  CALL,
  CANCELLED,
  CAPABILITIES,
  CLIENT,
  DISCOVER,
  INITIALIZE,
  INITIALIZED,
  LEVEL,
  LEVELS,
  LISTS,
  PING,
  SERVER,
  SESSION_VERSIONS,
  SET_LEVEL,
  STATELESS_VERSION,
  SUBSCRIBE,
  SUBSCRIPTION,
  shortText,
  UNSUBSCRIBE,
  VERSION,
} from './protocol.ts';
import type { TranslatorParts } from './translator.ts';
import { supportedVersions } from './versions.ts';

/** Notifications of a host that a stateless server does not know. */
const DROPPED: ReadonlySet<string> = new Set(['notifications/roots/list_changed', 'notifications/progress']);
const MAX_URI = 16_384;

export class StatelessAsSession implements Pipe {
  readonly #parts: TranslatorParts;
  readonly #pipe: Pipe;
  readonly #own: OwnRequests;
  readonly #calls: HostCalls;
  readonly #listen: ListenStream;
  /** The host's `initialize` by the ids of the requests that it has led to. */
  readonly #opening = new Map<number, number>();
  #host = hostOf(EMPTY, undefined);
  #level: Buffer | undefined;
  /** The server's capabilities, as it has told them. */
  #offered: Buffer = EMPTY;
  #initialized = false;

  constructor(parts: TranslatorParts) {
    this.#parts = parts;
    const { listener, nextId } = parts;
    const send = (message: RemoteMessage): void => this.#pipe.send(message);
    this.#own = new OwnRequests(nextId, send);
    const toHost = (line: Buffer): void => listener.message(line);
    this.#calls = new HostCalls({
      own: this.#own,
      send,
      toHost,
      capabilities: () => this.#host.capabilities,
      params: (members, capabilities) =>
        metaChanged(members, { ...this.#said(), [CAPABILITIES]: capabilities }) ?? members,
      log: parts.log,
    });
    this.#listen = new ListenStream({
      own: this.#own,
      send,
      toHost,
      params: (members) => metaChanged(members, this.#said()) ?? members,
      now: () => performance.now(),
    });
    this.#pipe = parts.open({
      message: (line) => this.#receive(line),
      drained: () => listener.drained(),
      waiting: (id, text) => listener.waiting(this.#hostId(id) ?? id, text),
      oversize: (id, bytes) => listener.oversize(id === undefined ? undefined : this.#hostId(id), bytes),
      wrongEra: (id, answer) => this.#wrongEra(id, answer),
      lost: (reason) => listener.lost(reason),
    });
  }

  get full(): boolean {
    return this.#pipe.full;
  }

  pause(paused: boolean): void {
    this.#pipe.pause(paused);
  }

  close(): Promise<void> {
    this.#listen.close();
    this.#calls.close();
    return this.#pipe.close();
  }

  cut(reason: string): void {
    this.#listen.close();
    this.#calls.cut(reason);
    this.#pipe.cut(reason);
  }

  send(message: RemoteMessage): void {
    const { kind, method, json: line } = message;
    if (kind === 'response') {
      if (!this.#calls.reply(incoming(line)))
        this.#parts.log.info({}, 'the host has answered what the server did not ask');
    } else if (kind === 'notification') this.#notify(message);
    else if (method === INITIALIZE) this.#initialize(message);
    else this.#request(message);
  }

  /** What each request says of the host. */
  #said(): Changes {
    const { info, capabilities } = this.#host;
    return { [VERSION]: json(STATELESS_VERSION), [CLIENT]: info, [CAPABILITIES]: capabilities };
  }

  #initialize({ id, json: line }: RemoteMessage): void {
    if (id === undefined) return;
    const message = incoming(line);
    const params = paramsOf(message.envelope);
    const asked = shortText(line, memberIn(line, params, 'protocolVersion'));
    this.#host = hostOf(line, params);
    const own = this.#own.next();
    this.#opening.set(own, id);
    this.#own.ask(own, DISCOVER, metaChanged(EMPTY, this.#said()), (answer) => {
      this.#opening.delete(own);
      this.#discovered(id, asked, answer);
    });
  }

  #discovered(id: number, asked: string | undefined, answer: OwnAnswer): void {
    const { listener } = this.#parts;
    const versions = supportedVersions(answer);
    if (versions !== undefined && !versions.includes(STATELESS_VERSION)) {
      const line = error(id, BAD_VERSION, NO_COMMON, { supported: versions, requested: STATELESS_VERSION });
      if (versions.some((version) => SESSION_VERSIONS.some((known) => known === version)))
        listener.wrongEra(id, line);
      else listener.message(line);
      return;
    }
    if ('error' in answer) {
      listener.message(withId(incoming(answer.line), id));
      return;
    }
    const { result: said } = answer;
    const capabilities = memberIn(said, whole(said), 'capabilities');
    this.#offered = capabilities === undefined ? EMPTY : Buffer.from(textOf(said, capabilities));
    const info =
      memberIn(said, metaIn(said, whole(said)), SERVER) ?? memberIn(said, whole(said), 'serverInfo');
    const instructions = memberIn(said, whole(said), 'instructions');
    const version = SESSION_VERSIONS.find((known) => known === asked) ?? SESSION_VERSIONS[0];
    const introduction = objectOf({
      protocolVersion: json(version),
      capabilities: serverForOther(this.#offered),
      serverInfo: info === undefined ? UNNAMED : textOf(said, info),
      instructions: instructions === undefined ? undefined : textOf(said, instructions),
    });
    listener.message(result(id, introduction));
    if (this.#initialized) this.#startListening();
  }

  #startListening(): void {
    this.#listen.start(
      LISTS.filter(({ capability }) => serverOffers(this.#offered, capability, 'listChanged')),
    );
  }

  #request(message: RemoteMessage): void {
    const { id, method } = message;
    const { listener } = this.#parts;
    if (id === undefined) return;
    const read = incoming(message.json);
    const params = paramsOf(read.envelope);
    if (method === PING) listener.message(result(id, EMPTY));
    else if (method === SET_LEVEL)
      this.#setLevel(id, shortText(message.json, memberIn(message.json, params, 'level')));
    else if (method === SUBSCRIBE || method === UNSUBSCRIBE) {
      const found = memberIn(message.json, params, 'uri');
      const uri = found === undefined ? undefined : readText(message.json, found, MAX_URI);
      if (uri === undefined) listener.message(error(id, BAD_PARAMS, '"uri" is not a string'));
      else if (method === SUBSCRIBE) this.#listen.subscribe(id, uri);
      else this.#listen.unsubscribe(id, uri);
    } else if (method.startsWith('tasks/'))
      listener.message(error(id, NO_METHOD, `the server has no "${method}"`));
    else {
      const level = this.#level === undefined ? {} : { [LEVEL]: this.#level };
      const line = withMeta(withoutTask(read), { ...this.#said(), ...level });
      if (line === undefined) {
        listener.message(error(id, BAD_PARAMS, '"params" or its "_meta" is not one object'));
        return;
      }
      this.#calls.send(id, { ...message, json: line });
    }
  }

  #setLevel(id: number, level: string | undefined): void {
    const { listener } = this.#parts;
    const known = LEVELS.find((each) => each === level);
    if (known === undefined) {
      listener.message(error(id, BAD_PARAMS, '"level" is none of the protocol'));
      return;
    }
    this.#level = json(known);
    listener.message(result(id, EMPTY));
  }

  #notify(message: RemoteMessage): void {
    const { method, json: line } = message;
    if (method === CANCELLED) this.#cancel(incoming(line));
    else if (method === INITIALIZED) {
      this.#initialized = true;
      if (this.#offered !== EMPTY) this.#startListening();
    } else if (!DROPPED.has(method)) this.#pipe.send(message);
  }

  /** The host takes a request back. */
  #cancel(message: Incoming): void {
    const { requestIdStart, requestIdEnd } = message.envelope;
    const id = ownIdOf(message.json, requestIdStart, requestIdEnd);
    if (id !== undefined && !this.#listen.cancel(id)) this.#calls.cancel(id, message);
  }

  #receive(line: Buffer): void {
    const message = incoming(line);
    const { kind, fault, method, idStart, idEnd } = message.envelope;
    const { listener, log } = this.#parts;
    // What cannot be read the relay withholds, and says so.
    if (fault !== undefined) listener.message(line);
    else if (kind === 'response') this.#answered(ownIdOf(line, idStart, idEnd), message);
    else if (kind === 'request')
      log.info({ method }, 'a stateless server has sent a request, which is dropped');
    else this.#notified(message);
  }

  #answered(wire: number | undefined, message: Incoming): void {
    if (wire !== undefined && (this.#own.answered(wire, message) || this.#calls.answered(wire, message)))
      return;
    // Passed on, it could end a request that the server knows by another id.
    this.#parts.log.info({}, 'the server has answered what is not open');
  }

  #notified({ json: line, envelope }: Incoming): void {
    const { method } = envelope;
    const params = paramsOf(envelope);
    const stream = memberIn(line, metaIn(line, params), SUBSCRIPTION);
    const id = stream === undefined ? undefined : ownIdOf(line, stream.start, stream.end);
    if (method === ACKNOWLEDGED) {
      if (id !== undefined) this.#listen.acknowledged(id, line, params);
    } else if (method === CANCELLED) {
      const ended = ownIdOf(line, envelope.requestIdStart, envelope.requestIdEnd);
      if (ended !== undefined) this.#listen.ended(ended);
    } else if (params === undefined || stream === undefined) this.#parts.listener.message(line);
    else if (id !== undefined) {
      const plain = metaChanged(textOf(line, params), { [SUBSCRIPTION]: undefined });
      if (plain !== undefined) this.#listen.notified(id, method, plain);
    }
  }

  /** The host's id of a request that the server knows by another. */
  #hostId(wire: number): number | undefined {
    return this.#calls.hostId(wire) ?? this.#opening.get(wire);
  }

  #wrongEra(wire: number, answer: Buffer): void {
    const id = this.#hostId(wire);
    if (id === undefined) return;
    this.#own.forget(wire);
    this.#opening.delete(wire);
    this.#calls.takeBack(wire);
    this.#parts.listener.wrongEra(id, withId(incoming(answer), id));
  }
}

const NO_COMMON = 'the server speaks none of the versions of the protocol that Warder knows';

/** A server that has said nothing of tasks does without. */
function withoutTask(message: Incoming): Incoming {
  const params = paramsOf(message.envelope);
  if (params === undefined || message.envelope.method !== CALL) return message;
  if (memberIn(message.json, params, 'task') === undefined) return message;
  const plain = changed(message.json, params, { task: undefined });
  return plain === undefined ? message : incoming(replaced(message.json, params, plain));
}
