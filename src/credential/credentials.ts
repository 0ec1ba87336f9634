// All credentials, wherever they come from. Values are fetched when a session starts and handed over; none is
// kept here but what a command printed, for as long as its `ttl` says. No store is touched before somebody
// needs it: a keychain that asked for its password at the daemon's start would be asking out of nowhere.
//
// A session that goes on holds its credentials (`hold`). For what is held, changes made elsewhere and expired
// values are noticed and told, as changes made here always are.
import { WarderError } from '../errors.ts';
import type { Clock } from '../os/clock.ts';
import type { Log } from '../os/log.ts';
import type { Delivery, ProfileCredential, Source } from '../profile/format.ts';
import type { VaultKey } from '../profile/settings.ts';
import type { Check } from '../wire/control.ts';
import { fingerprints } from './fingerprint.ts';
import type { Listed, Store, Stored, StoreKind, StoreState } from './store.ts';
import type { Vault } from './vault.ts';

/** A credential with its value, on the way to a server. */
export interface Resolved {
  readonly variable: string;
  readonly name: string;
  readonly deliver: Delivery;
  readonly value: string;
  /** Says nothing of the value; for the audit log. */
  readonly version: string;
}

/** How the open sessions took a new value: with a new server, or not. */
export interface Moved {
  readonly moved: number;
  readonly kept: number;
}

/** Hears of a credential that changed, by name. */
export type ChangeListener = (name: string) => Promise<Moved>;

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

/** Where a value is from: a kind of store, or a command. */
type Origin = StoreKind | { readonly command: readonly string[]; readonly ttl: number | undefined };

/** What is held of one credential. */
interface Held {
  readonly name: string;
  readonly origin: Origin;
  count: number;
  /** The version that sessions have; empty once it was removed. */
  version: string | undefined;
  timer: NodeJS.Timeout | undefined;
}

/** What a command printed, until it is old. */
interface Printed {
  readonly value: string;
  readonly version: string;
  /** By the monotonic clock. */
  readonly until: number;
}

type Value = Pick<Stored, 'value' | 'version'>;

/** Signals come in bursts, and one change may be a removal and an addition. Milliseconds. */
const CALM = 100;
/** A command that failed when its value had expired is tried again after this at the latest. Milliseconds. */
const RETRY = 60_000;
/** The longest that a timer runs. */
const LONGEST_TIMER = 2 ** 31 - 1;

export class Credentials implements AsyncDisposable {
  readonly #parts: CredentialsParts;
  #chosen: StoreKind | undefined;
  readonly #stores: { keychain?: Store; vault?: Vault } = {};
  readonly #watches = new Map<StoreKind, Promise<AsyncDisposable>>();
  readonly #held = new Map<string, Held>();
  readonly #printed = new Map<string, Printed>();
  /** Fetches under way, by key. */
  readonly #fetching = new Map<string, Promise<Value>>();
  readonly #listeners = new Set<ChangeListener>();
  readonly #openings = new Set<() => void>();
  readonly #fingerprint = fingerprints();

  constructor(parts: CredentialsParts) {
    this.#parts = parts;
    this.#chosen = parts.chosen;
  }

