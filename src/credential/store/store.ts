// Where credentials are kept. A store knows names and values, nothing of profiles or sessions. Each value is
// bound to its name: one that was copied under another name is refused.

/** A kind of store, as `config/warder.yaml` names it. */
export type StoreKind = 'keychain' | 'vault';

/** A value as a store gives it. */
export interface Stored {
  readonly value: string;
  /** Short, another one with each change, and says nothing of the value. */
  readonly version: string;
  /** When it was set, RFC 3339; undefined where the store cannot tell. */
  readonly updated: string | undefined;
  /** Set by Warder, under this name. False: another tool wrote it. */
  readonly bound: boolean;
}

/** A stored value without the value. */
export interface Listed extends Omit<Stored, 'value'> {
  readonly name: string;
  /** Why the value cannot be used. */
  readonly problem: string | undefined;
}

/** Data that is nobody's credential, under names of its own: keys, undo data. */
export interface Blobs {
  /** Options as for a store's `get`. */
  get(name: string, options?: { readonly ask: boolean }): Promise<Buffer | undefined>;
  set(name: string, bytes: Uint8Array): Promise<void>;
  remove(name: string): Promise<boolean>;
}

/** Whether a store can be used. Asking never makes the system ask a person. */
export interface StoreState {
  readonly state: 'ready' | 'locked' | 'unset' | 'unavailable';
  readonly detail?: string;
  readonly hint?: string;
}

/**
 * A place that keeps values. Every call may throw the store's codes: `keychain-locked`, `keychain-dismissed`,
 * `keychain-unavailable`, `keychain-timeout`; `vault-locked`, `vault-key`, `vault-damaged`; and
 * `credential-misbound`, `credential-long`, `cannot-write`.
 */
export interface Store extends AsyncDisposable {
  readonly kind: StoreKind;
  /** Undefined: there is none of this name. With `ask: false` nobody is asked to unlock what is locked. */
  get(name: string, options?: { readonly ask: boolean }): Promise<Stored | undefined>;
  set(name: string, value: string): Promise<Stored>;
  /** False: there was none. */
  remove(name: string): Promise<boolean>;
  list(): Promise<Listed[]>;
  state(): Promise<StoreState>;
  readonly blobs: Blobs;
  /**
   * Calls `listener` with the name of each value that changes, by whomever, or with `undefined` when any may
   * have changed; from when the promise settles until what it gives is disposed of. A store that cannot tell
   * of changes does nothing.
   */
  watch(listener: (name: string | undefined) => void): Promise<AsyncDisposable>;
}
