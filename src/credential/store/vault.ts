// The vault: credentials in one encrypted file, for machines without a keychain. Its form is in
// `vault-file.ts`, its key in `vault-key.ts`.
//
// What it keeps: whoever can read the file learns names, times and lengths, no value. Whoever can write it can
// change, rename, swap, add, remove or put back no entry without being seen. What it does not keep: a whole
// older file put in its place is an older vault and opens as one, unless this process has seen a newer one;
// and whoever can read the memory of the daemon has what it has. Every call reads the file anew, one at a time.
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { WarderError } from '../../errors.ts';
import type { Clock } from '../../os/clock.ts';
import { writeFileAtomic } from '../../os/file.ts';
import type { Blobs, Listed, Store, Stored, StoreState } from './store.ts';
import {
  type Cost,
  create,
  damaged,
  type Entry,
  type EntryKind,
  entries,
  entry,
  type Keys,
  openEntry,
  parse,
  render,
  unwrap,
  type VaultFile,
  withEntry,
  withoutEntry,
} from './vault-file.ts';
import { type KeyPlace, keyBytes, makeKeyFile, newForm, wrappingKey } from './vault-key.ts';

/** What a vault is opened with: where its key is, and its file. */
export interface VaultParts extends KeyPlace {
  /** Absolute path of the vault's file. */
  readonly file: string;
  readonly clock: Clock;
  /** scrypt's parameters for a new vault. */
  readonly cost?: Cost;
}

/** A vault as a store. */
export interface Vault extends Store {
  readonly kind: 'vault';
  /**
   * Makes the vault where there is none, or opens the one there is, as `unlock` does. A key file that does not
   * exist is made only for a new vault; its path is given back. Throws `usage` for a passphrase that is missing.
   */
  create(passphrase?: string): Promise<string | undefined>;
  /** Opens a vault that a passphrase guards. Throws `vault-key` for a wrong one, `store-unset`, `vault-damaged`. */
  unlock(passphrase: string): Promise<void>;
}

const VALUE_LIMIT = 64 * 1024;
const BLOB_LIMIT = 4 * 2 ** 20;
const FILE_LIMIT = 64 * 2 ** 20;

/** Opens nothing yet: the first use does. */
export function openVault(parts: VaultParts): Vault {
  return new FileVault(parts);
}

/** An opened file. */
interface Opened {
  readonly content: VaultFile;
  readonly keys: Keys;
  readonly all: ReadonlyMap<string, Entry>;
}

class FileVault implements Vault {
  readonly kind = 'vault';
  readonly blobs: Blobs;
  readonly #parts: VaultParts;
  /** The keys, and the `sum` of the head that they belong to. */
  #held: { readonly sum: string; readonly keys: Keys } | undefined;
  /** The newest counter that this process has seen. */
  #newest = 0;
  #last: Promise<unknown> = Promise.resolve();

  constructor(parts: VaultParts) {
    this.#parts = parts;
    this.blobs = {
      get: (name) => this.#turn(async () => value(await this.#open(), 'blob', name)),
      set: (name, bytes) => this.#turn(async () => void (await this.#set('blob', name, bytes, BLOB_LIMIT))),
      remove: (name) => this.#turn(() => this.#remove('blob', name)),
    };
  }

  create(passphrase?: string): Promise<string | undefined> {
    return this.#turn(async () => {
      const { key, home, file, cost } = this.#parts;
      const there = await this.#read();
      if (there !== undefined) {
        await this.#unlock(there, passphrase);
        return undefined;
      }
      const made = typeof key === 'object' && 'file' in key ? makeKeyFile(key.file, home) : undefined;
      const form = newForm(key === 'passphrase' ? 'passphrase' : 'bytes', cost);
      const { content, keys } = create(form, await wrappingKey(form, await this.#secret(passphrase)));
      try {
        writeFileAtomic(file, render(content), { exclusive: true });
      } catch (cause) {
        throw new WarderError('cannot-write', `cannot write ${file}`, { cause });
      }
      this.#hold(content, keys);
      return made;
    });
  }

  unlock(passphrase: string): Promise<void> {
    return this.#turn(async () => this.#unlock(await this.#need(), passphrase));
  }

