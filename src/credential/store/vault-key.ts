// The key that opens a vault: from a passphrase through scrypt (RFC 7914), or from the bytes of a key file or
// a systemd credential through HKDF (RFC 5869). A key that others could have read is refused, not used.
import { hkdfSync, randomBytes, scrypt } from 'node:crypto';
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { WarderError } from '../../errors.ts';
import { writeFileAtomic } from '../../os/file.ts';
import { expandHome } from '../../profile/format.ts';
import type { VaultKey } from '../../profile/settings.ts';
import { COST_LIMIT, type Cost, type KeyForm } from './vault-file.ts';

/** Where a key is looked for. */
export interface KeyPlace {
  readonly key: VaultKey;
  readonly home: string;
  /** The daemon's environment: systemd names the folder of credentials in it. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** About half a second and 128 MiB. */
const COST: Cost = { N: 2 ** 17, r: 8, p: 1 };
const SHORTEST = 32;
const LONGEST = 64 * 1024;

/** The form of a new vault's key. */
export function newForm(kind: KeyForm['kind'], { N, r, p }: Cost = COST): KeyForm {
  const salt = randomBytes(32).toString('base64');
  return kind === 'bytes' ? { kind, salt } : { kind, salt, N, r, p };
}

/** The wrapping key of a vault of this form. `secret` is the passphrase, or the key's bytes. */
export async function wrappingKey(form: KeyForm, secret: string | Uint8Array): Promise<Buffer> {
  const salt = Buffer.from(form.salt, 'base64');
  if (form.kind === 'bytes') return Buffer.from(hkdfSync('sha256', secret, salt, 'warder-vault 1 wrap', 32));
  const { N, r, p } = form;
  // One text has several spellings in Unicode, and keyboards differ in which they type.
  const text = typeof secret === 'string' ? secret.normalize('NFC') : secret;
  return new Promise((resolve, reject) => {
    scrypt(text, salt, 32, { N, r, p, maxmem: COST_LIMIT + 2 ** 24 }, (error, key) => {
      if (error === null) resolve(key);
      else reject(error);
    });
  });
}

/** The bytes of a key file or systemd credential. Throws `vault-key` if they are not there, or not safe. */
export async function keyBytes({ key, home, env }: KeyPlace): Promise<Buffer> {
  if (typeof key === 'string') throw new TypeError('a passphrase has no file');
  if ('file' in key) {
    const path = expandHome(key.file, home);
    return readKey(path, 0o077, `put the right file there, or restore it from a backup`);
  }
  const unit = `let systemd give it to the daemon: LoadCredentialEncrypted=${key.systemd} in its unit`;
  const folder = env.CREDENTIALS_DIRECTORY;
  if (!folder?.startsWith('/')) {
    throw new WarderError('vault-key', `the daemon has no systemd credential "${key.systemd}"`, {
      hint: unit,
    });
  }
  // Where systemd gives access by an ACL, the mode shows it as the group's.
  return readKey(join(folder, key.systemd), 0o027, unit);
}

/** Makes a key file of random bytes where there is none. Gives back whether it did. Throws `cannot-write`. */
export function makeKeyFile(file: string, home: string): string | undefined {
  const path = expandHome(file, home);
  try {
    writeFileAtomic(path, randomBytes(SHORTEST), { exclusive: true });
    return path;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return undefined;
    throw new WarderError('cannot-write', `cannot write the key file ${path}`, { cause });
  }
}

async function readKey(path: string, forbidden: number, hint: string): Promise<Buffer> {
  const refuse = (what: string, mend: string, cause?: unknown): WarderError =>
    new WarderError('vault-key', `the vault's key ${path} ${what}`, { hint: mend, cause });
  try {
    // Non-blocking, so that a named pipe of that name cannot hold the daemon.
    await using handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stats = await handle.stat();
    const own = process.getuid?.();
    if (!stats.isFile()) throw refuse('is no file', hint);
    if (own !== undefined && stats.uid !== own && stats.uid !== 0) {
      throw refuse('belongs to another user', `run "chown ${own} ${path}", if it is yours`);
    }
    if (own !== undefined && (stats.mode & forbidden) !== 0) {
      throw refuse(
        'can be read by others',
        `run "chmod 600 ${path}"; whoever has read it can open the vault`,
      );
    }
    if (stats.size < SHORTEST) throw refuse(`has less than ${SHORTEST} bytes`, hint);
    if (stats.size > LONGEST) throw refuse('is longer than 64 KiB', hint);
    return await handle.readFile();
  } catch (cause) {
    if (cause instanceof WarderError) throw cause;
    const { code } = cause as NodeJS.ErrnoException;
    throw refuse(code === 'ENOENT' ? 'does not exist' : `cannot be read (${code})`, hint, cause);
  }
}
