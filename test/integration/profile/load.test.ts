import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { WarderError } from '../../../src/errors.ts';
import { listProfiles, loadProfile, removeProfile, writeProfile } from '../../../src/profile/load.ts';
import { loadSettings, settingsPath, updateSettings } from '../../../src/profile/settings.ts';
import { type Places, places } from '../../../src/wire/places.ts';

const SOUND = 'server: {command: node}\n';

let home: string;
let here: Places;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'warder-profile-'));
  here = places({
    platform: process.platform,
    env: { WARDER_HOME: home },
    home,
    uid: process.getuid?.() ?? 0,
  });
  mkdirSync(here.profiles, { recursive: true, mode: 0o700 });
});

afterEach(() => rmSync(home, { recursive: true, force: true }));

function save(name: string, text: string | Uint8Array, mode = 0o600): string {
  const file = join(here.profiles, `${name}.yaml`);
  writeFileSync(file, text);
  chmodSync(file, mode);
  return file;
}

function refusal(name: string): WarderError {
  try {
    loadProfile(here, name);
  } catch (error) {
    if (error instanceof WarderError) return error;
    throw error;
  }
  throw new Error('the profile was loaded');
}

describe('loading', () => {
  test('returns the profile, its file and the digest of its bytes', () => {
    const file = save('github', SOUND);
    const loaded = loadProfile(here, 'github');
    expect(loaded).toMatchObject({ name: 'github', file });
    expect(loaded.profile.server).toMatchObject({ command: 'node' });
    expect(loaded.digest).toBe(execFileSync('sha256sum', [file], { encoding: 'utf8' }).split(' ')[0]);
  });

  test('a missing profile is named, and the closest name is suggested', () => {
    save('github', SOUND);
    expect(refusal('githbu')).toMatchObject({ code: 'profile-missing', hint: 'did you mean "github"?' });
    expect(refusal('zzz').hint).toContain('warder add zzz');
  });

  test('W-PROF-3 a name with a path in it is refused before any file is accessed', () => {
    save('github', SOUND);
    writeFileSync(join(here.config, 'outside.yaml'), SOUND);
    for (const name of ['../outside', './github', 'github.yaml', join(here.profiles, 'github'), 'github\0']) {
      expect(refusal(name).code).toBe('name-invalid');
    }
  });

  test('bytes that are not UTF-8, a folder, a named pipe and a long file are refused', () => {
    save('bytes', Buffer.from([0x73, 0xff, 0xfe]));
    mkdirSync(join(here.profiles, 'folder.yaml'), { mode: 0o700 });
    execFileSync('mkfifo', ['-m', '600', join(here.profiles, 'pipe.yaml')]);
    save('long', `# ${'x'.repeat(300_000)}\n${SOUND}`);
    expect(refusal('bytes').message).toContain('is not UTF-8 text');
    expect(refusal('folder').message).toContain('is not a file');
    expect(refusal('pipe').message).toContain('is not a file');
    expect(refusal('long').message).toContain('is longer than 256 KiB');
  });

  test('a byte order mark and Windows line ends are accepted', () => {
    save('bom', '\ufeffserver:\r\n  command: node\r\n');
    expect(loadProfile(here, 'bom').profile.server).toMatchObject({ command: 'node' });
  });

  test.each([0o620, 0o602, 0o666])(
    'W-PROF-7 a file of mode %o, which others can write, is not read',
    (mode) => {
      const file = save('github', SOUND, mode);
      const error = refusal('github');
      expect(error.code).toBe('profile-invalid');
      expect(error.hint).toBe(`run "chmod go-w ${file}"`);
      chmodSync(file, 0o644);
      expect(loadProfile(here, 'github').name).toBe('github');
    },
  );

  test('W-PROF-7 a folder that others can write is not read from', () => {
    save('github', SOUND);
    chmodSync(here.profiles, 0o777);
    expect(refusal('github').hint).toBe(`run "chmod go-w ${here.profiles}"`);
  });

  // Only root can give a file away. Without root the tests of modes above cover the same code.
  test.runIf(process.getuid?.() === 0)('W-PROF-7 a file of another user is not read', () => {
    chownSync(save('github', SOUND), 12345, 12345);
    expect(refusal('github').message).toContain('belongs to another user');
  });

  test('W-PROF-7 a symbolic link is followed, and its target must be safe too', () => {
    const elsewhere = join(home, 'dotfiles');
    mkdirSync(elsewhere, { mode: 0o700 });
    const target = join(elsewhere, 'gh.yaml');
    writeFileSync(target, SOUND, { mode: 0o600 });
    symlinkSync(target, join(here.profiles, 'github.yaml'));
    expect(loadProfile(here, 'github').name).toBe('github');
    chmodSync(target, 0o666);
    expect(refusal('github').message).toContain('others can write');
    chmodSync(target, 0o600);
    chmodSync(elsewhere, 0o777);
    expect(refusal('github').hint).toBe(`run "chmod go-w ${elsewhere}"`);
    rmSync(target);
    expect(refusal('github').code).toBe('profile-missing');
  });

  test('the list has the names of profiles, and the misnamed files', () => {
    save('b', SOUND);
    save('a', 'broken: [');
    for (const file of ['c.yml', 'My Server.yaml', '.hidden.yaml', 'a.yaml~', 'notes.txt']) {
      writeFileSync(join(here.profiles, file), SOUND);
    }
    const { names, misnamed } = listProfiles(here);
    expect(names).toEqual(['a', 'b']);
    expect([...misnamed.keys()].sort()).toEqual(['My Server.yaml', 'c.yml']);
    rmSync(here.profiles, { recursive: true });
    expect(listProfiles(here).names).toEqual([]);
  });
});

