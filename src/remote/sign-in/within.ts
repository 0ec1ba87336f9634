// A step of a sign-in that takes its time: until a person has done something, for so long, and not after its end.
import { addAbortListener } from 'node:events';
import type { WarderError } from '../../errors.ts';

/** Settles as `work` does, or rejects with `late` after `ms`, or with the reason of `over`; then work's signal aborts. */
export async function within<T>(
  ms: number,
  { late, over }: { readonly late: WarderError; readonly over: AbortSignal },
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const ending = new AbortController();
  const timer = setTimeout(() => ending.abort(late), ms);
  const signal = AbortSignal.any([over, ending.signal]);
  const { promise: ended, reject } = Promise.withResolvers<never>();
  using _listener = addAbortListener(signal, () => reject(signal.reason));
  try {
    return await Promise.race([work(signal), ended]);
  } finally {
    clearTimeout(timer);
    ending.abort(late);
  }
}
