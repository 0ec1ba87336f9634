// Waits for one event of a socket, for no longer than a signal allows.
import type { Socket } from 'node:net';

/**
 * Waits for an event. Rejects with the socket's error, or if the socket ends or closes first or has done so already.
 * Leaves no listener behind.
 */
export function waitForEvent(socket: Socket, event: 'connect' | 'secureConnect' | 'readable'): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onEnd = (): void => reject(new Error('the connection was ended'));
  // The end may arrive together with the bytes before it, at a moment when nobody waits.
  if (socket.readableEnded || socket.destroyed) onEnd();
  const listeners = [
    [event, () => resolve()],
    ['error', reject],
    ['end', onEnd],
    ['close', onEnd],
  ] as const;
  for (const [name, listener] of listeners) socket.on(name, listener);
  return promise.finally(() => {
    for (const [name, listener] of listeners) socket.off(name, listener);
  });
}

/**
 * Settles as `work` does, or rejects with the signal's reason once it aborts; the outcome of `work` is then ignored.
 */
export function abortable<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const onAbort = (): void => reject(signal.reason);
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  work.then(resolve, reject);
  return promise.finally(() => signal.removeEventListener('abort', onAbort));
}
