// The open requests of a host of the session era at a stateless server. A request may be made again under another id, with
// what the server wanted to know; a tool call may become a task, where the server does it in no other way.
import { memberIn, whole } from '../../json/read.ts';
import type { Log } from '../../os/log.ts';
import type { RemoteMessage } from '../pipe.ts';
import { codeOf } from './errors.ts';
import { ownIdOf } from './ids.ts';
import { InputRounds, type Round, type RoundEnd, retryParams } from './input-rounds.ts';
import {
  error,
  INTERNAL,
  type Incoming,
  incoming,
  notificationMessage,
  paramsOf,
  result,
  resultOf,
  withId,
} from './messages.ts';
import { withMeta } from './meta.ts';
import { changed, EMPTY, json, replaced, textOf } from './objects.ts';
import type { OwnRequests } from './own-requests.ts';
import { ASKING, CALL, CANCELLED, CAPABILITIES, shortText, TASKS } from './protocol.ts';
import { resultForSession } from './results.ts';
import { type TaskEnd, TaskRun } from './task-run.ts';

/** The request needs something of the host that it has not declared. */
const LACKING = -32021;

interface Open {
  readonly id: number;
  readonly method: string;
  readonly name: string;
  /** As it went to the server first, where it may be made again. */
  json: Buffer | undefined;
  /** The id that the server knows now. */
  wire: number;
  /** Times that the server has asked something. */
  rounds: number;
  /** What the host is asked. */
  round: Round | undefined;
  /** It may become a task; and the task that it is. */
  mayBeTask: boolean;
  task: TaskRun | undefined;
}

export interface HostCallsParts {
  readonly own: OwnRequests;
  readonly send: (message: RemoteMessage) => void;
  readonly toHost: (json: Buffer) => void;
  /** What the host can be asked, as the server is told. */
  readonly capabilities: () => Buffer;
  /** The `params` of a request of the translator's, with what it says of the host and the capabilities given. */
  readonly params: (members: Buffer, capabilities: Buffer) => Buffer;
  readonly log: Log;
}

export class HostCalls {
  readonly #parts: HostCallsParts;
  readonly #inputs: InputRounds;
  readonly #open = new Map<number, Open>();
  readonly #byWire = new Map<number, Open>();

  constructor(parts: HostCallsParts) {
    this.#parts = parts;
    const { toHost, capabilities, own } = parts;
    this.#inputs = new InputRounds({ toHost, capabilities, nextId: () => own.next() });
  }

  /** Sends a request, as it is to go to the server. */
  send(id: number, message: RemoteMessage): void {
    const { method, name } = message;
    const open: Open = {
      id,
      method,
      name,
      json: ASKING.has(method) ? message.json : undefined,
      wire: id,
      rounds: 0,
      round: undefined,
      mayBeTask: false,
      task: undefined,
    };
    this.#open.set(id, open);
    this.#byWire.set(id, open);
    this.#parts.send(message);
  }

  /** The host's id of a request that the server knows by another. */
  hostId(wire: number): number | undefined {
    return this.#byWire.get(wire)?.id;
  }

  /** The host takes a request back: the message that says so, which goes on with the id that the server knows. */
  cancel(id: number, { json: line, envelope }: Incoming): void {
    const open = this.#open.get(id);
    if (open === undefined) return;
    this.#forget(open);
    if (open.round !== undefined) this.#inputs.withdraw(open.round, 'the request was cancelled');
    if (open.task !== undefined) open.task.cancel();
    else if (open.round === undefined) {
      const { requestIdStart: start, requestIdEnd: end } = envelope;
      const text = replaced(line, { start, end }, Buffer.from(String(open.wire)));
      this.#parts.send({ ...notificationMessage(CANCELLED), json: text });
    }
  }

  /** An answer of the host to what it was asked. False: it was not asked that. */
  reply(message: Incoming): boolean {
    const id = ownIdOf(message.json, message.envelope.idStart, message.envelope.idEnd);
    return id !== undefined && this.#inputs.answered(id, message);
  }

