// What a stateless server wants to know before it answers, asked of a host of the session era: each `inputRequests` entry
// goes to the host as a request of its own, and the answers go back with the call, which is made again under another id. The
// relay above sees these requests as a server's: its policy, consent and labels hold for them.
import { randomUUID } from 'node:crypto';
import { hasDuplicateMembers } from '../../json/duplicates.ts';
import { keysOf } from '../../json/member.ts';
import { memberIn, type Range, readMember, readMembers, readText, whole } from '../../json/read.ts';
import { isUrlMode, lacking } from './capabilities.ts';
import { type Incoming, notification, request, resultOf } from './messages.ts';
import { changed, json, objectOf, objectOfTexts, textOf } from './objects.ts';
import { CANCELLED, ELICIT, ROOTS, SAMPLE } from './protocol.ts';

/** Entries in one round, their bytes of JSON text, and rounds of one call, at most. */
export const MAX_INPUTS = 32;
export const MAX_BYTES = 2 ** 20;
export const MAX_ROUNDS = 10;
/** Milliseconds in which a person may answer one round. */
export const ROUND = 600_000;
/** Milliseconds before a call is made again for which nothing is asked, times the number of the round. */
const PACE = 250;

const NO_KEYS = keysOf({});
const MAX_NAME = 1024;
const OPEN = 0x7b;
const KNOWN: ReadonlySet<string> = new Set([ELICIT, SAMPLE, ROOTS]);

/** How a round ended: what the call is to be made again with, as JSON texts, or why it cannot be. */
export type RoundEnd =
  | {
      readonly retry: {
        readonly inputResponses: Buffer | undefined;
        readonly requestState: Buffer | undefined;
      };
    }
  | { readonly failed: string };

interface Asked {
  /** The name of the entry, as JSON text. */
  readonly key: string;
  readonly method: string;
}

/** One round of one call. */
export interface Round {
  readonly open: Map<number, Asked>;
  readonly answers: Map<string, Buffer>;
  readonly state: Buffer | undefined;
  readonly timer: NodeJS.Timeout;
  readonly done: (end: RoundEnd) => void;
}

export interface InputRoundsParts {
  readonly toHost: (json: Buffer) => void;
  /** What the host can be asked. */
  readonly capabilities: () => Buffer;
  readonly nextId: () => number;
}

export class InputRounds {
  readonly #parts: InputRoundsParts;
  readonly #byId = new Map<number, Round>();

  constructor(parts: InputRoundsParts) {
    this.#parts = parts;
  }

  /** Asks the host for what a result wants; `done` is called once, unless the round is withdrawn. */
  begin(result: Buffer, number: number, done: (end: RoundEnd) => void): Round | undefined {
    if (number > MAX_ROUNDS) return this.#fail(done, `the server asked again after ${MAX_ROUNDS} answers`);
    const state = readMember(result, 0, result.length, 'requestState');
    const wanted = readMember(result, 0, result.length, 'inputRequests');
    if (state === 'ambiguous' || wanted === 'ambiguous') return this.#fail(done, UNREADABLE);
    if (state !== 'absent' && result[state.start] !== 0x22) return this.#fail(done, UNREADABLE);
    const entries = wanted === 'absent' ? [] : this.#read(result, wanted);
    if (typeof entries === 'string') return this.#fail(done, entries);
    if (entries.length === 0 && state === 'absent') return this.#fail(done, UNREADABLE);
    const round: Round = {
      open: new Map(),
      answers: new Map(),
      state: state === 'absent' ? undefined : Buffer.from(textOf(result, state)),
      timer: setTimeout(() => this.#timeUp(round), entries.length === 0 ? PACE * number : ROUND),
      done,
    };
    for (const { key, method, params } of entries) {
      const id = this.#parts.nextId();
      round.open.set(id, { key, method });
      this.#byId.set(id, round);
      this.#parts.toHost(request(String(id), method, params));
    }
    return round;
  }

  /** An answer of the host. False: it is to none of these. */
  answered(id: number, { json: line, envelope }: Incoming): boolean {
    const round = this.#byId.get(id);
    const asked = round?.open.get(id);
    if (round === undefined || asked === undefined) return false;
    this.#byId.delete(id);
    round.open.delete(id);
    const result = envelope.failed ? undefined : resultOf(envelope);
    if (result === undefined || line[result.start] !== OPEN) {
      this.withdraw(round, 'the answer to another question has failed');
      round.done({ failed: `the server asked for ${asked.method}, and ${reasonIn(line)}` });
      return true;
    }
    round.answers.set(asked.key, Buffer.from(textOf(line, result)));
    if (round.open.size === 0) this.#finish(round);
    return true;
  }

  /** The host need not answer any more what is open. */
  withdraw(round: Round, reason: string): void {
    clearTimeout(round.timer);
    for (const id of round.open.keys()) {
      this.#byId.delete(id);
      this.#parts.toHost(notification(CANCELLED, json({ requestId: id, reason })));
    }
    round.open.clear();
  }

  #timeUp(round: Round): void {
    if (round.open.size === 0) this.#finish(round);
    else {
      this.withdraw(round, 'it was not answered in time');
      round.done({ failed: 'what the server asked was not answered in time' });
    }
  }

