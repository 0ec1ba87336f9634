// Waiting for one event of a socket, and no longer than a signal allows.
import type { Socket } from 'node:net';

/**
 * Waits for an event; rejects with the socket's error, or when it ends or closes first, or has done so already. Leaves no
 * listener behind.
 */
export function until(socket: Socket, event: 'connect' | 'secureConnect' | 'readable'): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const ended = (): void => reject(new Error('the connection was ended'));
  // An end may come in the same breath as the bytes before it, when nobody waits.
  if (socket.readableEnded || socket.destroyed) ended();
  const listeners = [
    [event, () => resolve()],
    ['error', reject],
    ['end', ended],
    ['close', ended],
  ] as const;
  for (const [name, listener] of listeners) socket.on(name, listener);
  return promise.finally(() => {
    for (const [name, listener] of listeners) socket.off(name, listener);
  });
}

/** What `work` gives, or the signal's reason as soon as there is one; `work` then goes on unheard. */
export function before<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const stop = (): void => reject(signal.reason);
  if (signal.aborted) stop();
  signal.addEventListener('abort', stop, { once: true });
  work.then(resolve, reject);
  return promise.finally(() => signal.removeEventListener('abort', stop));
}
