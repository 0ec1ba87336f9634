// pip, used only to resolve and to download: wheels alone, from one index. It runs in a small program that lets it start
// no other one (so nothing of a package is built, and nothing is cloned) and write no file above a bound.

import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { type ErrorCode, WarderError } from '../../errors.ts';
import { secretValues } from '../output.ts';
import { UNREACHED } from '../registry.ts';
import type { Python } from './lock.ts';
import { type MissingReason, missingRequirement, pipWords, REFUSED_PROGRAM } from './output.ts';
import { findProgram } from './python.ts';
import { readPipSettings } from './settings.ts';

/** pip for one Python. */
export interface Pip {
  /**
   * Runs pip in a folder, and returns its output. Throws `package-missing`, `package-wheel`, `package-integrity`, `package-registry`,
   * `cannot-write`, `package-failed`.
   */
  run(folder: string, args: readonly string[]): Promise<string>;
}

/** The largest file that pip may write, in bytes. */
export const MAX_DOWNLOAD = 1024 ** 3;
const TIMEOUT = 10 * 60_000;
const MAX_OUTPUT = 4 * 1024 * 1024;
const MAX_LOG = 32 * 1024 * 1024;

const FLAGS = [
  ...['--no-input', '--disable-pip-version-check', '--no-color', '--no-python-version-warning'],
  ...['--progress-bar', 'off', '--only-binary', ':all:'],
];

/** A keyring's program gives the index's password, where the user set pip up so. It is the only one. */
const RUN_PIP = `
import resource, runpy, sys
bound = int(sys.argv[1])
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
if hard != resource.RLIM_INFINITY: bound = min(bound, hard)
resource.setrlimit(resource.RLIMIT_FSIZE, (bound, bound))
def refuse(event, args):
    if event in ("subprocess.Popen", "os.exec", "os.posix_spawn", "os.system", "os.spawn", "os.fork", "os.forkpty"):
        program = str(args[0]) if args else ""
        if event == "os.fork" or program.rsplit("/", 1)[-1] == "keyring": return
        raise PermissionError("${REFUSED_PROGRAM}")
import pip
if tuple(map(int, pip.__version__.split(".")[:2])) < (22, 2): sys.exit("pip is too old")
sys.addaudithook(refuse)
sys.argv = ["pip", *sys.argv[2:]]
runpy.run_module("pip", run_name="__main__", alter_sys=True)`;

const REASONS: Readonly<Record<MissingReason, readonly [ErrorCode, string, string]>> = {
  source: [
    'package-wheel',
    'the index has it as source only, and building it would run its code',
    'choose a version that has a wheel, or ask its authors for one',
  ],
  platform: [
    'package-wheel',
    'the index has no wheel of it for this machine and this Python',
    'choose another version, or another Python, as in "--python 3.12"',
  ],
  python: ['package-wheel', 'it needs another Python', 'name one that is installed, as in "--python 3.12"'],
  yanked: ['package-missing', 'its authors have withdrawn it', 'choose another version'],
  version: ['package-missing', 'the index has no such version', 'check the version'],
  unreachable: [
    'package-registry',
    `the index ${UNREACHED}, or refuses this user`,
    'check the network, and the index in "pip config list"',
  ],
  absent: [
    'package-missing',
    'the index has no such package',
    'check its name, and the index in "pip config list"',
  ],
};

/** pip's words for an index that cannot be reached, or refuses this user. */
const UNREACHABLE =
  /Max retries exceeded|Connection (?:refused|reset|timed out|aborted)|NewConnectionError|Could not fetch URL|ReadTimeoutError|SSLError|ProxyError|HTTP error (?:40[137]|5\d\d)|(?:40[137]|5\d\d) (?:Client|Server) Error/;

/**
 * The pip of a Python, otherwise one that the user's uv brings. Throws `package-registry` if there is neither.
 */
