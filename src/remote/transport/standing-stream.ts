// The standing stream of a session: what the server has to say beside answers (2025-11-25, "Listening for Messages from the
// Server"). It is asked for again as long as the session lives; a server that has none is asked once.
import { setTimeout as delay } from 'node:timers/promises';
import type { HttpResponse } from '../http/client.ts';
import type { PipeParts } from '../pipe.ts';
import type { Flow } from './flow.ts';
import { followStream, isUnreachable, StreamGone } from './follow-stream.ts';
import type { Session } from './session.ts';
import type { SseEvent } from './sse.ts';

export interface StandingStreamParts {
  readonly parts: Pick<PipeParts, 'budgets' | 'log'>;
  readonly flow: Flow;
  readonly closing: AbortSignal;
  /** As `StreamParts.again`. */
  listen(session: Session, signal: AbortSignal, lastEventId: string): Promise<HttpResponse>;
  take(event: SseEvent): Promise<void>;
}

/** Milliseconds for which somebody may have to wait for the stream. */
const READY_TIME = 2000;
/** Milliseconds before a stream that a refusal has ended is asked for again. */
const REFUSAL_TIME = 10_000;

export class StandingStream {
  readonly #parts: StandingStreamParts;
  #ready: Promise<unknown> = Promise.resolve();
  /** It has ended, though the server has one: since when. */
  #refused: { readonly session: Session; readonly until: number } | undefined;

  constructor(parts: StandingStreamParts) {
    this.#parts = parts;
  }

  /** Settles when the stream is there, or will not be: what a call makes the server ask may come on it. */
  get ready(): Promise<unknown> {
    return this.#ready;
  }

  open(session: Session): void {
    const signal = AbortSignal.any([session.controller.signal, this.#parts.closing]);
    const first = this.#parts.listen(session, signal, '');
    this.#refused = undefined;
    this.#ready = Promise.race([first.catch(() => {}), delay(READY_TIME, undefined, { ref: false })]);
    void this.#follow(session, signal, first);
  }

  /** The server has answered a request: what it refused before it may not refuse now. */
  served(): void {
    if (this.#refused !== undefined && performance.now() > this.#refused.until)
      this.open(this.#refused.session);
  }

  async #follow(session: Session, signal: AbortSignal, first: Promise<HttpResponse>): Promise<void> {
    const { parts, flow, listen, take } = this.#parts;
    try {
      const response = await first.catch((error: unknown) => {
        if (!isUnreachable(error)) throw error;
        return undefined;
      });
      await followStream(response, {
        flow,
        limit: parts.budgets.line,
        signal,
        failures: Number.POSITIVE_INFINITY,
        endless: true,
        take: async (event) => {
          await take(event);
          return 'more';
        },
        again: (lastEventId) => listen(session, signal, lastEventId),
      });
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof StreamGone))
        this.#refused = { session, until: performance.now() + REFUSAL_TIME };
      parts.log.debug({ error: String(error) }, 'the standing stream of a remote server has ended');
    }
  }
}
