// The keychain of macOS and Windows, called in a process of its own (`src/keyring.ts` gives the reason). The process is
// started for a call, stays for a while since calls come in bursts, and is killed when a call hangs. It then gets no
// further calls; those that it has already may still complete.
import { type ChildProcess, fork } from 'node:child_process';
import { WarderError } from '../errors.ts';

/** A request to the process. */
export type KeyringRequest = { readonly id: number; readonly service: string } & (
  | { readonly verb: 'get' | 'remove'; readonly account: string }
  | { readonly verb: 'set'; readonly account: string; readonly value: string }
  | { readonly verb: 'list' }
);

/** Its reply. `error` is the message of the keyring package; it never contains a value. */
export interface KeyringReply {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: string;
}

/** An error of the keyring package, with its message. */
export class KeyringError extends Error {}

export interface KeyringParts {
  /** The file of the program. */
  readonly program: string;
  /** How long the process stays without a call, in milliseconds. */
  readonly idle: number;
}

interface PendingCall {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

interface KeyringProcess {
  readonly child: ChildProcess;
  /** Its environment: a call with another one needs another process. */
  readonly key: string;
  readonly calls: Map<number, PendingCall>;
  readonly exited: Promise<void>;
  idle: NodeJS.Timeout | undefined;
}

/** A client of the keyring process. */
export class Keyring implements AsyncDisposable {
  readonly #parts: KeyringParts;
  #current: KeyringProcess | undefined;
  readonly #all = new Set<KeyringProcess>();
  #nextId = 0;

  constructor(parts: KeyringParts) {
    this.#parts = parts;
  }

  /** A value, or `undefined`. Every call throws `KeyringError`, or `keychain-timeout` after `timeout` ms. */
  async get(service: string, account: string, env: Env, timeout: number): Promise<string | undefined> {
    const result = await this.#call({ verb: 'get', service, account }, env, timeout);
    return typeof result === 'string' ? result : undefined;
  }

  async set(service: string, account: string, value: string, env: Env, timeout: number): Promise<void> {
    await this.#call({ verb: 'set', service, account, value }, env, timeout);
  }

  /** `false`: there was no value. */
  async remove(service: string, account: string, env: Env, timeout: number): Promise<boolean> {
    return (await this.#call({ verb: 'remove', service, account }, env, timeout)) === true;
  }

  /** All entries of a service. */
  async list(service: string, env: Env, timeout: number): Promise<{ account: string; password: string }[]> {
    const result = await this.#call({ verb: 'list', service }, env, timeout);
    return Array.isArray(result) ? result : [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#all].map(kill));
  }

  #call(request: Request, env: Env, timeout: number): Promise<unknown> {
    const running = this.#start(env);
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      clearTimeout(running.idle);
      const timer = setTimeout(() => {
        if (this.#current === running) this.#current = undefined;
        running.calls.delete(id);
        if (running.calls.size === 0) void kill(running);
        reject(
          new WarderError('keychain-timeout', `the keychain has not answered within ${timeout / 1000} s`, {
            hint: 'check whether it waits for you in a window, else log out and in again',
          }),
        );
      }, timeout);
      running.calls.set(id, { resolve, reject, timer });
      running.child.send({ id, ...request }, (error) => {
        if (error) this.#settle(running, { id, error: 'the keyring program cannot be reached' });
      });
    });
  }

  #start(env: Env): KeyringProcess {
    const key = JSON.stringify(env);
    if (this.#current?.key === key) return this.#current;
    const child = fork(this.#parts.program, [], {
      env: { ...env },
      // SIGUSR1 opens no inspector.
      execArgv: ['--disable-sigusr1'],
      // In its own process group, so that a signal from the terminal reaches only the daemon.
      detached: true,
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      serialization: 'json',
    });
    const { promise: exited, resolve } = Promise.withResolvers<void>();
    const running: KeyringProcess = { child, key, calls: new Map(), exited, idle: undefined };
    const onExit = (): void => {
      if (this.#current === running) this.#current = undefined;
      this.#all.delete(running);
      for (const id of [...running.calls.keys()]) {
        this.#settle(running, { id, error: 'the keyring program has ended' });
      }
      clearTimeout(running.idle);
      resolve();
    };
    child.on('message', (message: KeyringReply) => this.#settle(running, message));
    child.once('error', onExit);
    child.once('exit', onExit);
    this.#current = running;
    this.#all.add(running);
    return running;
  }

  #settle(running: KeyringProcess, { id, result, error }: KeyringReply): void {
    const call = running.calls.get(id);
    if (call === undefined) return;
    running.calls.delete(id);
    clearTimeout(call.timer);
    if (error === undefined) call.resolve(result);
    else call.reject(new KeyringError(error));
    if (running.calls.size > 0) return;
    // A process that was replaced because a call hangs is not needed any more; the current one may be needed soon.
    if (this.#current !== running) void kill(running);
    else running.idle = setTimeout(() => this.#retire(running), this.#parts.idle).unref();
  }

  #retire(running: KeyringProcess): void {
    if (running.calls.size > 0) return;
    if (this.#current === running) this.#current = undefined;
    void kill(running);
  }
}

/** A whole environment. */
type Env = Readonly<Record<string, string>>;
type Request = KeyringRequest extends infer R ? (R extends KeyringRequest ? Omit<R, 'id'> : never) : never;

/** Kills the process. It has no state to save. */
async function kill({ child, exited }: KeyringProcess): Promise<void> {
  child.kill('SIGKILL');
  await exited;
}