  /** An answer of the server. False: it is to none of these. */
  answered(wire: number, message: Incoming): boolean {
    const open = this.#byWire.get(wire);
    if (open === undefined) return false;
    const { json: line, envelope } = message;
    const found = resultOf(envelope);
    if (envelope.failed || found === undefined) {
      if (!this.#asTask(open, message)) this.#answer(open, withId(message, open.id));
      return true;
    }
    const type = memberIn(line, found, 'resultType');
    const kind = type === undefined ? 'complete' : shortText(line, type);
    const value = textOf(line, found);
    if (kind === 'complete') this.#complete(open, value);
    else if (kind === 'input_required' && open.json !== undefined) this.#ask(open, Buffer.from(value));
    else if (kind === 'task' && open.mayBeTask) this.#follow(open, value);
    else this.#fail(open, 'the result of the server is of a kind that the host does not know');
    return true;
  }

  /** The server shows by its answer to a request that it is of another era: the request is open no more. */
  takeBack(wire: number): void {
    const open = this.#byWire.get(wire);
    if (open !== undefined) this.#forget(open);
  }

  /** What does not wait for the server is answered with an error; the server's own part ends otherwise. */
  cut(reason: string): void {
    for (const open of [...this.#open.values()]) {
      open.task?.close();
      if (open.round === undefined && open.task === undefined) continue;
      if (open.round !== undefined) this.#inputs.withdraw(open.round, reason);
      this.#answer(open, error(open.id, INTERNAL, reason));
    }
  }

  close(): void {
    for (const { round, task } of this.#open.values()) {
      task?.close();
      if (round !== undefined) this.#inputs.withdraw(round, 'the session is over');
    }
    this.#open.clear();
    this.#byWire.clear();
  }

  #complete(open: Open, value: Buffer): void {
    const plain = resultForSession(open.method, value);
    if (plain === undefined) this.#fail(open, 'the result of the server is none');
    else this.#answer(open, result(open.id, plain));
  }

  #ask(open: Open, wanted: Buffer): void {
    open.rounds++;
    this.#byWire.delete(open.wire);
    this.#begin(open, wanted, (end) => this.#goOn(open, end));
  }

  #begin(open: Open, wanted: Buffer, done: (end: RoundEnd) => void): void {
    const round = this.#inputs.begin(wanted, Math.max(1, open.rounds), (end) => {
      open.round = undefined;
      done(end);
    });
    if (round !== undefined && this.#open.has(open.id)) open.round = round;
  }

  /** What the server wanted to know is answered, or will not be. */
  #goOn(open: Open, end: RoundEnd): void {
    if ('failed' in end) {
      this.#fail(open, end.failed);
      return;
    }
    const first = incoming(open.json ?? EMPTY);
    const params = paramsOf(first.envelope);
    if (params === undefined) return;
    this.#again(open, replaced(first.json, params, retryParams(textOf(first.json, params), end.retry)));
  }

  #again(open: Open, line: Buffer): void {
    this.#byWire.delete(open.wire);
    open.wire = this.#parts.own.next();
    this.#byWire.set(open.wire, open);
    const { method, name, wire: id } = open;
    this.#parts.send({ json: withId(incoming(line), id), kind: 'request', method, name, id });
  }

  /** Makes a call again that the server does as a task alone. False: it is none. */
  #asTask(open: Open, message: Incoming): boolean {
    if (open.method !== CALL || open.mayBeTask || open.json === undefined) return false;
    if (codeOf(message) !== LACKING || !needsTasks(message.json)) return false;
    const line = withMeta(incoming(open.json), { [CAPABILITIES]: this.#withTasks() });
    if (line === undefined) return false;
    open.mayBeTask = true;
    open.json = line;
    this.#again(open, line);
    return true;
  }

  #withTasks(): Buffer {
    const capabilities = this.#parts.capabilities();
    const known = memberIn(capabilities, whole(capabilities), 'extensions');
    const before = known === undefined ? EMPTY : textOf(capabilities, known);
    const extensions = changed(before, whole(before), { [TASKS]: EMPTY }) ?? EMPTY;
    return changed(capabilities, whole(capabilities), { extensions }) ?? capabilities;
  }

  #follow(open: Open, value: Buffer): void {
    const { own, params } = this.#parts;
    this.#byWire.delete(open.wire);
    open.task = TaskRun.follow(value, {
      own,
      params: (members) => params(members, this.#withTasks()),
      ask: (wanted, done) => {
        open.rounds++;
        this.#begin(open, wanted, (end) => {
          if ('failed' in end) this.#fail(open, end.failed);
          done('failed' in end ? undefined : end.retry.inputResponses);
        });
      },
      done: (end) => this.#ended(open, end),
    });
    if (open.task === undefined) this.#fail(open, 'the server names no task');
  }

  #ended(open: Open, end: TaskEnd): void {
    open.task = undefined;
    if ('result' in end) this.#complete(open, end.result);
    else if ('error' in end) {
      const line = Buffer.from(`{"jsonrpc":"2.0","id":${open.id},"error":${end.error}}`);
      this.#answer(open, line);
    } else this.#fail(open, end.failed);
  }

  /** A request ends otherwise than the server has said. Of a tool call a model reads why. */
  #fail(open: Open, text: string): void {
    const { id, method } = open;
    const told = { content: [{ type: 'text', text }], isError: true };
    this.#answer(open, method === CALL ? result(id, json(told)) : error(id, INTERNAL, text));
  }

  #answer(open: Open, line: Buffer): void {
    if (this.#forget(open)) this.#parts.toHost(line);
  }

  #forget(open: Open): boolean {
    this.#byWire.delete(open.wire);
    return this.#open.delete(open.id);
  }
}

/** Whether an error says that the tasks extension is needed. */
function needsTasks(line: Buffer): boolean {
  const data = memberIn(line, memberIn(line, whole(line), 'error'), 'data');
  const extensions = memberIn(line, memberIn(line, data, 'requiredCapabilities'), 'extensions');
  return memberIn(line, extensions, TASKS) !== undefined;
}
