// Packages of an index on loopback, through the pip of this machine: resolved, hashed, unpacked and run. What is hostile
// about an index is refused.
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type InstalledPackage, resolveBin } from '../../../src/package/bin.ts';
import { userRegistries } from '../../../src/package/registries.ts';
import { parseSpec } from '../../../src/package/spec.ts';
import { PackageStore } from '../../../src/package/store.ts';
import { type PythonIndex, startPythonIndex } from '../../fixtures/python-index.ts';

// Each lock starts pip several times.
vi.setConfig({ testTimeout: 180_000 });

const NO_SCRIPTS = { allow: [], skipOthers: false };

let folder: string;
let index: PythonIndex;
let progress: string[];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'warder-pypi-'));
  index = await startPythonIndex();
  progress = [];
  publishLeaf('1.0.0');
  publishServer(index);
});

afterEach(async () => {
  await index[Symbol.asyncDispose]();
  execFileSync('chmod', ['-R', 'u+w', folder]);
  rmSync(folder, { recursive: true, force: true });
});

function publishServer(to: PythonIndex): void {
  to.publish({
    name: 'My_Server',
    version: '1.2.0',
    metadata: ['Requires-Dist: leaf>=1'],
    scripts: { 'my-server': 'my_server:main' },
    files: { 'my_server/__init__.py': 'import sys, leaf\ndef main(): print(leaf.WORD, sys.argv[1])\n' },
  });
}

function publishLeaf(version: string, to = index): void {
  to.publish({ name: 'leaf', version, files: { 'leaf/__init__.py': `WORD = "leaf ${version}"\n` } });
}

function openStore(env: Record<string, string> = {}, python?: string): PackageStore {
  const say = (step: string): void => void progress.push(step);
  return new PackageStore({
    places: { config: join(folder, 'config'), state: join(folder, 'state') },
    clock: { now: () => Date.parse('2026-01-01T00:00:00Z'), monotonic: () => 0 },
    registry: userRegistries({
      env: {
        PATH: '/usr/bin:/bin',
        HOME: folder,
        PIP_CONFIG_FILE: '/dev/null',
        PIP_INDEX_URL: index.url,
        PIP_RETRIES: '0',
        ...env,
      },
      progress: say,
      runScripts: () => {
        throw new Error('no package of PyPI has an install script');
      },
      python,
    }),
    progress: say,
  });
}

const use = (spec: string, profile = 'a') => ({ profile, spec: parseSpec(spec) });

const trees = () => join(folder, 'state/packages');
const names = () => (existsSync(trees()) ? readdirSync(trees()).filter((name) => name !== 'stamp-key') : []);

function run(installed: InstalledPackage, bin?: string, env: Record<string, string> = {}): string {
  const { command, args } = resolveBin(installed, bin);
  return execFileSync(command, [...args, 'hello'], { encoding: 'utf8', env, cwd: folder });
}

test.each(['html', 'json'] as const)(
  'W-PKG-1 a range is pinned when it is locked, and the tree runs with its Python alone (index in %s)',
  async (format) => {
    await index[Symbol.asyncDispose]();
    index = await startPythonIndex(format);
    publishLeaf('1.0.0');
    publishServer(index);
    const store = openStore();
    const lock = await store.lock(use('pypi:my.server>=1'), NO_SCRIPTS);
    expect(lock).toMatchObject({
      package: 'pypi:my-server==1.2.0',
      pinned: '1.2.0',
      bin: { 'my-server': 'bin/my-server' },
      scripts: [],
    });
    publishLeaf('2.0.0');
    await index[Symbol.asyncDispose]();
    const ready = await store.verify(use('pypi:my-server==1.2.0'), false);
    expect(run(ready)).toBe('leaf 1.0.0 hello\n');
    expect(run(ready, 'my-server', { PYTHONPATH: folder })).toBe('leaf 1.0.0 hello\n');
    await expect(store.verify(use('pypi:my-server>=1'), false)).rejects.toMatchObject({
      code: 'package-unlocked',
    });
    index = await startPythonIndex();
  },
);

