// The OS keychain as a store. Items have the attributes `service` = warder and `username` = the credential's name, so
// that secret-tool and Seahorse find the same ones:
//
//     secret-tool lookup service warder username github/token
//
// An item that another program set has no envelope: its value is used as it is, and marked as not set by Warder. Its
// version is a fingerprint (`fingerprint.ts`), since such an item has no version of its own. So is that of an item whose
// value was edited while its envelope was kept: the version that the envelope has is another value's.
import { randomBytes } from 'node:crypto';
import { WarderError } from '../../errors.ts';
import type { Clock } from '../../os/clock.ts';
import { createFingerprinter } from '../source/fingerprint.ts';
import { decodeEnvelope, type Envelope, encodeEnvelope } from './envelope.ts';
import { notText, tooLong } from './keychain-error.ts';
import type { ItemKey, KeychainItem, KeychainItems } from './keychain-items.ts';
import type { Blobs, CredentialMetadata, ReadOptions, Store, StoredValue, StoreState } from './store.ts';

/** The `service` attribute of credentials, and that of blobs. */
const CREDENTIALS = 'warder';
const BLOBS = 'warder.blob';

/** The longest value, in bytes of UTF-8. Secrets are short; a keychain is not for files. */
const MAX_VALUE = 65536;
/** The longest item of Windows' Credential Manager, in characters: 2560 bytes of UTF-16. */
const MAX_WINDOWS_ITEM = 1280;

export interface KeychainParts {
  /** As `process.platform`. */
  readonly platform: string;
  readonly items: KeychainItems;
  readonly clock: Clock;
}

export class Keychain implements Store {
  readonly kind = 'keychain';
  readonly blobs: Blobs;
  readonly #parts: KeychainParts;
  readonly #fingerprint = createFingerprinter();
  /** The version of each name's envelope as it was seen first, and the fingerprint of the value that it then had. */
  readonly #envelopes = new Map<string, { readonly version: string; readonly value: string }>();

  constructor(parts: KeychainParts) {
    this.#parts = parts;
    const key = (username: string): ItemKey => ({ service: BLOBS, username });
    this.blobs = {
      get: async (name, options = { prompt: true }) => {
        const item = await parts.items.read(key(name), options);
        return item && Buffer.from((await this.#decode(item, `blob:${name}`)).value, 'base64');
      },
      set: async (name, bytes, options = { prompt: true }) => {
        await this.#write(key(name), `blob:${name}`, Buffer.from(bytes).toString('base64'), options);
      },
      remove: (name) => parts.items.remove(key(name)),
    };
  }

  async get(name: string, options = { prompt: true }): Promise<StoredValue | undefined> {
    const item = await this.#parts.items.read(credentialKey(name), options);
    return item && (await this.#decode(item, name));
  }

  async set(name: string, value: string): Promise<StoredValue> {
    const length = Buffer.byteLength(value);
    if (length > MAX_VALUE) throw tooLong(name, `${length} bytes`, `${MAX_VALUE} bytes`);
    return this.#write(credentialKey(name), name, value, { prompt: true });
  }

  async replace(name: string, expected: string, value: string): Promise<StoredValue | undefined> {
    const length = Buffer.byteLength(value);
    if (length > MAX_VALUE) throw tooLong(name, `${length} bytes`, `${MAX_VALUE} bytes`);
    // A keychain has no transactions: another program's change in between would be lost.
    const stored = await this.get(name, { prompt: false });
    if (stored?.value !== expected) return undefined;
    return this.#write(credentialKey(name), name, value, { prompt: false });
  }

  remove(name: string): Promise<boolean> {
    return this.#parts.items.remove(credentialKey(name));
  }

  async list(): Promise<CredentialMetadata[]> {
    const items = await this.#parts.items.list(CREDENTIALS);
    const listed = await Promise.all(items.map((item) => this.#describe(item)));
    return listed.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  state(): Promise<StoreState> {
    return this.#parts.items.state();
  }

  watch(listener: (name: string | undefined) => void): Promise<AsyncDisposable> {
    return this.#parts.items.watch(CREDENTIALS, listener);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.items[Symbol.asyncDispose]();
  }

  async #write(key: ItemKey, boundName: string, value: string, options: ReadOptions): Promise<StoredValue> {
    const { platform, clock, items } = this.#parts;
    const version = randomBytes(4).toString('hex');
    const updated = new Date(clock.now()).toISOString();
    const text = encodeEnvelope(boundName, { version, updated, value });
    if (platform === 'win32' && text.length > MAX_WINDOWS_ITEM) {
      const longest = MAX_WINDOWS_ITEM - (text.length - value.length);
      throw tooLong(key.username, `${value.length} characters`, `${longest} characters under this name`);
    }
    await items.write(key, text, options);
    this.#envelopes.set(boundName, { version, value: this.#fingerprint(boundName, value) });
    return { value, version, updated, bound: true };
  }

  /** Throws `credential-misbound`, `credential-unfit`. */
  async #decode({ username, text, modified }: KeychainItem, boundName: string): Promise<StoredValue> {
    if (text === undefined) throw notText(username);
    const envelope = decodeEnvelope(boundName, text);
    if (envelope !== undefined) return { ...envelope, ...this.#versionOf(boundName, envelope) };
    const time = await modified();
    return {
      value: text,
      version: this.#fingerprint(username, text),
      updated: time === undefined ? undefined : new Date(time).toISOString(),
      bound: false,
    };
  }

  /** The version of an envelope's value. */
  #versionOf(boundName: string, { version, value }: Envelope): Pick<StoredValue, 'version' | 'bound'> {
    const fingerprint = this.#fingerprint(boundName, value);
    const known = this.#envelopes.get(boundName);
    if (known?.version === version && known.value !== fingerprint)
      return { version: fingerprint, bound: false };
    if (known?.version !== version) this.#envelopes.set(boundName, { version, value: fingerprint });
    return { version, bound: true };
  }

  async #describe(item: KeychainItem): Promise<CredentialMetadata> {
    const name = item.username;
    try {
      const { value: _value, ...metadata } = await this.#decode(item, name);
      return { name, ...metadata, problem: undefined };
    } catch (error) {
      if (!(error instanceof WarderError) || !UNUSABLE.has(error.code)) throw error;
      return { name, version: '', updated: undefined, bound: false, problem: error.message };
    }
  }
}

/** Codes of an item that exists but cannot be used. */
const UNUSABLE = new Set<string>(['credential-misbound', 'credential-unfit']);

function credentialKey(name: string): ItemKey {
  return { service: CREDENTIALS, username: name };
}
