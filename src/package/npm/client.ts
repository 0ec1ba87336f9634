// npm, used only to install pinned packages: it resolves, downloads and checks hashes, and runs no install script. Of its
// output only the words on an error are shown, filtered.
import { accessSync, constants, readFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { type ErrorCode, WarderError } from '../../errors.ts';
import { secretValues } from '../output.ts';
import { UNREACHED } from '../registry.ts';
import { npmErrorCode, npmWords } from './output.ts';

/** Runs npm in a folder and returns its standard output. */
export interface Npm {
  /** The program's path. */
  readonly file: string;
  /** What npm's output says is wrong, fit for a person's terminal. */
  words(output: string): string;
  run(folder: string, args: readonly string[]): Promise<string>;
}

const FLAGS = ['--no-audit', '--no-fund', '--no-update-notifier', '--no-color', '--loglevel=http'];
/** How much of npm's log is searched at once, in bytes. */
const MAX_LINE = 4096;
const TIMEOUT = 10 * 60_000;

/** What npm logs when an archive does not match its hash. npm would ask for it again, for more than two minutes. */
const MISMATCH = /failed with EINTEGRITY|\btarball data for .* seems to be corrupted/;

/** Errors by npm's own code. */
const FAILURES: readonly (readonly [RegExp, ErrorCode, string, string])[] = [
  [
    /^(E404|ETARGET|ENOVERSIONS)$/,
    'package-missing',
    'the registry has no such package or version',
    'check its name and version',
  ],
  [
    /^(ENOSPC|EDQUOT)$/,
    'cannot-write',
    'the disk is full',
    'make room, then run it again; the store is as it was',
  ],
  [
    /^(E40[13]|ENEEDAUTH|EOTP)$/,
    'package-registry',
    'the registry refuses this user',
    'log in with "npm login"',
  ],
  [
    /^(.*CERT.*|UNABLE_TO_.*|ERR_TLS_.*)$/,
    'package-registry',
    `the registry ${UNREACHED}`,
    'npm does not trust its certificate: "npm config set cafile FILE" names the authority, of a proxy for instance',
  ],
  [
    /^(E(CONNREFUSED|CONNRESET|NOTFOUND|TIMEDOUT|AI_AGAIN|SOCKETTIMEDOUT|IDLETIMEOUT|HOSTUNREACH|NETUNREACH|PROTO)|ERR_SOCKET_TIMEOUT|ERR_SSL_.*|E5\d\d)$/,
    'package-registry',
    `the registry ${UNREACHED}`,
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
  const words = (output: string): string => npmWords(output, secretValues(env, readSettings(env)));
  return {
    file: npm,
    words,
    async run(folder, args) {
      // Loaded here, because most commands that use packages install none.
      const { execa } = await import('execa');
      const subprocess = execa(npm, [...args, ...FLAGS], {
        cwd: folder,
        reject: false,
        stdin: 'ignore',
        timeout: TIMEOUT,
        // npm starts with the first node in PATH, which may be an older one.
        env: { ...env, PATH: [dirname(process.execPath), env.PATH].filter(Boolean).join(delimiter) },
        extendEnv: false,
      });
      let mismatched = false;
      let line = '';
      subprocess.stderr.on('data', (chunk: Buffer) => {
        line = (line + chunk.toString('latin1')).slice(-MAX_LINE);
        if (mismatched || !MISMATCH.test(line)) return;
        mismatched = true;
        subprocess.kill('SIGKILL');
      });
      const result = await subprocess;
      if (!result.failed) return result.stdout;
      if (mismatched) throw integrityError();
      if (result.timedOut) throw new WarderError('package-registry', 'npm took more than ten minutes');
      if (/\bEINTEGRITY\b|\bEBADCHECKSUM\b/.test(result.stderr)) throw integrityError();
      const output = `${result.stderr}\n${result.stdout}`;
      const said = words(output);
      const code = npmErrorCode(output) ?? '';
      const failure = FAILURES.find(([pattern]) => pattern.test(code));
      if (failure) {
        throw new WarderError(failure[1], said === '' ? failure[2] : `${failure[2]} (npm: ${said})`, {
          hint: failure[3],
        });
      }
      const ending = `npm ${args[0]} ended with ${result.exitCode ?? result.signal}`;
      throw new WarderError('package-failed', said === '' ? ending : `${ending}: ${said}`, {
        hint: 'npm keeps a log of each run: "npm config get cache" prints its folder, and "_logs" is in it',
      });
    },
  };
}

function integrityError(): WarderError {
  return new WarderError('package-integrity', 'what the registry sent does not match its hash', {
    hint: "do not run it; try another network, then ask the package's authors",
  });
}

/** The user's npm settings; empty if there are none. */
function readSettings(env: Readonly<Record<string, string | undefined>>): string {
  try {
    return readFileSync(env.npm_config_userconfig ?? join(env.HOME ?? '', '.npmrc'), 'utf8');
  } catch {
    return '';
  }
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
