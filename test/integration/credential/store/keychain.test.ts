// The keychain as a store, with the real gnome-keyring.
import { readFile } from 'node:fs/promises';
import { afterEach, expect, test } from 'vitest';
import { openSigner } from '../../../../src/credential/signing.ts';
import { keychainOn, type Limits } from '../../../fixtures/keychain.ts';
import { type Options, SecretService } from '../../../fixtures/secret-service.ts';

let open: AsyncDisposableStack | undefined;
afterEach(async () => {
  await open?.disposeAsync();
  open = undefined;
});

async function start(options: Options = {}, limits: Limits = {}) {
  open = new AsyncDisposableStack();
  const bus = open.use(await SecretService.open(options));
  return { bus, keychain: open.use(keychainOn(bus, limits)) };
}

const code = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    (value) => `no error: ${JSON.stringify(value)}`,
    (error) => error.code ?? String(error),
  );

test('a value that is set can be read, by other programs too, until it is removed', async () => {
  const { bus, keychain } = await start();
  expect(await keychain.get('github/token')).toBeUndefined();
  const set = await keychain.set('github/token', 'first "value"\nwith a line break');
  expect(set).toMatchObject({ bound: true, version: expect.stringMatching(/^[0-9a-f]{8}$/) });
  expect(await keychain.get('github/token')).toEqual(set);
  expect(await bus.read('github/token')).toBe(
    `warder1 ${set.version} ${set.updated} github/token\nfirst "value"\nwith a line break`,
  );
  const again = await keychain.set('github/token', 'second');
  expect(again.version).not.toBe(set.version);
  expect(await keychain.list()).toEqual([
    { name: 'github/token', version: again.version, updated: again.updated, bound: true, problem: undefined },
  ]);
  expect(await keychain.remove('github/token')).toBe(true);
  expect(await keychain.remove('github/token')).toBe(false);
  expect(await keychain.list()).toEqual([]);
});

test('a value that another program set is used as it is, and marked', async () => {
  const { bus, keychain } = await start();
  await bus.change('github/token', 'from outside');
  const first = await keychain.get('github/token');
  expect(first).toMatchObject({ value: 'from outside', bound: false });
  expect(first?.updated).toMatch(/^\d{4}-.*Z$/);
  await bus.change('github/token', 'from outside, again');
  const second = await keychain.get('github/token');
  expect(second?.version).not.toBe(first?.version);
  await bus.change('github/token', 'from outside');
  expect((await keychain.get('github/token'))?.version).toBe(first?.version);
  expect(await keychain.list()).toMatchObject([
    { name: 'github/token', bound: false, version: first?.version },
  ]);
});

test('a value that was edited within its item has another version, and is not taken for one that Warder set', async () => {
  const { bus, keychain } = await start();
  const set = await keychain.set('demo/token', 'first value');
  const text = await bus.read('demo/token');
  await bus.change('demo/token', text.replace('first', 'other'));
  const edited = await keychain.get('demo/token');
  expect(edited).toMatchObject({ value: 'other value', bound: false, updated: set.updated });
  expect(edited?.version).not.toBe(set.version);
  expect(await keychain.list()).toMatchObject([{ bound: false, version: edited?.version }]);
  await bus.change('demo/token', text);
  expect(await keychain.get('demo/token')).toEqual(set);
  const again = await keychain.set('demo/token', 'other value');
  expect(await keychain.get('demo/token')).toEqual(again);
});

test('W-CRED-4 a value that was copied under another name is refused', async () => {
  const { bus, keychain } = await start();
  await keychain.set('admin/token', 'a value of the administrator');
  await bus.change('demo/token', await bus.read('admin/token'));
  await expect(keychain.get('demo/token')).rejects.toMatchObject({
    code: 'credential-misbound',
    message: 'the value kept as "demo/token" was set for "admin/token"',
  });
  await bus.change('half/token', 'warder1 no more of it');
  expect(await code(keychain.get('half/token'))).toBe('credential-misbound');
  expect(await keychain.list()).toMatchObject([
    { name: 'admin/token', problem: undefined },
    { name: 'demo/token', problem: expect.stringContaining('admin/token') },
    { name: 'half/token', problem: expect.stringContaining('damaged') },
  ]);
  await keychain.set('demo/token', 'its own value');
  expect(await keychain.get('demo/token')).toMatchObject({ value: 'its own value', bound: true });
});

