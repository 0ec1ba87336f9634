// What an import has begun and not finished. Before anything of a server's profile is written, a file in `state/importing`
// with the profile's name says so; it is removed when the host's entry names the profile, or when nothing is left of it.
// So an import that was killed, at whatever moment, is taken back by the next one, which then makes the same profile again.
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { catchWarderError, WarderError } from '../../errors.ts';
import { openHostFile } from '../../host/change.ts';
import { type FoundFile, findFiles } from '../../host/find.ts';
import type { Planned } from '../../host/planned.ts';
import { serversOf } from '../../host/servers.ts';
import { hosts } from '../../host/table.ts';
import { clock } from '../../os/clock.ts';
import { writeFileAtomic } from '../../os/file.ts';
import { acquireLock, awaitLock, type Lock, ownerOf } from '../../os/lock.ts';
import { profileStamp, readProfile, removeProfile } from '../../profile/load.ts';
import { keptHomeOf } from '../../server/kept-home.ts';
import { removeFolder } from '../../server/remove-folder.ts';
import { removeServerLog } from '../../server/server-log.ts';
import { PROFILE_NAME } from '../../wire/hello.ts';
import type { Places } from '../../wire/places.ts';
import type { Context } from '../command.ts';
import { launchedProfile, surroundingsOf } from '../hosts/surroundings.ts';
import type { Making, Versions } from './making.ts';
import { isUnchanged, Reused, remember } from './reuse.ts';

/** Milliseconds to wait for another import that takes something back. */
const PATIENCE = 30_000;

/** What the file says beside its owner, which is the import's process. */
interface Note {
  /** The names of the credentials that are stored for the profile. */
  readonly credentials: readonly string[];
  /** The host, and its file. */
  readonly host: string;
  readonly path: string;
  /** SHA-256 of the profile, hex. Undefined: it was not written yet. */
  readonly digest?: string;
}

class Unfinished implements Making {
  readonly isThere = false;
  readonly name: string;
  readonly #plan: Planned;
  readonly #lock: Lock;
  #note: Note;
  readonly #context: Context;

  constructor(context: Context, name: string, plan: Planned, lock: Lock, note: Note) {
    this.#context = context;
    this.name = name;
    this.#plan = plan;
    this.#lock = lock;
    this.#note = note;
  }

