// The key that signs the audit log: Ed25519, stored in the credential store as PKCS #8, generated on first use.
// Whoever can change the log's files but cannot read the store cannot make a valid signature.
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import type { Signer } from '../audit/checkpoint.ts';
import { WarderError } from '../errors.ts';
import type { Store } from './store/store.ts';

const BLOB = 'audit-signing-key';

/**
 * The signer whose key is in a store. With `prompt: false` a locked store is an error at once, as for the store's
 * `get`. Throws the store's errors, and `credential-unfit` for a key that cannot be parsed.
 */
export async function openSigner(store: Pick<Store, 'blobs'>, options = { prompt: true }): Promise<Signer> {
  const stored = await store.blobs.get(BLOB, options);
  const key = stored === undefined ? await createKey(store) : parseKey(stored);
  const { x = '' } = createPublicKey(key).export({ format: 'jwk' });
  return {
    publicKey: Buffer.from(x, 'base64url').toString('base64'),
    sign: async (bytes) => sign(null, bytes, key),
  };
}

async function createKey({ blobs }: Pick<Store, 'blobs'>): Promise<KeyObject> {
  const { privateKey } = generateKeyPairSync('ed25519');
  await blobs.set(BLOB, privateKey.export({ format: 'der', type: 'pkcs8' }));
  return privateKey;
}

function parseKey(bytes: Buffer): KeyObject {
  try {
    const key = createPrivateKey({ key: bytes, format: 'der', type: 'pkcs8' });
    if (key.asymmetricKeyType === 'ed25519') return key;
  } catch {
    // Reported below: the library's message may contain part of the key.
  }
  throw new WarderError(
    'credential-unfit',
    "the audit log's signing key in the credential store is damaged",
    {
      hint: `remove the item "${BLOB}" of "warder.blob" from the store; a new key is generated, and the log continues`,
    },
  );
}