test('two items of one name are refused', async () => {
  const { bus, keychain } = await start();
  await keychain.set('demo/token', 'first value');
  await bus.tool(
    ['store', '--label=x', 'service', 'warder', 'username', 'demo/token', 'more', 'x'],
    'second value',
  );
  await expect(keychain.get('demo/token')).rejects.toMatchObject({ code: 'credential-misbound' });
});

test('a value that is not text is an error, and can be replaced', async () => {
  const { bus, keychain } = await start();
  await bus.tool(
    ['store', '--label=x', 'service', 'warder', 'username', 'demo/key'],
    Buffer.from([0xff, 0xfe, 0x41]),
  );
  expect(await code(keychain.get('demo/key'))).toBe('credential-unfit');
  await keychain.set('demo/key', 'some value');
  expect(await keychain.get('demo/key')).toMatchObject({ value: 'some value' });
});

test('a value that is too long is refused before it reaches the keychain', async () => {
  const { keychain } = await start();
  expect(await code(keychain.set('demo/token', 'x'.repeat(65537)))).toBe('credential-long');
  await keychain.set('demo/token', 'é'.repeat(32768));
  expect((await keychain.get('demo/token'))?.value).toBe('é'.repeat(32768));
});

test('changes by other programs are reported by name', async () => {
  const { bus, keychain } = await start();
  await keychain.set('demo/token', 'first value');
  await keychain.set('demo/other', 'other value');
  const told: (string | undefined)[] = [];
  let heard = (): void => {};
  const next = async (act: () => Promise<unknown>): Promise<string | undefined> => {
    told.length = 0;
    const waiting = new Promise<void>((resolve) => {
      heard = resolve;
    });
    await act();
    await waiting;
    return told[0];
  };
  await using _watch = await keychain.watch((name) => {
    told.push(name);
    heard();
  });
  expect(await next(() => bus.change('demo/token', 'second value'))).toBe('demo/token');
  // The name of a removed item is not known any more, so any may have changed.
  expect(
    await next(() => bus.tool(['clear', 'service', 'warder', 'username', 'demo/other'])),
  ).toBeUndefined();
});

test('W-CRED-5 a locked keychain that cannot prompt is an error, never a missing value', async () => {
  const { bus, keychain } = await start();
  await bus.lock();
  expect(await code(keychain.list())).toBe('keychain-locked');
  await bus.unlock();
  await keychain.set('demo/token', 'some value');
  await bus.lock();
  expect(await keychain.state()).toMatchObject({ state: 'locked' });
  for (const call of [
    () => keychain.get('demo/token'),
    () => keychain.get('demo/none'),
    () => keychain.set('demo/new', 'value'),
    () => keychain.remove('demo/token'),
    () => keychain.list(),
  ]) {
    expect(await code(call())).toBe('keychain-locked');
  }
  await bus.unlock();
  expect((await keychain.get('demo/token'))?.value).toBe('some value');
});

test('a dismissed prompt has an error of its own, and concurrent calls share one prompt', async () => {
  const { bus, keychain } = await start({ prompter: 'dismiss' });
  await keychain.set('demo/token', 'some value');
  await bus.lock();
  const all = await Promise.all(Array.from({ length: 5 }, () => code(keychain.get('demo/token'))));
  expect(all).toEqual(Array.from({ length: 5 }, () => 'keychain-dismissed'));
  expect(bus.prompts).toBe(1);
});

