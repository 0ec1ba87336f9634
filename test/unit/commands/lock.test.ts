// `warder lock`, `unlock` and `revoke`: what is sent and printed, and that no passphrase or value is repeated.
import { expect, test } from 'vitest';
import { lockCommand } from '../../../src/commands/lock.ts';
import { revokeCommand } from '../../../src/commands/revoke.ts';
import { unlockCommand } from '../../../src/commands/unlock.ts';
import { WarderError } from '../../../src/errors.ts';
import type { Result } from '../../../src/wire/control.ts';
import { daemonStatus } from '../../fixtures/daemon-status.ts';
import { type Answers, FakeCli } from '../../fixtures/fake-cli.ts';

const PASSPHRASE = 'correct horse battery';

const usage = (message: RegExp) =>
  expect.objectContaining({
    code: 'usage',
    message: expect.stringMatching(message),
    hint: expect.any(String),
  });

function locks(sessions = 0): Answers {
  return { 'credential.lock': () => ({ sessions }) };
}

/** A daemon whose credentials are locked with a passphrase, or without one. */
function locked(passphrase?: string, revoked: string[] = []): Answers {
  return {
    status: () =>
      daemonStatus({
        credentials: { locked: true, guarded: passphrase !== undefined, revoked, doubted: [] },
      }),
    'credential.unlock': (params) => {
      if (params.passphrase !== passphrase) throw new WarderError('refused', 'this is not the passphrase');
      return {};
    },
  };
}

test('lock prints its effect, and how to undo it', async () => {
  using cli = new FakeCli();
  await cli.run(lockCommand, ['lock'], { answers: locks() });
  expect(cli.requests).toEqual([{ verb: 'credential.lock', params: {} }]);
  expect(cli.out).toEqual([
    'locked: no credential is used, and no session that needs one opens',
    'to unlock: warder unlock',
  ]);
  await cli.run(lockCommand, ['lock'], { answers: locks(1) });
  expect(cli.out[3]).toMatch(/^1 session stays open: requests with a sealed credential are refused; /);
  await cli.run(lockCommand, ['lock'], { answers: locks(2) });
  expect(cli.out[6]).toMatch(/^2 sessions stay open: /);
});

test('lock --passphrase asks twice, until both are the same, without showing it', async () => {
  using cli = new FakeCli();
  const words = ['lock', '--passphrase'];
  await expect(cli.run(lockCommand, words, { typed: ['', '', ''], answers: locks() })).rejects.toEqual(
    usage(/empty/),
  );
  expect(cli.requests).toEqual([]);
  const typed = [PASSPHRASE, 'correct hose', PASSPHRASE, PASSPHRASE];
  await cli.run(lockCommand, words, { typed, answers: locks() });
  expect(cli.err).toContain('the two differ: type it again');
  expect(cli.requests).toEqual([{ verb: 'credential.lock', params: { passphrase: PASSPHRASE } }]);
  expect(cli.out.at(-1)).toBe('to unlock: warder unlock, with the passphrase');
  expect(cli.output).not.toContain('correct');
});

test('lock --passphrase reads stdin without a terminal', async () => {
  using cli = new FakeCli();
  const words = ['lock', '--passphrase'];
  await expect(cli.run(lockCommand, words, { stdin: '\n', answers: locks() })).rejects.toEqual(
    usage(/empty/),
  );
  await cli.run(lockCommand, words, { stdin: `${PASSPHRASE}\n`, json: true, answers: locks(3) });
  expect(cli.requests).toEqual([{ verb: 'credential.lock', params: { passphrase: PASSPHRASE } }]);
  expect(cli.values).toEqual([{ locked: true, passphrase: true, sessions: 3 }]);
  expect(cli.out).toEqual([]);
});

