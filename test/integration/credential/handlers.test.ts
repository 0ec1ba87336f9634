// The control API's verbs for credentials, on a real keychain and a real vault.
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Credentials } from '../../../src/credential/credentials.ts';
import { credentialHandlers } from '../../../src/credential/handlers.ts';
import { Locks } from '../../../src/credential/locks.ts';
import { openVault } from '../../../src/credential/store/vault.ts';
import { clock } from '../../../src/os/clock.ts';
import { parseProfile } from '../../../src/profile/format.ts';
import { loadSettings } from '../../../src/profile/settings.ts';
import { places as placesOf } from '../../../src/wire/places.ts';
import { keychainOn } from '../../fixtures/keychain.ts';
import { SecretService } from '../../fixtures/secret-service.ts';

const cost = { N: 2 ** 10, r: 8, p: 1 };
let stack: AsyncDisposableStack;
let bus: SecretService;
let home: string;

beforeEach(async () => {
  stack = new AsyncDisposableStack();
  home = mkdtempSync(join(tmpdir(), 'warder-handlers-'));
  stack.defer(() => rmSync(home, { recursive: true, force: true }));
  bus = stack.use(await SecretService.open());
});
afterEach(() => stack.disposeAsync());

/** The credentials of a daemon with the current settings. */
function open() {
  const places = placesOf({
    platform: 'linux',
    env: { WARDER_HOME: home },
    home,
    uid: process.getuid?.() ?? 0,
  });
  const settings = loadSettings(places);
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  const records: { action: string; credential: string; version: string; outcome: string }[] = [];
  const credentials = stack.use(
    new Credentials({
      open: {
        keychain: () => keychainOn(bus),
        vault: (key = settings.vault.key) =>
          openVault({ file: join(places.state, 'vault.json'), clock, key, home, env: {}, cost }),
      },
      chosen: settings.store,
      runCommand: async () => 'printed value',
      clock,
      log,
    }),
  );
  const text = `server: {command: node}
credentials: {TOKEN: {deliver: env}, OTHER: {deliver: env}, OP: {from: {command: [op, read, x]}, deliver: env}}`;
  const profile = parseProfile(text, 'demo.yaml', 'demo');
  const locks = new Locks(places, log);
  const revoked: string[] = [];
  const handlers = credentialHandlers({
    credentials,
    audit: {
      append(_event, fields) {
        records.push(fields as never);
        return records.length;
      },
      signed: { point: undefined, key: undefined },
    },
    profiles: { names: ['demo'], get: (name) => ({ name, profile, file: 'demo.yaml', digest: '' }) },
    places,
    locks,
    async revoke(name) {
      revoked.push(name);
      return { cut: 2, ended: 1 };
    },
    reopenSigner: async () => {},
    locked() {},
    sessions: () => 3,
  });
  return { credentials, handlers, places, records, locks, revoked };
}

test('the keychain is chosen, used, and named in the results', async () => {
  const { handlers, credentials, places, records } = open();
  const name = 'demo/TOKEN';
  await expect(handlers['credential.set']({ name, value: 'first value' })).rejects.toMatchObject({
    code: 'store-unset',
  });
  expect(await handlers['store.state']({})).toMatchObject({
    kind: null,
    chosen: { state: 'unset' },
    keychain: { state: 'ready' },
  });
  const chosen = await handlers['store.init']({ store: 'keychain' });
  expect(chosen).toMatchObject({ store: 'keychain', left: 0, signer: expect.stringMatching(/^.{43}=$/) });
  expect(readFileSync(chosen.config, 'utf8')).toContain('store: keychain');
  expect((await handlers['store.init']({ store: 'keychain' })).signer).toBe(chosen.signer);
  expect(await handlers['store.state']({})).toMatchObject({ kind: 'keychain', chosen: { state: 'ready' } });

  credentials.onRotation(async () => ({ moved: 1, kept: 0 }));
  const set = await handlers['credential.set']({ name, value: 'first value' });
  expect(set).toMatchObject({ name, store: 'keychain', replaced: false, sessions: { moved: 1, kept: 0 } });
  const rotated = await handlers['credential.rotate']({ name, value: 'second value' });
  await expect(handlers['credential.rotate']({ name: 'demo/OTHER', value: 'x' })).rejects.toMatchObject({
    code: 'credential-missing',
  });
  expect(await handlers['credential.list']({})).toEqual({
    credentials: [
      {
        name,
        store: 'keychain',
        version: rotated.version,
        updated: rotated.updated,
        bound: true,
        profiles: ['demo'],
      },
    ],
    missing: [{ name: 'demo/OTHER', profiles: ['demo'] }],
  });
  expect(await handlers['credential.remove']({ name })).toEqual({ name, store: 'keychain' });
  await expect(handlers['credential.remove']({ name })).rejects.toMatchObject({ code: 'credential-missing' });
  expect(records).toEqual([
    { action: 'set', credential: name, version: '', outcome: 'store-unset' },
    { action: 'init', credential: '*', version: '', outcome: 'ok' },
    { action: 'init', credential: '*', version: '', outcome: 'ok' },
    { action: 'set', credential: name, version: set.version, outcome: 'ok' },
    { action: 'rotate', credential: name, version: rotated.version, outcome: 'ok' },
    { action: 'rotate', credential: 'demo/OTHER', version: '', outcome: 'credential-missing' },
    { action: 'remove', credential: name, version: '', outcome: 'ok' },
    { action: 'remove', credential: name, version: '', outcome: 'credential-missing' },
  ]);
  expect(loadSettings(places).store).toBe('keychain');
});

