// The stamps of a tree on disk: what a start compares instead of hashing every file. A start that accepted forged stamps
// would run changed files, so they carry a MAC (HMAC-SHA-256) under a key that only this user can read:
//
//     <hex MAC of the rest>\n{"digest":"sha256:…","checked":<ms>}\n<records>
//
//     state/packages/stamp-key        32 random bytes, 0600
//
// The MAC covers the tree's digest, so stamps of one tree do not serve another. Whatever can write a tree but not read
// the key (a server, another user, a restored or synchronized copy of the folder) cannot make stamps. A program that runs
// as the user outside a sandbox can read the key: it could replace the lock as well. Stamps that do not verify are ignored,
// and every file is hashed. The records are in src/package/stamp-records.ts.
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { lstatSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomic } from '../os/file.ts';
import { toRecords } from './stamp-records.ts';
import type { Tree } from './tree.ts';

const KEY_BYTES = 32;

/** The stamps of a tree's last full check. */
export interface SavedStamps {
  /** The digest that the tree had. */
  readonly digest: string;
  /** When every file was hashed, in milliseconds since the epoch. */
  readonly checked: number;
  readonly records: Buffer;
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
      const bytes = readFileSync(file);
      const end = bytes.indexOf('\n');
      const mac = Buffer.from(bytes.toString('latin1', 0, Math.max(end, 0)), 'hex');
      const content = bytes.subarray(end + 1);
      const expected = macOf(key, content);
      if (mac.length !== expected.length || !timingSafeEqual(mac, expected)) return undefined;
      const head = content.indexOf('\n');
      const saved: Omit<SavedStamps, 'records'> = JSON.parse(content.toString('utf8', 0, head));
      return saved.digest === digest ? { ...saved, records: content.subarray(head + 1) } : undefined;
    } catch {
      return undefined;
    }
  }

  /** Writes the stamps of a tree, and makes the key if there is none. Throws the system's error. */
  write(file: string, { digest, stamps }: Pick<Tree, 'digest' | 'stamps'>, checked: number): void {
    const key = this.#key() ?? this.#newKey();
    const content = Buffer.concat([
      Buffer.from(`${JSON.stringify({ digest, checked })}\n`),
      toRecords(stamps),
    ]);
    writeFileAtomic(file, Buffer.concat([Buffer.from(`${macOf(key, content).toString('hex')}\n`), content]));
  }

  /** Writes a statement with a MAC. `kind` is part of what it covers. Throws the system's error. */
  writeStatement(file: string, kind: string, text: string): void {
    const key = this.#key() ?? this.#newKey();
    writeFileAtomic(file, `${statementMac(key, kind, text).toString('hex')}\n${text}`);
  }

  /** Whether a file has just this statement, made with the key. */
  hasStatement(file: string, kind: string, text: string): boolean {
    const key = this.#key();
    if (key === undefined) return false;
    try {
      const said = readFileSync(file);
      const wanted = Buffer.from(`${statementMac(key, kind, text).toString('hex')}\n${text}`);
      return said.length === wanted.length && timingSafeEqual(said, wanted);
    } catch {
      return false;
    }
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

function macOf(key: Buffer, content: Buffer): Buffer {
  return createHmac('sha256', key).update(content).digest();
}

/** Stamps begin with a brace, so that neither is ever taken for the other. */
function statementMac(key: Buffer, kind: string, text: string): Buffer {
  return macOf(key, Buffer.from(`${kind}\n${text}`));
}