  /**
   * The values for a session of a profile, in order. Throws the first failure: of the stores, `store-unset`,
   * `credential-missing`, `credential-source`; `credential-unfit` for one that is empty or no variable can hold.
   */
  async resolve(profile: string, credentials: readonly ProfileCredential[]): Promise<Resolved[]> {
    const settled = await Promise.allSettled(
      credentials.map((credential) => this.#resolve(profile, credential)),
    );
    return settled.map((one) => {
      if (one.status === 'rejected') throw one.reason;
      return one.value;
    });
  }

  /** Holds a session's credentials until disposed of. To come before `resolve`, so that no change is missed. */
  hold(credentials: readonly ProfileCredential[]): Disposable {
    const keys = new Set<string>();
    for (const { name, from } of credentials) {
      const origin = this.#origin(from);
      if (origin === undefined) continue;
      const key = keyOf(name, origin);
      if (keys.has(key)) continue;
      keys.add(key);
      const held = this.#held.get(key) ?? { name, origin, count: 0, version: undefined, timer: undefined };
      held.count++;
      this.#held.set(key, held);
      if (typeof origin === 'string') this.#watch(origin);
      else this.#expire(key, held);
    }
    return {
      [Symbol.dispose]: () => {
        for (const key of keys) this.#release(key);
        keys.clear();
      },
    };
  }

  /** Tells of each credential that has a new value. What the listeners did is added up. */
  onChange(listener: ChangeListener): Disposable {
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
  ): Promise<Changed> {
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
  ): Promise<Changed> {
    const store = this.store(from);
    const before = await store.get(name).catch(unlessSpoiled);
    if (before === undefined) throw missing(name, `set --name ${name}`);
    return this.#write(store, name, value, true, stored);
  }

  /** Removes a value. Open sessions keep what they have. Throws `credential-missing`. */
  async remove(name: string, from?: StoreKind): Promise<StoreKind> {
    const store = this.store(from);
    const removed = await store.remove(name);
    this.#opened();
    if (!removed) throw missing(name);
    const held = this.#held.get(keyOf(name, store.kind));
    if (held !== undefined) held.version = '';
    return store.kind;
  }

  /** All that a store has, the chosen one without `kind`. */
  async list(kind?: StoreKind): Promise<Listed[]> {
    const listed = await this.store(kind).list();
    this.#opened();
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
    this.#opened();
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
    this.#opened();
    if (before !== undefined && before !== this.#stores.vault) await before[Symbol.asyncDispose]();
  }

  /** Tells whenever a store that may have been locked has just been used, or chosen. */
  onOpened(listener: () => void): Disposable {
    this.#openings.add(listener);
    return { [Symbol.dispose]: () => void this.#openings.delete(listener) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { timer } of this.#held.values()) clearTimeout(timer);
    this.#held.clear();
    this.#printed.clear();
    this.#listeners.clear();
    this.#openings.clear();
    const watches = [...this.#watches.values()];
    this.#watches.clear();
    for (const watch of watches) await (await watch.catch(whatever))?.[Symbol.asyncDispose]();
    const { keychain, vault } = this.#stores;
    await Promise.all([keychain?.[Symbol.asyncDispose](), vault?.[Symbol.asyncDispose]()]);
  }

  async #resolve(profile: string, credential: ProfileCredential): Promise<Resolved> {
    const { variable, name, from, deliver } = credential;
    const origin = this.#origin(from);
    if (origin === undefined) throw unset();
    const key = keyOf(name, origin);
    const { value, version } = await this.#fetch(key, name, origin, `set ${profile} ${variable}`);
    if (value === '') {
      throw new WarderError('credential-unfit', `the value of "${name}" is empty`, { hint: 'set it again' });
    }
    if (deliver === 'env' && /[\0\r\n]/.test(value)) {
      throw new WarderError('credential-unfit', `the value of "${name}" has a line break or NUL in it`, {
        hint: `a variable should not hold that: say "deliver: file" for ${variable}, or set a value without`,
      });
    }
    const held = this.#held.get(key);
    if (held !== undefined) held.version = version;
    return { variable, name, deliver, value, version };
  }

  /** Fetches a value; whoever wants the same meanwhile gets the same. */
  #fetch(key: string, name: string, origin: Origin, cure: string): Promise<Value> {
    const running = this.#fetching.get(key);
    if (running !== undefined) return running;
    const fetching =
      typeof origin === 'string' ? this.#read(name, origin, cure) : this.#command(key, name, origin);
    this.#fetching.set(key, fetching);
    const done = (): void => {
      if (this.#fetching.get(key) === fetching) this.#fetching.delete(key);
    };
    fetching.then(done, done);
    return fetching;
  }

  async #read(name: string, kind: StoreKind, cure: string): Promise<Value> {
    const stored = await this.store(kind).get(name);
    this.#opened();
    if (stored === undefined) throw missing(name, cure);
    return stored;
  }

  async #command(key: string, name: string, { command, ttl }: Exclude<Origin, StoreKind>): Promise<Value> {
    const { clock, run } = this.#parts;
    const kept = this.#printed.get(key);
    if (kept !== undefined && clock.monotonic() < kept.until) return kept;
    this.#printed.delete(key);
    const value = await run(name, command);
    const printed = { value, version: this.#fingerprint(name, value), until: clock.monotonic() + (ttl ?? 0) };
    if (ttl !== undefined) this.#keep(key, printed, ttl);
    return printed;
  }

  /** Keeps what a command printed for its time; for what is held, another is fetched at its end. */
  #keep(key: string, printed: Printed, ttl: number): void {
    this.#printed.set(key, printed);
    const held = this.#held.get(key);
    if (held !== undefined) this.#expire(key, held);
    setTimeout(
      () => {
        if (this.#printed.get(key) === printed) this.#printed.delete(key);
      },
      Math.min(ttl, LONGEST_TIMER),
    ).unref();
  }

  /** Sees to a held command's value when its time is over, or after `wait` milliseconds. */
  #expire(key: string, held: Held, wait?: number): void {
    const { clock } = this.#parts;
    const printed = this.#printed.get(key);
    clearTimeout(held.timer);
    held.timer = undefined;
    const left = wait ?? (printed && printed.until - clock.monotonic());
    if (left === undefined) return;
    const renew = (): void => void this.#renew(key, held);
    held.timer = setTimeout(renew, Math.min(Math.max(left, 0), LONGEST_TIMER)).unref();
  }

  async #renew(key: string, held: Held): Promise<void> {
    const { name, origin } = held;
    if (typeof origin === 'string') return;
    // A timer may come a moment before its time.
    this.#printed.delete(key);
    try {
      const { version } = await this.#fetch(key, name, origin, '');
      await this.#compare(key, version);
    } catch (error) {
      this.#parts.log.warn(
        { credential: name, error: codeOf(error) },
        'cannot renew a credential that expired',
      );
      if (this.#held.get(key) === held) this.#expire(key, held, Math.min(origin.ttl ?? RETRY, RETRY));
    }
  }

