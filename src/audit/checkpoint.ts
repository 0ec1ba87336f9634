// Signatures over the chain. A checkpoint signs the number and hash of an earlier record, and with it all
// records up to that one, and the checkpoint before it. Without the key one can rewrite the log from any record
// on, but not a checkpoint; and a checkpoint that was dropped is missed by the next one.
//
// Version 2 signs, with Ed25519 (RFC 8032), the UTF-8 of
//
//     "warder-audit-checkpoint-v2\n<seq>\n<hash>\n<previous seq>\n<previous hash>\n"
//
// where the previous two are what the key's checkpoint before this one signed; 0 and 64 zeros in its first. Such
// a record has `previous_seq` and `previous_hash`. Version 1, of logs that were begun before there was a version 2,
// has neither and signs "warder-audit-checkpoint-v1\n<seq>\n<hash>\n". Public keys are 32 raw bytes in base64.
// `audit.pub` lists the keys that have signed this log, one a line.
import { createPublicKey, verify } from 'node:crypto';
import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Head } from './chain/chain.ts';
import type { VaultMark } from './vault-mark.ts';

/** Number and hash of a record that was signed. */
export type SignedPoint = Head;

/** Signs checkpoints, and remembers the newest of them apart from the log. The private key does not leave it. */
export interface Signer {
  /** 32 bytes, base64. */
  readonly publicKey: string;
  /** The Ed25519 signature of the bytes, 64 bytes. May wait for a person to unlock the key's store. */
  sign(bytes: Uint8Array): Promise<Buffer>;
  /** The newest point that was stored; `undefined` if none ever was. Rejects if the store cannot be read. */
  lastSigned(): Promise<SignedPoint | undefined>;
  /** The state of the vault that keeps the key, if it is one. */
  mark?(): VaultMark | undefined;
  /** Stores the newest point. Rejects if the store cannot be written; asks nobody. */
  storeSigned(point: SignedPoint): Promise<void>;
}

/** A checkpoint must follow the record that it signs within so many records; a later signature is made again. */
export const SIGNING_WINDOW = 65536;

const KEY = /^[A-Za-z0-9+/]{43}=$/;

/** The file of public keys in the state folder. */
export function keysPath(state: string): string {
  return join(state, 'audit.pub');
}

/** The bytes that a checkpoint signs; version 1 without `previous`. */
export function statement({ seq, hash }: Head, previous?: SignedPoint): Buffer {
  if (previous === undefined) return Buffer.from(`warder-audit-checkpoint-v1\n${seq}\n${hash}\n`);
  return Buffer.from(`warder-audit-checkpoint-v2\n${seq}\n${hash}\n${previous.seq}\n${previous.hash}\n`);
}

/** Whether `signature` (base64) is the signature of a statement by `key`. */
function isSigned(bytes: Uint8Array, key: string, signature: string): boolean {
  if (!isKey(key)) return false;
  try {
    const jwk = { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(key, 'base64').toString('base64url') };
    const publicKey = createPublicKey({ key: jwk, format: 'jwk' });
    return verify(null, bytes, publicKey, Buffer.from(signature, 'base64'));
  } catch {
    return false;
  }
}

/** What a record claims to sign. `previous` is `undefined` in version 1. */
export interface Claim {
  readonly point: SignedPoint;
  readonly previous: SignedPoint | undefined;
  readonly key: string;
}

/** The claim of a checkpoint record whose signature is valid, for the key that it names; otherwise `undefined`. */
export function validClaim(entry: { readonly [member: string]: unknown }): Claim | undefined {
  const { signed_seq, signed_hash, previous_seq, previous_hash, key, signature } = entry;
  if (typeof signed_seq !== 'number' || typeof signed_hash !== 'string') return undefined;
  if (typeof key !== 'string' || typeof signature !== 'string') return undefined;
  const point = { seq: signed_seq, hash: signed_hash };
  const bare = previous_seq === undefined && previous_hash === undefined;
  if (!bare && (typeof previous_seq !== 'number' || typeof previous_hash !== 'string')) return undefined;
  const previous = bare ? undefined : { seq: Number(previous_seq), hash: String(previous_hash) };
  return isSigned(statement(point, previous), key, signature) ? { point, previous, key } : undefined;
}

/** Whether a text is a public key in the log's form. */
export function isKey(text: string): boolean {
  return KEY.test(text) && Buffer.from(text, 'base64').length === 32;
}

/** The keys in a file, oldest first; none if there is no file. Lines that are not keys are skipped. */
export function readKeys(path: string): string[] {
  try {
    return readFileSync(path, 'utf8')
      .split('\n')
      .map((line) => line.trim())
      .filter(isKey);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** Appends a key to the file unless it is the last one there. */
export function recordKey(path: string, key: string): void {
  if (readKeys(path).at(-1) !== key) appendFileSync(path, `${key}\n`, { mode: 0o600 });
}
