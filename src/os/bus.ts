// The D-Bus session bus: where it is, and a connection with a limit to every wait. Hosts strip the address
// from the environment, so it is also looked for where systemd and dbus-launch put it. dbus-native is loaded
// at the first connection only: 8 MB that a daemon without a keychain does not need.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { connect as dial, type NetConnectOpts, type Socket } from 'node:net';
import type { Message, MessageBus } from 'dbus-native';

/** What the bus's place follows from. */
export interface BusInput {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  readonly uid: number;
}

/** A connection. All errors are of dbus-native: `DBusError` with a `dbusName`, `TimeoutError`, `ConnectionClosedError`. */
export interface Bus extends AsyncDisposable {
  /** The address that answered. */
  readonly address: string;
  /** Calls a method; gives the values of the reply. */
  call(message: Message, timeout?: number): Promise<unknown[]>;
  /** Asks for signals by a match rule; they come to the listener until it is disposed of. */
  listen(rule: string, listener: (signal: Message) => void): Promise<AsyncDisposable>;
  /** Settles when the connection is gone. */
  readonly closed: Promise<void>;
}

/** The addresses at which the user's bus may be, the likeliest first. */
export function busAddresses({ env, home, uid }: BusInput): string[] {
  const runtime = [`/run/user/${uid}`, env.XDG_RUNTIME_DIR].map((folder) => `${folder}/bus`);
  const sockets = [...new Set(runtime)].filter((path) => {
    const stats = statSync(path, { throwIfNoEntry: false });
    return stats?.isSocket() === true && stats.uid === uid;
  });
  const said = env.DBUS_SESSION_BUS_ADDRESS?.split(';') ?? [];
  return [...said, ...sockets.map((path) => `unix:path=${encoded(path)}`), ...launched(home)].filter(
    (address, index, all) => target(address) !== undefined && all.indexOf(address) === index,
  );
}

/** Connects to the first address that answers. `undefined`: none does. Throws when one answers too slowly. */
export async function connectBus(addresses: readonly string[], timeout: number): Promise<Bus | undefined> {
  for (const address of addresses) {
    const to = target(address);
    const stream = to && (await reach(to));
    if (stream) return await greet(address, stream, timeout);
  }
  return undefined;
}

/** What dbus-launch has noted for this machine's displays, the newest first. */
function launched(home: string): string[] {
  const folder = `${home}/.dbus/session-bus`;
  try {
    const files = readdirSync(folder).map((name) => `${folder}/${name}`);
    const time = new Map(files.map((file) => [file, statSync(file).mtimeMs]));
    return files
      .sort((a, b) => (time.get(b) ?? 0) - (time.get(a) ?? 0))
      .flatMap(
        (file) => /^DBUS_SESSION_BUS_ADDRESS='?([^'\n]+)/m.exec(readFileSync(file, 'utf8'))?.[1] ?? [],
      );
  } catch {
    return [];
  }
}

/** Where an address leads, for the kinds that Node can connect to: `unix:` with a path or an abstract name. */
function target(address: string): NetConnectOpts | undefined {
  const [, kind, value = ''] = /^unix:(?:[^,]*,)*(path|abstract)=([^,]+)/.exec(address) ?? [];
  if (kind === undefined) return undefined;
  const path = value.replace(/%([0-9A-Fa-f]{2})/g, (_all, hex) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return { path: kind === 'abstract' ? `\0${path}` : path };
}

/** A path as an address holds it: the D-Bus specification, "Server Addresses". */
function encoded(path: string): string {
  return path.replace(/[^-0-9A-Za-z_/.*]/gu, (character) =>
    Buffer.from(character).toString('hex').replace(/../g, '%$&'),
  );
}

function reach(to: NetConnectOpts): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const stream = dial(to);
    stream.once('error', () => resolve(undefined));
    stream.once('connect', () => {
      stream.removeAllListeners('error');
      resolve(stream);
    });
  });
}

async function greet(address: string, stream: Socket, timeout: number): Promise<Bus> {
  const { createClient } = await import('dbus-native');
  // `direct`: dbus-native 0.16.1 says Hello by itself, and throws out of a timer when nobody answers.
  const bus: MessageBus = createClient({ stream, authMethods: ['EXTERNAL'], timeout, direct: true });
  const { promise: closed, resolve: close } = Promise.withResolvers<void>();
  bus.connection.on('close', () => close());
  const greeted = Promise.withResolvers<void>();
  const timer = setTimeout(() => greeted.reject(silence()), timeout);
  bus.connection.on('connect', () => greeted.resolve());
  bus.connection.on('error', (error) => greeted.reject(error));
  closed.then(() => greeted.reject(new Error('the bus hung up')));
  try {
    await greeted.promise;
    bus.name = await bus.invokeDbus<string>({ member: 'Hello' });
  } catch (error) {
    stream.destroy();
    throw error;
  } finally {
    clearTimeout(timer);
  }
  const listeners = new Set<(signal: Message) => void>();
  bus.connection.on('message', (message) => {
    if (message.type === 4) for (const listener of [...listeners]) listener(message);
  });
  return {
    address,
    closed,
    call: (message, limit = timeout) =>
      new Promise((resolve, reject) => {
        bus.invoke({ ...message }, { timeout: limit }, (error, ...values) => {
          if (error) reject(error);
          else resolve(values);
        });
      }),
    async listen(rule, listener) {
      listeners.add(listener);
      try {
        await bus.addMatch(rule);
      } catch (error) {
        listeners.delete(listener);
        throw error;
      }
      return {
        async [Symbol.asyncDispose]() {
          listeners.delete(listener);
          // The bus forgets the rule with the connection.
          await Promise.race([closed, Promise.resolve(bus.removeMatch(rule)).catch(() => {})]);
        },
      };
    },
    async [Symbol.asyncDispose]() {
      stream.destroy();
      await closed;
    },
  };
}

/** As dbus-native says it of a call. */
function silence(): Error {
  return Object.assign(new Error('the bus does not answer'), {
    dbusName: 'org.freedesktop.DBus.Error.NoReply',
  });
}
