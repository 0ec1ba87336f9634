// Collects the inputs of a plan: what exists on this machine, and where the paths of a profile lead. Everything that a
// profile lists is opened here, once, and stays open until the sandbox has bound it.
import {
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  statSync,
} from 'node:fs';
import { totalmem } from 'node:os';
import { basename, dirname } from 'node:path';
import { WarderError } from '../../errors.ts';
import type { SandboxRequest } from '../request.ts';
import { findSocket } from './find-socket.ts';
import type { FolderEntry, HiddenPath, ListedPath, PlanInputs } from './inputs.ts';
import { withoutPrivateEntries } from './package-folder.ts';
import { below, within } from './path.ts';
import { linksOf, type PathHandles } from './path-handles.ts';
import { PLANTABLE } from './plantable.ts';
import { followCommand, programNeeds, shimOf } from './program.ts';
import { PROC_OF_ROOT, SYSTEM_PATHS, SYSTEM_PREFIXES, type SystemPath } from './root.ts';
import { type SecretPlace, secretPlaces } from './secret-places.ts';

/**
 * Collects a plan's inputs. `handles` keeps the paths open until the sandbox runs. `devices` is a folder of device files. Throws
 * `profile-invalid` for a listed path that does not exist, or that is neither a file nor a folder.
 */
export function inspect(request: SandboxRequest, handles: PathHandles, devices?: string): PlanInputs {
  const { profile, sandbox, file, args, cwd, env, uid, writableRoots = [] } = request;
  const roots = [...request.roots, ...writableRoots];
  const home = realPathOr(request.home);
  const homes = homesOf(home, request.home);
  const all = secretPlaces(homes, [...new Set([...request.warder, ...request.warder.map(realPathOr)])]);
  const listedPath = (requested: string, write: boolean, implied: boolean): ListedPath => ({
    requested,
    ...openPath(
      profile,
      requested,
      implied ? 'its command' : write ? '"sandbox.write"' : '"sandbox.read"',
      handles,
    ),
    write,
    implied,
  });
  const command = { file, args, cwd: cwd ?? home, path: env.PATH ?? '', home };
  const { files, unread } = followCommand(command);
  const shim = files.map(shimOf).find((one) => one?.complete === false);
  if (shim !== undefined && !sandbox.read.some((path) => within(shim.root, path))) {
    throw new WarderError(
      'profile-invalid',
      `cannot start "${profile}": its command "${file}" is a shim, and the version manager that it runs is not in the sandbox`,
      {
        hint: 'give the program itself as the command: "asdf which NAME", "mise which NAME" or "volta which NAME" prints its path',
      },
    );
  }
  const node = { file: request.node, args: [], cwd: '/', path: '', home };
  // The plan does not check what Warder itself adds.
  const inRoots = (path: string): boolean => roots.some((root) => within(path, root));
  const needs = programNeeds(command);
  const implied = new Set([...needs.paths, ...programNeeds(node).paths].filter((path) => !inRoots(path)));
  const folder = cwd === undefined ? undefined : openPath(profile, cwd, '"server.cwd"', handles);
  const listed = [
    ...sandbox.read.map((path) => listedPath(path, false, false)),
    ...sandbox.write.map((path) => withSiblings(listedPath(path, true, false), handles)),
    ...[...implied].map((path) => listedPath(path, false, true)),
  ];
  const hidden = hiddenPaths(all, homes, listed);
  const narrowed = listed.map((path) =>
    withoutPrivateEntries(path, listed, [...all, ...hidden], profile, handles),
  );
  return {
    profile,
    uid,
    gid: request.gid,
    user: request.user,
    home,
    program: { file, path: realpathSync.native(file), args },
    unread,
    unlisted: needs.unlisted.filter((path) => !listed.some((one) => within(path, one.path))),
    cwd: cwd === undefined || folder === undefined ? undefined : { requested: cwd, path: folder.path },
    env,
    listed: narrowed.map(({ listed }) => listed),
    roots: roots.map((path) => ({
      ...openPath(profile, path, 'Warder', handles),
      write: writableRoots.includes(path),
    })),
    files: request.files ?? [],
    links: dedupe([
      ...[
        ...sandbox.read,
        ...sandbox.write,
        ...implied,
        ...roots,
        ...files,
        ...(cwd === undefined ? [] : [cwd]),
      ].flatMap(linksOf),
      ...narrowed.flatMap(({ links }) => links),
    ]),
    system: systemPaths(),
    hiddenProc: uid === 0 ? PROC_OF_ROOT.flatMap(hiddenPathAt) : [],
    secrets: all,
    hidden,
    homes,
    mayPlant: sandbox.mayPlant ?? [],
    guarded: guardedPaths(listed, sandbox.mayPlant ?? [], handles),
    unixSockets: sandbox.unixSockets,
    foreignSocket: findSocket(narrowed.map(({ listed }) => listed)),
    network: sandbox.network,
    keptHome: request.keptHome === undefined ? undefined : openKept(request.keptHome, handles),
    homeSize: sandbox.homeSize,
    memory: sandbox.memory,
    memoryBestEffort: sandbox.memoryBestEffort ?? false,
    processes: sandbox.processes,
    machine: { memory: totalmem() },
    devices,
    ...(request.privateFolders === undefined ? {} : { privateFolders: request.privateFolders }),
  };
}

