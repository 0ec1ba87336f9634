// The homes that servers keep (`sandbox.home`): `<state>/homes/<profile>`, 0700. No other profile can list them, because all of
// Warder's state is in no sandbox, and nothing outside runs or obeys what is in them.
//
// Where a server writes to the disk, no file system holds a bound for it: quotas of ext4 and XFS are root's to set, and
// rarely there. So what is in the folder is counted, at the start and while the server runs: at once when the disk
// has become fuller by a part of what is left, and every few seconds. A server over its bound is ended, and none starts. It
// can exceed the bound by what it writes in that time.
import { constants, existsSync, mkdirSync, renameSync } from 'node:fs';
import { open, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { WarderError } from '../errors.ts';
import type { Profile } from '../profile/format.ts';
import { formatSize } from '../profile/units.ts';
import { KEPT_HOME_BYTES } from '../sandbox/request.ts';
import { folderSize } from './folder-size.ts';
import { isPrivateFolder } from './runtime-folder.ts';

/** How often the disk's free space is looked at, and how often at least what is in the home. Milliseconds. */
const INTERVAL = 250;
const MAX_PAUSE = 10_000;

/** How much longer than counting the pause after it is at least. */
const PAUSE_FACTOR = 4;

/** The part of what is left of the bound by which the disk may become fuller before the home is counted. */
const PART = 1 / 8;

/** How long a start waits for the count. Milliseconds. */
const START_WAIT = 200;

/** A home on the disk, and its bound. */
export interface BoundHome {
  readonly profile: string;
  readonly folder: string;
  /** Bytes. */
  readonly most: number;
}

/** Where a profile's kept home is, whether or not it exists. */
export function keptHomeOf(state: string, profile: string): string {
  return join(state, 'homes', profile);
}

/**
 * Makes the home that a profile keeps, if it does not exist; `undefined` if the profile keeps none. Throws `cannot-write`, and
 * `home-full` if more is in it than its bound allows.
 */
export async function prepareKeptHome(
  { name, sandbox }: Pick<Profile, 'name' | 'sandbox'>,
  state: string,
): Promise<BoundHome | undefined> {
  if (sandbox?.home.kept !== true) return undefined;
  const { size: most = KEPT_HOME_BYTES } = sandbox.home;
  const home = { profile: name, folder: makeKeptHome(state, name), most };
  await requireRoom(home);
  return home;
}

function makeKeptHome(state: string, profile: string): string {
  const folder = keptHomeOf(state, profile);
  try {
    for (const path of [join(state, 'homes'), folder]) {
      mkdirSync(path, { recursive: true, mode: 0o700 });
      if (!isPrivateFolder(path)) throw new Error('the folder is not private');
    }
    return folder;
  } catch (cause) {
    throw new WarderError(
      'cannot-write',
      `cannot start "${profile}": its kept home cannot be made in "${folder}"`,
      {
        hint: 'free space there, and check that the folder belongs to you alone',
        cause,
      },
    );
  }
}

/**
 * Moves a profile's kept home, if there is one, to `state/removed/`, so that no later profile of that name gets it. Returns
 * its new path. `time` is in milliseconds since the epoch. Throws `cannot-write`.
 */
export function setHomeAside(state: string, profile: string, time: number): string | undefined {
  const folder = keptHomeOf(state, profile);
  if (!existsSync(folder)) return undefined;
  const removed = join(state, 'removed');
  const stamp = new Date(time).toISOString().replaceAll(/[-:.]/g, '');
  const aside = join(removed, `${profile}.${stamp}.home`);
  try {
    mkdirSync(removed, { recursive: true, mode: 0o700 });
    renameSync(folder, aside);
    return aside;
  } catch (cause) {
    throw new WarderError('cannot-write', `cannot move ${folder} to ${aside}`, {
      hint: 'check that both folders belong to you',
      cause,
    });
  }
}

/**
 * Throws `home-full` for a home that is over its bound. Waits a moment for the count; a home for which that is not
 * enough starts, and `HomeWatch` ends it.
 */
async function requireRoom(home: BoundHome): Promise<void> {
  const count = folderSize(home.folder, home.most).catch(() => 0);
  const bytes = await Promise.race([count, setTimeout(START_WAIT, 0, { ref: false })]);
  if (bytes > home.most) throw fullError(home, `cannot start "${home.profile}"`);
}

/** Watches how much is in a home while a server writes to it. */
export class HomeWatch {
  readonly #home: BoundHome;
  /** The bytes of files without a name that the server holds open. */
  readonly #unlinked: (device: bigint) => Promise<number>;
  readonly #onFull: (error: WarderError) => void;
  readonly #stop = new AbortController();

  constructor(
    home: BoundHome,
    unlinked: (device: bigint) => Promise<number>,
    onFull: (error: WarderError) => void,
  ) {
    this.#home = home;
    this.#unlinked = unlinked;
    this.#onFull = onFull;
    void this.#repeat();
  }

  /** Stops watching. */
  end(): void {
    this.#stop.abort();
  }

  async #repeat(): Promise<void> {
    const { profile, folder, most } = this.#home;
    let counted = 0;
    let bytes = 0;
    let free = Number.POSITIVE_INFINITY;
    let pause = 0;
    try {
      // Held open, because the folder may be moved away while the server runs: see `setHomeAside`.
      await using handle = await open(
        folder,
        constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW,
      );
      const path = process.platform === 'linux' ? `/proc/self/fd/${handle.fd}/.` : folder;
      for (;;) {
        const { bavail, bsize } = await statfs(path);
        const now = performance.now();
        const fuller = free - bavail * bsize > (most - bytes) * PART;
        if (now - counted > (fuller ? pause : Math.max(pause, MAX_PAUSE)) || counted === 0) {
          free = bavail * bsize;
          const { dev } = await stat(path, { bigint: true });
          bytes = (await folderSize(path, most)) + (await this.#unlinked(dev));
          counted = performance.now();
          pause = PAUSE_FACTOR * (counted - now);
          if (bytes > most) {
            this.#onFull(fullError(this.#home, `the session of "${profile}" was ended`));
            return;
          }
        }
        await setTimeout(INTERVAL, undefined, { ref: false, signal: this.#stop.signal });
      }
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      // What cannot be counted is not bounded.
      this.#onFull(
        new WarderError(
          'home-full',
          `the session of "${profile}" was ended: what is in its home cannot be counted`,
          {
            hint: `look at "${folder}"`,
            cause: error,
          },
        ),
      );
    }
  }
}

function fullError({ folder, most }: BoundHome, what: string): WarderError {
  return new WarderError('home-full', `${what}: more is in its home than ${formatSize(most)}`, {
    hint: `remove what it does not need from "${folder}", or set a larger "size" under "sandbox.home"`,
  });
}
