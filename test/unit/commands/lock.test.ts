// `warder lock`, `unlock` and `revoke`: what is sent, what is said, and that no passphrase or value is repeated.
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

test('lock says what it means, and how to undo it', async () => {
  using person = new FakeCli();
  await person.run(lockCommand, ['lock'], { answers: locks() });
  expect(person.requests).toEqual([{ verb: 'credential.lock', params: {} }]);
  expect(person.out).toEqual([
    'locked: no credential is used, and no session that needs one opens',
    'to unlock: warder unlock',
  ]);
  await person.run(lockCommand, ['lock'], { answers: locks(1) });
  expect(person.out[3]).toMatch(/^1 session stays open: requests with a sealed credential are refused; /);
  await person.run(lockCommand, ['lock'], { answers: locks(2) });
  expect(person.out[6]).toMatch(/^2 sessions stay open: /);
});

test('lock --passphrase asks twice, without showing it', async () => {
  using person = new FakeCli();
  const words = ['lock', '--passphrase'];
  await expect(
    person.run(lockCommand, words, { typed: [PASSPHRASE, 'correct hose'], answers: locks() }),
  ).rejects.toEqual(usage(/differ/));
  await expect(person.run(lockCommand, words, { typed: [''], answers: locks() })).rejects.toEqual(
    usage(/empty/),
  );
  expect(person.requests).toEqual([]);
  await person.run(lockCommand, words, { typed: [PASSPHRASE, PASSPHRASE], answers: locks() });
  expect(person.requests).toEqual([{ verb: 'credential.lock', params: { passphrase: PASSPHRASE } }]);
  expect(person.out.at(-1)).toBe('to unlock: warder unlock, with the passphrase');
  expect(person.output).not.toContain('correct');
});

test('lock --passphrase takes it from stdin where nobody can be asked', async () => {
  using person = new FakeCli();
  const words = ['lock', '--passphrase'];
  await expect(person.run(lockCommand, words, { stdin: '\n', answers: locks() })).rejects.toEqual(
    usage(/empty/),
  );
  await person.run(lockCommand, words, { stdin: `${PASSPHRASE}\n`, json: true, answers: locks(3) });
  expect(person.requests).toEqual([{ verb: 'credential.lock', params: { passphrase: PASSPHRASE } }]);
  expect(person.values).toEqual([{ locked: true, passphrase: true, sessions: 3 }]);
  expect(person.out).toEqual([]);
});

test.each([
  [['lock', PASSPHRASE]],
  [['lock', '--passphrase', PASSPHRASE]],
  [['lock', `--passphrase=${PASSPHRASE}`]],
  [['lock', '--', PASSPHRASE]],
  [['unlock', PASSPHRASE]],
])('W-CRED-38 a passphrase among the words is refused, and not repeated: %j', async (words) => {
  using person = new FakeCli();
  const run =
    words[0] === 'lock'
      ? person.run(lockCommand, words, { stdin: 'x' })
      : person.run(unlockCommand, words, { stdin: 'x' });
  const failed = await run.catch((error) => error);
  expect(failed).toEqual(usage(/does not belong among the words/));
  expect(`${failed.message} ${failed.hint} ${person.output}`).not.toContain('correct');
  expect(person.requests).toEqual([]);
});

test.each([[['lock', '--pasphrase']], [['unlock', '--passphrase']]])(
  'an option that is none does not lock without a passphrase: %j',
  async (words) => {
    using person = new FakeCli();
    const run = words[0] === 'lock' ? person.run(lockCommand, words) : person.run(unlockCommand, words);
    await expect(run).rejects.toThrow(/Unknown argument/);
    expect(person.requests).toEqual([]);
  },
);

test('what the daemon refuses to lock is refused', async () => {
  using person = new FakeCli();
  const refusal = new WarderError('refused', 'all credentials are locked with a passphrase already');
  const answers: Answers = {
    'credential.lock': () => {
      throw refusal;
    },
  };
  await expect(person.run(lockCommand, ['lock'], { answers })).rejects.toBe(refusal);
});

test('unlock asks for a passphrase only where one is needed', async () => {
  using person = new FakeCli();
  await person.run(unlockCommand, ['unlock'], { typed: [], answers: locked() });
  expect(person.questions).toEqual([]);
  await person.run(unlockCommand, ['unlock'], {
    typed: [PASSPHRASE],
    answers: locked(PASSPHRASE, ['a/token']),
  });
  expect(person.questions).toHaveLength(1);
  expect(person.out).toEqual([
    'unlocked: credentials are used again',
    'unlocked: credentials are used again',
    'still revoked: a/token',
  ]);
  expect(person.output).not.toContain('correct');
});

test('unlock takes the passphrase from stdin where nobody can be asked, and says when it is the wrong one', async () => {
  using person = new FakeCli();
  const answers = locked(PASSPHRASE);
  await person.run(unlockCommand, ['unlock'], { stdin: `${PASSPHRASE}\n`, json: true, answers });
  expect(person.values).toEqual([{ locked: false, changed: true, revoked: [] }]);
  await expect(person.run(unlockCommand, ['unlock'], { stdin: 'wrong', answers })).rejects.toMatchObject({
    code: 'refused',
  });
  await expect(person.run(unlockCommand, ['unlock'], { answers })).rejects.toEqual(usage(/empty/));
});