test('a read that must not prompt does not prompt', async () => {
  const { bus, keychain } = await start({ prompter: 'dismiss' });
  await keychain.set('demo/token', 'some value');
  await bus.lock();
  await keychain.state();
  expect(await code(keychain.get('demo/token', { prompt: false }))).toBe('keychain-locked');
  expect(await code(openSigner(keychain, '/state', { prompt: false }))).toBe('keychain-locked');
  expect(bus.prompts).toBe(0);
});

test('a prompt that nobody answers times out, and the keychain works once it is unlocked', async () => {
  const { bus, keychain } = await start({ prompter: 'wait' }, { patience: 200 });
  await keychain.set('demo/token', 'some value');
  await bus.lock();
  expect(await code(keychain.get('demo/token'))).toBe('keychain-locked');
  // Still the same prompt, not a second one.
  expect(await code(keychain.get('demo/token'))).toBe('keychain-locked');
  expect(bus.prompts).toBe(1);
  await bus.unlock();
  expect((await keychain.get('demo/token'))?.value).toBe('some value');
});

test('W-CRED-6 without a bus, or a keychain on it, nothing else is used instead', async () => {
  await using nowhere = keychainOn({ address: 'unix:path=/nonexistent/bus' });
  expect(await code(nowhere.set('demo/token', 'some value'))).toBe('keychain-unavailable');
  expect(await nowhere.state()).toMatchObject({
    state: 'unavailable',
    hint: expect.stringContaining('vault'),
  });

  const { bus, keychain } = await start();
  process.kill(bus.pid, 'SIGKILL');
  for (let tries = 0; (await keychain.state()).state === 'ready' && tries < 200; tries++);
  expect(await code(keychain.set('demo/token', 'some value'))).toBe('keychain-unavailable');
});

test.each(['keychain', 'bus'] as const)(
  'W-CRED-7 a %s that hangs delays only its own calls, and these time out',
  async (what) => {
    const { bus, keychain } = await start({}, { timeout: 1000 });
    await keychain.set('demo/token', 'some value');
    const pid = what === 'bus' ? bus.busPid : bus.pid;
    process.kill(pid, 'SIGSTOP');
    let ended = false;
    const calls = Promise.all(
      Array.from({ length: 20 }, () => code(keychain.get('demo/token')).finally(() => (ended = true))),
    );
    // More reads than there are threads, while all calls hang.
    await Promise.all(Array.from({ length: 64 }, () => readFile(import.meta.filename)));
    expect(ended).toBe(false);
    expect(new Set(await calls)).toEqual(new Set(['keychain-timeout']));
    // The same for a client that has no connection yet.
    await using other = keychainOn(bus, { timeout: 300 });
    expect(await code(other.get('demo/token'))).toBe('keychain-timeout');
    expect(await other.state()).toMatchObject({ state: 'unavailable' });
    process.kill(pid, 'SIGCONT');
    expect((await keychain.get('demo/token'))?.value).toBe('some value');
  },
);

test('blobs and credentials have separate names', async () => {
  const { keychain } = await start();
  const bytes = Buffer.from([0, 1, 2, 253, 254, 255]);
  await keychain.blobs.set('undo', bytes);
  expect(await keychain.blobs.get('undo')).toEqual(bytes);
  expect(await keychain.get('undo')).toBeUndefined();
  expect(await keychain.list()).toEqual([]);
  expect(await keychain.blobs.remove('undo')).toBe(true);
  expect(await keychain.blobs.get('undo')).toBeUndefined();
});

test('the signing key is created once, and stays the same', async () => {
  const { keychain } = await start();
  const first = await openSigner(keychain, '/state');
  const second = await openSigner(keychain, '/state');
  expect(second.publicKey).toBe(first.publicKey);
  expect(Buffer.from(first.publicKey, 'base64')).toHaveLength(32);
  const bytes = Buffer.from('a statement');
  expect(await second.sign(bytes)).toEqual(await first.sign(bytes));
});
