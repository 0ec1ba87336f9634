// All credentials, wherever they come from. Values are fetched when a session starts and handed over; none is
// kept here but what a command printed, for as long as its `ttl` says. No store is touched before somebody
// needs it: a keychain that asked for its password at the daemon's start would be asking out of nowhere.
//
// A session that goes on holds its credentials (`hold`). For what is held, changes made elsewhere and expired
// values are noticed and told, as changes made here always are.
import { WarderError } from '../errors.ts';
import type { Clock } from '../os/clock.ts';
import type { Log } from '../os/log.ts';
import type { CredentialSource, Delivery, ProfileCredential } from '../profile/format.ts';
import type { VaultKey } from '../profile/settings.ts';
import type { Check } from '../wire/control.ts';
import type { Origin } from './source/origin.ts';
import { Values } from './source/values.ts';
import { Holding } from './source/watch.ts';
import type { Listed, Store, StoreKind, StoreState } from './store/store.ts';
import type { Vault } from './store/vault.ts';

/** A credential with its value, on the way to a server. */
export interface ResolvedCredential {
  readonly variable: string;
  readonly name: string;
  readonly deliver: Delivery;
  readonly value: string;
  /** Says nothing of the value; for the audit log. */
  readonly version: string;
}

/** How the open sessions took a new value: with a new server, or not. */
export interface RotationResult {
  readonly moved: number;
  readonly kept: number;
}

/** Hears of a credential that changed, by name. */
export type RotationListener = (name: string) => Promise<RotationResult>;

export interface CredentialsParts {
  /** Makes each store, when it is first needed. Touches nothing yet. */
  readonly open: {
    readonly keychain: () => Store;
    /** With the key that the settings name, or another. */
    readonly vault: (key?: VaultKey) => Vault;
  };
  /** The store that credentials are in where their profile names none. */
  readonly chosen: StoreKind | undefined;
  /** Runs a credential's command and gives what it printed, for `name`. Throws `credential-source`. */
  readonly run: (name: string, command: readonly string[]) => Promise<string>;
  readonly clock: Clock;
  readonly log: Log;
}

export class Credentials implements AsyncDisposable {
  readonly #parts: CredentialsParts;
  #chosen: StoreKind | undefined;
  readonly #stores: { keychain?: Store; vault?: Vault } = {};
  readonly #values: Values;
  readonly #holding: Holding;
  readonly #listeners = new Set<RotationListener>();
  readonly #openings = new Set<() => void>();

  constructor(parts: CredentialsParts) {
    this.#parts = parts;
    this.#chosen = parts.chosen;
    const { run, clock, log } = parts;
    const store = (kind: StoreKind): Store => this.store(kind);
    this.#values = new Values({ store, used: () => this.#used(), run, clock });
    this.#holding = new Holding({ store, values: this.#values, tell: (name) => this.#tell(name), log });
  }

  /**
   * The values for a session of a profile, in order. Throws the first failure: of the stores, `store-unset`,
   * `credential-missing`, `credential-source`; `credential-unfit` for one that is empty or no variable can hold.
   */
  async resolve(profile: string, credentials: readonly ProfileCredential[]): Promise<ResolvedCredential[]> {
    const settled = await Promise.allSettled(
      credentials.map((credential) => this.#resolve(profile, credential)),
    );
    return settled.map((one) => {
      if (one.status === 'rejected') throw one.reason;
      return one.value;
    });
  }

  /** Holds a session's credentials until disposed of. To come before `resolve`, so that no change is missed. */
  watch(credentials: readonly ProfileCredential[]): Disposable {
    return this.#holding.hold(
      credentials.flatMap(({ name, from }) => {
        const origin = this.#origin(from);
        return origin === undefined ? [] : [{ name, origin }];
      }),
    );
  }

  /** Tells of each credential that has a new value. What the listeners did is added up. */
  onRotation(listener: RotationListener): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /**
   * Sets a value, new or not, and tells of it. `from`: the store, where it is not the chosen one. `stored` is
   * called when the store has it, before anybody is told.
   */
  async set(
    name: string,
    value: string,
    from?: StoreKind,
    stored?: (version: string) => void,
  ): Promise<SetResult> {
    const store = this.store(from);
    // One that cannot be used is there, and setting it anew is the cure.
    const before = await store.get(name).catch(unlessSpoiled);
    return this.#write(store, name, value, before !== undefined, stored);
  }

  /** As `set`, for a credential that is there. Throws `credential-missing`. */
  async rotate(
    name: string,
    value: string,
    from?: StoreKind,
    stored?: (version: string) => void,
  ): Promise<SetResult> {
    const store = this.store(from);
    const before = await store.get(name).catch(unlessSpoiled);
    if (before === undefined) throw missing(name, `set --name ${name}`);
    return this.#write(store, name, value, true, stored);
  }

  /** Removes a value. Open sessions keep what they have. Throws `credential-missing`. */
  async remove(name: string, from?: StoreKind): Promise<StoreKind> {
    const store = this.store(from);
    const removed = await store.remove(name);
    this.#used();
    if (!removed) throw missing(name);
    this.#holding.has({ name, origin: store.kind }, '');
    return store.kind;
  }

  /** All that a store has, the chosen one without `kind`. */
  async list(kind?: StoreKind): Promise<Listed[]> {
    const listed = await this.store(kind).list();
    this.#used();
    return listed;
  }

