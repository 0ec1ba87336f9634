// What the keyring package cannot tell of the Secret Service (freedesktop.org, draft 0.2): whether the item
// that is asked for is there, locked or missing; how a person answers who is asked to unlock it; and that
// another program has changed an item. All of it is asynchronous and every wait has an end, so nothing here
// holds up the daemon, whatever the service does. No value passes here.
import type { Message } from 'dbus-native';
import { WarderError } from '../errors.ts';
import type { Bus } from './bus.ts';

const SERVICE = 'org.freedesktop.secrets';
const ROOT = '/org/freedesktop/secrets';
const NAME = 'org.freedesktop.Secret';
/** What asks the person for gnome-keyring. It is started on demand, and cannot be where there is no display. */
const PROMPTER = 'org.gnome.keyring.SystemPrompter';
const GNOME = 'org.gnome.keyring';
/** No object: the answer of a method that has none to name. */
const NONE = '/';

/** What a search found: object paths. */
export interface Items {
  readonly unlocked: readonly string[];
  readonly locked: readonly string[];
}

/** Which item changed; without a path any may have. */
export type Change = { readonly path?: string };

export interface SecretServiceParts {
  /** Connects to the session bus. `undefined`: there is none. */
  readonly connect: () => Promise<Bus | undefined>;
  /** How long a person has to unlock the keychain, in milliseconds. */
  readonly patience: number;
}

/** A client. Connects when it is first needed, and again when the connection was lost. */
export class SecretService implements AsyncDisposable {
  readonly #parts: SecretServiceParts;
  #bus: Promise<Bus> | undefined;
  readonly #unlocking = new Map<string, Promise<void>>();

  constructor(parts: SecretServiceParts) {
    this.#parts = parts;
  }

  /** The address of the bus. Throws `keychain-unavailable`, `keychain-timeout`. */
  async address(): Promise<string> {
    return (await this.#connected()).address;
  }

  /** Items that have these attributes. `timeout` in milliseconds, here and below. */
  async find(attributes: Readonly<Record<string, string>>, timeout: number): Promise<Items> {
    const found = { member: 'SearchItems', signature: 'a{ss}', body: [Object.entries(attributes)] };
    const [unlocked, locked] = await this.#call(found, timeout);
    return { unlocked: paths(unlocked), locked: paths(locked) };
  }

  /** The collection that new items go into; `undefined` when the person has made none. */
  async collection(
    timeout: number,
  ): Promise<{ readonly path: string; readonly locked: boolean } | undefined> {
    const [alias] = await this.#call({ member: 'ReadAlias', signature: 's', body: ['default'] }, timeout);
    const path = String(alias);
    if (path === NONE) return undefined;
    return { path, locked: (await this.#property(path, 'Collection', 'Locked', timeout)) !== false };
  }

  /** An item's attributes. */
  async attributes(path: string, timeout: number): Promise<Readonly<Record<string, unknown>>> {
    return Object(await this.#property(path, 'Item', 'Attributes', timeout));
  }

  /** When an item was last changed: milliseconds since the epoch, of whole seconds. */
  async modified(path: string, timeout: number): Promise<number> {
    return Number(await this.#property(path, 'Item', 'Modified', timeout)) * 1000;
  }

  /**
   * Unlocks items or a collection; the service asks the person if it must. All who want the same wait for one
   * answer. A prompt that nobody has answered in time is left open, and whoever comes next waits for the same
   * one: to dismiss it crashes gnome-keyring (42.1, `perform_next_unlock`), and so may a second one beside it.
   * Throws `keychain-dismissed`; `keychain-locked` when nobody can be asked or nobody answers.
   */
  async unlock(objects: readonly string[], timeout: number): Promise<void> {
    const key = [...objects].sort().join(' ');
    const unlocking = this.#unlocking.get(key) ?? this.#unlock(objects, timeout);
    if (!this.#unlocking.has(key)) {
      const done = (): void => void this.#unlocking.delete(key);
      this.#unlocking.set(key, unlocking);
      unlocking.then(done, done);
    }
    const { patience } = this.#parts;
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => late.reject(unanswered(patience)), patience);
    try {
      await Promise.race([unlocking, late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Tells of changes of items until disposed of. Throws as `address` does; later losses end it: see `lost`. */
  async watch(listener: (change: Change) => void, lost: () => void): Promise<AsyncDisposable> {
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
      // One of them hears the signals of all.
      watches.use(
        await bus
          .listen(rule, index === 0 ? onSignal : () => {})
          .catch((error) => Promise.reject(failure(error))),
      );
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
    const bus = await this.#bus?.catch(() => undefined);
    await bus?.[Symbol.asyncDispose]();
  }

  async #unlock(objects: readonly string[], timeout: number): Promise<void> {
    const [, prompt] = await this.#call({ member: 'Unlock', signature: 'ao', body: [objects] }, timeout);
    const path = String(prompt);
    if (path === NONE) return;
    const bus = await this.#connected();
    const answered = Promise.withResolvers<boolean>();
    await using _answer = await bus.listen(
      `type='signal',sender='${SERVICE}',interface='${NAME}.Prompt',member='Completed',path='${path}'`,
      ({ path: from, member, body = [] }) => {
        if (from === path && member === 'Completed') answered.resolve(body[0] === false);
      },
    );
    await this.#call(
      { path, interface: `${NAME}.Prompt`, member: 'Prompt', signature: 's', body: [''] },
      timeout,
    );
    bus.closed.then(() => answered.reject(gone()));
    if (await answered.promise) return;
    if (await this.#canAsk(timeout)) {
      throw new WarderError(
        'keychain-dismissed',
        'the keychain is locked, and was not unlocked when it asked',
        {
          hint: 'try again, and give the password of the keychain',
        },
      );
    }
    throw new WarderError(
      'keychain-locked',
      'the keychain is locked, and nobody can be asked to unlock it here',
      {
        hint: UNLOCK,
      },
    );
  }

  /** Whether a prompt that was not answered had been shown: gnome-keyring says "dismissed" in either case. */
  async #canAsk(timeout: number): Promise<boolean> {
    const bus = await this.#connected();
    const ask = (member: string, signature: string, ...body: unknown[]): Promise<unknown[]> =>
      bus.call(
        {
          destination: 'org.freedesktop.DBus',
          path: '/org/freedesktop/DBus',
          interface: 'org.freedesktop.DBus',
          member,
          signature,
          body,
        },
        timeout,
      );
    const [gnome] = await ask('NameHasOwner', 's', GNOME).catch(() => [false]);
    if (gnome !== true) return true;
    const [running] = await ask('NameHasOwner', 's', PROMPTER).catch(() => [false]);
    if (running === true) return true;
    return await ask('StartServiceByName', 'su', PROMPTER, 0).then(
      () => true,
      () => false,
    );
  }

  #connected(): Promise<Bus> {
    this.#bus ??= this.#connect();
    return this.#bus;
  }

  async #connect(): Promise<Bus> {
    const forget = (): void => {
      this.#bus = undefined;
    };
    try {
      const bus = await this.#parts.connect();
      if (bus === undefined) {
        throw new WarderError('keychain-unavailable', 'there is no session bus, and so no keychain', {
          hint: VAULT,
        });
      }
      bus.closed.then(forget);
      return bus;
    } catch (error) {
      forget();
      throw failure(error);
    }
  }

  async #property(path: string, kind: string, name: string, timeout: number): Promise<unknown> {
    const [value] = await this.#call(
      {
        path,
        interface: 'org.freedesktop.DBus.Properties',
        member: 'Get',
        signature: 'ss',
        body: [`${NAME}.${kind}`, name],
      },
      timeout,
    );
    return value;
  }

  async #call(message: Message, timeout: number): Promise<unknown[]> {
    const bus = await this.#connected();
    try {
      return await bus.call(
        { destination: SERVICE, path: ROOT, interface: `${NAME}.Service`, ...message },
        Math.max(1, timeout),
      );
    } catch (error) {
      throw failure(error);
    }
  }
}

