import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Log } from '../../../src/os/log.ts';
import { type ProfileChange, Profiles } from '../../../src/profile/watch.ts';
import { type Places, places } from '../../../src/wire/places.ts';

/** A log that records its warnings. */
class Memory implements Log {
  readonly warnings: string[] = [];
  debug(): void {}
  info(): void {}
  error(): void {}
  warn(_fields: object, message: string): void {
    this.warnings.push(message);
  }
}

let home: string;
let here: Places;
let log: Memory;
let profiles: Profiles;
let changes: ProfileChange[];

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'warder-watch-'));
  here = places({
    platform: process.platform,
    env: { WARDER_HOME: home },
    home,
    uid: process.getuid?.() ?? 0,
  });
  mkdirSync(here.profiles, { recursive: true, mode: 0o700 });
  save('github', profile('one'));
  log = new Memory();
  profiles = await Profiles.open(here, log);
  changes = [];
  profiles.onChange((change) => changes.push(change));
});

afterEach(async () => {
  await profiles[Symbol.asyncDispose]();
  rmSync(home, { recursive: true, force: true });
});

function profile(argument: string): string {
  return `server: {command: node, args: [${argument}]}\n`;
}

function path(name: string): string {
  return join(here.profiles, `${name}.yaml`);
}

function save(name: string, text: string): void {
  writeFileSync(path(name), text, { mode: 0o600 });
}

/** The argument that distinguishes these profiles. */
function argument(name: string): string | undefined {
  const { server } = profiles.get(name).profile;
  return server.kind === 'command' ? server.args[0] : undefined;
}

function told(): string[] {
  return changes.map(({ name, change }) => `${name} ${change}`);
}

/** Waits until the watcher has reported the expected changes. */
async function until(...expected: string[]): Promise<void> {
  await expect.poll(() => told()).toEqual(expected);
}

test('profiles that exist at the start are known, and are not reported as changes', () => {
  expect(profiles.names).toEqual(['github']);
  expect(argument('github')).toBe('one');
  expect(told()).toEqual([]);
});

test('get returns a change that was just saved, without waiting for the watcher', () => {
  for (let i = 0; i < 50; i++) {
    save('github', profile(`v${i}`));
    expect(argument('github')).toBe(`v${i}`);
  }
  // The same length and the same time: the stamp still differs.
  const time = new Date(1_700_000_000_000);
  for (const value of ['aa', 'bb', 'cc']) {
    save('github', profile(value));
    utimesSync(path('github'), time, time);
    expect(argument('github')).toBe(value);
  }
  save('new', profile('x'));
  expect(argument('new')).toBe('x');
  unlinkSync(path('new'));
  expect(() => profiles.get('new')).toThrow(expect.objectContaining({ code: 'profile-missing' }));
});

test('the watcher reports files that are added, changed, broken, repaired and removed', async () => {
  save('slack', profile('one'));
  await until('slack added');
  save('slack', profile('two'));
  await until('slack added', 'slack changed');
  save('slack', 'server: [');
  await until('slack added', 'slack changed', 'slack broken');
  save('slack', profile('three'));
  await until('slack added', 'slack changed', 'slack broken', 'slack changed');
  unlinkSync(path('slack'));
  await until('slack added', 'slack changed', 'slack broken', 'slack changed', 'slack removed');
  expect(changes[1]?.digest).toMatch(/^[0-9a-f]{64}$/);
  expect(changes[1]?.digest).not.toBe(changes[0]?.digest);
});

test('W-PROF-8 while a file is broken the last valid version stays in use, and the problem is reported', async () => {
  save('github', 'server: {comand: node}\n');
  await until('github broken');
  expect(argument('github')).toBe('one');
  expect(profiles.broken.get('github')).toContain('github.yaml:1:10: server.comand: unknown key');
  expect(profiles.broken.get('github')).toContain('the last valid version is in use');
  expect(log.warnings.join('\n')).toContain('server.comand');
  save('github', profile('two'));
  expect(argument('github')).toBe('two');
  expect(profiles.broken.size).toBe(0);
});

test('a file that was never valid gives its error', () => {
  save('new', 'server: {comand: node}\n');
  expect(() => profiles.get('new')).toThrow(expect.objectContaining({ code: 'profile-invalid' }));
  expect(profiles.broken.get('new')).not.toContain('last valid');
});

test('W-PROF-8 a removed profile is gone at once, even if its last file was broken', async () => {
  save('github', 'server: [');
  expect(argument('github')).toBe('one');
  unlinkSync(path('github'));
  expect(() => profiles.get('github')).toThrow(expect.objectContaining({ code: 'profile-missing' }));
});

test('W-PROF-7 while others can write a file its last valid version stays in use', () => {
  save('github', profile('evil'));
  chmodSync(path('github'), 0o666);
  expect(argument('github')).toBe('one');
  expect(profiles.broken.get('github')).toContain('others can write');
  chmodSync(path('github'), 0o600);
  expect(argument('github')).toBe('evil');
});

test('a file that an editor replaces by renaming is one change', async () => {
  const draft = join(here.profiles, '.github.yaml.swp');
  writeFileSync(draft, profile('two'), { mode: 0o600 });
  renameSync(path('github'), `${path('github')}~`);
  renameSync(draft, path('github'));
  await until('github changed');
  expect(argument('github')).toBe('two');
});

test('a file saved again with the same bytes is not a change', async () => {
  save('github', profile('one'));
  save('marker', profile('x'));
  await until('marker added');
});

test('a folder that is removed and created again is watched again', async () => {
  rmSync(here.profiles, { recursive: true });
  await until('github removed');
  mkdirSync(here.profiles, { mode: 0o700 });
  save('github', profile('two'));
  await until('github removed', 'github added');
  save('github', profile('three'));
  await until('github removed', 'github added', 'github changed');
});

test('a symbolic link is followed, also when it points to another file', async () => {
  for (const name of ['a', 'b']) writeFileSync(join(home, name), profile(name), { mode: 0o600 });
  symlinkSync(join(home, 'a'), path('link'));
  expect(argument('link')).toBe('a');
  writeFileSync(join(home, 'a'), profile('aa'));
  expect(argument('link')).toBe('aa');
  unlinkSync(path('link'));
  symlinkSync(join(home, 'b'), path('link'));
  expect(argument('link')).toBe('b');
});

test('a misnamed file is reported', async () => {
  writeFileSync(join(here.profiles, 'Slack.yml'), profile('x'));
  await expect.poll(() => [...profiles.broken.keys()]).toEqual(['Slack.yml']);
  expect(log.warnings.join('\n')).toContain('Slack.yml');
});

test('W-PROF-3 a name with a path in it is refused', () => {
  expect(() => profiles.get('../github')).toThrow(expect.objectContaining({ code: 'name-invalid' }));
});

test('nothing is reported after it is closed', async () => {
  await profiles[Symbol.asyncDispose]();
  save('slack', profile('one'));
  expect(argument('slack')).toBe('one');
  expect(told()).toEqual([]);
});
