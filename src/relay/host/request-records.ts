// The records of what the host asks: a request is on record, with what was decided on it, before it goes on.

import type { Envelope } from '../../json/envelope.ts';
import type { Verdict } from '../../policy/decide.ts';
import type { Call } from '../call.ts';
import type { Refusal } from '../error-response.ts';
import type { LongRequest } from '../flow/long-lines.ts';
import { retryOf } from '../params.ts';
import { type Decided, MAX_ARGUMENTS, type Recorder } from '../recorder.ts';
import type { Current } from '../upstream/current.ts';
import type { Replay } from '../upstream/replay.ts';

export interface RequestRecordsOptions {
  readonly current: Current;
  readonly recorder: Recorder;
  readonly replay: Replay;
}

export class RequestRecords {
  readonly #options: RequestRecordsOptions;

  constructor(options: RequestRecordsOptions) {
    this.#options = options;
  }

  /**
   * Writes what was decided, if it is recorded. `known`: what is known of a long line. False: not written; `unwritten` as in
   * `Recorder.decided`.
   */
  write(
    call: Call,
    { rule }: Verdict,
    fault: Refusal | undefined,
    refusal: Refusal | undefined,
    message: Envelope,
    bytes: Buffer,
    known: LongRequest | undefined,
    unwritten?: () => void,
  ): boolean {
    const { governance, name, method, task } = call;
    const { event } = governance;
    if (event === undefined || name === undefined) return true;
    const { recorder, replay } = this.#options;
    const { kind, paramsStart, paramsEnd, argumentsStart, argumentsEnd } = message;
    const isTool = event === 'tool.call';
    const isLong = known !== undefined;
    const text =
      known?.text ??
      (isTool
        ? this.#redacted(bytes, argumentsStart, argumentsEnd, isLong)
        : this.#redacted(bytes, paramsStart, paramsEnd, isLong));
    const retried =
      message.isRetry && replay.meta !== undefined
        ? (known?.retry ?? retryOf(bytes, paramsStart, paramsEnd))
        : undefined;
    const retry = call.joinedState === undefined ? retried : { ...retried, state: call.joinedState };
    const decided: Decided = {
      call: name,
      event,
      method,
      target: call.shown,
      id: kind === 'notification' && !isTool ? undefined : call.idText,
      decision: refusal === undefined ? 'allow' : 'deny',
      rule: fault === undefined ? rule : 'protocol',
      reason: fault?.text,
      joins: task === undefined ? retry : { ...retry, task },
      isSecret: call.namesTasks || (governance.governedBy === 'tasks' && governance.target !== undefined),
    };
    return recorder.decided(decided, text, unwritten);
  }

  /** A part of a line without values. `isLong`: the line is too long to be looked through as a whole. */
  #redacted(bytes: Buffer, start: number, end: number, isLong: boolean): string | Buffer {
    if (start === -1) return '';
    const { current } = this.#options;
    const isClean = !isLong && current.isClean(bytes);
    if (isClean && end - start <= MAX_ARGUMENTS) return bytes.toString('utf8', start, end);
    const text = bytes.subarray(start, end);
    return isClean ? text : current.redactor.redact(text);
  }
}
