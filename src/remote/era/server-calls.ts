// The requests of a host of the stateless era that a server of the session era has. What the server asks in the middle of one
// is put to the host as its result; made again, it brings the answers. A tool that works as a task alone (2025-11-25) is
// called as one, and its result waited for.
import { memberIn, type Range, readElements, readText, whole } from '../../json/read.ts';
import type { RemoteMessage } from '../pipe.ts';
import { has, lacking } from './capabilities.ts';
import { codeOf, errorForStateless, VISIT_FIRST } from './errors.ts';
import {
  BAD_PARAMS,
  error,
  INTERNAL,
  type Incoming,
  incoming,
  NO_METHOD,
  notificationMessage,
  paramsOf,
  requestMessage,
  responseMessage,
  result,
  resultOf,
  withId,
} from './messages.ts';
import { metaIn, withMeta } from './meta.ts';
import { changed, EMPTY, json, objectOf, replaced, textOf } from './objects.ts';
import type { OwnRequests } from './own-requests.ts';
import {
  ASKING,
  CALL,
  CANCELLED,
  CAPABILITIES,
  ELICIT,
  HOST_META,
  LEVEL,
  LEVELS,
  LIST_TOOLS,
  ROOTS,
  SAMPLE,
  SET_LEVEL,
  severityOf,
  shortText,
} from './protocol.ts';
import { resultForStateless } from './results.ts';
import { type AskedCall, contentOf, paramsForHost, responseTo, ServerQuestions } from './server-questions.ts';
import { TaskTools } from './task-tools.ts';

const KNOWN: ReadonlySet<string> = new Set([ELICIT, SAMPLE, ROOTS]);
/** URLs that one error may name. */
const MAX_VISITS = 32;
/** The longest id of a task, in bytes of JSON text. */
const MAX_TASK = 6200;
const HOST_MEMBERS = Object.fromEntries(HOST_META.map((name) => [name, undefined]));

/** A request that the server has. */
interface Open extends AskedCall {
  /** The id that the server knows now. */
  wire: number;
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
  /** The server is to do it as a task, or does. */
  task: { readonly id: string } | 'wanted' | undefined;
}

export interface ServerCallsParts {
  readonly own: OwnRequests;
  readonly send: (message: RemoteMessage) => void;
  readonly toHost: (json: Buffer) => void;
  /** What the server offers. */
  readonly offered: () => Buffer;
}

export class ServerCalls {
  readonly #parts: ServerCallsParts;
  readonly #questions: ServerQuestions;
  readonly #taskTools = new TaskTools();
  /** By the ids that the server knows. */
  readonly #open = new Map<number, Open>();
  #level: number = LEVELS.length;

