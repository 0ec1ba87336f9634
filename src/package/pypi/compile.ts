// Compiles a tree's modules, so that a start does not have to and nothing is written at run time. The compiler reads the
// modules and runs none of them: it is the interpreter itself, without the environment's .pth files.
import { minorVersion, type Python } from './lock.ts';

const TIMEOUT = 5 * 60_000;

/** Bounds memory and files. What cannot be compiled stays source: Python reports it when it is imported, or never. */
const COMPILE = `
import compileall, py_compile, resource, sys
root, folder = sys.argv[1:]
for kind, most in ((resource.RLIMIT_AS, 4 << 30), (resource.RLIMIT_FSIZE, 256 << 20)):
    soft, hard = resource.getrlimit(kind)
    if hard != resource.RLIM_INFINITY: most = min(most, hard)
    resource.setrlimit(kind, (most, most))
mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
compileall.compile_dir(folder, quiet=2, stripdir=root, invalidation_mode=mode)`;

/** Compiles the packages in an environment. Byte code of the same files is the same in every folder. */
export async function compile(python: Python, root: string): Promise<void> {
  const { execa } = await import('execa');
  await execa(
    python.file,
    ['-s', '-S', '-c', COMPILE, root, `${root}/lib/python${minorVersion(python)}/site-packages`],
    {
      cwd: '/',
      // The order of a set's constants depends on the seed.
      env: { PATH: '/usr/bin:/bin', LANG: 'C.UTF-8', PYTHONHASHSEED: '0' },
      extendEnv: false,
      reject: false,
      stdin: 'ignore',
      stdout: 'ignore',
      stderr: 'ignore',
      timeout: TIMEOUT,
    },
  );
}