test('W-PKG-6 the same wheels give the same tree, and a lock keeps its versions when it is installed again', async () => {
  const store = openStore();
  const first = await store.lock(use('pypi:my-server==1.2.0'), NO_SCRIPTS);
  expect(await store.lock(use('pypi:my-server==1.2.0', 'b'), NO_SCRIPTS)).toMatchObject({
    digest: first.digest,
  });
  expect(names()).toHaveLength(1);
  publishLeaf('1.5.0');
  const again = await store.lock(use('pypi:my-server==1.2.0'), NO_SCRIPTS, true);
  expect(again.digest).toBe(first.digest);
  expect((await store.lock(use('pypi:my-server', 'c'), NO_SCRIPTS)).digest).not.toBe(first.digest);
  expect(store.find(use('pypi:my-server==1.2.0', 'b'))?.digest).toBe(first.digest);
  expect(store.sweep([use('pypi:my-server==1.2.0', 'b')])).toEqual([
    'a/pypi+my-server==1.2.0',
    'c/pypi+my-server==1.2.0',
  ]);
  await expect(store.verify(use('pypi:my-server==1.2.0', 'b'), true)).resolves.toBeDefined();
});

test('W-PKG-3 a module, its byte code, the interpreter and the record of files: every change is found', async () => {
  const store = openStore();
  const spec = use('pypi:my-server==1.2.0');
  await store.lock(spec, NO_SCRIPTS);
  const { root } = await store.verify(spec, true);
  const site = join(root, 'lib', readdirSync(join(root, 'lib'))[0] ?? '', 'site-packages');
  const cache = join(site, 'leaf/__pycache__');
  const copy = join(folder, 'copy');
  execFileSync('cp', ['-a', root, copy]);
  const changes: [string, () => void][] = [
    ['leaf/__init__.py', () => write(join(site, 'leaf/__init__.py'), 'WORD = "evil"\n')],
    ['__pycache__', () => write(join(cache, readdirSync(cache)[0] ?? ''), 'evil')],
    ['evil.pth', () => write(join(site, 'evil.pth'), 'import os\n')],
    ['RECORD', () => write(join(site, 'leaf-1.0.0.dist-info/RECORD'), 'leaf/__init__.py,,\n')],
    ['pyvenv.cfg', () => write(join(root, 'pyvenv.cfg'), 'home = /tmp\n')],
    [
      'bin/python',
      () => {
        chmodSync(join(root, 'bin'), 0o700);
        rmSync(join(root, 'bin/python'));
        execFileSync('ln', ['-s', '/bin/true', join(root, 'bin/python')]);
      },
    ],
  ];
  for (const [file, harm] of changes) {
    harm();
    await expect(store.verify(spec, false)).rejects.toMatchObject({
      code: 'package-changed',
      message: expect.stringContaining(file),
    });
    execFileSync('chmod', ['-R', 'u+w', root]);
    rmSync(root, { recursive: true });
    execFileSync('cp', ['-a', copy, root]);
    await expect(store.verify(spec, true)).resolves.toMatchObject({ root });
  }
  write(join(site, 'leaf/__init__.py'), 'WORD = "evil"\n');
  await store.lock(spec, NO_SCRIPTS, true);
  await expect(store.verify(spec, true)).resolves.toMatchObject({ root });
});

test('W-PKG-12 no byte code is written at run time, even where the tree could be written', async () => {
  index.publish({
    name: 'child',
    version: '1',
    scripts: { child: 'child:main' },
    files: {
      'child/__init__.py':
        'import subprocess, sys\ndef main(): subprocess.run([sys.executable, "-m", "child.late"])\n',
      'child/late.py': 'import child.other; print("late", sys.argv) if False else print("late")\n',
      'child/other.py': '',
    },
  });
  const store = openStore();
  await store.lock(use('pypi:child==1'), NO_SCRIPTS);
  const ready = await store.verify(use('pypi:child==1'), true);
  execFileSync('chmod', ['-R', 'u+w', ready.root]);
  execFileSync('find', [ready.root, '-name', '*.pyc', '-delete']);
  expect(run(ready)).toBe('late\n');
  expect(execFileSync('find', [ready.root, '-name', '*.pyc'], { encoding: 'utf8' })).toBe('');
});

