// The client of the Secret Service with the real gnome-keyring: beside the client of earlier versions, as somebody who
// records the bus sees it, and with a service that hangs or is locked in the middle of a call.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { Keychain } from '../../../src/credential/store/keychain.ts';
import { SecretServiceItems } from '../../../src/credential/store/secret-service-items.ts';
import { type Bus, connectBus } from '../../../src/os/bus.ts';
import { clock } from '../../../src/os/clock.ts';
import { SecretService as Client } from '../../../src/os/secret-service.ts';
import { keychainOn, type Limits } from '../../fixtures/keychain.ts';
import { type Options, SecretService } from '../../fixtures/secret-service.ts';

let open: AsyncDisposableStack | undefined;
afterEach(async () => {
  await open?.disposeAsync();
  open = undefined;
});

async function start(options: Options = {}): Promise<SecretService> {
  open = new AsyncDisposableStack();
  return open.use(await SecretService.open(options));
}

/** The client of earlier versions. */
function earlier(bus: SecretService, verb: 'get' | 'set', account: string, input = ''): Promise<string> {
  const program = join(import.meta.dirname, '../../fixtures/keyring-client.ts');
  return new Promise((resolve, reject) => {
    const env = { ...bus.env, HOME: bus.dir };
    const child = execFile(process.execPath, [program, verb, 'warder', account], { env }, (error, stdout) => {
      if (error === null) resolve(stdout);
      else reject(error);
    });
    child.stdin?.end(input);
  });
}

const code = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'no error',
    (error) => error.code ?? String(error),
  );

test('items of the client of earlier versions are read and replaced, and it reads ours', async () => {
  const bus = await start();
  await using keychain = keychainOn(bus);
  const envelope = 'warder1 01234567 2026-01-02T03:04:05.678Z demo/token\nset by the other';
  await earlier(bus, 'set', 'demo/token', envelope);
  expect(await keychain.get('demo/token')).toEqual({
    value: 'set by the other',
    version: '01234567',
    updated: '2026-01-02T03:04:05.678Z',
    bound: true,
  });
  const replaced = await keychain.set('demo/token', 'set here');
  expect(await earlier(bus, 'get', 'demo/token')).toBe(
    `warder1 ${replaced.version} ${replaced.updated} demo/token\nset here`,
  );
  const added = await keychain.set('demo/new', 'another "value"\né');
  expect(await earlier(bus, 'get', 'demo/new')).toBe(
    `warder1 ${added.version} ${added.updated} demo/new\nanother "value"\né`,
  );
  await earlier(bus, 'set', 'demo/new', 'as it is');
  expect(await keychain.get('demo/new')).toMatchObject({ value: 'as it is', bound: false });
  expect(await keychain.list()).toMatchObject([{ name: 'demo/new' }, { name: 'demo/token' }]);
});

