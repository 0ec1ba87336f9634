import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Locks } from '../../../src/credential/locks.ts';

let state: string;
let file: string;
const told: string[] = [];

beforeEach(() => {
  state = mkdtempSync(join(tmpdir(), 'warder-locks-'));
  file = join(state, 'locks.json');
  told.length = 0;
});
afterEach(() => rmSync(state, { recursive: true }));

/** The locks that a daemon reads at its start. */
function open(): Locks {
  const error = (_fields: object, message: string): void => void told.push(message);
  return new Locks({ state }, { debug() {}, info() {}, warn() {}, error });
}

const refusal = (code: string, message: RegExp = /./) =>
  expect.objectContaining({ code, message: expect.stringMatching(message), hint: expect.any(String) });

test('W-SEAL-5 a lock applies to every credential, and to the next daemon too', () => {
  const locks = open();
  expect([locks.locked, locks.needsPassphrase]).toEqual([false, false]);
  locks.assertUsable(['github/token']);
  locks.lock(undefined);
  for (const now of [locks, open()]) {
    expect([now.locked, now.needsPassphrase]).toEqual([true, false]);
    expect(() => now.assertUsable(['github/token'])).toThrow(refusal('locked', /all credentials are locked/));
    // A profile without credentials is not affected.
    now.assertUsable([]);
  }
  open().unlock(undefined);
  open().assertUsable(['github/token']);
  expect(told).toEqual([]);
});

test('W-SEAL-5 a lock with a passphrase is undone by that one only, and the file does not contain it', () => {
  open().lock('correct horse');
  expect(readFileSync(file, 'utf8')).not.toContain('correct horse');
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const locks = open();
  expect([locks.locked, locks.needsPassphrase]).toEqual([true, true]);
  for (const wrong of [undefined, '', 'correct hors', 'correct horse ', 'wrong']) {
    expect(() => locks.unlock(wrong)).toThrow(refusal('refused', /not the passphrase/));
    expect(locks.locked).toBe(true);
  }
  locks.unlock('correct horse');
  expect([open().locked, open().needsPassphrase]).toEqual([false, false]);
});

test('W-SEAL-5 a lock with a passphrase is not replaced by another, nor by none', () => {
  const locks = open();
  locks.lock('correct horse');
  for (const other of ['another', undefined]) expect(() => locks.lock(other)).toThrow(refusal('refused'));
  locks.unlock('correct horse');
});

test('a lock without a passphrase may get one', () => {
  const locks = open();
  locks.lock(undefined);
  locks.lock('correct horse');
  expect(() => locks.unlock(undefined)).toThrow(refusal('refused'));
  locks.unlock('correct horse');
});

test('equal passphrases have different hashes', () => {
  open().lock('correct horse');
  const first = readFileSync(file, 'utf8');
  open().unlock('correct horse');
  open().lock('correct horse');
  expect(readFileSync(file, 'utf8')).not.toBe(first);
});

test('W-SEAL-5 a revoked credential is refused by name, now and by the next daemon, and no other one is', () => {
  const locks = open();
  expect(locks.revoke('b/token')).toBe(true);
  expect(locks.revoke('a/token')).toBe(true);
  expect(locks.revoke('b/token')).toBe(false);
  for (const now of [locks, open()]) {
    expect(now.revokedNames).toEqual(['a/token', 'b/token']);
    expect(now.isRevoked('a/token')).toBe(true);
    expect(() => now.assertUsable(['c/token', 'b/token'])).toThrow(
      refusal('credential-revoked', /"b\/token"/),
    );
    now.assertUsable(['c/token']);
  }
  expect(locks.restore('b/token')).toBe(true);
  expect(locks.restore('b/token')).toBe(false);
  open().assertUsable(['b/token']);
  expect(open().revokedNames).toEqual(['a/token']);
});

test('W-SEAL-5 locking and unlocking do not change revocations', () => {
  const locks = open();
  locks.revoke('a/token');
  locks.lock('correct horse');
  locks.restore('a/token');
  locks.revoke('b/token');
  locks.unlock('correct horse');
  expect(open().revokedNames).toEqual(['b/token']);
  expect(open().locked).toBe(false);
});

test.each([
  ['nothing', ''],
  ['half of it', '{"locked":false,"rev'],
  ['no map', '[]'],
  ['another kind', '{"locked":"no","revoked":[]}'],
  ['no revocations', '{"locked":false}'],
  ['an unknown key', '{"locked":false,"revoked":[],"more":1}'],
  ['bytes', Buffer.from([0xff, 0xfe, 0])],
])('W-SEAL-5 a damaged file locks everything, and is logged: %s', (_what, content) => {
  writeFileSync(file, content);
  const locks = open();
  expect(locks.locked).toBe(true);
  expect(() => locks.assertUsable(['a/token'])).toThrow(refusal('locked'));
  expect(told).toEqual(['the locks cannot be read: all credentials are locked']);
  locks.unlock(undefined);
  expect(open().locked).toBe(false);
});

test('W-SEAL-5 a file that cannot be read, or is not a regular file, locks everything', () => {
  mkdirSync(file);
  expect(open().locked).toBe(true);
  expect(() => open().unlock(undefined)).toThrow(expect.objectContaining({ code: 'cannot-write' }));
});

test('W-SEAL-5 a change that cannot be written does not take effect', () => {
  const locks = open();
  rmSync(state, { recursive: true });
  writeFileSync(state, '');
  try {
    expect(() => locks.revoke('a/token')).toThrow(expect.objectContaining({ code: 'cannot-write' }));
    expect(locks.isRevoked('a/token')).toBe(false);
  } finally {
    rmSync(state);
    mkdirSync(state);
  }
});
