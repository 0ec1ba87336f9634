// Profiles as files: `<name>.yaml` in one folder. A profile decides what runs and who gets a secret, so a file that
// others could have written is not read: the file and its folder must belong to the user (or root) and be writable by
// nobody else, as ssh requires of its own files. A symbolic link is followed, and its target must meet the same
// conditions.
import { createHash } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { catchWarderError, WarderError } from '../errors.ts';
import { ownershipProblem, writeFileAtomic } from '../os/file.ts';
import { PROFILE_NAME } from '../wire/hello.ts';
import type { Places } from '../wire/places.ts';
import { MAX_FILE_BYTES } from './document.ts';
import { checkProfileName, type Profile, parseProfile } from './format.ts';
import { suggest } from './suggestion.ts';

/** A profile with the file that it was read from. */
export interface LoadedProfile {
  readonly name: string;
  readonly profile: Profile;
  /** Absolute path. */
  readonly file: string;
  /** SHA-256 of the file's bytes, hex. */
  readonly digest: string;
}

/** The content of a profile's file. `stamp` is different once the file was changed. */
export interface ProfileContent {
  readonly bytes: Buffer;
  readonly digest: string;
  readonly stamp: string;
}

/** The path of a profile's file. Throws `name-invalid`. */
export function profilePath(places: Places, name: string): string {
  checkProfileName(name);
  return join(places.profiles, `${name}.yaml`);
}

/** The current stamp of a profile's file; `undefined` if there is no file. Throws like `readProfile`. */
export function profileStamp(places: Places, name: string): string | undefined {
  const file = profilePath(places, name);
  try {
    const stats = statSync(file, { bigint: true, throwIfNoEntry: false });
    // Mode and owner are included, because correcting them makes the profile usable.
    return (
      stats &&
      [stats.dev, stats.ino, stats.size, stats.mtimeNs, stats.ctimeNs, stats.mode, stats.uid].join(':')
    );
  } catch (cause) {
    throw unreadableError(name, file, cause);
  }
}

/** Reads a profile's file. Throws `name-invalid`, `profile-missing`, `profile-invalid` (unsafe or unreadable). */
export function readProfile(places: Places, name: string): ProfileContent {
  const file = profilePath(places, name);
  const stamp = profileStamp(places, name);
  if (stamp === undefined) throw profileMissingError(places, name);
  let handle: number;
  try {
    // Non-blocking, so that a named pipe in its place cannot block the daemon.
    handle = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') throw profileMissingError(places, name);
    throw unreadableError(name, file, cause);
  }
  try {
    const stats = fstatSync(handle);
    if (!stats.isFile())
      throw new WarderError('profile-invalid', `profile "${name}" is broken: ${file} is not a file`);
    if (stats.size > MAX_FILE_BYTES) {
      throw new WarderError('profile-invalid', `profile "${name}" is broken: ${file} is longer than 256 KiB`);
    }
    checkPermissions(name, file, stats);
    for (const folder of new Set([dirname(file), dirname(realpathSync(file))])) {
      checkPermissions(name, folder, statSync(folder));
    }
    const bytes = readFileSync(handle);
    return { bytes, stamp, digest: createHash('sha256').update(bytes).digest('hex') };
  } catch (cause) {
    throw cause instanceof WarderError ? cause : unreadableError(name, file, cause);
  } finally {
    closeSync(handle);
  }
}

/** Reads and parses a profile. Throws like `readProfile`, and `profile-invalid` with all diagnostics. */
export function loadProfile(places: Places, name: string): LoadedProfile {
  return parseContent(places, name, readProfile(places, name));
}

/** Parses content that was read. Throws `profile-invalid`. */
export function parseContent(places: Places, name: string, { bytes, digest }: ProfileContent): LoadedProfile {
  const file = profilePath(places, name);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new WarderError('profile-invalid', `profile "${name}" is broken: ${file} is not UTF-8 text`);
  }
  return { name, profile: parseProfile(text, file, name), file, digest };
}