test('an item has the label, the attributes and the type of those of earlier versions', async () => {
  const bus = await start();
  await using keychain = keychainOn(bus);
  await keychain.set('demo/ours', 'a value');
  await earlier(bus, 'set', 'demo/theirs', 'a value');
  const described = async (name: string): Promise<string> =>
    (await bus.tool(['search', '--all', 'service', 'warder', 'username', name]))
      .replace(/^(\[|secret|a value|created|modified).*\n/gm, '')
      .replaceAll(name, 'NAME');
  expect(await described('demo/ours')).toBe(await described('demo/theirs'));
  expect(await described('demo/ours')).toContain('label = keyring:NAME@warder');
});

test('no value crosses the bus in the clear, neither out nor in', async () => {
  const bus = await start();
  const monitor = spawn('dbus-monitor', ['--address', bus.address, '--binary'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const recorded: Buffer[] = [];
  monitor.stdout.on('data', (chunk: Buffer) => recorded.push(chunk));
  await once(monitor.stdout, 'data');
  await using keychain = keychainOn(bus);
  const value = 'a-value-that-nobody-may-see';
  await keychain.set('demo/token', value);
  await keychain.set('demo/token', `${value}-either`);
  expect((await keychain.get('demo/token'))?.value).toBe(`${value}-either`);
  await keychain.list();
  await keychain.remove('demo/token');
  const seen = (): Buffer => Buffer.concat(recorded);
  while (!seen().includes('Delete')) await new Promise((resolve) => setTimeout(resolve, 10));
  monitor.kill();
  for (const member of ['CreateItem', 'SetSecret', 'GetSecret', 'dh-ietf1024-sha256-aes128-cbc-pkcs7'])
    expect(seen().includes(member), member).toBe(true);
  const text = seen().toString('latin1');
  expect(text).not.toContain('nobody-may-see');
  expect(text).not.toContain(Buffer.from(value).toString('base64').slice(4, -4));
  expect(text).not.toContain('warder1 ');
});

/** The keychain, on a bus where `before` runs ahead of each call of `member`. */
function intercepted(
  { address }: SecretService,
  member: string,
  before: () => Promise<void>,
  { timeout = 10_000, patience = 10_000 }: Limits = {},
): Keychain {
  const connect = async (): Promise<Bus | undefined> => {
    const bus = await connectBus([address], timeout);
    if (bus === undefined) return undefined;
    const call: Bus['call'] = async (message, limit) => {
      if (message.member === member) await before();
      return bus.call(message, limit);
    };
    return {
      address: bus.address,
      closed: bus.closed,
      listen: bus.listen,
      call,
      [Symbol.asyncDispose]: () => bus[Symbol.asyncDispose](),
    };
  };
  const service = new Client({ connect, patience });
  return new Keychain({
    platform: 'linux',
    items: new SecretServiceItems({ service, timeout, clock }),
    clock,
  });
}

type Call = (keychain: Keychain) => Promise<unknown>;
const calls: readonly (readonly [verb: string, member: string, call: Call])[] = [
  ['get', 'SearchItems', (keychain) => keychain.get('demo/token')],
  ['get', 'OpenSession', (keychain) => keychain.get('demo/token')],
  ['get', 'GetSecret', (keychain) => keychain.get('demo/token')],
  ['get of nothing', 'ReadAlias', (keychain) => keychain.get('demo/none')],
  ['set', 'SetSecret', (keychain) => keychain.set('demo/token', 'another value')],
  ['set of a new one', 'CreateItem', (keychain) => keychain.set('demo/new', 'another value')],
  ['remove', 'Delete', (keychain) => keychain.remove('demo/token')],
  ['list', 'Get', (keychain) => keychain.list()],
  ['list', 'GetSecret', (keychain) => keychain.list()],
];

test.each(calls)(
  'W-CRED-7 a keychain that hangs in %s, at %s, holds it up for its time only',
  async (_verb, member, call) => {
    const bus = await start();
    await using plain = keychainOn(bus);
    await plain.set('demo/token', 'some value');
    const stop = async (): Promise<void> => void process.kill(bus.pid, 'SIGSTOP');
    await using keychain = intercepted(bus, member, stop, { timeout: 500 });
    expect(await code(call(keychain))).toBe('keychain-timeout');
    process.kill(bus.pid, 'SIGCONT');
    await using after = keychainOn(bus);
    const set = await after.set('demo/after', 'a value');
    expect(await after.get('demo/after')).toEqual(set);
  },
);

/** What the keyring does when it is locked just before a call. Either way no value is missed, and none is lost. */
const lockable = calls.filter(([, member]) => /Secret|Item$|Delete/.test(member));

test.each(lockable)(
  'W-CRED-5 a keychain that is locked in %s, at %s, is an error',
  async (_verb, member, call) => {
    const bus = await start();
    await using plain = keychainOn(bus);
    await plain.set('demo/token', 'some value');
    await using keychain = intercepted(bus, member, () => bus.lock());
    expect(await code(call(keychain))).toBe('keychain-locked');
    await bus.unlock();
    expect((await plain.get('demo/token'))?.value).toBe('some value');
  },
);

test.each([
  ['get', (keychain) => keychain.get('demo/token')],
  ['set', (keychain) => keychain.set('demo/token', 'another value')],
  ['set of a new one', (keychain) => keychain.set('demo/new', 'another value')],
  ['remove', (keychain) => keychain.remove('demo/token')],
  ['list', (keychain) => keychain.list()],
] satisfies [string, Call][])(
  'a prompt that is dismissed ends %s, and changes nothing',
  async (_verb, call) => {
    const bus = await start({ prompter: 'dismiss' });
    await using keychain = keychainOn(bus);
    await keychain.set('demo/token', 'some value');
    await bus.lock();
    expect(await code(call(keychain))).toBe('keychain-dismissed');
    expect(bus.prompts).toBe(1);
    await bus.unlock();
    expect((await keychain.get('demo/token'))?.value).toBe('some value');
    expect(await keychain.get('demo/new')).toBeUndefined();
  },
);
