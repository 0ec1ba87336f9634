// A server of the session era for a host of the stateless era. The session is opened by what the first request says of its
// host; `server/discover` is answered from that; what each request says of its host is taken off. What the server asks in
// the middle of a call goes to the host as the call's result, and the host's answers go to the server when the call is made
// again; subscriptions and the level of logging are kept for each request and translated.
import { memberIn, readText } from '../../json/read.ts';
import type { Pipe, RemoteMessage } from '../pipe.ts';
import { ownIdOf } from './ids.ts';
import {
  BAD_PARAMS,
  BAD_VERSION,
  error,
  INTERNAL,
  type Incoming,
  incoming,
  NO_METHOD,
  paramsOf,
  responseMessage,
  result,
  withId,
} from './messages.ts';
import { metaIn } from './meta.ts';
import { EMPTY, textOf } from './objects.ts';
import { OwnRequests } from './own-requests.ts';
import {
  ASKING,
  CANCELLED,
  CAPABILITIES,
  DISCOVER,
  INITIALIZE,
  LISTEN,
  LISTS,
  LOG,
  PING,
  PROGRESS,
  SET_LEVEL,
  STATELESS_VERSION,
  SUBSCRIBE,
  shortText,
  UNSUBSCRIBE,
  UPDATED,
  VERSION,
  versionOf,
} from './protocol.ts';
import { ServerCalls } from './server-calls.ts';
import { STATE } from './server-questions.ts';
import { SessionHandshake } from './session-handshake.ts';
import { SessionListeners } from './session-listeners.ts';
import type { TranslatorParts } from './translator.ts';

/** Requests of the session era that a host of the stateless era does not make. */
const NO_REQUESTS: ReadonlySet<string> = new Set([PING, SET_LEVEL, SUBSCRIBE, UNSUBSCRIBE, INITIALIZE]);
/** Notifications of the session era that the stateless era does not have. */
const DROPPED: ReadonlySet<string> = new Set([
  'notifications/elicitation/complete',
  'notifications/tasks/status',
]);
const CHANGED: ReadonlySet<string> = new Set(LISTS.map(({ changed }) => changed));
/** The longest URI, in bytes of JSON text. */
const MAX_URI = 16_384;

export class SessionAsStateless implements Pipe {
  readonly #parts: TranslatorParts;
  readonly #pipe: Pipe;
  readonly #own: OwnRequests;
  readonly #handshake: SessionHandshake;
  readonly #calls: ServerCalls;
  readonly #listeners: SessionListeners;

