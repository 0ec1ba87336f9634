// The items of an OS keychain as `keychain.ts` uses them. Linux has the Secret Service (`secret-service-items.ts`);
// macOS and Windows have the keyring package (`keyring-items.ts`).
import type { ReadOptions, StoreState } from './store.ts';

/** An item's key: its attributes `service` and `username`. */
export interface ItemKey {
  readonly service: string;
  readonly username: string;
}

export interface KeychainItem {
  readonly username: string;
  /** `undefined`: its secret is not UTF-8 text. */
  readonly text: string | undefined;
  /** When it was last changed, in milliseconds since the epoch; `undefined` if the keychain does not tell. */
  readonly modified: () => Promise<number | undefined>;
}

/** Every method may throw the keychain's codes and `credential-misbound` for an ambiguous key. */
export interface KeychainItems extends AsyncDisposable {
  /** `undefined`: there is no item. */
  read(key: ItemKey, options: ReadOptions): Promise<KeychainItem | undefined>;
  /** Creates the item, or replaces its secret. */
  write(key: ItemKey, text: string, options: ReadOptions): Promise<void>;
  /** `false`: there was no item. */
  remove(key: ItemKey): Promise<boolean>;
  /** All items of a service. */
  list(service: string): Promise<KeychainItem[]>;
  /** Never prompts. */
  state(): Promise<StoreState>;
  /** As `Store.watch`, for the items of a service. */
  watch(service: string, listener: (username: string | undefined) => void): Promise<AsyncDisposable>;
}
