// Lines of the host that are no requests and cannot be passed on. Whoever waits for one gets an error in its place:
// the host under the id that was found in it, or the server whose request it answers.

import { batchOf } from '../../json/batch.ts';
import { type Envelope, idText } from '../../json/envelope.ts';
import { OPEN_ARRAY } from '../../json/json.ts';
import { isBlank } from '../../json/lines.ts';
import { type Found, findId } from '../../json/recovery.ts';
import type { Scanned } from '../../json/scan.ts';
import type { Anomalies } from '../anomalies.ts';
import type { Budgets } from '../budgets.ts';
import type { Calls } from '../calls.ts';
import { errorLine, NO_ID, type Refusal } from '../error-response.ts';
import type { Outbox } from '../flow/outbox.ts';
import type { Questions } from '../server/questions.ts';

export interface RejectedLinesOptions {
  readonly budgets: Budgets;
  readonly calls: Calls;
  readonly questions: Questions;
  readonly toHost: Outbox;
  readonly anomalies: Anomalies;
}

export class RejectedLines {
  readonly #options: RejectedLinesOptions;
  /** Takes a message of a batch. */
  readonly #line: (bytes: Buffer, start: number, end: number) => void;

  constructor(options: RejectedLinesOptions, line: (bytes: Buffer, start: number, end: number) => void) {
    this.#options = options;
    this.#line = line;
  }

  /** A line that is no message, or one of which nothing can be known. `scanned`: what is known of a long one. */
  line(
    message: Envelope,
    fault: Refusal,
    bytes: Buffer,
    start: number,
    end: number,
    scanned?: Scanned,
  ): void {
    const { anomalies } = this.#options;
    if (scanned?.isBlank ?? isBlank(bytes, start, end)) return;
    if (message.kind === 'unknown') {
      // A long batch is not taken apart: nobody can say how long that takes.
      if (scanned !== undefined || !this.#split(message, fault, bytes, start, end))
        this.unread(found(message, bytes, start, end), fault);
      return;
    }
    anomalies.note('refused a line of the host', () => ({ why: fault.text }));
    // A notification has no answer, and an answer becomes an error.
    if (message.kind === 'response') this.#options.questions.refuseReply(message.id, fault);
  }

  /** Takes a batch of 2025-03-26 apart, if the line is one. Each message in it is answered by itself. */
  #split(message: Envelope, fault: Refusal, bytes: Buffer, start: number, end: number): boolean {
    if (!message.isBatch) return false;
    const messages = batchOf(bytes, start, end, this.#options.budgets.batch);
    for (const { start: from, end: to } of messages ?? []) {
      // A batch in a batch is no message: else their number, and the time to read them, would have no bound.
      if (bytes[from] === OPEN_ARRAY) this.unread(undefined, fault);
      else this.#line(bytes, from, to);
    }
    return messages !== undefined;
  }

  /** Answers a line that could not be read, under its id if that was found and is no open request's. */
  unread(found: Found | undefined, refusal: Refusal): void {
    const { anomalies, calls, toHost } = this.#options;
    anomalies.note('refused a line of the host', () => ({ why: refusal.text }));
    if (found?.kind === 'response') {
      this.#options.questions.refuseReply(found.id, refusal);
      return;
    }
    const named = found !== undefined && !calls.has(found.id);
    toHost.message(errorLine(named ? idText(found.id) : NO_ID, refusal));
  }
}

/** What the sender of a line that is no message may wait for. */
function found(message: Envelope, bytes: Buffer, start: number, end: number): Found | undefined {
  return message.id === undefined ? findId(bytes, start, end) : { id: message.id, kind: 'unknown' };
}
