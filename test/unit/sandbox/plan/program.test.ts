// What a command needs besides the system. It is narrow, and found by the markers of packages and runtimes.
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { inspect } from '../../../../src/sandbox/plan/inspect.ts';
import { readInvocation } from '../../../../src/sandbox/plan/invocation.ts';
import { linksOf, PathHandles } from '../../../../src/sandbox/plan/path-handles.ts';
import { programNeeds, shimOf } from '../../../../src/sandbox/plan/program.ts';

let home = '';

beforeEach(() => {
  home = join(realpathSync(mkdtempSync(join(tmpdir(), 'warder-program-'))), 'home/me');
  mkdirSync(home, { recursive: true });
});

afterEach(() => {
  rmSync(dirname(dirname(home)), { recursive: true, force: true });
});

function file(path: string, text = ''): string {
  const whole = join(home, path);
  mkdirSync(dirname(whole), { recursive: true });
  writeFileSync(whole, text);
  chmodSync(whole, 0o755);
  return whole;
}

function link(path: string, to: string): string {
  const whole = join(home, path);
  mkdirSync(dirname(whole), { recursive: true });
  symlinkSync(to, whole);
  return whole;
}

const short = (paths: readonly string[]): string[] =>
  paths.map((path) => path.replace(`${home}/`, '')).toSorted();
const all = (file: string, ...args: string[]) =>
  programNeeds({ file, args, cwd: home, path: '/usr/local/bin:/usr/bin:/bin', home });
const needs = (program: string, ...args: string[]): string[] => short(all(program, ...args).paths);

test('a system program needs nothing, any other program needs itself', () => {
  expect(needs('/bin/sh', '-c', 'exit')).toEqual([]);
  expect(needs(file('go/bin/server'))).toEqual(['go/bin/server']);
});

test('a script that an interpreter runs needs its package, or itself alone', () => {
  expect(needs('/bin/sh', file('tools/server.sh'))).toEqual(['tools/server.sh']);
  file('project/package.json', '{}');
  expect(needs('/usr/bin/node', '--no-warnings', file('project/dist/index.js'))).toEqual(['project']);
  expect(needs('/usr/bin/node', 'project/dist/index.js')).toEqual(['project']);
  expect(needs('/usr/bin/node', file('other/node_modules/@scope/server/dist/index.js'))).toEqual([
    'other/node_modules',
  ]);
});

test('a package of a workspace needs the modules above it, and the packages that are linked there', () => {
  file('code/repo/package.json', '{"workspaces":["src/*"]}');
  file('code/repo/node_modules/dep/index.js');
  file('code/repo/src/one/package.json', '{}');
  file('code/repo/src/two/package.json', '{}');
  link('code/repo/node_modules/@me/two', join(home, 'code/repo/src/two'));
  link('code/repo/node_modules/elsewhere', file('private/secret'));
  link('code/repo/node_modules/gone', join(home, 'gone'));
  expect(needs('/usr/bin/node', file('code/repo/src/one/dist/index.js'))).toEqual([
    'code/repo/node_modules',
    'code/repo/src/one',
    'code/repo/src/two',
  ]);
});

test('modules in the home folder, or above a package that is no workspace, are not needed', () => {
  file('node_modules/dep/index.js');
  file('package.json', '{}');
  file('code/node_modules/dep/index.js');
  file('code/one/package.json', '{}');
  expect(needs('/usr/bin/node', file('code/one/index.js'))).toEqual(['code/one']);
});

const request = (command: string, args: readonly string[], read: readonly string[] = []) => ({
  profile: 'a',
  uid: 1000,
  gid: 1000,
  user: 'me',
  home,
  file: command,
  args,
  cwd: undefined,
  env: { PATH: '/usr/bin:/bin' },
  sandbox: { read, write: [], network: [], memory: undefined, processes: undefined },
  roots: [],
  node: process.execPath,
  warder: [],
});

