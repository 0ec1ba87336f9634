// What a server asks of the host, and the host's replies: policy, consent, audit, forward. Each has an id of the relay's
// own towards the host: see server-requests.ts. Forms are labelled as the server's, and not too many: see server-forms.ts.

import { type Envelope, type Id, readEnvelope } from '../../json/envelope.ts';
import type { Clock } from '../../os/clock.ts';
import { decide, type Verdict } from '../../policy/decide.ts';
import type { Anomalies } from '../anomalies.ts';
import type { Budgets } from '../budgets.ts';
import { UNAUDITED } from '../call.ts';
import { ELICIT } from '../consent/elicitation.ts';
import type { FormDialog } from '../consent/form-dialog.ts';
import { refusalBy, type ServerConsent } from '../consent/server-consent.ts';
import type { ConsentOutcome, OpenConsent } from '../consent.ts';
import { BUSY, errorLine, type Refusal } from '../error-response.ts';
import type { Outbox } from '../flow/outbox.ts';
import { refusalOf } from '../host/verdicts.ts';
import { textOfId } from '../ids.ts';
import { type Method, methodOf } from '../methods.ts';
import type { DigestedText, Recorder } from '../recorder.ts';
import type { Current } from '../upstream/current.ts';
import type { Rate } from './rate.ts';
import { labelled, TOO_OFTEN, whoseForm } from './server-forms.ts';
import type { ServerRequests } from './server-requests.ts';

export interface QuestionsOptions {
  /** The profile's name. */
  readonly profile: string;
  readonly budgets: Budgets;
  readonly current: Current;
  readonly serverRequests: ServerRequests;
  readonly asks: ServerConsent;
  /** How often a form of the server's may be shown. */
  readonly formRate: Rate;
  /** The relay's own questions in a dialog of the host. */
  readonly forms: FormDialog;
  readonly recorder: Recorder;
  readonly toHost: Outbox;
  readonly anomalies: Anomalies;
  readonly clock: Clock;
  /** Runs what goes on later as a turn of the session. */
  readonly resume: (turn: () => void) => void;
}

/** A request of the server as it came. */
interface Received {
  readonly message: Envelope;
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
  readonly id: Id;
  readonly idText: string;
  readonly governance: Method;
  /** Its number in the audit log, where it is recorded. */
  readonly name: string | undefined;
  /** Its `params` as recorded, if they are long. */
  readonly text: DigestedText | undefined;
}

/** The line that the host gets. */
type Line = Pick<Received, 'bytes' | 'start' | 'end'> & Pick<Envelope, 'idStart' | 'idEnd'>;

const HOST_LEFT: Refusal = { code: 'lost', text: 'the host has ended its input' };
const REPLACED: Refusal = { code: 'lost', text: 'the server was replaced' };
const OVER: Refusal = { code: 'lost', text: 'the session is over' };
const TAKEN_BACK: Refusal = { code: 'refused', text: 'the server has taken it back' };
const NOTHING = Buffer.alloc(0);
/** What keeping one that waits costs beside its bytes. */
const OVERHEAD = 256;

export class Questions {
  readonly #options: QuestionsOptions;
  /** Those that wait for a person, the oldest first. */
  readonly #waiting = new Map<Received, OpenConsent>();
  #waitingBytes = 0;

  constructor(options: QuestionsOptions) {
    this.#options = options;
  }

  /** Whether any waits for a person. */
  get anyWaiting(): boolean {
    return this.#waiting.size > 0;
  }

  /** A request of the server to the host. `text`: its `params` as recorded, if they are long. */
  ask(message: Envelope, bytes: Buffer, start: number, end: number, text?: DigestedText): void {
    const { serverRequests, current, anomalies, recorder } = this.#options;
    const { id, idStart, idEnd, method } = message;
    if (id === undefined) return;
    const idText = textOfId(bytes, idStart, idEnd, id);
    if (serverRequests.isClosed) {
      // Nobody is left to be asked, and nobody has denied anything.
      anomalies.note('the server has asked a host that has left', () => ({ method }));
      current.upstream.answer(errorLine(idText, HOST_LEFT));
      return;
    }
    const governance = methodOf(method, 'server', 'request');
    const name = governance.event === undefined ? undefined : recorder.nextName(governance.event);
    this.#decide({ message, bytes, start, end, id, idText, governance, name, text });
  }

