// All credentials, from stores and commands. Values are fetched when a session starts, and are not kept here, except
// the output of a command for its `ttl`. No store is opened before it is needed: a keychain that prompted for its
// password when the daemon starts would confuse its user.
//
// An open session watches its credentials (`watch`). For those, the listeners of `onRotation` also learn of values that
// another program changed and of values that expired; they always learn of changes made here.
import { WarderError } from '../errors.ts';
import type { Clock } from '../os/clock.ts';
import type { Log } from '../os/log.ts';
import type { CredentialSource, Delivery, ProfileCredential } from '../profile/credential.ts';
import type { Origin } from './source/origin.ts';
import { Values } from './source/values.ts';
import { CredentialWatch } from './source/watch.ts';
import type { CredentialMetadata, Store, StoreKind } from './store/store.ts';
import { type StoreOpeners, Stores, storeUnset } from './stores.ts';

/** A credential with its value, on the way to a server. */
export interface ResolvedCredential {
  readonly variable: string;
  readonly name: string;
  readonly deliver: Delivery;
  readonly value: string;
  /** Identifies the value without revealing anything of it; for the audit log. */
  readonly version: string;
}

/** How many open sessions restarted their server with the new value, and how many kept the old one. */
export interface RotationResult {
  readonly moved: number;
  readonly kept: number;
}

/** Called with the name of a credential that has a new value. */
export type RotationListener = (name: string) => Promise<RotationResult>;

export interface CredentialsParts {
  /** Creates each store when it is first needed, without any access to it yet. */
  readonly open: StoreOpeners;
  /** The store of credentials whose profile names none. */
  readonly chosen: StoreKind | undefined;
  /** Runs the command of the credential `name` and returns its output. Throws `credential-source`. */
  readonly runCommand: (name: string, command: readonly string[]) => Promise<string>;
  readonly clock: Clock;
  readonly log: Log;
}

export class Credentials implements AsyncDisposable {
  readonly #parts: CredentialsParts;
  readonly stores: Stores;
  readonly #values: Values;
  readonly #watch: CredentialWatch;
  readonly #listeners = new Set<RotationListener>();