test('unlock of what is not locked asks nothing and changes nothing', async () => {
  using person = new FakeCli();
  await person.run(unlockCommand, ['unlock'], { answers: { status: () => daemonStatus() } });
  await person.run(unlockCommand, ['unlock'], { answers: { status: () => daemonStatus() }, json: true });
  expect(person.out).toEqual(['nothing is locked']);
  expect(person.values).toEqual([{ locked: false, changed: false, revoked: [] }]);
});

test('a failure that is no refusal is not answered with a question', async () => {
  using person = new FakeCli();
  const failure = new WarderError('cannot-write', 'cannot write locks.json');
  const answers: Answers = {
    ...locked(),
    'credential.unlock': () => {
      throw failure;
    },
  };
  await expect(person.run(unlockCommand, ['unlock'], { typed: [], answers })).rejects.toBe(failure);
});

const NAME = 'github/token';
const kept: Result<'credential.list'> = {
  credentials: [{ name: NAME, store: 'keychain', version: 'x', bound: true, profiles: ['github'] }],
  missing: [{ name: 'slack/token', profiles: ['slack'] }],
};

/** A daemon that revokes, with what that did. */
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

test('revoke says what was cut and ended, and how to undo it', async () => {
  using person = new FakeCli();
  await person.run(revokeCommand, ['revoke', NAME], { answers: revokes() });
  expect(person.requests[0]).toEqual({ verb: 'credential.revoke', params: { name: NAME } });
  expect(person.out).toEqual([
    `revoked "${NAME}": nothing gets or uses it`,
    '2 connections cut, 1 session ended',
    'where it was issued it is still good: revoke it there too',
    `to take it back: warder revoke ${NAME} --undo`,
  ]);
  expect(person.exitCode).toBeUndefined();
  await person.run(revokeCommand, ['revoke', NAME], {
    answers: revokes({ changed: false, cut: 0, ended: 0 }),
  });
  expect(person.out.slice(4, 6)).toEqual([`"${NAME}" was revoked already`, 'no open session had used it']);
});

test('a name that nobody knows is revoked first, and then told to be a slip', async () => {
  using person = new FakeCli();
  person.writeProfile('op', {
    server: { command: 'node' },
    credentials: { T: { name: 'op/token', deliver: 'env', from: { command: ['op'] } } },
  });
  for (const known of ['op/token', 'slack/token']) {
    await person.run(revokeCommand, ['revoke', known], { answers: revokes() });
  }
  expect(person.err).toEqual([]);
  expect(person.exitCode).toBeUndefined();
  await person.run(revokeCommand, ['revoke', 'github/tokne'], { answers: revokes({ cut: 0, ended: 0 }) });
  expect(person.err).toEqual([
    'warder: note: no store has "github/tokne", and no profile names it; did you mean "github/token"?',
  ]);
  expect(person.exitCode).toBe(1);
});

test('revoke holds where no store can be asked', async () => {
  using person = new FakeCli();
  const answers = revokes({}, () => {
    throw new WarderError('vault-locked', 'the vault is locked');
  });
  await person.run(revokeCommand, ['revoke', 'any/name'], { answers, json: true });
  expect(person.values).toEqual([{ name: 'any/name', changed: true, cut: 2, ended: 1, known: null }]);
  expect(person.exitCode).toBeUndefined();
});

test('revoke --undo takes it back, and says when there was nothing to take back', async () => {
  using person = new FakeCli();
  await person.run(revokeCommand, ['revoke', '--undo', NAME], { answers: revokes() });
  expect(person.requests).toEqual([{ verb: 'credential.revoke', params: { name: NAME, undo: true } }]);
  await person.run(revokeCommand, ['revoke', 'github/tokn', '--undo'], {
    answers: revokes({ changed: false }),
  });
  expect(person.out).toEqual([
    `"${NAME}" may be used again; sessions that were ended stay ended`,
    `"github/tokn" was not revoked; did you mean "${NAME}"?`,
  ]);
  await person.run(revokeCommand, ['revoke', '--undo', NAME], { answers: revokes(), json: true });
  expect(person.values).toEqual([{ name: NAME, changed: true }]);
});

test.each([
  [[`ghp_${'x'.repeat(36)}`], /looks like a value/],
  [['github', 'xxxxxxxxxxxx'], /one credential/],
  [['xxxx xxxx xxxx'], /no name of a credential/],
  [['../xxxxxxxx'], /no name of a credential/],
])('W-CRED-38 what is no name is refused, and not repeated: %j', async (words, message) => {
  using person = new FakeCli();
  for (const more of [[], ['--undo']]) {
    const failed = await person.run(revokeCommand, ['revoke', ...words, ...more]).catch((error) => error);
    expect(failed).toEqual(usage(message));
    expect(`${failed.message} ${failed.hint} ${person.output}`).not.toContain('xxxx');
  }
  expect(person.requests).toEqual([]);
});
