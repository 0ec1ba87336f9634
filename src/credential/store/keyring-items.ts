// The keychains of macOS and Windows, by the keyring package in a process of its own (`os/keyring.ts`). The system itself
// asks its user to unlock the keychain. It reports no changes and no times.
import { type Keyring, KeyringError } from '../../os/keyring.ts';
import { fromKeyringError } from './keychain-error.ts';
import type { ItemKey, KeychainItem, KeychainItems } from './keychain-items.ts';
import type { StoreState } from './store.ts';

export interface KeyringItemsParts {
  readonly keyring: Keyring;
  /** The environment of the keyring package. */
  readonly env: Readonly<Record<string, string>>;
  /** How long a call may take, in milliseconds. */
  readonly timeout: number;
}

export class KeyringItems implements KeychainItems {
  readonly #parts: KeyringItemsParts;

  constructor(parts: KeyringItemsParts) {
    this.#parts = parts;
  }

  async read({ service, username }: ItemKey): Promise<KeychainItem | undefined> {
    const { keyring, env, timeout } = this.#parts;
    const text = await call(() => keyring.get(service, username, env, timeout), username);
    return text === undefined ? undefined : item(username, text);
  }

  async write({ service, username }: ItemKey, text: string): Promise<void> {
    const { keyring, env, timeout } = this.#parts;
    await call(() => keyring.set(service, username, text, env, timeout), username);
  }

  remove({ service, username }: ItemKey): Promise<boolean> {
    const { keyring, env, timeout } = this.#parts;
    return call(() => keyring.remove(service, username, env, timeout), username);
  }

  async list(service: string): Promise<KeychainItem[]> {
    const { keyring, env, timeout } = this.#parts;
    const found = await call(() => keyring.list(service, env, timeout), service);
    return found
      .filter(({ account }) => account !== '')
      .map(({ account, password }) => item(account, password));
  }

  async state(): Promise<StoreState> {
    return { state: 'ready' };
  }

  async watch(): Promise<AsyncDisposable> {
    return { async [Symbol.asyncDispose]() {} };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.keyring[Symbol.asyncDispose]();
  }
}

function item(username: string, text: string): KeychainItem {
  return { username, text, modified: async () => undefined };
}

async function call<T>(work: () => Promise<T>, name: string): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof KeyringError ? fromKeyringError(error, name) : error;
  }
}
