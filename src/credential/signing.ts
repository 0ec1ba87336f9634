// The key that signs the audit log: Ed25519, stored in the credential store as PKCS #8, generated on first use; and
// beside it the last signed record of each log. Whoever can change the log's files but neither read nor write the
// store cannot make a valid signature, and cannot have a daemon sign another log than the one that it signed before.
//
// A log is named by its folder: two Warder homes share one keychain, but not one log.
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
} from 'node:crypto';
import type { SignedPoint, Signer } from '../audit/checkpoint.ts';
import type { AuditLog } from '../audit/log.ts';
import { WarderError } from '../errors.ts';
import type { Log } from '../os/log.ts';
import type { ReadOptions, Store, StoreKind } from './store/store.ts';
import type { Stores } from './stores.ts';

const KEY = 'audit-signing-key';
const POINT = 'audit-last-signed';
const POINT_FORM = /^warder-audit-last-signed-v1\n([1-9]\d{0,15})\n([0-9a-f]{64})\n$/;

/** Milliseconds after which a store that could not be opened is tried again. */
const RETRY = 60_000;

/** A store, as far as signing needs one. */
type Blobs = Pick<Store, 'blobs' | 'mark'>;

/**
 * The signer for the log in `folder`, whose key is in a store. With `prompt: false` a locked store is an error at once,
 * as for the store's `get`. Throws the store's errors, and `credential-unfit` for a key that cannot be parsed.
 */
export async function openSigner(store: Blobs, folder: string, options = { prompt: true }): Promise<Signer> {
  const stored = await store.blobs.get(KEY, options);
  const key = stored === undefined ? await createKey(store, options) : parseKey(stored);
  const { x = '' } = createPublicKey(key).export({ format: 'jwk' });
  return {
    publicKey: Buffer.from(x, 'base64url').toString('base64'),
    sign: async (bytes) => sign(null, bytes, key),
    mark: () => store.mark,
    lastSigned: () => readLastSigned(store, folder),
    storeSigned: (point) => storeLastSigned(store, folder, point),
  };
}

/** The last signed record of the log in `folder`, as a store has it. Asks nobody; throws the store's errors. */
export async function readLastSigned({ blobs }: Blobs, folder: string): Promise<SignedPoint | undefined> {
  const bytes = await blobs.get(pointName(folder), { prompt: false });
  if (bytes === undefined) return undefined;
  const [, seq, hash] = POINT_FORM.exec(bytes.toString('latin1')) ?? [];
  if (hash !== undefined && Number.isSafeInteger(Number(seq))) return { seq: Number(seq), hash };
  throw new WarderError('credential-unfit', 'the last signed record in the credential store is damaged', {
    hint: 'run "warder audit verify", and then "warder init --force" to have the log signed from here on',
  });
}

/** Stores a log's last signed record, or that there is none. Asks nobody; throws the store's errors. */
export async function storeLastSigned(
  { blobs }: Blobs,
  folder: string,
  point: SignedPoint | undefined,
): Promise<void> {
  if (point === undefined) {
    await blobs.remove(pointName(folder));
    return;
  }
  const text = `warder-audit-last-signed-v1\n${point.seq}\n${point.hash}\n`;
  await blobs.set(pointName(folder), Buffer.from(text), { prompt: false });
}

/** What signs the daemon's log. */
export interface LogSignerParts {
  readonly stores: Pick<Stores, 'chosen' | 'get' | 'onOpened'>;
  readonly audit: Pick<AuditLog, 'setSigner' | 'setUnsigned'>;
  /** The state folder, which names the log. */
  readonly folder: string;
  /** As `process.platform`. */
  readonly platform: string;
  readonly log: Log;
}

/**
 * Has the audit log signed by the chosen store: from the start where that asks nobody, or else from when somebody has
 * just used the store. A store that is locked is tried again each minute. Nobody is asked for the key alone.
 */
export class LogSigner implements Disposable {
  readonly #parts: LogSignerParts;
  #opened: Blobs | undefined;
  #running: Promise<void> = Promise.resolve();
  #retry: NodeJS.Timeout | undefined;
  #disposed = false;
  /** What was logged last, so that a store that stays locked is not logged each minute. */
  #logged: string | undefined;

  constructor(parts: LogSignerParts) {
    this.#parts = parts;
    const { stores, audit, platform } = parts;
    stores.onOpened(() => this.#open(false));
    const { chosen } = stores;
    if (chosen === undefined || opensSilently(chosen, platform)) this.#open(false);
    else
      audit.setUnsigned(
        'the keychain might ask for a password: the log is signed once a credential was used',
        true,
      );
  }

  /** Opens the signer if it is not open yet. Never rejects. */
  retry(): Promise<void> {
    this.#open(false);
    return this.#running;
  }

  /** Opens the signer again: what the store remembers was changed. Never rejects. */
  reopen(): Promise<void> {
    this.#open(true);
    return this.#running;
  }

  /** Resolves when nothing is being opened any more. Never rejects. */
  get settled(): Promise<void> {
    return this.#running;
  }

  /** Opens nothing more. */
  [Symbol.dispose](): void {
    this.#disposed = true;
    clearTimeout(this.#retry);
  }

  #open(again: boolean): void {
    this.#running = this.#running.then(() => this.#openOnce(again));
  }

  async #openOnce(again: boolean): Promise<void> {
    const { stores, audit, folder, log } = this.#parts;
    if (stores.chosen === undefined || this.#disposed) return;
    clearTimeout(this.#retry);
    try {
      const store = stores.get();
      if (store === this.#opened && !again) return;
      const signer = await openSigner(store, folder, { prompt: false });
      this.#opened = store;
      this.#logged = undefined;
      audit.setSigner(signer);
    } catch (error) {
      this.#opened = undefined;
      const message = error instanceof Error ? error.message : String(error);
      audit.setUnsigned(`nothing signs the log: ${message}`, true);
      if (this.#logged !== message) log.warn({ error: message }, 'the audit log is not signed for now');
      this.#logged = message;
      if (!this.#disposed) this.#retry = setTimeout(() => this.#open(false), RETRY).unref();
    }
  }
}

/** Whether a store can be read without anybody being asked: macOS may ask whether a program may use an item. */
export function opensSilently(kind: StoreKind, platform: string): boolean {
  return kind === 'vault' || platform !== 'darwin';
}

function pointName(folder: string): string {
  return `${POINT}-${createHash('sha256').update(folder).digest('hex').slice(0, 16)}`;
}

async function createKey({ blobs }: Blobs, options: ReadOptions): Promise<KeyObject> {
  const { privateKey } = generateKeyPairSync('ed25519');
  await blobs.set(KEY, privateKey.export({ format: 'der', type: 'pkcs8' }), options);
  return privateKey;
}

function parseKey(bytes: Buffer): KeyObject {
  try {
    const key = createPrivateKey({ key: bytes, format: 'der', type: 'pkcs8' });
    if (key.asymmetricKeyType === 'ed25519') return key;
  } catch {
    // Reported below: the library's message may contain part of the key.
  }
  throw new WarderError(
    'credential-unfit',
    "the audit log's signing key in the credential store is damaged",
    {
      hint: `remove the item "${KEY}" of "warder.blob" from the store; a new key is generated, and the log continues`,
    },
  );
}