test('extras, scripts of a wheel, and programs whose name must be said', async () => {
  index.publish({
    name: 'many',
    version: '1.0',
    metadata: ['Provides-Extra: cli', 'Requires-Dist: leaf; extra == "cli"'],
    scripts: { one: 'many:one', two: 'many:two' },
    files: {
      'many.py': 'def one(): print("one")\ndef two():\n  import leaf\n  print(leaf.WORD)\n',
      'many-1.0.data/scripts/three': '#!python\nimport sys\nprint("three", sys.argv[1])\n',
    },
  });
  const store = openStore();
  const plain = await store.lock(use('pypi:many==1.0'), NO_SCRIPTS);
  expect('pypi' in plain && plain.pypi.wheels.map(({ name }) => name)).toEqual(['many']);
  const lock = await store.lock(use('pypi:many[cli]==1.0'), NO_SCRIPTS);
  expect(lock.package).toBe('pypi:many[cli]==1.0');
  const ready = await store.verify(use(lock.package), true);
  expect(run(ready, 'two')).toBe('leaf 1.0.0\n');
  expect(run(ready, 'three')).toBe('three hello\n');
  expect(() => resolveBin(ready, undefined)).toThrow(expect.objectContaining({ code: 'package-bin' }));
  expect(() => resolveBin(ready, 'four')).toThrow(expect.objectContaining({ code: 'package-bin' }));
});

test('an update shows versions, and files that were replaced under the same version', async () => {
  const store = openStore();
  const lock = await store.lock(use('pypi:my-server==1.2.0'), NO_SCRIPTS);
  index.publish({ name: 'leaf', version: '1.0.0', files: { 'leaf/__init__.py': 'WORD = "other"\n' } });
  index.publish({
    name: 'my-server',
    version: '2.0',
    metadata: ['Requires-Dist: leaf', 'Requires-Dist: twig'],
  });
  index.publish({ name: 'twig', version: '0.1' });
  const { difference, version } = await store.previewUpdate(lock, parseSpec('pypi:my-server'));
  expect(version).toBe('2.0');
  expect(difference).toEqual({
    added: ['twig@0.1'],
    removed: [],
    moved: [
      { name: 'leaf', from: '1.0.0', to: '1.0.0, other files' },
      { name: 'my-server', from: '1.2.0', to: '2.0' },
    ],
    scripts: [],
  });
});

