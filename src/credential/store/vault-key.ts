// The wrapping key of a vault: derived from a passphrase by scrypt (RFC 7914), or from the bytes of a key file or a
// systemd credential by HKDF (RFC 5869). A key file that other users can read is refused.
import { hkdfSync, randomBytes, scrypt } from 'node:crypto';
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { WarderError } from '../../errors.ts';
import { writeFileAtomic } from '../../os/file.ts';
import { expandHome } from '../../profile/format.ts';
import type { VaultKey } from '../../profile/settings.ts';
import { COST_LIMIT, type Cost, type KeyDerivation } from './vault-file.ts';

/** Where the key is read from. */
export interface KeySource {
  readonly key: VaultKey;
  readonly home: string;
  /** The daemon's environment: systemd sets the folder of its credentials in it. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Takes about half a second and 128 MiB. */
const DEFAULT_COST: Cost = { N: 2 ** 17, r: 8, p: 1 };
const MIN_KEY_LENGTH = 32;
const MAX_KEY_LENGTH = 64 * 1024;

/** The key derivation of a new vault. */
export function newKeyDerivation(
  kind: KeyDerivation['kind'],
  { N, r, p }: Cost = DEFAULT_COST,
): KeyDerivation {
  const salt = randomBytes(32).toString('base64');
  return kind === 'bytes' ? { kind, salt } : { kind, salt, N, r, p };
}

/** Derives the wrapping key of a vault. `secret`: the passphrase, or the key's bytes. */
export async function deriveWrappingKey(
  derivation: KeyDerivation,
  secret: string | Uint8Array,
): Promise<Buffer> {
  const salt = Buffer.from(derivation.salt, 'base64');
  if (derivation.kind === 'bytes')
    return Buffer.from(hkdfSync('sha256', secret, salt, 'warder-vault 1 wrap', 32));
  const { N, r, p } = derivation;
  // One text has several forms in Unicode, and keyboards differ in which one they produce.
  const text = typeof secret === 'string' ? secret.normalize('NFC') : secret;
  return new Promise((resolve, reject) => {
    scrypt(text, salt, 32, { N, r, p, maxmem: COST_LIMIT + 2 ** 24 }, (error, key) => {
      if (error === null) resolve(key);
      else reject(error);
    });
  });
}

/** Reads a key file or systemd credential. Throws `vault-key` if it is missing or not safe. */
export async function readKeyBytes({ key, home, env }: KeySource): Promise<Buffer> {
  if (typeof key === 'string') throw new TypeError('a passphrase has no file');
  if ('file' in key) {
    const path = expandHome(key.file, home);
    return readKeyFile(path, 0o077, `put the right file there, or restore it from a backup`);
  }
  const systemdHint = `let systemd pass it to the daemon: LoadCredentialEncrypted=${key.systemd} in its unit`;
  const folder = env.CREDENTIALS_DIRECTORY;
  if (!folder?.startsWith('/')) {
    throw new WarderError('vault-key', `the daemon has no systemd credential "${key.systemd}"`, {
      hint: systemdHint,
    });
  }
  // If systemd grants access by an ACL, the mode shows it as the group's.
  return readKeyFile(join(folder, key.systemd), 0o027, systemdHint);
}

/** Creates a key file of random bytes unless it exists. Returns its path if it was created. Throws `cannot-write`. */
export function createKeyFile(file: string, home: string): string | undefined {
  const path = expandHome(file, home);
  try {
    writeFileAtomic(path, randomBytes(MIN_KEY_LENGTH), { exclusive: true });
    return path;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return undefined;
    throw new WarderError('cannot-write', `cannot write the key file ${path}`, { cause });
  }
}

async function readKeyFile(path: string, forbidden: number, hint: string): Promise<Buffer> {
  const refuse = (what: string, hint: string, cause?: unknown): WarderError =>
    new WarderError('vault-key', `the vault's key ${path} ${what}`, { hint, cause });
  try {
    // Non-blocking, so that a named pipe of that name cannot block the daemon.
    await using handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stats = await handle.stat();
    const uid = process.getuid?.();
    if (!stats.isFile()) throw refuse('is not a file', hint);
    if (uid !== undefined && stats.uid !== uid && stats.uid !== 0) {
      throw refuse('belongs to another user', `run "chown ${uid} ${path}", if it is yours`);
    }
    if (uid !== undefined && (stats.mode & forbidden) !== 0) {
      throw refuse(
        'can be read by others',
        `run "chmod 600 ${path}"; whoever has read it can open the vault`,
      );
    }
    if (stats.size < MIN_KEY_LENGTH) throw refuse(`has less than ${MIN_KEY_LENGTH} bytes`, hint);
    if (stats.size > MAX_KEY_LENGTH) throw refuse('is longer than 64 KiB', hint);
    return await handle.readFile();
  } catch (cause) {
    if (cause instanceof WarderError) throw cause;
    const { code } = cause as NodeJS.ErrnoException;
    throw refuse(code === 'ENOENT' ? 'does not exist' : `cannot be read (${code})`, hint, cause);
  }
}