test('a shim of pyenv’s kind needs its version manager; others are refused unless their folder is listed', () => {
  for (const name of ['libexec/pyenv', 'versions/3/bin/python', 'shims/python']) file(`.pyenv/${name}`);
  expect(needs(join(home, '.pyenv/shims/python'))).toContain('.pyenv');
  const shim = file('.asdf/shims/node');
  expect(shimOf(shim)).toEqual({ root: join(home, '.asdf'), complete: false });
  expect(shimOf('/usr/bin/node')).toBeUndefined();
  using handles = new PathHandles();
  expect(() => inspect(request(shim, []), handles)).toThrow(
    expect.objectContaining({ code: 'profile-invalid', hint: expect.stringContaining('asdf which NAME') }),
  );
  expect(() => inspect(request(shim, [], [join(home, '.asdf')]), handles)).not.toThrow();
  link('.volta/bin/node', file('.volta/bin/volta-shim'));
  expect(shimOf(join(home, '.volta/bin/node'))?.complete).toBe(false);
});

test('the links that lead to a script are in the sandbox, too', () => {
  file('real/pkg/package.json', '{}');
  file('real/pkg/s.mjs');
  const projects = link('projects', join(home, 'real'));
  const script = link('one.mjs', join(home, 'projects/pkg/s.mjs'));
  using handles = new PathHandles();
  const { links, listed } = inspect(request(process.execPath, [script]), handles);
  expect(links).toEqual(
    expect.arrayContaining([
      { at: script, to: join(projects, 'pkg/s.mjs') },
      { at: projects, to: join(home, 'real') },
    ]),
  );
  expect(listed.map(({ path }) => path)).toContain(join(home, 'real/pkg'));
});

test('an argument of a program that is not an interpreter is not needed', () => {
  expect(needs(file('go/bin/server'), file('private.db'))).toEqual(['go/bin/server']);
});

test('a package in the home folder itself does not include the home', () => {
  file('package.json', '{}');
  expect(needs('/usr/bin/node', file('index.js'))).toEqual(['index.js']);
});

test('a user’s runtime is included as a whole: found by its marker, through links', () => {
  file('.nvm/versions/node/v22/lib/node_modules/npm/package.json', '{}');
  file('.nvm/versions/node/v22/bin/node');
  expect(needs(link('.local/bin/node', join(home, '.nvm/versions/node/v22/bin/node')))).toEqual([
    '.nvm/versions/node/v22',
  ]);
});

test('a virtual environment is included with the Python that it links to, also for a script’s interpreter', () => {
  file('python/lib/python3.12/os.py');
  const python = file('python/bin/python3.12');
  file('venv/pyvenv.cfg');
  link('venv/bin/python', python);
  const script = file('venv/bin/server', `#!${home}/venv/bin/python\n`);
  expect(needs(link('.local/bin/server', script))).toEqual(['python', 'venv']);
});

test('env in a first line finds the program in the server’s PATH', () => {
  expect(needs(file('tools/run', '#!/usr/bin/env -S sh -e\n'))).toEqual(['tools/run']);
});

test('links are listed without links above them, and a circle of links ends', () => {
  mkdirSync(join(home, 'real/inner'), { recursive: true });
  link('outer', 'real');
  link('real/link', 'inner');
  link('round', 'round');
  expect(linksOf(join(home, 'outer/link/x'))).toEqual([
    { at: join(home, 'outer'), to: join(home, 'real') },
    { at: join(home, 'real/link'), to: join(home, 'real/inner') },
  ]);
  expect(linksOf(join(home, 'round')).length).toBe(40);
});

test('an opened path stays open', () => {
  using handles = new PathHandles();
  mkdirSync(join(home, 'a'));
  link('to-a', 'a');
  expect(handles.open(join(home, 'to-a'))).toEqual({ path: join(home, 'a'), kind: 'folder' });
  expect(handles.descriptorOf(join(home, 'a'))).toBeGreaterThan(2);
  expect(handles.descriptorOf(join(home, 'b'))).toBeUndefined();
  expect(() => handles.open(join(home, 'b'))).toThrow(expect.objectContaining({ code: 'ENOENT' }));
});

