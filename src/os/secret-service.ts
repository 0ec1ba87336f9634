// A client of the Secret Service (freedesktop.org, draft 0.2), the keychain of Linux desktops: gnome-keyring, KWallet,
// KeePassXC. It searches items, reads and writes their secrets, unlocks them, and reports changes by other programs.
// Everything is asynchronous and every wait has a limit, so that nothing here blocks the daemon, whatever the service
// does. Secrets cross the bus encrypted (`secret-service/cipher.ts`): a service that cannot do that is refused.
import type { Message } from 'dbus-native';
import type { Bus } from './bus.ts';
import { ALGORITHM, type SessionCipher, startKeyExchange } from './secret-service/cipher.ts';
import {
  dbusName,
  fromDbusError,
  needsPrompt,
  noBus,
  noEncryption,
  undecipherable,
} from './secret-service/errors.ts';
import { answerPrompt, withPatience } from './secret-service/prompts.ts';
import { NAME, NO_OBJECT, ROOT, SERVICE, type TimeLimit } from './secret-service/protocol.ts';

export type { TimeLimit } from './secret-service/protocol.ts';

/** The result of a search: object paths. */
export interface SearchResult {
  readonly unlocked: readonly string[];
  readonly locked: readonly string[];
}

/** A change of an item; without a path any item may have changed. */
export interface ItemChange {
  readonly path?: string;
}

export interface NewItem {
  readonly label: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly secret: Uint8Array;
}

export interface SecretServiceParts {
  /** Connects to the session bus. `undefined`: there is none. */
  readonly connect: () => Promise<Bus | undefined>;
  /** How long a user has to answer a prompt, in milliseconds. */
  readonly patience: number;
}

/** A session with the service, in which secrets are encrypted. */
interface Session {
  /** The unique bus name of the service. Only it knows the session. */
  readonly owner: string;
  readonly path: string;
  readonly cipher: SessionCipher;
}

/** The type of a secret. The one that existing items have. */
const CONTENT_TYPE = 'application/octet-stream';
/** A secret in a method's signature: session, parameters, value, content type. */
const SECRET = '(oayays)';

/** Errors of a call to an item that was removed meanwhile. */
const ITEM_GONE = new Set([
  'Secret.Error.NoSuchObject',
  'DBus.Error.UnknownObject',
  'DBus.Error.UnknownMethod',
]);
/** Errors of a call with a session that has ended, since the service was restarted. */
const SESSION_ENDED = new Set([
  'Secret.Error.NoSession',
  'DBus.Error.ServiceUnknown',
  'DBus.Error.NameHasNoOwner',
]);

/**
 * A client. Connects when it is first used, and again after the connection was lost. Every method may throw
 * `keychain-unavailable`, `keychain-timeout`, and `keychain-locked` for an object that is locked.
 */
export class SecretService implements AsyncDisposable {
  readonly #parts: SecretServiceParts;
  #bus: Promise<Bus> | undefined;
  #session: Promise<Session> | undefined;
  readonly #unlocking = new Map<string, Promise<void>>();

  constructor(parts: SecretServiceParts) {
    this.#parts = parts;
  }

  /** Searches the items that have these attributes. */
  async search(attributes: Readonly<Record<string, string>>, limit: TimeLimit): Promise<SearchResult> {
    const message = { member: 'SearchItems', signature: 'a{ss}', body: [Object.entries(attributes)] };
    const [unlocked, locked] = await this.#call(message, limit);
    return { unlocked: paths(unlocked), locked: paths(locked) };
  }

  /** The default collection, for new items; `undefined` if the user has none. */
  async collection(
    limit: TimeLimit,
  ): Promise<{ readonly path: string; readonly locked: boolean } | undefined> {
    const [alias] = await this.#call({ member: 'ReadAlias', signature: 's', body: ['default'] }, limit);
    const path = String(alias);
    if (path === NO_OBJECT) return undefined;
    return { path, locked: (await this.#property(path, 'Collection', 'Locked', limit)) !== false };
  }

  /** An item's attributes. */
  async attributes(path: string, limit: TimeLimit): Promise<Readonly<Record<string, unknown>>> {
    return Object(await this.#property(path, 'Item', 'Attributes', limit));
  }

  /** When an item was last changed: milliseconds since the epoch, of whole seconds. */
  async modified(path: string, limit: TimeLimit): Promise<number> {
    return Number(await this.#property(path, 'Item', 'Modified', limit)) * 1000;
  }

  /** Reads an item's secret; the caller overwrites it after use. `undefined`: the item was removed. */
  async read(path: string, limit: TimeLimit): Promise<Buffer | undefined> {
    return await orGone(
      this.#inSession(limit, async (session) => {
        const message = { ...item(session, path), member: 'GetSecret', signature: 'o', body: [session.path] };
        const [secret] = await this.#call(message, limit);
        const [, parameters, value] = Array.isArray(secret) ? secret : [];
        try {
          return session.cipher.decrypt({ parameters, value });
        } catch (error) {
          throw undecipherable(error);
        }
      }),
      undefined,
    );
  }

  /** Replaces an item's secret. `false`: the item was removed. */
  async write(path: string, secret: Uint8Array, limit: TimeLimit): Promise<boolean> {
    return await orGone(
      this.#inSession(limit, async (session) => {
        const body = [encrypted(session, secret)];
        await this.#call({ ...item(session, path), member: 'SetSecret', signature: SECRET, body }, limit);
        return true;
      }),
      false,
    );
  }

