// Values that a command prints: `op read …`, `pass show …`. The command runs without a shell, in an environment nearly
// as small as a server's, in a process group that ends with it. Its output is the secret, so no error contains any of
// it; nor does an error contain its arguments, which may be confidential.
import { statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { WarderError } from '../../errors.ts';
import { busAddresses } from '../../os/bus.ts';
import type { Child, Spawn } from '../../os/spawn.ts';
import { SYSTEM_FOLDERS, searchPath, type UserEnvironment } from '../../profile/environment.ts';

/** The dependencies of running a command. */
export interface CommandParts {
  readonly spawn: Spawn;
  /** The command's whole environment: see `sourceEnvironment`. */
  readonly env: Readonly<Record<string, string>>;
  /** Its working directory, an absolute path. */
  readonly home: string;
  /** In milliseconds; 30 s by default. */
  readonly timeout?: number;
}

const TIMEOUT = 30_000;
const MAX_OUTPUT = 64 * 1024;
/**
 * Variables of the user's session, for tools that prompt on the screen, use an agent, or read the keychain. Tokens in
 * the daemon's environment are not passed on: a command that needs one sets it (`[env, NAME=…, program]`), or better,
 * reads it from the tool's own settings.
 */
const SESSION_VARIABLES = [
  ...['XDG_RUNTIME_DIR', 'DBUS_SESSION_BUS_ADDRESS', 'SSH_AUTH_SOCK'],
  ...['DISPLAY', 'WAYLAND_DISPLAY', 'XAUTHORITY'],
];

/**
 * The environment of every command. `env` is the daemon's own; hosts strip most of it, so the session bus is also
 * searched in its usual places. The user's own folders come last in PATH, so that nothing there replaces a program of
 * the system.
 */
export function commandEnvironment(
  { nodeDir, home, user, lang }: UserEnvironment,
  env: Readonly<Record<string, string | undefined>>,
  uid: number,
): Record<string, string> {
  const folders = [nodeDir, ...SYSTEM_FOLDERS, '/opt/homebrew/bin', '/snap/bin', `${home}/.local/bin`];
  const result: Record<string, string> = {
    PATH: searchPath(folders),
    HOME: home,
    USER: user,
    LOGNAME: user,
    LANG: lang,
  };
  const runtime = `/run/user/${uid}`;
  if (statSync(runtime, { throwIfNoEntry: false })?.uid === uid) result.XDG_RUNTIME_DIR = runtime;
  const [bus] = busAddresses({ env, home, uid });
  if (bus !== undefined) result.DBUS_SESSION_BUS_ADDRESS = bus;
  for (const name of SESSION_VARIABLES) {
    const value = env[name];
    if (value) result[name] = value;
  }
  return result;
}

/**
 * Runs the command of the credential `name` and returns its output without a final newline. Throws
 * `credential-source` if it does not exist, fails, takes too long, or prints nothing, too much, or no text.
 */
export async function readFromCommand(
  name: string,
  command: readonly string[],
  parts: CommandParts,
): Promise<string> {
  const { spawn, env, home, timeout = TIMEOUT } = parts;
  const [program = '', ...args] = command;
  const fail = (what: string, hint = 'run it by hand to see why'): WarderError =>
    new WarderError('credential-source', `the command "${basename(program)}" of "${name}" ${what}`, { hint });

  const file = findProgram(program, env.PATH ?? '', home);
  if (file === undefined) {
    throw fail(
      'is not found',
      program.includes('/')
        ? 'correct its path in the profile: it must be absolute, or begin with "~/"'
        : `use its absolute path; only these folders are searched: ${env.PATH}`,
    );
  }
  let child: Child;
  try {
    child = await spawn({ file, args, cwd: home, env });
  } catch (error) {
    throw fail(`cannot be started (${(error as { code?: string }).code ?? 'unknown reason'})`);
  }
  const { ended, chunks, length, timedOut } = await run(child, timeout);
  if (timedOut) throw fail(`took longer than ${timeout / 1000} s`, 'it must end without asking a question');
  if (length > MAX_OUTPUT) throw fail('printed more than 64 KiB', 'it must print the value and nothing else');
  if (ended.code !== 0) {
    throw fail(ended.code === null ? `was killed by ${ended.signal}` : `ended with code ${ended.code}`);
  }
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.concat(chunks));
  } catch {
    throw fail('did not print UTF-8 text', 'it must print the value as text');
  }
  const value = text.replace(/\r?\n$/, '');
  if (value === '') throw fail('printed nothing');
  if (value.includes('\0')) throw fail('printed a NUL', 'it must print the value as text');
  return value;
}

interface CommandOutcome {
  readonly ended: Awaited<Child['ended']>;
  readonly chunks: readonly Buffer[];
  /** Bytes printed; those beyond the limit are counted and not kept. */
  readonly length: number;
  readonly timedOut: boolean;
}

async function run({ pid, stdin, stdout, stderr, ended }: Child, timeout: number): Promise<CommandOutcome> {
  const chunks: Buffer[] = [];
  let length = 0;
  let timedOut = false;
  // The group ends with its leader. It may have no member left by then; that another group has its number already,
  // within these microseconds, is not a practical risk.
  const killGroup = (): void => {
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {
      // It has no process left.
    }
  };
  const timer = setTimeout(() => {
    timedOut = true;
    killGroup();
  }, timeout);
  const closed = new Promise<void>((resolve) => stdout.once('close', resolve));
  stdout.on('data', (chunk: Buffer) => {
    length += chunk.length;
    if (length <= MAX_OUTPUT) chunks.push(chunk);
    else killGroup();
  });
  stdout.on('error', () => {});
  stderr.on('error', () => {});
  stdout.resume();
  stderr.resume();
  stdin.end();
  const outcome = await ended;
  clearTimeout(timer);
  killGroup();
  // A process that left the group may keep the pipe open. All output of the command itself is in it already.
  const drainTimer = setTimeout(() => stdout.destroy(), DRAIN_TIME);
  await closed;
  clearTimeout(drainTimer);
  stderr.destroy();
  return { ended: outcome, chunks, length, timedOut };
}

/** How long after the command's end its output is still read if the pipe stays open. In milliseconds. */
const DRAIN_TIME = 500;

function findProgram(program: string, path: string, home: string): string | undefined {
  if (program.startsWith('~/')) return executable(join(home, program.slice(2)));
  if (program.includes('/')) return program.startsWith('/') ? executable(program) : undefined;
  return path
    .split(':')
    .map((folder) => executable(join(folder, program)))
    .find((file) => file !== undefined);
}

function executable(file: string): string | undefined {
  try {
    const stats = statSync(file);
    return stats.isFile() && (stats.mode & 0o111) !== 0 ? file : undefined;
  } catch {
    return undefined;
  }
}
