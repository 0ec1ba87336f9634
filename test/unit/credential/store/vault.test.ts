// The vault without an attacker: values are read back, and each state is reported.
import { chmodSync, chownSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { PASSPHRASE, VaultFolder } from '../../../fixtures/vault.ts';

/** Replaces a file by a folder. */
function folderInstead(path: string): void {
  rmSync(path);
  mkdirSync(path, 0o700);
}

const code = (error: string) => expect.objectContaining({ code: error });

test('a value is read back, under its own name only, also by another daemon', async () => {
  using folder = new VaultFolder();
  await using vault = await folder.made();
  const first = await vault.set('github/token', 'first');
  await vault.set('other/token', 'other');
  expect(await vault.get('github/token')).toEqual({ ...first, value: 'first', bound: true });
  expect(await vault.get('nobody/token')).toBeUndefined();

  const second = await vault.set('github/token', 'second');
  expect(second.version).not.toBe(first.version);
  expect(second.updated).toMatch(/^2026-01-01T00:00:00\.\d{3}Z$/);
  await using again = await folder.again();
  expect(await again.get('github/token')).toEqual(second);
  expect(await again.list()).toEqual([
    { name: 'github/token', version: second.version, updated: second.updated, bound: true },
    expect.objectContaining({ name: 'other/token' }),
  ]);

  expect(await again.remove('github/token')).toBe(true);
  expect(await again.remove('github/token')).toBe(false);
  expect(await vault.get('github/token')).toBeUndefined();
  expect((await vault.get('other/token'))?.value).toBe('other');
});

test('blobs have their own names', async () => {
  using folder = new VaultFolder();
  await using vault = await folder.made();
  const bytes = Buffer.from([0, 255, 10, 13]);
  await vault.blobs.set('name', bytes);
  await vault.set('name', 'credential');
  expect(await vault.blobs.get('name')).toEqual(bytes);
  expect((await vault.get('name'))?.value).toBe('credential');
  expect(await vault.list()).toHaveLength(1);
  expect(await vault.blobs.remove('name')).toBe(true);
  expect(await vault.blobs.get('name')).toBeUndefined();
  expect((await vault.get('name'))?.value).toBe('credential');
});

test('W-SEAL-10 a value is replaced only if it is still the expected one, however many try at once', async () => {
  using folder = new VaultFolder();
  await using vault = await folder.made();
  await vault.set('a/TOKEN', 'first');
  const tried = await Promise.all(['x', 'y', 'z'].map((value) => vault.replace('a/TOKEN', 'first', value)));
  expect(tried.map((stored) => stored?.value)).toEqual(['x', undefined, undefined]);
  expect((await vault.get('a/TOKEN'))?.value).toBe('x');
  expect(await vault.replace('a/OTHER', 'first', 'x')).toBe(undefined);
});

test('concurrent calls do not lose changes', async () => {
  using folder = new VaultFolder();
  await using vault = await folder.made();
  const names = Array.from({ length: 20 }, (_, at) => `name/${at}`);
  await Promise.all(names.map((name) => vault.set(name, `value of ${name}`)));
  expect((await vault.list()).map(({ name }) => name)).toEqual(names.toSorted());
});

test('W-CRED-30 neither a value nor the passphrase is in the file, and nobody else can read it', async () => {
  using folder = new VaultFolder();
  await using vault = await folder.made();
  await vault.set('github/token', 'a-secret-value-0123456789');
  const text = folder.text;
  for (const secret of ['a-secret-value-0123456789', PASSPHRASE]) {
    expect(text).not.toContain(secret);
    expect(text).not.toContain(Buffer.from(secret).toString('base64').slice(0, 20));
  }
  expect(statSync(folder.file).mode & 0o777).toBe(0o600);
});

test('a value that is too long or not text is refused', async () => {
  using folder = new VaultFolder();
  await using vault = await folder.made();
  await vault.set('long', 'ü'.repeat(32 * 1024));
  expect((await vault.get('long'))?.value).toHaveLength(32 * 1024);
  await expect(vault.set('long', `${'ü'.repeat(32 * 1024)}.`)).rejects.toEqual(code('credential-long'));
  await expect(vault.set('odd', '\ud800')).rejects.toEqual(code('credential-unfit'));
  expect(await vault.get('odd')).toBeUndefined();
});

test('a vault is locked until it gets its passphrase, and refuses a wrong one', async () => {
  using folder = new VaultFolder();
  await (await folder.made()).set('name', 'value');
  await using vault = folder.vault();
  expect(await vault.state()).toMatchObject({ state: 'locked', hint: expect.stringContaining('unlock') });
  for (const call of [
    () => vault.get('name'),
    () => vault.set('name', 'x'),
    () => vault.remove('name'),
    () => vault.list(),
    () => vault.blobs.get('name'),
  ]) {
    await expect(call()).rejects.toEqual(code('vault-locked'));
  }
  await expect(vault.unlock('wrong')).rejects.toEqual(code('vault-key'));
  expect((await vault.state()).state).toBe('locked');
  await vault.unlock(PASSPHRASE);
  expect((await vault.get('name'))?.value).toBe('value');
  expect(await vault.state()).toEqual({ state: 'ready' });
  // A wrong passphrase later does not lock it.
  await expect(vault.unlock('wrong')).rejects.toEqual(code('vault-key'));
  expect((await vault.get('name'))?.value).toBe('value');
});

test('a passphrase may be typed in either form of Unicode', async () => {
  using folder = new VaultFolder();
  await folder.vault().create('pa\u00dfwo\u0308rter');
  await folder.vault().unlock('paßw\u00f6rter');
});

test('without a file there is no vault, and a read does not create one', async () => {
  using folder = new VaultFolder();
  await using vault = folder.vault();
  expect(await vault.state()).toMatchObject({ state: 'unset' });
  await expect(vault.get('name')).rejects.toEqual(code('store-unset'));
  await expect(vault.set('name', 'value')).rejects.toEqual(code('store-unset'));
  await expect(vault.unlock(PASSPHRASE)).rejects.toEqual(code('store-unset'));
  await expect(vault.create()).rejects.toEqual(code('usage'));
  expect(await vault.state()).toMatchObject({ state: 'unset' });
});

test('creating a vault that exists opens it, with its own passphrase only', async () => {
  using folder = new VaultFolder();
  await (await folder.made()).set('name', 'value');
  await expect(folder.vault().create('another')).rejects.toEqual(code('vault-key'));
  await using vault = await folder.made();
  expect((await vault.get('name'))?.value).toBe('value');
});

test('a vault that was created again needs its own passphrase', async () => {
  using folder = new VaultFolder();
  using other = new VaultFolder();
  await using vault = await folder.made();
  await other.vault().create('another');
  folder.text = other.text;
  await expect(vault.get('name')).rejects.toEqual(code('vault-locked'));
});

test('a key file is created once, and opens the vault without a prompt', async () => {
  using folder = new VaultFolder();
  const key = { file: '~/key' };
  const made = folder.vault({ key });
  expect(await made.create()).toBe(folder.keyFile);
  expect(await folder.vault({ key }).create()).toBeUndefined();
  expect(readFileSync(folder.keyFile)).toHaveLength(32);
  expect(statSync(folder.keyFile).mode & 0o777).toBe(0o600);
  await made.set('name', 'value');
  await using again = await folder.again({ key: { file: folder.keyFile } });
  expect((await again.get('name'))?.value).toBe('value');
  await expect(folder.vault().unlock(PASSPHRASE)).rejects.toMatchObject({
    code: 'vault-key',
    message: expect.stringContaining('key file'),
  });
});

test.each([
  ['open to others', (path: string) => chmodSync(path, 0o644), /can be read by others/],
  ['open to the group', (path: string) => chmodSync(path, 0o640), /can be read by others/],
  ['too short', (path: string) => writeFileSync(path, 'x'.repeat(31)), /less than 32 bytes/],
  ['another one', (path: string) => writeFileSync(path, 'x'.repeat(32)), /not the one/],
  ['no file', folderInstead, /is not a file/],
  ['gone', (path: string) => rmSync(path), /does not exist/],
])('W-CRED-31 a key file that is %s is refused', async (_what, spoil, message) => {
  using folder = new VaultFolder();
  const key = { file: folder.keyFile };
  await folder.vault({ key }).create();
  spoil(folder.keyFile);
  const vault = folder.vault({ key });
  await expect(vault.get('name')).rejects.toMatchObject({
    code: 'vault-key',
    message: expect.stringMatching(message),
    hint: expect.any(String),
  });
  expect(await vault.state()).toMatchObject({ state: 'unavailable', detail: expect.stringMatching(message) });
});

// Only root can give a file away.
test.runIf(process.getuid?.() === 0)('W-CRED-31 a key file of another user opens nothing', async () => {
  using folder = new VaultFolder();
  const key = { file: folder.keyFile };
  await folder.vault({ key }).create();
  chownSync(folder.keyFile, 12345, 0);
  await expect(folder.vault({ key }).get('name')).rejects.toMatchObject({
    code: 'vault-key',
    message: expect.stringContaining('another user'),
  });
});

test('a systemd credential opens the vault if systemd passed it to the daemon', async () => {
  using folder = new VaultFolder();
  const key = { systemd: 'warder' };
  const env = { CREDENTIALS_DIRECTORY: join(folder.dir, 'credentials') };
  mkdirSync(env.CREDENTIALS_DIRECTORY);
  await expect(folder.vault({ key, env }).create()).rejects.toMatchObject({ code: 'vault-key' });
  // With an ACL's mask in its mode, as systemd sets it for a service of another user.
  writeFileSync(join(env.CREDENTIALS_DIRECTORY, 'warder'), 'k'.repeat(32), { mode: 0o440 });
  await (await folder.made({ key, env })).set('name', 'value');
  expect((await folder.vault({ key, env }).get('name'))?.value).toBe('value');
  await expect(folder.vault({ key }).get('name')).rejects.toMatchObject({
    code: 'vault-key',
    hint: expect.stringContaining('LoadCredentialEncrypted=warder'),
  });
});
