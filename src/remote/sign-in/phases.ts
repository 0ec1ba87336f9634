// How far a sign-in is, and who is told.

export type Phase = 'planning' | 'asking' | 'waiting' | 'done' | 'failed';

export class Phases {
  readonly #listeners = new Set<() => void>();
  #phase: Phase = 'planning';

  get phase(): Phase {
    return this.#phase;
  }

  get isOver(): boolean {
    return this.#phase === 'done' || this.#phase === 'failed';
  }

  /** Goes on; what is over stays so. */
  enter(phase: Phase): void {
    if (this.isOver) return;
    this.#phase = phase;
    this.notify();
  }

  onChange(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /** Something else than the phase has changed. */
  notify(): void {
    for (const listener of [...this.#listeners]) listener();
  }

  /** Settles once the phase is another than `seen`, or after `ms`. */
  async changed(seen: string, ms?: number): Promise<undefined> {
    if (this.#phase !== seen) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    using _listener = this.onChange(() => {
      if (this.#phase !== seen) resolve();
    });
    const timer = ms === undefined ? undefined : setTimeout(resolve, ms);
    await promise;
    clearTimeout(timer);
  }
}
