// Who waits for the server to be ready: requests of the host that act, calls of the tool by which to sign in, and the relay
// before it lists. All wait for one sign-in.
import { WarderError } from '../../errors.ts';
import type { HostDialog } from '../../relay/consent.ts';
import type { Authorizer } from '../authorizer.ts';
import type { RemoteMessage } from '../pipe.ts';
import { inWords } from './sign-in-tool.ts';

const LEFT = new WarderError('sign-in-needed', 'nobody waits for the sign-in any more');

/** Someone who waits until the server can be asked, or is told why it cannot be. */
interface Waiter {
  done(problem: WarderError | undefined): void;
  /** What it waits for. */
  waits(text: string): void;
  /** The dialog of the host that is there for it. */
  readonly dialog: HostDialog | undefined;
}

export interface SignInWaitParts {
  readonly authorizer: Authorizer;
  /** A request waits, and what for; undefined: it waits no longer. */
  readonly waiting: (id: number, text: string | undefined) => void;
  /** Runs what a promise leads to. */
  readonly run: (turn: () => void) => void;
}

export class SignInWait {
  readonly #parts: SignInWaitParts;
  #held: RemoteMessage[] = [];
  #bytes = 0;
  readonly #waiters = new Set<Waiter>();
  /** Those that are calls of the tool by which to sign in, by their ids. */
  readonly #calls = new Map<number, Waiter>();
  #signingIn: AbortController | undefined;

  constructor(parts: SignInWaitParts) {
    this.#parts = parts;
  }

  /** Bytes of the requests that wait. */
  get bytes(): number {
    return this.#bytes;
  }

  get isSigningIn(): boolean {
    return this.#signingIn !== undefined;
  }

  get hasWaiters(): boolean {
    return this.#waiters.size > 0;
  }

  hold(message: RemoteMessage): void {
    this.#held.push(message);
    this.#bytes += message.json.length;
  }

  /** Someone waits, until `signal` is aborted. Settles with why the server cannot be asked; never rejects. */
  wait(
    waits: Waiter['waits'],
    signal: AbortSignal,
    dialog: HostDialog | undefined,
  ): Promise<string | undefined> {
    const { promise, resolve } = Promise.withResolvers<string | undefined>();
    const waiter: Waiter = {
      done: (problem) => {
        signal.removeEventListener('abort', leave);
        resolve(problem && inWords(problem));
      },
      waits,
      dialog,
    };
    const leave = (): void =>
      this.#parts.run(() => {
        if (this.#remove(waiter)) waiter.done(LEFT);
      });
    signal.addEventListener('abort', leave, { once: true });
    this.#waiters.add(waiter);
    if (signal.aborted) leave();
    return promise;
  }

  /** A call of the tool by which to sign in waits. */
  addCall(id: number, done: Waiter['done']): void {
    const { waiting } = this.#parts;
    const waiter: Waiter = {
      done: (problem) => {
        this.#calls.delete(id);
        waiting(id, undefined);
        done(problem);
      },
      waits: (text) => waiting(id, text),
      dialog: undefined,
    };
    this.#calls.set(id, waiter);
    this.#waiters.add(waiter);
  }

  /** The host takes a request back. False: it does not wait. */
  cancel(id: number): boolean {
    const call = this.#calls.get(id);
    if (call !== undefined) {
      this.#calls.delete(id);
      return this.#remove(call);
    }
    const left = this.#held.filter((held) => held.id !== id);
    if (left.length === this.#held.length) return false;
    this.#held = left;
    this.#bytes = left.reduce((sum, { json }) => sum + json.length, 0);
    this.#leave();
    return true;
  }

  /** Has a person sign in; `done` is called with how that went, unless nobody waits any more. */
  signIn(done: (outcome: 'ready' | WarderError) => void): void {
    if (this.#signingIn !== undefined) return;
    const { authorizer, run, waiting } = this.#parts;
    const controller = new AbortController();
    this.#signingIn = controller;
    const [dialog] = [...this.#waiters].flatMap((waiter) => waiter.dialog ?? []);
    const waits = (text: string): void =>
      run(() => {
        for (const { id } of this.#held) if (id !== undefined) waiting(id, text);
        for (const waiter of this.#waiters) waiter.waits(text);
      });
    void authorizer.signIn({ call: '', signal: controller.signal, waits, dialog }).then((outcome) =>
      run(() => {
        if (this.#signingIn !== controller) return;
        this.#signingIn = undefined;
        done(outcome);
      }),
    );
  }

  /** Those that wait, who do so no more. */
  takeWaiters(): Waiter[] {
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    return waiters;
  }

  /** The requests that wait, which do so no more. */
  takeHeld(): RemoteMessage[] {
    const held = this.#held;
    this.#held = [];
    this.#bytes = 0;
    for (const { id } of held) if (id !== undefined) this.#parts.waiting(id, undefined);
    return held;
  }

  /** Nobody is asked any more. */
  close(): void {
    this.#signingIn?.abort();
    this.#signingIn = undefined;
  }

  /** One waits no longer. False: it did not. */
  #remove(waiter: Waiter): boolean {
    if (!this.#waiters.delete(waiter)) return false;
    this.#leave();
    return true;
  }

  #leave(): void {
    if (this.#held.length === 0 && this.#waiters.size === 0) this.close();
  }
}
