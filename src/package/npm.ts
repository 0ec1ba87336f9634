// npm, used only to install pinned packages: it resolves, downloads and checks hashes, and runs no install script unless
// the user named the package. Its output is not passed on, because it may contain anything.
import { accessSync, constants } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { type ErrorCode, WarderError } from '../errors.ts';

/** Runs npm in a folder and returns its standard output. */
export interface Npm {
  run(folder: string, args: readonly string[]): Promise<string>;
}

const FLAGS = ['--no-audit', '--no-fund', '--no-update-notifier', '--loglevel=error'];
const TIMEOUT = 10 * 60_000;

const FAILURES: readonly (readonly [RegExp, ErrorCode, string, string])[] = [
  [
    /\bE404\b|\bETARGET\b|\bENOVERSIONS\b/,
    'package-missing',
    'the registry has no such package or version',
    'check its name and version',
  ],
  [
    /\bEINTEGRITY\b|\bEBADCHECKSUM\b/,
    'package-integrity',
    'what the registry sent does not match its hash',
    "do not run it; try another network, then ask the package's authors",
  ],
  [
    /\bENOSPC\b|\bEDQUOT\b/,
    'cannot-write',
    'the disk is full',
    'make room, then run it again; the store is as it was',
  ],
  [/\bE40[13]\b/, 'package-registry', 'the registry refuses this user', 'log in with "npm login"'],
  [
    /\bE(?:CONNREFUSED|CONNRESET|NOTFOUND|TIMEDOUT|AI_AGAIN|SOCKETTIMEDOUT|HOSTUNREACH|NETUNREACH)\b|CERT/,
    'package-registry',
    'the registry cannot be reached',
    'check the network, and "npm config get registry"',
  ],
];

/**
 * The npm beside the node that runs Warder, otherwise the first in PATH. Throws `package-registry`. Errors of `run`: `package-missing`,
 * `package-integrity`, `package-registry`, `cannot-write`, `package-failed`.
 */
export function findNpm(env: Readonly<Record<string, string | undefined>>): Npm {
  const folders = [dirname(process.execPath), ...(env.PATH ?? '').split(delimiter)].filter(
    (folder) => folder !== '',
  );
  const npm = folders
    .map((folder) => join(folder, process.platform === 'win32' ? 'npm.cmd' : 'npm'))
    .find(isExecutable);
  if (npm === undefined) {
    throw new WarderError('package-registry', 'cannot find npm', { hint: 'install npm, or put it in PATH' });
  }
  return {
    async run(folder, args) {
      // Loaded here, because most commands that use packages install none.
      const { execa } = await import('execa');
      const result = await execa(npm, [...args, ...FLAGS], {
        cwd: folder,
        reject: false,
        stdin: 'ignore',
        timeout: TIMEOUT,
        // npm starts with the first node in PATH, which may be an older one.
        env: { ...env, PATH: [dirname(process.execPath), env.PATH].filter(Boolean).join(delimiter) },
        extendEnv: false,
      });
      if (!result.failed) return result.stdout;
      if (result.timedOut) throw new WarderError('package-registry', 'npm took more than ten minutes');
      const output = `${result.stderr}\n${result.stdout}`;
      const failure = FAILURES.find(([pattern]) => pattern.test(output));
      if (failure) throw new WarderError(failure[1], failure[2], { hint: failure[3] });
      throw new WarderError(
        'package-failed',
        `npm ${args[0]} ended with ${result.exitCode ?? result.signal}`,
        {
          hint: 'run the same with npm in an empty folder to see what it says',
        },
      );
    },
  };
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
