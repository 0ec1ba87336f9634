// What a server asks of the host as a part of its answers: from 2026-07-28 `inputRequests` of an `input_required` result or
// of a task, before that forms that an error names. It passes what a request of the server passed before: policy, consent, audit; forms are labelled, and not too
// many. An answer that asks for what is refused does not go on. See questions.ts.

import { digest } from '../../json/digest.ts';
import { hasDuplicateMembers } from '../../json/duplicates.ts';
import { type Envelope, readEnvelope } from '../../json/envelope.ts';
import { OPEN_OBJECT } from '../../json/json.ts';
import { keysOf } from '../../json/member.ts';
import { type Member, type Range, readElements, readMember, readMembers, readText } from '../../json/read.ts';
import { decide, type Verdict } from '../../policy/decide.ts';
import type { Budgets } from '../budgets.ts';
import type { Call } from '../call.ts';
import { ELICIT } from '../consent/elicitation.ts';
import { refusalBy, type ServerConsent } from '../consent/server-consent.ts';
import type { ConsentOutcome, OpenConsent } from '../consent.ts';
import type { Refusal } from '../error-response.ts';
import { refusalOf } from '../host/verdicts.ts';
import { CALL, methodOf } from '../methods.ts';
import { forgetOldest } from '../oldest.ts';
import type { Recorder } from '../recorder.ts';
import type { ServerAnswer } from '../trust/checked-answers.ts';
import type { Current } from '../upstream/current.ts';
import type { Rate } from './rate.ts';
import { labelled, TOO_OFTEN, whoseForm } from './server-forms.ts';

export interface ServerInputsOptions {
  /** The profile's name. */
  readonly profile: string;
  readonly budgets: Budgets;
  readonly current: Current;
  readonly recorder: Recorder;
  readonly consent: ServerConsent;
  /** How often a form may be shown. */
  readonly formRate: Rate;
  /** Runs what goes on later as a turn of the session. */
  readonly resume: (turn: () => void) => void;
}

/** One thing that is asked for. */
interface Input {
  /** Its name, as JSON text. */
  readonly key: string;
  readonly method: string;
  /** Where its `params` are; from -1: nowhere. */
  readonly params: Range;
  /** Its number in the audit log; undefined: it was let through before, of the same task. */
  readonly call: string | undefined;
  /** By which it is known again. */
  readonly known: string;
}

/** What is to become of one: it is let through, it is not, or a person is to be asked. */
type Judged =
  | { readonly input: Input; readonly rule: string; readonly form: Buffer | undefined }
  | { readonly input: Input; readonly rule: string; readonly refusal: Refusal }
  | { readonly input: Input; readonly asks: Verdict };

interface Open {
  readonly input: Input;
  readonly consent: OpenConsent;
}

type Answered = ReadonlyMap<string, ConsentOutcome>;
type Then = (line: Buffer | undefined) => void;

const MEMBER = 'inputRequests';
const GET_TASK = 'tasks/get';
/** Their bytes of JSON text, and how many there are in one answer, at most. */
const MAX_BYTES = 2 ** 20;
const MAX_INPUTS = 32;
/** The longest names of methods and tasks, in bytes of JSON text. */
const MAX_NAME = 1024;
const MAX_TASK = 6200;
/** Those that were let through and are known again; the oldest are forgotten first. */
const MAX_KNOWN = 1000;
const NOWHERE: Range = { start: -1, end: -1 };
const NO_KEYS = keysOf({});
const UNREADABLE: Refusal = {
  code: 'withheld',
  text: 'the answer of the server is withheld: what it asks for is not as the protocol says, or too much',
};
const CROWDED: Refusal = {
  code: 'busy',
  text: 'too much of what the server asks waits for the user already',
};

export class ServerInputs {
  readonly #options: ServerInputsOptions;
  readonly #known = new Set<string>();
  #waitingBytes = 0;

  constructor(options: ServerInputsOptions) {
    this.#options = options;
  }

  /** Whether an answer may ask for something. */
  mayAsk({ method }: Call, { isInterim, failed }: Envelope): boolean {
    return failed || isInterim || method === GET_TASK;
  }

