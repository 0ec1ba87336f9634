// A server of the session era for a host of the stateless era. The session is opened by what the first request says of its
// host; `server/discover` is answered from that; what each request says of its host is taken off. What the server asks in
// the middle of a call goes to the host as the call's result, and the host's answers go to the server when the call is made
// again; subscriptions and the level of logging are kept for each request and translated.
import { readElements, readText } from '../../json/read.ts';
import type { Pipe, RemoteMessage } from '../pipe.ts';
import { clientForOther, has, lacking, serverForOther } from './capabilities.ts';
import { codeOf, errorForStateless, VISIT_FIRST } from './errors.ts';
import { ownIdOf } from './ids.ts';
import {
  BAD_PARAMS,
  BAD_VERSION,
  error,
  INTERNAL,
  type Incoming,
  incoming,
  NO_METHOD,
  notificationMessage,
  paramsOf,
  responseMessage,
  result,
  resultOf,
  withId,
} from './messages.ts';
import { metaIn, withMeta } from './meta.ts';
import { changed, EMPTY, json, memberIn, objectOf, replaced, textOf, whole } from './objects.ts';
import { type OwnAnswer, OwnRequests } from './own-requests.ts';
import {
  ASKING,
  CALL,
  CANCELLED,
  CAPABILITIES,
  CLIENT,
  DISCOVER,
  ELICIT,
  HOST_META,
  INITIALIZE,
  INITIALIZED,
  LEVEL,
  LEVELS,
  LISTEN,
  LISTS,
  LOG,
  PING,
  PROGRESS,
  SERVER,
  SESSION_VERSIONS,
  SET_LEVEL,
  STATELESS_VERSION,
  SUBSCRIBE,
  severityOf,
  shortText,
  UNSUBSCRIBE,
  UPDATED,
  versionOf,
} from './protocol.ts';
import { resultForStateless } from './results.ts';
import {
  type AskedCall,
  contentOf,
  paramsForHost,
  responseTo,
  ServerQuestions,
  STATE,
} from './server-questions.ts';
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
const KNOWN: ReadonlySet<string> = new Set([ELICIT, 'sampling/createMessage', 'roots/list']);
/** URLs that one error may name. */
const MAX_VISITS = 32;
const MAX_TEXT = 16_384;
const HOST_MEMBERS = Object.fromEntries(HOST_META.map((name) => [name, undefined]));

/** A request that the server has. */
interface Open extends AskedCall {
  /** The id that the server knows. */
  readonly wire: number;
  readonly name: string;
  /** What its host can be asked. */
  capabilities: Buffer;
  /** The least severe messages that it wants: an index of `LEVELS`; -1: none. */
  level: number;
  /** The token of its progress as the server knows it, and as the host does: JSON texts. */
  readonly token: string | undefined;
  hostToken: string | undefined;
  /** The server's answer, where the host did not wait for one. */
  late: Incoming | undefined;
  /** It is over at the server, and is made again once URLs are visited. */
  visits: boolean;
}

/** What the server has said of itself. */
interface Introduction {
  readonly capabilities: Buffer;
  readonly serverInfo: Buffer;
  readonly instructions: Buffer | undefined;
}

export class SessionAsStateless implements Pipe {
  readonly #parts: TranslatorParts;
  readonly #pipe: Pipe;
  readonly #own: OwnRequests;
  readonly #questions: ServerQuestions;
  readonly #listeners: SessionListeners;
  readonly #open = new Map<number, Open>();
  /** Messages that wait for the session; undefined once it is open. */
  #waiting: RemoteMessage[] | undefined = [];
  /** The id of the `initialize` that is under way. */
  #opening: number | undefined;
  #introduction: Introduction | undefined;
  #level: number = LEVELS.length;

