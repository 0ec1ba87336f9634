// Waiting for what others wait for too: who gives up leaves it under way.
import { addAbortListener } from 'node:events';

/** Settles as `work` does, or rejects with the signal's reason once that aborts. */
export async function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  using _listener = addAbortListener(signal, () => aborted.reject(signal.reason));
  return await Promise.race([work, aborted.promise]);
}