export async function openPip(
  python: Python,
  env: Readonly<Record<string, string | undefined>>,
  progress: (text: string, isNote?: boolean) => void,
): Promise<Pip> {
  const { execa } = await import('execa');
  const start = async (
    words: readonly string[],
    variables: Record<string, string | undefined>,
    cwd: string,
  ) => {
    const [file = '', ...args] = words;
    return await execa(file, args, {
      cwd,
      env: variables,
      extendEnv: false,
      reject: false,
      stdin: 'ignore',
      timeout: TIMEOUT,
      maxBuffer: MAX_OUTPUT,
    });
  };
  const { program, config } = await findPip();
  const { variables: settings, ignored } = readPipSettings(config.stdout);
  const clean = Object.fromEntries(Object.entries(env).filter(([name]) => !/^pip_/i.test(name)));
  const index = env.UV_DEFAULT_INDEX ?? env.UV_INDEX_URL;
  const secrets = secretValues(env, config.stdout);
  for (const name of ignored)
    progress(`pip's setting "${name}" is not used: a package comes from one index`, true);
  return {
    async run(folder, args) {
      const log = join(folder, 'pip.log');
      const result = await start(
        [...program, ...args.slice(0, 1), ...FLAGS, '--log', log, ...args.slice(1)],
        {
          ...clean,
          ...(index === undefined ? {} : { PIP_INDEX_URL: index.replace(/^[a-z0-9_-]+=/i, '') }),
          ...settings,
          PIP_CONFIG_FILE: '/dev/null',
          TMPDIR: folder,
        },
        folder,
      );
      if (!result.failed) return `${result.stderr}\n${result.stdout}`;
      throw pipError({ ...result, log: readLog(log) }, secrets);
    },
  };

  /** The words that start a pip, and what its `config list` prints. */
  async function findPip(): Promise<{ program: string[]; config: { stdout: string } }> {
    const run = ['-c', RUN_PIP, String(MAX_DOWNLOAD)];
    const own = [python.file, ...run];
    const config = await start([...own, 'config', 'list'], env, '/');
    if (!config.failed) return { program: own, config };
    if (!/No module named '?pip|pip is too old/.test(config.stderr)) {
      throw pipError({ ...config, log: '' }, secretValues(env, ''));
    }
    const uv = findProgram('uv', env.PATH);
    if (uv !== undefined) {
      const words = ['tool', 'run', '--quiet', '--python', python.file, '--from', 'pip', 'python'];
      const program = [uv, ...words, ...run];
      return { program, config: await start([...program, 'config', 'list'], env, '/') };
    }
    throw new WarderError('package-registry', `"${python.file}" has no pip of version 22.2 or later`, {
      hint: 'install pip for it (on Debian: "apt install python3-pip"), or uv',
    });
  }
}

/** How a run of pip ended. */
interface PipResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly log: string;
  readonly timedOut: boolean;
  readonly exitCode?: number | undefined;
  readonly signal?: string | undefined;
}

function pipError(
  { stdout, stderr, log, timedOut, exitCode, signal }: PipResult,
  secrets: readonly string[],
): WarderError {
  const output = `${stderr}\n${stdout}`;
  const said = pipWords(output, secrets);
  const withWords = (what: string): string => (said === '' ? what : `${what} (pip: ${said})`);
  if (timedOut) return new WarderError('package-registry', 'pip took more than ten minutes');
  if (output.includes(REFUSED_PROGRAM)) {
    return new WarderError('package-wheel', withWords('a dependency is not a wheel of the index'), {
      hint: 'a server that depends on git, a file, a URL or a source archive cannot be pinned; choose another version',
    });
  }
  if (/DO NOT MATCH THE HASHES|HashMismatch/.test(output)) {
    return new WarderError('package-integrity', 'what the index sent does not match its hash', {
      hint: "do not run it; try another network, then ask the package's authors",
    });
  }
  if (/File too large|EFBIG|Errno 27/.test(output)) {
    return new WarderError('package-failed', `a file is larger than ${MAX_DOWNLOAD} bytes`, {
      hint: 'choose another version',
    });
  }
  if (/No space left|Errno (?:28|122)\b/.test(output)) {
    return new WarderError('cannot-write', 'the disk is full', {
      hint: 'make room, then run it again; the store is as it was',
    });
  }
  if (UNREACHABLE.test(output)) {
    return new WarderError('package-registry', withWords(`the index ${UNREACHED}, or refuses this user`), {
      hint: 'check the network, and the index in "pip config list"',
    });
  }
  const missing = missingRequirement(output, log);
  if (missing !== undefined) {
    const [code, what, hint] = REASONS[missing.reason];
    return new WarderError(code, `cannot install "${missing.requirement}": ${what}`, { hint });
  }
  const ending = `pip ended with ${exitCode ?? signal ?? constants.signals.SIGKILL}`;
  return new WarderError('package-failed', said === '' ? ending : `${ending}: ${said}`, {
    hint: 'its dependencies may exclude each other; choose another version',
  });
}

function readLog(file: string): string {
  try {
    return readFileSync(file, 'utf8').slice(0, MAX_LOG);
  } catch {
    return '';
  }
}
