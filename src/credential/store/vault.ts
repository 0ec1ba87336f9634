// The vault: credentials in one encrypted file, for machines without a keychain. Its format is in `vault-file.ts`, its
// key in `vault-key.ts`; `vault-storage.ts` has it on the disk, and `rollback-guard.ts` notices that it was replaced.
//
// What it protects: an attacker who can read the file learns names, times and lengths, but no value. An attacker who can
// write it cannot change, rename, swap, add, remove or roll back an entry without being detected. A whole older file in its
// place is refused by the daemon that has seen a newer one, and by the next, which knows the vault's counter and digest
// from the audit log. What it does not protect: an older file together with a log of that time opens as an older vault; and
// an attacker who can read the daemon's memory has its keys and values. Every call reads the file again, one at a time; a
// change has the file's lock, since two daemons may live.
import { randomBytes } from 'node:crypto';
import type { VaultMark } from '../../audit/vault-mark.ts';
import { WarderError } from '../../errors.ts';
import type { Clock } from '../../os/clock.ts';
import type { Inheritance } from '../../wire/hello.ts';
import { RollbackGuard } from './rollback-guard.ts';
import type { Blobs, CredentialMetadata, Store, StoredValue, StoreState } from './store.ts';
import {
  type Cost,
  create,
  type Entry,
  type EntryKind,
  findEntry,
  type Keys,
  openEntry,
  readEntries,
  unwrap,
  type VaultFile,
  withEntry,
  withoutEntry,
} from './vault-file.ts';
import {
  createKeyFile,
  deriveWrappingKey,
  type KeySource,
  newKeyDerivation,
  readKeyBytes,
} from './vault-key.ts';
import { VaultStorage } from './vault-storage.ts';

/** The dependencies of a vault: its file, and the source of its key. */
export interface VaultParts extends KeySource {
  /** Absolute path of the vault's file. */
  readonly file: string;
  readonly clock: Clock;
  /** The vault's state as the audit log has it. Called once, when the vault is first opened. */
  readonly expected?: () => Promise<Required<VaultMark> | undefined>;
  /** scrypt's parameters for a new vault. */
  readonly cost?: Cost;
}

/** A vault as a store. */
export interface Vault extends Store {
  readonly kind: 'vault';
  /**
   * Creates the vault, or opens an existing one as `unlock` does. A missing key file is created only for a new vault;
   * then its path is returned. Throws `usage` if the passphrase is missing.
   */
  create(passphrase?: string): Promise<string | undefined>;
  /** Opens a vault that has a passphrase. Throws `vault-key` for a wrong one, `store-unset`, `vault-damaged`. */
  unlock(passphrase: string): Promise<void>;
  /** Takes the file as it is, also if it is older than the one that was there: its user restored it. */
  accept(): void;
  /** The keys of a vault that a passphrase opened, for the next daemon; `undefined` if it is not open, or needs none. */
  passOn(): Inheritance['vault'] | undefined;
  /** Opens a vault with keys that another daemon passed on, if they are the file's. */
  inherit(vault: Inheritance['vault']): void;
}

const VALUE_LIMIT = 64 * 1024;
const BLOB_LIMIT = 4 * 2 ** 20;

/** Does not access the file yet: the first call does. */
export function openVault(parts: VaultParts): Vault {
  return new FileVault(parts);
}

/** A decrypted and verified file. */
interface OpenedVault {
  readonly content: VaultFile;
  readonly keys: Keys;
  readonly all: ReadonlyMap<string, Entry>;
}

