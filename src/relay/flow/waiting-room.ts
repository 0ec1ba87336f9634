// Messages of the host that wait, in their order, each for a reason: a rotation that changes the server, a list
// of tools that the relay is about to get, or a person, who holds up that one request alone. A request that leaves is
// judged again: what was decided before may hold no more.
import type { Call } from '../call.ts';
import type { LongRequest } from './long-lines.ts';

/** What a message waits for. */
export type WaitReason = 'rotation' | 'listing' | 'person';

/**
 * A message that waits: its line, which is a copy unless it is long; the request that it is, if it is one; and what is
 * known of a long one.
 */
export interface Waiter {
  readonly reason: WaitReason;
  readonly line: Buffer;
  readonly call: Call | undefined;
  readonly known: LongRequest | undefined;
}

/** What keeping a message costs beside its bytes. */
const OVERHEAD = 256;

/** The messages that wait. */
export class WaitingRoom {
  readonly #reasons = new Set<WaitReason>();
  /** In their order. */
  readonly #waiters = new Set<Waiter>();
  readonly #byCall = new Map<Call, Waiter>();
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
  add(reason: WaitReason, line: Buffer, call: Call | undefined, known?: LongRequest): void {
    const waiter = { reason, line, call, known };
    this.#waiters.add(waiter);
    this.#bytes += line.length + OVERHEAD;
    if (call === undefined) return;
    this.#byCall.set(call, waiter);
    call.wait();
  }

  /** A request that waits is to wait no longer. */
  remove(call: Call): Waiter | undefined {
    const waiter = this.#byCall.get(call);
    if (waiter !== undefined) this.#take(waiter);
    return waiter;
  }

  /** Nothing waits for this any more: what did, in its order. */
  close(reason: WaitReason): Waiter[] {
    if (!this.#reasons.delete(reason)) return [];
    const left = [...this.#waiters].filter((waiter) => waiter.reason === reason);
    for (const waiter of left) this.#take(waiter);
    return left;
  }

  #take(waiter: Waiter): void {
    this.#waiters.delete(waiter);
    if (waiter.call !== undefined) this.#byCall.delete(waiter.call);
    this.#bytes -= waiter.line.length + OVERHEAD;
  }
}
