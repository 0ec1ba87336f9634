// The key that signs the audit log: Ed25519, kept in the credential store as PKCS #8, made when it is first
// wanted. Whoever can change the log's files but not read the store cannot make a signature that fits.
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import type { Signer } from '../audit/checkpoint.ts';
import { WarderError } from '../errors.ts';
import type { Store } from './store/store.ts';

const BLOB = 'audit-signing-key';

/**
 * The signer of a store. With `ask: false` a locked store is an error at once, as for the store's `get`.
 * Throws what the store throws, and `credential-unfit` for a key that cannot be read.
 */
export async function signer(store: Pick<Store, 'blobs'>, options = { ask: true }): Promise<Signer> {
  const kept = await store.blobs.get(BLOB, options);
  const key = kept === undefined ? await make(store) : read(kept);
  const { x = '' } = createPublicKey(key).export({ format: 'jwk' });
  return {
    publicKey: Buffer.from(x, 'base64url').toString('base64'),
    sign: async (bytes) => sign(null, bytes, key),
  };
}

async function make({ blobs }: Pick<Store, 'blobs'>): Promise<KeyObject> {
  const { privateKey } = generateKeyPairSync('ed25519');
  await blobs.set(BLOB, privateKey.export({ format: 'der', type: 'pkcs8' }));
  return privateKey;
}

function read(bytes: Buffer): KeyObject {
  try {
    const key = createPrivateKey({ key: bytes, format: 'der', type: 'pkcs8' });
    if (key.asymmetricKeyType === 'ed25519') return key;
  } catch {
    // Told below: the library's message may hold part of what it read.
  }
  throw new WarderError(
    'credential-unfit',
    "the audit log's signing key in the credential store is damaged",
    {
      hint: `remove the item "${BLOB}" of "warder.blob" from the store; a new key is made, and the log goes on`,
    },
  );
}
