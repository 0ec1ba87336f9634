/** Settles when a question is withdrawn. */
export function untilWithdrawn(signal: AbortSignal): Promise<'withdrawn'> {
  if (signal.aborted) return Promise.resolve('withdrawn');
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve('withdrawn'), { once: true });
  });
}
