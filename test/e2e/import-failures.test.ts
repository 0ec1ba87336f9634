// An import that does not come to its end: killed for real, at each step that changes a file of a host, what undoes it, a
// profile or a secret; without its daemon; with a file that cannot be written. What is left each time, the next import, and
// the way back.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { linkSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Home } from '../fixtures/home.ts';

const KILLER = join(import.meta.dirname, '../fixtures/kill-at.cjs');

let home: Home;
/** The hosts' files, with their texts before and after an import. */
let files: { readonly path: string; readonly before: string; readonly after: string }[];

beforeAll(async () => {
  home = new Home();
  await home.done(['init', '--store', 'vault', '--key-file', join(home.dir, 'key')]);
  const script = join(import.meta.dirname, '../fixtures/servers/small.cjs');
  const launch = join(home.dir, '.local/share/warder/bin/warder');
  const json = (name: string, entry: object): string =>
    `${JSON.stringify({ keep: 1, mcpServers: { [name]: entry } }, null, 2)}\n`;
  const command = process.execPath;
  const entry = { command, args: [script], env: { API_KEY: 'correct-horse-battery' } };
  const other = { command, args: [script], env: { DB_PASSWORD: 'staple-of-another-0815' } };
  files = [
    {
      path: put('.cursor/mcp.json', json('one', entry)),
      before: json('one', entry),
      after: json('one', { command: launch, args: ['run', 'one'] }),
    },
    {
      path: put('.gemini/settings.json', json('two', other)),
      before: json('two', other),
      after: json('two', { command: launch, args: ['run', 'two'] }),
    },
  ];
});

afterAll(async () => {
  await home[Symbol.asyncDispose]();
});

function put(path: string, text: string): string {
  const file = join(home.dir, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text, { mode: 0o600 });
  return file;
}

/** Imports, with the killer in it. */
async function importing(env: { readonly [name: string]: string }): Promise<(number | string | null)[]> {
  const [node = '', warder = ''] = home.program;
  const child = spawn(node, ['--require', KILLER, warder, 'import', '--apply', '--yes'], {
    env: { ...home.env, ...env },
    cwd: home.dir,
    stdio: 'ignore',
  });
  return await once(child, 'close');
}

const isOld = ({ path, before }: (typeof files)[number]): boolean => readFileSync(path, 'utf8') === before;
const isNew = ({ path, after }: (typeof files)[number]): boolean =>
  isDeepStrictEqual(JSON.parse(readFileSync(path, 'utf8')), JSON.parse(after));

async function secrets(): Promise<string[]> {
  await using control = await home.control();
  const { credentials } = await control.request('credential.list', {});
  return credentials.map(({ name }) => name).sort();
}

const profiles = (): string[] =>
  readdirSync(home.places.profiles)
    .filter((name) => name.endsWith('.yaml'))
    .sort();

/** What holds whenever an import was killed. */
async function expectWhole(step: string): Promise<void> {
  expect(
    files.map((file) => isOld(file) || isNew(file)),
    step,
  ).toEqual([true, true]);
  for (const name of await secrets())
    expect(profiles(), `${step}: ${name}`).toContain(`${name.split('/')[0]}.yaml`);
}

/** Imports what is left, undoes all of it, and removes the profiles, so that all is as in the beginning. */
async function expectWayBack(step: string): Promise<void> {
  const { code, stderr } = await home.warder(['import', '--apply', '--yes']);
  if (files.every(isOld)) expect([code, stderr], step).toEqual([0, stderr]);
  expect(files.map(isNew), `${step}: ${stderr}`).toEqual([true, true]);
  expect(profiles(), step).toEqual(['one.yaml', 'two.yaml']);
  expect(await secrets(), step).toEqual(['one/API_KEY', 'two/DB_PASSWORD']);
  expect(readdirSync(join(home.places.state, 'importing')), step).toEqual([]);
  for (const file of files)
    expect(readdirSync(dirname(file.path)), step).toEqual([file.path.slice(dirname(file.path).length + 1)]);
  while ((await home.facts('undo', '--list')).length > 0) await home.done(['undo', '--yes']);
  expect(files.map(isOld), step).toEqual([true, true]);
  await reset();
}

/** Removes what stays when an import is undone. */
async function reset(): Promise<void> {
  await using control = await home.control();
  for (const name of await secrets()) await control.request('credential.remove', { name });
  rmSync(home.places.profiles, { recursive: true });
}

/** Where to kill: before a step, or after it. */
type Kill = { readonly KILL_AT: string } | { readonly KILL_AFTER: string };

/** The steps that write a host's file, in their order; `rm` is that of what the kill before it has left. */
function writing(name: string, file: string): Kill[] {
  const [folder, base] = [dirname(file), file.slice(dirname(file).length + 1)];
  const temporary = `/\\.${base}\\.warder-`;
  return [
    ...['open', 'writeFile', 'fchmod', 'rm', 'fsync', 'rename'].map((call) => ({
      KILL_AT: `${call} .*${temporary}`,
    })),
    { KILL_AFTER: `rename .*${temporary}` },
    { KILL_AT: `fsync .*/\\${folder}$` },
    { KILL_AT: `rm .*/importing/${name}$` },
  ];
}