test('what env, a plain command of a shell, and options of an interpreter name is needed too', () => {
  const node = file('tools/node/bin/node');
  file('tools/node/include/node/node.h');
  const script = file('one/server.js');
  expect(needs('/usr/bin/env', '-u', 'X', 'A=1', node, script)).toEqual(['one/server.js', 'tools/node']);
  expect(needs('/usr/bin/env', '-S', `A=1 ${node}`, script)).toEqual(['one/server.js', 'tools/node']);
  expect(needs('/bin/sh', '-c', `cd "${home}/one" && A='b c' exec ${node} server.js --x`)).toEqual([
    'one/server.js',
    'tools/node',
  ]);
  expect(needs('/bin/bash', '-lc', `node ${script}`)).toEqual(['one/server.js']);
  const env = file('settings/local.env');
  const first = file('first/load.mjs');
  expect(
    needs(node, `--env-file=${env}`, '--import', first, '-C', 'dev', script, '--env-file', 'other'),
  ).toEqual(['first/load.mjs', 'one/server.js', 'settings/local.env', 'tools/node']);
  expect(needs(node, '--env-file', env, script)).toContain('one/server.js');
  expect(needs('/usr/bin/java', '-cp', `${first}:${env}`, '-jar', script)).toEqual([
    'first/load.mjs',
    'one/server.js',
    'settings/local.env',
  ]);
  expect(needs(file('bin/deno'), 'run', '-A', script)).toEqual(['bin/deno', 'one/server.js']);
  expect(needs('/usr/bin/python3', '-m', script)).toEqual([]);
});

test('what a shell would do more is not guessed', () => {
  const script = file('one/server.js');
  for (const text of [`node ${script} | tee log`, `node $HOME/x`, `a; node ${script}`, 'node "unclosed']) {
    expect(readInvocation('/bin/sh', ['-c', text])).toMatchObject({ inner: undefined, unread: text });
    expect(needs('/bin/sh', '-c', text)).toEqual([]);
  }
});

test('W-BOX-35 a virtual environment needs the project around it that is installed editable, and no other folder', () => {
  const packages = 'code/one/.venv/lib/python3.11/site-packages';
  const python = link('code/one/.venv/bin/python', '/usr/bin/python3');
  file('code/one/.venv/pyvenv.cfg', 'home = /usr/bin');
  file('code/one/pyproject.toml');
  file('code/one/src/one/server.py');
  file('code/two/two/server.py');
  file('notes/diary');
  link('code/one/out', join(home, 'notes'));
  // Any package can bring such files: they must not open what is elsewhere.
  file(
    `${packages}/__editable__.one-1.pth`,
    `${home}/code/one/src\nimport something\n${home}/gone\n${home}/notes\n${home}\n/\n${home}/code/one/out\n`,
  );
  const url = (path: string, editable: boolean): string =>
    JSON.stringify({ url: `file://${home}/${path}`, dir_info: { editable } });
  file(`${packages}/two-1.dist-info/direct_url.json`, url('code/two', true));
  file(`${packages}/three-1.dist-info/direct_url.json`, url('code', false));
  file(`${packages}/four-1.dist-info/direct_url.json`, 'not JSON');
  const expected = ['code/one/.venv', 'code/one/src'];
  expect(needs(python, '-m', 'one.server')).toEqual(expected);
  expect(short(all(python).unlisted)).toEqual(['/', home, 'code/one/out', 'code/two', 'notes'].toSorted());
  // A console script names the environment's Python.
  expect(needs(file('code/one/.venv/bin/one', `#!${python}\nimport one\n`))).toEqual(expected);
});

test('W-BOX-35 a script cannot bring in a document by naming it as its interpreter', () => {
  const document = file('notes/diary', 'private');
  chmodSync(document, 0o644);
  expect(needs(file('bin/server', `#!${document}\n`))).toEqual(['bin/server']);
});
