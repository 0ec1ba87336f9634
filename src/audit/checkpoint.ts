// Signatures over the chain. A checkpoint signs the number and hash of an earlier record, and so all
// records up to it. Who holds no key can rewrite the log from any record on, but not a checkpoint.
//
// Signed is the UTF-8 of "warder-audit-checkpoint-v1\n<seq>\n<hash>\n", with Ed25519 (RFC 8032). Public keys
// are 32 raw bytes in base64. The keys that have signed this log stand, one a line, in `audit.pub`.
import { createPublicKey, verify } from 'node:crypto';
import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Head } from './chain/chain.ts';

/** What signs: the private key stays where it is. */
export interface Signer {
  /** 32 bytes, base64. */
  readonly publicKey: string;
  /** The Ed25519 signature of the bytes, 64 bytes. May wait for a person to unlock the key's store. */
  sign(bytes: Uint8Array): Promise<Buffer>;
}

/** A signed record is looked for among so many newest: a signature that comes later than that is made anew. */
export const REACH = 65536;

const KEY = /^[A-Za-z0-9+/]{43}=$/;

/** The file of public keys in the state folder. */
export function keysPath(state: string): string {
  return join(state, 'audit.pub');
}

/** The bytes that a checkpoint signs. */
export function statement({ seq, hash }: Head): Buffer {
  return Buffer.from(`warder-audit-checkpoint-v1\n${seq}\n${hash}\n`);
}

/** Whether `signature` (base64) is that of `key` over `head`. */
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

/** Whether a text is a public key in the form that the log uses. */
export function isKey(text: string): boolean {
  return KEY.test(text) && Buffer.from(text, 'base64').length === 32;
}

/** The keys in a file, oldest first; none where there is no file. Lines that are no keys are left out. */
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

/** Adds a key to the file unless it is the newest there. */
export function keepKey(path: string, key: string): void {
  if (readKeys(path).at(-1) !== key) appendFileSync(path, `${key}\n`, { mode: 0o600 });
}