  /** Tells of a held credential if it is another than the sessions have. One that was removed they keep. */
  async #compare(key: string, version = ''): Promise<void> {
    const held = this.#held.get(key);
    if (held === undefined || held.version === undefined || held.version === version) return;
    held.version = version;
    if (version !== '') await this.#tell(held.name);
  }

  async #tell(name: string): Promise<Moved> {
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
  ): Promise<Changed> {
    const { version, updated } = await store.set(name, value);
    this.#opened();
    stored?.(version);
    const key = keyOf(name, store.kind);
    // A fetch that is under way may bring the old value.
    this.#fetching.delete(key);
    const held = this.#held.get(key);
    if (held !== undefined) held.version = version;
    return { name, store: store.kind, version, updated, replaced, sessions: await this.#tell(name) };
  }

  #release(key: string): void {
    const held = this.#held.get(key);
    if (held === undefined || --held.count > 0) return;
    clearTimeout(held.timer);
    this.#held.delete(key);
    const { origin } = held;
    if (typeof origin !== 'string' || [...this.#held.values()].some((other) => other.origin === origin))
      return;
    const watch = this.#watches.get(origin);
    this.#watches.delete(origin);
    watch?.then((one) => one[Symbol.asyncDispose]()).catch(whatever);
  }

  /** Listens to a store's changes while any of its credentials is held. */
  #watch(kind: StoreKind): void {
    if (this.#watches.has(kind)) return;
    const changed = new Set<string>();
    const look = (): void => {
      for (const one of changed) void this.#look(one, kind);
      changed.clear();
    };
    const listener = (name: string | undefined): void => {
      const calm = changed.size === 0;
      for (const held of this.#held.values()) {
        if (held.origin === kind && (name === undefined || name === held.name)) changed.add(held.name);
      }
      if (calm && changed.size > 0) setTimeout(look, CALM).unref();
    };
    const watching = this.store(kind).watch(listener);
    this.#watches.set(kind, watching);
    // What changed between the first fetch and now; and a store that cannot be opened tells of it elsewhere.
    watching.then(() => listener(undefined), whatever);
  }

  /** Looks whether a held credential has changed. What is locked is left for later: nobody asked for it. */
  async #look(name: string, kind: StoreKind): Promise<void> {
    const { log } = this.#parts;
    try {
      const stored = await this.store(kind).get(name, { ask: false });
      if (stored === undefined) log.warn({ credential: name }, 'a credential of an open session was removed');
      await this.#compare(keyOf(name, kind), stored?.version);
    } catch (error) {
      log.warn({ credential: name, error: codeOf(error) }, 'cannot see whether a credential changed');
    }
  }

  #origin(from: Source): Origin | undefined {
    if (from === 'store') return this.#chosen;
    return typeof from === 'string' ? from : { command: from.command, ttl: from.ttl };
  }

  #vault(): Vault {
    this.#stores.vault ??= this.#parts.open.vault();
    return this.#stores.vault;
  }

  #opened(): void {
    for (const listener of [...this.#openings]) listener();
  }
}

/** What came of setting a value. */
export interface Changed {
  readonly name: string;
  readonly store: StoreKind;
  readonly version: string;
  readonly updated: string | undefined;
  /** There was one before. */
  readonly replaced: boolean;
  readonly sessions: Moved;
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

function keyOf(name: string, origin: Origin): string {
  return JSON.stringify([name, typeof origin === 'string' ? origin : [origin.command, origin.ttl]]);
}

function codeOf(error: unknown): string {
  return error instanceof WarderError ? error.code : String(error);
}

/** A value that cannot be used is there all the same. */
const SPOILED = new Set<string>(['credential-misbound', 'credential-unfit', 'vault-damaged']);

/** A value that cannot be used is there. A store that is damaged as a whole refuses the new one as well. */
function unlessSpoiled(error: unknown): true {
  if (error instanceof WarderError && SPOILED.has(error.code)) return true;
  throw error;
}

function whatever(): undefined {
  return undefined;
}
