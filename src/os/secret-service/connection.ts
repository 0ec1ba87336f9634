// The connection to the service's bus: made when it is first used, and again after it was lost.
import type { Message } from 'dbus-native';
import type { Bus } from '../bus.ts';
import { fromDbusError, noBus } from './errors.ts';
import { NAME, ROOT, SERVICE, type TimeLimit } from './protocol.ts';

/** One connection for all calls; a lost one is made again by the next. */
export class ServiceConnection implements AsyncDisposable {
  readonly #dial: () => Promise<Bus | undefined>;
  readonly #onLost: () => void;
  #bus: Promise<Bus> | undefined;

  /** `dial` connects to the session bus, if there is one; `onLost` is called when the connection is gone. */
  constructor(dial: () => Promise<Bus | undefined>, onLost: () => void) {
    this.#dial = dial;
    this.#onLost = onLost;
  }

  /** The bus. Throws `keychain-unavailable`. */
  bus(): Promise<Bus> {
    this.#bus ??= this.#connect();
    return this.#bus;
  }

  /** Calls a method: of the service itself, if the message does not say of what. Throws the keychain's errors. */
  async call(message: Message, limit: TimeLimit): Promise<unknown[]> {
    const bus = await this.bus();
    try {
      return await bus.call(
        { destination: SERVICE, path: ROOT, interface: `${NAME}.Service`, ...message },
        limit.left(),
      );
    } catch (error) {
      throw fromDbusError(error);
    }
  }

  /** A property of an object of the service. */
  async property(path: string, kind: string, name: string, limit: TimeLimit): Promise<unknown> {
    const message = {
      path,
      interface: 'org.freedesktop.DBus.Properties',
      member: 'Get',
      signature: 'ss',
      body: [`${NAME}.${kind}`, name],
    };
    return (await this.call(message, limit))[0];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const bus = await this.#bus?.catch(() => undefined);
    await bus?.[Symbol.asyncDispose]();
  }

  async #connect(): Promise<Bus> {
    const forget = (): void => {
      this.#bus = undefined;
      this.#onLost();
    };
    try {
      const bus = await this.#dial();
      if (bus === undefined) throw noBus();
      bus.closed.then(forget);
      return bus;
    } catch (error) {
      forget();
      throw fromDbusError(error);
    }
  }
}