  constructor(parts: TranslatorParts) {
    this.#parts = parts;
    const { listener, nextId } = parts;
    const send = (message: RemoteMessage): void => this.#pipe.send(message);
    const toHost = (line: Buffer): void => listener.message(line);
    const own = new OwnRequests(nextId, send);
    this.#own = own;
    const goOn = (message: RemoteMessage): void => {
      if (message.id !== undefined) this.#request(message.id, message, incoming(message.json));
    };
    this.#handshake = new SessionHandshake({ own, send, toHost, goOn });
    this.#calls = new ServerCalls({ own, send, toHost, offered: () => this.#handshake.capabilities });
    this.#listeners = new SessionListeners({ own, toHost });
    this.#pipe = parts.open({
      message: (line, stream) => this.#receive(line, stream),
      drained: () => listener.drained(),
      waiting: (id, text) => this.#tellWaiting(id, text),
      oversize: (id, bytes) =>
        listener.oversize(id === undefined ? undefined : this.#calls.hostId(id), bytes),
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
    this.#calls.close();
    return this.#pipe.close();
  }

  cut(reason: string): void {
    this.#handshake.fail((id) => error(id, INTERNAL, reason));
    this.#pipe.cut(reason);
    this.#calls.close();
  }

  send(message: RemoteMessage): void {
    const { kind, method, id } = message;
    // A stateless server is sent no answers, and knows no other notifications.
    if (kind === 'notification' && method === CANCELLED) this.#cancel(incoming(message.json));
    if (kind !== 'request' || id === undefined) return;
    const read = incoming(message.json);
    const refused = refusalOf(id, method, read);
    if (refused !== undefined) this.#parts.listener.message(refused);
    else if (this.#handshake.isOpen) this.#request(id, message, read);
    else this.#handshake.wait(message, read);
  }

  #request(id: number, message: RemoteMessage, read: Incoming): void {
    const { method, json: line } = message;
    const { listener } = this.#parts;
    const params = paramsOf(read.envelope);
    if (method === DISCOVER) listener.message(result(id, this.#handshake.discovered));
    else if (method === LISTEN) this.#listeners.add(id, line, params, this.#handshake.capabilities);
    else {
      const state = ASKING.has(method) ? shortText(line, memberIn(line, params, 'requestState')) : undefined;
      if (state === undefined) this.#calls.forward(id, message, read);
      else if (state.startsWith(STATE)) this.#calls.resume(id, message, read, state);
      else listener.message(error(id, BAD_PARAMS, '"requestState" is none of this server'));
    }
  }

  #cancel({ json: line, envelope }: Incoming): void {
    const id = ownIdOf(line, envelope.requestIdStart, envelope.requestIdEnd);
    if (id === undefined || this.#listeners.remove(id) || this.#handshake.cancel(id)) return;
    this.#calls.cancel(id);
  }

  #receive(line: Buffer, stream: number | undefined): void {
    const message = incoming(line);
    const { kind, fault, method, idStart, idEnd } = message.envelope;
    // What cannot be read the relay withholds, and says so.
    if (fault !== undefined) this.#parts.listener.message(line);
    else if (kind === 'notification') this.#notified(message, stream);
    else if (kind !== 'request') this.#answered(ownIdOf(line, idStart, idEnd), message);
    else if (method === PING)
      this.#pipe.send(responseMessage(result(line.toString('utf8', idStart, idEnd), EMPTY)));
    else this.#calls.asked(message, stream);
  }

  #answered(id: number | undefined, message: Incoming): void {
    if (id !== undefined && (this.#own.answered(id, message) || this.#calls.answered(id, message))) return;
    // Passed on, it could end a call that was made again under another id.
    this.#parts.log.info({}, 'the server has answered what is not open');
  }

  #notified(message: Incoming, stream: number | undefined): void {
    const { json: line, envelope } = message;
    const { method } = envelope;
    const params = paramsOf(envelope);
    const { listener } = this.#parts;
    const text = params === undefined ? EMPTY : textOf(line, params);
    if (CHANGED.has(method)) this.#listeners.changed(method, text);
    else if (method === UPDATED) {
      const found = memberIn(line, params, 'uri');
      const uri = found === undefined ? undefined : readText(line, found, MAX_URI);
      if (uri !== undefined) this.#listeners.updated(method, uri, text);
    } else if (method === CANCELLED) {
      const { requestIdStart: start, requestIdEnd: end } = envelope;
      this.#calls.withdraw(line.toString('utf8', Math.max(0, start), Math.max(0, end)));
    } else if (method === PROGRESS) this.#calls.progress(message);
    else if (method === LOG) {
      if (this.#calls.wantsLog(message, stream)) listener.message(line);
    } else if (!DROPPED.has(method)) listener.message(line);
  }

  #tellWaiting(id: number, text: string | undefined): void {
    const { listener } = this.#parts;
    const host = this.#calls.hostId(id);
    if (host !== undefined) listener.waiting(host, text);
    for (const waiting of this.#handshake.waitingFor(id)) listener.waiting(waiting, text);
  }

  #wrongEra(id: number, answer: Buffer): void {
    if (!this.#handshake.isOpening(id)) return;
    const [first] = this.#handshake.waitingFor(id);
    this.#own.forget(id);
    this.#handshake.forget();
    if (first === undefined) return;
    this.#parts.listener.wrongEra(first, withId(incoming(answer), first));
  }
}

/** Why a request is none of the stateless era; undefined: it is one. */
function refusalOf(id: number, method: string, { json: line, envelope }: Incoming): Buffer | undefined {
  const params = paramsOf(envelope);
  const version = versionOf(line, params);
  if (version === undefined || memberIn(line, metaIn(line, params), CAPABILITIES) === undefined)
    return error(id, BAD_PARAMS, `"_meta" has to name "${VERSION}" and "${CAPABILITIES}"`);
  if (version !== STATELESS_VERSION) {
    const data = { supported: [STATELESS_VERSION], requested: version };
    return error(id, BAD_VERSION, 'Unsupported protocol version', data);
  }
  return NO_REQUESTS.has(method) || method.startsWith('tasks/')
    ? error(id, NO_METHOD, `the server has no "${method}"`)
    : undefined;
}
