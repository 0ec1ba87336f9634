// Gathers the facts that a plan follows from: what is on this machine, where the paths of a profile lead.
// Everything that a profile lists is opened here, once, and held until the sandbox has bound it.
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
import { dirname } from 'node:path';
import { WarderError } from '../../errors.ts';
import type { SandboxRequest } from '../request.ts';
import type { HiddenPath, ListedPath, PlanInputs } from './inputs.ts';
import { below, within } from './path.ts';
import { linksOf, type PathHandles } from './path-handles.ts';
import { programPaths } from './program.ts';
import { PROC_OF_ROOT, SYSTEM_PATHS, SYSTEM_PREFIXES, type SystemPath } from './root.ts';
import { type SecretPlace, secretPlaces } from './secret-places.ts';

/**
 * Gathers the facts. `held` keeps what was looked at open until the sandbox runs;
 * `devices` is as in `Machine`. Throws `profile-invalid`
 * for a listed path that is not there, or is neither file nor folder.
 */
export function inspect(request: SandboxRequest, held: PathHandles, devices?: string): PlanInputs {
  const { profile, sandbox, file, args, cwd, env, roots, uid } = request;
  const home = realPathOr(request.home);
  const homes = homesOf(home, request.home);
  const all = secretPlaces(homes, [...new Set([...request.warder, ...request.warder.map(realPathOr)])]);
  const look = (asked: string, write: boolean, implied: boolean): ListedPath => ({
    requested: asked,
    ...openPath(profile, asked, implied ? 'its command' : write ? '"sandbox.write"' : '"sandbox.read"', held),
    write,
    implied,
  });
  const command = { file, args, cwd: cwd ?? home, path: env.PATH ?? '', home };
  const own = { file: request.node, args: [], cwd: '/', path: '', home };
  // What Warder itself puts in needs no leave of the plan's.
  const brought = (path: string): boolean => roots.some((root) => within(path, root));
  const implied = new Set([...programPaths(command), ...programPaths(own)].filter((path) => !brought(path)));
  const folder = cwd === undefined ? undefined : openPath(profile, cwd, '"server.cwd"', held);
  const listed = [
    ...sandbox.read.map((path) => look(path, false, false)),
    ...sandbox.write.map((path) => look(path, true, false)),
    ...[...implied].map((path) => look(path, false, true)),
  ];
  return {
    profile,
    uid,
    gid: request.gid,
    user: request.user,
    home,
    program: { file, path: realpathSync.native(file), args },
    cwd: cwd === undefined || folder === undefined ? undefined : { requested: cwd, path: folder.path },
    env,
    listed,
    roots: roots.map((path) => openPath(profile, path, 'Warder', held)),
    files: request.files ?? [],
    links: dedupe(
      [
        ...sandbox.read,
        ...sandbox.write,
        ...implied,
        ...roots,
        file,
        ...(cwd === undefined ? [] : [cwd]),
      ].flatMap(linksOf),
    ),
    system: systemPaths(),
    hiddenProc: uid === 0 ? PROC_OF_ROOT.flatMap(hiddenPathAt) : [],
    secrets: all,
    hidden: hiddenPaths(all, homes, listed),
    homes,
    network: sandbox.network,
    memory: sandbox.memory,
    processes: sandbox.processes,
    machine: { memory: totalmem() },
    devices,
    ...(request.privateFolders === undefined ? {} : { privateFolders: request.privateFolders }),
  };
}

function openPath(
  profile: string,
  asked: string,
  who: string,
  held: PathHandles,
): { path: string; folder: boolean } {
  const invalid = (what: string, hint: string, cause?: unknown): WarderError =>
    new WarderError('profile-invalid', `cannot start "${profile}": ${who} lists "${asked}", ${what}`, {
      hint,
      cause,
    });
  try {
    const { path, kind } = held.open(asked);
    if (kind === 'other')
      throw invalid('which is neither a file nor a folder', 'list the folder that a file is in');
    return { path, folder: kind === 'folder' };
  } catch (cause) {
    if (cause instanceof WarderError) throw cause;
    const { code } = cause as NodeJS.ErrnoException;
    throw code === 'ENOENT'
      ? invalid('which does not exist', 'make it, or take the line out', cause)
      : invalid(`which cannot be looked at (${code ?? 'no reason given'})`, 'mend its permissions', cause);
  }
}

/** What of the minimal root this machine has. */
export function systemPaths(): SystemPath[] {
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
 * Those of the secret places that are there. What only a folder above brings in is looked for only in homes
 * that a listed path could bring in: the user's own, the first, and those that one lies in.
 */
function hiddenPaths(
  all: readonly SecretPlace[],
  homes: readonly string[],
  listed: readonly ListedPath[],
): (HiddenPath & { readonly kind: SecretPlace['kind'] })[] {
  const named = listed.filter(({ implied }) => !implied);
  const near = homes.filter((home, at) => at === 0 || named.some(({ path }) => within(path, home)));
  // In a home that this user cannot enter nothing can be found, by a server of theirs neither.
  const closed = homes.filter((home) => !existsSync(`${home}/.`));
  return all
    .filter(
      ({ path, kind }) => kind === 'never' || (named.length > 0 && near.some((home) => below(path, home))),
    )
    .filter(({ path }) => !closed.some((home) => below(path, home)))
    .flatMap(({ path, kind }) => hiddenPathAt(path).map((hidden) => ({ ...hidden, kind })));
}

/** Something to hide, where it really is; nothing where nothing is. */
function hiddenPathAt(path: string): HiddenPath[] {
  try {
    const stat = statSync(path, { throwIfNoEntry: false });
    return stat === undefined ? [] : [{ path: realpathSync.native(path), folder: stat.isDirectory() }];
  } catch {
    // Not to be looked at by this user: nor by a server of theirs.
    return [];
  }
}

/** The first uid of people, on most systems. */
const FIRST_USER_UID = 1000;

/** The user's home folder, by both its names, and those of root and of the other people on the machine. */
function homesOf(home: string, said: string): string[] {
  let table = '';
  try {
    table = readFileSync('/etc/passwd', 'utf8');
  } catch {
    // No such table here: the user's own must do.
  }
  const others = table.split('\n').flatMap((line) => {
    const [, , uid = '', , , folder = ''] = line.split(':');
    const person = Number(uid) === 0 || Number(uid) >= FIRST_USER_UID;
    return person && /^\/(home|root|Users|var\/home|export)\b/.test(folder) ? [folder] : [];
  });
  return [...new Set([home, said, ...others])].filter((folder) => folder !== '/');
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
