// Notifications on their way from the server to the host, and those of the relay's own. What names a request or a
// subscription gets the id that the host knows.

import { type Envelope, readEnvelope, readId } from '../../json/envelope.ts';
import type { Anomalies } from '../anomalies.ts';
import { LISTEN } from '../call.ts';
import type { Calls } from '../calls.ts';
import type { Outbox } from '../flow/outbox.ts';
import type { ServerList } from '../lists/server-list.ts';
import type { ServerLists } from '../lists/server-lists.ts';
import { CANCELLED } from '../methods.ts';
import { requestIdOf } from '../params.ts';
import type { Replay } from '../upstream/replay.ts';
import type { Questions } from './questions.ts';
import type { ServerInputs } from './server-inputs.ts';
import { paramsFor, subscriptionIn, wantsChanges } from './subscriptions.ts';

export interface ServerNoticesOptions {
  readonly calls: Calls;
  readonly questions: Questions;
  readonly inputs: ServerInputs;
  readonly lists: ServerLists;
  readonly replay: Replay;
  readonly toHost: Outbox;
  readonly anomalies: Anomalies;
}

const TASK = 'notifications/tasks';
const ACKNOWLEDGED = 'notifications/subscriptions/acknowledged';

export class ServerNotices {
  readonly #options: ServerNoticesOptions;

  constructor(options: ServerNoticesOptions) {
    this.#options = options;
  }

  /** Tells the host that lists may be others, if it has opened the session or subscribed to that. */
  announce(lists: readonly ServerList[]): void {
    const { replay, toHost, calls } = this.#options;
    const changed = new Map(lists.map(({ shape }) => [shape.changed, shape.wanted]));
    for (const [method, wanted] of changed) {
      const head = `{"jsonrpc":"2.0","method":"${method}"`;
      if (replay.initialized !== undefined) toHost.message(`${head}}`);
      for (const call of calls.listening()) {
        if (call.isAcknowledged && wantsChanges(call, wanted))
          toHost.message(`${head},"params":${paramsFor(call)}}`);
      }
    }
  }

  /** A notification of the server. */
  pass(message: Envelope, bytes: Buffer, start: number, end: number): void {
    this.#options.lists.notified(message.method);
    if (message.method === CANCELLED) this.#cancelled(message, bytes, start, end);
    else if (message.method === TASK && message.paramsStart !== -1) this.#task(message, bytes, start, end);
    else this.#deliver(message, bytes, start, end);
  }

  /** A task may ask for something. Whoever is to be asked about that is asked when the host gets the task. */
  #task({ paramsStart, paramsEnd }: Envelope, bytes: Buffer, start: number, end: number): void {
    const { inputs, anomalies } = this.#options;
    const params = inputs.notified(bytes, { start: paramsStart, end: paramsEnd });
    if (params === undefined) {
      anomalies.note('the server asks by a notification for what it may not ask for so', () => ({
        bytes: end - start,
      }));
      return;
    }
    const line = Buffer.concat([bytes.subarray(start, paramsStart), params, bytes.subarray(paramsEnd, end)]);
    this.#deliver(readEnvelope(line, 0, line.length), line, 0, line.length);
  }

  #deliver(message: Envelope, bytes: Buffer, start: number, end: number): void {
    const { toHost, calls, anomalies } = this.#options;
    const subscription = calls.isListening
      ? subscriptionIn(bytes, message.metaStart, message.metaEnd)
      : 'absent';
    if (subscription === 'absent') {
      toHost.add(bytes, start, end, start, start, '');
      return;
    }
    // What is there twice, or spelled in another way, names none that two readers would agree on.
    const call =
      subscription === 'ambiguous'
        ? undefined
        : calls.sent(readId(bytes, subscription.start, subscription.end));
    if (subscription === 'ambiguous' || call?.method !== LISTEN) {
      anomalies.note('the server has notified of a subscription that is not open', () => ({
        bytes: end - start,
      }));
    } else if (call.reopened && message.method === ACKNOWLEDGED) {
      // The host has seen the one of the server before.
      call.reopened = false;
    } else {
      if (message.method === ACKNOWLEDGED) call.isAcknowledged = true;
      toHost.add(bytes, start, end, subscription.start, subscription.end, call.idText);
    }
  }

  /** The server takes a request back; or, from 2026-07-28, ends a subscription of the host. */
  #cancelled(message: Envelope, bytes: Buffer, start: number, end: number): void {
    const { questions, calls, toHost, anomalies } = this.#options;
    const { requestIdStart, requestIdEnd } = message;
    const id = requestIdOf(message, bytes);
    if (questions.cancel(id, message, bytes, start, end)) return;
    const call = calls.sent(id);
    if (call?.method !== LISTEN) {
      anomalies.note('the server has cancelled what is not open', () => ({ bytes: end - start }));
      return;
    }
    call.cancel();
    toHost.add(bytes, start, end, requestIdStart, requestIdEnd, call.idText);
  }
}
