// The keychain of Linux: items of the Secret Service. An item is searched first, and unlocked if it must be, so that a
// locked keychain is never mistaken for an empty one.
import { WarderError } from '../../errors.ts';
import type { Clock } from '../../os/clock.ts';
import type { ItemChange, SecretService, TimeLimit } from '../../os/secret-service.ts';
import { ambiguous, noCollection } from './keychain-error.ts';
import type { ItemKey, KeychainItem, KeychainItems } from './keychain-items.ts';
import type { ReadOptions, StoreState } from './store.ts';

/** The time limit of `state`, in milliseconds: a user is waiting for it. */
const STATE_TIMEOUT = 3000;
/** The delays before a new attempt to connect to the bus, in milliseconds: the first and the longest. */
const RETRY = [1000, 30_000] as const;

export interface SecretServiceItemsParts {
  readonly service: SecretService;
  /** How long a call may take, in milliseconds; the time in which a user answers a prompt does not count. */
  readonly timeout: number;
  readonly clock: Clock;
}

interface Limit extends TimeLimit {
  /** Starts again, after a user has answered a prompt. */
  restart(): void;
}

export class SecretServiceItems implements KeychainItems {
  readonly #parts: SecretServiceItemsParts;

  constructor(parts: SecretServiceItemsParts) {
    this.#parts = parts;
  }

  async read(key: ItemKey, { prompt }: ReadOptions): Promise<KeychainItem | undefined> {
    const limit = this.#limit();
    const path = await this.#locate(key, prompt, limit);
    return path === undefined ? undefined : await this.#item(key.username, path, limit);
  }

  async write(key: ItemKey, text: string, { prompt }: ReadOptions): Promise<void> {
    const { service } = this.#parts;
    const limit = this.#limit();
    const path = await this.#locate(key, prompt, limit);
    const secret = Buffer.from(text);
    try {
      if (path !== undefined && (await service.write(path, secret, limit))) return;
      const collection = await service.collection(limit);
      if (collection === undefined) throw noCollection();
      // The label that items of earlier versions have.
      const label = `keyring:${key.username}@${key.service}`;
      const item = { label, attributes: { ...key }, secret };
      await service.create(collection.path, item, { prompt, limit });
    } finally {
      secret.fill(0);
    }
  }

