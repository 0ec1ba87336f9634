// The launch command: the file that a host's configuration names, `places.launchCommand`. It is a script, bin/launch.sh with
// two values put in, the Node and the Warder that it starts. So an entry holds no path of Node's and no version, and goes on
// working when Node is upgraded. A package of a system puts the same file at /usr/bin/warder.
//
// Where there is a native launcher for the platform it takes that place, and the script stands beside it, with `.sh` behind
// its name: the native launcher executes it for all but a session whose daemon runs. The script is written first and removed
// last, so that at every moment what is in the place can do its work.
//
// Only a Node and a Warder that nobody else can change are recorded. A file that is not Warder's is never replaced.
import { execFileSync } from 'node:child_process';
import { accessSync, constants, lstatSync, readFileSync, realpathSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { WarderError } from '../errors.ts';
import { writeFileAtomic } from './file.ts';
import { digestOf, isNativeLauncher, nativeDigest, nativeLauncher } from './native-launcher.ts';
import { exposedPart } from './ownership.ts';

/** What a launch command starts. Absolute paths. */
export interface LaunchRecord {
  readonly node: string;
  /** Warder's script, `bin/warder.js`. */
  readonly program: string;
}

/** What is at the launch command's place. */
export type LaunchCommand =
  /** `what`: it is only a part of one, and completes "PATH …". */
  | { readonly state: 'missing'; readonly what?: string }
  /** Not Warder's, of a later form, or open to others: `what` completes "PATH …". */
  | { readonly state: 'foreign'; readonly what: string; readonly hint: string }
  | {
      readonly state: 'own';
      readonly record: LaunchRecord;
      /** The script's. */
      readonly text: string;
      /** The digest of the native launcher that has its place. */
      readonly native?: string;
    };

/** Where a package of a system has its launch command. */
export const PACKAGED = '/usr/bin/warder';
const FORM = "#!/bin/sh\n# Warder's launch command, form 1:";
const MAX_BYTES = 2 ** 22;
const VERSION_TIMEOUT = 5000;
const MIN_NODE = [22, 22] as const;

/** Where the script stands that a native launcher executes. */
function scriptBeside(path: string): string {
  return `${path}.sh`;
}

/** Reads what is at the place of a launch command. Links are not followed. */
export function readLaunchCommand(path: string): LaunchCommand {
  const file = readPlace(path);
  if (!Buffer.isBuffer(file)) return file;
  if (!isNativeLauncher(file)) return readScript(file);
  const beside = readPlace(scriptBeside(path));
  const script = Buffer.isBuffer(beside) ? readScript(beside) : beside;
  if (script.state === 'own') return { ...script, native: digestOf(file) };
  if (script.state === 'missing') return { ...script, what: 'has lost the script beside it' };
  return { ...script, what: `has a script beside it, ${scriptBeside(path)}, which ${script.what}` };
}

const AWAY = 'look at it, then move it away and run "warder init"';

/** The bytes of a file that only this user and root can change, or why there are none. */
function readPlace(path: string): Buffer | Exclude<LaunchCommand, { state: 'own' }> {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return { state: 'missing' };
  if (!stats.isFile()) return { state: 'foreign', what: 'is not a file', hint: AWAY };
  const exposed = exposedPart(path);
  if (exposed !== undefined)
    return { state: 'foreign', what: `is not safe: ${exposed.what}`, hint: exposed.hint };
  return stats.size > MAX_BYTES ? Buffer.alloc(0) : readFileSync(path);
}

function readScript(bytes: Buffer): Exclude<LaunchCommand, { state: 'missing' }> {
  const text = bytes.toString();
  const node = recorded(text, 'node');
  const program = recorded(text, 'program');
  if (text.startsWith(FORM) && node !== undefined && program !== undefined)
    return { state: 'own', record: { node, program }, text };
  return { state: 'foreign', what: 'is not the launch command of this version of Warder', hint: AWAY };
}

/** The value of a variable in a launch command. */
function recorded(text: string, name: string): string | undefined {
  return new RegExp(`^${name}='((?:[^'\\n]|'\\\\'')*)'$`, 'm').exec(text)?.[1]?.replaceAll("'\\''", "'");
}

/** The text of a launch command. Throws `unsupported` for a path that has control characters. */
export function launchCommandText({ node, program }: LaunchRecord): string {
  const template = readTemplate(join(dirname(program), 'launch.sh'));
  const put = (text: string, name: string, value: string): string => {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: it is they that are looked for
    if (/[\u0000-\u001f\u007f]/.test(value)) {
      throw new WarderError('unsupported', `the path ${JSON.stringify(value)} has control characters`, {
        hint: 'move what is there to a path without them',
      });
    }
    return text.replace(`\n${name}=''\n`, () => `\n${name}='${value.replaceAll("'", "'\\''")}'\n`);
  };
  return put(put(template, 'node', node), 'program', program);
}

function readTemplate(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new WarderError('unsupported', `this copy of Warder is not whole: cannot read ${file}`, {
      cause,
      hint: 'install Warder again',
    });
  }
}

