// A stream of events of the session era, which may break and be asked for again: after the time that the server said, from the
// event on that was last seen (2025-11-25, "Resumability and Redelivery"). Each failure in a row doubles the wait.
import { setTimeout as delay } from 'node:timers/promises';
import { WarderError } from '../../errors.ts';
import type { HttpResponse } from '../http/client.ts';
import { discard, readEvents } from './body.ts';
import type { Flow } from './flow.ts';
import { type SseEvent, SseParser } from './sse.ts';

export interface StreamParts {
  readonly flow: Flow;
  /** The most bytes of an event. */
  readonly limit: number;
  readonly signal: AbortSignal;
  /** Takes an event; `done`: no more is wanted. */
  take(event: SseEvent): Promise<'more' | 'done'>;
  /** Asks for the stream again, from an event on; empty: from now on. Throws `StreamGone` where there is none. */
  again(lastEventId: string): Promise<HttpResponse>;
  /** Failures in a row after which it is given up. */
  readonly failures: number;
  /** It can be asked for again also where no event had an id. */
  readonly endless: boolean;
}

/** The server has no such stream: there is no use in asking again. */
export class StreamGone extends Error {
  override readonly name = 'StreamGone';
}

/** Milliseconds: the wait where the server says none, the shortest, and the longest. */
const WAIT = 1000;
const MIN_WAIT = 100;
const MAX_WAIT = 60_000;
const MAX_RETRY = 600_000;
const JITTER = 0.2;
/** Milliseconds that an endless stream lives at least; one that ends before has failed, whatever came on it. */
const LIFE = 5000;

/** Milliseconds before a stream is asked for again, after so many failures in a row. */
export function waitBeforeRetry(retry: number | undefined, failures: number, random = Math.random()): number {
  const backOff = failures === 0 ? 0 : Math.min(MAX_WAIT, WAIT * 2 ** (failures - 1));
  const wait = Math.max(Math.min(retry ?? WAIT, MAX_RETRY), backOff, MIN_WAIT);
  return wait + wait * JITTER * random;
}

/**
 * Follows a stream; `first` is undefined where it could not be reached yet. `lost`: it is over, and not done. Rejects with the
 * signal's reason, or a WarderError.
 */
export async function followStream(
  first: HttpResponse | undefined,
  parts: StreamParts,
): Promise<'done' | 'lost'> {
  const { flow, limit, signal, endless } = parts;
  let lastEventId = '';
  let retry: number | undefined;
  let failures = 0;
  for (let response = first; ; ) {
    let seen = false;
    const since = performance.now();
    if (response !== undefined) {
      const parser = new SseParser(limit);
      const { body } = response;
      try {
        for await (const event of readEvents(body, parser, flow)) {
          seen = true;
          if ((await parts.take(event)) === 'more') continue;
          discard(body);
          return 'done';
        }
      } catch (error) {
        body.destroy();
        signal.throwIfAborted();
        if (error instanceof WarderError) throw error;
      }
      lastEventId = parser.lastEventId || lastEventId;
      retry = parser.retry ?? retry;
    }
    if (lastEventId === '' && !endless) return 'lost';
    const lived = performance.now() - since;
    failures = seen && (!endless || lived > LIFE) ? 0 : failures + 1;
    if (failures > parts.failures) return 'lost';
    await delay(waitBeforeRetry(retry, failures), undefined, { signal });
    response = undefined;
    try {
      response = await parts.again(lastEventId);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof StreamGone) return 'lost';
      if (!isUnreachable(error)) throw error;
    }
  }
}

/** The network or the server has failed: it may not the next time. */
export function isUnreachable(error: unknown): boolean {
  return error instanceof WarderError && error.code === 'remote-unreachable';
}
