// What a server asks of the host, and the host's replies: policy, audit, forward. Each has an id of the relay's own
// towards the host: see server-requests.ts.
import type { Clock } from '../os/clock.ts';
import { decide } from '../policy/decide.ts';
import type { Anomalies } from './anomalies.ts';
import type { Budgets } from './budgets.ts';
import { UNAUDITED } from './call.ts';
import type { Current } from './current.ts';
import { BUSY, errorLine, type Refusal } from './error-response.ts';
import type { FormDialog } from './form-dialog.ts';
import { textOfId } from './ids.ts';
import type { Envelope, Id } from './json/envelope.ts';
import { type Method, methodOf } from './methods.ts';
import type { Outbox } from './outbox.ts';
import type { DigestedText, Recorder } from './recorder.ts';
import type { ServerRequests } from './server-requests.ts';
import { refusalOf } from './verdicts.ts';

export interface QuestionsOptions {
  /** The profile's name. */
  readonly profile: string;
  readonly budgets: Budgets;
  readonly current: Current;
  readonly serverRequests: ServerRequests;
  /** The relay's own questions in a dialog of the host. */
  readonly forms: FormDialog;
  readonly recorder: Recorder;
  readonly toHost: Outbox;
  readonly anomalies: Anomalies;
  readonly clock: Clock;
}

const HOST_LEFT: Refusal = { code: 'lost', text: 'the host has ended its input' };
const NOTHING = Buffer.alloc(0);

export class Questions {
  readonly #options: QuestionsOptions;

  constructor(options: QuestionsOptions) {
    this.#options = options;
  }

  /** A request of the server to the host: policy, audit, forward. `text`: its `params` as recorded, if they are long. */
  ask(message: Envelope, bytes: Buffer, start: number, end: number, text?: DigestedText): void {
    const { serverRequests, toHost, current, anomalies, recorder, clock } = this.#options;
    const { id, idStart, idEnd, method, paramsStart, paramsEnd } = message;
    if (id === undefined) return;
    const idText = textOfId(bytes, idStart, idEnd, id);
    if (serverRequests.isClosed) {
      // Nobody is left to be asked, and nobody has denied anything.
      anomalies.note('the server has asked a host that has left', () => ({ method }));
      current.upstream.answer(errorLine(idText, HOST_LEFT));
      return;
    }
    const governance = methodOf(method, 'server', 'request');
    const { rule, refusal } = this.#judge(method, governance);
    const name = governance.event === undefined ? undefined : recorder.nextName(governance.event);
    const decision = refusal === undefined ? 'allow' : 'deny';
    const reason = rule === 'protocol' ? refusal?.text : undefined;
    const params = paramsStart === -1 ? NOTHING : bytes.subarray(paramsStart, paramsEnd);
    const question = {
      event: 'question',
      method,
      target: '',
      id: idText,
      reason,
      joins: undefined,
      isSecret: false,
    } as const;
    const written =
      name === undefined || recorder.decided({ ...question, call: name, decision, rule }, text ?? params);
    if (refusal !== undefined || !written) {
      const told = refusal ?? UNAUDITED;
      anomalies.note('refused a request of the server', () => ({ why: told.text }));
      current.upstream.answer(errorLine(idText, told));
      return;
    }
    const request = serverRequests.add({ id, idText, method, name, since: clock.monotonic() });
    toHost.add(bytes, start, end, idStart, idEnd, String(request.ownId));
  }

  /** Whether a request of the server goes on, and by which rule. */
  #judge(method: string, { governedBy, unlisted }: Method): { rule: string; refusal: Refusal | undefined } {
    const { serverRequests, budgets, current, profile } = this.#options;
    if (serverRequests.size >= budgets.open) return { rule: 'protocol', refusal: BUSY };
    if (governedBy === 'lifecycle') return { rule: 'protocol', refusal: undefined };
    const verdict = decide(current.policy, { kind: 'methods', name: method }, unlisted);
    return { rule: verdict.rule, refusal: refusalOf(profile, verdict, method) };
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
    for (const request of serverRequests.close()) {
      const line = errorLine(request.idText, HOST_LEFT);
      serverRequests.record(request, 'lost', Buffer.from(line));
      current.upstream.answer(line);
    }
  }

  /** The session is over. */
  close(): void {
    const { serverRequests, forms } = this.#options;
    forms.close();
    for (const request of serverRequests.close()) serverRequests.record(request, 'lost', NOTHING);
  }

  #answer(bytes: Buffer, start: number, end: number, from: number, to: number, text: string): void {
    const { upstream } = this.#options.current;
    upstream.send({ bytes, start, end, from, to, text, method: '', name: '', id: undefined });
  }
}
