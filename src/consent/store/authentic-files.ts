// Files below the state folder that nobody but this daemon may have written: each begins with a line of HMAC-SHA-256
// (RFC 2104) over its name, its number and its text, by a key in the credential store. The store also has the number of each file's
// last version, so that putting an older one back is seen. What does not verify is not read.
//
// One daemon writes them: the one that has the lock. One that has handed over reads them again when it is told to.
//
// Against a program of the same user that may use the credential store this proves nothing, as SECURITY.md says.
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { WarderError } from '../../errors.ts';
import { writeFileAtomic } from '../../os/file.ts';

/** Small values in a credential store: see `Store.blobs`. */
export interface Blobs {
  get(name: string, options?: { readonly prompt: boolean }): Promise<Buffer | undefined>;
  set(name: string, value: Buffer, options?: { readonly prompt: boolean }): Promise<void>;
}

const KEY = 'consent-key';
const VERSIONS = 'consent-versions';
const HEAD = /^warder-authentic-v1 (\d{1,15}) ([0-9a-f]{64})\n/;
const SILENT = { prompt: false } as const;
/** Where files are, below the folder. */
const FOLDERS = ['', 'trust/'];

export class AuthenticFiles {
  readonly #folder: string;
  readonly #blobs: Blobs;
  readonly #key: Buffer;
  readonly #versions: Map<string, number>;
  readonly #home: string;
  #storing: Promise<void> = Promise.resolve();
  #isRetired = false;

  private constructor(
    folder: string,
    blobs: Blobs,
    key: Buffer,
    home: string,
    versions: Map<string, number>,
  ) {
    this.#folder = folder;
    this.#blobs = blobs;
    this.#key = key;
    this.#home = home;
    this.#versions = versions;
  }

  /**
   * Opens the files of a folder, with the key in a store, which is made if there is none. Asks nobody. Throws the store's
   * errors.
   */
  static async open(folder: string, blobs: Blobs): Promise<AuthenticFiles> {
    let key = await blobs.get(KEY, SILENT);
    if (key === undefined) {
      key = randomBytes(32);
      await blobs.set(KEY, key, SILENT);
    }
    // Two folders share one keychain, and have files of the same names.
    const home = `${VERSIONS}-${createHmac('sha256', key).update(folder).digest('hex').slice(0, 16)}`;
    const stored = await blobs.get(home, SILENT);
    return new AuthenticFiles(folder, blobs, key, home, parseVersions(stored));
  }

  /** The text of a file; undefined if there is none and never was. Throws `refused` for one that does not verify. */
  read(name: string): string | undefined {
    const known = this.#versions.get(name) ?? 0;
    let bytes: Buffer;
    try {
      bytes = readFileSync(join(this.#folder, name));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      if (known === 0) return undefined;
      throw forged(this.#folder, name, 'is gone');
    }
    const head = HEAD.exec(bytes.toString('latin1', 0, 120));
    if (head === null) throw forged(this.#folder, name, 'was not written by Warder');
    const [line, version = '', mac = ''] = head;
    const text = bytes.subarray(line.length);
    if (!timingSafeEqual(Buffer.from(mac, 'hex'), this.#mac(name, version, text)))
      throw forged(this.#folder, name, 'was changed by another program');
    if (Number(version) < known) throw forged(this.#folder, name, 'is an older version that was put back');
    // One that was written when the daemon was killed, or by another daemon.
    if (Number(version) > known) this.#versions.set(name, Number(version));
    return text.toString('utf8');
  }

  /**
   * Another daemon writes the files from now on: what this one is told holds in it alone. Settles once the store has the
   * numbers of all that was written. Where the store is so slow that the other daemon begins before that, it gets the numbers that
   * the other one's files have by then.
   */
  async retire(): Promise<void> {
    this.#isRetired = true;
    await this.#storing;
  }

  /** Learns the numbers of what the other daemon has written: nothing older counts. Throws the store's errors. */
  async relearn(): Promise<void> {
    for (const [name, version] of parseVersions(await this.#blobs.get(this.#home, SILENT)))
      if (version > (this.#versions.get(name) ?? 0)) this.#versions.set(name, version);
  }

  /** Replaces a file; false where another daemon writes them. Throws `cannot-write`, or the store's errors. */
  async write(name: string, text: string): Promise<boolean> {
    if (this.#isRetired) return false;
    const version = (this.#versions.get(name) ?? 0) + 1;
    this.#replace(name, text, version);
    // After the file: a daemon that is killed between the two finds a version that is newer, which is no attack.
    this.#versions.set(name, version);
    // One after another, so that no older numbers come to stand last.
    const store = async (): Promise<void> => {
      let isOlder = true;
      while (isOlder) {
        await this.#blobs.set(this.#home, Buffer.from(JSON.stringify([...this.#versions])), SILENT);
        // The other daemon writes a file before its number: that of one that is not seen here comes to the store after these.
        isOlder = this.#isRetired && this.#findNewer();
      }
    };
    const stored = this.#storing.then(store, store);
    this.#storing = stored.catch(() => {});
    await stored;
    return true;
  }

  /** Replaces a file whose older versions may come back: the store is not written. Throws `cannot-write`. */
  writeUnnumbered(name: string, text: string): void {
    if (!this.#isRetired) this.#replace(name, text, 0);
  }

  /** Learns the numbers of the files that are newer than is known. Returns whether there were any. */
  #findNewer(): boolean {
    let hasFound = false;
    for (const folder of FOLDERS) {
      for (const name of namesIn(join(this.#folder, folder))) {
        const before = this.#versions.get(`${folder}${name}`) ?? 0;
        try {
          this.read(`${folder}${name}`);
        } catch {
          // It is none of these, or forged: then the numbers that are known stay.
        }
        hasFound ||= (this.#versions.get(`${folder}${name}`) ?? 0) > before;
      }
    }
    return hasFound;
  }

  #replace(name: string, text: string, version: number): void {
    const bytes = Buffer.from(text);
    const head = `warder-authentic-v1 ${version} ${this.#mac(name, String(version), bytes).toString('hex')}\n`;
    try {
      writeFileAtomic(join(this.#folder, name), Buffer.concat([Buffer.from(head), bytes]));
    } catch (cause) {
      throw new WarderError('cannot-write', `cannot write ${join(this.#folder, name)}`, { cause });
    }
  }

  #mac(name: string, version: string, text: Buffer): Buffer {
    return createHmac('sha256', this.#key)
      .update(JSON.stringify([name, version]))
      .update('\n')
      .update(text)
      .digest();
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => name.endsWith('.json'));
  } catch {
    return [];
  }
}

function parseVersions(stored: Buffer | undefined): Map<string, number> {
  if (stored === undefined) return new Map();
  try {
    return new Map(JSON.parse(stored.toString('utf8')));
  } catch (cause) {
    throw new WarderError(
      'credential-unfit',
      'the versions of consent files in the credential store are damaged',
      {
        cause,
        hint: 'run "warder init --force" to begin anew: every answer is then asked for again',
      },
    );
  }
}

function forged(folder: string, name: string, what: string): WarderError {
  return new WarderError('refused', `${join(folder, name)} ${what}: nothing in it counts`, {
    hint: 'run "warder grants revoke --all" if you know why: every answer is then asked for again',
  });
}