const VAULT = 'log in to a desktop session, or keep credentials in a file: warder init --store vault';
const UNLOCK = 'unlock it in a desktop session, or keep credentials in a file: warder init --store vault';

function paths(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

function gone(): WarderError {
  return new WarderError('keychain-unavailable', 'the session bus went away', { hint: VAULT });
}

function unanswered(ms: number): WarderError {
  return new WarderError(
    'keychain-locked',
    `the keychain is locked, and was not unlocked within ${ms / 1000} s`,
    {
      hint: 'unlock it, and try again',
    },
  );
}

/** A D-Bus error as Warder's. */
function failure(error: unknown): WarderError {
  if (error instanceof WarderError) return error;
  const name = String(Object(error).dbusName ?? '').replace('org.freedesktop.', '');
  if (name === 'DBus.Error.NoReply' || name === 'DBus.Error.Timeout' || name === 'DBus.Error.TimedOut') {
    return new WarderError('keychain-timeout', 'the keychain does not answer', {
      hint: 'look whether it waits for you in a window, else log out and in again',
      cause: error,
    });
  }
  if (name === 'Secret.Error.IsLocked') {
    return new WarderError('keychain-locked', 'the keychain is locked', { hint: UNLOCK, cause: error });
  }
  if (name === 'DBus.Error.Disconnected') return gone();
  const unknown = /^DBus\.Error\.(ServiceUnknown|NameHasNoOwner|Spawn\..*)$/.test(name);
  const what = unknown ? 'no keychain runs in this session' : 'the keychain cannot be used';
  return new WarderError('keychain-unavailable', what, {
    hint: unknown ? `start gnome-keyring or KWallet; or ${VAULT.slice(VAULT.indexOf('keep'))}` : VAULT,
    cause: error,
  });
}
