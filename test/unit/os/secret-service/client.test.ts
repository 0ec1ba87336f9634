// The client of the Secret Service, on a service in memory: what a real one seldom does.
import { createDiffieHellmanGroup, hkdfSync } from 'node:crypto';
import type { Message } from 'dbus-native';
import { expect, test } from 'vitest';
import type { Bus } from '../../../../src/os/bus.ts';
import { SessionCipher } from '../../../../src/os/secret-service/cipher.ts';
import { SecretService } from '../../../../src/os/secret-service.ts';

const DH = 'dh-ietf1024-sha256-aes128-cbc-pkcs7';
const ITEM = '/item';
const PROMPT = '/prompt';
const limit = { left: () => 1000 };

function dbusError(name: string): Error {
  return Object.assign(new Error('no'), { dbusName: `org.freedesktop.${name}` });
}

/** A bus with a Secret Service that has one item. */
class Service implements Bus {
  readonly address = 'unix:path=/nonexistent';
  readonly #closing = Promise.withResolvers<void>();
  readonly closed = this.#closing.promise;
  /** The algorithms that were asked for. */
  readonly algorithms: unknown[] = [];
  /** The members that were called. */
  readonly members: string[] = [];
  /** Replies that differ from those of a good service, by member. */
  readonly replies = new Map<string, (message: Message) => unknown[]>();
  /** The answer to each prompt: dismissed or not; undefined: never. */
  dismissed: boolean | undefined = false;
  secret = 'a secret';
  #cipher = new SessionCipher(Buffer.alloc(16));
  #sessions = 0;
  readonly #listeners = new Set<(signal: Message) => void>();

  async call(message: Message): Promise<unknown[]> {
    const { member = '', body = [] } = message;
    this.members.push(member);
    const reply = this.replies.get(member);
    if (reply !== undefined) return reply(message);
    if (member === 'GetNameOwner') return [':1.1'];
    if (member === 'OpenSession') return this.open(body);
    if (member === 'GetSecret') return [this.encrypted(String(body[0]))];
    if (member === 'Prompt') setImmediate(() => this.#complete());
    if (member === 'NameHasOwner') return [false];
    if (member === 'Delete') return ['/'];
    if (member === 'CreateItem') return [ITEM, '/'];
    return [];
  }

  open([algorithm, variant]: readonly unknown[]): unknown[] {
    this.algorithms.push(algorithm);
    const [, clientKey] = variant as [string, Buffer];
    const group = createDiffieHellmanGroup('modp2');
    const publicKey = group.generateKeys();
    this.#cipher = new SessionCipher(
      Buffer.from(hkdfSync('sha256', group.computeSecret(clientKey), '', '', 16)),
    );
    return [publicKey, `/session/${++this.#sessions}`];
  }

  encrypted(session: string): unknown[] {
    if (session !== `/session/${this.#sessions}`) throw dbusError('Secret.Error.NoSession');
    const { parameters, value } = this.#cipher.encrypt(Buffer.from(this.secret));
    return [session, parameters, value, 'text/plain'];
  }

  /** Starts again, and knows no session any more. */
  restart(): void {
    this.#sessions++;
  }

