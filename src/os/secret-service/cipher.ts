// The encryption of secrets on the bus: the Secret Service's "dh-ietf1024-sha256-aes128-cbc-pkcs7" (freedesktop.org,
// draft 0.2, "Transfer of Secrets"). A Diffie-Hellman exchange in the second Oakley group (RFC 2409, section 6.2),
// HKDF-SHA256 (RFC 5869) without salt and info, and AES-128-CBC with PKCS #7 padding. It keeps values from those who
// record the messages of the bus. It does not authenticate the service: the bus does.
//
// The key pair and the shared secret come from key objects, not from `createDiffieHellmanGroup`: that one tests the
// group's prime for primality each time, which blocks the process for 90 ms (Node 24, OpenSSL 3.5, 2026-11).
import {
  createCipheriv,
  createDecipheriv,
  createPublicKey,
  diffieHellman,
  generateKeyPair,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import { promisify } from 'node:util';

/** The name of the algorithm in `OpenSession`. */
export const ALGORITHM = 'dh-ietf1024-sha256-aes128-cbc-pkcs7';

const GROUP = 'modp2';
/** The length of the group's prime in bytes. */
const PRIME_LENGTH = 128;
const KEY_LENGTH = 16;
const IV_LENGTH = 16;

/** A secret as it crosses the bus. */
export interface EncryptedSecret {
  /** The initialisation vector. */
  readonly parameters: Buffer;
  readonly value: Buffer;
}

/** One side of a key exchange. */
export interface KeyExchange {
  readonly publicKey: Buffer;
  /** Completes the exchange with the peer's public key. Throws if the key is not valid. */
  complete(peerKey: Uint8Array): SessionCipher;
}

/** As Node documents it; its types (24.x) leave out "dh". */
const generateGroupKeys = promisify(generateKeyPair) as unknown as (
  type: 'dh',
  options: { readonly group: string },
) => Promise<{ readonly publicKey: KeyObject; readonly privateKey: KeyObject }>;

/** Makes a key pair for one session with the service, in the thread pool. */
export async function startKeyExchange(): Promise<KeyExchange> {
  const own = await generateGroupKeys('dh', { group: GROUP });
  const { algorithm, key: publicKey } = splitPublicKey(own.publicKey);
  return {
    publicKey,
    complete(peerKey) {
      // OpenSSL refuses a key outside of the group, such as 0 or 1.
      const secret = diffieHellman({
        privateKey: own.privateKey,
        publicKey: joinPublicKey(algorithm, peerKey),
      });
      // Both sides derive the key from the secret in the length of the prime.
      const shared = Buffer.alloc(PRIME_LENGTH);
      secret.copy(shared, PRIME_LENGTH - secret.length);
      const key = Buffer.from(hkdfSync('sha256', shared, '', '', KEY_LENGTH));
      secret.fill(0);
      shared.fill(0);
      return new SessionCipher(key);
    },
  };
}

/** The cipher of one session. Unusable after it was disposed of. */
export class SessionCipher implements Disposable {
  #key: Buffer | undefined;

  constructor(key: Buffer) {
    this.#key = key;
  }

  encrypt(plaintext: Uint8Array): EncryptedSecret {
    const parameters = randomBytes(IV_LENGTH);
    const cipher = createCipheriv('aes-128-cbc', this.#currentKey(), parameters);
    return { parameters, value: Buffer.concat([cipher.update(plaintext), cipher.final()]) };
  }

  /** Decrypts into a buffer that the caller overwrites after use. Throws if the padding is not valid. */
  decrypt({ parameters, value }: EncryptedSecret): Buffer {
    const decipher = createDecipheriv('aes-128-cbc', this.#currentKey(), parameters);
    const parts: Buffer[] = [];
    try {
      parts.push(decipher.update(value));
      parts.push(decipher.final());
      return Buffer.concat(parts);
    } finally {
      for (const part of parts) part.fill(0);
    }
  }

  [Symbol.dispose](): void {
    this.#key?.fill(0);
    this.#key = undefined;
  }

  /** A cipher whose key was overwritten must never encrypt. */
  #currentKey(): Buffer {
    if (this.#key === undefined) throw new Error('the session has ended');
    return this.#key;
  }
}

/** DER tags (ITU-T X.690). */
const INTEGER = 0x02;
const BIT_STRING = 0x03;
const SEQUENCE = 0x30;

/** A public key of Diffie-Hellman as a number, and the algorithm with its group from the key's SubjectPublicKeyInfo (RFC 5280). */
function splitPublicKey(key: KeyObject): { readonly algorithm: Buffer; readonly key: Buffer } {
  const info = readElement(key.export({ type: 'spki', format: 'der' })).content;
  const algorithm = readElement(info).whole;
  const bits = readElement(info.subarray(algorithm.length)).content;
  // The first byte of a bit string counts its unused bits.
  return { algorithm, key: withoutZeros(readElement(bits.subarray(1)).content) };
}

function joinPublicKey(algorithm: Buffer, key: Uint8Array): KeyObject {
  const digits = withoutZeros(Buffer.from(key));
  // An integer whose first bit is set would be negative.
  const integer = element(
    INTEGER,
    Buffer.concat([Buffer.alloc(1), digits]).subarray((digits[0] ?? 0x80) & 0x80 ? 0 : 1),
  );
  const bits = element(BIT_STRING, Buffer.concat([Buffer.alloc(1), integer]));
  const info = element(SEQUENCE, Buffer.concat([algorithm, bits]));
  return createPublicKey({ key: info, format: 'der', type: 'spki' });
}

function withoutZeros(bytes: Buffer): Buffer {
  const first = bytes.findIndex((byte) => byte !== 0);
  return bytes.subarray(first < 0 ? bytes.length : first);
}

/** The DER element that the bytes begin with. */
function readElement(bytes: Buffer): { readonly whole: Buffer; readonly content: Buffer } {
  const short = bytes.readUInt8(1);
  const lengthBytes = short < 0x80 ? 0 : short & 0x7f;
  const length = lengthBytes === 0 ? short : bytes.readUIntBE(2, lengthBytes);
  const start = 2 + lengthBytes;
  return { whole: bytes.subarray(0, start + length), content: bytes.subarray(start, start + length) };
}

/** A DER element of fewer than 65,536 bytes. */
function element(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const header =
    length < 0x80
      ? [tag, length]
      : length < 0x100
        ? [tag, 0x81, length]
        : [tag, 0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from(header), content]);
}
