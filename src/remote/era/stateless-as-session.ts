// A stateless server for a host of the session era. `initialize` is answered from `server/discover`; what the host has said
// of itself goes along with each request; what the server wants to know first is asked of the host; `ping`, the level of
// logging and subscriptions, which the stateless era has no requests for, are answered here.

import { readText } from '../../json/read.ts';
import type { Pipe, RemoteMessage } from '../pipe.ts';
import { hostOf, serverForOther, serverOffers } from './capabilities.ts';
import { ownIdOf } from './ids.ts';
import { InputRounds, type Round, type RoundEnd, retryParams } from './input-rounds.ts';
import { ListenStream } from './listen-stream.ts';
import {
  BAD_PARAMS,
  BAD_VERSION,
  error,
  INTERNAL,
  type Incoming,
  incoming,
  NO_METHOD,
  paramsOf,
  result,
  resultOf,
  withId,
} from './messages.ts';
import { metaChanged, metaIn, withMeta } from './meta.ts';
import {
  type Changes,
  changed,
  EMPTY,
  json,
  memberIn,
  objectOf,
  replaced,
  textOf,
  whole,
} from './objects.ts';
import { type OwnAnswer, OwnRequests } from './own-requests.ts';
import {
  ACKNOWLEDGED,
  ASKING,
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
import { resultForSession } from './results.ts';
import type { TranslatorParts } from './translator.ts';
import { supportedVersions } from './versions.ts';

/** Notifications of a host that a stateless server does not know. */
const DROPPED: ReadonlySet<string> = new Set(['notifications/roots/list_changed', 'notifications/progress']);
const MAX_URI = 16_384;

/** A request of the host that is not answered yet. */
interface Open {
  readonly id: number;
  readonly method: string;
  readonly name: string;
  /** As it went to the server first, where it may be made again. */
  readonly json: Buffer | undefined;
  /** The id that the server knows now. */
  wire: number;
  /** Times that the server has asked something. */
  rounds: number;
  /** What the host is asked. */
  round: Round | undefined;
}

export class StatelessAsSession implements Pipe {
  readonly #parts: TranslatorParts;
  readonly #pipe: Pipe;
  readonly #own: OwnRequests;
  readonly #inputs: InputRounds;
  readonly #listen: ListenStream;
  readonly #open = new Map<number, Open>();
  readonly #byWire = new Map<number, Open>();
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
    this.#inputs = new InputRounds({
      toHost: (line) => listener.message(line),
      capabilities: () => this.#host.capabilities,
      nextId,
    });
    this.#listen = new ListenStream({
      own: this.#own,
      send,
      toHost: (line) => listener.message(line),
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
    this.#end();
    return this.#pipe.close();
  }

  cut(reason: string): void {
    this.#listen.close();
    // What the server has is answered by the pipe; what the host is asked for is not with the server.
    for (const open of [...this.#open.values()])
      if (open.round !== undefined) {
        this.#inputs.withdraw(open.round, reason);
        this.#answer(open, error(open.id, INTERNAL, reason));
      }
    this.#pipe.cut(reason);
  }

  send(message: RemoteMessage): void {
    const { kind, method, json: line } = message;
    if (kind === 'response') this.#reply(incoming(line));
    else if (kind === 'notification') this.#notify(message);
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
    const { id, method, name } = message;
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
      const kept = ASKING.has(method) ? line : undefined;
      const open: Open = { id, method, name, json: kept, wire: id, rounds: 0, round: undefined };
      this.#open.set(id, open);
      this.#byWire.set(id, open);
      this.#pipe.send({ ...message, json: line });
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
  #cancel({ envelope, json: line }: Incoming): void {
    const { requestIdStart, requestIdEnd } = envelope;
    const id = ownIdOf(line, requestIdStart, requestIdEnd);
    if (id === undefined || this.#listen.cancel(id)) return;
    const open = this.#open.get(id);
    if (open === undefined) return;
    this.#forget(open);
    if (open.round !== undefined) this.#inputs.withdraw(open.round, 'the request was cancelled');
    else {
      const by = Buffer.from(String(open.wire));
      const text = replaced(line, { start: requestIdStart, end: requestIdEnd }, by);
      this.#pipe.send({ json: text, kind: 'notification', method: CANCELLED, name: '', id: undefined });
    }
  }

  /** An answer of the host to what it was asked. */
  #reply(message: Incoming): void {
    const id = ownIdOf(message.json, message.envelope.idStart, message.envelope.idEnd);
    if (id === undefined || !this.#inputs.answered(id, message))
      this.#parts.log.info({}, 'the host has answered what the server did not ask');
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
    if (wire !== undefined && this.#own.answered(wire, message)) return;
    const open = wire === undefined ? undefined : this.#byWire.get(wire);
    if (open === undefined) {
      // Passed on, it could end a request that the server knows by another id.
      this.#parts.log.info({}, 'the server has answered what is not open');
      return;
    }
    const { json: line, envelope } = message;
    const found = resultOf(envelope);
    if (envelope.failed || found === undefined) {
      this.#answer(open, withId(message, open.id));
      return;
    }
    const type = memberIn(line, found, 'resultType');
    const kind = type === undefined ? 'complete' : shortText(line, type);
    const value = textOf(line, found);
    if (kind === 'complete') {
      const plain = resultForSession(open.method, value);
      if (plain === undefined) this.#fail(open, 'the result of the server is none');
      else this.#answer(open, result(open.id, plain));
    } else if (kind === 'input_required' && open.json !== undefined) this.#ask(open, Buffer.from(value));
    else this.#fail(open, 'the result of the server is of a kind that the host does not know');
  }

  #ask(open: Open, wanted: Buffer): void {
    open.rounds++;
    this.#byWire.delete(open.wire);
    const round = this.#inputs.begin(wanted, open.rounds, (end) => this.#goOn(open, end));
    if (round !== undefined && this.#open.has(open.id)) open.round = round;
  }

  /** What the server wanted to know is answered, or will not be. */
  #goOn(open: Open, end: RoundEnd): void {
    open.round = undefined;
    if ('failed' in end) {
      this.#fail(open, end.failed);
      return;
    }
    const first = incoming(open.json ?? EMPTY);
    const params = paramsOf(first.envelope);
    if (params === undefined) return;
    open.wire = this.#own.next();
    this.#byWire.set(open.wire, open);
    const again = replaced(first.json, params, retryParams(textOf(first.json, params), end.retry));
    const line = withId(incoming(again), open.wire);
    const { method, name, wire: id } = open;
    this.#pipe.send({ json: line, kind: 'request', method, name, id });
  }

  /** A request ends otherwise than the server has said. Of a tool call a model reads why. */
  #fail(open: Open, text: string): void {
    const { id, method } = open;
    const told = { content: [{ type: 'text', text }], isError: true };
    this.#answer(open, method === CALL ? result(id, json(told)) : error(id, INTERNAL, text));
  }

  #answer(open: Open, line: Buffer): void {
    if (!this.#forget(open)) return;
    this.#parts.listener.message(line);
  }

  #forget(open: Open): boolean {
    this.#byWire.delete(open.wire);
    return this.#open.delete(open.id);
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
    return this.#byWire.get(wire)?.id ?? this.#opening.get(wire);
  }

  #wrongEra(wire: number, answer: Buffer): void {
    const id = this.#hostId(wire);
    if (id === undefined) return;
    this.#own.forget(wire);
    this.#opening.delete(wire);
    const open = this.#byWire.get(wire);
    if (open !== undefined) this.#forget(open);
    this.#parts.listener.wrongEra(id, withId(incoming(answer), id));
  }

  #end(): void {
    this.#listen.close();
    for (const { round } of this.#open.values())
      if (round !== undefined) this.#inputs.withdraw(round, 'the session is over');
    this.#open.clear();
    this.#byWire.clear();
  }
}

const NO_COMMON = 'the server speaks none of the versions of the protocol that Warder knows';
const UNNAMED = json({ name: 'unnamed', version: '0' });

/** A server that has said nothing of tasks does without. */
function withoutTask(message: Incoming): Incoming {
  const params = paramsOf(message.envelope);
  if (params === undefined || message.envelope.method !== CALL) return message;
  if (memberIn(message.json, params, 'task') === undefined) return message;
  const plain = changed(message.json, params, { task: undefined });
  return plain === undefined ? message : incoming(replaced(message.json, params, plain));
}