class FileVault implements Vault {
  readonly kind = 'vault';
  readonly blobs: Blobs;
  readonly #parts: VaultParts;
  readonly #storage: VaultStorage;
  readonly #guard: RollbackGuard;
  /** The keys, and the `sum` of the file that they belong to. */
  #unlocked: { readonly sum: string; readonly keys: Keys } | undefined;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(parts: VaultParts) {
    this.#parts = parts;
    this.#storage = new VaultStorage(parts.file);
    this.#guard = new RollbackGuard(parts.expected);
    this.blobs = {
      get: (name) => this.#enqueue(async () => readValue(await this.#open(), 'blob', name)),
      set: (name, bytes) =>
        this.#enqueue(async () => void (await this.#set('blob', name, bytes, BLOB_LIMIT))),
      remove: (name) => this.#enqueue(() => this.#remove('blob', name)),
    };
  }

  create(passphrase?: string): Promise<string | undefined> {
    return this.#enqueue(async () => {
      const { key, home, cost } = this.#parts;
      const existing = await this.#storage.read();
      if (existing !== undefined) {
        await this.#unlock(existing, passphrase);
        return undefined;
      }
      const createdKeyFile =
        typeof key === 'object' && 'file' in key ? createKeyFile(key.file, home) : undefined;
      const derivation = newKeyDerivation(key === 'passphrase' ? 'passphrase' : 'bytes', cost);
      const { content, keys } = create(
        derivation,
        await deriveWrappingKey(derivation, await this.#secret(passphrase)),
      );
      this.#storage.create(content);
      this.accept();
      this.#keepKeys(content, keys);
      return createdKeyFile;
    });
  }

  unlock(passphrase: string): Promise<void> {
    return this.#enqueue(async () => this.#unlock(await this.#storage.readExisting(), passphrase));
  }

  get(name: string): Promise<StoredValue | undefined> {
    return this.#enqueue(async () => {
      const opened = await this.#open();
      const bytes = readValue(opened, 'credential', name);
      const indexed = findEntry(opened.all, 'credential', name)?.indexed;
      if (bytes === undefined || indexed === undefined) return undefined;
      const { version, updated } = indexed;
      return { value: bytes.toString('utf8'), version, updated, bound: true };
    });
  }

  set(name: string, text: string): Promise<StoredValue> {
    return this.#enqueue(() => this.#setText(name, text));
  }

  replace(name: string, expected: string, text: string): Promise<StoredValue | undefined> {
    return this.#enqueue(async () => {
      const bytes = readValue(await this.#open(), 'credential', name);
      return bytes?.toString('utf8') === expected ? this.#setText(name, text) : undefined;
    });
  }

  remove(name: string): Promise<boolean> {
    return this.#enqueue(() => this.#remove('credential', name));
  }

  list(): Promise<CredentialMetadata[]> {
    return this.#enqueue(async () => {
      const opened = await this.#open();
      return [...opened.all.values()]
        .filter(({ kind }) => kind === 'credential')
        .map(({ name, indexed }) => ({
          name,
          version: indexed?.version ?? '',
          updated: indexed?.updated,
          bound: true,
          problem: problemOf(() => readValue(opened, 'credential', name)),
        }))
        .sort((a, b) => (a.name < b.name ? -1 : 1));
    });
  }

  state(): Promise<StoreState> {
    return this.#enqueue(async () => {
      try {
        await this.#open();
        return { state: 'ready' };
      } catch (error) {
        if (!(error instanceof WarderError)) throw error;
        const state = STATES[error.code] ?? 'unavailable';
        return { state, detail: error.message, ...(error.hint !== undefined && { hint: error.hint }) };
      }
    });
  }

  get mark(): VaultMark | undefined {
    return this.#guard.mark;
  }

  accept(): void {
    this.#guard.accept();
  }

  passOn(): Inheritance['vault'] | undefined {
    if (this.#parts.key !== 'passphrase' || this.#unlocked === undefined) return undefined;
    const { sum, keys } = this.#unlocked;
    const [box, mac] = [keys.box.toString('base64'), keys.mac.toString('base64')];
    return { sum, box, mac, counter: this.#guard.highestCounter };
  }

  inherit({ sum, box, mac, counter }: Inheritance['vault']): void {
    if (this.#parts.key !== 'passphrase') return;
    this.#unlocked = { sum, keys: { box: Buffer.from(box, 'base64'), mac: Buffer.from(mac, 'base64') } };
    this.#guard.highestCounter = counter;
  }

  async watch(): Promise<AsyncDisposable> {
    return { async [Symbol.asyncDispose]() {} };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#queue;
    this.#wipeKeys();
  }

  /** Runs one call at a time, in order. */
  #enqueue<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(work);
    this.#queue = result.catch(() => {});
    return result;
  }

  async #setText(name: string, text: string): Promise<StoredValue> {
    if (!text.isWellFormed()) {
      throw new WarderError('credential-unfit', `the value for "${name}" is not Unicode text`);
    }
    const stored = await this.#set('credential', name, Buffer.from(text), VALUE_LIMIT);
    return { value: text, ...stored, bound: true };
  }

  async #set(kind: EntryKind, name: string, bytes: Uint8Array, limit: number) {
    if (bytes.length > limit) {
      throw new WarderError(
        'credential-long',
        `"${name}" is longer than the vault takes, ${limit / 1024} KiB`,
      );
    }
    using _lock = await this.#storage.lock();
    const { content, keys, all } = await this.#open();
    const before = findEntry(all, kind, name)?.indexed?.version;
    let version = before;
    while (version === before) version = randomBytes(4).toString('hex');
    const stored = { version: version ?? '', updated: new Date(this.#parts.clock.now()).toISOString() };
    this.#write(withEntry(content, keys, { kind, name, ...stored }, bytes));
    return stored;
  }

  async #remove(kind: EntryKind, name: string): Promise<boolean> {
    using _lock = await this.#storage.lock();
    const { content, keys, all } = await this.#open();
    if (findEntry(all, kind, name) === undefined) return false;
    this.#write(withoutEntry(content, keys, kind, name));
    return true;
  }

  #write(content: VaultFile): void {
    this.#storage.replace(content);
    this.#guard.note(content);
  }

  /** Opens and verifies the file. Throws every code of an unavailable store. */
  async #open(): Promise<OpenedVault> {
    const content = await this.#storage.readExisting();
    if (this.#unlocked?.sum !== content.sum) {
      if (content.key.kind === 'passphrase' && this.#parts.key === 'passphrase') {
        throw new WarderError('vault-locked', 'the vault is locked: its passphrase is needed', {
          hint: 'run "warder credential unlock"',
        });
      }
      await this.#unlock(content, undefined);
    }
    const keys = this.#unlocked?.keys;
    if (keys === undefined) throw new TypeError('an unlocked vault has keys');
    const all = readEntries(content, keys);
    await this.#guard.check(content);
    return { content, keys, all };
  }

  async #unlock(content: VaultFile, passphrase: string | undefined): Promise<void> {
    const expected = this.#parts.key === 'passphrase' ? 'passphrase' : 'bytes';
    if (content.key.kind !== expected) {
      const [actual, configured] =
        expected === 'bytes'
          ? ['a passphrase', 'a key file']
          : ['a key file or systemd credential', 'a passphrase'];
      throw new WarderError('vault-key', `the vault was made with ${actual}, not with ${configured}`, {
        hint: 'set "vault.key" in warder.yaml',
      });
    }
    const keys = unwrap(content, await deriveWrappingKey(content.key, await this.#secret(passphrase)));
    if (keys === undefined) {
      throw new WarderError(
        'vault-key',
        expected === 'passphrase'
          ? 'the passphrase is wrong'
          : 'the key is not the one that the vault was made with',
        {
          hint:
            expected === 'passphrase' ? 'try again' : 'put the right key there, or restore it from a backup',
        },
      );
    }
    this.#keepKeys(content, keys);
  }

  async #secret(passphrase: string | undefined): Promise<string | Uint8Array> {
    if (this.#parts.key !== 'passphrase') return readKeyBytes(this.#parts);
    if (!passphrase) {
      throw new WarderError('usage', 'the vault needs a passphrase', {
        hint: 'run "warder init" on a terminal, or use "--key-file FILE" or "--systemd NAME"',
      });
    }
    return passphrase;
  }

  #keepKeys({ sum }: VaultFile, keys: Keys): void {
    if (this.#unlocked?.sum !== sum) this.#guard.highestCounter = 0;
    this.#wipeKeys();
    this.#unlocked = { sum, keys };
  }

  #wipeKeys(): void {
    this.#unlocked?.keys.box.fill(0);
    this.#unlocked?.keys.mac.fill(0);
    this.#unlocked = undefined;
  }
}

const STATES: Readonly<Record<string, StoreState['state']>> = {
  'store-unset': 'unset',
  'vault-locked': 'locked',
};

/** Throws `credential-misbound`, `vault-damaged`. */
function readValue({ all, keys }: OpenedVault, kind: EntryKind, name: string): Buffer | undefined {
  const found = findEntry(all, kind, name);
  return found && openEntry(all, found, keys);
}

function problemOf(work: () => unknown): string | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    if (error instanceof WarderError) return error.message;
    throw error;
  }
}