/** The sorted names of all profiles. `misnamed`: files that look like profiles but have no valid name, with a message. */
export function listProfiles(places: Places): { names: string[]; misnamed: Map<string, string> } {
  const names: string[] = [];
  const misnamed = new Map<string, string>();
  for (const entry of listFolder(places.profiles)) {
    if (entry.startsWith('.')) continue;
    const [, stem = '', ending] = /^(.*)\.(ya?ml)$/i.exec(entry) ?? [];
    if (ending === 'yaml' && PROFILE_NAME.test(stem)) names.push(stem);
    else if (ending !== undefined) {
      misnamed.set(
        entry,
        `${join(places.profiles, entry)} is not a profile: its name must be <name>.yaml, of a-z, 0-9 and "-"`,
      );
    }
  }
  return { names: names.sort(), misnamed };
}

/** The profiles that can be read; those that are broken are left out. */
export function loadValidProfiles(places: Places): LoadedProfile[] {
  return listProfiles(places).names.flatMap((name) => {
    const found = catchWarderError(() => loadProfile(places, name));
    return found instanceof WarderError ? [] : [found];
  });
}

/**
 * Writes a profile's file atomically, with mode 0600. Throws `profile-exists` if it exists and `replace` is not set, and
 * `cannot-write`. The text is not checked.
 */
export function writeProfile(
  places: Places,
  name: string,
  text: string,
  options: { replace?: boolean } = {},
): string {
  const file = profilePath(places, name);
  try {
    // A link is followed: the user keeps the file elsewhere.
    const target = options.replace === true ? realpathSync(file) : file;
    writeFileAtomic(target, text, { exclusive: options.replace !== true });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') {
      throw profileExistsError(places, name);
    }
    throw new WarderError('cannot-write', `cannot write ${file}`, { cause, hint: systemReason(cause) });
  }
  return file;
}

/**
 * Moves a profile to `state/removed/`, and returns its new path. `time` is in milliseconds since the epoch. Throws
 * `profile-missing`, `cannot-write`.
 */
export function removeProfile(places: Places, name: string, time: number): string {
  const file = profilePath(places, name);
  const stamp = new Date(time).toISOString().replaceAll(/[-:]|\.\d+/g, '');
  const folder = join(places.state, 'removed');
  const kept = join(folder, `${name}.${stamp}.yaml`);
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    try {
      renameSync(file, kept);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error;
      writeFileAtomic(kept, readFileSync(file));
      rmSync(file);
    }
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') throw profileMissingError(places, name);
    throw new WarderError('cannot-write', `cannot move ${file} to ${kept}`, {
      cause,
      hint: systemReason(cause),
    });
  }
  return kept;
}

/** A `profile-exists` error. */
export function profileExistsError(places: Places, name: string): WarderError {
  return new WarderError('profile-exists', `profile "${name}" exists: ${profilePath(places, name)}`, {
    hint: `change it with "warder edit ${name}", or remove it first`,
  });
}

/** A `profile-missing` error that suggests the closest name. */
export function profileMissingError(places: Places, name: string): WarderError {
  const { names } = listProfiles(places);
  const suggestion = suggest(name, names);
  return new WarderError('profile-missing', `there is no profile "${name}"`, {
    hint:
      suggestion === undefined
        ? `"warder add ${name} -- command" creates one, "warder list" lists all`
        : `did you mean "${suggestion}"?`,
  });
}

function listFolder(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw new WarderError('config-invalid', `cannot read the folder ${folder}`, {
      cause,
      hint: systemReason(cause),
    });
  }
}

/** Throws `profile-invalid` unless only the user (and root) could have written what `stats` describe. */
function checkPermissions(name: string, path: string, stats: Stats): void {
  const problem = ownershipProblem(path, stats);
  if (problem === undefined) return;
  throw new WarderError('profile-invalid', `profile "${name}" is not safe: ${problem.what}`, {
    hint: problem.hint,
  });
}

function unreadableError(name: string, file: string, cause: unknown): WarderError {
  return new WarderError('profile-invalid', `profile "${name}" cannot be read: ${file}`, {
    cause,
    hint: systemReason(cause),
  });
}

/** The system's error code: `EACCES`. */
function systemReason(cause: unknown): string {
  return `the system says ${(cause as NodeJS.ErrnoException).code ?? basename(String(cause))}`;
}
