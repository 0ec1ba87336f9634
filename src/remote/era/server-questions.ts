// What a server of the session era asks in the middle of a call, put to a host of the stateless era: the call is answered
// with an `input_required` result, and the server's stream stays open until the host makes the call again with the answers,
// which then go to the server's requests. The two belong together by a `requestState` that nobody can guess, that counts
// once, and only for the same call.
import { randomBytes } from 'node:crypto';
import { digest, exactForm } from '../../json/digest.ts';
import { keysOf } from '../../json/member.ts';
import { findMember, type Range, whole } from '../../json/read.ts';
import { isUrlMode } from './capabilities.ts';
import { MAX_BYTES, MAX_INPUTS, MAX_ROUNDS, ROUND } from './input-rounds.ts';
import { error, INTERNAL, result } from './messages.ts';
import { metaChanged } from './meta.ts';
import { changed, json, objectOf, textOf } from './objects.ts';
import { ELICIT } from './protocol.ts';

/** By this a state is known as one of these. */
export const STATE = 'held:';
/** Milliseconds for which further questions of the server are waited for, so that they are asked at once. */
const GATHER = 20;
/** Calls that wait for their hosts; of more, the oldest is given up. */
const MAX_HELD = 256;

const OPEN = 0x7b;

/** One request of the server. */
interface Question {
  /** The id as the server has written it. */
  readonly idText: string;
  readonly key: string;
  /** As an entry of `inputRequests`. */
  readonly entry: Buffer;
}

/** A call in which the server asks something. */
export interface AskedCall {
  readonly method: string;
  /** What it does, without what it is made again with: see `contentOf`. */
  readonly content: string;
  /** The host's id, while the host waits for an answer. */
  host: number | undefined;
  /** Questions by their names; those that the host has are in `shown`. */
  readonly questions: Map<string, Question>;
  shown: ReadonlySet<string>;
  rounds: number;
  timer: NodeJS.Timeout | undefined;
  state: string | undefined;
}

export interface ServerQuestionsParts {
  readonly toHost: (json: Buffer) => void;
  /** An answer to a request of the server. */
  readonly toServer: (json: Buffer) => void;
  /** A call is given up: the server is told, and a host that waits for it. */
  readonly giveUp: (call: AskedCall, why: string) => void;
}

export class ServerQuestions {
  readonly #parts: ServerQuestionsParts;
  readonly #byState = new Map<string, AskedCall>();
  #names = 0;

  constructor(parts: ServerQuestionsParts) {
    this.#parts = parts;
  }

  /** The server asks in the middle of a call. */
  ask(call: AskedCall, idText: string, method: string, params: Buffer | undefined): void {
    const size = [...call.questions.values()].reduce((sum, { entry }) => sum + entry.length, 0);
    if (call.questions.size >= MAX_INPUTS || size + (params?.length ?? 0) > MAX_BYTES) {
      this.#parts.toServer(error(idText, INTERNAL, 'too much is asked in one call'));
      return;
    }
    const key = `question-${++this.#names}`;
    const entry = objectOf({
      method: json(method),
      params: params === undefined ? undefined : paramsForHost(method, params),
    });
    call.questions.set(key, { idText, key, entry });
    if (call.host !== undefined) this.gather(call);
  }

  /** The server takes a question back. */
  withdraw(calls: Iterable<AskedCall>, idText: string): void {
    for (const { questions } of calls)
      for (const [key, question] of questions) if (question.idText === idText) questions.delete(key);
  }