  // The one way of a request. `answered`: it has waited for that.
  #decide(request: Received, answered?: ConsentOutcome): void {
    const { serverRequests, toHost, current, anomalies, clock } = this.#options;
    const { message, idText, id, name, governance } = request;
    const { method } = message;

    // policy
    const fault = this.#waiting.size + serverRequests.size >= this.#options.budgets.open ? BUSY : undefined;
    const verdict = this.#verdict(method, governance);

    // consent
    const asks = fault === undefined && verdict.decision === 'ask';
    const outcome = asks ? (answered ?? this.#askPerson(request, verdict)) : undefined;
    if (outcome === 'waits') return;
    const refused = outcome === undefined ? this.#refusal(verdict, method) : refusalBy(outcome);
    const line = fault ?? refused ?? this.#lineFor(request);

    // audit
    const refusal = 'code' in line ? line : undefined;
    const isPolicy = refusal === undefined || refusal === refused;
    const rule = isPolicy ? (outcome ?? verdict).rule : 'protocol';
    const written = this.#record(request, rule, refusal);
    if ('code' in line || !written) {
      const told = refusal ?? UNAUDITED;
      anomalies.note('refused a request of the server', () => ({ why: told.text }));
      current.upstream.answer(errorLine(idText, told));
      return;
    }

    // forward
    const added = serverRequests.add({ id, idText, method, name, since: clock.monotonic() });
    const { bytes, start, end, idStart, idEnd } = line;
    toHost.add(bytes, start, end, idStart, idEnd, String(added.ownId));
  }

  #verdict(method: string, { governedBy, unlisted }: Method): Verdict {
    if (governedBy === 'lifecycle') return { decision: 'allow', rule: 'protocol' };
    return decide(this.#options.current.policy, { kind: 'methods', name: method }, unlisted);
  }

  #refusal(verdict: Verdict, method: string): Refusal | undefined {
    return refusalOf(this.#options.profile, verdict, method);
  }

