// The vault against an attacker who can write its file but has no key: whatever they change, no value that
// was not set is read.
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { VaultMark } from '../../../../src/audit/vault-mark.ts';
import type { Vault } from '../../../../src/credential/store/vault.ts';
import { WarderError } from '../../../../src/errors.ts';
import { VaultFolder } from '../../../fixtures/vault.ts';

const A = 'a/token';
const B = 'b/token';

/** A vault with two credentials; `a/token` was set twice, and `before` is the file from before the second time. */
async function two(): Promise<{ folder: VaultFolder; before: ReturnType<typeof JSON.parse> }> {
  const folder = new VaultFolder();
  await using vault = await folder.made();
  await vault.set(A, 'old value of a');
  await vault.set(B, 'value of b');
  const before = JSON.parse(folder.text);
  await vault.set(A, 'new value of a');
  return { folder, before };
}

// biome-ignore lint/suspicious/noExplicitAny: parts of a file that is tampered with
const of = (list: any[], name: string) => list.find((one) => one.name === name);

/** The result of reading each of the two: its value, or the code and message of the error. */
async function read(folder: VaultFolder): Promise<{ a: string; b: string }> {
  const get = async (name: string): Promise<string> => {
    try {
      await using vault = await folder.again();
      return (await vault.get(name))?.value ?? 'nothing';
    } catch (error) {
      if (error instanceof WarderError) return `${error.code}: ${error.message}`;
      throw error;
    }
  };
  return { a: await get(A), b: await get(B) };
}

test('W-CRED-32 a value that was copied under another name is refused, and the original stays', async () => {
  const { folder } = await two();
  using _ = folder;
  folder.tamper(({ boxes }) => {
    of(boxes, B).box = of(boxes, A).box;
  });
  expect(await read(folder)).toEqual({
    a: 'new value of a',
    b: 'credential-misbound: the value kept as "b/token" was set for "a/token"',
  });
  await using vault = await folder.again();
  expect(await vault.list()).toMatchObject([
    { name: A, problem: undefined },
    { name: B, problem: expect.stringContaining('was set for "a/token"') },
  ]);
  // Setting it again repairs it.
  await vault.set(B, 'mended');
  expect(await read(folder)).toEqual({ a: 'new value of a', b: 'mended' });
});

test('W-CRED-32 two values that were swapped are refused', async () => {
  const { folder } = await two();
  using _ = folder;
  folder.tamper(({ boxes }) => {
    [of(boxes, A).box, of(boxes, B).box] = [of(boxes, B).box, of(boxes, A).box];
  });
  expect(await read(folder)).toEqual({
    a: expect.stringMatching(/^credential-misbound/),
    b: expect.stringMatching(/^credential-misbound/),
  });
});

test('W-CRED-32 a value under a name that was never set is refused', async () => {
  const { folder } = await two();
  using _ = folder;
  folder.tamper(({ boxes }) => boxes.push({ ...of(boxes, A), name: 'c/token' }));
  await using vault = await folder.again();
  await expect(vault.get('c/token')).rejects.toMatchObject({ code: 'credential-misbound' });
});

test('W-CRED-32 a blob is not a credential', async () => {
  const { folder } = await two();
  using _ = folder;
  await using vault = await folder.again();
  await vault.blobs.set(A, Buffer.from('a blob of the same name'));
  folder.tamper(({ boxes }) => {
    const blob = boxes.find(({ kind }: { kind: string }) => kind === 'blob');
    of(boxes, A).box = blob.box;
  });
  await expect(vault.get(A)).rejects.toMatchObject({ code: 'credential-misbound' });
});

test('W-CRED-33 an older value that was put back is refused', async () => {
  const { folder, before } = await two();
  using _ = folder;
  folder.tamper(({ boxes }) => {
    of(boxes, A).box = of(before.boxes, A).box;
  });
  expect(await read(folder)).toEqual({
    a: 'vault-damaged: the value kept as "a/token" was replaced by an older one',
    b: 'value of b',
  });
});

test('W-CRED-33 an older value with its line of the index is refused, and so is everything else', async () => {
  const { folder, before } = await two();
  using _ = folder;
  folder.tamper(({ boxes, index }) => {
    of(boxes, A).box = of(before.boxes, A).box;
    Object.assign(of(index, A), of(before.index, A));
  });
  const { a, b } = await read(folder);
  expect([a, b]).toEqual([
    expect.stringMatching(/^vault-damaged: .*index/),
    expect.stringMatching(/^vault-damaged: .*index/),
  ]);
});

test('W-CRED-33 a value that was removed from the file is detected', async () => {
  const { folder } = await two();
  using _ = folder;
  const whole = folder.text;
  const drop = (list: { name: string }[]) => list.filter(({ name }) => name !== A);
  folder.tamper((content) => {
    content.boxes = drop(content.boxes);
  });
  expect(await read(folder)).toEqual({
    a: 'vault-damaged: the value kept as "a/token" was removed',
    b: 'value of b',
  });
  folder.text = whole;
  folder.tamper((content) => {
    content.boxes = drop(content.boxes);
    content.index = drop(content.index);
  });
  expect((await read(folder)).a).toMatch(/^vault-damaged/);
});

test('W-CRED-33 a removed value that was put back is refused', async () => {
  const { folder } = await two();
  using _ = folder;
  await using vault = await folder.again();
  const old = of(JSON.parse(folder.text).boxes, A);
  await vault.remove(A);
  folder.tamper(({ boxes }) => boxes.push(old));
  await expect(vault.get(A)).rejects.toMatchObject({ code: 'vault-damaged' });
});