  constructor(parts: ServerCallsParts) {
    this.#parts = parts;
    this.#questions = new ServerQuestions({
      toHost: parts.toHost,
      toServer: (line) => parts.send(responseMessage(line)),
      giveUp: (call, why) => this.#giveUp(call as Open, why),
    });
  }

  /** The host's id of a request; undefined: it does not wait. */
  hostId(wire: number): number | undefined {
    return this.#open.get(wire)?.host;
  }

  /** A request of the host. */
  forward(id: number, message: RemoteMessage, read: Incoming): void {
    const { method, name } = message;
    const isTask = method === CALL && this.#taskTools.has(name, this.#parts.offered());
    const plain = withoutHost(read, method, isTask);
    if (plain === undefined) {
      this.#parts.toHost(error(id, BAD_PARAMS, '"params" or its "_meta" is not one object'));
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
      task: isTask ? 'wanted' : undefined,
    };
    this.#open.set(id, open);
    if (open.level !== -1) this.#lowerLevel(open.level);
    this.#parts.send({ ...message, json: plain });
  }

  /** A host makes a call again with what the server has asked. */
  resume(id: number, message: RemoteMessage, read: Incoming, state: string): void {
    const { toHost } = this.#parts;
    const { json: line, envelope } = read;
    const params = paramsOf(envelope);
    const taken = this.#questions.take(state, message.method, contentOf(line, params));
    if (typeof taken === 'string') {
      toHost(error(id, BAD_PARAMS, taken));
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
      if (isDone) this.forward(id, message, read);
      else toHost(failure(call.method, id, 'the user has not visited what the server asked for'));
      return;
    }
    Object.assign(call, saidBy(read), { host: id, hostToken: tokenIn(read) });
    this.#questions.answer(call, line, responses);
    if (call.late !== undefined) this.#answer(call, call.late);
  }

  /** The host takes a request back. */
  cancel(id: number): void {
    const open = [...this.#open.values()].find(({ host }) => host === id);
    if (open === undefined) return;
    this.#forget(open);
    this.#questions.end(open, 'the request was cancelled');
    this.#cancelAtServer(open, undefined);
  }

  /** An answer of the server. False: it is to none of these. */
  answered(wire: number, message: Incoming): boolean {
    const open = this.#open.get(wire);
    if (open === undefined) return false;
    this.#answer(open, message);
    return true;
  }

  /** The server asks something, in the middle of the call whose stream it came by. */
  asked({ json: line, envelope }: Incoming, stream: number | undefined): void {
    const { method, idStart, idEnd } = envelope;
    const idText = line.toString('utf8', idStart, idEnd);
    const refuse = (code: number, why: string): void =>
      this.#parts.send(responseMessage(error(idText, code, why)));
    const params = paramsOf(envelope);
    const call = this.#callOf(stream);
    const missing = call === undefined ? undefined : lacking(call.capabilities, method, line, params);
    if (!KNOWN.has(method)) refuse(NO_METHOD, `the host has no "${method}"`);
    else if (call === undefined) refuse(INTERNAL, 'a host can be asked in the middle of a call only');
    else if (missing !== undefined) refuse(NO_METHOD, `the host has not declared "${missing}"`);
    else this.#questions.ask(call, idText, method, params && Buffer.from(textOf(line, params)));
  }

  /** The server takes back what it has asked; the id is JSON text. */
  withdraw(idText: string): void {
    this.#questions.withdraw(this.#open.values(), idText);
  }

  /** Whether any request that a message of the log may belong to wants it. */
  wantsLog({ json: line, envelope }: Incoming, stream: number | undefined): boolean {
    const severity = severityOf(shortText(line, memberIn(line, paramsOf(envelope), 'level')));
    const wants = ({ level, host }: Open): boolean => host !== undefined && level !== -1 && severity >= level;
    if (stream === undefined) return [...this.#open.values()].some(wants);
    const open = this.#open.get(stream);
    return open !== undefined && wants(open);
  }

  /** Progress goes to a host that waits, under the token that it has given last. */
  progress({ json: line, envelope }: Incoming): void {
    const token = memberIn(line, paramsOf(envelope), 'progressToken');
    if (token === undefined) return;
    const text = textOf(line, token).toString();
    for (const { token: known, hostToken, host } of this.#open.values()) {
      if (known !== text || host === undefined || hostToken === undefined) continue;
      this.#parts.toHost(known === hostToken ? line : replaced(line, token, Buffer.from(hostToken)));
      return;
    }
  }

  close(): void {
    for (const open of this.#open.values()) clearTimeout(open.timer);
    this.#open.clear();
  }

  /** The server is to report from the least severe level that any request wants. */
  #lowerLevel(level: number): void {
    const { own, offered } = this.#parts;
    if (level >= this.#level || !has(offered(), 'logging')) return;
    this.#level = level;
    own.ask(own.next(), SET_LEVEL, json({ level: LEVELS[level] }), () => {});
  }

  #answer(open: Open, message: Incoming): void {
    const { host, method } = open;
    const { json: line, envelope } = message;
    const found = envelope.failed ? undefined : resultOf(envelope);
    if (open.task === 'wanted' && found !== undefined && this.#waitForTask(open, line, found)) return;
    if (host === undefined) {
      open.late = message;
      return;
    }
    if (envelope.failed && codeOf(message) === VISIT_FIRST && this.#askVisits(open, message)) return;
    this.#forget(open);
    this.#questions.end(open, 'the request has ended');
    const { toHost } = this.#parts;
    if (found === undefined) {
      toHost(withId(incoming(errorForStateless(message)), host));
      return;
    }
    if (method === LIST_TOOLS) this.#taskTools.note(line, found);
    const value = resultForStateless(method, textOf(line, found));
    toHost(
      value === undefined ? error(host, INTERNAL, 'the result of the server is none') : result(host, value),
    );
  }

  /** The server has made a task of a call: its result is what ends the call. False: it has not. */
  #waitForTask(open: Open, line: Buffer, found: Range): boolean {
    const id = memberIn(line, memberIn(line, found, 'task'), 'taskId');
    const name = id === undefined ? undefined : readText(line, id, MAX_TASK);
    if (name === undefined) return false;
    const { own, send } = this.#parts;
    this.#open.delete(open.wire);
    open.task = { id: name };
    open.wire = own.next();
    this.#open.set(open.wire, open);
    send(requestMessage(open.wire, 'tasks/result', json({ taskId: name }), name));
    return true;
  }

  #cancelAtServer({ wire, task }: Open, reason: string | undefined): void {
    const { own, send } = this.#parts;
    if (typeof task === 'object')
      own.ask(own.next(), 'tasks/cancel', json({ taskId: task.id }), () => {}, { name: task.id });
    else send(notificationMessage(CANCELLED, json({ requestId: wire, reason })));
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

  /** The call in the middle of which something comes: that of the stream, else the latest that may be asked about. */
  #callOf(stream: number | undefined): Open | undefined {
    if (stream !== undefined) {
      const open = this.#open.get(stream);
      return open !== undefined && ASKING.has(open.method) ? open : undefined;
    }
    return [...this.#open.values()].findLast(({ method, visits }) => ASKING.has(method) && !visits);
  }

  #giveUp(call: Open, why: string): void {
    const { host } = call;
    this.#forget(call);
    this.#questions.end(call, why);
    if (!call.visits && call.late === undefined) this.#cancelAtServer(call, why);
    if (host !== undefined) this.#parts.toHost(failure(call.method, host, why));
  }

  #forget(open: Open): void {
    this.#open.delete(open.wire);
    clearTimeout(open.timer);
  }
}