  /** What a person has answered before; or asks one, and the request waits. */
  #askPerson(request: Received, verdict: Verdict): ConsentOutcome | 'waits' {
    const { message, bytes, start, end, name = '' } = request;
    const { method, paramsStart, paramsEnd } = message;
    const size = end - start + OVERHEAD;
    if (this.#waitingBytes + size > this.#options.budgets.waiting) return CROWDED;
    const params = { start: paramsStart, end: paramsEnd };
    const open = this.#options.asks.ask({ call: name, method, bytes, params }, verdict);
    if (!('withdraw' in open)) return open;
    const line = Buffer.from(bytes.subarray(start, end));
    const kept = {
      ...request,
      message: readEnvelope(line, 0, line.length),
      bytes: line,
      start: 0,
      end: line.length,
    };
    this.#waiting.set(kept, open);
    this.#waitingBytes += size;
    void open.outcome.then((outcome) =>
      this.#options.resume(() => {
        if (this.#remove(kept)) this.#decide(kept, outcome);
      }),
    );
    return 'waits';
  }

  /** One waits no longer. False: it did not. */
  #remove(request: Received): boolean {
    if (!this.#waiting.delete(request)) return false;
    this.#waitingBytes -= request.bytes.length + OVERHEAD;
    return true;
  }

  /** Those that wait are asked about no more. Returns them. */
  #withdraw(requests: Iterable<Received>, why: Refusal): Received[] {
    return [...requests].filter((request) => {
      const open = this.#waiting.get(request);
      if (!this.#remove(request)) return false;
      open?.withdraw();
      this.#record(request, 'protocol', why);
      return true;
    });
  }

  /** The line as the host gets it, or why it gets none. */
  #lineFor({ message, bytes, start, end }: Received): Line | Refusal {
    const { method, idStart, idEnd, paramsStart, paramsEnd } = message;
    if (method !== ELICIT) return { bytes, start, end, idStart, idEnd };
    const form = labelled(
      bytes.subarray(Math.max(0, paramsStart), Math.max(0, paramsEnd)),
      whoseForm(this.#options.profile),
    );
    if ('fault' in form) return { code: -32602, text: `not shown to the user: ${form.fault}` };
    if (!this.#options.formRate.take()) return TOO_OFTEN;
    const line = Buffer.concat([bytes.subarray(start, paramsStart), form, bytes.subarray(paramsEnd, end)]);
    const by = idStart < paramsStart ? -start : line.length - end;
    return { bytes: line, start: 0, end: line.length, idStart: idStart + by, idEnd: idEnd + by };
  }

  /** Writes what was decided, if it is recorded. False: not written. */
  #record(
    { name, message, bytes, idText, text }: Received,
    rule: string,
    refusal: Refusal | undefined,
  ): boolean {
    if (name === undefined) return true;
    const { method, paramsStart, paramsEnd } = message;
    const params = paramsStart === -1 ? NOTHING : bytes.subarray(paramsStart, paramsEnd);
    return this.#options.recorder.question({ call: name, method, id: idText, rule }, refusal, text ?? params);
  }

  /** An answer of the host to a request of the server: on record before the server has it. `text`: as recorded, if it is long. */
  reply(message: Envelope, bytes: Buffer, start: number, end: number, text?: DigestedText): void {
    const { serverRequests, anomalies, current } = this.#options;
    const request = serverRequests.take(message.id);
    if (request === undefined) {
      if (this.#options.forms.reply(message, bytes)) return;
      anomalies.note('the host has answered what is not open', () => ({ bytes: end - start }));
      return;
    }
    const { idStart, idEnd, failed } = message;
    const line = bytes.subarray(start, end);
    if (serverRequests.record(request, failed ? 'error' : 'ok', text ?? line))
      this.#answer(bytes, start, end, idStart, idEnd, request.idText);
    else current.upstream.answer(errorLine(request.idText, UNAUDITED));
  }

  /** The server gets an error in the place of an answer that is not passed on. */
  refuseReply(id: Id | undefined, { text }: Refusal): void {
    const { serverRequests, current, forms } = this.#options;
    const request = serverRequests.take(id);
    if (request === undefined) {
      forms.unreadable(id);
      return;
    }
    const line = errorLine(request.idText, { code: 'withheld', text });
    serverRequests.record(request, 'error', Buffer.from(line));
    current.upstream.answer(line);
  }

  /** The server takes back what it has asked. False: it was not that. */
  cancel(id: Id | undefined, message: Envelope, bytes: Buffer, start: number, end: number): boolean {
    const { serverRequests, toHost } = this.#options;
    const last = [...this.#waiting.keys()].filter((request) => request.id === id).slice(-1);
    if (this.#withdraw(last, TAKEN_BACK).length > 0) return true;
    const request = serverRequests.cancel(id);
    if (request === undefined) return false;
    serverRequests.record(request, 'cancelled', NOTHING);
    const { requestIdStart, requestIdEnd } = message;
    toHost.add(bytes, start, end, requestIdStart, requestIdEnd, String(request.ownId));
    return true;
  }

  /** The host asks no more: what is open is answered, as nobody else will. */
  endInput(): void {
    const { serverRequests, current, forms } = this.#options;
    forms.close();
    for (const { idText } of this.#withdraw(this.#waiting.keys(), HOST_LEFT))
      current.upstream.answer(errorLine(idText, HOST_LEFT));
    for (const request of serverRequests.close()) {
      const line = errorLine(request.idText, HOST_LEFT);
      serverRequests.record(request, 'lost', Buffer.from(line));
      current.upstream.answer(line);
    }
  }

  /** The server that asked is replaced by another one. */
  leaveServer(): void {
    this.#withdraw(this.#waiting.keys(), REPLACED);
  }

  /** The session is over. */
  close(): void {
    const { serverRequests, forms } = this.#options;
    forms.close();
    this.#withdraw(this.#waiting.keys(), OVER);
    for (const request of serverRequests.close()) serverRequests.record(request, 'lost', NOTHING);
  }

  #answer(bytes: Buffer, start: number, end: number, from: number, to: number, text: string): void {
    const { upstream } = this.#options.current;
    upstream.send({ bytes, start, end, from, to, text, method: '', name: '', id: undefined });
  }
}

const CROWDED: ConsentOutcome = {
  decision: 'deny',
  rule: 'consent.rate',
  reason: 'too much of what the server asks waits for the user already',
};
