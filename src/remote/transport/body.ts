// The bodies of the server's responses: one JSON text, or a stream of events.
import type { Readable } from 'node:stream';
import type { HttpResponse } from '../http/client.ts';
import type { Flow } from './flow.ts';
import { Gathering } from './gathering.ts';
import { piecesOf } from './pieces.ts';
import type { SseEvent, SseParser } from './sse.ts';

/** Milliseconds for the end of a body of which nothing is wanted any more: then its connection can be used again. */
const DISCARD_TIME = 1000;

/** `application/json`, `text/event-stream`, or whatever the server says; empty where it says nothing. */
export function mediaType({ headers }: HttpResponse): string {
  return (headers.get('content-type') ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
}

/** Whether an answer is a stream of events that began well. */
export function isEventStream(response: HttpResponse): boolean {
  return response.status === 200 && mediaType(response) === 'text/event-stream';
}

/** The whole body; the number of bytes so far where it is over the limit. */
export async function readWhole(body: Readable, limit: number, flow?: Flow): Promise<Buffer | number> {
  const whole = new Gathering(limit);
  for await (const piece of piecesOf(body)) {
    if (flow?.isPaused === true) await flow.ready();
    const length = whole.length + piece.length;
    if (length > limit) {
      body.destroy();
      return length;
    }
    whole.add(piece);
  }
  return whole.take();
}

/** The events of a body, while the flow is not stopped. What is left when the caller stops is to be discarded. */
export async function* readEvents(
  body: Readable,
  parser: SseParser,
  flow: Flow,
): AsyncGenerator<SseEvent, void> {
  for await (const piece of piecesOf(body)) {
    for (const event of parser.push(piece)) {
      if (flow.isPaused) await flow.ready();
      yield event;
    }
  }
}

/** Waits a little for the end of a body, so that its connection stays of use, then destroys it. */
export function discard(body: Readable): void {
  if (body.readableEnded || body.destroyed) return;
  const timer = setTimeout(() => body.destroy(), DISCARD_TIME);
  body.once('close', () => clearTimeout(timer));
  body.on('error', () => {});
  body.resume();
}
