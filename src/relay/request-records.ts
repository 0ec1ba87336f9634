// The records of what the host asks: a request is on record, with what was decided on it, before it goes on.
import type { Verdict } from '../policy/decide.ts';
import type { Call } from './call.ts';
import type { Current } from './current.ts';
import type { Refusal } from './error-response.ts';
import type { Envelope } from './json/envelope.ts';
import type { LongRequest } from './long-lines.ts';
import { retryOf } from './params.ts';
import type { Decided, Recorder } from './recorder.ts';
import type { Replay } from './replay.ts';

export interface RequestRecordsOptions {
  readonly current: Current;
  readonly recorder: Recorder;
  readonly replay: Replay;
}

const NOTHING = Buffer.alloc(0);

export class RequestRecords {
  readonly #options: RequestRecordsOptions;

  constructor(options: RequestRecordsOptions) {
    this.#options = options;
  }

  /** Writes what was decided, if it is recorded. `known`: what is known of a long line. False: not written. */
  write(
    call: Call,
    { rule }: Verdict,
    fault: Refusal | undefined,
    refusal: Refusal | undefined,
    message: Envelope,
    bytes: Buffer,
    known: LongRequest | undefined,
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
    const retry =
      message.isRetry && replay.meta !== undefined
        ? (known?.retry ?? retryOf(bytes, paramsStart, paramsEnd))
        : undefined;
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
    return recorder.decided(decided, text);
  }

  /** A part of a line without values. `isLong`: the line is too long to be looked through as a whole. */
  #redacted(bytes: Buffer, start: number, end: number, isLong: boolean): Buffer {
    if (start === -1) return NOTHING;
    const { current } = this.#options;
    const text = bytes.subarray(start, end);
    return !isLong && current.isClean(bytes) ? text : current.redactor.redact(text);
  }
}
