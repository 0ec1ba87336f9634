// The stores of credentials: which one is chosen, and each opened when it is first needed.
import type { VaultMark } from '../audit/vault-mark.ts';
import { WarderError } from '../errors.ts';
import type { VaultKey } from '../profile/settings.ts';
import type { Check } from '../wire/control.ts';
import type { Inheritance } from '../wire/hello.ts';
import type { Store, StoreKind, StoreState } from './store/store.ts';
import type { Vault } from './store/vault.ts';

/** Creates each store, without any access to it yet. */
export interface StoreOpeners {
  readonly keychain: () => Store;
  /** With the key of the settings, or with another one. */
  readonly vault: (key?: VaultKey) => Vault;
}

const INIT_HINT = 'run "warder init"';

export class Stores implements AsyncDisposable {
  readonly #open: StoreOpeners;
  #chosen: StoreKind | undefined;
  #keychain: Store | undefined;
  #vault: Vault | undefined;
  readonly #listeners = new Set<() => void>();

  constructor(open: StoreOpeners, chosen: StoreKind | undefined) {
    this.#open = open;
    this.#chosen = chosen;
  }

  /** The chosen store's kind. */
  get chosen(): StoreKind | undefined {
    return this.#chosen;
  }

  /** The store of a kind; the chosen one without `kind`. Throws `store-unset`. */
  get(kind: StoreKind | undefined = this.#chosen): Store {
    if (kind === 'vault') return this.#openVault();
    if (kind !== 'keychain') throw storeUnset();
    this.#keychain ??= this.#open.keychain();
    return this.#keychain;
  }

  /** The state of the chosen store, or of the store of a kind. Never prompts and never throws. */
  async state(kind = this.#chosen): Promise<StoreState & { readonly kind: StoreKind | null }> {
    if (kind === undefined)
      return { kind: null, state: 'unset', detail: 'no store is chosen', hint: INIT_HINT };
    return { kind, ...(await this.get(kind).state()) };
  }

  /** The checks of `doctor` for the store. */
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

  /** Opens the vault. Throws `vault-key`, `vault-damaged`, `store-unset`. */
  async unlock(passphrase: string): Promise<void> {
    await this.#openVault().unlock(passphrase);
    this.used();
  }

  /** What the next daemon gets, so that a passphrase need not be given again; `undefined` if none was given. */
  inheritance(): Inheritance | undefined {
    const vault = this.#vault?.passOn();
    return vault && { vault };
  }

  /** Opens the vault with what an older daemon passed on. */
  inherit({ vault }: Inheritance): void {
    this.#openVault().inherit(vault);
  }

  /** The state of the vault, if it was used, for the audit log. */
  get vaultMark(): VaultMark | undefined {
    return this.#vault?.mark;
  }

  /** A vault with another key than the one in the settings, to be set up and chosen. Does not access it yet. */
  newVault(key: VaultKey): Vault {
    return this.#open.vault(key);
  }

  /** Makes a store that was just set up the chosen one. Closes the vault that was open before. */
  async choose(store: { readonly kind: 'keychain' } | Vault): Promise<void> {
    const before = this.#vault;
    if (store.kind === 'vault') this.#vault = store;
    this.#chosen = store.kind;
    this.used();
    if (before !== undefined && before !== this.#vault) await before[Symbol.asyncDispose]();
  }

  /** Adds a listener that is called whenever a store that may have been locked was just used, or chosen. */
  onOpened(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /** A store that may have been locked was just used. */
  used(): void {
    for (const listener of [...this.#listeners]) listener();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listeners.clear();
    await Promise.all([this.#keychain?.[Symbol.asyncDispose](), this.#vault?.[Symbol.asyncDispose]()]);
  }

  #openVault(): Vault {
    this.#vault ??= this.#open.vault();
    return this.#vault;
  }
}

export function storeUnset(): WarderError {
  return new WarderError('store-unset', 'no credential store is set up', { hint: INIT_HINT });
}
