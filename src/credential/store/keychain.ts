// The OS keychain as a store. Items have the attributes `service` = warder and `username` = the credential's
// name, so `secret-tool` and Seahorse reach the same ones:
//
//     secret-tool lookup service warder username github/token
//
// What another program wrote has no envelope: it is taken as it is, and said to be set outside of Warder. Its
// version is a fingerprint (`fingerprint.ts`), since such an item has none of its own.
//
// On Linux the Secret Service is asked first where the item is, and to unlock it if it must; so a call that
// reaches the keyring package finds the item open. Elsewhere the package is called at once.
import { randomBytes } from 'node:crypto';
import { WarderError } from '../../errors.ts';
import type { Clock } from '../../os/clock.ts';
import { type Keyring, KeyringError } from '../../os/keyring.ts';
import type { Change, SecretService } from '../../os/secret-service.ts';
import { createFingerprinter } from '../source/fingerprint.ts';
import { decodeEnvelope, encodeEnvelope } from './envelope.ts';
import { ambiguous, failure, noCollection, tooLong } from './keychain-error.ts';
import type { Blobs, CredentialMetadata, Store, StoredValue, StoreState } from './store.ts';

/** The `service` attribute of credentials, and that of blobs. */
const SERVICE = 'warder';
const BLOBS = 'warder.blob';

/** The longest value, in bytes of UTF-8. Secrets are short; a file does not belong in a keychain. */
const LONGEST = 65536;
/** Characters that an item of Windows' Credential Manager holds: 2560 bytes of UTF-16. */
const LONGEST_WINDOWS = 1280;
/** How long `state` waits, in milliseconds: it is asked while a person looks on. */
const GLANCE = 3000;
/** Waits before the bus is tried again, in milliseconds: at first, and at most. */
const RETRY = [1000, 30_000] as const;

export interface KeychainParts {
  /** As `process.platform`. */
  readonly platform: string;
  readonly keyring: Keyring;
  /** Only on Linux. */
  readonly service: SecretService | undefined;
  /** The environment that the keyring package gets, without the bus's address. */
  readonly env: Readonly<Record<string, string>>;
  /** How long a call may take, in milliseconds; the time that a person takes to answer is not counted. */
  readonly timeout: number;
  readonly clock: Clock;
}

/** How long a call may still take. */
interface Limit {
  /** Milliseconds, at least 1. */
  left(): number;
  /** A person has answered: their time is not the keychain's. */
  restart(): void;
}

export class Keychain implements Store {
  readonly kind = 'keychain';
  readonly blobs: Blobs;
  readonly #parts: KeychainParts;
  readonly #fingerprint = createFingerprinter();

  constructor(parts: KeychainParts) {
    this.#parts = parts;
    this.blobs = {
      get: async (name, { prompt } = { prompt: true }) => {
        const found = await this.#read(BLOBS, name, `blob:${name}`, prompt);
        return found && Buffer.from(found.value, 'base64');
      },
      set: async (name, bytes, { prompt } = { prompt: true }) => {
        await this.#write(BLOBS, name, `blob:${name}`, Buffer.from(bytes).toString('base64'), prompt);
      },
      remove: (name) => this.#remove(BLOBS, name),
    };
  }

  get(name: string, { prompt } = { prompt: true }): Promise<StoredValue | undefined> {
    return this.#read(SERVICE, name, name, prompt);
  }

  async set(name: string, value: string): Promise<StoredValue> {
    const length = Buffer.byteLength(value);
    if (length > LONGEST) throw tooLong(name, `${length} bytes`, `${LONGEST} bytes`);
    return this.#write(SERVICE, name, name, value);
  }

  remove(name: string): Promise<boolean> {
    return this.#remove(SERVICE, name);
  }