test('a store with credentials is not abandoned without --force', async () => {
  const { handlers } = open();
  await handlers['store.init']({ store: 'keychain' });
  await handlers['credential.set']({ name: 'demo/TOKEN', value: 'some value' });
  const key = { file: join(home, 'vault.key') };
  await expect(handlers['store.init']({ store: 'vault', key })).rejects.toMatchObject({
    code: 'refused',
    message: 'the keychain holds 1 credential',
  });
  expect(existsSync(key.file)).toBe(false);
  expect(await handlers['store.state']({})).toMatchObject({ kind: 'keychain' });
  const chosen = await handlers['store.init']({ store: 'vault', key, force: true });
  expect(chosen).toMatchObject({ store: 'vault', made: key.file, left: 1 });
  expect(statSync(key.file).mode & 0o777).toBe(0o600);
  expect(await handlers['credential.list']({})).toMatchObject({ credentials: [] });
});

test('a vault with a passphrase is locked for the next daemon until it gets the passphrase', async () => {
  const first = open();
  await first.handlers['store.init']({ store: 'vault', key: 'passphrase', passphrase: 'correct horse' });
  await first.handlers['credential.set']({ name: 'demo/TOKEN', value: 'some value' });

  const { handlers } = open();
  expect(await handlers['store.state']({})).toMatchObject({ kind: 'vault', chosen: { state: 'locked' } });
  await expect(handlers['credential.list']({})).rejects.toMatchObject({ code: 'vault-locked' });
  await expect(handlers['vault.unlock']({ passphrase: 'wrong horse' })).rejects.toMatchObject({
    code: 'vault-key',
  });
  await handlers['vault.unlock']({ passphrase: 'correct horse' });
  expect(await handlers['credential.list']({})).toMatchObject({ credentials: [{ name: 'demo/TOKEN' }] });
});

test('a store that cannot be used is not chosen, and the settings stay unchanged', async () => {
  const { handlers, places } = open();
  await bus.lock();
  await expect(handlers['store.init']({ store: 'keychain' })).rejects.toMatchObject({
    code: 'keychain-locked',
  });
  await expect(handlers['store.init']({ store: 'keychain', passphrase: 'x' })).rejects.toMatchObject({
    code: 'usage',
  });
  expect(loadSettings(places).store).toBeUndefined();
  expect(await handlers['store.state']({})).toMatchObject({ kind: null, keychain: { state: 'locked' } });
});

test('W-SEAL-5 all credentials are locked and unlocked, and each attempt is recorded', async () => {
  const { handlers, records, locks } = open();
  expect(await handlers['credential.lock']({ passphrase: 'correct horse' })).toEqual({ sessions: 3 });
  expect(locks.locked).toBe(true);
  const lock = async () => handlers['credential.lock']({});
  const unlock = async (params: object) => handlers['credential.unlock'](params);
  await expect(lock()).rejects.toMatchObject({ code: 'refused' });
  await expect(unlock({})).rejects.toMatchObject({ code: 'refused' });
  await expect(unlock({ passphrase: 'wrong horse' })).rejects.toMatchObject({ code: 'refused' });
  expect(open().locks.locked).toBe(true);
  await unlock({ passphrase: 'correct horse' });
  expect(locks.locked).toBe(false);
  const all = { credential: '*', version: '' };
  expect(records).toEqual([
    { ...all, action: 'lock', outcome: 'ok' },
    { ...all, action: 'unlock', outcome: 'refused' },
    { ...all, action: 'unlock', outcome: 'refused' },
    { ...all, action: 'unlock', outcome: 'ok' },
  ]);
  expect(JSON.stringify(records)).not.toContain('horse');
});

test('W-SEAL-5 a revocation takes the credential from open sessions, until it is undone or the value is replaced', async () => {
  const { handlers, records, locks, revoked } = open();
  await handlers['store.init']({ store: 'keychain' });
  const name = 'demo/TOKEN';
  expect(await handlers['credential.revoke']({ name })).toEqual({ name, changed: true, cut: 2, ended: 1 });
  // A second revocation cuts the connections that were opened since.
  expect(await handlers['credential.revoke']({ name })).toEqual({ name, changed: false, cut: 2, ended: 1 });
  expect(revoked).toEqual([name, name]);
  expect(() => locks.assertUsable([name])).toThrow(expect.objectContaining({ code: 'credential-revoked' }));

  expect(await handlers['credential.revoke']({ name, undo: true })).toMatchObject({ changed: true, cut: 0 });
  expect(await handlers['credential.revoke']({ name, undo: true })).toMatchObject({ changed: false });
  locks.assertUsable([name]);

  await handlers['credential.revoke']({ name });
  await expect(handlers['credential.rotate']({ name, value: 'a new value' })).rejects.toMatchObject({
    code: 'credential-missing',
  });
  expect(locks.isRevoked(name)).toBe(true);
  await handlers['credential.set']({ name, value: 'a new value' });
  expect(locks.isRevoked(name)).toBe(false);
  expect(records.map(({ action, outcome }) => `${action} ${outcome}`)).toEqual([
    ...['init ok', 'revoke ok', 'revoke ok', 'restore ok', 'restore ok', 'revoke ok'],
    ...['rotate credential-missing', 'set ok'],
  ]);
});
