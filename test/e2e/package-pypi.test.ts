// A server of PyPI: from the uvx line of a README to a pinned server that answers in a sandbox, offline; what happens if
// its files or its Python change; and every hint on the way, followed as it is printed. The index is on loopback.
import { execFileSync } from 'node:child_process';
import { chmodSync, globSync, mkdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { splitWords } from '../../src/package/words.ts';
import { Home, SAID } from '../fixtures/home.ts';
import { type PythonIndex, startPythonIndex } from '../fixtures/python-index.ts';

/** A server with one tool, which says what it sees: a class of its dependency, its arguments and its process. */
const SERVER = `
import json, os, subprocess, sys
from words import greet
TOOL = {"name": "greet", "inputSchema": {"type": "object"}}
def answer(method):
    if method == "initialize":
        return {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": {"name": "greet", "version": "1"}}
    if method == "tools/list": return {"tools": [TOOL]}
    if method == "tools/call":
        child = subprocess.run([sys.executable, "-m", "words"], capture_output=True, text=True).stdout.strip()
        return {"content": [{"type": "text", "text": f"{greet()} {sys.argv[1:]} child {child}"}]}
def main():
    for line in sys.stdin:
        message = json.loads(line)
        if "id" not in message: continue
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": answer(message["method"]) or {}}), flush=True)
`;

let home: Home;
let index: PythonIndex;

beforeAll(async () => {
  index = await startPythonIndex('json');
  home = new Home({ env: { PIP_CONFIG_FILE: '/dev/null', PIP_INDEX_URL: index.url, PIP_RETRIES: '0' } });
  publishWords('1.0');
  for (const version of ['1.0', '2.0']) {
    index.publish({
      name: 'mcp-greet',
      version,
      metadata: ['Requires-Dist: words'],
      scripts: { 'mcp-greet': 'mcp_greet:main' },
      files: { 'mcp_greet.py': SERVER },
    });
  }
});

afterAll(async () => {
  execFileSync('chmod', ['-R', 'u+w', home.dir]);
  await home[Symbol.asyncDispose]();
  await index[Symbol.asyncDispose]();
});

function publishWords(version: string): void {
  index.publish({
    name: 'words',
    version,
    files: {
      'words/__init__.py': `def greet(): return "hello from ${version}"\n`,
      'words/__main__.py': 'import words; print(words.greet())\n',
    },
  });
}

const profileOf = (name: string): string => readFileSync(join(home.places.profiles, `${name}.yaml`), 'utf8');

async function answer(name: string): Promise<string> {
  await using host = home.run(name);
  expect((await host.initialize()).error).toBeUndefined();
  return await host.call('greet', {});
}

/** Runs a command that fails, and returns its exit code and the commands that its hint quotes. */
async function hints(args: readonly string[], error: RegExp): Promise<{ code: number; quoted: string[] }> {
  const { code, stderr } = await home.warder([...args]);
  expect(stderr).toMatch(error);
  const hint = /^(?:warder: )?hint: (.*)$/m.exec(stderr)?.[1] ?? '';
  return { code, quoted: [...hint.matchAll(/"([^"]+)"/g)].map(([, text = '']) => text) };
}

test('W-PKG-1 a uvx line is pinned, starts offline in the sandbox, and is checked', async () => {
  const added = await home.done([
    'add',
    'greet',
    '--allow',
    '*',
    '--from-uvx',
    "uvx 'mcp-greet==1.0' --loud",
  ]);
  expect(added).toMatch(
    /package: pypi:mcp-greet==1\.0, installed once; it starts offline, with Python 3\.\d+\.\d+ alone/,
  );
  expect(profileOf('greet')).toContain('package: pypi:mcp-greet==1.0');
  const asked = index.downloads.length;
  publishWords('1.5');
  expect(await answer('greet')).toBe("hello from 1.0 ['--loud'] child hello from 1.0");
  expect(index.downloads).toHaveLength(asked);
  const opened = home.audit('session.open').at(-1);
  expect(opened?.command[0]).toMatch(/\/tree\/bin\/python$/);
  expect(opened?.sandbox.off).toBe(false);
  const checked = await home.done(['check', 'greet']);
  expect(checked).toContain('greet: ok');
  expect(checked).toMatch(/^ +\/.*\/tree\/bin\/mcp-greet$/m);
  const [row] = await home.facts('package', 'list');
  expect(row).toMatchObject({
    package: 'pypi:mcp-greet==1.0',
    bin: ['mcp-greet'],
    dependencies: 1,
    installed: true,
    profiles: ['greet'],
    python: expect.stringMatching(/^3\./),
  });
  expect(await home.done(['package', 'verify'])).toMatch(/ok +greet: pypi:mcp-greet==1\.0/);
});

test('an update is shown, then pinned; sweep removes what no profile uses', async () => {
  await home.done(['add', 'other', '--allow', '*', '--package', 'pypi:Mcp_Greet==1.0', '--bin', 'mcp-greet']);
  publishWords('1.7');
  const shown = await home.done(['package', 'update', 'other', '--dry-run']);
  expect(shown).toContain('mcp-greet 1.0 -> 2.0');
  expect(shown).toContain('words 1.5 -> 1.7');
  await home.done(['package', 'update', 'other', '--yes']);
  expect(profileOf('other')).toContain('package: pypi:mcp-greet==2.0');
  expect(await answer('other')).toBe('hello from 1.7 [] child hello from 1.7');
  expect(await answer('greet')).toContain('hello from 1.0');
  await home.done(['remove', 'other', '--yes']);
  const { removed } = await home.facts('package', 'sweep', '--yes');
  expect(removed).toContain('other/pypi+mcp-greet==2.0');
  expect(await answer('greet')).toContain('hello from 1.0');
});

test('W-PKG-3 a module that was changed does not run: exit code 77, it is named, recorded, and installed again', async () => {
  const [file = ''] = globSync(
    join(home.places.state, 'packages/pypi+mcp-greet==1.0-*/tree/lib/*/site-packages/words/__init__.py'),
  );
  chmodSync(file, 0o600);
  writeFileSync(file, 'def greet(): return "evil"\n');
  const run = await home.warder(['run', 'greet'], SAID);
  expect(run).toMatchObject({ code: 77 });
  expect(run.stderr).toContain('site-packages/words/__init__.py');
  expect(home.audit('trust.change').at(-1)).toMatchObject({
    package: 'pypi:mcp-greet==1.0',
    outcome: 'refused',
  });
  const { code, quoted } = await hints(['package', 'lock', 'greet'], /is not what was locked/);
  expect(code).toBe(77);
  await home.done((quoted[0] ?? '').split(' ').slice(1));
  expect(await answer('greet')).toContain('hello from 1.0');
});

test('W-PKG-11 when the Python of a lock is another one, the start is refused and the hint pins it again', async () => {
  const folder = join(home.dir, 'python/bin');
  const python = join(folder, 'python3');
  const real = realpathSync('/usr/bin/python3');
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    python,
    `#!/bin/sh\ncase "$*" in *multiarch*) printf '%s\\n' ${python} 3.9.1 old;; *) exec ${real} "$@";; esac\n`,
  );
  chmodSync(python, 0o755);
  await home.done(['add', 'aged', '--allow', '*', '--python', python, '--package', 'pypi:mcp-greet==1.0']);
  rmSync(python);
  const run = await home.warder(['run', 'aged'], SAID);
  expect(run.code).toBe(65);
  expect(run.stderr).toMatch(/was locked for Python 3\.9 \(old\), but ".*" is not there/);
  expect(await home.done(['check', 'aged'])).toMatch(/was locked for Python 3\.9 \(old\), but/);
  const { quoted } = await hints(['package', 'lock', 'aged', '--again'], /was locked for Python 3\.9/);
  expect(quoted).toEqual(['warder package update aged --to 1.0']);
  const shown = await home.done([...(quoted[0] ?? '').split(' ').slice(1), '--yes']);
  expect(shown).toMatch(/Python 3\.9 -> 3\.\d+/);
  expect(await answer('aged')).toContain('hello from');
});

test('hints of packages that cannot be had, and of a Python that is not there', async () => {
  const add = (...words: string[]) => ['add', 'x', ...words];
  const python = await hints(
    add('--python', '9.99', '--package', 'pypi:words'),
    /cannot find the program "python9\.99"/,
  );
  expect(python.code).toBe(65);
  // As printed, with a Python that is here.
  const option = (python.quoted.at(-1) ?? '').split(' ');
  expect(option).toEqual(['--python', '/usr/bin/python3']);
  await home.done(['add', 'y', '--allow', '*', ...option, '--from-uvx', 'uvx mcp-greet@1.0']);
  const { quoted } = await hints(add('--package', 'pypi:no-such'), /the index has no such package/);
  expect(quoted).toEqual(['pip config list']);
  execFileSync('/usr/bin/python3', ['-m', ...(quoted[0] ?? '').split(' ')], {
    env: { ...process.env, ...home.env },
  });
  const plain = await home.warder(['add', 'z', '--', 'uvx', 'mcp-greet@1.0', '--loud', 'a b']);
  expect(plain.code).toBe(64);
  const command = /hint: pin it: warder (.*)$/m.exec(plain.stderr)?.[1] ?? '';
  await home.done(splitWords(command, (why) => new Error(why)));
  await home.done(['policy', 'choose', 'z', '--allow', 'greet']);
  expect(await answer('z')).toContain("['--loud', 'a b']");
  const { quoted: lines } = await hints(add('--from-uvx', 'uvx --with a b'), /it has the option "--with"/);
  expect(lines[0]).toBe('uvx mcp-server-fetch args');
});
