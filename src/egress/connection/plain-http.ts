// A connection with HTTP in the clear: the server's requests go through a guard, the host's answers come as they are.
import type { Socket } from 'node:net';
import { type Duplex, Transform, type TransformCallback } from 'node:stream';
import { BUDGETS } from '../budgets.ts';
import { type Guard, type UpgradeAnswer, UpgradeWatch } from '../http/request-guard.ts';
import type { GateTurns } from '../turns.ts';

export interface PlainHttpParts {
  /** Gives the connection to the host, once there is something to send. */
  readonly connect: () => Promise<Socket>;
  readonly guard: Guard;
  readonly turns: GateTurns;
  /** The host has sent something. */
  readonly onAnswer: () => void;
}

/**
 * Serves the sandbox's socket until both sides have ended. Rejects with what `connect` does, and with the guard's
 * `Denial`: the socket is then still open, and nothing of what it was thrown for has been sent.
 */
export async function servePlainHttp(
  inside: Duplex,
  { connect, guard, turns, onAnswer }: PlainHttpParts,
): Promise<void> {
  const requests = new GuardStream(guard, turns);
  inside.pipe(requests);
  try {
    if (!(await hasOutput(inside, requests))) return;
    await join(inside, requests, await connect(), onAnswer);
  } finally {
    inside.unpipe(requests);
  }
}

/** Waits until there is something to send. False where the server has ended before. */
function hasOutput(inside: Duplex, requests: GuardStream): Promise<boolean> {
  const { promise, resolve, reject } = Promise.withResolvers<boolean>();
  requests.once('readable', () => resolve(requests.readableLength > 0));
  requests.once('error', reject);
  inside.once('close', () => resolve(false));
  if (inside.destroyed) resolve(false);
  return promise;
}

function join(inside: Duplex, requests: GuardStream, outside: Socket, onAnswer: () => void): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const watch = new UpgradeWatch();
  outside.on('data', (chunk: Buffer) => {
    onAnswer();
    const answer = watch.push(chunk);
    if (answer !== undefined) requests.answered(answer);
  });
  const settle = (): void => {
    if (inside.destroyed && outside.destroyed) resolve();
  };
  // What is on its way to the host may still arrive there; what is on its way back has no reader.
  const onInsideClose = (): void => {
    outside.destroySoon();
    settle();
  };
  const onOutsideClose = (): void => {
    if (!outside.readableEnded) inside.destroy();
    requests.destroy();
    settle();
  };
  inside.once('close', onInsideClose);
  outside.once('close', onOutsideClose);
  requests.once('error', (error) => {
    inside.off('close', onInsideClose);
    outside.off('close', onOutsideClose);
    outside.unpipe(inside);
    outside.destroy();
    reject(error);
  });
  if (inside.destroyed) onInsideClose();
  requests.pipe(outside);
  outside.pipe(inside);
  return promise;
}

/** The guard as a stream, in slices, so that no other session waits for a long body. */
class GuardStream extends Transform {
  readonly #guard: Guard;
  readonly #turns: GateTurns;
  /** The host has answered before the request was complete. */
  #answer: UpgradeAnswer | undefined;
  #resume: (() => void) | undefined;

  constructor(guard: Guard, turns: GateTurns) {
    super();
    this.#guard = guard;
    this.#turns = turns;
  }

  answered(answer: UpgradeAnswer): void {
    this.#answer = answer;
    this.#resume?.();
  }

  override _transform(chunk: Buffer, _encoding: string, done: TransformCallback): void {
    const slice = chunk.subarray(0, BUDGETS.slice);
    const rest = chunk.subarray(slice.length);
    this.#turns.run(() => {
      try {
        for (const piece of this.#guard.push(slice)) this.push(piece);
        this.#next(() => {
          if (rest.length === 0) done();
          else this._transform(rest, _encoding, done);
        }, done);
      } catch (error) {
        done(error as Error);
      }
    });
  }

  /** Goes on, at once or when the host has answered. */
  #next(goOn: () => void, done: TransformCallback): void {
    if (!this.#guard.isWaiting) {
      goOn();
      return;
    }
    this.#resume = () => {
      if (this.#answer === undefined) return;
      this.#resume = undefined;
      try {
        for (const piece of this.#guard.answer(this.#answer)) this.push(piece);
        goOn();
      } catch (error) {
        done(error as Error);
      }
    };
    this.#resume();
  }
}