test('W-HOST-22 W-HOST-47 killed at any step, an import leaves each host’s file whole and no secret without its profile; the next one ends as if nothing had been, and undo gives the bytes back', async () => {
  const making = [
    'link .*/importing/one',
    'rename .*/importing/one',
    'link .*/profiles/one',
    'send credential.set',
    'send initialize',
    'send host.keep',
  ].map((KILL_AT) => ({ KILL_AT }));
  for (const kill of [...making, ...writing('one', '.cursor/mcp.json')]) {
    const step = JSON.stringify(kill);
    expect(await importing(kill), step).toEqual([null, 'SIGKILL']);
    await expectWhole(step);
    if (files.some(isNew)) await expectWayBack(step);
  }
  // The second host's file; the first is done with the first of these.
  const steps = writing('two', '.gemini/settings.json').slice(0, -2);
  for (const kill of steps) {
    const step = JSON.stringify(kill);
    expect(await importing(kill), step).toEqual([null, 'SIGKILL']);
    await expectWhole(step);
    expect(files.map(isNew), step).toEqual([true, kill === steps.at(-1)]);
  }
  await expectWayBack('the second file');
});

test('W-HOST-22 W-HOST-47 where the daemon is killed while it stores a secret or what undoes a change, the file stays, its server is taken back, and the next file is done', async () => {
  for (const env of [{ KILL_AFTER: 'send credential.set' }, { KILL_AFTER: 'send host.keep' }]) {
    const step = JSON.stringify(env);
    const pid = home.daemon() ?? 0;
    const [code, signal] = await importing({ ...env, KILL_PID: String(pid) });
    expect(signal, step).toBe(null);
    expect(home.daemon(), step).not.toBe(pid);
    await expectWhole(step);
    expect([code, files.map(isNew)], step).toEqual(
      'KILL_AFTER' in env && step.includes('credential') ? [0, [false, true]] : [1, [false, true]],
    );
    await expectWayBack(step);
  }
});

test('W-HOST-45 W-HOST-47 what a person has made of a killed import’s profile stays; doctor names it, and secrets without a profile', async () => {
  const details = async (): Promise<string[]> => {
    const { checks } = JSON.parse((await home.warder(['doctor', '--json'])).stdout);
    return checks.map(({ detail }: { detail: string }) => detail);
  };
  await importing({ KILL_AT: 'send initialize' });
  await using control = await home.control();
  await control.request('credential.set', { name: 'gone/API_KEY', value: 'correct-horse-battery' });
  expect(await details()).toEqual(
    expect.arrayContaining([
      'an import was killed while it made the profile "one"',
      '"gone/API_KEY" is of a profile that is no more',
    ]),
  );
  await control.request('credential.remove', { name: 'gone/API_KEY' });
  const profile = join(home.places.profiles, 'one.yaml');
  writeFileSync(profile, `${readFileSync(profile, 'utf8')}# mine\n`);
  await home.done(['import', '--apply', '--yes']);
  expect(profiles()).toEqual(['one-2.yaml', 'one.yaml', 'two.yaml']);
  expect(await secrets()).toEqual(['one-2/API_KEY', 'one/API_KEY', 'two/DB_PASSWORD']);
  expect((await details()).filter((detail) => detail.includes('killed'))).toEqual([]);
  await home.done(['undo', '--yes']);
  await reset();
});

test('W-HOST-46 a file that cannot be written stays with its servers, the others are done, and all is said; one file of two hosts is moved once', async () => {
  const [cursor, gemini] = files;
  if (cursor === undefined || gemini === undefined) throw new Error('no files');
  linkSync(cursor.path, join(home.dir, 'second-name'));
  const { code, stdout } = await home.warder(['import', '--apply', '--yes']);
  expect(code).toBe(1);
  expect(stdout).toContain('one: left as it is: ');
  expect(stdout).toContain('a hard link');
  expect(stdout).toContain('1 server moved; not moved, and as before: one (cursor)');
  expect([isOld(cursor), isNew(gemini)]).toEqual([true, true]);
  expect([profiles(), await secrets()]).toEqual([['two.yaml'], ['two/DB_PASSWORD']]);
  await home.done(['undo', '--yes']);
  await reset();

  rmSync(join(home.dir, 'second-name'));
  rmSync(gemini.path);
  symlinkSync(cursor.path, gemini.path);
  expect(await home.facts('import', '--apply', '--yes')).toMatchObject([{ server: 'one', profile: 'one' }]);
  expect(isNew(cursor)).toBe(true);
  await home.done(['undo', '--yes']);
  expect(isOld(cursor)).toBe(true);
});
