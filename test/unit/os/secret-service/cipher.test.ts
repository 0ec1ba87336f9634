// The encryption of secrets on the bus, against a second implementation of its specification.
import { createCipheriv, createDecipheriv, createDiffieHellmanGroup, hkdfSync } from 'node:crypto';
import { expect, test } from 'vitest';
import { startKeyExchange } from '../../../../src/os/secret-service/cipher.ts';

const PRIME = createDiffieHellmanGroup('modp2').getPrime();

/** The service's side: its public key, and the session key that follows from the client's one. */
function peer(): { readonly publicKey: Buffer; readonly keyWith: (clientKey: Buffer) => Buffer } {
  const group = createDiffieHellmanGroup('modp2');
  const publicKey = group.generateKeys();
  return {
    publicKey,
    keyWith: (clientKey) => Buffer.from(hkdfSync('sha256', group.computeSecret(clientKey), '', '', 16)),
  };
}

test('both sides derive the same key, and read what the other encrypts', async () => {
  for (let round = 0; round < 3; round++) {
    const client = await startKeyExchange();
    const service = peer();
    const cipher = client.complete(service.publicKey);
    const key = service.keyWith(client.publicKey);
    for (const length of [0, 1, 15, 16, 17, 65536]) {
      const plain = Buffer.alloc(length, 'a secret');
      const { parameters, value } = cipher.encrypt(plain);
      expect(parameters).toHaveLength(16);
      const decipher = createDecipheriv('aes-128-cbc', key, parameters);
      expect(Buffer.concat([decipher.update(value), decipher.final()])).toEqual(plain);
      const answer = createCipheriv('aes-128-cbc', key, parameters);
      const encrypted = Buffer.concat([answer.update(plain), answer.final()]);
      expect(cipher.decrypt({ parameters, value: encrypted })).toEqual(plain);
    }
  }
});

test('a public key may come with or without leading zeros', async () => {
  const client = await startKeyExchange();
  const service = peer();
  const first = client.complete(service.publicKey);
  const second = client.complete(Buffer.concat([Buffer.alloc(3), service.publicKey]));
  expect(second.decrypt(first.encrypt(Buffer.from('a secret'))).toString()).toBe('a secret');
});

test('one secret encrypted twice is never the same', async () => {
  const cipher = (await startKeyExchange()).complete(peer().publicKey);
  const [first, second] = [cipher.encrypt(Buffer.from('a')), cipher.encrypt(Buffer.from('a'))];
  expect(first.value).not.toEqual(second.value);
});

const lessOne = Buffer.from(PRIME);
lessOne.writeUInt8(lessOne.readUInt8(lessOne.length - 1) - 1, lessOne.length - 1);

test.each([
  ['nothing', Buffer.alloc(0)],
  ['0', Buffer.alloc(1)],
  ['1', Buffer.of(1)],
  ['the prime less one', lessOne],
  ['the prime', PRIME],
  ['a number beyond the prime', Buffer.alloc(128, 0xff)],
  ['a number of 200 bytes', Buffer.alloc(200, 0x41)],
])('a public key that is %s is refused', async (_what, key) => {
  const client = await startKeyExchange();
  expect(() => client.complete(key)).toThrow();
});

test('a session that has ended encrypts and decrypts nothing', async () => {
  const cipher = (await startKeyExchange()).complete(peer().publicKey);
  const secret = cipher.encrypt(Buffer.from('a secret'));
  cipher[Symbol.dispose]();
  expect(() => cipher.encrypt(Buffer.from('a secret'))).toThrow('has ended');
  expect(() => cipher.decrypt(secret)).toThrow('has ended');
});