describe('the Python of a lock', () => {
  const python = () => join(folder, 'python/bin/python3');

  /** A Python that says it is another one if the file `is` beside it says so. */
  function makePython(): void {
    mkdirSync(join(folder, 'python/bin'), { recursive: true });
    say('cpython-311-x86_64-linux-gnu', '3.11.2');
  }

  function say(tag: string, version: string): void {
    writeFileSync(
      python(),
      `#!/bin/sh\ncase "$*" in *multiarch*) printf '%s\\n' '${python()}' ${version} ${tag};; *) exec /usr/bin/python3 "$@";; esac\n`,
      { mode: 0o755 },
    );
    chmodSync(python(), 0o755);
  }

  test.each([
    ['another version', () => say('cpython-312-x86_64-linux-gnu', '3.12.0'), 'is Python 3.12.0'],
    ['another ABI of the same version', () => say('cpython-311t-x86_64-linux-gnu', '3.11.2'), '311t'],
    ['no Python', () => writeFileSync(python(), '#!/bin/sh\nexit 1\n'), 'does not run'],
    ['gone', () => rmSync(python()), 'is not there'],
  ])(
    'W-PKG-11 a Python that is %s: the start is refused, and it is not installed again',
    async (_what, change, said) => {
      makePython();
      const store = openStore({}, python());
      const spec = use('pypi:leaf==1.0.0');
      const lock = await store.lock(spec, NO_SCRIPTS);
      expect(lock).toMatchObject({ pypi: { python: { file: python(), version: '3.11.2' } } });
      await store.verify(spec, false);
      change();
      const refusal = { code: 'package-python', message: expect.stringContaining(said) };
      await expect(store.verify(spec, false)).rejects.toMatchObject(refusal);
      await expect(store.lock(spec, NO_SCRIPTS, true)).rejects.toMatchObject(refusal);
      // The hint: an update pins it for the Python that is there.
      const fresh = openStore();
      const { resolution, difference } = await fresh.previewUpdate(lock, spec.spec);
      expect(resolution).toMatchObject({
        pypi: { python: { file: expect.stringMatching(/^\/usr\/bin\/python3/) } },
      });
      expect(difference.added).toEqual([]);
      await fresh.install(resolution, spec, NO_SCRIPTS);
      await expect(fresh.verify(spec, true)).resolves.toBeDefined();
    },
  );

  test('W-PKG-11 a security release of the same Python runs', async () => {
    makePython();
    const store = openStore({}, python());
    await store.lock(use('pypi:leaf==1.0.0'), NO_SCRIPTS);
    say('cpython-311-x86_64-linux-gnu', '3.11.14');
    await expect(store.verify(use('pypi:leaf==1.0.0'), false)).resolves.toBeDefined();
  });

  test('one that is not there, is no Python, or is too old is refused', async () => {
    const lock = (wanted: string) => openStore({}, wanted).lock(use('pypi:leaf==1.0.0'), NO_SCRIPTS);
    for (const wanted of ['9.99', '/nowhere/python3', '/bin/true']) {
      await expect(lock(wanted)).rejects.toMatchObject({ code: 'package-python' });
    }
    makePython();
    say('cpython-36-x86_64-linux-gnu', '3.6.9');
    await expect(lock(python())).rejects.toMatchObject({ code: 'package-python' });
  });
});

