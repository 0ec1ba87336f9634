// A client of the Secret Service (freedesktop.org, draft 0.2), the keychain of Linux desktops: gnome-keyring, KWallet,
// KeePassXC. It searches items, reads and writes their secrets, unlocks them, and reports changes by other programs.
// Everything is asynchronous and every wait has a limit, so that nothing here blocks the daemon, whatever the service
// does. Secrets cross the bus encrypted (`secret-service/cipher.ts`): a service that cannot do that is refused.
import type { Message } from 'dbus-native';
import type { Bus } from './bus.ts';
import { ServiceConnection } from './secret-service/connection.ts';
import { dbusName, fromDbusError, needsPrompt, undecipherable } from './secret-service/errors.ts';
import { answerPrompt, withPatience } from './secret-service/prompts.ts';
import { NAME, NO_OBJECT, SERVICE, type TimeLimit } from './secret-service/protocol.ts';
import { encrypted, item, Sessions } from './secret-service/session.ts';

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

/** A secret in a method's signature: session, parameters, value, content type. */
const SECRET = '(oayays)';

/** Errors of a call to an item that was removed meanwhile. */
const ITEM_GONE = new Set([
  'Secret.Error.NoSuchObject',
  'DBus.Error.UnknownObject',
  'DBus.Error.UnknownMethod',
]);

/**
 * A client. Connects when it is first used, and again after the connection was lost. Every method may throw
 * `keychain-unavailable`, `keychain-timeout`, and `keychain-locked` for an object that is locked.
 */
export class SecretService implements AsyncDisposable {
  readonly #parts: SecretServiceParts;
  readonly #connection: ServiceConnection;
  readonly #sessions: Sessions;
  readonly #unlocking = new Map<string, Promise<void>>();

  constructor(parts: SecretServiceParts) {
    this.#parts = parts;
    this.#sessions = new Sessions(() => this.#connection);
    this.#connection = new ServiceConnection(parts.connect, () => this.#sessions.end());
  }

  /** Searches the items that have these attributes. */
  async search(attributes: Readonly<Record<string, string>>, limit: TimeLimit): Promise<SearchResult> {
    const message = { member: 'SearchItems', signature: 'a{ss}', body: [Object.entries(attributes)] };
    const [unlocked, locked] = await this.#connection.call(message, limit);
    return { unlocked: paths(unlocked), locked: paths(locked) };
  }

  /** The default collection, for new items; `undefined` if the user has none. */
  async collection(
    limit: TimeLimit,
  ): Promise<{ readonly path: string; readonly locked: boolean } | undefined> {
    const [alias] = await this.#connection.call(
      { member: 'ReadAlias', signature: 's', body: ['default'] },
      limit,
    );
    const path = String(alias);
    if (path === NO_OBJECT) return undefined;
    return { path, locked: (await this.#connection.property(path, 'Collection', 'Locked', limit)) !== false };
  }

  /** An item's attributes. */
  async attributes(path: string, limit: TimeLimit): Promise<Readonly<Record<string, unknown>>> {
    return Object(await this.#connection.property(path, 'Item', 'Attributes', limit));
  }

  /** When an item was last changed: milliseconds since the epoch, of whole seconds. */
  async modified(path: string, limit: TimeLimit): Promise<number> {
    return Number(await this.#connection.property(path, 'Item', 'Modified', limit)) * 1000;
  }

  /** Reads an item's secret; the caller overwrites it after use. `undefined`: the item was removed. */
  async read(path: string, limit: TimeLimit): Promise<Buffer | undefined> {
    return await orGone(
      this.#sessions.run(limit, async (session) => {
        const message = { ...item(session, path), member: 'GetSecret', signature: 'o', body: [session.path] };
        const [secret] = await this.#connection.call(message, limit);
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
      this.#sessions.run(limit, async (session) => {
        const body = [encrypted(session, secret)];
        await this.#connection.call(
          { ...item(session, path), member: 'SetSecret', signature: SECRET, body },
          limit,
        );
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
    const prompt = await this.#sessions.run(limit, async (session) => {
      const message = {
        destination: session.owner,
        path: collection,
        interface: `${NAME}.Collection`,
        member: 'CreateItem',
        signature: `a{sv}${SECRET}b`,
        body: [properties, encrypted(session, secret), true],
      };
      return (await this.#connection.call(message, limit))[1];
    });
    if (!mayPrompt && isPrompt(prompt)) throw needsPrompt();
    await this.#answer(prompt, limit);
  }

  /** Removes an item; prompts if the service wants to. `false`: it was removed already. Throws `keychain-dismissed` as well. */
  async remove(path: string, limit: TimeLimit): Promise<boolean> {
    const message = { path, interface: `${NAME}.Item`, member: 'Delete' };
    const reply = await orGone(this.#connection.call(message, limit), undefined);
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
    const bus = await this.#connection.bus();
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
    this.#sessions.end();
    await this.#connection[Symbol.asyncDispose]();
  }

  async #unlock(objects: readonly string[], limit: TimeLimit): Promise<void> {
    const [, prompt] = await this.#connection.call(
      { member: 'Unlock', signature: 'ao', body: [objects] },
      limit,
    );
    if (isPrompt(prompt)) await this.#prompt(prompt, limit);
  }

  /** Answers the prompt of a method's reply, if it has one. */
  async #answer(prompt: unknown, limit: TimeLimit): Promise<void> {
    if (!isPrompt(prompt)) return;
    await withPatience(this.#prompt(prompt, limit), this.#parts.patience);
  }

  async #prompt(path: string, limit: TimeLimit): Promise<void> {
    const bus = await this.#connection.bus();
    await answerPrompt(bus, path, limit).catch((error) => Promise.reject(fromDbusError(error)));
  }
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