  willWrite(text: string): void {
    this.#note = { ...this.#note, digest: createHash('sha256').update(text).digest('hex') };
    writeFileAtomic(
      notePath(this.#context.places, this.name),
      JSON.stringify({ ...this.#lock.owner, ...this.#note }),
    );
  }

  finish(versions: Versions): void {
    remember(this.#context.places, this.name, this.#plan, versions);
    this.#lock[Symbol.dispose]();
  }

  async takeBack(): Promise<WarderError | undefined> {
    try {
      await takeBack(this.#context, this.name, this.#note);
      this.#lock[Symbol.dispose]();
      return undefined;
    } catch (error) {
      if (error instanceof WarderError) return error;
      throw error;
    }
  }
}

/** What is stored, and for which profiles. */
export interface Stored {
  /**
   * The names of profiles for which something is stored or used, be they removed since: an import that took such a name would
   * overwrite it, and remove it if it failed.
   */
  readonly taken: ReadonlySet<string>;
  readonly versions: Versions;
}

/** Throws what the store throws. */
export async function whatIsStored(context: Context): Promise<Stored> {
  await using control = await context.control();
  const { credentials, missing } = await control.request('credential.list', {});
  return {
    taken: new Set([...credentials, ...missing].map(({ name }) => name.replace(/\/.*$/s, ''))),
    versions: new Map(credentials.map(({ name, version }) => [name, version])),
  };
}

/**
 * Begins a profile of the wanted name, or of that with a number where there is one already, or something is stored for the name:
 * unless an import has made it of the same plan, nobody has changed it since, and no host starts it. `used`: the names that this
 * import has begun. Throws `cannot-write`.
 */
export function begin(
  context: Context,
  plan: Planned,
  found: Pick<FoundFile, 'id' | 'path'>,
  { taken, versions }: Stored,
  used: ReadonlySet<string>,
): Making {
  const { places } = context;
  try {
    mkdirSync(folderOf(places), { recursive: true, mode: 0o700 });
    for (let number = 1; ; number++) {
      const end = number === 1 ? '' : `-${number}`;
      const name = `${plan.name.slice(0, 63 - end.length)}${end}`;
      if (used.has(name)) continue;
      if (isUnchanged(places, name, plan, versions)) {
        if (isNamed(context, name, { host: found.id, path: found.path }) === false)
          return new Reused(places, name, plan);
        continue;
      }
      if (profileStamp(places, name) !== undefined || taken.has(name)) continue;
      const credentials = plan.credentials.map(({ variable }) => `${name}/${variable}`);
      const note = { credentials, host: found.id, path: found.path };
      const lock = acquireLock(notePath(places, name), note);
      // Another import is making one of this name.
      if (!('owner' in lock)) continue;
      return new Unfinished(context, name, plan, lock, note);
    }
  } catch (cause) {
    if (cause instanceof WarderError) throw cause;
    throw new WarderError('cannot-write', `cannot write in ${folderOf(places)}`, { cause });
  }
}

/** The profiles that imports have begun which run no more. */
export function killedImports(places: Places): string[] {
  return listed(places).filter((name) => ownerOf(notePath(places, name)) === undefined);
}

/** Takes back what killed imports have left, and returns the names of the profiles. Throws what the store throws. */
export async function takeBackKilled(context: Context): Promise<string[]> {
  const { places } = context;
  if (killedImports(places).length === 0) return [];
  // One import after the other: the second finds nothing to take back, or the first one's new profile.
  const lock = await awaitLock(join(folderOf(places), '.lock'), PATIENCE);
  if (!('owner' in lock)) {
    throw new WarderError('refused', 'another import takes back what a killed one has left', {
      hint: 'wait for it, and try again',
    });
  }
  using _lock = lock;
  const taken: string[] = [];
  for (const name of killedImports(places)) {
    const note = readNote(places, name);
    const isUsed = note === undefined || isNamed(context, name, note);
    if (isUsed === undefined) continue;
    if (!isUsed && (await takeBack(context, name, note))) taken.push(name);
    removeNote(places, name);
  }
  return taken;
}

/**
 * Removes a profile that an import made, its secrets first: none is left without its profile. Returns whether there was
 * anything. A profile that says something else now is somebody else's, and so are the secrets of its name.
 */
async function takeBack(context: Context, name: string, { credentials, digest }: Note): Promise<boolean> {
  const { places } = context;
  // No profile was written, and so no secret was stored.
  if (digest === undefined) return false;
  const isThere = profileStamp(places, name) !== undefined;
  if (isThere && readProfile(places, name).digest !== digest) return false;
  await using control = await context.control();
  for (const credential of credentials) {
    try {
      await control.request('credential.remove', { name: credential });
    } catch (error) {
      // It was not stored yet.
      if (!(error instanceof WarderError && error.code === 'credential-missing')) throw error;
    }
  }
  // What the server has kept and said in its trial.
  await removeFolder(keptHomeOf(places.state, name));
  removeServerLog(places.state, name);
  if (isThere) removeProfile(places, name, clock.now());
  await control.request('trust.forget', { profile: name });
  return isThere;
}

/**
 * Whether an entry of a host starts a profile: of any host here, and in the file where the import was at work. Undefined:
 * that file cannot be read now.
 */
function isNamed(
  { places }: Context,
  name: string,
  { host, path }: Pick<Note, 'host' | 'path'>,
): boolean | undefined {
  const isIn = (found: Pick<FoundFile, 'path' | 'file'>): boolean | undefined => {
    const servers = catchWarderError(() => serversOf(openHostFile(found).document, found.file));
    if (servers instanceof WarderError) return undefined;
    return servers.some((server) => launchedProfile(server, places) === name);
  };
  const own = (hosts[host]?.files ?? []).map((file) => isIn({ path, file }));
  if (own.includes(true) || findFiles(surroundingsOf(process.env), { projects: true }).some(isIn))
    return true;
  return own.includes(false) ? false : undefined;
}

/** With what was left of writing it. */
function removeNote(places: Places, name: string): void {
  const folder = folderOf(places);
  for (const entry of readdirSync(folder))
    if (
      entry === name ||
      (entry.startsWith(`${name}.`) && /^\.[0-9a-f]{12}\.tmp$/.test(entry.slice(name.length)))
    )
      rmSync(join(folder, entry), { force: true });
}

function listed(places: Places): string[] {
  try {
    return readdirSync(folderOf(places))
      .filter((name) => PROFILE_NAME.test(name))
      .sort();
  } catch {
    // No import has begun here.
    return [];
  }
}

function readNote(places: Places, name: string): Note | undefined {
  try {
    const note = JSON.parse(readFileSync(notePath(places, name), 'utf8'));
    return Array.isArray(note.credentials) && typeof note.path === 'string' ? note : undefined;
  } catch {
    // Files of this folder appear whole: it is no import's.
    return undefined;
  }
}

function folderOf({ state }: Places): string {
  return join(state, 'importing');
}

function notePath(places: Places, name: string): string {
  return join(folderOf(places), name);
}
