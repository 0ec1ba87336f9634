// Requests that wait for a person, who decides on them or on the first use of the server. One that waits holds up no other
// message; the host is told now and then that it does, if it has asked for progress. What was answered counts for the request as it was asked about: a tool whose
// definition has changed meanwhile is asked about again.

import { digest } from '../../json/digest.ts';
import { type Envelope, readEnvelope } from '../../json/envelope.ts';
import type { Verdict } from '../../policy/decide.ts';
import type { Call } from '../call.ts';
import type { Consent, ConsentOutcome, ConsentSubject, HostDialog, OpenConsent } from '../consent.ts';
import type { Outbox } from '../flow/outbox.ts';
import type { ServerLists } from '../lists/server-lists.ts';
import { CALL } from '../methods.ts';
import { retryOf } from '../params.ts';
import { progressTokenOf, reportProgress } from '../progress.ts';
import type { FirstUse } from '../trust/first-use.ts';
import type { Current } from '../upstream/current.ts';
import type { BegunCalls } from './begun-calls.ts';
import { askedWith, exactDigest, unaskable } from './consent-subject.ts';
import type { FormDialog } from './form-dialog.ts';
import { type Asked, type InputDialog, MAX_LINE, type Release, type Retry } from './input-dialog.ts';
import { prepareServer } from './preparation.ts';

export interface ConsentWaitOptions {
  readonly consent: Consent;
  readonly current: Current;
  readonly firstUse: FirstUse;
  readonly lists: ServerLists;
  readonly toHost: Outbox;
  /** The dialog of the host, of either era. */
  readonly forms: FormDialog;
  readonly inputs: InputDialog;
  readonly begun: BegunCalls;
  /** Runs what goes on later as a turn of the session. */
  readonly resume: (turn: () => void) => void;
}

interface Waiting extends Asked {
  readonly progress: NodeJS.Timeout | undefined;
}

export class ConsentWait {
  readonly #options: ConsentWaitOptions;
  readonly #waiting = new Map<Call, Waiting>();

  constructor(options: ConsentWaitOptions) {
    this.#options = options;
  }

  /** What a person has decided about a request, now or before; else what one has to be asked about. */
  decide(
    call: Call,
    { rule }: Verdict,
    message: Envelope,
    bytes: Buffer,
  ): { readonly outcome: ConsentOutcome } | { readonly unasked: ConsentSubject } {
    const { consent } = call;
    if (consent !== undefined && consent.about.definition === this.#definitionOf(call))
      return { outcome: consent.outcome };
    const unasked = this.#describe(call, rule, message, bytes);
    const outcome =
      this.#options.consent.known(unasked) ??
      unaskable(unasked.digest) ??
      this.#begun(call, unasked, message, bytes);
    return outcome === undefined ? { unasked } : { outcome };
  }

  /** Asks about a request, which waits from now on; `then` goes on with it. */
  ask(
    call: Call,
    about: ConsentSubject,
    { rule, why }: Verdict,
    message: Envelope,
    bytes: Buffer,
    then: () => void,
  ): void {
    const { consent, current, inputs } = this.#options;
    const asked = askedIn(call, message, bytes);
    const text = asked === undefined ? '' : current.redactor.redact(Buffer.from(asked)).toString();
    const release = (): Asked | undefined => this.#release(call);
    const open = consent.ask({
      ...about,
      rule: why === undefined ? rule : `${rule} (${why})`,
      arguments: text,
      dialog: this.#dialogOf(call, message, bytes, release),
    });
    const note = (answered: Call, outcome: ConsentOutcome): void => {
      answered.consent = { outcome, about };
    };
    this.#wait(call, { about, open, note, progress: this.#reportProgress(message, bytes, open) }, then);
    inputs.join(call, open.question, release);
  }

  /** Asks for what is not agreed to yet, for a request that waits from now on; `then` goes on with it. */
  agree(call: Call, message: Envelope, bytes: Buffer, then: () => void): void {
    const { firstUse, inputs } = this.#options;
    const { needed } = firstUse;
    const release = (): Asked | undefined => this.#release(call);
    const open = firstUse.ask(call.name ?? '', this.#dialogOf(call, message, bytes, release), (question) =>
      inputs.join(call, question, release),
    );
    const note = (answered: Call, outcome: ConsentOutcome): void => {
      answered.agreement = { outcome, about: needed };
    };
    const about = this.#describe(call, '', message, bytes);
    this.#wait(call, { about, open, note, progress: this.#reportProgress(message, bytes, open) }, then);
  }

  /** Has the server made ready for a request, which waits from now on; `then` goes on with it. */
  prepare(call: Call, message: Envelope, bytes: Buffer, then: () => void): void {
    const dialog = this.#dialogOf(call, message, bytes, () => this.#release(call));
    const { current, lists } = this.#options;
    const { upstream } = current;
    const open = prepareServer(current, dialog);
    const note = (prepared: Call, outcome: ConsentOutcome): void => {
      prepared.preparation = outcome;
      // What was listed before was not the server's own; one that has just started was listed anew.
      const isSame = upstream === current.upstream && current.comparison === undefined;
      if (outcome.decision === 'allow' && isSame && upstream.answers === undefined) lists.invalidate();
    };
    const about = this.#describe(call, '', message, bytes);
    this.#wait(call, { about, open, note, progress: this.#reportProgress(message, bytes, open) }, then);
  }

  /** Keeps of a request that goes to the server what it takes to ask its host something meanwhile. */
  keep(call: Call, message: Envelope, bytes: Buffer, start: number, end: number): void {
    if (
      end - start > MAX_LINE ||
      this.#options.inputs.of(call, message, bytes, () => undefined) === undefined
    )
      return;
    call.line = Buffer.from(bytes.subarray(start, end));
  }

  /** The dialog of the host for a request that the server has: from 2026-07-28 its answer, after which it is made again. */
  dialogOfSent(call: Call): HostDialog | undefined {
    const { line, state } = call;
    if (line === undefined || state !== 'sent') return undefined;
    const message = readEnvelope(line, 0, line.length);
    return this.#options.inputs.ofSent(call, this.#describe(call, '', message, line), message, line);
  }

  /** The dialog of the host for a request; undefined: it has none. */
  #dialogOf(call: Call, message: Envelope, bytes: Buffer, release: Release): HostDialog | undefined {
    const { forms, inputs } = this.#options;
    return inputs.of(call, message, bytes, release) ?? (forms.isOffered ? forms : undefined);
  }