test.each([
  [['lock', PASSPHRASE]],
  [['lock', '--passphrase', PASSPHRASE]],
  [['lock', `--passphrase=${PASSPHRASE}`]],
  [['lock', '--', PASSPHRASE]],
  [['unlock', PASSPHRASE]],
])('W-CRED-38 a passphrase in the arguments is refused, and not repeated: %j', async (words) => {
  using cli = new FakeCli();
  const run =
    words[0] === 'lock'
      ? cli.run(lockCommand, words, { stdin: 'x' })
      : cli.run(unlockCommand, words, { stdin: 'x' });
  const failed = await run.catch((error) => error);
  expect(failed).toEqual(usage(/must not be an argument/));
  expect(`${failed.message} ${failed.hint} ${cli.output}`).not.toContain('correct');
  expect(cli.requests).toEqual([]);
});

test.each([[['lock', '--pasphrase']], [['unlock', '--passphrase']]])(
  'an unknown option is refused, and nothing is locked or unlocked: %j',
  async (words) => {
    using cli = new FakeCli();
    const run = words[0] === 'lock' ? cli.run(lockCommand, words) : cli.run(unlockCommand, words);
    await expect(run).rejects.toThrow(/Unknown argument/);
    expect(cli.requests).toEqual([]);
  },
);

test('a refusal of the daemon to lock is passed on', async () => {
  using cli = new FakeCli();
  const refusal = new WarderError('refused', 'all credentials are locked with a passphrase already');
  const answers: Answers = {
    'credential.lock': () => {
      throw refusal;
    },
  };
  await expect(cli.run(lockCommand, ['lock'], { answers })).rejects.toBe(refusal);
});

test('unlock asks for a passphrase only if one is needed', async () => {
  using cli = new FakeCli();
  await cli.run(unlockCommand, ['unlock'], { typed: [], answers: locked() });
  expect(cli.questions).toEqual([]);
  await cli.run(unlockCommand, ['unlock'], {
    typed: [PASSPHRASE],
    answers: locked(PASSPHRASE, ['a/token']),
  });
  expect(cli.questions).toHaveLength(1);
  expect(cli.out).toEqual([
    'unlocked: credentials are used again',
    'unlocked: credentials are used again',
    'still revoked: a/token',
  ]);
  expect(cli.output).not.toContain('correct');
});

test('unlock reads the passphrase from stdin without a terminal, and reports a wrong one', async () => {
  using cli = new FakeCli();
  const answers = locked(PASSPHRASE);
  await cli.run(unlockCommand, ['unlock'], { stdin: `${PASSPHRASE}\n`, json: true, answers });
  expect(cli.values).toEqual([{ locked: false, changed: true, revoked: [] }]);
  await expect(cli.run(unlockCommand, ['unlock'], { stdin: 'wrong', answers })).rejects.toMatchObject({
    code: 'refused',
  });
  await expect(cli.run(unlockCommand, ['unlock'], { answers })).rejects.toEqual(usage(/empty/));
});

test('unlock without a lock asks nothing and changes nothing', async () => {
  using cli = new FakeCli();
  await cli.run(unlockCommand, ['unlock'], { answers: { status: () => daemonStatus() } });
  await cli.run(unlockCommand, ['unlock'], { answers: { status: () => daemonStatus() }, json: true });
  expect(cli.out).toEqual(['nothing is locked']);
  expect(cli.values).toEqual([{ locked: false, changed: false, revoked: [] }]);
});

test('after another failure than a refusal unlock does not ask again', async () => {
  using cli = new FakeCli();
  const failure = new WarderError('cannot-write', 'cannot write locks.json');
  const answers: Answers = {
    ...locked(),
    'credential.unlock': () => {
      throw failure;
    },
  };
  await expect(cli.run(unlockCommand, ['unlock'], { typed: [], answers })).rejects.toBe(failure);
});

const NAME = 'github/token';
const kept: Result<'credential.list'> = {
  credentials: [{ name: NAME, store: 'keychain', version: 'x', bound: true, profiles: ['github'] }],
  missing: [{ name: 'slack/token', profiles: ['slack'] }],
};

/** A daemon that revokes with the given result. */
function revokes(done: Partial<Result<'credential.revoke'>> = {}, list = () => kept): Answers {
  return {
    'credential.revoke': ({ name, undo = false }) => ({
      name,
      changed: true,
      cut: undo ? 0 : 2,
      ended: undo ? 0 : 1,
      ...done,
    }),
    'credential.list': list,
    status: () =>
      daemonStatus({ credentials: { locked: false, guarded: false, revoked: [NAME], doubted: [] } }),
  };
}

