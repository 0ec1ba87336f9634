// The pieces of a body as they come. Node's own iterator does the same, and is made of more: a listener for each way in which
// a stream may end, and promises for each piece.
import type { Readable } from 'node:stream';

/** Iterates over a body once. Who leaves early has it paused, and is to discard or destroy it. */
export function piecesOf(body: Readable): AsyncIterableIterator<Buffer, undefined> {
  return new Pieces(body);
}

type Next = PromiseWithResolvers<IteratorResult<Buffer, undefined>>;

const DONE = { value: undefined, done: true } as const;

class Pieces implements AsyncIterableIterator<Buffer, undefined> {
  readonly #body: Readable;
  /** What has come while nobody waited: the body is paused then. */
  readonly #waiting: Buffer[] = [];
  #next: Next | undefined;
  #hasEnded = false;
  #failure: Error | undefined;

  constructor(body: Readable) {
    this.#body = body;
    if (body.readableEnded) this.#hasEnded = true;
    else if (body.destroyed) this.#failure = body.errored ?? closed();
    else
      body.on('data', this.#came).on('end', this.#ended).on('error', this.#failed).on('close', this.#closed);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Buffer, undefined>> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const value = this.#waiting.shift();
    if (value !== undefined) {
      if (this.#waiting.length === 0 && !this.#hasEnded) this.#body.resume();
      return Promise.resolve({ value, done: false });
    }
    if (this.#hasEnded) return Promise.resolve(DONE);
    this.#next = Promise.withResolvers();
    return this.#next.promise;
  }

  return(): Promise<IteratorResult<Buffer, undefined>> {
    this.#leave();
    this.#body.pause();
    this.#hasEnded = true;
    this.#waiting.length = 0;
    return Promise.resolve(DONE);
  }

  readonly #came = (value: Buffer): void => {
    const next = this.#take();
    if (next !== undefined) {
      next.resolve({ value, done: false });
      return;
    }
    this.#waiting.push(value);
    this.#body.pause();
  };

  readonly #ended = (): void => {
    this.#hasEnded = true;
    this.#leave();
    this.#take()?.resolve(DONE);
  };

  readonly #failed = (error: Error): void => {
    this.#failure = error;
    this.#leave();
    this.#take()?.reject(error);
  };

  readonly #closed = (): void => this.#failed(this.#body.errored ?? closed());

  #take(): Next | undefined {
    const next = this.#next;
    this.#next = undefined;
    return next;
  }

  #leave(): void {
    this.#body
      .off('data', this.#came)
      .off('end', this.#ended)
      .off('error', this.#failed)
      .off('close', this.#closed);
  }
}

function closed(): Error {
  return new Error('the body was closed before its end');
}