  /** Asks the host soon what is not asked yet. */
  gather(call: AskedCall): void {
    clearTimeout(call.timer);
    call.timer = setTimeout(() => this.#show(call), GATHER);
  }

  /** Answers the host's call with questions of any kind; returns the state by which it is made again. */
  answerWith(call: AskedCall, entries: ReadonlyMap<string, Buffer>): void {
    const { host } = call;
    if (host === undefined) return;
    if (++call.rounds > MAX_ROUNDS) {
      this.#parts.giveUp(call, `the server asked again after ${MAX_ROUNDS} answers`);
      return;
    }
    const state = `${STATE}${randomBytes(32).toString('base64url')}`;
    call.shown = new Set(entries.keys());
    call.host = undefined;
    call.state = state;
    clearTimeout(call.timer);
    call.timer = setTimeout(() => {
      this.#byState.delete(state);
      this.#parts.giveUp(call, 'what the server asked was not answered in time');
    }, ROUND);
    this.#byState.set(state, call);
    const [oldest] = this.#byState;
    if (oldest !== undefined && this.#byState.size > MAX_HELD) {
      this.#byState.delete(oldest[0]);
      this.#parts.giveUp(oldest[1], 'too many calls wait for their hosts');
    }
    const wanted = objectOf({
      resultType: json('input_required'),
      inputRequests: objectOf(Object.fromEntries(entries)),
      requestState: json(state),
    });
    this.#parts.toHost(result(host, wanted));
  }

  /** The call that a state names, which does so no more; or why it must not go on. */
  take(state: string, method: string, content: string): AskedCall | string {
    const call = this.#byState.get(state);
    this.#byState.delete(state);
    if (call === undefined) return UNKNOWN;
    clearTimeout(call.timer);
    call.state = undefined;
    if (call.method === method && call.content === content) return call;
    this.#parts.giveUp(call, ANOTHER);
    return ANOTHER;
  }

  /** Gives the server what a host has answered; `responses` is where that is. What is missing is asked again. */
  answer(call: AskedCall, bytes: Buffer, responses: Range | undefined): void {
    for (const key of call.shown) {
      const question = call.questions.get(key);
      const given = responseTo(key, bytes, responses);
      if (question === undefined || given === undefined) continue;
      call.questions.delete(key);
      this.#parts.toServer(result(question.idText, Buffer.from(textOf(bytes, given))));
    }
    call.shown = new Set();
    if (call.questions.size > 0) this.gather(call);
  }

  /** A call is over: what the server has asked in it is answered with an error. */
  end(call: AskedCall, why: string): void {
    clearTimeout(call.timer);
    if (call.state !== undefined) this.#byState.delete(call.state);
    for (const { idText } of call.questions.values()) this.#parts.toServer(error(idText, INTERNAL, why));
    call.questions.clear();
  }

  #show(call: AskedCall): void {
    if (call.questions.size === 0) return;
    this.answerWith(call, new Map([...call.questions].map(([key, { entry }]) => [key, entry])));
  }
}

/** Where a host has answered a question; undefined where it has not, or not with an object. */
export function responseTo(key: string, bytes: Buffer, responses: Range | undefined): Range | undefined {
  if (responses === undefined) return undefined;
  const given = findMember(bytes, responses.start, responses.end, keysOf({ [key]: 0 }));
  return typeof given === 'string' || bytes[given.start] !== OPEN ? undefined : given;
}

/** What a call does: two that do the same are the same call made again. `params` is where its parameters are. */
export function contentOf(bytes: Buffer, params: Range | undefined): string {
  const again = { _meta: undefined, inputResponses: undefined, requestState: undefined };
  const plain = params === undefined ? undefined : changed(bytes, params, again);
  return digest(plain === undefined ? '' : (exactForm(plain) ?? plain));
}

/** What a host of the stateless era is asked: visits to URLs have no ids, and progress nobody to report it. */
export function paramsForHost(method: string, params: Buffer): Buffer {
  const url = method === ELICIT && isUrlMode(params, whole(params)) ? { elicitationId: undefined } : {};
  const plain = changed(params, whole(params), { task: undefined, ...url }) ?? params;
  return metaChanged(plain, { progressToken: undefined }) ?? plain;
}

const HINT = 'make the request again without "requestState" and "inputResponses"';
const UNKNOWN = `what this answers was answered before, is over, or is none of this session; ${HINT}`;
const ANOTHER = `what this answers was asked in another request; ${HINT}`;
