// Descriptors that were sent to the gates' thread. It counts those that it has taken, in shared memory: if it ends before it
// has taken one, that one is closed here, and no other.
import { closeSync } from 'node:fs';

export class HandedDescriptors {
  readonly #taken: Int32Array<SharedArrayBuffer>;
  readonly #close: (descriptor: number) => void;
  /** Sent, in order, and perhaps not taken. */
  #sent: number[] = [];
  /** How many were sent before these. */
  #before = 0;

  constructor(taken: Int32Array<SharedArrayBuffer>, close: (descriptor: number) => void = closeSync) {
    this.#taken = taken;
    this.#close = close;
  }

  /** To be called before a descriptor is sent. */
  add(descriptor: number): void {
    this.#forgetTaken();
    this.#sent.push(descriptor);
  }

  /** The thread has ended. */
  closeRest(): void {
    this.#forgetTaken();
    for (const descriptor of this.#sent.splice(0)) this.#close(descriptor);
  }

  #forgetTaken(): void {
    const taken = Atomics.load(this.#taken, 0) - this.#before;
    if (taken <= 0) return;
    this.#sent = this.#sent.slice(taken);
    this.#before += taken;
  }
}