/** Whether what was read at a launch command's place is what `writeLaunchCommand` would write. */
export function isPresent(found: LaunchCommand, record: LaunchRecord): boolean {
  return (
    found.state === 'own' &&
    found.text === launchCommandText(record) &&
    found.native === nativeDigest(record.program)
  );
}

/**
 * Writes a launch command, 0700: the native launcher that goes with the recorded Warder, and the script beside it, or else the
 * script alone. Throws `cannot-write` or `unsupported`, also where others could change what it starts.
 */
export function writeLaunchCommand(path: string, record: LaunchRecord): void {
  for (const part of [record.node, record.program]) {
    const exposed = exposedPart(part);
    if (exposed === undefined) continue;
    throw new WarderError('unsupported', `cannot record ${part}: ${exposed.what}`, { hint: exposed.hint });
  }
  const text = launchCommandText(record);
  const native = nativeLauncher(record.program);
  const beside = scriptBeside(path);
  const other = readPlace(beside);
  const ownBeside = Buffer.isBuffer(other) && readScript(other).state === 'own';
  if ('bytes' in native && !ownBeside && (Buffer.isBuffer(other) || other.state === 'foreign'))
    throw new WarderError('cannot-write', `${beside} is not Warder's`, { hint: AWAY });
  try {
    if ('bytes' in native) writeFileAtomic(beside, text, { mode: 0o700 });
    writeFileAtomic(path, 'bytes' in native ? native.bytes : text, { mode: 0o700 });
    if (!('bytes' in native) && ownBeside) rmSync(beside);
  } catch (cause) {
    throw new WarderError('cannot-write', `cannot write ${path}`, { cause });
  }
}

/** The place of the launch command that a script belongs to, which says where it stands itself. */
export function placeOfScript(script: string): string {
  const place = script.replace(/\.sh$/, '');
  return readLaunchCommand(place).state === 'own' ? place : script;
}

/**
 * The path of this Node that stays when it is upgraded, if there is one: of a system, or of Homebrew. Otherwise its path.
 */
export function lastingNode(execPath: string, home: string): string {
  const cellar = /^(.*)\/Cellar\/(node(?:@\d+)?)\/[^/]+\/bin\/node$/.exec(execPath);
  const candidates = [
    ...(cellar === null ? [] : [`${cellar[1]}/opt/${cellar[2]}/bin/node`]),
    '/usr/bin/node',
    '/usr/local/bin/node',
    '/opt/local/bin/node',
    '/run/current-system/sw/bin/node',
    `${home}/.nix-profile/bin/node`,
  ];
  const same = candidates.find((path) => realPath(path) === execPath && exposedPart(path) === undefined);
  return same ?? execPath;
}

/** Whether there is such a Node, and nobody else can change it. `tried`: it is also asked for its version. */
export function isUsableNode(node: string, tried = false): boolean {
  try {
    accessSync(node, constants.X_OK);
    if (!statSync(node).isFile() || exposedPart(node) !== undefined) return false;
    if (!tried || realPath(node) === process.execPath) return true;
    const options = { encoding: 'utf8', timeout: VERSION_TIMEOUT, cwd: '/', stdio: 'pipe' } as const;
    const [major = 0, minor = 0] = execFileSync(node, ['--version'], options).slice(1).split('.').map(Number);
    return major > MIN_NODE[0] || (major === MIN_NODE[0] && minor >= MIN_NODE[1]);
  } catch {
    return false;
  }
}

/** The version of the Warder whose script this is; undefined if it is gone. */
export function versionOf(program: string): string | undefined {
  try {
    statSync(program);
    return String(JSON.parse(readFileSync(join(dirname(program), '../package.json'), 'utf8')).version);
  } catch {
    return undefined;
  }
}

/**
 * Why this copy of Warder may vanish on its own, as in "it is ..."; undefined if it is there for good. A clone is, and what
 * a package manager has installed for the whole user.
 */
export function passing(
  program: string,
  temporary: readonly string[] = [tmpdir(), '/tmp', '/var/tmp', '/private/tmp', '/private/var', '/dev/shm'],
): string | undefined {
  if (temporary.some((folder) => program.startsWith(`${realPath(folder) ?? folder}/`)))
    return 'in a temporary folder';
  const parts = program.split('/');
  if (parts.some((part) => part === '_npx' || /^dlx(?:-|$)/.test(part)))
    return 'a copy that npx keeps for a while';
  const modules = parts.lastIndexOf('node_modules');
  if (modules < 0 || parts.includes('global')) return undefined;
  const folder = parts.slice(0, parts.indexOf('node_modules')).join('/');
  return realPath(`${folder}/package.json`) === undefined ? undefined : `a part of the project ${folder}`;
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}
