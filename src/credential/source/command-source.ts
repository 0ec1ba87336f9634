// Values that a command prints: `op read …`, `pass show …`. The command runs without a shell, in a world
// nearly as small as a server's, in a process group that ends with it. What it prints is its secret, so
// nothing of it stands in an error; nor do its arguments, which may say more than the log should.
import { statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { WarderError } from '../../errors.ts';
import { busAddresses } from '../../os/bus.ts';
import type { Child, Spawn } from '../../os/spawn.ts';
import { SYSTEM_FOLDERS, searchPath, type UserEnvironment } from '../../profile/environment.ts';

/** What running a command takes. */
export interface SourceParts {
  readonly spawn: Spawn;
  /** The command's whole environment: see `sourceEnvironment`. */
  readonly env: Readonly<Record<string, string>>;
  /** Absolute path: where it runs. */
  readonly home: string;
  /** Milliseconds; 30 s where nothing is said. */
  readonly timeout?: number;
}

const TIMEOUT = 30_000;
const LIMIT = 64 * 1024;
/**
 * Where the user's session is, for tools that unlock by a question on the screen, ask an agent, or have what
 * they need in the keychain. Tokens of the daemon's own environment stay out: who needs one says so in the
 * command (`[env, NAME=…, program]`), or better in the tool's own settings.
 */
const SESSION = [
  ...['XDG_RUNTIME_DIR', 'DBUS_SESSION_BUS_ADDRESS', 'SSH_AUTH_SOCK'],
  ...['DISPLAY', 'WAYLAND_DISPLAY', 'XAUTHORITY'],
];

/**
 * The environment of every command. `env` is the daemon's own, of which hosts leave little: the session bus
 * is looked for where it usually is. The user's own folders come last in PATH, so that nothing there stands
 * in for a program of the system.
 */
export function sourceEnvironment(
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
  for (const name of SESSION) {
    const value = env[name];
    if (value) result[name] = value;
  }
  return result;
}

/**
 * Runs the command of the credential `name` and gives what it printed, less one newline at the end. Throws
 * `credential-source` when it does not exist, fails, takes too long, or prints nothing, too much, or no text.
 */
export async function readSource(
  name: string,
  command: readonly string[],
  parts: SourceParts,
): Promise<string> {
  const { spawn, env, home, timeout = TIMEOUT } = parts;
  const [program = '', ...args] = command;
  const fail = (what: string, hint = 'run it by hand to see why'): WarderError =>
    new WarderError('credential-source', `the command "${basename(program)}" of "${name}" ${what}`, { hint });

  const file = find(program, env.PATH ?? '', home);
  if (file === undefined) {
    throw fail(
      'is not found',
      program.includes('/')
        ? 'mend its path in the profile: it must be absolute, or begin with "~/"'
        : `give its absolute path; only these folders are searched: ${env.PATH}`,
    );
  }
  let child: Child;
  try {
    child = await spawn({ file, args, cwd: home, env });
  } catch (error) {
    throw fail(`cannot be started (${(error as { code?: string }).code ?? 'no reason given'})`);
  }
  const { ended, chunks, length, timedOut } = await run(child, timeout);
  if (timedOut)
    throw fail(`took longer than ${timeout / 1000} s`, 'it must end without a question being asked');
  if (length > LIMIT) throw fail('printed more than 64 KiB', 'it must print the value and nothing else');
  if (ended.code !== 0) {
    throw fail(ended.code === null ? `was ended by ${ended.signal}` : `ended with code ${ended.code}`);
  }
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.concat(chunks));
  } catch {
    throw fail('printed no UTF-8 text', 'it must print the value as text');
  }
  const value = text.replace(/\r?\n$/, '');
  if (value === '') throw fail('printed nothing');
  if (value.includes('\0')) throw fail('printed a NUL', 'it must print the value as text');
  return value;
}

interface Outcome {
  readonly ended: Awaited<Child['ended']>;
  readonly chunks: readonly Buffer[];
  /** Bytes printed; what lies beyond the limit is counted and not kept. */
  readonly length: number;
  readonly timedOut: boolean;
}

async function run({ pid, stdin, stdout, stderr, ended }: Child, timeout: number): Promise<Outcome> {
  const chunks: Buffer[] = [];
  let length = 0;
  let timedOut = false;
  // The group goes with its leader. It may have no member left by then; that its number is another's already,
  // within the microseconds since, is not to be feared.
  const end = (): void => {
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {
      // Nothing of it is left.
    }
  };
  const timer = setTimeout(() => {
    timedOut = true;
    end();
  }, timeout);
  const closed = new Promise<void>((resolve) => stdout.once('close', resolve));
  stdout.on('data', (chunk: Buffer) => {
    length += chunk.length;
    if (length <= LIMIT) chunks.push(chunk);
    else end();
  });
  stdout.on('error', () => {});
  stderr.on('error', () => {});
  stdout.resume();
  stderr.resume();
  stdin.end();
  const outcome = await ended;
  clearTimeout(timer);
  end();
  // Whoever left the group may still hold the pipe. All that the command itself printed is in it already.
  const patience = setTimeout(() => stdout.destroy(), DRAIN);
  await closed;
  clearTimeout(patience);
  stderr.destroy();
  return { ended: outcome, chunks, length, timedOut };
}

/** How long after the command's end its output is still read, where the pipe stays open. Milliseconds. */
const DRAIN = 500;

function find(program: string, path: string, home: string): string | undefined {
  if (program.startsWith('~/')) return there(join(home, program.slice(2)));
  if (program.includes('/')) return program.startsWith('/') ? there(program) : undefined;
  return path
    .split(':')
    .map((folder) => there(join(folder, program)))
    .find((file) => file !== undefined);
}

function there(file: string): string | undefined {
  try {
    const stats = statSync(file);
    return stats.isFile() && (stats.mode & 0o111) !== 0 ? file : undefined;
  } catch {
    return undefined;
  }
}
