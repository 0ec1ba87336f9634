// Requests of the host that are taken back: by the host, which cancels them, or since the session ends while they wait. What
// had not gone on is written to the log with the reason for which it does not.

import { type Envelope, readEnvelope } from '../../json/envelope.ts';
import type { Anomalies } from '../anomalies.ts';
import type { Call } from '../call.ts';
import type { Calls } from '../calls.ts';
import type { ConsentWait } from '../consent/consent-wait.ts';
import type { Refusal } from '../error-response.ts';
import type { WaitingRoom } from '../flow/waiting-room.ts';
import { requestIdOf } from '../params.ts';
import { INITIALIZE } from '../upstream/replay.ts';
import type { RequestRecords } from './request-records.ts';
import { PROTOCOL } from './verdicts.ts';

export interface WithdrawalsOptions {
  readonly calls: Calls;
  readonly waiting: WaitingRoom;
  readonly consent: Pick<ConsentWait, 'withdraw'>;
  readonly records: RequestRecords;
  readonly anomalies: Anomalies;
}

const WITHDRAWN: Refusal = { code: 'refused', text: 'the host has cancelled it while it waited' };

export class Withdrawals {
  readonly #options: WithdrawalsOptions;

  constructor(options: WithdrawalsOptions) {
    this.#options = options;
  }

  /** Withdraws each request that waits; whoever calls answers it. */
  *all(refusal: Refusal): Generator<Call> {
    for (const call of this.#options.calls.all()) {
      if (call.state !== 'waiting') continue;
      this.#withdraw(call, refusal);
      yield call;
    }
  }

  /**
   * The host takes a request back, in a message of `length` bytes. What the server may still answer is then passed on to
   * nobody. Returns the request if the server has it, and is to be told.
   */
  cancel(message: Envelope, bytes: Buffer, length: number): Call | undefined {
    const { calls, anomalies } = this.#options;
    const id = requestIdOf(message, bytes);
    const call = id === undefined ? undefined : calls.get(id);
    if (call === undefined || call.method === INITIALIZE) {
      anomalies.note('the host has cancelled what is not open', () => ({ bytes: length }));
      return undefined;
    }
    const isWithServer = call.state !== 'waiting';
    if (!isWithServer) this.#withdraw(call, WITHDRAWN);
    call.cancel();
    return isWithServer ? call : undefined;
  }

  #withdraw(call: Call, refusal: Refusal): void {
    const { consent, waiting, records } = this.#options;
    consent.withdraw(call);
    const waiter = waiting.remove(call);
    if (waiter === undefined) return;
    const { line, known } = waiter;
    const message = known?.scanned?.message ?? readEnvelope(line, 0, line.length);
    records.write(call, PROTOCOL, refusal, refusal, message, line, known);
  }
}