test('revoke prints what was cut and ended, and how to undo it', async () => {
  using cli = new FakeCli();
  await cli.run(revokeCommand, ['revoke', NAME], { answers: revokes() });
  expect(cli.requests[0]).toEqual({ verb: 'credential.revoke', params: { name: NAME } });
  expect(cli.out).toEqual([
    `revoked "${NAME}": it is no longer used or delivered`,
    '2 connections cut, 1 session ended',
    'it is still valid where it was issued: revoke it there too',
    `to allow it again: warder revoke ${NAME} --undo`,
  ]);
  expect(cli.exitCode).toBeUndefined();
  await cli.run(revokeCommand, ['revoke', NAME], {
    answers: revokes({ changed: false, cut: 0, ended: 0 }),
  });
  expect(cli.out.slice(4, 6)).toEqual([`"${NAME}" was already revoked`, 'no open session had used it']);
});

test('an unknown name is revoked too, and reported as a possible mistake', async () => {
  using cli = new FakeCli();
  cli.writeProfile('op', {
    server: { command: 'node' },
    credentials: { T: { name: 'op/token', deliver: 'env', from: { command: ['op'] } } },
  });
  for (const known of ['op/token', 'slack/token']) {
    await cli.run(revokeCommand, ['revoke', known], { answers: revokes() });
  }
  expect(cli.err).toEqual([]);
  expect(cli.exitCode).toBeUndefined();
  await cli.run(revokeCommand, ['revoke', 'github/tokne'], { answers: revokes({ cut: 0, ended: 0 }) });
  expect(cli.err).toEqual([
    'warder: note: no store has "github/tokne", and no profile uses it; did you mean "github/token"?',
  ]);
  expect(cli.exitCode).toBe(1);
});

test('revoke works if no store is available', async () => {
  using cli = new FakeCli();
  const answers = revokes({}, () => {
    throw new WarderError('vault-locked', 'the vault is locked');
  });
  await cli.run(revokeCommand, ['revoke', 'any/name'], { answers, json: true });
  expect(cli.values).toEqual([{ name: 'any/name', changed: true, cut: 2, ended: 1, known: null }]);
  expect(cli.exitCode).toBeUndefined();
});

test('revoke --undo allows a credential again, and reports if it was not revoked', async () => {
  using cli = new FakeCli();
  await cli.run(revokeCommand, ['revoke', '--undo', NAME], { answers: revokes() });
  expect(cli.requests).toEqual([{ verb: 'credential.revoke', params: { name: NAME, undo: true } }]);
  await cli.run(revokeCommand, ['revoke', 'github/tokn', '--undo'], {
    answers: revokes({ changed: false }),
  });
  expect(cli.out).toEqual([
    `"${NAME}" may be used again; sessions that were ended stay ended`,
    `"github/tokn" was not revoked; did you mean "${NAME}"?`,
  ]);
  await cli.run(revokeCommand, ['revoke', '--undo', NAME], { answers: revokes(), json: true });
  expect(cli.values).toEqual([{ name: NAME, changed: true }]);
});

test.each([
  [[`ghp_${'x'.repeat(36)}`], /looks like a value/],
  [['github', 'xxxxxxxxxxxx'], /only one credential/],
  [['xxxx xxxx xxxx'], /not the name of a credential/],
  [['../xxxxxxxx'], /not the name of a credential/],
])('W-CRED-38 an invalid name is refused, and not repeated: %j', async (words, message) => {
  using cli = new FakeCli();
  for (const more of [[], ['--undo']]) {
    const failed = await cli.run(revokeCommand, ['revoke', ...words, ...more]).catch((error) => error);
    expect(failed).toEqual(usage(message));
    expect(`${failed.message} ${failed.hint} ${cli.output}`).not.toContain('xxxx');
  }
  expect(cli.requests).toEqual([]);
});
