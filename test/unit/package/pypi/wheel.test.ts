import { existsSync, mkdtempSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Environment, entryPoints } from '../../../../src/package/pypi/wheel.ts';
import { type ArchivedFile, wheel, zip } from '../../../fixtures/wheel.ts';

const PYTHON = { file: '/usr/bin/python3.11', version: '3.11.2', tag: 'cpython-311-x86_64-linux-gnu' };
const FILE = { name: 'a', version: '1.0', file: 'a-1.0-py3-none-any.whl', sha256: '0'.repeat(64) };
const SITE = 'lib/python3.11/site-packages';

let folder: string;
let environment: Environment;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'warder-wheel-'));
  environment = new Environment(folder, PYTHON);
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

const text = (path: string): string => readFileSync(join(folder, path), 'utf8');

test('modules, scripts, headers and data have their places, and entry points get programs', async () => {
  const programs = await environment.unpack(
    FILE,
    wheel({
      name: 'a',
      version: '1.0',
      scripts: { serve: 'a.main:App.run [extra]' },
      files: {
        'a/__init__.py': 'A = 1\n',
        'a-1.0.data/purelib/b.py': 'B = 2\n',
        'a-1.0.data/scripts/tool': '#!python\nprint(1)\n',
        'a-1.0.data/headers/a.h': '',
        'a-1.0.data/data/share/a/x.json': '{}',
      },
      entries: [{ name: 'a/native.so', content: 'x', mode: 0o100755 }],
    }),
  );
  expect(programs).toEqual({ serve: 'bin/serve', tool: 'bin/tool' });
  expect(text(`${SITE}/a/__init__.py`)).toBe('A = 1\n');
  expect(text(`${SITE}/b.py`)).toBe('B = 2\n');
  expect(text('share/a/x.json')).toBe('{}');
  expect(existsSync(join(folder, 'include/a.h'))).toBe(true);
  expect(text('bin/serve')).toBe('import sys\nfrom a.main import App as start\nsys.exit(start.run())\n');
  expect(statSync(join(folder, `${SITE}/a/native.so`)).mode & 0o111).not.toBe(0);
  expect(text('pyvenv.cfg')).toContain('home = /usr/bin\n');
});

test.each<[string, ArchivedFile[]]>([
  ['a path out of the tree', [{ name: '../../evil.py' }]],
  ['a script with a path', [{ name: 'a-1.0.data/scripts/sub/tool' }]],
  ['a script in place of the interpreter', [{ name: 'a-1.0.data/scripts/python' }]],
  ['a script in place of the interpreter, in another case', [{ name: 'a-1.0.data/scripts/PYTHON3' }]],
  ['data in place of the interpreter', [{ name: 'a-1.0.data/data/bin/python' }]],
  ['data in place of the interpreter, in another case', [{ name: 'a-1.0.data/data/BIN/python3.11' }]],
  ["data in place of the environment's settings", [{ name: 'a-1.0.data/data/pyvenv.cfg' }]],
  ["data in place of the environment's folder", [{ name: 'a-1.0.data/data/lib' }]],
  ['data of no kind', [{ name: 'a-1.0.data/other/x' }]],
  ['a symbolic link', [{ name: 'a/link', content: '/etc/passwd', mode: 0o120777 }]],
  [
    'a file below a file',
    [
      { name: 'a', content: '' },
      { name: 'a/b', content: '' },
    ],
  ],
  [
    'a file in place of a folder',
    [
      { name: 'a/b', content: '' },
      { name: 'a', content: '' },
    ],
  ],
  [
    'more than may be unpacked',
    [
      { name: 'a', content: 'x', deflate: true, claim: { size: 0x7fffffff } },
      { name: 'b', content: 'x', deflate: true, claim: { size: 0x7fffffff } },
      { name: 'c', content: 'x', deflate: true, claim: { size: 0x7fffffff } },
    ],
  ],
])('W-PKG-9 a wheel with %s is refused', async (_what, files) => {
  await expect(environment.unpack(FILE, zip(files))).rejects.toThrow(
    expect.objectContaining({ code: 'package-integrity', message: expect.stringContaining(FILE.file) }),
  );
  expect(readlinkSync(join(folder, 'bin/python'))).toBe(PYTHON.file);
  expect(existsSync(join(folder, '../evil.py'))).toBe(false);
});

describe('entry points', () => {
  test('only those of the console are programs, and only well-formed ones', () => {
    const found = entryPoints(
      [
        '[gui_scripts]',
        'window = a:main',
        '[console_scripts]',
        '# comment',
        'one = a.b:main',
        'two=a:C.run [extra]',
        'python3 = a:main',
        '../three = a:main',
        'four = a:main(); import os',
        'five = a',
        'six = a:main:again',
        '[other]',
        'seven = a:main',
      ].join('\r\n'),
    );
    expect(found).toEqual([
      ['one', 'a.b', 'main'],
      ['two', 'a', 'C.run'],
    ]);
  });
});