  get(name: string): Promise<Stored | undefined> {
    return this.#turn(async () => {
      const opened = await this.#open();
      const bytes = value(opened, 'credential', name);
      const indexed = entry(opened.all, 'credential', name)?.indexed;
      if (bytes === undefined || indexed === undefined) return undefined;
      const { version, updated } = indexed;
      return { value: bytes.toString('utf8'), version, updated, bound: true };
    });
  }

  set(name: string, text: string): Promise<Stored> {
    return this.#turn(async () => {
      if (!text.isWellFormed()) {
        throw new WarderError('credential-unfit', `the value for "${name}" is no Unicode text`);
      }
      const stored = await this.#set('credential', name, Buffer.from(text), VALUE_LIMIT);
      return { value: text, ...stored, bound: true };
    });
  }

  remove(name: string): Promise<boolean> {
    return this.#turn(() => this.#remove('credential', name));
  }

  list(): Promise<Listed[]> {
    return this.#turn(async () => {
      const opened = await this.#open();
      return [...opened.all.values()]
        .filter(({ kind }) => kind === 'credential')
        .map(({ name, indexed }) => ({
          name,
          version: indexed?.version ?? '',
          updated: indexed?.updated,
          bound: true,
          problem: problem(() => value(opened, 'credential', name)),
        }))
        .sort((a, b) => (a.name < b.name ? -1 : 1));
    });
  }

  state(): Promise<StoreState> {
    return this.#turn(async () => {
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

  async watch(): Promise<AsyncDisposable> {
    return { async [Symbol.asyncDispose]() {} };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#last;
    this.#forget();
  }

  /** One call at a time, in order. */
  #turn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => {});
    return result;
  }

  async #set(kind: EntryKind, name: string, bytes: Uint8Array, limit: number) {
    if (bytes.length > limit) {
      throw new WarderError(
        'credential-long',
        `"${name}" is longer than the vault takes, ${limit / 1024} KiB`,
      );
    }
    const { content, keys, all } = await this.#open();
    const before = entry(all, kind, name)?.indexed?.version;
    let version = before;
    while (version === before) version = randomBytes(4).toString('hex');
    const stored = { version: version ?? '', updated: new Date(this.#parts.clock.now()).toISOString() };
    this.#write(withEntry(content, keys, { kind, name, ...stored }, bytes));
    return stored;
  }

  async #remove(kind: EntryKind, name: string): Promise<boolean> {
    const { content, keys, all } = await this.#open();
    if (entry(all, kind, name) === undefined) return false;
    this.#write(withoutEntry(content, keys, kind, name));
    return true;
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
    this.#newest = content.counter;
  }

  /** The file, opened and checked. Throws every code of a store that is not to be had. */
  async #open(): Promise<Opened> {
    const content = await this.#need();
    if (this.#held?.sum !== content.sum) {
      if (content.key.kind === 'passphrase' && this.#parts.key === 'passphrase') {
        throw new WarderError('vault-locked', "the vault's passphrase was not given yet", {
          hint: 'run "warder credential unlock"',
        });
      }
      await this.#unlock(content, undefined);
    }
    const keys = this.#held?.keys;
    if (keys === undefined) throw new TypeError('an unlocked vault has keys');
    const all = entries(content, keys);
    if (content.counter < this.#newest) throw damaged('an older file was put in its place');
    this.#newest = content.counter;
    return { content, keys, all };
  }

  async #unlock(content: VaultFile, passphrase: string | undefined): Promise<void> {
    const asked = this.#parts.key === 'passphrase' ? 'passphrase' : 'bytes';
    if (content.key.kind !== asked) {
      const [has, not] =
        asked === 'bytes'
          ? ['a passphrase', 'a key file']
          : ['a key file or systemd credential', 'a passphrase'];
      throw new WarderError('vault-key', `the vault was made with ${has}, not with ${not}`, {
        hint: 'say so as "vault.key" in warder.yaml',
      });
    }
    const keys = unwrap(content, await wrappingKey(content.key, await this.#secret(passphrase)));
    if (keys === undefined) {
      throw new WarderError(
        'vault-key',
        asked === 'passphrase'
          ? 'the passphrase is wrong'
          : 'the key is not the one that the vault was made with',
        {
          hint: asked === 'passphrase' ? 'try again' : 'put the right key there, or restore it from a backup',
        },
      );
    }
    this.#hold(content, keys);
  }

  async #secret(passphrase: string | undefined): Promise<string | Uint8Array> {
    if (this.#parts.key !== 'passphrase') return keyBytes(this.#parts);
    if (!passphrase) {
      throw new WarderError('usage', 'the vault needs a passphrase', {
        hint: 'run "warder init" on a terminal, or say "--key-file FILE" or "--systemd NAME"',
      });
    }
    return passphrase;
  }

  #hold({ sum }: VaultFile, keys: Keys): void {
    if (this.#held?.sum !== sum) this.#newest = 0;
    this.#forget();
    this.#held = { sum, keys };
  }

  #forget(): void {
    this.#held?.keys.box.fill(0);
    this.#held?.keys.mac.fill(0);
    this.#held = undefined;
  }

  async #need(): Promise<VaultFile> {
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
      if (!stats.isFile()) throw damaged('its file is no file');
      if (stats.size > FILE_LIMIT) throw damaged('its file is longer than 64 MiB');
      return parse(await handle.readFile('utf8'));
    } finally {
      await handle.close();
    }
  }
}

const STATES: Readonly<Record<string, StoreState['state']>> = {
  'store-unset': 'unset',
  'vault-locked': 'locked',
};

/** Throws `credential-misbound`, `vault-damaged`. */
function value({ all, keys }: Opened, kind: EntryKind, name: string): Buffer | undefined {
  const found = entry(all, kind, name);
  return found && openEntry(all, found, keys);
}

function problem(work: () => unknown): string | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    if (error instanceof WarderError) return error.message;
    throw error;
  }
}
