// Calls of a thread that stands still until the main thread has answered: a message on a port of their own, and a number in
// shared memory that grows with each answer. The main thread only ever answers, so neither waits for the other for ever.
import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import {
  concealedIn,
  fromThreadError,
  type Outcome,
  type StandingAnswers,
  type StandingCall,
  toThreadError,
} from './protocol.ts';

/** The way of these calls, from both ends. */
export interface StandingWay {
  readonly port: MessagePort;
  /** One number: how many calls were answered. */
  readonly answered: Int32Array<SharedArrayBuffer>;
}

/** In the main thread: answers each call as `answer` does. A call that throws fails where it was made. */
export function answerCalls(
  { port, answered }: StandingWay,
  answer: (call: StandingCall) => StandingAnswers[keyof StandingAnswers],
): void {
  port.on('message', (call: StandingCall) => {
    let outcome: Outcome<unknown>;
    try {
      outcome = { ok: true, value: answer(call) };
    } catch (error) {
      outcome = { ok: false, error: toThreadError(error) };
    }
    port.postMessage(outcome);
    Atomics.add(answered, 0, 1);
    Atomics.notify(answered, 0);
  });
}

/** Makes one call. Throws what the answer throws. */
export type StandingCaller = <Call extends StandingCall>(call: Call) => StandingAnswers[Call['type']];

/** In the other thread. */
export function standingCaller({ port, answered }: StandingWay): StandingCaller {
  return <Call extends StandingCall>(call: Call) => {
    const before = Atomics.load(answered, 0);
    port.postMessage(call, concealedIn(call));
    Atomics.wait(answered, 0, before);
    const received = receiveMessageOnPort(port) as
      | { readonly message: Outcome<StandingAnswers[Call['type']]> }
      | undefined;
    if (received === undefined) throw new Error('the main thread has given no answer');
    const { message: outcome } = received;
    if (outcome.ok) return outcome.value;
    throw fromThreadError(outcome.error);
  };
}