  /** The chosen store's kind. */
  get chosen(): StoreKind | undefined {
    return this.#chosen;
  }

  /** The state of the chosen store, or of one kind. Asks nobody and never throws. */
  async state(kind = this.#chosen): Promise<StoreState & { readonly kind: StoreKind | null }> {
    if (kind === undefined) return { kind: null, state: 'unset', detail: 'no store is chosen', hint: INIT };
    return { kind, ...(await this.store(kind).state()) };
  }

  /** What `doctor` says of the store. */
  async checks(): Promise<Check[]> {
    const { kind, state, detail, hint } = await this.state();
    const what = kind ?? 'none';
    return [
      {
        name: 'credential store',
        state: state === 'ready' ? 'ok' : state === 'unavailable' ? 'fail' : 'warn',
        detail: detail === undefined ? what : `${what}: ${detail}`,
        ...(hint !== undefined && { hint }),
      },
    ];
  }

  /** The store of a kind, the chosen one without. Throws `store-unset`. */
  store(kind: StoreKind | undefined = this.#chosen): Store {
    if (kind === 'vault') return this.#vault();
    if (kind !== 'keychain') throw unset();
    this.#stores.keychain ??= this.#parts.open.keychain();
    return this.#stores.keychain;
  }

  /** Opens the vault. Throws `vault-key`, `vault-damaged`, `store-unset`. */
  async unlock(passphrase: string): Promise<void> {
    await this.#vault().unlock(passphrase);
    this.#used();
  }

  /** A vault with another key than the settings name, to be set up and chosen. Touches nothing yet. */
  newVault(key: VaultKey): Vault {
    return this.#parts.open.vault(key);
  }

  /** Takes a store that was just set up as the chosen one. A vault that was open before is let go. */
  async choose(store: { readonly kind: 'keychain' } | Vault): Promise<void> {
    const before = this.#stores.vault;
    if (store.kind === 'vault') this.#stores.vault = store;
    this.#chosen = store.kind;
    this.#used();
    if (before !== undefined && before !== this.#stores.vault) await before[Symbol.asyncDispose]();
  }

  /** Tells whenever a store that may have been locked has just been used, or chosen. */
  onOpened(listener: () => void): Disposable {
    this.#openings.add(listener);
    return { [Symbol.dispose]: () => void this.#openings.delete(listener) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listeners.clear();
    this.#openings.clear();
    this.#values[Symbol.dispose]();
    await this.#holding[Symbol.asyncDispose]();
    const { keychain, vault } = this.#stores;
    await Promise.all([keychain?.[Symbol.asyncDispose](), vault?.[Symbol.asyncDispose]()]);
  }

  async #resolve(profile: string, credential: ProfileCredential): Promise<ResolvedCredential> {
    const { variable, name, from, deliver } = credential;
    const origin = this.#origin(from);
    if (origin === undefined) throw unset();
    const fetched = await this.#values.fetch(name, origin);
    if (fetched === undefined) throw missing(name, `set ${profile} ${variable}`);
    const { value, version } = fetched;
    if (value === '') {
      throw new WarderError('credential-unfit', `the value of "${name}" is empty`, { hint: 'set it again' });
    }
    if (deliver === 'env' && /[\0\r\n]/.test(value)) {
      throw new WarderError('credential-unfit', `the value of "${name}" has a line break or NUL in it`, {
        hint: `a variable should not hold that: say "deliver: file" for ${variable}, or set a value without`,
      });
    }
    this.#holding.has({ name, origin }, version);
    return { variable, name, deliver, value, version };
  }

  async #tell(name: string): Promise<RotationResult> {
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
    stored: ((version: string) => void) | undefined,
  ): Promise<SetResult> {
    const { version, updated } = await store.set(name, value);
    this.#used();
    stored?.(version);
    this.#values.forget(name, store.kind);
    this.#holding.has({ name, origin: store.kind }, version);
    return { name, store: store.kind, version, updated, replaced, sessions: await this.#tell(name) };
  }

  #origin(from: CredentialSource): Origin | undefined {
    if (from === 'store') return this.#chosen;
    return typeof from === 'string' ? from : { command: from.command, ttl: from.ttl };
  }

  #vault(): Vault {
    this.#stores.vault ??= this.#parts.open.vault();
    return this.#stores.vault;
  }

  #used(): void {
    for (const listener of [...this.#openings]) listener();
  }
}

/** What came of setting a value. */
export interface SetResult {
  readonly name: string;
  readonly store: StoreKind;
  readonly version: string;
  readonly updated: string | undefined;
  /** There was one before. */
  readonly replaced: boolean;
  readonly sessions: RotationResult;
}

const INIT = 'run "warder init"';

function unset(): WarderError {
  return new WarderError('store-unset', 'no credential store is set up', { hint: INIT });
}

/** `cure`: the words of `warder credential` that would help. */
function missing(name: string, cure?: string): WarderError {
  const hint = cure === undefined ? 'see "warder credential list"' : `run "warder credential ${cure}"`;
  return new WarderError('credential-missing', `there is no credential "${name}"`, { hint });
}

/** A value that cannot be used is there all the same. */
const SPOILED = new Set<string>(['credential-misbound', 'credential-unfit', 'vault-damaged']);

/** A value that cannot be used is there. A store that is damaged as a whole refuses the new one as well. */
function unlessSpoiled(error: unknown): true {
  if (error instanceof WarderError && SPOILED.has(error.code)) return true;
  throw error;
}