  /** `then` goes on with the answer, as it is or as another line; unless it must not go on, and the request has ended. */
  check(call: Call, answer: ServerAnswer, then: Then): void {
    const { message, bytes, scanned } = answer;
    const { resultStart, resultEnd } = message;
    const inputs = message.failed
      ? this.#readError(answer)
      : this.#read(
          bytes,
          scanned?.find(MEMBER) ?? readMember(bytes, resultStart, resultEnd, MEMBER),
          call.task,
        );
    if (inputs === undefined) this.#refuse(call, UNREADABLE);
    else if (inputs.length === 0) then(undefined);
    else this.#judge(call, answer, inputs, new Map(), then);
  }

  /** The `params` of a notification of a task, as the host may have them; undefined: it must not. */
  notified(bytes: Buffer, params: Range): Buffer | undefined {
    const id = readMember(bytes, params.start, params.end, 'taskId');
    const task = typeof id === 'string' ? undefined : readText(bytes, id, MAX_TASK);
    const member = readMember(bytes, params.start, params.end, MEMBER);
    const inputs = this.#read(bytes, member, task === undefined ? undefined : digest(task));
    const judged = inputs?.map((input) => this.#judgeOne(bytes, input));
    // Whoever is to be asked is asked when the host gets the task.
    if (judged === undefined || !judged.every((each) => 'form' in each) || !this.#passes(judged, bytes))
      return undefined;
    return edited(bytes, params.start, params.end, judged);
  }

  #judge(call: Call, answer: ServerAnswer, inputs: readonly Input[], answered: Answered, then: Then): void {
    const { bytes, start, end } = answer;
    const open: Open[] = [];
    const judged = inputs.map((input) => this.#judgeOne(bytes, input, answered.get(input.key)));
    const isRefused = judged.some((each) => 'refusal' in each);
    const decided = judged.map((each) => {
      if (!('asks' in each) || isRefused) return each;
      const consent = this.#ask(bytes, each.input, each.asks);
      if (!('withdraw' in consent)) return this.#judgeOne(bytes, each.input, consent);
      open.push({ input: each.input, consent });
      return each;
    });
    const refused = decided.filter((each) => 'refusal' in each);
    if (refused.length === 0 && open.length > 0) {
      this.#wait(call, answer, inputs, open, answered, then);
      return;
    }
    for (const { consent } of open) consent.withdraw();
    const [first] = refused;
    const passing = decided.filter((each) => 'form' in each);
    if (first !== undefined) {
      for (const each of refused) this.#record(bytes, each);
      this.#refuse(call, first.refusal);
    } else if (!this.#passes(passing, bytes)) this.#refuse(call, TOO_OFTEN);
    else
      then(passing.some(({ form }) => form !== undefined) ? edited(bytes, start, end, passing) : undefined);
  }

  /** What the policy says of one, or a person has said: `outcome`. */
  #judgeOne(bytes: Buffer, input: Input, outcome?: ConsentOutcome): Judged {
    const { current, profile } = this.#options;
    const { method, params, call } = input;
    const { unlisted } = methodOf(method, 'server', 'request');
    const verdict = decide(current.policy, { kind: 'methods', name: method }, unlisted);
    const isAsked = verdict.decision === 'ask';
    if (isAsked && call !== undefined && outcome === undefined) return { input, asks: verdict };
    const { rule } = isAsked && outcome !== undefined ? outcome : verdict;
    const refusal = isAsked ? outcome && refusalBy(outcome) : refusalOf(profile, verdict, method);
    if (refusal !== undefined) return { input, rule, refusal };
    if (method !== ELICIT) return { input, rule, form: undefined };
    const form = labelled(textIn(bytes, params), whoseForm(profile));
    if (!('fault' in form)) return { input, rule, form };
    const text = `not shown to the user: ${form.fault}`;
    return { input, rule: 'protocol', refusal: { code: 'withheld', text } };
  }

  #ask(bytes: Buffer, { method, params, call = '' }: Input, verdict: Verdict): ConsentOutcome | OpenConsent {
    return this.#options.consent.ask({ call, method, bytes, params }, verdict);
  }

  /** The answer waits for people. */
  #wait(
    call: Call,
    answer: ServerAnswer,
    inputs: readonly Input[],
    open: readonly Open[],
    before: Answered,
    then: Then,
  ): void {
    const { budgets, resume } = this.#options;
    const { bytes, start, end } = answer;
    const size = end - start;
    const withdraw = (): void => {
      for (const { consent } of open) consent.withdraw();
    };
    if (this.#waitingBytes + size > budgets.waiting) {
      withdraw();
      this.#refuse(call, CROWDED);
      return;
    }
    this.#waitingBytes += size;
    const line = Buffer.from(bytes.subarray(start, end));
    const kept = {
      bytes: line,
      start: 0,
      end: size,
      message: readEnvelope(line, 0, size),
      scanned: undefined,
    };
    const moved = inputs.map((input) => ({ ...input, params: shifted(input.params, -start) }));
    call.onEnd = withdraw;
    const outcomes = open.map(async ({ input, consent }) => [input.key, await consent.outcome] as const);
    void Promise.all(outcomes).then((given) => {
      this.#waitingBytes -= size;
      resume(() => {
        if (call.state !== 'sent') return;
        call.onEnd = undefined;
        this.#judge(call, kept, moved, new Map([...before, ...given]), (changed) => then(changed ?? line));
      });
    });
  }

  /** What is asked for; undefined: it cannot be said. `task`: the digest of the task that asks. */
  #read(bytes: Buffer, member: Member, task: string | undefined): Input[] | undefined {
    if (member === 'absent') return [];
    if (member === 'ambiguous' || bytes[member.start] !== OPEN_OBJECT) return undefined;
    const { start, end } = member;
    if (end - start > MAX_BYTES || hasDuplicateMembers(bytes, start, end)) return undefined;
    const inputs: Input[] = [];
    for (const { start: from, name, value } of readMembers(bytes, start, end, NO_KEYS)) {
      const named = readMember(bytes, value.start, value.end, 'method');
      const method = typeof named === 'string' ? undefined : readText(bytes, named, MAX_NAME);
      const params = readMember(bytes, value.start, value.end, 'params');
      if (method === undefined || params === 'ambiguous' || inputs.length === MAX_INPUTS) return undefined;
      const known = `${task} ${digest(bytes.subarray(from, value.end))}`;
      const isKnown = task !== undefined && this.#known.has(known);
      inputs.push({
        key: bytes.toString('utf8', name.start, name.end),
        method,
        params: params === 'absent' ? NOWHERE : params,
        call: isKnown ? undefined : this.#options.recorder.nextName('question'),
        known,
      });
    }
    return inputs;
  }

  /** What an error asks for: up to 2025-11-25 it may name forms that have to be filled in first. */
  #readError({ bytes, start, end }: ServerAnswer): Input[] | undefined {
    if (end - start > MAX_BYTES) return undefined;
    let within: Member = { start, end };
    for (const name of ['error', 'data', 'elicitations'] as const) {
      within = readMember(bytes, within.start, within.end, name);
      if (within === 'absent') return [];
      if (within === 'ambiguous') return undefined;
    }
    const forms = [...readElements(bytes, within.start, within.end)];
    if (forms.length > MAX_INPUTS) return undefined;
    return forms.map((params, at) => ({
      key: String(at),
      method: ELICIT,
      params,
      call: this.#options.recorder.nextName('question'),
      known: '',
    }));
  }

  /** Whether those that are let through are not too many, and on record. Then they are known from now on. */
  #passes(passing: readonly Extract<Judged, { form: unknown }>[], bytes: Buffer): boolean {
    const { formRate } = this.#options;
    const fresh = passing.filter(({ input }) => input.call !== undefined);
    for (const each of fresh) {
      const isTooOften = each.form !== undefined && !formRate.take();
      const refusal = isTooOften ? { rule: 'protocol', refusal: TOO_OFTEN } : undefined;
      if (!this.#record(bytes, { ...each, ...refusal }) || isTooOften) return false;
    }
    for (const { input } of fresh) {
      if (input.known === '') continue;
      this.#known.add(input.known);
      forgetOldest(this.#known, MAX_KNOWN);
    }
    return true;
  }

  /** Writes what was decided. False: not written. */
  #record(bytes: Buffer, judged: { input: Input; rule: string; refusal?: Refusal }): boolean {
    const { input, rule, refusal } = judged;
    const { call = '', key: id, method, params } = input;
    return this.#options.recorder.question({ call, id, method, rule }, refusal, textIn(bytes, params));
  }

  #refuse(call: Call, refusal: Refusal): void {
    call.fail('error', call.method === CALL ? { ...refusal, asResult: 'complete' } : refusal);
  }
}

/** The bytes from `start` to `end` with forms as the host gets them. */
function edited(
  bytes: Buffer,
  start: number,
  end: number,
  judged: readonly Extract<Judged, { form: unknown }>[],
): Buffer {
  const pieces: Buffer[] = [];
  let at = start;
  for (const { input, form } of judged) {
    if (form === undefined) continue;
    pieces.push(bytes.subarray(at, input.params.start), form);
    at = input.params.end;
  }
  return Buffer.concat([...pieces, bytes.subarray(at, end)]);
}

/** The bytes in a range; from -1: none. */
function textIn(bytes: Buffer, { start, end }: Range): Buffer {
  return bytes.subarray(Math.max(0, start), Math.max(0, end));
}

function shifted({ start, end }: Range, by: number): Range {
  return start === -1 ? NOWHERE : { start: start + by, end: end + by };
}
