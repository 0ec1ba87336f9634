// Messages of one thread that wait for an answer of the other, by their numbers.
import { type CallNumber, fromThreadError, type Outcome, type Reply, toThreadError } from './protocol.ts';

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

export class OpenCalls {
  readonly #waiting = new Map<CallNumber, Waiting>();
  #last: CallNumber = 0;

  /** Sends a message with a number of its own, and settles as its answer does. */
  make<Value>(send: (call: CallNumber) => void): {
    readonly call: CallNumber;
    readonly answer: Promise<Value>;
  } {
    this.#last += 1;
    const call = this.#last;
    const answer = new Promise<Value>((resolve, reject) => {
      this.#waiting.set(call, { resolve: resolve as (value: unknown) => void, reject });
    });
    send(call);
    return { call, answer };
  }

  /** The answer has come. */
  settle({ call, outcome }: Reply): void {
    const waiting = this.#waiting.get(call);
    this.#waiting.delete(call);
    if (outcome.ok) waiting?.resolve(outcome.value);
    else waiting?.reject(fromThreadError(outcome.error));
  }

  /** No answer will come any more. */
  fail(error: Error): void {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}

/** What becomes of a promise, as data. Never rejects. */
export function outcomeOf<Value>(work: Promise<Value>): Promise<Outcome<Value>> {
  return work.then(
    (value) => ({ ok: true, value }),
    (error: unknown) => ({ ok: false, error: toThreadError(error) }),
  );
}