  constructor(parts: CredentialsParts) {
    this.#parts = parts;
    const { open, chosen, runCommand, clock, log } = parts;
    this.stores = new Stores(open, chosen);
    const store = (kind: StoreKind): Store => this.stores.get(kind);
    this.#values = new Values({ store, onStoreUsed: () => this.stores.used(), runCommand, clock });
    this.#watch = new CredentialWatch({
      store,
      values: this.#values,
      onNewVersion: (name) => this.#notify(name),
      log,
    });
  }

  /**
   * Fetches the values for a session of a profile, in order. Throws the first error: a store's, `store-unset`,
   * `credential-missing`, `credential-source`; `credential-unfit` for a value that is empty or cannot be in a variable.
   */
  async resolve(profile: string, credentials: readonly ProfileCredential[]): Promise<ResolvedCredential[]> {
    const settled = await Promise.allSettled(
      credentials.map((credential) => this.#resolve(profile, credential)),
    );
    return settled.map((result) => {
      if (result.status === 'rejected') throw result.reason;
      return result.value;
    });
  }

  /** Whether to fetch values asks nobody for anything: each is in a store that is open, and that asks for no single one. */
  async asksNobody(credentials: readonly ProfileCredential[]): Promise<boolean> {
    const origins = new Set(credentials.map(({ from }) => this.#origin(from)));
    const states = await Promise.all(
      [...origins].map(async (origin) => {
        // The keychains of macOS and Windows may ask for each value.
        const mayAsk = origin === 'keychain' && process.platform !== 'linux';
        return (
          typeof origin === 'string' && !mayAsk && (await this.stores.get(origin).state()).state === 'ready'
        );
      }),
    );
    return states.every((isOpen) => isOpen);
  }

  /** Watches a session's credentials until disposed of. Call it before `resolve`, so that no change is missed. */
  watch(credentials: readonly ProfileCredential[]): Disposable {
    return this.#watch.watch(
      credentials.flatMap(({ name, from }) => {
        const origin = this.#origin(from);
        return origin === undefined ? [] : [{ name, origin }];
      }),
    );
  }

  /** Adds a listener for credentials that have a new value. The results of all listeners are added up. */
  onRotation(listener: RotationListener): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /**
   * Sets the value of a new or an existing credential, and calls the listeners. `from`: the store, if it is not the
   * chosen one. `onStored` is called once the store has the value, before the listeners.
   */
  async set(
    name: string,
    value: string,
    from?: StoreKind,
    onStored?: (version: string) => void,
  ): Promise<SetResult> {
    const store = this.stores.get(from);
    // A value that cannot be used exists; setting it again repairs it.
    const before = await store.get(name).catch(existsIfUnusable);
    return this.#write(store, name, value, before !== undefined, onStored);
  }

  /** Like `set`, for an existing credential. Throws `credential-missing`. */
  async rotate(
    name: string,
    value: string,
    from?: StoreKind,
    onStored?: (version: string) => void,
  ): Promise<SetResult> {
    const store = this.stores.get(from);
    const before = await store.get(name).catch(existsIfUnusable);
    if (before === undefined) throw missing(name, `set --name ${name}`);
    return this.#write(store, name, value, true, onStored);
  }

  /**
   * Replaces a value that a host has exchanged for another one, if the store still has it. Open sessions are told, which
   * nobody waits for. Returns the new version, or why there is none. Throws the store's codes.
   */
  async replace(name: string, from: CredentialSource, expected: string, value: string): Promise<Replaced> {
    const origin = this.#origin(from);
    if (origin === undefined) throw storeUnset();
    if (typeof origin !== 'string')
      return { version: undefined, superseded: false, reason: 'a command gives its value' };
    const store = this.stores.get(origin);
    const stored = await store.replace(name, expected, value);
    if (stored === undefined)
      return { version: undefined, superseded: true, reason: 'another value was set meanwhile' };
    this.#values.invalidate(name, origin);
    this.#watch.recordVersion({ name, origin }, stored.version);
    void this.#notify(name).catch((error: unknown) => {
      this.#parts.log.error(
        { credential: name, error: String(error) },
        'sessions were not told of a new value',
      );
    });
    return { version: stored.version };
  }

  /** Removes a value. Open sessions keep what they have. Throws `credential-missing`. */
  async remove(name: string, from?: StoreKind): Promise<StoreKind> {
    const store = this.stores.get(from);
    const removed = await store.remove(name);
    this.stores.used();
    if (!removed) throw missing(name);
    this.#watch.recordVersion({ name, origin: store.kind }, '');
    return store.kind;
  }

  /** All credentials of a store; of the chosen one without `kind`. */
  async list(kind?: StoreKind): Promise<CredentialMetadata[]> {
    const listed = await this.stores.get(kind).list();
    this.stores.used();
    return listed;
  }

  /** Adds a listener that is called whenever a store that may have been locked was just used, or chosen. */
  onOpened(listener: () => void): Disposable {
    return this.stores.onOpened(listener);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listeners.clear();
    this.#values[Symbol.dispose]();
    await this.#watch[Symbol.asyncDispose]();
    await this.stores[Symbol.asyncDispose]();
  }

  async #resolve(profile: string, credential: ProfileCredential): Promise<ResolvedCredential> {
    const { variable, name, from, deliver } = credential;
    const origin = this.#origin(from);
    if (origin === undefined) throw storeUnset();
    const fetched = await this.#values.fetch(name, origin);
    if (fetched === undefined) throw missing(name, `set ${profile} ${variable}`);
    const { value, version } = fetched;
    if (value === '') {
      throw new WarderError('credential-unfit', `the value of "${name}" is empty`, { hint: 'set it again' });
    }
    if ((deliver === 'env' || deliver === 'arg') && /[\0\r\n]/.test(value)) {
      throw new WarderError('credential-unfit', `the value of "${name}" has a line break or NUL in it`, {
        hint: `a variable or argument should not contain that: use "deliver: file" for ${variable}, or set a value without it`,
      });
    }
    this.#watch.recordVersion({ name, origin }, version);
    return { variable, name, deliver, value, version };
  }

  async #notify(name: string): Promise<RotationResult> {
    const all = await Promise.all([...this.#listeners].map((listener) => listener(name)));
    return {
      moved: all.reduce((sum, { moved }) => sum + moved, 0),
      kept: all.reduce((sum, { kept }) => sum + kept, 0),
    };
  }

  async #write(
    store: Store,
    name: string,
    value: string,
    replaced: boolean,
    onStored: ((version: string) => void) | undefined,
  ): Promise<SetResult> {
    const { version, updated } = await store.set(name, value);
    this.stores.used();
    onStored?.(version);
    this.#values.invalidate(name, store.kind);
    this.#watch.recordVersion({ name, origin: store.kind }, version);
    return { name, store: store.kind, version, updated, replaced, sessions: await this.#notify(name) };
  }

  #origin(from: CredentialSource): Origin | undefined {
    if (from === 'store') return this.stores.chosen;
    return typeof from === 'string' ? from : { command: from.command, ttl: from.ttl };
  }
}

/** The result of replacing a value. */
export type Replaced =
  | { readonly version: string }
  | {
      readonly version: undefined;
      /** The store has another value by now. */
      readonly superseded: boolean;
      readonly reason: string;
    };

/** The result of setting a value. */
export interface SetResult {
  readonly name: string;
  readonly store: StoreKind;
  readonly version: string;
  readonly updated: string | undefined;
  /** Whether it replaced a value. */
  readonly replaced: boolean;
  readonly sessions: RotationResult;
}

/** `command`: the arguments of `warder credential` that set it. */
function missing(name: string, command?: string): WarderError {
  const hint = command === undefined ? 'see "warder credential list"' : `run "warder credential ${command}"`;
  return new WarderError('credential-missing', `there is no credential "${name}"`, { hint });
}

/** Codes of a value that exists but cannot be used. */
const UNUSABLE = new Set<string>(['credential-misbound', 'credential-unfit', 'vault-damaged']);

/** True if a value exists but cannot be used. If the whole store is damaged, it will refuse the new value too. */
function existsIfUnusable(error: unknown): true {
  if (error instanceof WarderError && UNUSABLE.has(error.code)) return true;
  throw error;
}