describe('a hostile index', () => {
  const refused = async (spec: string, code: string, message: string | RegExp, env = {}): Promise<void> => {
    await expect(openStore(env).lock(use(spec), NO_SCRIPTS)).rejects.toMatchObject({
      code,
      message:
        typeof message === 'string' ? expect.stringContaining(message) : expect.stringMatching(message),
    });
    expect(names()).toEqual([]);
  };

  test('W-PKG-2 a wheel that does not match its hash is refused, and the store is unchanged', async () => {
    index.publish({ name: 'leaf', version: '1.9', sha256: '0'.repeat(64) });
    await refused('pypi:my-server', 'package-integrity', 'does not match its hash');
  });

  test('W-PKG-2 a wheel that changes between resolving and installing is refused', async () => {
    const store = openStore();
    const resolution = await store.resolve(parseSpec('pypi:my-server'));
    index.publish({ name: 'leaf', version: '1.0.0', files: { 'leaf/__init__.py': 'WORD = "evil"\n' } });
    await expect(store.install(resolution, use('pypi:my-server'), NO_SCRIPTS)).rejects.toMatchObject({
      code: 'package-integrity',
    });
    expect(names()).toEqual([]);
  });

  test('W-PKG-2 a file without a hash in the index is pinned by the hash of what came', async () => {
    index.publish({ name: 'bare', version: '1.0', sha256: null });
    const lock = await openStore().lock(use('pypi:bare'), NO_SCRIPTS);
    expect('pypi' in lock && lock.pypi.wheels[0]?.sha256).toMatch(/^[0-9a-f]{64}$/);
  });

  test('W-PKG-9 source only: nothing is built, and the message says so', async () => {
    const ran = join(folder, 'ran');
    index.publishFile({
      project: 'source',
      file: 'source-1.0.tar.gz',
      content: sourceArchive('source', ran),
    });
    await refused('pypi:source', 'package-wheel', 'has it as source only');
    index.publish({ name: 'needs', version: '1.0', metadata: ['Requires-Dist: source'] });
    await refused('pypi:needs', 'package-wheel', 'cannot install "source": the index has it as source only');
    expect(existsSync(ran)).toBe(false);
  });

  test('W-PKG-9 a dependency that is a source archive, a repository or a wheel elsewhere: nothing of it runs', async () => {
    const ran = join(folder, 'ran');
    index.publishFile({
      project: 'source',
      file: 'source-1.0.tar.gz',
      content: sourceArchive('source', ran),
    });
    const targets = [
      `source @ ${index.url}source/source-1.0.tar.gz`,
      `source @ git+http://127.0.0.1:1/x.git`,
      `source @ file://${folder}`,
      `leaf @ ${index.url}leaf/leaf-1.0.0-py3-none-any.whl`,
    ];
    writeFileSync(join(folder, 'setup.py'), `open(${JSON.stringify(ran)}, "w")\n`);
    for (const [at, target] of targets.entries()) {
      index.publish({ name: `direct${at}`, version: '1.0', metadata: [`Requires-Dist: ${target}`] });
      await expect(openStore().lock(use(`pypi:direct${at}`), NO_SCRIPTS)).rejects.toMatchObject({
        code: expect.stringMatching(/^package-(wheel|integrity)$/),
      });
    }
    expect(existsSync(ran)).toBe(false);
    expect(names()).toEqual([]);
  });

  test('wheels for other machines and other Pythons only: the message says which', async () => {
    index.publish({ name: 'native', version: '1.0', tag: 'cp311-cp311-win_amd64' });
    await refused('pypi:native', 'package-wheel', 'no wheel of it for this machine');
    index.publish({ name: 'newer', version: '1.0', requiresPython: '>=3.99' });
    await refused('pypi:newer', 'package-wheel', 'needs another Python');
  });

  test('a version that was withdrawn is refused, and a range avoids it', async () => {
    index.publish({ name: 'leaf', version: '1.9', yanked: 'broken' });
    await refused('pypi:leaf==1.9', 'package-missing', 'withdrawn');
    expect((await openStore().lock(use('pypi:leaf'), NO_SCRIPTS)).pinned).toBe('1.0.0');
  });

  test('a locked version that is withdrawn later can be installed again', async () => {
    const store = openStore();
    const lock = await store.lock(use('pypi:leaf==1.0.0'), NO_SCRIPTS);
    index.publish({
      name: 'leaf',
      version: '1.0.0',
      yanked: 'late',
      files: { 'leaf/__init__.py': 'WORD = "leaf 1.0.0"\n' },
    });
    expect((await store.lock(use('pypi:leaf==1.0.0'), NO_SCRIPTS, true)).digest).toBe(lock.digest);
  });

  test('W-PKG-10 a higher version of another index does not count, and the setting is named', async () => {
    await using other = await startPythonIndex();
    publishLeaf('99.0', other);
    const lock = await openStore({ PIP_EXTRA_INDEX_URL: other.url }).lock(use('pypi:my-server'), NO_SCRIPTS);
    expect('pypi' in lock && lock.pypi.wheels.map(({ version }) => version)).toEqual(['1.0.0', '1.2.0']);
    expect(other.downloads).toEqual([]);
    expect(progress).toContain(
      'pip\'s setting "extra-index-url" is not used: a package comes from one index',
    );
  });

  test.each([
    ['a path out of the tree', [{ name: '../../../evil.py', content: '' }]],
    ['a symbolic link', [{ name: 'leaf/link', content: '/etc/passwd', mode: 0o120777 }]],
    ['the interpreter', [{ name: 'leaf-1.5.data/scripts/python3', content: '#!python\n' }]],
  ])('W-PKG-9 a wheel with %s is refused, and nothing of it stays', async (_what, entries) => {
    index.publish({ name: 'leaf', version: '1.5', entries });
    await refused('pypi:my-server', 'package-integrity', 'cannot unpack "leaf-1.5-py3-none-any.whl"');
    expect(existsSync(join(folder, 'evil.py'))).toBe(false);
  });

  test('W-PKG-9 a wheel of another package, or a damaged one, is refused', async () => {
    index.publish({ name: 'other', version: '1.5', project: 'leaf', file: 'leaf-1.5-py3-none-any.whl' });
    await refused(
      'pypi:leaf==1.5',
      'package-failed',
      /^pip ended with 1: leaf has an invalid wheel|inconsistent/,
    );
    index.publishFile({ project: 'leaf', file: 'leaf-1.6-py3-none-any.whl', content: Buffer.from('hello') });
    await refused('pypi:leaf==1.6', 'package-failed', /pip/);
  });

  test('a missing package, a missing version and a missing index have different errors', async () => {
    await refused('pypi:no-such', 'package-missing', 'no such package');
    await refused('pypi:leaf==9', 'package-missing', 'no such version');
    await refused('pypi:leaf', 'package-registry', 'cannot be reached', {
      PIP_INDEX_URL: 'http://user:hunter2@127.0.0.1:1/simple',
    });
    expect(progress.join('\n')).not.toContain('hunter2');
  });

  test('W-PKG-9 nothing of a wheel runs while it is installed', async () => {
    const ran = join(folder, 'ran');
    const code = `open(${JSON.stringify(ran)}, "w")\n`;
    index.publish({
      name: 'eager',
      version: '1',
      files: {
        'eager.pth': `import os; ${code}`,
        'sitecustomize.py': code,
        'usercustomize.py': code,
        'compileall.py': code,
        'pip/__init__.py': code,
        'eager-1.data/scripts/eager': `#!python\n${code}`,
      },
    });
    const store = openStore();
    await store.lock(use('pypi:eager==1'), NO_SCRIPTS);
    await store.verify(use('pypi:eager==1'), true);
    expect(existsSync(ran)).toBe(false);
  });
});