  async list(): Promise<CredentialMetadata[]> {
    const { service, keyring } = this.#parts;
    const limit = this.#limit();
    if (service !== undefined) {
      const { unlocked, locked } = await service.find({ service: SERVICE }, limit.left());
      // Some services do not look into what is locked.
      const nothing = unlocked.length + locked.length === 0;
      const collection = nothing ? await service.collection(limit.left()) : undefined;
      const closed = collection?.locked === true ? [collection.path] : locked;
      if (closed.length > 0) {
        await service.unlock(closed, limit.left());
        limit.restart();
      }
    }
    const env = await this.#environment();
    const found = await this.#keyring(() => keyring.list(SERVICE, env, limit.left()), SERVICE);
    const names = found.filter(({ account }) => account !== '');
    const listed = await Promise.all(
      names.map(({ account, password }) => this.#describe(account, password, limit)),
    );
    return listed.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async state(): Promise<StoreState> {
    const { service, timeout } = this.#parts;
    if (service === undefined) return { state: 'ready' };
    try {
      const collection = await service.collection(Math.min(timeout, GLANCE));
      if (collection === undefined) return { state: 'unavailable', ...said(noCollection()) };
      return collection.locked ? { state: 'locked', detail: 'the keychain is locked' } : { state: 'ready' };
    } catch (error) {
      if (error instanceof WarderError) return { state: 'unavailable', ...said(error) };
      throw error;
    }
  }

  async watch(listener: (name: string | undefined) => void): Promise<AsyncDisposable> {
    const { service } = this.#parts;
    const ending = new AbortController();
    const started = Promise.withResolvers<void>();
    const running =
      service === undefined
        ? started.resolve()
        : this.#watch(service, listener, started.resolve, ending.signal);
    await started.promise;
    return {
      async [Symbol.asyncDispose]() {
        ending.abort();
        await running;
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { keyring, service } = this.#parts;
    await Promise.all([keyring[Symbol.asyncDispose](), service?.[Symbol.asyncDispose]()]);
  }

  /** Listens until told to end, through losses of the bus. `started`: the first try is over. */
  async #watch(
    service: SecretService,
    listener: (name: string | undefined) => void,
    started: () => void,
    ending: AbortSignal,
  ): Promise<void> {
    const [first, most] = RETRY;
    let again = false;
    const ended = new Promise<void>((resolve) => ending.addEventListener('abort', () => resolve()));
    for (let wait: number = first; !ending.aborted; ) {
      try {
        const lost = Promise.withResolvers<void>();
        const onChange = (change: Change): void => void this.#tell(service, change, listener);
        await using _watch = await service.watch(onChange, lost.resolve);
        wait = first;
        started();
        // What happened while nobody listened.
        if (again) listener(undefined);
        await Promise.race([lost.promise, ended]);
      } catch {
        // The next try may do better; until then a change from outside reaches no open session.
      }
      started();
      again = true;
      if (ending.aborted) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, wait).unref();
      await Promise.race([promise, ended]);
      clearTimeout(timer);
      wait = Math.min(wait * 2, most);
    }
  }

  /** Tells of a change by the credential's name. */
  async #tell(
    service: SecretService,
    { path }: Change,
    listener: (name: string | undefined) => void,
  ): Promise<void> {
    if (path === undefined) return listener(undefined);
    try {
      const { service: owner, username } = await service.attributes(path, this.#parts.timeout);
      if (owner === SERVICE && typeof username === 'string') listener(username);
    } catch {
      listener(undefined);
    }
  }

  async #read(
    service: string,
    account: string,
    bound: string,
    prompt: boolean,
  ): Promise<StoredValue | undefined> {
    const limit = this.#limit();
    const path = await this.#locate(service, account, prompt, limit);
    if (path === undefined && this.#parts.service !== undefined) return undefined;
    const env = await this.#environment();
    const text = await this.#keyring(
      () => this.#parts.keyring.get(service, account, env, limit.left()),
      account,
    );
    if (text === undefined) return undefined;
    const envelope = decodeEnvelope(bound, text);
    if (envelope !== undefined) return { ...envelope, bound: true };
    return { value: text, ...(await this.#outside(account, text, path, limit)) };
  }

  async #write(
    service: string,
    account: string,
    bound: string,
    value: string,
    prompt = true,
  ): Promise<StoredValue> {
    const { platform, clock, keyring } = this.#parts;
    const limit = this.#limit();
    const version = randomBytes(4).toString('hex');
    const updated = new Date(clock.now()).toISOString();
    const text = encodeEnvelope(bound, { version, updated, value });
    if (platform === 'win32' && text.length > LONGEST_WINDOWS) {
      const most = LONGEST_WINDOWS - (text.length - value.length);
      throw tooLong(account, `${value.length} characters`, `${most} characters under this name`);
    }
    await this.#makeRoom(service, account, prompt, limit);
    const env = await this.#environment();
    await this.#keyring(() => keyring.set(service, account, text, env, limit.left()), account);
    return { value, version, updated, bound: true };
  }

  async #remove(service: string, account: string): Promise<boolean> {
    const limit = this.#limit();
    const path = await this.#locate(service, account, true, limit);
    if (path === undefined && this.#parts.service !== undefined) return false;
    const env = await this.#environment();
    return this.#keyring(() => this.#parts.keyring.remove(service, account, env, limit.left()), account);
  }

  /** An item's path once it is unlocked; `undefined` where there is none, or no Secret Service. */
  async #locate(
    service: string,
    account: string,
    prompt: boolean,
    limit: Limit,
  ): Promise<string | undefined> {
    const secrets = this.#parts.service;
    if (secrets === undefined) return undefined;
    const search = async (): Promise<{ path: string; locked: boolean } | undefined> => {
      const { unlocked, locked } = await secrets.find({ service, username: account }, limit.left());
      const [path] = [...unlocked, ...locked];
      if (unlocked.length + locked.length > 1) throw ambiguous(account);
      return path === undefined ? undefined : { path, locked: locked.length > 0 };
    };
    const unlock = async (path: string): Promise<void> => {
      if (!prompt) throw new WarderError('keychain-locked', 'the keychain is locked');
      await secrets.unlock([path], limit.left());
      limit.restart();
    };
    const found = await search();
    if (found === undefined) {
      // Some services do not look into what is locked.
      const collection = await secrets.collection(limit.left());
      if (collection?.locked !== true) return undefined;
      await unlock(collection.path);
      return (await search())?.path;
    }
    if (found.locked) await unlock(found.path);
    return found.path;
  }

  /** Sees to it that an item can be written: the old one, or the collection for a new one, is unlocked. */
  async #makeRoom(service: string, account: string, prompt: boolean, limit: Limit): Promise<void> {
    const secrets = this.#parts.service;
    if (secrets === undefined || (await this.#locate(service, account, prompt, limit)) !== undefined) return;
    if ((await secrets.collection(limit.left())) === undefined) throw noCollection();
  }

  async #describe(name: string, text: string, limit: Limit): Promise<CredentialMetadata> {
    try {
      const envelope = decodeEnvelope(name, text);
      if (envelope === undefined) {
        const found = await this.#parts.service?.find({ service: SERVICE, username: name }, limit.left());
        return { name, problem: undefined, ...(await this.#outside(name, text, found?.unlocked[0], limit)) };
      }
      const { version, updated } = envelope;
      return { name, version, updated, bound: true, problem: undefined };
    } catch (error) {
      if (!(error instanceof WarderError) || error.code !== 'credential-misbound') throw error;
      return { name, version: '', updated: undefined, bound: false, problem: error.message };
    }
  }

  /** What is known of a value that another program set. */
  async #outside(
    name: string,
    text: string,
    path: string | undefined,
    limit: Limit,
  ): Promise<{ version: string; updated: string | undefined; bound: false }> {
    const version = this.#fingerprint(name, text);
    if (path === undefined || this.#parts.service === undefined)
      return { version, updated: undefined, bound: false };
    const time = new Date(await this.#parts.service.modified(path, limit.left()));
    return { version, updated: time.toISOString(), bound: false };
  }

  #limit(): Limit {
    const { clock, timeout } = this.#parts;
    let end = clock.monotonic() + timeout;
    return {
      left: () => Math.max(1, end - clock.monotonic()),
      restart() {
        end = clock.monotonic() + timeout;
      },
    };
  }

  async #environment(): Promise<Record<string, string>> {
    const { env, service } = this.#parts;
    return service === undefined ? { ...env } : { ...env, DBUS_SESSION_BUS_ADDRESS: await service.address() };
  }

  async #keyring<T>(call: () => Promise<T>, name: string): Promise<T> {
    try {
      return await call();
    } catch (error) {
      throw error instanceof KeyringError ? failure(error, name) : error;
    }
  }
}

function said({ message, hint }: WarderError): { detail: string; hint?: string } {
  return hint === undefined ? { detail: message } : { detail: message, hint };
}
