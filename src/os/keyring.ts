// The keychain's values, through a process of their own (`src/keyring.ts` says why). It is started when a
// call is made, stays for a while since calls come in bursts, and is killed when one of its calls hangs. Such
// a process gets no further calls; the others that it has may still end in their own time.
import { type ChildProcess, fork } from 'node:child_process';
import { WarderError } from '../errors.ts';

/** What the process is asked. */
export type KeyringRequest = { readonly id: number; readonly service: string } & (
  | { readonly verb: 'get' | 'remove'; readonly account: string }
  | { readonly verb: 'set'; readonly account: string; readonly value: string }
  | { readonly verb: 'list' }
);

/** What it answers. `error` is the keyring package's message; it never holds a value. */
export interface KeyringReply {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: string;
}

/** An error of the keyring package, by its message. */
export class KeyringError extends Error {}

export interface KeyringParts {
  /** The program's file. */
  readonly program: string;
  /** How long the process stays without a call, in milliseconds. */
  readonly idle: number;
}

interface Call {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

interface Helper {
  readonly child: ChildProcess;
  /** What it was started with: another environment needs another process. */
  readonly key: string;
  readonly calls: Map<number, Call>;
  readonly gone: Promise<void>;
  idle: NodeJS.Timeout | undefined;
}

/** Calls of the keyring package. */
export class Keyring implements AsyncDisposable {
  readonly #parts: KeyringParts;
  #current: Helper | undefined;
  readonly #all = new Set<Helper>();
  #next = 0;

  constructor(parts: KeyringParts) {
    this.#parts = parts;
  }

  /** A value, or `undefined`. Each call throws `KeyringError`, or `keychain-timeout` after `timeout` ms. */
  async get(service: string, account: string, env: Env, timeout: number): Promise<string | undefined> {
    const result = await this.#call({ verb: 'get', service, account }, env, timeout);
    return typeof result === 'string' ? result : undefined;
  }

  async set(service: string, account: string, value: string, env: Env, timeout: number): Promise<void> {
    await this.#call({ verb: 'set', service, account, value }, env, timeout);
  }

  /** `false`: there was none. */
  async remove(service: string, account: string, env: Env, timeout: number): Promise<boolean> {
    return (await this.#call({ verb: 'remove', service, account }, env, timeout)) === true;
  }

  /** All of a service. */
  async list(service: string, env: Env, timeout: number): Promise<{ account: string; password: string }[]> {
    const result = await this.#call({ verb: 'list', service }, env, timeout);
    return Array.isArray(result) ? result : [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#all].map(end));
  }

  #call(request: Request, env: Env, timeout: number): Promise<unknown> {
    const helper = this.#helper(env);
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      clearTimeout(helper.idle);
      const timer = setTimeout(() => {
        if (this.#current === helper) this.#current = undefined;
        helper.calls.delete(id);
        if (helper.calls.size === 0) void end(helper);
        reject(
          new WarderError('keychain-timeout', `the keychain has not answered within ${timeout / 1000} s`, {
            hint: 'look whether it waits for you in a window, else log out and in again',
          }),
        );
      }, timeout);
      helper.calls.set(id, { resolve, reject, timer });
      helper.child.send({ id, ...request }, (error) => {
        if (error) this.#settle(helper, { id, error: 'the keyring program cannot be reached' });
      });
    });
  }

  #helper(env: Env): Helper {
    const key = JSON.stringify(env);
    if (this.#current?.key === key) return this.#current;
    const child = fork(this.#parts.program, [], {
      env: { ...env },
      execArgv: [],
      // Its own group: what ends the terminal's programs is for the daemon to hear first.
      detached: true,
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      serialization: 'json',
    });
    const { promise: gone, resolve } = Promise.withResolvers<void>();
    const helper: Helper = { child, key, calls: new Map(), gone, idle: undefined };
    const over = (): void => {
      if (this.#current === helper) this.#current = undefined;
      this.#all.delete(helper);
      for (const id of [...helper.calls.keys()]) {
        this.#settle(helper, { id, error: 'the keyring program has ended' });
      }
      clearTimeout(helper.idle);
      resolve();
    };
    child.on('message', (message: KeyringReply) => this.#settle(helper, message));
    child.once('error', over);
    child.once('exit', over);
    this.#current = helper;
    this.#all.add(helper);
    return helper;
  }

  #settle(helper: Helper, { id, result, error }: KeyringReply): void {
    const call = helper.calls.get(id);
    if (call === undefined) return;
    helper.calls.delete(id);
    clearTimeout(call.timer);
    if (error === undefined) call.resolve(result);
    else call.reject(new KeyringError(error));
    if (helper.calls.size > 0) return;
    // One that was left because it hangs has no more use; the current one may soon be wanted again.
    if (this.#current !== helper) void end(helper);
    else helper.idle = setTimeout(() => this.#retire(helper), this.#parts.idle).unref();
  }

  #retire(helper: Helper): void {
    if (helper.calls.size > 0) return;
    if (this.#current === helper) this.#current = undefined;
    void end(helper);
  }
}

/** A whole environment. */
type Env = Readonly<Record<string, string>>;
type Request = KeyringRequest extends infer R ? (R extends KeyringRequest ? Omit<R, 'id'> : never) : never;

/** Ends the process. It holds nothing that an orderly end would save. */
async function end({ child, gone }: Helper): Promise<void> {
  child.kill('SIGKILL');
  await gone;
}