  constructor(parts: TranslatorParts) {
    this.#parts = parts;
    const { listener, nextId } = parts;
    const send = (message: RemoteMessage): void => this.#pipe.send(message);
    const toHost = (line: Buffer): void => listener.message(line);
    this.#own = new OwnRequests(nextId, send);
    this.#questions = new ServerQuestions({
      toHost,
      toServer: (line) => send(responseMessage(line)),
      giveUp: (call, why) => this.#giveUp(call as Open, why),
    });
    this.#listeners = new SessionListeners({ own: this.#own, toHost });
    this.#pipe = parts.open({
      message: (line, stream) => this.#receive(line, stream),
      drained: () => listener.drained(),
      waiting: (id, text) => this.#tellWaiting(id, text),
      oversize: (id, bytes) => listener.oversize(id, bytes),
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
    for (const open of this.#open.values()) clearTimeout(open.timer);
    return this.#pipe.close();
  }

  cut(reason: string): void {
    for (const message of this.#waiting ?? [])
      if (message.id !== undefined) this.#parts.listener.message(error(message.id, INTERNAL, reason));
    this.#waiting = [];
    for (const open of this.#open.values()) clearTimeout(open.timer);
    this.#pipe.cut(reason);
  }

  send(message: RemoteMessage): void {
    const { kind, method, id } = message;
    if (kind === 'request' && id !== undefined) {
      const read = incoming(message.json);
      const refused = this.#refused(id, method, read);
      if (refused !== undefined) this.#parts.listener.message(refused);
      else if (this.#waiting === undefined) this.#request(id, message, read);
      else this.#wait(this.#waiting, message, read);
    } else if (kind === 'notification' && method === CANCELLED) this.#cancel(incoming(message.json));
    // A stateless server is sent no answers, and knows no other notifications.
  }

  /** Why a request is none of the stateless era. */
  #refused(id: number, method: string, { json: line, envelope }: Incoming): Buffer | undefined {
    const params = paramsOf(envelope);
    const version = versionOf(line, params);
    const meta = metaIn(line, params);
    if (version === undefined || memberIn(line, meta, CAPABILITIES) === undefined)
      return error(id, BAD_PARAMS, `"_meta" has to name "${VERSION_AND}"`);
    if (version !== STATELESS_VERSION) {
      const data = { supported: [STATELESS_VERSION], requested: version };
      return error(id, BAD_VERSION, 'Unsupported protocol version', data);
    }
    return NO_REQUESTS.has(method) || method.startsWith('tasks/')
      ? error(id, NO_METHOD, `the server has no "${method}"`)
      : undefined;
  }

  /** Has the session opened, for which a request waits. */
  #wait(waiting: RemoteMessage[], message: RemoteMessage, { json: line, envelope }: Incoming): void {
    waiting.push(message);
    if (this.#opening !== undefined) return;
    const meta = metaIn(line, paramsOf(envelope));
    const capabilities = memberIn(line, meta, CAPABILITIES);
    const info = memberIn(line, meta, CLIENT);
    const params = objectOf({
      protocolVersion: json(SESSION_VERSIONS[0]),
      capabilities: capabilities === undefined ? EMPTY : clientForOther(textOf(line, capabilities)),
      clientInfo: info === undefined ? UNNAMED : textOf(line, info),
    });
    this.#opening = this.#own.next();
    this.#own.ask(this.#opening, INITIALIZE, params, (answer) => this.#opened(answer));
  }

  #opened(answer: OwnAnswer): void {
    const waiting = this.#waiting ?? [];
    const fault = 'error' in answer ? answer.line : this.#introduce(answer.result);
    this.#opening = undefined;
    if (fault !== undefined) {
      this.#waiting = [];
      for (const { id } of waiting)
        if (id !== undefined) this.#parts.listener.message(withId(incoming(fault), id));
      return;
    }
    this.#pipe.send(notificationMessage(INITIALIZED));
    this.#waiting = undefined;
    for (const message of waiting)
      if (message.id !== undefined) this.#request(message.id, message, incoming(message.json));
  }

  /** Takes what the server says of itself. Returns an error if no session can be had with it. */
  #introduce(said: Buffer): Buffer | undefined {
    const version = shortText(said, memberIn(said, whole(said), 'protocolVersion'));
    if (!SESSION_VERSIONS.some((known) => known === version))
      return error(0, BAD_VERSION, `the server speaks a version of the protocol that Warder does not know`, {
        supported: version === undefined ? [] : [version],
        requested: SESSION_VERSIONS[0],
      });
    const capabilities = memberIn(said, whole(said), 'capabilities');
    const info = memberIn(said, whole(said), 'serverInfo');
    const instructions = memberIn(said, whole(said), 'instructions');
    this.#introduction = {
      capabilities: capabilities === undefined ? EMPTY : textOf(said, capabilities),
      serverInfo: info === undefined ? UNNAMED : textOf(said, info),
      instructions: instructions === undefined ? undefined : textOf(said, instructions),
    };
    return undefined;
  }

  get #offered(): Buffer {
    return this.#introduction?.capabilities ?? EMPTY;
  }

  #request(id: number, message: RemoteMessage, read: Incoming): void {
    const { method, json: line } = message;
    const params = paramsOf(read.envelope);
    if (method === DISCOVER) this.#parts.listener.message(result(id, this.#discovered()));
    else if (method === LISTEN) this.#listeners.add(id, line, params, this.#offered);
    else {
      const state = ASKING.has(method) ? shortText(line, memberIn(line, params, 'requestState')) : undefined;
      if (state === undefined) this.#forward(id, message, read);
      else if (state.startsWith(STATE)) this.#resume(id, message, read, state);
      else this.#parts.listener.message(error(id, BAD_PARAMS, '"requestState" is none of this server'));
    }
  }

  #discovered(): Buffer {
    const { capabilities = EMPTY, serverInfo = UNNAMED, instructions } = this.#introduction ?? {};
    return objectOf({
      resultType: json('complete'),
      supportedVersions: json([STATELESS_VERSION]),
      capabilities: serverForOther(capabilities),
      instructions,
      ttlMs: json(0),
      cacheScope: json('private'),
      _meta: objectOf({ [SERVER]: serverInfo }),
    });
  }

  #forward(id: number, message: RemoteMessage, read: Incoming): void {
    const { method, name } = message;
    const plain = withoutHost(read, method);
    if (plain === undefined) {
      this.#parts.listener.message(error(id, BAD_PARAMS, '"params" or its "_meta" is not one object'));
      return;
    }
    const token = tokenIn(read);
    const open: Open = {
      wire: id,
      method,
      name,
      content: ASKING.has(method) ? contentOf(read.json, paramsOf(read.envelope)) : '',
      host: id,
      ...saidBy(read),
      token,
      hostToken: token,
      questions: new Map(),
      shown: new Set(),
      rounds: 0,
      timer: undefined,
      state: undefined,
      late: undefined,
      visits: false,
    };
    this.#open.set(id, open);
    if (open.level !== -1) this.#lowerLevel(open.level);
    this.#pipe.send({ ...message, json: plain });
  }

  /** A host makes a call again with what the server has asked. */
  #resume(id: number, message: RemoteMessage, read: Incoming, state: string): void {
    const { listener } = this.#parts;
    const { json: line, envelope } = read;
    const params = paramsOf(envelope);
    const taken = this.#questions.take(state, message.method, contentOf(line, params));
    if (typeof taken === 'string') {
      listener.message(error(id, BAD_PARAMS, taken));
      return;
    }
    const call = taken as Open;
    const responses = memberIn(line, params, 'inputResponses');
    if (call.visits) {
      const isDone = [...call.shown].every((key) => {
        const given = responseTo(key, line, responses);
        return shortText(line, memberIn(line, given, 'action')) === 'accept';
      });
      this.#open.delete(call.wire);
      if (isDone) this.#forward(id, message, read);
      else listener.message(failure(call.method, id, 'the user has not visited what the server asked for'));
      return;
    }
    Object.assign(call, saidBy(read), { host: id, hostToken: tokenIn(read) });
    this.#questions.answer(call, line, responses);
    if (call.late !== undefined) this.#answer(call, call.late);
  }

  /** The server is to report from the least severe level that any request wants. */
  #lowerLevel(level: number): void {
    if (level >= this.#level || !has(this.#offered, 'logging')) return;
    this.#level = level;
    this.#own.ask(this.#own.next(), SET_LEVEL, json({ level: LEVELS[level] }), () => {});
  }

  #cancel({ json: line, envelope }: Incoming): void {
    const id = ownIdOf(line, envelope.requestIdStart, envelope.requestIdEnd);
    if (id === undefined || this.#listeners.remove(id)) return;
    this.#waiting = this.#waiting?.filter((message) => message.id !== id);
    const open = [...this.#open.values()].find(({ host }) => host === id);
    if (open === undefined) return;
    this.#forget(open);
    this.#questions.end(open, 'the request was cancelled');
    this.#pipe.send(notificationMessage(CANCELLED, json({ requestId: open.wire })));
  }

  #receive(line: Buffer, stream: number | undefined): void {
    const message = incoming(line);
    const { kind, fault, idStart, idEnd } = message.envelope;
    // What cannot be read the relay withholds, and says so.
    if (fault !== undefined) this.#parts.listener.message(line);
    else if (kind === 'request') this.#asked(message, stream);
    else if (kind === 'notification') this.#notified(message, stream);
    else {
      const id = ownIdOf(line, idStart, idEnd);
      if (id !== undefined && this.#own.answered(id, message)) return;
      const open = id === undefined ? undefined : this.#open.get(id);
      // Passed on, it could end a call that was made again under another id.
      if (open === undefined) this.#parts.log.info({}, 'the server has answered what is not open');
      else this.#answer(open, message);
    }
  }

  #answer(open: Open, message: Incoming): void {
    const { host, method } = open;
    if (host === undefined) {
      open.late = message;
      return;
    }
    const { json: line, envelope } = message;
    if (envelope.failed && codeOf(message) === VISIT_FIRST && this.#askVisits(open, message)) return;
    this.#forget(open);
    this.#questions.end(open, 'the request has ended');
    const found = resultOf(envelope);
    if (envelope.failed || found === undefined) {
      this.#parts.listener.message(withId(incoming(errorForStateless(message)), host));
      return;
    }
    const value = resultForStateless(method, textOf(line, found));
    this.#parts.listener.message(
      value === undefined ? error(host, INTERNAL, 'the result of the server is none') : result(host, value),
    );
  }

  /** The server wants URLs to be visited before the call. False: the host cannot be asked that. */
  #askVisits(open: Open, { json: line }: Incoming): boolean {
    const data = memberIn(line, memberIn(line, whole(line), 'error'), 'data');
    const list = memberIn(line, data, 'elicitations');
    if (list === undefined || !ASKING.has(open.method)) return false;
    const entries = new Map<string, Buffer>();
    for (const each of readElements(line, list.start, list.end)) {
      const params = changed(line, each, { mode: json('url') });
      if (params === undefined || entries.size === MAX_VISITS) return false;
      if (lacking(open.capabilities, ELICIT, params, whole(params)) !== undefined) return false;
      const entry = objectOf({ method: json(ELICIT), params: paramsForHost(ELICIT, params) });
      entries.set(`visit-${entries.size + 1}`, entry);
    }
    if (entries.size === 0) return false;
    open.visits = true;
    this.#questions.answerWith(open, entries);
    return true;
  }

  /** The server asks something. */
  #asked({ json: line, envelope }: Incoming, stream: number | undefined): void {
    const { method, idStart, idEnd } = envelope;
    const idText = line.toString('utf8', idStart, idEnd);
    const answer = (text: Buffer): void => this.#pipe.send(responseMessage(text));
    if (method === PING) {
      answer(result(idText, EMPTY));
      return;
    }
    const params = paramsOf(envelope);
    const call = this.#callOf(stream);
    const missing = call === undefined ? undefined : lacking(call.capabilities, method, line, params);
    if (!KNOWN.has(method)) answer(error(idText, NO_METHOD, `the host has no "${method}"`));
    else if (call === undefined)
      answer(error(idText, INTERNAL, 'a host can be asked in the middle of a call only'));
    else if (missing !== undefined)
      answer(error(idText, NO_METHOD, `the host has not declared "${missing}"`));
    else {
      const text = params === undefined ? undefined : Buffer.from(textOf(line, params));
      this.#questions.ask(call, idText, method, text);
    }
  }

  /** The call in the middle of which something comes: that of the stream, else the latest that may be asked about. */
  #callOf(stream: number | undefined): Open | undefined {
    if (stream !== undefined) {
      const open = this.#open.get(stream);
      return open !== undefined && ASKING.has(open.method) ? open : undefined;
    }
    return [...this.#open.values()].findLast(({ method, visits }) => ASKING.has(method) && !visits);
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
      const uri = found === undefined ? undefined : readText(line, found, MAX_TEXT);
      if (uri !== undefined) this.#listeners.updated(method, uri, text);
    } else if (method === CANCELLED) {
      const { requestIdStart, requestIdEnd } = envelope;
      const idText = line.toString('utf8', Math.max(0, requestIdStart), Math.max(0, requestIdEnd));
      this.#questions.withdraw(this.#open.values(), idText);
    } else if (method === LOG) {
      if (this.#wantsLog(line, message, stream)) listener.message(line);
    } else if (method === PROGRESS) this.#progress(message);
    else if (!DROPPED.has(method)) listener.message(line);
  }

  /** Whether any request that it may belong to wants a message of the log. */
  #wantsLog(line: Buffer, { envelope }: Incoming, stream: number | undefined): boolean {
    const name = shortText(line, memberIn(line, paramsOf(envelope), 'level'));
    const severity = severityOf(name);
    const wants = ({ level, host }: Open): boolean => host !== undefined && level !== -1 && severity >= level;
    if (stream === undefined) return [...this.#open.values()].some(wants);
    const open = this.#open.get(stream);
    return open !== undefined && wants(open);
  }

  /** Progress goes to a host that waits, under the token that it has given last. */
  #progress({ json: line, envelope }: Incoming): void {
    const token = memberIn(line, paramsOf(envelope), 'progressToken');
    if (token === undefined) return;
    const text = textOf(line, token).toString();
    for (const { token: known, hostToken, host } of this.#open.values()) {
      if (known !== text || host === undefined || hostToken === undefined) continue;
      this.#parts.listener.message(
        known === hostToken ? line : replaced(line, token, Buffer.from(hostToken)),
      );
      return;
    }
  }

  #tellWaiting(id: number, text: string | undefined): void {
    const { listener } = this.#parts;
    if (id === this.#opening) {
      for (const message of this.#waiting ?? [])
        if (message.id !== undefined) listener.waiting(message.id, text);
    } else listener.waiting(this.#open.get(id)?.host ?? id, text);
  }

  #giveUp(call: Open, why: string): void {
    const { host } = call;
    this.#forget(call);
    this.#questions.end(call, why);
    if (!call.visits && call.late === undefined)
      this.#pipe.send(notificationMessage(CANCELLED, json({ requestId: call.wire, reason: why })));
    if (host !== undefined) this.#parts.listener.message(failure(call.method, host, why));
  }

  #forget(open: Open): void {
    this.#open.delete(open.wire);
    clearTimeout(open.timer);
  }

  #wrongEra(id: number, answer: Buffer): void {
    const first = this.#waiting?.[0]?.id;
    if (id !== this.#opening || first === undefined) return;
    this.#own.forget(id);
    this.#parts.listener.wrongEra(first, withId(incoming(answer), first));
  }
}