test('where the Python has no pip, the one that uv brings is used', async () => {
  const bin = join(folder, 'bin');
  const python = join(bin, 'python3');
  mkdirSync(bin);
  writeFileSync(
    python,
    `#!/bin/sh
case "$*" in
  *multiarch*) printf '%s\\n' ${python} 3.11.2 test;;
  *runpy*) echo "No module named pip" >&2; exit 1;;
  *) exec /usr/bin/python3 "$@";;
esac
`,
    { mode: 0o755 },
  );
  const lock = (env = {}) =>
    openStore({ PATH: `${bin}:/usr/bin:/bin`, ...env }).lock(use('pypi:my-server'), NO_SCRIPTS);
  await expect(lock()).rejects.toMatchObject({
    code: 'package-registry',
    hint: expect.stringContaining('uv'),
  });
  // The words of uv that Warder uses, and no others.
  writeFileSync(
    join(bin, 'uv'),
    `#!/bin/sh
[ "$1 $2 $3 $4 $6 $7 $8" = "tool run --quiet --python --from pip python" ] || exit 2
echo "$5" >> ${join(folder, 'called')}
shift 8
exec /usr/bin/python3 "$@"
`,
    { mode: 0o755 },
  );
  // The index is uv's where pip has none.
  const env = { PIP_INDEX_URL: '', UV_DEFAULT_INDEX: `private=${index.url}` };
  await expect(lock(env)).resolves.toMatchObject({ pinned: '1.2.0', pypi: { python: { file: python } } });
  expect(readFileSync(join(folder, 'called'), 'utf8')).toMatch(`${python}\n`);
});

/** A source archive whose `setup.py` leaves a file. */
function sourceArchive(name: string, ran: string): Buffer {
  const at = mkdtempSync(join(folder, 'source-'));
  const top = join(at, `${name}-1.0`);
  mkdirSync(top);
  writeFileSync(
    join(top, 'setup.py'),
    `open(${JSON.stringify(ran)}, "w")\nfrom setuptools import setup\nsetup()\n`,
  );
  writeFileSync(join(top, 'PKG-INFO'), `Metadata-Version: 2.1\nName: ${name}\nVersion: 1.0\n`);
  execFileSync('tar', ['-cf', join(at, 'x.tar'), '-C', at, `${name}-1.0`]);
  return gzipSync(readFileSync(join(at, 'x.tar')));
}

function write(file: string, text: string): void {
  chmodSync(join(file, '..'), 0o755);
  if (existsSync(file)) chmodSync(file, 0o644);
  writeFileSync(file, text);
}
