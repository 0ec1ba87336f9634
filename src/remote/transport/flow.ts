// The flow of messages from the server: stopped while the host does not keep up.

export class Flow {
  #resumed: PromiseWithResolvers<void> | undefined;

  pause(paused: boolean): void {
    if (paused) this.#resumed ??= Promise.withResolvers();
    else {
      this.#resumed?.resolve();
      this.#resumed = undefined;
    }
  }

  get isPaused(): boolean {
    return this.#resumed !== undefined;
  }

  /** Resolves while the flow is not stopped. */
  async ready(): Promise<void> {
    while (this.#resumed !== undefined) await this.#resumed.promise;
  }
}
