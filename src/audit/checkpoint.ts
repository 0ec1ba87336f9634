// Signatures over the chain. A checkpoint signs the number and hash of an earlier record, and with it all
// records up to that one. Without the key one can rewrite the log from any record on, but not a checkpoint.
//
// Signed is the UTF-8 of "warder-audit-checkpoint-v1\n<seq>\n<hash>\n", with Ed25519 (RFC 8032). Public keys
// are 32 raw bytes in base64. `audit.pub` lists the keys that have signed this log, one a line.
import { createPublicKey, verify } from 'node:crypto';
import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Head } from './chain/chain.ts';

/** Signs checkpoints. The private key does not leave it. */
export interface Signer {
  /** 32 bytes, base64. */
  readonly publicKey: string;
  /** The Ed25519 signature of the bytes, 64 bytes. May wait for a person to unlock the key's store. */
  sign(bytes: Uint8Array): Promise<Buffer>;
}

/** A checkpoint must follow the record that it signs within so many records; a later signature is made again. */
export const SIGNING_WINDOW = 65536;

const KEY = /^[A-Za-z0-9+/]{43}=$/;

/** The file of public keys in the state folder. */
export function keysPath(state: string): string {
  return join(state, 'audit.pub');
}

/** The bytes that a checkpoint signs. */
export function statement({ seq, hash }: Head): Buffer {
  return Buffer.from(`warder-audit-checkpoint-v1\n${seq}\n${hash}\n`);
}

/** Whether `signature` (base64) is the signature of `head` by `key`. */
export function isSigned(head: Head, key: string, signature: string): boolean {
  if (!isKey(key)) return false;
  try {
    const jwk = { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(key, 'base64').toString('base64url') };
    const bytes = Buffer.from(signature, 'base64');
    return verify(null, statement(head), createPublicKey({ key: jwk, format: 'jwk' }), bytes);
  } catch {
    return false;
  }
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
