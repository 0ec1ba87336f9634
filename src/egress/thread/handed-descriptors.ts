// Descriptors that were sent to the gates' thread. It counts those that it has taken, in shared memory: if it ends before it
// has taken one, that one is closed here. One that was taken belongs to its stream, which closes it; its number may be
// another's by then. But the last one may have been taken and not have got a stream: it is closed if it is still the same socket.
import { closeSync, fstatSync } from 'node:fs';

interface Handed {
  readonly descriptor: number;
  /** Tells one open socket from another; 0 where that cannot be told. */
  readonly identity: number;
}

/** What is done with a descriptor. */
export interface DescriptorCalls {
  readonly close: (descriptor: number) => void;
  /** The number of its open file among all of its kind. Throws where it is not open. */
  readonly identify: (descriptor: number) => number;
}

const SYSTEM: DescriptorCalls = { close: closeSync, identify: (descriptor) => fstatSync(descriptor).ino };

export class HandedDescriptors {
  readonly #taken: Int32Array<SharedArrayBuffer>;
  readonly #calls: DescriptorCalls;
  /** Sent, in order, and perhaps not taken. */
  #sent: Handed[] = [];
  /** How many were sent before these. */
  #before = 0;
  /** The last one that was taken. */
  #last: Handed | undefined;

  constructor(taken: Int32Array<SharedArrayBuffer>, calls: DescriptorCalls = SYSTEM) {
    this.#taken = taken;
    this.#calls = calls;
  }

  /** To be called before a descriptor is sent. */
  add(descriptor: number): void {
    this.#forgetTaken();
    this.#sent.push({ descriptor, identity: this.#identify(descriptor) });
  }

  /** The thread has ended, and its streams are closed. */
  closeRest(): void {
    this.#forgetTaken();
    const last = this.#last;
    this.#last = undefined;
    if (last !== undefined && last.identity !== 0 && this.#identify(last.descriptor) === last.identity)
      this.#calls.close(last.descriptor);
    for (const { descriptor } of this.#sent.splice(0)) this.#calls.close(descriptor);
  }

  #identify(descriptor: number): number {
    try {
      return this.#calls.identify(descriptor);
    } catch {
      return 0;
    }
  }

  #forgetTaken(): void {
    const taken = Atomics.load(this.#taken, 0) - this.#before;
    if (taken <= 0) return;
    this.#last = this.#sent[taken - 1];
    this.#sent = this.#sent.slice(taken);
    this.#before += taken;
  }
}
