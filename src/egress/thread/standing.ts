// The way from the gates' thread to the main one: messages in their order, by one port. For the answer to a call the thread
// stands still: it waits for a number in shared memory that grows with each answer. The main thread only ever answers, so
// neither waits for the other for ever.
import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import {
  concealedIn,
  type FromThread,
  fromThreadError,
  type Outcome,
  type Sent,
  type StandingAnswers,
  type StandingCall,
  toThreadError,
} from './protocol.ts';

/** The way, from both ends. */
export interface StandingWay {
  readonly port: MessagePort;
  /** One number: how many calls were answered. */
  readonly answered: Int32Array<SharedArrayBuffer>;
}

/** What the main thread does with what arrives. */
export interface Arrivals {
  /** Takes a message. Never throws. */
  readonly receive: (message: FromThread) => void;
  /** Answers a call. One that throws fails where it was made. */
  readonly answer: (call: StandingCall) => StandingAnswers[keyof StandingAnswers];
}

/** So many messages may wait in the main thread; for more the other stands still until all are taken. */
export const MOST_WAITING = 256;

/** The main thread's end. */
export class FromGates {
  readonly #way: StandingWay;
  readonly #arrivals: Arrivals;

  constructor(way: StandingWay, arrivals: Arrivals) {
    this.#way = way;
    this.#arrivals = arrivals;
    way.port.on('message', (sent: Sent) => this.#take(sent));
    way.port.unref();
  }

  /** Takes what has arrived and was not taken yet. */
  catchUp(): void {
    for (;;) {
      const received = receiveMessageOnPort(this.#way.port) as { readonly message: Sent } | undefined;
      if (received === undefined) return;
      this.#take(received.message);
    }
  }

  /** The thread has ended: takes what it has sent, but for a call, which let nothing out any more. */
  end(): void {
    for (;;) {
      const received = receiveMessageOnPort(this.#way.port) as { readonly message: Sent } | undefined;
      if (received === undefined) break;
      for (const message of received.message.messages) this.#arrivals.receive(message);
    }
    this.#way.port.close();
  }

  #take({ messages, call }: Sent): void {
    const { receive, answer } = this.#arrivals;
    for (const message of messages) receive(message);
    if (call === undefined) return;
    let outcome: Outcome<unknown>;
    try {
      outcome = { ok: true, value: answer(call) };
    } catch (error) {
      outcome = { ok: false, error: toThreadError(error) };
    }
    const { port, answered } = this.#way;
    port.postMessage(outcome);
    Atomics.add(answered, 0, 1);
    Atomics.notify(answered, 0);
  }
}

/** The other thread's end. */
export class ToMain {
  readonly #way: StandingWay;
  #kept: FromThread[] = [];
  #scheduled: NodeJS.Immediate | undefined;
  /** Sent since the main thread had last taken everything. */
  #waiting = 0;

  constructor(way: StandingWay) {
    this.#way = way;
  }

  /** Sends a message with the next one, whenever that is: by itself it tells nothing that is wanted. */
  keep(message: FromThread): void {
    this.#kept.push(message);
  }

  /** Sends a message with the next one of this turn of the event loop, or at its end. */
  sendSoon(message: FromThread): void {
    this.#kept.push(message);
    this.#scheduled ??= setImmediate(() => {
      this.#scheduled = undefined;
      if (this.#kept.length > 0) this.#sendKept();
    });
  }

  /** Sends a message at once. */
  send(message: FromThread): void {
    this.#kept.push(message);
    this.#sendKept();
  }

  /** Makes a call, and stands still until it is answered. Throws what the answer throws. */
  stand<Call extends StandingCall>(call: Call): StandingAnswers[Call['type']] {
    const { port, answered } = this.#way;
    const before = Atomics.load(answered, 0);
    this.#post(call);
    Atomics.wait(answered, 0, before);
    const received = receiveMessageOnPort(port) as
      | { readonly message: Outcome<StandingAnswers[Call['type']]> }
      | undefined;
    if (received === undefined) throw new Error('the main thread has given no answer');
    this.#waiting = 0;
    const { message: outcome } = received;
    if (outcome.ok) return outcome.value;
    throw fromThreadError(outcome.error);
  }

  #sendKept(): void {
    this.#waiting += this.#kept.length;
    if (this.#waiting > MOST_WAITING) this.stand({ type: 'taken' });
    else this.#post(undefined);
  }

  #post(call: StandingCall | undefined): void {
    const sent: Sent = { messages: this.#kept, call };
    this.#kept = [];
    this.#way.port.postMessage(sent, concealedIn(sent));
  }
}
