// The interface of credential stores. A store knows names and values, but no profiles or sessions. Each value is bound
// to its name: a value that was copied under another name is refused.

import type { VaultMark } from '../../audit/vault-mark.ts';

/** A kind of store, as `config/warder.yaml` names it. */
export type StoreKind = 'keychain' | 'vault';

/** A value from a store. */
export interface StoredValue {
  readonly value: string;
  /** Short, changes with the value, and reveals nothing of it. */
  readonly version: string;
  /** When it was set, RFC 3339; undefined if the store does not know. */
  readonly updated: string | undefined;
  /** Whether Warder set it, under this name. False: another program did. */
  readonly bound: boolean;
}

/** A stored credential without its value. */
export interface CredentialMetadata extends Omit<StoredValue, 'value'> {
  readonly name: string;
  /** Why the value cannot be used. */
  readonly problem: string | undefined;
}

/** Binary data that is not a credential, in a namespace of its own: keys, undo data. */
export interface Blobs {
  get(name: string, options?: ReadOptions): Promise<Buffer | undefined>;
  set(name: string, bytes: Uint8Array, options?: ReadOptions): Promise<void>;
  remove(name: string): Promise<boolean>;
}

/** Whether a store can be used. */
export interface StoreState {
  readonly state: 'ready' | 'locked' | 'unset' | 'unavailable';
  readonly detail?: string;
  readonly hint?: string;
}

/** Options of a read. */
export interface ReadOptions {
  /** Whether the store may ask its user to unlock it. If not, a locked store is an error at once. */
  readonly prompt: boolean;
}

/**
 * A store of values. Every call may throw the store's codes: `keychain-locked`, `keychain-dismissed`,
 * `keychain-unavailable`, `keychain-timeout`; `vault-locked`, `vault-key`, `vault-damaged`; and
 * `credential-misbound`, `credential-long`, `cannot-write`.
 */
export interface Store extends AsyncDisposable {
  readonly kind: StoreKind;
  /** Undefined: there is no value of this name. */
  get(name: string, options?: ReadOptions): Promise<StoredValue | undefined>;
  set(name: string, value: string): Promise<StoredValue>;
  /**
   * Like `set`, if the value is still the expected one; `undefined` otherwise. Does not ask to unlock the store: nobody
   * waits for it.
   */
  replace(name: string, expected: string, value: string): Promise<StoredValue | undefined>;
  /** False: there was no value. */
  remove(name: string): Promise<boolean>;
  list(): Promise<CredentialMetadata[]>;
  /** Never prompts. */
  state(): Promise<StoreState>;
  readonly blobs: Blobs;
  /** Of a vault: its state, for the audit log, so that an older file in its place is noticed by the next daemon. */
  readonly mark?: VaultMark | undefined;
  /**
   * Calls `listener` with the name of each value that any program changes, or with `undefined` if any value may have
   * changed; from when the promise settles until its result is disposed of. A store that cannot detect changes does
   * nothing.
   */
  watch(listener: (name: string | undefined) => void): Promise<AsyncDisposable>;
}