  async listen(_rule: string, listener: (signal: Message) => void): Promise<AsyncDisposable> {
    this.#listeners.add(listener);
    return { [Symbol.asyncDispose]: async () => void this.#listeners.delete(listener) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.resolve();
  }

  #complete(): void {
    if (this.dismissed === undefined) return;
    const signal = { path: PROMPT, member: 'Completed', body: [this.dismissed, ['s', '']] };
    for (const listener of this.#listeners) listener(signal);
  }
}

function start(): { readonly service: Service; readonly client: SecretService } {
  const service = new Service();
  return { service, client: new SecretService({ connect: async () => service, patience: 50 }) };
}

const create = (client: SecretService, prompt = true): Promise<unknown> =>
  client.create('/login', { label: 'x', attributes: {}, secret: Buffer.from('a secret') }, { prompt, limit });

const refused = { code: 'keychain-unavailable', message: 'the keychain does not encrypt what it sends' };

test('a service that offers only plain sessions is refused, and is never asked for one', async () => {
  const { service, client } = start();
  service.replies.set('OpenSession', ({ body = [] }) => {
    service.algorithms.push(body[0]);
    throw dbusError('DBus.Error.NotSupported');
  });
  await expect(client.read(ITEM, limit)).rejects.toMatchObject(refused);
  await expect(client.write(ITEM, Buffer.from('a secret'), limit)).rejects.toMatchObject(refused);
  await expect(create(client)).rejects.toMatchObject(refused);
  expect(service.algorithms).toEqual([DH, DH, DH]);
  expect(service.members).not.toContain('GetSecret');
  expect(service.members).not.toContain('SetSecret');
  expect(service.members).not.toContain('CreateItem');
});

test.each([
  ['of a plain session', ''],
  ['that is not valid', Buffer.of(1)],
  ['that is empty', Buffer.alloc(0)],
])('a service that answers with a key %s is refused', async (_what, key) => {
  const { service, client } = start();
  service.replies.set('OpenSession', () => [key, '/session/1']);
  await expect(client.read(ITEM, limit)).rejects.toMatchObject(refused);
  expect(service.members).not.toContain('GetSecret');
});

test('one session serves all calls, also those that come at once', async () => {
  const { service, client } = start();
  const all = await Promise.all(Array.from({ length: 5 }, () => client.read(ITEM, limit)));
  expect(all.map(String)).toEqual(Array.from({ length: 5 }, () => 'a secret'));
  expect(service.algorithms).toEqual([DH]);
});

test('a service that was restarted gets a new session', async () => {
  const { service, client } = start();
  await client.read(ITEM, limit);
  service.restart();
  expect(String(await client.read(ITEM, limit))).toBe('a secret');
  expect(service.algorithms).toEqual([DH, DH]);
});

test('a session that is refused twice is an error', async () => {
  const { service, client } = start();
  service.replies.set('GetSecret', () => {
    throw dbusError('Secret.Error.NoSession');
  });
  await expect(client.read(ITEM, limit)).rejects.toMatchObject({ code: 'keychain-unavailable' });
  expect(service.algorithms).toEqual([DH, DH]);
});

test.each([
  ['another session encrypted', ['/session/1', Buffer.alloc(16), Buffer.alloc(32), 'text/plain']],
  ['is cut', ['/session/1', Buffer.alloc(16), Buffer.alloc(7), 'text/plain']],
  ['has no initialisation vector', ['/session/1', Buffer.alloc(0), Buffer.alloc(16), 'text/plain']],
  ['is no secret', 'nonsense'],
])('a secret that %s is an error', async (_what, secret) => {
  const { service, client } = start();
  service.replies.set('GetSecret', () => [secret]);
  await expect(client.read(ITEM, limit)).rejects.toMatchObject({
    code: 'keychain-unavailable',
    message: 'the keychain sent a value that cannot be decrypted',
  });
});

test('an item that was removed meanwhile is none', async () => {
  const { service, client } = start();
  for (const member of ['GetSecret', 'SetSecret', 'Delete']) {
    service.replies.set(member, () => {
      throw dbusError('Secret.Error.NoSuchObject');
    });
  }
  expect(await client.read(ITEM, limit)).toBeUndefined();
  expect(await client.write(ITEM, Buffer.from('a secret'), limit)).toBe(false);
  expect(await client.remove(ITEM, limit)).toBe(false);
});

const remove = (client: SecretService): Promise<unknown> => client.remove(ITEM, limit);

test.each([
  ['CreateItem', ['/', PROMPT], create],
  ['Delete', [PROMPT], remove],
] as const)('%s may prompt: an answer, a dismissal, no answer', async (member, reply, call) => {
  const { service, client } = start();
  service.replies.set(member, () => [...reply]);
  await call(client);
  expect(service.members.filter((one) => one === 'Prompt')).toHaveLength(1);
  service.dismissed = true;
  await expect(call(client)).rejects.toMatchObject({ code: 'keychain-dismissed' });
  service.dismissed = undefined;
  await expect(call(client)).rejects.toMatchObject({
    code: 'keychain-locked',
    message: 'the keychain is locked, and was not unlocked within 0.05 s',
  });
});

test('a prompt that the caller does not allow is not shown', async () => {
  const { service, client } = start();
  service.replies.set('CreateItem', () => ['/', PROMPT]);
  await expect(create(client, false)).rejects.toMatchObject({ code: 'keychain-locked' });
  expect(service.members).not.toContain('Prompt');
});

test('the secret of a call is encrypted with the key of its session', async () => {
  const { service, client } = start();
  const sent: unknown[] = [];
  service.replies.set('SetSecret', ({ body = [] }) => {
    sent.push(body[0]);
    return [];
  });
  await client.write(ITEM, Buffer.from('a secret'), limit);
  const [[session, parameters, value, type]] = sent as [[string, Buffer, Buffer, string]];
  expect([session, type]).toEqual(['/session/1', 'application/octet-stream']);
  expect(Buffer.concat([parameters, value]).includes('a secret')).toBe(false);
});
