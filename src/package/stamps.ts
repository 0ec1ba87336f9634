// The stamps of a tree on disk: what a start compares instead of hashing every file. A start that accepted forged stamps
// would run changed files, so they carry a MAC (HMAC-SHA-256) under a key that only this user can read:
//
//     <hex MAC of the rest>\n{"digest":"sha256:…","checked":<ms>,"stamps":{<path>:<stamp>,…}}
//
//     state/packages/stamp-key        32 random bytes, 0600
//
// The MAC covers the tree's digest, so stamps of one tree do not serve another. Whatever can write a tree but not read
// the key (a server, another user, a restored or synchronized copy of the folder) cannot make stamps. A program that runs
// as the user outside a sandbox can read the key: it could replace the lock as well. Stamps that do not verify are ignored,
// and every file is hashed.
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { lstatSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomic } from '../os/file.ts';

const KEY_BYTES = 32;

/** The stamps of a tree's last full check. */
export interface SavedStamps {
  /** The digest that the tree had. */
  readonly digest: string;
  /** When every file was hashed, in milliseconds since the epoch. */
  readonly checked: number;
  /** As `Tree.stamps`. */
  readonly stamps: Readonly<Record<string, string>>;
}

/** Reads and writes stamps, authenticated by the key in a folder. */
export class StampFiles {
  readonly #keyFile: string;

  constructor(folder: string) {
    this.#keyFile = join(folder, 'stamp-key');
  }

  /** The stamps in a file; undefined if they are missing, of another digest, or not made with the key. */
  read(file: string, digest: string): SavedStamps | undefined {
    const key = this.#key();
    if (key === undefined) return undefined;
    try {
      const text = readFileSync(file, 'utf8');
      const end = text.indexOf('\n');
      const mac = Buffer.from(text.slice(0, Math.max(end, 0)), 'hex');
      const content = text.slice(end + 1);
      const expected = macOf(key, content);
      if (mac.length !== expected.length || !timingSafeEqual(mac, expected)) return undefined;
      const saved: SavedStamps = JSON.parse(content);
      return saved.digest === digest ? saved : undefined;
    } catch {
      return undefined;
    }
  }

  /** Writes stamps, and makes the key if there is none. Throws the system's error. */
  write(file: string, saved: SavedStamps): void {
    const key = this.#key() ?? this.#newKey();
    const content = JSON.stringify(saved);
    writeFileAtomic(file, `${macOf(key, content).toString('hex')}\n${content}`);
  }

  /** The key; undefined if there is none, or if anybody else may have read or written it. */
  #key(): Buffer | undefined {
    const stat = lstatSync(this.#keyFile, { throwIfNoEntry: false });
    if (stat === undefined || !stat.isFile()) return undefined;
    const own = process.getuid?.();
    if (own !== undefined && (stat.uid !== own || (stat.mode & 0o077) !== 0)) return undefined;
    const key = readFileSync(this.#keyFile);
    return key.length === KEY_BYTES ? key : undefined;
  }

  /** Makes a key. Another process may do the same at the same moment; the one that is written last then counts. */
  #newKey(): Buffer {
    const key = randomBytes(KEY_BYTES);
    rmSync(this.#keyFile, { recursive: true, force: true });
    writeFileAtomic(this.#keyFile, key);
    return key;
  }
}

function macOf(key: Buffer, content: string): Buffer {
  return createHmac('sha256', key).update(content).digest();
}
