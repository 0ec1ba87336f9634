// Finds what a server's command needs to run besides the system: its runtime, a virtual environment, the package of its
// script. The result is as narrow as possible: without a package marker it is the file alone. `check` shows all of it;
// a profile lists what else a server reads.
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readSync,
  realpathSync,
  type Stats,
  statSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { editableFolders } from './editable.ts';
import { type Invocation, readInvocation } from './invocation.ts';
import { within } from './path.ts';
import { linksOf } from './path-handles.ts';
import { TOO_WIDE } from './root.ts';

/** A server's command: an existing file and its arguments. */
export interface Command {
  /** Absolute. */
  readonly file: string;
  readonly args: readonly string[];
  /** The folder to which relative arguments refer. */
  readonly cwd: string;
  /** The server's PATH. */
  readonly path: string;
  readonly home: string;
}

/** Folders that every sandbox contains. */
const SYSTEM = ['/usr', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/nix/store', '/gnu/store'];

/** Files in the folder above `bin` that mark a runtime which needs the whole folder: Python, Node, Conda, Java, Homebrew. */
const RUNTIME_MARKERS = ['pyvenv.cfg', 'lib/node_modules', 'include/node', 'conda-meta', 'release', 'Cellar'];

/** Files that mark a package's folder. */
const PACKAGE_MARKERS = ['package.json', 'pyproject.toml', 'deno.json', 'deno.jsonc'];

/** Folders with files of many programs and users. */
const SHARED = new Set(['/home', '/media', '/mnt', '/opt', '/srv', '/tmp', '/Users', '/Volumes']);

/** How many files are followed: a script's interpreter may be a script itself. */
const MAX_STEPS = 12;

/** How many commands are followed: `env` and shells start another. */
const MAX_COMMANDS = 4;

/** What a command needs. */
export interface ProgramNeeds {
  /** Absolute paths. Links are not resolved, and one path may lie in another. */
  readonly paths: readonly string[];
  /** Folders that it would look into, but that only a file of an installed package names: the profile has to list them. */
  readonly unlisted: readonly string[];
}

/** Everything that a command needs besides the system. */
export function programNeeds(command: Command): ProgramNeeds {
  const { path, home } = command;
  const needed = new Set<string>();
  const unlisted = new Set<string>();
  const pending = [...followCommand(command).files];
  for (let step = 0; step < MAX_STEPS; step++) {
    const next = pending.shift();
    if (next === undefined) break;
    const real = realpathSync.native(next);
    const shim = shimOf(next);
    if (shim?.complete === true) keep(shim.root);
    else if (runtimeOf(real, home) === undefined) hoistedModules(real, home).forEach(keep);
    // A virtual environment's Python is a link to a Python outside. It finds the environment by the link's path.
    const links = linksOf(next);
    for (const { at } of links) if (!isFolder(at)) keep(runtimeOf(at, home));
    const runtime = runtimeOf(real, home);
    const inPackage = runtime === undefined ? packageOf(real, home) : undefined;
    keep(runtime ?? inPackage ?? real);
    for (const environment of [runtime, ...links.map(({ at }) => runtimeOf(at, home))]) {
      if (environment === undefined || !existsSync(join(environment, 'pyvenv.cfg'))) continue;
      // Any package can bring such a file, so it opens only the project that the environment belongs to.
      const project = dirname(environment);
      const trusted = !tooWide(project, home) && isPackage(project);
      for (const folder of editableFolders(environment).filter(isFolder)) {
        if (trusted && within(realpathSync.native(folder), realpathSync.native(project))) keep(folder);
        else unlisted.add(folder);
      }
    }
    // Of a package's folder, names that begin with a dot are left out, unless the program itself is there.
    const [entry] = inPackage === undefined ? [] : real.slice(inPackage.length + 1).split('/');
    if (entry?.startsWith('.') === true) keep(`${inPackage}/${entry}`);
    const interpreter = interpreterOf(real, path);
    if (interpreter === undefined) continue;
    pending.push(interpreter);
    if (/python/.test(basename(interpreter)) && dirname(real) === `${home}/.local/bin`) keepUserSite();
  }
  return { paths: [...needed], unlisted: [...unlisted] };

  function keep(found: string | undefined): void {
    if (found !== undefined && !SYSTEM.some((folder) => within(found, folder))) needed.add(found);
  }

  /** Adds the folders in which `pip install --user` puts a script's modules. */
  function keepUserSite(): void {
    for (const name of list(`${home}/.local/lib`)) {
      if (name.startsWith('python')) keep(`${home}/.local/lib/${name}/site-packages`);
    }
  }
}

/** What a command line, and those that it starts in turn, name. */
export interface FollowedCommand {
  /** Existing files: programs, scripts, files of options. As they are written, but absolute. */
  readonly files: readonly string[];
  /** A shell's command that is more than one plain command, so that nobody knows what it needs. */
  readonly unread: string | undefined;
}

/** Follows a command through `env` and shells. */
export function followCommand({ file, args, cwd, path, home }: Command): FollowedCommand {
  const found: string[] = [];
  let notRead: string | undefined;
  let next: Pick<Command, 'file' | 'args' | 'cwd'> | undefined = { file, args, cwd };
  for (let count = 0; next !== undefined && count < MAX_COMMANDS; count++) {
    const { files, inner, unread }: Invocation = readInvocation(next.file, next.args);
    notRead ??= unread;
    const from: string = next.cwd;
    found.push(next.file, ...files.map((name) => resolve(from, name)).filter(isFile));
    const folder: string = inner?.folder === undefined ? from : resolve(from, inner.folder);
    const [name = '', ...rest] = inner?.words ?? [];
    const program = findProgram(name, folder, path, home);
    next = program === undefined ? undefined : { file: program, args: rest, cwd: folder };
  }
  return { files: found, unread: notRead };
}

/** The file of a command's name: a path, or a name in the server's PATH. */
function findProgram(name: string, cwd: string, path: string, home: string): string | undefined {
  if (name === '') return undefined;
  const places = name.startsWith('~/')
    ? [join(home, name.slice(2))]
    : name.includes('/')
      ? [resolve(cwd, name)]
      : path.split(':').flatMap((folder) => (folder.startsWith('/') ? [join(folder, name)] : []));
  return places.find(isFile);
}

/** A shim of a version manager: it looks up the version, and becomes the real program. */
export interface Shim {
  /** The version manager's folder. */
  readonly root: string;
  /** Whether that folder has all that the shim needs: pyenv, rbenv, nodenv and others of their kind. */
  readonly complete: boolean;
}

/** Whether a program is a version manager's shim: in a folder `shims`, or a link to Volta's. */
export function shimOf(file: string): Shim | undefined {
  const folder = dirname(file);
  const volta = basename(realpathSync.native(file)) === 'volta-shim';
  if (SYSTEM.some((each) => within(file, each)) || (basename(folder) !== 'shims' && !volta)) return undefined;
  const root = dirname(folder);
  const complete = !volta && ['libexec', 'versions'].every((name) => isFolder(join(root, name)));
  return { root, complete };
}

/**
 * The `node_modules` above a script's package, and the packages of the same repository that are linked there: what npm,
 * yarn and pnpm install for a workspace of several packages.
 */
function hoistedModules(file: string, home: string): string[] {
  const own = packageOf(file, home);
  if (own === undefined || file.includes('/node_modules/')) return [];
  const found: string[] = [];
  for (let folder = dirname(own); !tooWide(folder, home); folder = dirname(folder)) {
    const modules = join(folder, 'node_modules');
    if (!existsSync(join(folder, 'package.json')) || !isFolder(modules)) continue;
    const names = list(modules).flatMap((name) =>
      name.startsWith('@') ? list(join(modules, name)).map((each) => `${name}/${each}`) : [name],
    );
    const linked = names.map((name) => join(modules, name)).flatMap(realPathsOf);
    found.push(modules, ...linked.filter((path) => within(path, folder) && !within(path, modules)));
  }
  return found;
}

/** The folder of the runtime or installed package that a file belongs to. */
function runtimeOf(file: string, home: string): string | undefined {
  const modules = file.indexOf('/node_modules/');
  if (modules > 0) return file.slice(0, modules + '/node_modules'.length);
  const optional = /^\/opt\/[^/]+/.exec(file)?.[0];
  if (optional !== undefined && optional !== file) return optional;
  if (basename(dirname(file)) !== 'bin') return undefined;
  const prefix = dirname(dirname(file));
  if (tooWide(prefix, home)) return undefined;
  const isRuntime =
    RUNTIME_MARKERS.some((mark) => existsSync(join(prefix, mark))) ||
    list(join(prefix, 'lib')).some((name) => /^python\d/.test(name));
  return isRuntime ? prefix : undefined;
}

/** The nearest folder above a file that is a package. Never a home folder, or a folder above one. */
function packageOf(file: string, home: string): string | undefined {
  for (let folder = dirname(file); !tooWide(folder, home); folder = dirname(folder)) {
    if (isPackage(folder)) return folder;
  }
  return undefined;
}

/** Whether a folder is a package's. */
export function isPackage(folder: string): boolean {
  return PACKAGE_MARKERS.some((mark) => existsSync(join(folder, mark)));
}

function tooWide(folder: string, home: string): boolean {
  return within(home, folder) || folder === `${home}/.local` || TOO_WIDE.has(folder) || SHARED.has(folder);
}

/** The interpreter that a script's first line names. */
function interpreterOf(file: string, path: string): string | undefined {
  const [name, ...rest] = (/^#! *([^\n]+)/.exec(firstBytes(file))?.[1] ?? '').trim().split(/[ \t]+/);
  if (!name?.startsWith('/')) return undefined;
  if (basename(name) !== 'env') return isProgram(name) ? name : undefined;
  const wanted = rest.find((word) => !word.startsWith('-') && !word.includes('='));
  if (wanted === undefined) return undefined;
  return path
    .split(':')
    .map((folder) => join(folder, wanted))
    .find((found) => found.startsWith('/') && isProgram(found));
}

/** Whether a file may be executed: a script must not bring a document into its sandbox by naming it as its interpreter. */
function isProgram(path: string): boolean {
  const stat = statOf(path);
  return stat?.isFile() === true && (stat.mode & 0o111) !== 0;
}

function firstBytes(file: string): string {
  const bytes = Buffer.alloc(256);
  const descriptor = openSync(file, 'r');
  try {
    return bytes.toString('latin1', 0, readSync(descriptor, bytes, 0, bytes.length, 0));
  } catch {
    return '';
  } finally {
    closeSync(descriptor);
  }
}

function isFile(path: string): boolean {
  return statOf(path)?.isFile() === true;
}

function isFolder(path: string): boolean {
  return statOf(path)?.isDirectory() === true;
}

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

/** The real path; empty if the link leads nowhere. */
function realPathsOf(path: string): string[] {
  try {
    return [realpathSync.native(path)];
  } catch {
    return [];
  }
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