const UNNAMED = json({ name: 'unnamed', version: '0' });
const VERSION_AND = `io.modelcontextprotocol/protocolVersion" and "${CAPABILITIES}`;

/** What a request says of its host. */
function saidBy({ json: line, envelope }: Incoming): { capabilities: Buffer; level: number } {
  const meta = metaIn(line, paramsOf(envelope));
  const capabilities = memberIn(line, meta, CAPABILITIES);
  const level = shortText(line, memberIn(line, meta, LEVEL));
  return {
    capabilities: capabilities === undefined ? EMPTY : Buffer.from(textOf(line, capabilities)),
    level: severityOf(level),
  };
}

/** The token of a request's progress, as JSON text. */
function tokenIn({ json: line, envelope }: Incoming): string | undefined {
  const token = memberIn(line, metaIn(line, paramsOf(envelope)), 'progressToken');
  return token === undefined ? undefined : textOf(line, token).toString();
}

/** A request without what it says of its host, and without what the session era does not have. */
function withoutHost(message: Incoming, method: string): Buffer | undefined {
  const plain = withMeta(message, HOST_MEMBERS);
  if (plain === undefined || !ASKING.has(method)) return plain;
  const params = paramsOf(incoming(plain).envelope);
  const bare =
    params === undefined
      ? undefined
      : changed(plain, params, { inputResponses: undefined, requestState: undefined });
  return params === undefined || bare === undefined ? plain : replaced(plain, params, bare);
}

/** Why a request has failed: of a tool call a model reads it. */
function failure(method: string, id: number, text: string): Buffer {
  if (method !== CALL) return error(id, INTERNAL, text);
  return result(id, json({ resultType: 'complete', content: [{ type: 'text', text }], isError: true }));
}
