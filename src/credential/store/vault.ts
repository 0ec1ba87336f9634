// The vault: credentials in one encrypted file, for machines without a keychain. Its format is in `vault-file.ts`, its
// key in `vault-key.ts`.
//
// What it protects: an attacker who can read the file learns names, times and lengths, but no value. An attacker who can
// write it cannot change, rename, swap, add, remove or roll back an entry without being detected. A whole older file in its
// place is refused by the daemon that has seen a newer one, and by the next, which knows the vault's counter and digest
// from the audit log. What it does not protect: an older file together with a log of that time opens as an older vault; and
// an attacker who can read the daemon's memory has its keys and values. Every call reads the file again, one at a time; a
// change has the file's lock, since two daemons may live.
import { createHash, randomBytes } from 'node:crypto';
import { constants, existsSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import type { VaultMark } from '../../audit/vault-mark.ts';
import { WarderError } from '../../errors.ts';
import type { Clock } from '../../os/clock.ts';
import { writeFileAtomic } from '../../os/file.ts';
import { awaitLock } from '../../os/lock.ts';
import type { Inheritance } from '../../wire/hello.ts';
import type { Blobs, CredentialMetadata, Store, StoredValue, StoreState } from './store.ts';
import {
  type Cost,
  create,
  damaged,
  type Entry,
  type EntryKind,
  findEntry,
  type Keys,
  openEntry,
  parse,
  readEntries,
  render,
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
const FILE_LIMIT = 64 * 2 ** 20;
/** Milliseconds that a change waits for that of another process. */
const LOCK_TIMEOUT = 10_000;

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
  /** The keys, and the `sum` of the file that they belong to. */
  #unlocked: { readonly sum: string; readonly keys: Keys } | undefined;
  /** The highest counter that this process has seen. */
  #highestCounter = 0;
  /** The file as this process has written or seen it last. */
  #latest: VaultFile | undefined;
  /** What the audit log says; asked once. */
  #expected: Promise<Required<VaultMark> | undefined> | undefined;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(parts: VaultParts) {
    this.#parts = parts;
    this.blobs = {
      get: (name) => this.#enqueue(async () => readValue(await this.#open(), 'blob', name)),
      set: (name, bytes) =>
        this.#enqueue(async () => void (await this.#set('blob', name, bytes, BLOB_LIMIT))),
      remove: (name) => this.#enqueue(() => this.#remove('blob', name)),
    };
  }

  create(passphrase?: string): Promise<string | undefined> {
    return this.#enqueue(async () => {
      const { key, home, file, cost } = this.#parts;
      const existing = await this.#read();
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
      try {
        writeFileAtomic(file, render(content), { exclusive: true });
      } catch (cause) {
        throw new WarderError('cannot-write', `cannot write ${file}`, { cause });
      }
      this.accept();
      this.#keepKeys(content, keys);
      return createdKeyFile;
    });
  }

  unlock(passphrase: string): Promise<void> {
    return this.#enqueue(async () => this.#unlock(await this.#readExisting(), passphrase));
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
    if (this.#latest === undefined) return undefined;
    return { vault_counter: this.#latest.counter, vault_digest: digestOf(this.#latest) };
  }

  accept(): void {
    this.#expected = Promise.resolve(undefined);
    this.#highestCounter = 0;
  }

  passOn(): Inheritance['vault'] | undefined {
    if (this.#parts.key !== 'passphrase' || this.#unlocked === undefined) return undefined;
    const { sum, keys } = this.#unlocked;
    const [box, mac] = [keys.box.toString('base64'), keys.mac.toString('base64')];
    return { sum, box, mac, counter: this.#highestCounter };
  }

  inherit({ sum, box, mac, counter }: Inheritance['vault']): void {
    if (this.#parts.key !== 'passphrase') return;
    this.#unlocked = { sum, keys: { box: Buffer.from(box, 'base64'), mac: Buffer.from(mac, 'base64') } };
    this.#highestCounter = counter;
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
    using _lock = await this.#lock();
    const { content, keys, all } = await this.#open();
    const before = findEntry(all, kind, name)?.indexed?.version;
    let version = before;
    while (version === before) version = randomBytes(4).toString('hex');
    const stored = { version: version ?? '', updated: new Date(this.#parts.clock.now()).toISOString() };
    this.#write(withEntry(content, keys, { kind, name, ...stored }, bytes));
    return stored;
  }

  async #remove(kind: EntryKind, name: string): Promise<boolean> {
    using _lock = await this.#lock();
    const { content, keys, all } = await this.#open();
    if (findEntry(all, kind, name) === undefined) return false;
    this.#write(withoutEntry(content, keys, kind, name));
    return true;
  }

  /** Two daemons may change the file: what one has read is not written over what the other wrote meanwhile. */
  async #lock(): Promise<Disposable> {
    const { file } = this.#parts;
    let lock: Awaited<ReturnType<typeof awaitLock>>;
    try {
      // Without the file there is nothing to change, and perhaps no folder.
      if (!existsSync(file)) return { [Symbol.dispose]() {} };
      lock = await awaitLock(`${file}.lock`, LOCK_TIMEOUT);
    } catch (cause) {
      throw new WarderError('cannot-write', `cannot write ${file}`, { cause });
    }
    if ('owner' in lock) return lock;
    throw new WarderError('cannot-write', `cannot write ${file}: another process changes it`, {
      hint: `if process ${lock.pid} is none of Warder's, remove ${file}.lock`,
    });
  }

  #write(content: VaultFile): void {
    const { file } = this.#parts;
    const text = render(content);
    if (text.length > FILE_LIMIT)
      throw new WarderError('credential-long', 'the vault is full: it holds 64 MiB');
    try {
      writeFileAtomic(file, text);
    } catch (cause) {
      throw new WarderError('cannot-write', `cannot write ${file}`, { cause });
    }
    this.#highestCounter = content.counter;
    this.#latest = content;
  }

  /** Opens and verifies the file. Throws every code of an unavailable store. */
  async #open(): Promise<OpenedVault> {
    const content = await this.#readExisting();
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
    await this.#compare(content);
    this.#highestCounter = content.counter;
    this.#latest = content;
    return { content, keys, all };
  }

  /** Throws `vault-damaged` for another file than the one that was there last. */
  async #compare(content: VaultFile): Promise<void> {
    this.#expected ??= this.#ask();
    const { vault_counter: counter = 0, vault_digest: digest } = (await this.#expected) ?? {};
    if (content.counter < Math.max(this.#highestCounter, counter)) throw replaced('an older file');
    if (content.counter === counter && digestOf(content) !== digest) throw replaced('another file');
  }

  /** Asks the log once, and again after a failure. */
  async #ask(): Promise<Required<VaultMark> | undefined> {
    try {
      return await this.#parts.expected?.();
    } catch (cause) {
      this.#expected = undefined;
      throw new WarderError('audit-broken', "the audit log, which has the vault's state, cannot be read", {
        hint: '"warder audit verify" says what is wrong',
        cause,
      });
    }
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
    if (this.#unlocked?.sum !== sum) this.#highestCounter = 0;
    this.#wipeKeys();
    this.#unlocked = { sum, keys };
  }

  #wipeKeys(): void {
    this.#unlocked?.keys.box.fill(0);
    this.#unlocked?.keys.mac.fill(0);
    this.#unlocked = undefined;
  }

  async #readExisting(): Promise<VaultFile> {
    const content = await this.#read();
    if (content !== undefined) return content;
    throw new WarderError('store-unset', `there is no vault at ${this.#parts.file}`, {
      hint: 'run "warder init --store vault", or restore the file from a backup',
    });
  }

  async #read(): Promise<VaultFile | undefined> {
    let handle: FileHandle;
    try {
      handle = await open(this.#parts.file, constants.O_RDONLY | constants.O_NONBLOCK);
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      if (code === 'ENOENT') return undefined;
      throw damaged(`its file cannot be read (${code})`);
    }
    try {
      const stats = await handle.stat();
      if (!stats.isFile()) throw damaged('it is not a regular file');
      if (stats.size > FILE_LIMIT) throw damaged('its file is longer than 64 MiB');
      return parse(await handle.readFile('utf8'));
    } finally {
      await handle.close();
    }
  }
}

function replaced(by: string): WarderError {
  return new WarderError('vault-damaged', `the vault is damaged: it was replaced by ${by}`, {
    hint: 'put the right file back; or, if you restored it from a backup, run "warder init --store vault --force": values that were set since then are lost',
  });
}

/** The SHA-256 of the file. */
function digestOf(content: VaultFile): string {
  return createHash('sha256').update(render(content)).digest('hex');
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
