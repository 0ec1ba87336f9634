// The log and its signatures, by the whole program: an ordinary day, and a forger with the state folder.
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { chained } from '../fixtures/audit-state.ts';
import { Home, server } from '../fixtures/home.ts';
import { SecretService } from '../fixtures/secret-service.ts';

/** A home with a profile that uses no credential. */
function withProfile(home: Home): void {
  const [command, ...args] = server('everything');
  home.profile('free', { server: { command, args }, policy: { default: 'allow' } });
}

/** A session with so many calls. */
async function session(home: Home, calls: number): Promise<void> {
  await using host = home.run('free');
  await host.initialize();
  for (let i = 0; i < calls; i++) await host.call('echo', { message: String(i) });
  host.close();
  await host.ended;
}

/** The lines of the log's only segment, and the lines written back with a head that fits. */
function log(home: Home) {
  const path = join(home.places.audit, '0000000000000001.jsonl');
  return {
    lines: readFileSync(path, 'utf8').trimEnd().split('\n'),
    write(lines: readonly string[]): void {
      writeFileSync(path, lines.map((line) => `${line}\n`).join(''));
      const { seq, hash } = JSON.parse(lines.at(-1) ?? '{}');
      writeFileSync(join(home.places.state, 'audit-head'), `${String(seq).padStart(16, '0')} ${hash}\n`);
    },
  };
}

const forged = (count: number): object[] =>
  Array.from({ length: count }, (_, i) => ({ event: 'daemon.stop', version: '0.0.0', pid: i + 1 }));

test('W-AUDIT-14 a daemon whose sessions use no credential signs the log from its start to its stop', async () => {
  await using home = new Home();
  withProfile(home);
  await session(home, 1);
  expect((await home.facts('status')).audit).toMatchObject({
    signed: false,
    detail: 'no credential store is set up, so nothing signs the log',
  });
  await home.done(['init', '--store', 'vault', '--key-file', join(home.dir, 'key')]);
  await home.done(['stop']);

  await session(home, 1);
  expect((await home.facts('status')).audit).toMatchObject({ signed: true });
  await home.done(['stop']);
  // $ warder audit verify: the store itself is asked, for no daemon runs
  const verified = await home.facts('audit', 'verify');
  const last = home.audit('checkpoint').at(-1);
  const stop = home.audit('daemon.stop').at(-1);
  expect(last?.signed_seq).toBe(stop?.seq);
  expect(verified).toMatchObject({
    ok: true,
    signed_through: stop?.seq,
    stored: { seq: stop?.seq, hash: stop?.hash },
    stored_unknown: null,
  });
  expect(await home.done(['audit', 'verify'])).toContain(`record ${stop?.seq}, the last signed one`);
});

test('W-AUDIT-14 a keychain that is locked is why nothing is signed, and verify says that it could not ask', async () => {
  await using bus = await SecretService.open();
  await using home = new Home({ env: bus.env });
  withProfile(home);
  await home.done(['init', '--store', 'keychain']);
  await home.done(['stop']);
  await bus.lock();
  await session(home, 1);
  expect((await home.facts('status')).audit).toMatchObject({
    signed: false,
    detail: 'nothing signs the log: the keychain is locked',
  });
  expect(await home.done(['audit', 'verify'])).toContain(
    'could not be asked for the last signed record: nothing signs the log: the keychain is locked',
  );
  await bus.unlock();
  expect(await home.facts('audit', 'verify')).toMatchObject({ ok: true, stored_unknown: null });
  expect((await home.facts('status')).audit).toMatchObject({ signed: true });
});

test('W-AUDIT-11 a log that was rewritten while no daemon ran is found, is not signed, and says so until init --force', async () => {
  await using bus = await SecretService.open();
  await using home = new Home({ env: bus.env });
  withProfile(home);
  await home.done(['init', '--store', 'keychain']);
  await session(home, 3);
  await home.done(['stop']);
  const backup = mkdtempSync(join(tmpdir(), 'warder-backup-'));
  cpSync(home.places.state, backup, { recursive: true });

  // Everything after the first checkpoint is rewritten, and later checkpoints are dropped.
  const { lines, write } = log(home);
  const first = lines.findIndex((line) => line.includes('"signature"')) + 1;
  write([...lines.slice(0, first), ...chained(lines[first - 1], forged(5))]);
  const found = await home.warder(['audit', 'verify']);
  expect(found).toMatchObject({ code: 1, stderr: expect.stringMatching(/signed-missing: record \d+/) });

  // Everything is rewritten, without checkpoints and keys.
  write(chained(undefined, forged(40)));
  rmSync(join(home.places.state, 'audit.pub'));
  expect((await home.warder(['audit', 'verify'])).stderr).toContain('signed-missing');
  await session(home, 1);
  await expect
    .poll(async () => (await home.facts('status')).audit.detail, { timeout: 20_000 })
    .toMatch(/does not contain record/);
  const status = await home.facts('status');
  expect(status.audit.signed).toBe(false);
  expect((await home.warder(['audit', 'verify'])).code).toBe(1);
  const { stdout } = await home.warder(['doctor', '--json']);
  expect(JSON.parse(stdout).checks.at(-1)).toMatchObject({
    name: 'audit log',
    state: 'fail',
    detail: expect.stringContaining('signed'),
  });
  await home.done(['stop']);
  expect(home.audit('checkpoint').filter(({ signature }) => signature !== undefined)).toEqual([]);
  expect(home.audit('checkpoint').filter(({ missing_seq }) => missing_seq !== undefined)).toHaveLength(1);

  // The log is restored from a backup: it is signed on.
  rmSync(home.places.audit, { recursive: true });
  cpSync(backup, home.places.state, { recursive: true });
  rmSync(backup, { recursive: true });
  await session(home, 1);
  expect(await home.facts('audit', 'verify')).toMatchObject({ ok: true });
  await home.done(['stop']);

  // The log is given up: init --force signs the new one.
  for (const name of ['audit', 'audit-head', 'audit.pub'])
    rmSync(join(home.places.state, name), { recursive: true });
  await session(home, 1);
  expect((await home.warder(['audit', 'verify'])).stderr).toContain('signed-missing');
  await home.done(['init', '--store', 'keychain', '--force']);
  expect((await home.facts('status')).audit.signed).toBe(true);
});

test('W-AUDIT-13 an end that should have been signed long ago ends verify with 75', async () => {
  await using home = new Home();
  withProfile(home);
  await home.done(['init', '--store', 'vault', '--key-file', join(home.dir, 'key')]);
  await session(home, 1);
  await home.done(['stop']);
  const { lines, write } = log(home);
  write([...lines, ...chained(lines.at(-1), forged(2100))]);
  const tail = await home.warder(['audit', 'verify']);
  expect(tail).toMatchObject({
    code: 75,
    stderr: expect.stringMatching(/error: the end of the audit log is not signed: .*unsigned-tail/),
  });
  expect((await home.warder(['audit', 'verify', '--json'])).code).toBe(75);
});