describe('writing', () => {
  test('creates a file for the user alone, atomically, and leaves nothing else behind', () => {
    rmSync(here.profiles, { recursive: true });
    const file = writeProfile(here, 'github', SOUND);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(statSync(here.profiles).mode & 0o777).toBe(0o700);
    expect(readdirSync(here.profiles)).toEqual(['github.yaml']);
  });

  test('does not replace a profile that exists', () => {
    save('github', SOUND);
    expect(() => writeProfile(here, 'github', 'other')).toThrow(
      expect.objectContaining({ code: 'profile-exists' }),
    );
    expect(readFileSync(join(here.profiles, 'github.yaml'), 'utf8')).toBe(SOUND);
    expect(readdirSync(here.profiles)).toEqual(['github.yaml']);
  });

  test('replaces through a symbolic link, and keeps the link', () => {
    const target = join(home, 'gh.yaml');
    writeFileSync(target, SOUND);
    symlinkSync(target, join(here.profiles, 'github.yaml'));
    writeProfile(here, 'github', `${SOUND}env: {A: b}\n`, { replace: true });
    expect(readFileSync(target, 'utf8')).toContain('A: b');
    expect(loadProfile(here, 'github').profile.env).toEqual({ A: 'b' });
  });

  test('a folder that cannot be created gives a clear error', () => {
    rmSync(here.config, { recursive: true });
    writeFileSync(here.config, '');
    expect(() => writeProfile(here, 'github', SOUND)).toThrow(
      expect.objectContaining({ code: 'cannot-write', hint: expect.stringMatching(/EEXIST|ENOTDIR/) }),
    );
  });

  test('a removed profile is moved to another folder', () => {
    const file = save('github', SOUND);
    const kept = removeProfile(here, 'github', Date.UTC(2026, 0, 2, 3, 4, 5));
    expect(kept).toBe(join(here.state, 'removed', 'github.20260102T030405Z.yaml'));
    expect(readFileSync(kept, 'utf8')).toBe(SOUND);
    expect(existsSync(file)).toBe(false);
    expect(() => removeProfile(here, 'github', 0)).toThrow(
      expect.objectContaining({ code: 'profile-missing' }),
    );
  });
});

describe('settings', () => {
  test('have defaults if there is no file', () => {
    expect(loadSettings(here)).toEqual({
      store: undefined,
      vault: { key: 'passphrase' },
      keychain: { timeout: 10_000, patience: 45_000 },
      daemon: { idle: 900_000, log: { size: 4_194_304, keep: 3 } },
      relay: { line: 67_108_864 },
      rotation: { drain: 30_000 },
      egress: { resolvers: [], ca: undefined, proxy: undefined, login: undefined, except: [] },
      consent: {
        ways: ['host', 'desktop', 'terminal', 'pinentry'],
        timeout: 120_000,
        rate: 20,
        'first-use': 'ask',
      },
      remote: {},
      audit: { segment: 67_108_864, keep: {}, checkpoint: { records: 1000, every: 60_000 } },
    });
  });

  test('are read strictly, with the closest key suggested', () => {
    writeFileSync(
      settingsPath(here),
      'store: keychain\ndaemon: {idle: 15, logs: {}}\nvault: {key: {fle: /x}}\n',
    );
    expect(() => loadSettings(here)).toThrow(
      expect.objectContaining({
        code: 'config-invalid',
        message: expect.stringMatching(
          /warder\.yaml:2:16: daemon\.idle: must be text.*\n.*daemon\.logs: unknown key; did you mean "log"\?\n.*vault\.key/,
        ),
      }),
    );
  });

  test('one is changed, and comments and other settings stay', () => {
    writeFileSync(settingsPath(here), '# mine\ndaemon:\n  idle: 1h # long\n');
    updateSettings(here, [
      [['store'], 'vault'],
      [['vault', 'key'], { file: '~/key' }],
    ]);
    expect(readFileSync(settingsPath(here), 'utf8')).toBe(
      '# mine\ndaemon:\n  idle: 1h # long\nstore: vault\nvault:\n  key:\n    file: ~/key\n',
    );
    expect(loadSettings(here)).toMatchObject({
      store: 'vault',
      vault: { key: { file: '~/key' } },
      daemon: { idle: 3_600_000 },
    });
    expect(statSync(settingsPath(here)).mode & 0o777).toBe(0o600);
  });

  test('a change to an invalid value is not written', () => {
    updateSettings(here, [[['store'], 'keychain']]);
    expect(() => updateSettings(here, [[['store'], 'cloud']])).toThrow(
      expect.objectContaining({ code: 'config-invalid' }),
    );
    expect(loadSettings(here).store).toBe('keychain');
  });
});
