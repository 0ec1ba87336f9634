// Questions of Warder's own in a dialog of the host, from 2026-07-28: the request is answered with an `input_required`
// result of the relay's, and goes on when the host makes it again with what its user has answered. The two belong together
// by a `requestState` that nobody can guess, that counts once, and only for the same request: the same method, the same
// thing that it acts on, the same arguments. The server never sees it; what the server has asked before is put back.
import { randomBytes } from 'node:crypto';
import { digest } from '../../json/digest.ts';
import { type Envelope, readEnvelope } from '../../json/envelope.ts';
import { type Range, readMember, readText } from '../../json/read.ts';
import type { Clock } from '../../os/clock.ts';
import { type Call, UNAUDITED } from '../call.ts';
import type {
  ConsentOutcome,
  ConsentSubject,
  DialogQuestion,
  DialogReply,
  HostDialog,
  OpenConsent,
} from '../consent.ts';
import type { Refusal } from '../error-response.ts';
import type { WaitingRoom } from '../flow/waiting-room.ts';
import type { RequestRecords } from '../host/request-records.ts';
import { CALL, READ } from '../methods.ts';
import type { Replay } from '../upstream/replay.ts';
import { isSameRequest } from './begun-calls.ts';
import { choiceForm, ELICIT, offersForms, readFormReply } from './elicitation.ts';
import { retryMembers, withRetryMembers } from './retry.ts';

export interface InputDialogOptions {
  readonly replay: Replay;
  readonly waiting: WaitingRoom;
  readonly records: RequestRecords;
  readonly clock: Clock;
  /** Runs what goes on later as a turn of the session. */
  readonly resume: (turn: () => void) => void;
}

/** What a person is asked about, for one request that waits. */
export interface Asked {
  readonly about: ConsentSubject;
  readonly open: OpenConsent;
  /** Notes the outcome at a request that has waited for it. */
  readonly note: (call: Call, outcome: ConsentOutcome) => void;
}

/** Ends the wait of a request that is answered otherwise. Undefined: it does not wait any more. */
export type Release = () => Asked | undefined;

/** A request that is made again: why it must not go on, or what of it goes on, and the answer that it waits for. */
export type Retry = { readonly fault: Refusal } | { readonly line: Buffer; readonly asked: Asked };

/** A question that is shown. */
interface Shown {
  /** The request that is asked about first. */
  readonly call: Call;
  readonly question: DialogQuestion;
  readonly end: (reply: DialogReply) => void;
}

/** A request that the host is to make again. */
interface Promised extends Asked {
  readonly shown: Shown;
  /** By what it was made again already: the server's own state, and the answers to the server. */
  readonly members: readonly Buffer[];
  readonly since: number;
  /** When it counts no more; undefined while the question is open. */
  until: number | undefined;
}

/** The requests that a host of 2026-07-28 makes again. */
const REPEATED: ReadonlySet<string> = new Set([CALL, 'prompts/get', READ]);
const VERSION = 'io.modelcontextprotocol/protocolVersion';
const CAPABILITIES = 'io.modelcontextprotocol/clientCapabilities';
const FIRST_VERSION = '2026-07-28';
/** The name under which the host is asked. */
const KEY = 'warder';
/** By this the relay knows a state as its own. */
const PREFIX = 'warder:';
/** The longest state of the relay's and the longest version, and the longest line that is made again, in bytes. */
const MAX_TEXT = 64;
export const MAX_LINE = 2 ** 18;
/** Requests that are waited for; of more, the oldest are forgotten. */
const MAX_PROMISED = 256;
/** Milliseconds for which an answer is kept for a request that is not made again yet. */
const KEPT = 300_000;

const NONE: DialogReply = { action: 'none', ms: 0 };
const SHOWN: ConsentOutcome = { decision: 'allow', rule: 'consent.dialog', reason: undefined };
const RULE = { decision: 'ask', rule: 'consent.dialog' } as const;
const ASKED_BACK: Refusal = { code: 'refused', text: 'the host is to ask its user first' };
const HINT = 'make the request again without "requestState" and "inputResponses"';
const TWICE: Refusal = {
  code: -32602,
  text: '"requestState" or "inputResponses" is there twice, or spelled so that some see it twice',
};
const LONG: Refusal = { code: -32602, text: `what answers a question has at most ${MAX_LINE} bytes` };
const UNKNOWN: Refusal = {
  code: 'refused',
  text: 'refused: the question that this answers was answered before, is over, or is none of this session',
  hint: HINT,
};
const ANOTHER: Refusal = {
  code: 'refused',
  text: 'refused: the user was asked about another request than this one',
  hint: HINT,
};

