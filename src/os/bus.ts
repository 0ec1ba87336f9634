// The D-Bus session bus: its addresses, and a connection with a time limit on every wait. Hosts strip the address from
// the environment, so it is also searched where systemd and dbus-launch put it. dbus-native is loaded for the first
// connection only: a daemon without a keychain does not need its 8 MB.
import { lstatSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { connect as dial, type NetConnectOpts, type Socket } from 'node:net';
import type { Message, MessageBus } from 'dbus-native';
import type { SessionBus } from '../wire/hello.ts';
import { verifyFolder } from './socket.ts';

/** What the addresses of the bus are derived from. */
export interface BusEnvironment {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  readonly uid: number;
}

/** A connection. All errors are those of dbus-native: `DBusError` with a `dbusName`, `TimeoutError`, `ConnectionClosedError`. */
export interface Bus extends AsyncDisposable {
  /** Its address. */
  readonly address: string;
  /** Calls a method and returns the values of the reply. */
  call(message: Message, timeout?: number): Promise<unknown[]>;
  /** Subscribes to signals by a match rule. The listener gets all signals of the connection until it is disposed of. */
  listen(rule: string, listener: (signal: Message) => void): Promise<AsyncDisposable>;
  /** Settles when the connection is closed. */
  readonly closed: Promise<void>;
}

/** The possible addresses of the user's bus, the likeliest first. */
export function busAddresses({ env, home, uid }: BusEnvironment): string[] {
  const runtime = [`/run/user/${uid}`, env.XDG_RUNTIME_DIR].map((folder) => `${folder}/bus`);
  const sockets = [...new Set(runtime)].filter((path) => {
    const stats = statSync(path, { throwIfNoEntry: false });
    return stats?.isSocket() === true && stats.uid === uid;
  });
  const configured = env.DBUS_SESSION_BUS_ADDRESS?.split(';') ?? [];
  return [
    ...configured,
    ...sockets.map((path) => `unix:path=${escapePath(path)}`),
    ...dbusLaunchAddresses(home),
  ].filter((address, index, all) => socketOf(address) !== undefined && all.indexOf(address) === index);
}

/**
 * Takes the session bus that a client names into the daemon's environment, `env`, if the daemon finds none itself: a host
 * without one may have started it. Only a socket of the user in the user's own runtime folder counts.
 */
export function adoptBus(
  client: SessionBus,
  { env, home, uid }: { readonly env: NodeJS.ProcessEnv; readonly home: string; readonly uid: number },
): boolean {
  if (busAddresses({ env, home, uid }).some((address) => isPresent(address))) return false;
  const { address, runtime = '' } = client;
  const folders = [`/run/user/${uid}`, runtime].filter((folder) => isPrivate(folder, uid));
  const { path = '' } = pathOf(address) ?? {};
  const inside = folders.some((folder) => path.startsWith(`${folder}/`) && !path.includes('/../'));
  const stats = inside ? lstatSync(path, { throwIfNoEntry: false }) : undefined;
  if (stats?.isSocket() !== true || stats.uid !== uid) return false;
  env.DBUS_SESSION_BUS_ADDRESS = `unix:path=${escapePath(path)}`;
  return true;
}

/** The path of an address; `undefined` for an abstract name and for other kinds. */
function pathOf(address: string): { readonly path: string } | undefined {
  const options = socketOf(address) as { readonly path: string } | undefined;
  return options?.path.startsWith('/') === true ? options : undefined;
}

/** Whether there may be a bus: an abstract name shows only when one connects to it. */
function isPresent(address: string): boolean {
  const target = pathOf(address);
  return target === undefined || lstatSync(target.path, { throwIfNoEntry: false })?.isSocket() === true;
}

function isPrivate(folder: string, uid: number): boolean {
  try {
    return folder.startsWith('/') && verifyFolder(folder, uid);
  } catch {
    return false;
  }
}

/** Connects to the first address that accepts a connection. `undefined`: none does. Throws if that bus does not answer in time. */
export async function connectBus(addresses: readonly string[], timeout: number): Promise<Bus | undefined> {
  for (const address of addresses) {
    const to = socketOf(address);
    const stream = to && (await openSocket(to));
    if (stream) return await authenticate(address, stream, timeout);
  }
  return undefined;
}

/** The addresses that dbus-launch saved for the displays of this machine, the newest first. */
function dbusLaunchAddresses(home: string): string[] {
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

/** The socket of an address that Node can connect to: `unix:` with a path or an abstract name. */
function socketOf(address: string): NetConnectOpts | undefined {
  const [, kind, value = ''] = /^unix:(?:[^,]*,)*(path|abstract)=([^,]+)/.exec(address) ?? [];
  if (kind === undefined) return undefined;
  const path = value.replace(/%([0-9A-Fa-f]{2})/g, (_all, hex) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return { path: kind === 'abstract' ? `\0${path}` : path };
}

/** A path, escaped for an address: the D-Bus specification, "Server Addresses". */
function escapePath(path: string): string {
  return path.replace(/[^-0-9A-Za-z_/.*]/gu, (character) =>
    Buffer.from(character).toString('hex').replace(/../g, '%$&'),
  );
}

function openSocket(to: NetConnectOpts): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const stream = dial(to);
    stream.once('error', () => resolve(undefined));
    stream.once('connect', () => {
      stream.removeAllListeners('error');
      resolve(stream);
    });
  });
}

async function authenticate(address: string, stream: Socket, timeout: number): Promise<Bus> {
  const { createClient } = await import('dbus-native');
  // `direct`: otherwise dbus-native 0.16.1 sends Hello by itself, and throws from a timer if nobody answers.
  const bus: MessageBus = createClient({ stream, authMethods: ['EXTERNAL'], timeout, direct: true });
  const { promise: closed, resolve: close } = Promise.withResolvers<void>();
  bus.connection.on('close', () => close());
  const authenticated = Promise.withResolvers<void>();
  const timer = setTimeout(() => authenticated.reject(noReply()), timeout);
  bus.connection.on('connect', () => authenticated.resolve());
  bus.connection.on('error', (error) => authenticated.reject(error));
  closed.then(() => authenticated.reject(new Error('the bus hung up')));
  try {
    await authenticated.promise;
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
          // When the connection closes, the bus drops the rule by itself.
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

/** The error that dbus-native gives for a call without reply. */
function noReply(): Error {
  return Object.assign(new Error('the bus does not answer'), {
    dbusName: 'org.freedesktop.DBus.Error.NoReply',
  });
}