  /** What a request is that may be one made again with an answer to a question of the relay's; undefined: it is not. */
  retry(call: Call, message: Envelope, bytes: Buffer, start: number, end: number): Retry | undefined {
    const params = { start: message.paramsStart, end: message.paramsEnd };
    return this.#options.inputs.retry(
      call,
      () => this.#describe(call, '', message, bytes),
      bytes,
      start,
      end,
      params,
    );
  }

  /** A request that was made again waits for the answer that it has brought; `then` goes on with it. */
  resume(call: Call, asked: Asked, message: Envelope, bytes: Buffer, then: () => void): void {
    this.#wait(call, { ...asked, progress: this.#reportProgress(message, bytes, asked.open) }, then);
  }

  /** A request waits no longer. */
  withdraw(call: Call): void {
    const waiting = this.#waiting.get(call);
    if (waiting === undefined) return;
    this.#end(call, waiting);
    waiting.open.withdraw();
  }

  /** Nobody is to be asked any more: what waits is answered with no. */
  withdrawAll(): void {
    this.#options.inputs.withdrawAll();
    for (const { open } of this.#waiting.values()) open.withdraw();
  }

  /** The session is over. */
  close(): void {
    this.#options.inputs.withdrawAll();
    for (const call of [...this.#waiting.keys()]) this.withdraw(call);
  }

  #wait(call: Call, waiting: Waiting, then: () => void): void {
    const { open, note } = waiting;
    this.#waiting.set(call, waiting);
    void open.outcome.then((outcome) =>
      this.#options.resume(() => {
        if (this.#waiting.get(call) !== waiting) return;
        this.#end(call, waiting);
        note(call, outcome);
        then();
      }),
    );
  }

  /** What a person has said of a call that goes on with what the server has asked for. */
  #begun(
    call: Call,
    about: ConsentSubject,
    { isRetry, paramsStart, paramsEnd }: Envelope,
    bytes: Buffer,
  ): ConsentOutcome | undefined {
    if (!isRetry) return undefined;
    const { state } = retryOf(bytes, paramsStart, paramsEnd);
    const outcome = this.#options.begun.take(state, about);
    if (outcome !== undefined) call.consent = { outcome, about };
    return outcome;
  }

  /** The request is answered, and its question stays open. Undefined: it does not wait any more. */
  #release(call: Call): Asked | undefined {
    const waiting = this.#waiting.get(call);
    if (waiting !== undefined) this.#end(call, waiting);
    return waiting;
  }

  #end(call: Call, { progress }: Waiting): void {
    clearInterval(progress);
    this.#waiting.delete(call);
  }

  /** The digest of the definition of the tool that is called, as it is listed now. */
  #definitionOf({ method, targets: [target] }: Call): string | undefined {
    return method === CALL && target !== undefined
      ? this.#options.lists.tools.definitionOf(target.name)
      : undefined;
  }

  #describe(call: Call, rule: string, message: Envelope, bytes: Buffer): ConsentSubject {
    const { method, targets, shown, name = '' } = call;
    const [target] = targets;
    return {
      call: name,
      method,
      kind: target?.kind ?? 'methods',
      name: targets.length === 1 && target !== undefined ? nameOf(target.name, shown) : shown || method,
      rule,
      digest: exactDigest(askedIn(call, message, bytes)),
      definition: this.#definitionOf(call),
    };
  }

  /** Tells the host at once, and then now and then, that a request waits, if the host has asked for its progress. */
  #reportProgress(message: Envelope, bytes: Buffer, open: OpenConsent): NodeJS.Timeout | undefined {
    const token = progressTokenOf(message, bytes);
    return token === undefined ? undefined : reportProgress(this.#options, token, () => open.notice);
  }
}

/** A name that no other shares, without the values of credentials and no longer than may be shown. */
function nameOf(name: string, shown: string): string {
  return name === shown ? name : `${shown} (${digest(name)})`;
}

/** The arguments of a tool call, or what any other request asks with its `params`; undefined: nothing. */
function askedIn({ method }: Call, message: Envelope, bytes: Buffer): Buffer | undefined {
  const { argumentsStart, argumentsEnd, paramsStart, paramsEnd } = message;
  if (method !== CALL) return askedWith(bytes, { start: paramsStart, end: paramsEnd });
  return argumentsStart === -1 ? undefined : bytes.subarray(argumentsStart, argumentsEnd);
}
