// The Python that a package of PyPI runs with. It is chosen when the package is locked; a start checks that it is still
// there and still of the same implementation, version (two numbers) and ABI.
import { accessSync, constants, type Stats, statSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';
import * as z from 'zod';
import { WarderError } from '../../errors.ts';
import { minorVersion, type Python } from './lock.ts';

const TIMEOUT = 20_000;
const MAX_OUTPUT = 16 * 1024;

/** The first version whose `compileall` writes byte code that does not depend on the folder. */
const OLDEST = 9;

/** Prints what a Python is, with the standard library alone. A virtual environment's is the Python that it was made from. */
const DESCRIBE = `
import os, sys
multiarch = getattr(sys.implementation, "_multiarch", "") or sys.platform + "-" + os.uname().machine
print(os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable))
print("%d.%d.%d" % sys.version_info[:3])
print((sys.implementation.cache_tag or sys.implementation.name) + getattr(sys, "abiflags", "") + "-" + multiarch)`;

const described = z.tuple([
  z.string().startsWith('/'),
  z.string().regex(/^\d+\.\d+\.\d+$/),
  z.string().max(100),
]);

/** The interpreters of this machine. Each is asked once; the answer holds until its file changes. */
export class Pythons {
  readonly #known = new Map<string, { readonly stamp: string; readonly python: Python }>();

  /**
   * Finds a Python: a version as in `3.12`, a name or an absolute path; by default `python3`. Throws `package-python` if
   * there is none, or if it is too old.
   */
  async find(env: Readonly<Record<string, string | undefined>>, wanted: string | undefined): Promise<Python> {
    const names =
      wanted === undefined ? ['python3', 'python'] : [/^[\d.]+$/.test(wanted) ? `python${wanted}` : wanted];
    const file = names.map((name) => findProgram(name, env.PATH)).find((found) => found !== undefined);
    const hint = 'install it, or name another one, as in "--python 3.12" or "--python /usr/bin/python3"';
    if (file === undefined) {
      throw new WarderError('package-python', `cannot find the program "${names[0]}"`, { hint });
    }
    const python = await this.#describe(file, env);
    if (python === undefined) {
      throw new WarderError('package-python', `"${file}" does not run as a Python`, { hint });
    }
    const [major = 0, minor = 0] = python.version.split('.').map(Number);
    if (major < 3 || (major === 3 && minor < OLDEST)) {
      const what = `"${file}" is Python ${python.version}, and 3.${OLDEST} or later is needed`;
      throw new WarderError('package-python', what, { hint });
    }
    return python;
  }

  /** Checks that the Python of a lock is still what it was. `otherwise`: what else can be done. Throws `package-python`. */
  async check(locked: Python, name: string, otherwise: string): Promise<void> {
    if ((await this.current(locked)) !== undefined) return;
    const python = await this.#describe(locked.file, {});
    const now =
      python === undefined
        ? `"${locked.file}" is not there, or does not run`
        : `"${locked.file}" is Python ${python.version} (${python.tag}) now`;
    throw new WarderError(
      'package-python',
      `the package "${name}" was locked for Python ${minorVersion(locked)} (${locked.tag}), but ${now}`,
      { hint: `install that Python again, or ${otherwise}` },
    );
  }

  /** The Python of a lock as it is now, which may differ in its last number; undefined if it is not there, or is another one. */
  async current(locked: Python): Promise<Python | undefined> {
    const python = await this.#describe(locked.file, {});
    return python?.tag === locked.tag && minorVersion(python) === minorVersion(locked) ? python : undefined;
  }

  /** What an interpreter is; undefined if it does not run. It runs isolated from the user's packages. */
  async #describe(
    file: string,
    env: Readonly<Record<string, string | undefined>>,
  ): Promise<Python | undefined> {
    const stat = statSync(file, { throwIfNoEntry: false });
    if (stat === undefined) return undefined;
    const found = this.#known.get(file);
    if (found?.stamp === stampOf(stat)) return found.python;
    const { execa } = await import('execa');
    const { stdout, failed } = await execa(file, ['-I', '-S', '-c', DESCRIBE], {
      // A version manager's shim needs its variables.
      env: { ...env },
      extendEnv: false,
      cwd: '/',
      reject: false,
      stdin: 'ignore',
      timeout: TIMEOUT,
      maxBuffer: MAX_OUTPUT,
    });
    const parsed = described.safeParse(String(stdout).split('\n'));
    if (failed || !parsed.success) return undefined;
    const [path, version, tag] = parsed.data;
    const python = { file: path, version, tag };
    this.#known.set(file, { stamp: stampOf(stat), python });
    return python;
  }
}

function stampOf({ dev, ino, size, mtimeMs, ctimeMs }: Stats): string {
  return [dev, ino, size, mtimeMs, ctimeMs].join(':');
}

/** A program by its absolute path, or by its name in a PATH; undefined if there is none. */
export function findProgram(name: string, path = ''): string | undefined {
  const folders = isAbsolute(name) ? [''] : path.split(delimiter).filter(isAbsolute);
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
