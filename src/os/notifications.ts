// The desktop's notifications: the Desktop Notifications Specification 1.2, over the session bus. Signals count only from
// the program that took the notification, so that another that takes over the name, or one that only sends signals,
// answers nothing.
import type { Message } from 'dbus-native';
import { type Bus, connectBus } from './bus.ts';

const NAME = 'org.freedesktop.Notifications';
const SERVICE = { path: '/org/freedesktop/Notifications', interface: NAME } as const;
const BUS = {
  destination: 'org.freedesktop.DBus',
  path: '/org/freedesktop/DBus',
  interface: 'org.freedesktop.DBus',
} as const;
/** The hint `urgency`: critical ones are not hidden by themselves. */
const CRITICAL = 2;
/** `replaces_id`: it replaces none. */
const NEW = 0;
const MAX_EARLY = 100;
/** `expire_timeout`: it stays until somebody closes it. */
const NEVER = 0;

export interface NotificationText {
  readonly summary: string;
  readonly body: string;
  readonly actions: readonly { readonly key: string; readonly label: string }[];
}

/** What became of a notification: a key that came back, as it came; or it is gone, for this reason (section 9). */
export type NotificationEvent = { readonly key: unknown } | { readonly closed: unknown };

/** A program that shows notifications. */
export interface Notifications extends AsyncDisposable {
  /** `actions`, `body`, `body-markup` and others (section 9, GetCapabilities). */
  readonly capabilities: ReadonlySet<unknown>;
  /** Shows one. What happens to those before it does not count any more. Throws if the program does not take it. */
  show(text: NotificationText): Promise<void>;
  /** What happens next to the last one. The end of the program or of the bus is its end. */
  next(): Promise<NotificationEvent>;
  /** Closes the last one. Never rejects. */
  close(): Promise<void>;
}

/** The program that shows notifications, of the first bus that has one. `timeout` is that of one call. */
export async function openNotifications(
  addresses: readonly string[],
  timeout: number,
): Promise<Notifications | undefined> {
  for (const address of addresses) {
    const bus = await connectBus([address], timeout).catch(() => undefined);
    if (bus === undefined) continue;
    try {
      return await open(bus);
    } catch {
      await bus[Symbol.asyncDispose]();
    }
  }
  return undefined;
}

async function open(bus: Bus): Promise<Notifications> {
  const [listed] = await bus.call({ ...SERVICE, destination: NAME, member: 'GetCapabilities' });
  const [owner] = await bus.call({ ...BUS, member: 'GetNameOwner', signature: 's', body: [NAME] });
  if (typeof owner !== 'string') throw new Error('the bus does not say who shows notifications');
  const events = new Events();
  let id: number | undefined;
  /** Signals may come before the answer that tells the notification's number. */
  const early: Message[] = [];
  const take = (signal: Message): void => {
    const { sender, interface: of, member, body = [] } = signal;
    if (sender === BUS.destination && member === 'NameOwnerChanged' && body[0] === owner)
      events.push({ closed: 'the program has ended' });
    if (sender !== owner || of !== NAME) return;
    if (id === undefined) {
      if (early.length < MAX_EARLY) early.push(signal);
    } else if (body[0] !== id) return;
    else if (member === 'ActionInvoked') events.push({ key: body[1] });
    else if (member === 'NotificationClosed') events.push({ closed: body[1] });
  };
  await bus.listen(`type='signal',sender='${owner}',interface='${NAME}'`, take);
  await bus.listen(
    `type='signal',sender='${BUS.destination}',member='NameOwnerChanged',arg0='${owner}'`,
    () => {},
  );
  void bus.closed.then(() => events.push({ closed: 'the bus is gone' }));
  return {
    capabilities: new Set(Array.isArray(listed) ? listed : []),
    async show({ summary, body, actions }) {
      id = undefined;
      early.length = 0;
      events.clear();
      const [shown] = await bus.call({
        ...SERVICE,
        destination: owner,
        member: 'Notify',
        signature: 'susssasa{sv}i',
        body: [
          'Warder',
          NEW,
          'dialog-password',
          summary,
          body,
          actions.flatMap(({ key, label }) => [key, label]),
          [['urgency', ['y', CRITICAL]]],
          NEVER,
        ],
      });
      if (typeof shown !== 'number' || shown === 0) throw new Error('the notification was not taken');
      id = shown;
      for (const signal of early.splice(0)) take(signal);
    },
    next: () => events.next(),
    async close() {
      if (id === undefined) return;
      const message = {
        ...SERVICE,
        destination: owner,
        member: 'CloseNotification',
        signature: 'u',
        body: [id],
      };
      await bus.call(message).catch(() => {});
    },
    [Symbol.asyncDispose]: () => bus[Symbol.asyncDispose](),
  };
}

/** Events for one who waits for them. */
class Events {
  readonly #come: NotificationEvent[] = [];
  #wanted: ((event: NotificationEvent) => void) | undefined;

  push(event: NotificationEvent): void {
    const wanted = this.#wanted;
    this.#wanted = undefined;
    if (wanted === undefined) this.#come.push(event);
    else wanted(event);
  }

  clear(): void {
    this.#come.length = 0;
  }

  next(): Promise<NotificationEvent> {
    const event = this.#come.shift();
    if (event !== undefined) return Promise.resolve(event);
    const { promise, resolve } = Promise.withResolvers<NotificationEvent>();
    this.#wanted = resolve;
    return promise;
  }
}
