// What runs when a profile names a command: the file, and the script where the file is an interpreter. Each is named by the
// digest of its bytes, which are read once for each version of the file: what its inode, its size and its times say to be
// the same is not read again.
import { createHash } from 'node:crypto';
import { type BigIntStats, realpathSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import * as z from 'zod';
import type { Log } from '../../os/log.ts';
import { scriptAmong } from '../../os/proc.ts';
import type { AuthenticFiles } from '../store/authentic-files.ts';
import type { ServerIdentity } from './record.ts';

/** A started command, with its arguments. */
export interface StartedCommand {
  /** The absolute path of the file. */
  readonly file: string;
  readonly args: readonly string[];
  /** Where it was started. */
  readonly folder: string;
}

export interface ExecutablesOptions {
  /** Where digests are kept from daemon to daemon, once they can be. */
  readonly files: () => AuthenticFiles | undefined;
  /** The user, as `process.getuid`. */
  readonly uid: number | undefined;
  readonly log: Log;
}

/** Programs that run a script which is among their arguments. */
const INTERPRETER =
  /\/(?:node|nodejs|bun|deno|tsx|python[\d.]*|ruby[\d.]*|perl[\d.]*|php[\d.]*|java|(?:ba|da|z|k)?sh)$/;

const FILE = 'trust/.executables.json';
/** Bytes that are hashed in one turn of the event loop. */
const SLICE = 2 ** 18;
/** Files whose digests are kept. */
const MAX_KEPT = 1000;

const keptFile = z.array(z.tuple([z.string(), z.string(), z.string()]));

export class Executables {
  readonly #options: ExecutablesOptions;
  /** By path: the stamp, and the digest of the file that had it. */
  readonly #known = new Map<string, { readonly stamp: string; readonly digest: string }>();
  #loaded: AuthenticFiles | undefined;

  constructor(options: ExecutablesOptions) {
    this.#options = options;
  }

  /** What runs. */
  async identify({ file, args, folder }: StartedCommand): Promise<ServerIdentity> {
    this.#load();
    const real = realPath(file);
    const script = [file, real].some((path) => INTERPRETER.test(path))
      ? scriptAmong(args, folder)
      : undefined;
    // An update of the system's interpreter is none of the server's.
    const isSystems = script !== undefined && this.#isSystems(real);
    const files = [{ path: file, digest: isSystems ? null : await this.#digest(real) }];
    if (script !== undefined) files.push({ path: script, digest: await this.#digest(script) });
    return { files };
  }

  async #digest(path: string): Promise<string> {
    try {
      const stamp = stampOf(statSync(path, { bigint: true }));
      const known = this.#known.get(path);
      if (known?.stamp === stamp) return known.digest;
      const digest = await hashFile(path);
      // Who writes it meanwhile gets it read again at the next start.
      if (stampOf(statSync(path, { bigint: true })) === stamp) this.#keep(path, { stamp, digest });
      return digest;
    } catch (error) {
      this.#options.log.warn({ path, error: String(error) }, 'an executable cannot be read');
      return 'unreadable';
    }
  }

  /** Whether only root may change a file, and the user is not root. */
  #isSystems(path: string): boolean {
    if (this.#options.uid === 0 || this.#options.uid === undefined) return false;
    try {
      for (let at = path; ; at = dirname(at)) {
        const { uid, mode } = statSync(at);
        if (uid !== 0 || (mode & 0o022) !== 0) return false;
        if (dirname(at) === at) return true;
      }
    } catch {
      return false;
    }
  }

  #keep(path: string, entry: { readonly stamp: string; readonly digest: string }): void {
    this.#known.delete(path);
    this.#known.set(path, entry);
    const [oldest] = this.#known.keys();
    if (this.#known.size > MAX_KEPT && oldest !== undefined) this.#known.delete(oldest);
    const all = [...this.#known].map(([name, { stamp, digest }]) => [name, stamp, digest]);
    try {
      this.#options.files()?.writeUnnumbered(FILE, JSON.stringify(all));
    } catch (error) {
      this.#options.log.warn({ error: String(error) }, 'the digests of executables are not kept');
    }
  }

  #load(): void {
    const files = this.#options.files();
    if (files === undefined || files === this.#loaded) return;
    this.#loaded = files;
    try {
      const text = files.read(FILE);
      for (const [path, stamp, digest] of text === undefined ? [] : keptFile.parse(JSON.parse(text))) {
        if (!this.#known.has(path)) this.#known.set(path, { stamp, digest });
      }
    } catch (error) {
      this.#options.log.warn({ error: String(error) }, 'the digests of executables are read anew');
    }
  }
}

/** What a file keeps for as long as nobody writes it. Its time of change can be set by nobody. */
function stampOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join(' ');
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

async function hashFile(path: string): Promise<string> {
  await using file = await open(path);
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafe(SLICE);
  for (;;) {
    const { bytesRead } = await file.read(buffer, 0, SLICE);
    if (bytesRead === 0) return `sha256:${hash.digest('hex')}`;
    hash.update(buffer.subarray(0, bytesRead));
  }
}