/** What a request says of its host. */
function saidBy({ json: line, envelope }: Incoming): { capabilities: Buffer; level: number } {
  const meta = metaIn(line, paramsOf(envelope));
  const capabilities = memberIn(line, meta, CAPABILITIES);
  return {
    capabilities: capabilities === undefined ? EMPTY : Buffer.from(textOf(line, capabilities)),
    level: severityOf(shortText(line, memberIn(line, meta, LEVEL))),
  };
}

/** The token of a request's progress, as JSON text. */
function tokenIn({ json: line, envelope }: Incoming): string | undefined {
  const token = memberIn(line, metaIn(line, paramsOf(envelope)), 'progressToken');
  return token === undefined ? undefined : textOf(line, token).toString();
}

/** A request without what it says of its host, and without what the session era does not have. */
function withoutHost(message: Incoming, method: string, isTask: boolean): Buffer | undefined {
  const plain = withMeta(message, HOST_MEMBERS);
  if (plain === undefined || !ASKING.has(method)) return plain;
  const params = paramsOf(incoming(plain).envelope);
  const changes = { inputResponses: undefined, requestState: undefined, task: isTask ? EMPTY : undefined };
  const bare = params === undefined ? undefined : changed(plain, params, changes);
  return params === undefined || bare === undefined ? plain : replaced(plain, params, bare);
}

/** Why a request has failed: of a tool call a model reads it. */
function failure(method: string, id: number, text: string): Buffer {
  if (method !== CALL) return error(id, INTERNAL, text);
  return result(id, json({ resultType: 'complete', content: [{ type: 'text', text }], isError: true }));
}
