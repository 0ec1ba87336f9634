// Requests that wait for a person behind the server's side, which may have to sign in: the host is told so now and then, if
// it has asked for progress.
import type { Calls } from '../calls.ts';
import { type ProgressParts, reportProgress } from '../progress.ts';

export interface UpstreamWaitsOptions extends ProgressParts {
  readonly calls: Calls;
}

interface Waiting {
  readonly timer: NodeJS.Timeout;
  readonly text: string;
}

export class UpstreamWaits {
  readonly #options: UpstreamWaitsOptions;
  readonly #waiting = new Map<number, Waiting>();

  constructor(options: UpstreamWaitsOptions) {
    this.#options = options;
  }

  /** A request with that id towards the server waits, as the text says; `undefined`: it waits no longer. */
  waiting(id: number, text: string | undefined): void {
    const known = this.#waiting.get(id);
    if (known?.text === text) return;
    // What it waits for now is told at once.
    if (known !== undefined) this.#end(id, known.timer);
    const call = this.#options.calls.sent(id);
    if (text === undefined || call?.progressToken === undefined) return;
    const { toHost, resume } = this.#options;
    const later = (report: () => void): void => {
      // It may have been answered or taken back meanwhile, and the session may be over.
      if (call.state === 'sent') resume(report);
      else this.#end(id, timer);
    };
    const timer = reportProgress({ toHost, resume: later }, call.progressToken, () => text);
    this.#waiting.set(id, { timer, text });
  }

  #end(id: number, timer: NodeJS.Timeout): void {
    clearInterval(timer);
    this.#waiting.delete(id);
  }
}
