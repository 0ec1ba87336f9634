// The vault's file on the disk: read whole, written whole, and changed under a lock, as two daemons may live.
import { constants, existsSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { WarderError } from '../../errors.ts';
import { writeFileAtomic } from '../../os/file.ts';
import { awaitLock } from '../../os/lock.ts';
import { damaged, parse, render, type VaultFile } from './vault-file.ts';

const FILE_LIMIT = 64 * 2 ** 20;
/** Milliseconds that a change waits for that of another process. */
const LOCK_TIMEOUT = 10_000;

export class VaultStorage {
  /** The absolute path. */
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
  }

  /** The file's content; `undefined` if there is no file. Throws `vault-damaged`. */
  async read(): Promise<VaultFile | undefined> {
    let handle: FileHandle;
    try {
      handle = await open(this.#file, constants.O_RDONLY | constants.O_NONBLOCK);
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      if (code === 'ENOENT') return undefined;
      throw damaged(`its file cannot be read (${code})`);
    }
    try {
      const stats = await handle.stat();
      if (!stats.isFile()) throw damaged('it is not a regular file');
      if (stats.size > FILE_LIMIT) throw damaged('its file is longer than 64 MiB');
      return parse(await handle.readFile('utf8'));
    } finally {
      await handle.close();
    }
  }

  /** As `read`. Throws `store-unset` if there is no file. */
  async readExisting(): Promise<VaultFile> {
    const content = await this.read();
    if (content !== undefined) return content;
    throw new WarderError('store-unset', `there is no vault at ${this.#file}`, {
      hint: 'run "warder init --store vault", or restore the file from a backup',
    });
  }

  /** Writes a new file. Throws `cannot-write`, also where there is one. */
  create(content: VaultFile): void {
    this.#write(render(content), true);
  }

  /** Replaces the file. The caller has the lock. Throws `cannot-write`, `credential-long`. */
  replace(content: VaultFile): void {
    const text = render(content);
    if (text.length > FILE_LIMIT)
      throw new WarderError('credential-long', 'the vault is full: it holds 64 MiB');
    this.#write(text, false);
  }

  /** Two daemons may change the file: what one has read is not written over what the other wrote meanwhile. */
  async lock(): Promise<Disposable> {
    let lock: Awaited<ReturnType<typeof awaitLock>>;
    try {
      // Without the file there is nothing to change, and perhaps no folder.
      if (!existsSync(this.#file)) return { [Symbol.dispose]() {} };
      lock = await awaitLock(`${this.#file}.lock`, LOCK_TIMEOUT);
    } catch (cause) {
      throw new WarderError('cannot-write', `cannot write ${this.#file}`, { cause });
    }
    if ('owner' in lock) return lock;
    throw new WarderError('cannot-write', `cannot write ${this.#file}: another process changes it`, {
      hint: `if process ${lock.pid} is none of Warder's, remove ${this.#file}.lock`,
    });
  }

  #write(text: string, exclusive: boolean): void {
    try {
      writeFileAtomic(this.#file, text, { exclusive });
    } catch (cause) {
      throw new WarderError('cannot-write', `cannot write ${this.#file}`, { cause });
    }
  }
}