/** The protected names that exist directly in writable folders. One that is a link, or is reached through one, is left out. */
function guardedPaths(
  listed: readonly ListedPath[],
  mayPlant: readonly string[],
  handles: PathHandles,
): FolderEntry[] {
  const names = PLANTABLE.filter((name) => !mayPlant.includes(name));
  const explicit = new Set(listed.map(({ path }) => path));
  return listed
    .filter(({ write, folder }) => write && folder)
    .flatMap(({ path }) => names.map((name) => `${path}/${name}`))
    .flatMap((path) => {
      if (explicit.has(path) || !existsSync(path) || realPathOr(path) !== path) return [];
      const { path: real, kind } = handles.open(path);
      return real === path && kind !== 'other' ? [{ path, folder: kind === 'folder' }] : [];
    });
}

/**
 * A file that may be written is listed as its folder if nothing else is in it, but files whose names begin with the
 * file's name: `notes.db`, `notes.db-wal`. The plan refuses any other file.
 */
function withSiblings(listed: ListedPath, handles: PathHandles): ListedPath {
  const [folder, name] = [dirname(listed.path), basename(listed.path)];
  if (listed.folder || !list(folder).every((sibling) => sibling.startsWith(name))) return listed;
  return { ...listed, path: handles.open(folder).path, folder: true };
}

/** Opens the folder of a kept home. One that does not exist yet is only shown, never started. */
function openKept(folder: string, handles: PathHandles): string {
  return existsSync(folder) ? handles.open(folder).path : folder;
}

function openPath(
  profile: string,
  requested: string,
  source: string,
  handles: PathHandles,
): { path: string; folder: boolean } {
  const invalid = (what: string, hint: string, cause?: unknown): WarderError =>
    new WarderError('profile-invalid', `cannot start "${profile}": ${source} lists "${requested}", ${what}`, {
      hint,
      cause,
    });
  try {
    const { path, kind } = handles.open(requested);
    if (kind === 'other')
      throw invalid('which is neither a file nor a folder', 'list the folder that a file is in');
    return { path, folder: kind === 'folder' };
  } catch (cause) {
    if (cause instanceof WarderError) throw cause;
    const { code } = cause as NodeJS.ErrnoException;
    throw code === 'ENOENT'
      ? invalid('which does not exist', 'make it, or take the line out', cause)
      : invalid(`which cannot be opened (${code ?? 'no reason given'})`, 'fix its permissions', cause);
  }
}

/** The system paths of the minimal root that exist on this machine. */
function systemPaths(): SystemPath[] {
  const more = SYSTEM_PREFIXES.flatMap((prefix) =>
    list(dirname(prefix))
      .map((name) => `${dirname(prefix)}/${name}`.replace('//', '/'))
      .filter((path) => path.startsWith(prefix)),
  );
  return [...SYSTEM_PATHS, ...more].flatMap((path): SystemPath[] => {
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (stat?.isSymbolicLink() === true) return [{ path, kind: 'link', target: readlinkSync(path) }];
    if (stat?.isDirectory() === true) return [{ path, kind: 'folder' }];
    return stat?.isFile() === true ? [{ path, kind: 'file' }] : [];
  });
}

/**
 * The secret places that exist. Places of the kind `when-listed` are searched only in the user's own home, which is the
 * first, and in homes that contain a listed path.
 */
function hiddenPaths(
  all: readonly SecretPlace[],
  homes: readonly string[],
  listed: readonly ListedPath[],
): (HiddenPath & { readonly kind: SecretPlace['kind'] })[] {
  const near = homes.filter((home, at) => at === 0 || listed.some(({ path }) => within(path, home)));
  // This user cannot enter these homes, and neither can a server of theirs.
  const closed = homes.filter((home) => !existsSync(`${home}/.`));
  return all
    .filter(({ path, kind }) => kind === 'never' || near.some((home) => below(path, home)))
    .filter(({ path }) => !closed.some((home) => below(path, home)))
    .flatMap(({ path, kind }) => hiddenPathAt(path).map((hidden) => ({ ...hidden, kind })));
}

/** The path to hide, by its real path; empty if it does not exist. */
function hiddenPathAt(path: string): HiddenPath[] {
  try {
    const stat = statSync(path, { throwIfNoEntry: false });
    return stat === undefined ? [] : [{ path: realpathSync.native(path), folder: stat.isDirectory() }];
  } catch {
    // This user cannot see it, and neither can a server of theirs.
    return [];
  }
}

/** The lowest uid of ordinary users, on most systems. */
const FIRST_USER_UID = 1000;

/** The user's home folder, by its real path and as given, and the home folders of root and of the other users. */
function homesOf(home: string, unresolved: string): string[] {
  let table = '';
  try {
    table = readFileSync('/etc/passwd', 'utf8');
  } catch {
    // There is no such table here: only the user's own home is known.
  }
  const others = table.split('\n').flatMap((line) => {
    const [, , uid = '', , , folder = ''] = line.split(':');
    const isPerson = Number(uid) === 0 || Number(uid) >= FIRST_USER_UID;
    return isPerson && /^\/(home|root|Users|var\/home|export)\b/.test(folder) ? [folder] : [];
  });
  return [...new Set([home, unresolved, ...others])].filter((folder) => folder !== '/');
}

function dedupe(links: PlanInputs['links']): PlanInputs['links'] {
  return [...new Map(links.map((link) => [link.at, link])).values()];
}

function realPathOr(path: string): string {
  try {
    return realpathSync.native(path);
  } catch {
    return path;
  }
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
