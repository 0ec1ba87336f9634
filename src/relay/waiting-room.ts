// Messages of the host that wait, in their order, each for a reason: a rotation that changes the server, or a list
// of tools that the relay is about to get. A request that leaves is judged again: what was decided before may hold
// no more.
import type { Call } from './call.ts';

/** What a message waits for. */
export type WaitReason = 'rotation' | 'listing';

/** A message that waits: a copy of its line, and the request that it is, if it is one. */
export interface Waiter {
  readonly line: Buffer;
  readonly call: Call | undefined;
}

/** The messages that wait. */
export class WaitingRoom {
  readonly #reasons = new Set<WaitReason>();
  #waiters: (Waiter & { readonly reason: WaitReason })[] = [];
  #bytes = 0;

  /** Bytes that wait. The host is read no further while they are over the budget. */
  get bytes(): number {
    return this.#bytes;
  }

  /** From now on messages wait for this. */
  open(reason: WaitReason): void {
    this.#reasons.add(reason);
  }

  /** Whether messages wait for this. */
  isOpen(reason: WaitReason): boolean {
    return this.#reasons.has(reason);
  }

  /** Has a message wait. */
  add(reason: WaitReason, line: Buffer, call: Call | undefined): void {
    this.#waiters.push({ reason, line, call });
    this.#bytes += line.length;
    call?.wait();
  }

  /** A request that waits is to wait no longer: its line. */
  remove(call: Call): Buffer | undefined {
    return this.#take((waiter) => waiter.call === call)[0]?.line;
  }

  /** Nothing waits for this any more: what did, in its order. */
  close(reason: WaitReason): Waiter[] {
    if (!this.#reasons.delete(reason)) return [];
    return this.#take((waiter) => waiter.reason === reason);
  }

  #take(leaves: (waiter: Waiter & { readonly reason: WaitReason }) => boolean): Waiter[] {
    const left = this.#waiters.filter(leaves);
    if (left.length === 0) return left;
    this.#waiters = this.#waiters.filter((waiter) => !leaves(waiter));
    this.#bytes = this.#waiters.reduce((sum, { line }) => sum + line.length, 0);
    return left;
  }
}