  #finish({ timer, answers, state, done }: Round): void {
    clearTimeout(timer);
    const responses = answers.size === 0 ? undefined : objectOfTexts(answers);
    done({ retry: { inputResponses: responses, requestState: state } });
  }

  #fail(done: (end: RoundEnd) => void, failed: string): undefined {
    done({ failed });
    return undefined;
  }

  /** The entries, each with `params` as the host is to have them; or why the host is not asked. */
  #read(
    result: Buffer,
    wanted: Range,
  ): { key: string; method: string; params: Buffer | undefined }[] | string {
    const { start, end } = wanted;
    if (result[start] !== OPEN || end - start > MAX_BYTES || hasDuplicateMembers(result, start, end))
      return UNREADABLE;
    const entries: { key: string; method: string; params: Buffer | undefined }[] = [];
    for (const { name, value } of readMembers(result, start, end, NO_KEYS)) {
      const named = memberIn(result, value, 'method');
      const method = named === undefined ? undefined : readText(result, named, MAX_NAME);
      if (method === undefined || !KNOWN.has(method) || entries.length === MAX_INPUTS) return UNREADABLE;
      const params = memberIn(result, value, 'params');
      const missing = lacking(this.#parts.capabilities(), method, result, params);
      if (missing !== undefined)
        return `the server asks the host for what it cannot do: it has not declared "${missing}"`;
      if (params === undefined && method !== ROOTS) return UNREADABLE;
      entries.push({
        key: result.toString('utf8', name.start, name.end),
        method,
        params: params === undefined ? undefined : paramsForHost(method, textOf(result, params)),
      });
    }
    return entries;
  }
}

const UNREADABLE = 'the server asks for something in a way that the protocol does not have, or for too much';

/** A visit to a URL has an id up to 2025-11-25. */
function paramsForHost(method: string, params: Buffer): Buffer {
  if (method !== ELICIT || !isUrlMode(params, whole(params))) return Buffer.from(params);
  return changed(params, whole(params), { elicitationId: json(randomUUID()) }) ?? params;
}

/** Why a host has not answered, in its own words or the relay's. */
function reasonIn(line: Buffer): string {
  const error = memberIn(line, whole(line), 'error');
  const message = memberIn(line, error, 'message');
  const text = message === undefined ? undefined : readText(line, message, MAX_NAME);
  return text === undefined ? 'did not get it' : `did not get it: ${text}`;
}

/** The `params` of a call that is made again. What it was made with before is taken out. */
export function retryParams(
  params: Buffer,
  retry: { inputResponses?: Buffer | undefined; requestState?: Buffer | undefined },
): Buffer {
  const { inputResponses, requestState } = retry;
  return changed(params, whole(params), { inputResponses, requestState }) ?? objectOf({});
}