  async remove(key: ItemKey): Promise<boolean> {
    const limit = this.#limit();
    const path = await this.#locate(key, true, limit);
    return path !== undefined && (await this.#parts.service.remove(path, limit));
  }

  async list(name: string): Promise<KeychainItem[]> {
    const { service } = this.#parts;
    const limit = this.#limit();
    let found = await service.search({ service: name }, limit);
    // Some services do not search in locked collections.
    const nothing = found.unlocked.length + found.locked.length === 0;
    const collection = nothing ? await service.collection(limit) : undefined;
    const locked = collection?.locked === true ? [collection.path] : found.locked;
    if (locked.length > 0) {
      await service.unlock(locked, limit);
      limit.restart();
      found = await service.search({ service: name }, limit);
      if (found.locked.length > 0) throw stillLocked();
    }
    const items = await Promise.all(
      found.unlocked.map(async (path) => {
        const { username } = await service.attributes(path, limit);
        return typeof username === 'string' && username !== ''
          ? await this.#item(username, path, limit)
          : undefined;
      }),
    );
    return items.filter((item) => item !== undefined);
  }

  async state(): Promise<StoreState> {
    const { service, timeout } = this.#parts;
    try {
      const collection = await service.collection(this.#limit(Math.min(timeout, STATE_TIMEOUT)));
      if (collection === undefined) return { state: 'unavailable', ...described(noCollection()) };
      return collection.locked ? { state: 'locked', detail: 'the keychain is locked' } : { state: 'ready' };
    } catch (error) {
      if (error instanceof WarderError) return { state: 'unavailable', ...described(error) };
      throw error;
    }
  }

  async watch(service: string, listener: (username: string | undefined) => void): Promise<AsyncDisposable> {
    const ending = new AbortController();
    const started = Promise.withResolvers<void>();
    const running = this.#watch(service, listener, started.resolve, ending.signal);
    await started.promise;
    return {
      async [Symbol.asyncDispose]() {
        ending.abort();
        await running;
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.service[Symbol.asyncDispose]();
  }

  /** Listens until aborted, and reconnects when the bus is lost. Calls `started` after the first attempt. */
  async #watch(
    service: string,
    listener: (username: string | undefined) => void,
    started: () => void,
    ending: AbortSignal,
  ): Promise<void> {
    const [firstDelay, longestDelay] = RETRY;
    let reconnected = false;
    const ended = new Promise<void>((resolve) => ending.addEventListener('abort', () => resolve()));
    for (let delay: number = firstDelay; !ending.aborted; ) {
      try {
        const lost = Promise.withResolvers<void>();
        const onChange = (change: ItemChange): void => void this.#report(service, change, listener);
        await using _watch = await this.#parts.service.watch(onChange, lost.resolve);
        delay = firstDelay;
        started();
        // Any item may have changed while nobody listened.
        if (reconnected) listener(undefined);
        await Promise.race([lost.promise, ended]);
      } catch {
        // The next attempt may succeed; until then open sessions do not learn of changes by other programs.
      }
      started();
      reconnected = true;
      if (ending.aborted) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, delay).unref();
      await Promise.race([promise, ended]);
      clearTimeout(timer);
      delay = Math.min(delay * 2, longestDelay);
    }
  }

  /** Reports a change by the item's username, if the item is one of the service's. */
  async #report(
    name: string,
    { path }: ItemChange,
    listener: (username: string | undefined) => void,
  ): Promise<void> {
    if (path === undefined) return listener(undefined);
    try {
      const { service, username } = await this.#parts.service.attributes(path, this.#limit());
      if (service === name && typeof username === 'string') listener(username);
    } catch {
      listener(undefined);
    }
  }

  async #item(username: string, path: string, limit: Limit): Promise<KeychainItem | undefined> {
    const { service } = this.#parts;
    const secret = await service.read(path, limit);
    if (secret === undefined) return undefined;
    const text = decodeText(secret);
    secret.fill(0);
    return { username, text, modified: () => service.modified(path, limit) };
  }

  /** The path of an item, unlocked; `undefined` if there is none. */
  async #locate(key: ItemKey, prompt: boolean, limit: Limit): Promise<string | undefined> {
    const { service } = this.#parts;
    const search = async (): Promise<{ path: string; locked: boolean } | undefined> => {
      const { unlocked, locked } = await service.search({ ...key }, limit);
      const [path] = [...unlocked, ...locked];
      if (unlocked.length + locked.length > 1) throw ambiguous(key.username);
      return path === undefined ? undefined : { path, locked: locked.length > 0 };
    };
    const unlock = async (path: string): Promise<void> => {
      if (!prompt) throw stillLocked();
      await service.unlock([path], limit);
      limit.restart();
    };
    const found = await search();
    if (found === undefined) {
      // Some services do not search in locked collections.
      const collection = await service.collection(limit);
      if (collection === undefined || !collection.locked) return undefined;
      await unlock(collection.path);
      return (await search())?.path;
    }
    if (found.locked) await unlock(found.path);
    return found.path;
  }

  #limit(timeout = this.#parts.timeout): Limit {
    const { clock } = this.#parts;
    let end = clock.monotonic() + timeout;
    return {
      left: () => Math.max(1, end - clock.monotonic()),
      restart() {
        end = clock.monotonic() + timeout;
      },
    };
  }
}

function stillLocked(): WarderError {
  return new WarderError('keychain-locked', 'the keychain is locked');
}

function decodeText(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function described({ message, hint }: WarderError): { detail: string; hint?: string } {
  return hint === undefined ? { detail: message } : { detail: message, hint };
}