export class InputDialog {
  readonly #options: InputDialogOptions;
  /** By state. */
  readonly #promised = new Map<string, Promised>();
  /** By the question's number. */
  readonly #shown = new Map<string, Shown>();

  constructor(options: InputDialogOptions) {
    this.#options = options;
  }

  /** The dialog for a request that is to wait; undefined: its host has none for it. */
  of(call: Call, message: Envelope, bytes: Buffer, release: Release): HostDialog | undefined {
    const { kind, metaStart, metaEnd } = message;
    if (kind !== 'request' || metaStart === -1 || !REPEATED.has(call.method)) return undefined;
    if (this.#options.replay.isOpened) return undefined;
    const version = readMember(bytes, metaStart, metaEnd, VERSION);
    const capabilities = readMember(bytes, metaStart, metaEnd, CAPABILITIES);
    if (typeof version === 'string' || typeof capabilities === 'string') return undefined;
    if ((readText(bytes, version, MAX_TEXT) ?? '') < FIRST_VERSION) return undefined;
    if (!offersForms(bytes, capabilities)) return undefined;
    return { showsEach: true, show: (question, signal) => this.#show(call, question, signal, release) };
  }

  /**
   * The dialog for a request that the server has, whose line is `bytes`: the request is answered, and the one that is made
   * again gets what the server answers.
   */
  ofSent(call: Call, about: ConsentSubject, message: Envelope, bytes: Buffer): HostDialog {
    const params = { start: message.paramsStart, end: message.paramsEnd };
    const members = retryMembers(bytes, params).map((member) => Buffer.from(member));
    return {
      showsEach: true,
      show: (question, signal) => this.#showSent(call, { about, members }, question, signal),
    };
  }

  /** A request waits for a question that may be shown already: it is shown for this one too. */
  join(call: Call, question: string | undefined, release: Release): void {
    const shown = question === undefined ? undefined : this.#shown.get(question);
    if (shown !== undefined && shown.call !== call)
      this.#options.resume(() => this.#askBack(call, shown, release));
  }

  /** What a request is that has `requestState` or `inputResponses`; undefined: it answers nothing of the relay's. */
  retry(
    call: Call,
    about: () => ConsentSubject,
    bytes: Buffer,
    start: number,
    end: number,
    params: Range,
  ): Retry | undefined {
    const member = readMember(bytes, params.start, params.end, 'requestState');
    if (member === 'absent') return undefined;
    if (member === 'ambiguous') return { fault: TWICE };
    const state = readText(bytes, member, MAX_TEXT);
    if (state === undefined || !state.startsWith(PREFIX)) return undefined;
    call.joinedState = digestOfState(state);
    const promised = this.#promised.get(state);
    this.#promised.delete(state);
    const now = this.#options.clock.monotonic();
    if (promised === undefined || now >= (promised.until ?? Number.POSITIVE_INFINITY))
      return { fault: UNKNOWN };
    const fault =
      end - start > MAX_LINE ? LONG : isSameRequest(about(), promised.about) ? undefined : ANOTHER;
    const given = readMember(bytes, params.start, params.end, 'inputResponses');
    if (fault !== undefined || given === 'ambiguous') {
      promised.open.withdraw();
      return { fault: fault ?? TWICE };
    }
    const { shown, since, members } = promised;
    const response = given === 'absent' ? given : readMember(bytes, given.start, given.end, KEY);
    const reply =
      typeof response === 'string' ? NONE : readFormReply(bytes, response, shown.question.choices);
    shown.end({ ...reply, ms: now - since });
    return { line: withRetryMembers(bytes, start, end, params, members), asked: promised };
  }

  /** Nobody is to be asked any more. */
  withdrawAll(): void {
    for (const { open } of this.#promised.values()) open.withdraw();
    this.#promised.clear();
  }

  #show(call: Call, question: DialogQuestion, signal: AbortSignal, release: Release): Promise<DialogReply> {
    const { promise, resolve } = Promise.withResolvers<DialogReply>();
    const end = (reply: DialogReply): void => {
      signal.removeEventListener('abort', withdraw);
      this.#shown.delete(question.id);
      resolve(reply);
    };
    const withdraw = (): void => end(NONE);
    signal.addEventListener('abort', withdraw, { once: true });
    const shown = { call, question, end };
    this.#shown.set(question.id, shown);
    // What asks has to be through first: the request does not wait yet.
    queueMicrotask(() =>
      this.#options.resume(() => {
        if (!signal.aborted && !this.#askBack(call, shown, release)) end(NONE);
      }),
    );
    return promise;
  }

  #showSent(
    call: Call,
    { about, members }: Pick<Promised, 'about' | 'members'>,
    question: DialogQuestion,
    signal: AbortSignal,
  ): Promise<DialogReply> {
    const { promise, resolve } = Promise.withResolvers<DialogReply>();
    const open: OpenConsent = {
      outcome: promise.then(() => SHOWN),
      notice: 'waiting for the user',
      withdraw: () => end(NONE),
    };
    const end = (reply: DialogReply): void => {
      signal.removeEventListener('abort', withdraw);
      resolve(reply);
    };
    const withdraw = (): void => end(NONE);
    signal.addEventListener('abort', withdraw, { once: true });
    const { ownId, consent, agreement, preparation } = call;
    const note = (again: Call): void => {
      // It is the same request, which was let through already.
      Object.assign(again, { continues: ownId, consent, agreement, preparation });
    };
    this.#options.resume(() => {
      const state = newState();
      if (
        signal.aborted ||
        call.state !== 'sent' ||
        !call.askBack(inputRequired(question, state), digestOfState(state))
      )
        end(NONE);
      else {
        const shown = { call, question, end };
        const since = this.#options.clock.monotonic();
        this.#promise(state, { about, open, note, shown, members, since, until: undefined });
      }
    });
    return promise;
  }

  /** Answers a request that waits: it is to be made again. False: it does not wait any more. */
  #askBack(call: Call, shown: Shown, release: Release): boolean {
    const { waiting, records, clock } = this.#options;
    const asked = release();
    const waiter = asked === undefined ? undefined : waiting.remove(call);
    if (asked === undefined || waiter === undefined) return false;
    const { line, known } = waiter;
    const message = known?.scanned?.message ?? readEnvelope(line, 0, line.length);
    const state = newState();
    call.joinedState = digestOfState(state);
    if (!records.write(call, RULE, undefined, ASKED_BACK, message, line, known)) {
      asked.open.withdraw();
      call.refuse(UNAUDITED);
      return true;
    }
    const params = { start: message.paramsStart, end: message.paramsEnd };
    const members = retryMembers(line, params).map((member) => Buffer.from(member));
    this.#promise(state, { ...asked, shown, members, since: clock.monotonic(), until: undefined });
    call.reply(inputRequired(shown.question, state));
    return true;
  }

  #promise(state: string, promised: Promised): void {
    const { clock } = this.#options;
    const now = clock.monotonic();
    for (const [known, { until, open }] of this.#promised) {
      const isOver = until !== undefined && now >= until;
      if (!isOver && this.#promised.size < MAX_PROMISED) continue;
      open.withdraw();
      this.#promised.delete(known);
    }
    this.#promised.set(state, promised);
    void promised.open.outcome.then(() => {
      promised.until = clock.monotonic() + KEPT;
    });
  }
}

/** One that nobody can guess. */
function newState(): string {
  return `${PREFIX}${randomBytes(32).toString('base64url')}`;
}

/** The result by which a host is asked, as JSON text. */
function inputRequired({ message, choices }: DialogQuestion, state: string): string {
  const request = { method: ELICIT, params: choiceForm(message, choices) };
  return JSON.stringify({
    resultType: 'input_required',
    inputRequests: { [KEY]: request },
    requestState: state,
  });
}

/** As records of requests and answers name a state. */
function digestOfState(state: string): string {
  return digest(JSON.stringify(state));
}