  /**
   * Creates an item in a collection, or replaces the one with the same attributes. If the service wants to prompt, the
   * prompt is shown, or with `prompt: false` the collection counts as locked. Throws `keychain-dismissed` as well.
   */
  async create(
    collection: string,
    { label, attributes, secret }: NewItem,
    { prompt: mayPrompt, limit }: { readonly prompt: boolean; readonly limit: TimeLimit },
  ): Promise<void> {
    const properties = [
      [`${NAME}.Item.Label`, ['s', label]],
      [`${NAME}.Item.Attributes`, ['a{ss}', Object.entries(attributes)]],
    ];
    const prompt = await this.#inSession(limit, async (session) => {
      const message = {
        destination: session.owner,
        path: collection,
        interface: `${NAME}.Collection`,
        member: 'CreateItem',
        signature: `a{sv}${SECRET}b`,
        body: [properties, encrypted(session, secret), true],
      };
      return (await this.#call(message, limit))[1];
    });
    if (!mayPrompt && isPrompt(prompt)) throw needsPrompt();
    await this.#answer(prompt, limit);
  }

  /** Removes an item; prompts if the service wants to. `false`: it was removed already. Throws `keychain-dismissed` as well. */
  async remove(path: string, limit: TimeLimit): Promise<boolean> {
    const message = { path, interface: `${NAME}.Item`, member: 'Delete' };
    const reply = await orGone(this.#call(message, limit), undefined);
    if (reply === undefined) return false;
    await this.#answer(reply[0], limit);
    return true;
  }

  /**
   * Unlocks items or a collection; the service prompts the user if it must. Concurrent calls for the same objects share
   * one prompt. A prompt that is not answered in time stays open, and the next call waits for the same one: to dismiss
   * it crashes gnome-keyring (42.1, `perform_next_unlock`), and so may a second prompt beside it. Throws
   * `keychain-dismissed`; `keychain-locked` if no prompt can be shown or nobody answers.
   */
  async unlock(objects: readonly string[], limit: TimeLimit): Promise<void> {
    const key = [...objects].sort().join(' ');
    const unlocking = this.#unlocking.get(key) ?? this.#unlock(objects, limit);
    if (!this.#unlocking.has(key)) {
      const done = (): void => void this.#unlocking.delete(key);
      this.#unlocking.set(key, unlocking);
      unlocking.then(done, done);
    }
    await withPatience(unlocking, this.#parts.patience);
  }

  /** Reports changes of items until disposed of. `lost` is called if the connection is lost before that. */
  async watch(listener: (change: ItemChange) => void, lost: () => void): Promise<AsyncDisposable> {
    const bus = await this.#connected();
    const onSignal = ({ interface: kind, member, body = [] }: Message): void => {
      if (kind === `${NAME}.Collection` && typeof body[0] === 'string') {
        listener(member === 'ItemDeleted' ? {} : { path: body[0] });
      } else if (kind === `${NAME}.Service` || (member === 'NameOwnerChanged' && body[0] === SERVICE)) {
        listener({});
      }
    };
    const rules = [
      `type='signal',sender='${SERVICE}',interface='${NAME}.Collection'`,
      `type='signal',sender='${SERVICE}',interface='${NAME}.Service'`,
      `type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',arg0='${SERVICE}'`,
    ];
    await using watches = new AsyncDisposableStack();
    for (const [index, rule] of rules.entries()) {
      // One listener receives the signals of all rules.
      const listening = bus.listen(rule, index === 0 ? onSignal : () => {});
      watches.use(await listening.catch((error) => Promise.reject(fromDbusError(error))));
    }
    let open = true;
    bus.closed.then(() => {
      if (open) lost();
    });
    watches.defer(() => {
      open = false;
    });
    return watches.move();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#endSession();
    const bus = await this.#bus?.catch(() => undefined);
    await bus?.[Symbol.asyncDispose]();
  }

  async #unlock(objects: readonly string[], limit: TimeLimit): Promise<void> {
    const [, prompt] = await this.#call({ member: 'Unlock', signature: 'ao', body: [objects] }, limit);
    if (isPrompt(prompt)) await this.#prompt(prompt, limit);
  }

  /** Answers the prompt of a method's reply, if it has one. */
  async #answer(prompt: unknown, limit: TimeLimit): Promise<void> {
    if (!isPrompt(prompt)) return;
    await withPatience(this.#prompt(prompt, limit), this.#parts.patience);
  }

  async #prompt(path: string, limit: TimeLimit): Promise<void> {
    const bus = await this.#connected();
    await answerPrompt(bus, path, limit).catch((error) => Promise.reject(fromDbusError(error)));
  }

  /** Calls with the current session; once more with a new one if the service has ended it. */
  async #inSession<T>(limit: TimeLimit, call: (session: Session) => Promise<T>): Promise<T> {
    const current = this.#openSession(limit);
    try {
      return await call(await current);
    } catch (error) {
      if (!SESSION_ENDED.has(dbusName(error))) throw error;
      if (this.#session === current) this.#endSession();
      return await call(await this.#openSession(limit));
    }
  }

  #openSession(limit: TimeLimit): Promise<Session> {
    if (this.#session !== undefined) return this.#session;
    const opening = this.#negotiate(limit);
    this.#session = opening;
    opening.catch(() => {
      if (this.#session === opening) this.#session = undefined;
    });
    return opening;
  }

  async #negotiate(limit: TimeLimit): Promise<Session> {
    const [owner] = await this.#call(
      {
        destination: 'org.freedesktop.DBus',
        path: '/org/freedesktop/DBus',
        interface: 'org.freedesktop.DBus',
        member: 'GetNameOwner',
        signature: 's',
        body: [SERVICE],
      },
      limit,
    );
    const exchange = await startKeyExchange();
    const message = {
      destination: String(owner),
      member: 'OpenSession',
      signature: 'sv',
      body: [ALGORITHM, ['ay', exchange.publicKey]],
    };
    const [peerKey, path] = await this.#call(message, limit).catch((error) => {
      throw dbusName(error) === 'DBus.Error.NotSupported' ? noEncryption(error) : error;
    });
    if (!Buffer.isBuffer(peerKey)) throw noEncryption(undefined);
    try {
      return { owner: String(owner), path: String(path), cipher: exchange.complete(peerKey) };
    } catch (error) {
      throw noEncryption(error);
    }
  }

  #endSession(): void {
    this.#session?.then(
      ({ cipher }) => cipher[Symbol.dispose](),
      () => {},
    );
    this.#session = undefined;
  }

  #connected(): Promise<Bus> {
    this.#bus ??= this.#connect();
    return this.#bus;
  }

  async #connect(): Promise<Bus> {
    const forget = (): void => {
      this.#bus = undefined;
      this.#endSession();
    };
    try {
      const bus = await this.#parts.connect();
      if (bus === undefined) throw noBus();
      bus.closed.then(forget);
      return bus;
    } catch (error) {
      forget();
      throw fromDbusError(error);
    }
  }

  async #property(path: string, kind: string, name: string, limit: TimeLimit): Promise<unknown> {
    const message = {
      path,
      interface: 'org.freedesktop.DBus.Properties',
      member: 'Get',
      signature: 'ss',
      body: [`${NAME}.${kind}`, name],
    };
    return (await this.#call(message, limit))[0];
  }

  async #call(message: Message, limit: TimeLimit): Promise<unknown[]> {
    const bus = await this.#connected();
    try {
      return await bus.call(
        { destination: SERVICE, path: ROOT, interface: `${NAME}.Service`, ...message },
        limit.left(),
      );
    } catch (error) {
      throw fromDbusError(error);
    }
  }
}

/** An item, addressed to the service of the session. */
function item({ owner }: Session, path: string): Message {
  return { destination: owner, path, interface: `${NAME}.Item` };
}

/** A secret as an argument of a method. */
function encrypted({ path, cipher }: Session, secret: Uint8Array): unknown[] {
  const { parameters, value } = cipher.encrypt(secret);
  return [path, parameters, value, CONTENT_TYPE];
}

/** The result of a call to an item, or `gone` if the item was removed. */
async function orGone<T, G>(call: Promise<T>, gone: G): Promise<T | G> {
  try {
    return await call;
  } catch (error) {
    if (ITEM_GONE.has(dbusName(error))) return gone;
    throw error;
  }
}

/** Whether a reply names a prompt. */
function isPrompt(path: unknown): path is string {
  return typeof path === 'string' && path !== NO_OBJECT;
}

function paths(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}