test('W-CRED-33 a whole older file is refused by a daemon that has seen the newer one', async () => {
  using folder = new VaultFolder();
  await using vault = await folder.made();
  await vault.set(A, 'old');
  const old = folder.text;
  await vault.set(A, 'new');
  folder.text = old;
  await expect(vault.get(A)).rejects.toMatchObject({ code: 'vault-damaged' });
  await expect(vault.set(B, 'value')).rejects.toMatchObject({ code: 'vault-damaged' });
});

test('W-CRED-42 a whole older file, or another of the same age, is refused by the next daemon', async () => {
  using folder = new VaultFolder();
  await using vault = await folder.made();
  await vault.set(A, 'old');
  const old = folder.text;
  await vault.set(A, 'new');
  const { mark, text } = { mark: vault.mark as Required<VaultMark>, text: folder.text };
  expect(mark).toEqual({
    vault_counter: JSON.parse(text).counter,
    vault_digest: createHash('sha256').update(text).digest('hex'),
  });
  const next = (): Promise<Vault> => folder.again({ expected: async () => mark });
  await using same = await next();
  expect((await same.get(A))?.value).toBe('new');

  folder.text = old;
  await using older = await next();
  await expect(older.get(A)).rejects.toMatchObject({
    code: 'vault-damaged',
    message: 'the vault is damaged: it was replaced by an older file',
    hint: expect.stringContaining('init --store vault --force'),
  });
  expect(await older.state()).toMatchObject({ state: 'unavailable' });
  await expect(older.set(A, 'value')).rejects.toMatchObject({ code: 'vault-damaged' });

  // Another value of the same number, made with the true key.
  await using accepting = await folder.again();
  await accepting.set(A, 'forged');
  await using forged = await next();
  await expect(forged.get(A)).rejects.toMatchObject({ message: expect.stringContaining('another file') });
  forged.accept();
  expect((await forged.get(A))?.value).toBe('forged');

  // A newer one is what is left by a daemon that was killed before it could record it.
  folder.text = text;
  await accepting.set(B, 'later').catch(() => {});
  await using later = await next();
  await later.set(B, 'later');
  await using again = await next();
  expect((await again.get(B))?.value).toBe('later');
});

test('W-CRED-42 while the log cannot be read, no value is given; afterwards it is', async () => {
  using folder = new VaultFolder();
  await using vault = await folder.made();
  await vault.set(A, 'value');
  let broken = true;
  const expected = async (): Promise<undefined> => {
    if (broken) throw new Error('EIO');
  };
  await using next = await folder.again({ expected });
  await expect(next.get(A)).rejects.toMatchObject({ code: 'audit-broken' });
  broken = false;
  expect((await next.get(A))?.value).toBe('value');
});

test.each([
  ['N: 2 ** 40', { N: 2 ** 40 }],
  ['N: 2 ** 22, r: 8', { N: 2 ** 22, r: 8 }],
  ['N: 3000', { N: 3000 }],
  ['N: 2', { N: 2 }],
  ['r: 2 ** 20', { r: 2 ** 20 }],
  ['p: 1000', { p: 1000 }],
  ['p: 0', { p: 0 }],
  ['N: "1024"', { N: '1024' }],
  ['N: 1.5', { N: 1.5 }],
])('W-CRED-34 a file that asks for %s of scrypt is refused', async (_what, change) => {
  using folder = new VaultFolder();
  await folder.made();
  folder.tamper(({ key }) => Object.assign(key, change));
  const { a } = await read(folder);
  expect(a).toBe('vault-damaged: the vault is damaged: its file is not as it was written');
});

test('a vault of a newer version has its own message', async () => {
  using folder = new VaultFolder();
  await folder.made();
  folder.tamper((content) => {
    content.version = 2;
    content.news = true;
  });
  expect((await read(folder)).a).toBe('vault-damaged: the vault is of version 2, which is unknown');
});

test('W-CRED-35 no flipped bit gives another value', async () => {
  const { folder } = await two();
  using _ = folder;
  const whole = Buffer.from(folder.text);
  const right = await read(folder);
  const flips = fc.tuple(fc.nat(whole.length - 1), fc.nat(7));
  await fc.assert(
    fc.asyncProperty(flips, async ([at, bit]) => {
      const bytes = Buffer.from(whole);
      bytes[at] = (bytes[at] ?? 0) ^ (1 << bit);
      folder.text = bytes.toString('latin1');
      const { a, b } = await read(folder);
      const refused = /^(vault-damaged|credential-misbound): /;
      expect([right.a, refused.exec(a)?.input]).toContain(a);
      expect([right.b, refused.exec(b)?.input]).toContain(b);
      // At least one of them detects it, and it is never reported as a wrong passphrase.
      expect(refused.test(a) || refused.test(b)).toBe(true);
    }),
    { numRuns: process.env.SLOW ? 5000 : 200 },
  );
}, 300_000);

test('W-CRED-35 a truncated file is refused', async () => {
  const { folder } = await two();
  using _ = folder;
  const whole = folder.text;
  for (let length = 0; length < whole.length; length += 37) {
    folder.text = whole.slice(0, length);
    expect(await read(folder)).toEqual({
      a: expect.stringMatching(/^vault-damaged/),
      b: expect.stringMatching(/^vault-damaged/),
    });
  }
});

test('W-CRED-35 a file that is not a vault, or has duplicate entries, is refused', async () => {
  const { folder } = await two();
  using _ = folder;
  const whole = folder.text;
  for (const text of ['', '{}', '[]', 'null', '{"format":"warder-vault","version":1}', `${whole} `]) {
    folder.text = text;
    expect((await read(folder)).a).toMatch(/^vault-damaged/);
  }
  folder.text = whole;
  folder.tamper(({ boxes }) => boxes.push(of(boxes, A)));
  expect((await read(folder)).a).toMatch(/^vault-damaged/);
});
