// `warder credential`: what is sent to the daemon, what is printed, and what is never printed.
import { expect, test } from 'vitest';
import { credentialCommand } from '../../../src/commands/credential.ts';
import { WarderError } from '../../../src/errors.ts';
import type { Result } from '../../../src/wire/control.ts';
import { daemonStatus } from '../../fixtures/daemon-status.ts';
import { type Answers, FakeCli } from '../../fixtures/fake-cli.ts';

const SECRET = 'secret-value-0123456789';
const stored = {
  name: 'github/GITHUB_TOKEN',
  store: 'keychain',
  version: '1a2b3c4d',
  updated: '2026-01-01T00:00:00.000Z',
  replaced: false,
  sessions: { moved: 0, kept: 0 },
} as const satisfies Result<'credential.set'>;
const keeps: Answers = {
  'credential.set': ({ name }) => ({ ...stored, name }),
  'credential.rotate': ({ name }) => ({ ...stored, name, replaced: true, sessions: { moved: 2, kept: 0 } }),
};

const usage = (message: RegExp) =>
  expect.objectContaining({
    code: 'usage',
    message: expect.stringMatching(message),
    hint: expect.any(String),
  });

test('a typed value is stored, and only its length is printed', async () => {
  using cli = new FakeCli();
  await cli.run(credentialCommand, ['credential', 'set', 'github', 'GITHUB_TOKEN'], {
    typed: [SECRET],
    answers: keeps,
  });
  expect(cli.requests).toEqual([
    { verb: 'credential.set', params: { name: 'github/GITHUB_TOKEN', value: SECRET } },
  ]);
  expect(cli.out).toEqual(['set "github/GITHUB_TOKEN" in the keychain: version 1a2b3c4d, 23 characters']);
  expect(cli.output).not.toContain(SECRET);
});

test.each([
  ['the last newline is removed', `${SECRET}\n`, SECRET],
  ['so is a Windows newline', `${SECRET}\r\n`, SECRET],
  ['spaces are kept', ` ${SECRET}`, ` ${SECRET}`],
])('a value from stdin: %s', async (_what, stdin, value) => {
  using cli = new FakeCli();
  const words = ['credential', 'rotate', '--name', 'github/token'];
  await cli.run(credentialCommand, words, { stdin, json: true, answers: keeps });
  expect(cli.requests).toEqual([{ verb: 'credential.rotate', params: { name: 'github/token', value } }]);
  expect(cli.values).toEqual([
    { ...stored, name: 'github/token', replaced: true, sessions: { moved: 2, kept: 0 } },
  ]);
  expect(cli.out).toEqual([]);
  expect(cli.output).not.toContain(SECRET);
});

test.each([
  ['postgres', true],
  ['12345678', true],
  ['correct-horse', true],
  ['aaaaaaaaaaaaaaaaaaaaa', true],
  ['secret-secret-secret', true],
  ['Password2026', true],
  ['x7Kp2mQ9', false],
  ['ghp_16C7e42F292c6912E7710c838347Ae178B4a', false],
  ['550e8400-e29b-41d4-a716-446655440000', false],
  ['correct horse battery staple', false],
])('setting "%s" warns of a value that is found by chance: %s', async (value, warns) => {
  using cli = new FakeCli();
  const words = ['credential', 'set', 'github', 'GITHUB_TOKEN'];
  await cli.run(credentialCommand, words, { typed: [value], answers: keeps });
  expect(cli.output.includes('a common word or too simple')).toBe(warns);
  expect(cli.output).not.toContain(value);
});

test('a value of several lines is kept unchanged with --multiline, and refused otherwise', async () => {
  using cli = new FakeCli();
  const stdin = `-----BEGIN KEY-----\n${SECRET}\n-----END KEY-----\n`;
  const words = ['credential', 'set', '--name', 'deploy/key'];
  await expect(cli.run(credentialCommand, words, { stdin })).rejects.toEqual(usage(/line break/));
  expect(cli.requests).toEqual([]);
  await cli.run(credentialCommand, [...words, '--multiline'], { stdin, answers: keeps });
  expect(cli.requests).toMatchObject([{ params: { value: stdin } }]);
});

test.each([
  ['nothing', '', /empty/],
  ['a newline alone', '\n', /empty/],
  ['a NUL', `${SECRET}\0`, /NUL/],
  ['invalid UTF-8', `${SECRET}\ufffd`, /UTF-8/],
])('W-CRED-38 an invalid value is refused, and not repeated: %s', async (_what, stdin, message) => {
  using cli = new FakeCli();
  const failed = await cli
    .run(credentialCommand, ['credential', 'set', 'github', 'GITHUB_TOKEN'], { stdin })
    .catch((error) => error);
  expect(failed).toEqual(usage(message));
  expect(`${failed.message} ${failed.hint} ${cli.output}`).not.toContain(SECRET);
  expect(cli.requests).toEqual([]);
});

test('a short value, and one with a space at its end, are stored with a warning', async () => {
  using cli = new FakeCli();
  const situation = { stdin: 'x7Kp2mQ9 ', answers: keeps };
  await cli.run(credentialCommand, ['credential', 'set', 'github', 'GITHUB_TOKEN'], situation);
  expect(cli.err).toEqual([expect.stringMatching(/space/)]);
  await cli.run(credentialCommand, ['credential', 'set', 'github', 'GITHUB_TOKEN'], {
    stdin: 'short12',
    answers: keeps,
  });
  expect(cli.err[1]).toMatch(/less than 8 characters/);
  expect(cli.requests).toHaveLength(2);
});

test.each([
  [['github', 'GITHUB_TOKEN', SECRET]],
  [['github', 'GITHUB_TOKEN', `-${SECRET}`]],
  [['github', 'GITHUB_TOKEN', '--', `-${SECRET}`]],
  [['github', 'GITHUB_TOKEN', '--value', SECRET]],
  [['github', 'GITHUB_TOKEN', `--value=${SECRET}`]],
  [['github', `GITHUB_TOKEN=${SECRET}`]],
  [['github', `ghp_${'x'.repeat(36)}${SECRET}`]],
  [[`ghp_${'x'.repeat(36)}`, SECRET]],
  [['--name', 'github/token', SECRET]],
  [['--name', `ghp_${'x'.repeat(36)}`]],
  [['github', SECRET]],
])('W-CRED-38 a value among the arguments is refused and not repeated: %j', async (words) => {
  using cli = new FakeCli();
  for (const verb of ['set', 'rotate', 'remove']) {
    const failed = await cli
      .run(credentialCommand, ['credential', verb, ...words], { stdin: 'another-value' })
      .catch((error) => error);
    expect(failed).toBeInstanceOf(WarderError);
    expect(failed).toMatchObject({ code: 'usage', hint: expect.any(String) });
    expect(`${failed.message} ${failed.hint} ${cli.output}`).not.toMatch(/secret-value|xxxx/);
  }
  expect(cli.requests).toEqual([]);
});

test.each([
  [[], /missing/],
  [['github'], /missing/],
  [['--name', 'no name'], /not the name/],
  [['--name', '../x'], /not the name/],
])('arguments that name no credential are refused: %j', async (words, message) => {
  using cli = new FakeCli();
  await expect(cli.run(credentialCommand, ['credential', 'set', ...words])).rejects.toEqual(usage(message));
});

test('the profile determines the credential and its store', async () => {
  using cli = new FakeCli();
  cli.writeProfile('github', {
    server: { command: 'node' },
    credentials: {
      GITHUB_TOKEN: { name: 'shared/token', from: 'vault', deliver: 'env' },
      PLAIN: { deliver: 'env' },
      PRINTED: { from: { command: ['op', 'read'] }, deliver: 'env' },
    },
  });
  const set = (variable: string) =>
    cli.run(credentialCommand, ['credential', 'set', 'github', variable], {
      stdin: SECRET,
      answers: keeps,
    });
  await set('GITHUB_TOKEN');
  await set('PLAIN');
  expect(cli.err).toEqual([]);
  await set('GITHUB_TOKE');
  expect(cli.requests.map(({ params }) => params)).toEqual([
    { name: 'shared/token', store: 'vault', value: SECRET },
    { name: 'github/PLAIN', value: SECRET },
    { name: 'github/GITHUB_TOKE', value: SECRET },
  ]);
  expect(cli.err).toEqual([
    expect.stringMatching(/no credential "GITHUB_TOKE"; did you mean "GITHUB_TOKEN"\?/),
  ]);
  await expect(set('PRINTED')).rejects.toEqual(usage(/from a command/));
  cli.writeProfile('broken', { serve: {} });
  await expect(cli.run(credentialCommand, ['credential', 'set', 'broken', 'X'])).rejects.toMatchObject({
    code: 'profile-invalid',
  });
});

test('open sessions with the new value are counted, and one that keeps the old value is a failure', async () => {
  using cli = new FakeCli();
  const rotate = (moved: number, kept: number) =>
    cli.run(credentialCommand, ['credential', 'rotate', 'github', 'GITHUB_TOKEN'], {
      stdin: SECRET,
      answers: { 'credential.rotate': () => ({ ...stored, replaced: true, sessions: { moved, kept } }) },
    });
  await rotate(2, 0);
  expect(cli.out[1]).toBe('2 open sessions go on with it');
  expect(cli.exitCode).toBeUndefined();
  await rotate(1, 1);
  expect(cli.out[3]).toBe('1 open session goes on with it');
  expect(cli.err).toEqual([expect.stringMatching(/1 open session goes on with the old value/)]);
  expect(cli.exitCode).toBe(1);
});

test('a value that can be none is asked for again, three times in all', async () => {
  using cli = new FakeCli();
  const words = ['credential', 'set', 'github', 'GITHUB_TOKEN'];
  await cli.run(credentialCommand, words, { typed: ['', 'a\0b', SECRET], answers: keeps });
  expect(cli.requests.map(({ params }) => params)).toEqual([{ name: 'github/GITHUB_TOKEN', value: SECRET }]);
  expect(cli.err).toEqual([
    'the value is empty (type or paste it): try again',
    expect.stringMatching(/^the value contains a NUL .*: try again$/),
  ]);
  await expect(cli.run(credentialCommand, words, { typed: ['', '', ''], answers: keeps })).rejects.toEqual(
    usage(/empty/),
  );
  expect(cli.requests).toHaveLength(1);
});

test('a refusal of the daemon is passed on', async () => {
  using cli = new FakeCli();
  const refusal = new WarderError('credential-missing', 'there is no credential "github/GITHUB_TOKEN"');
  const answers: Answers = {
    'credential.rotate': () => {
      throw refusal;
    },
  };
  const words = ['credential', 'rotate', 'github', 'GITHUB_TOKEN'];
  await expect(cli.run(credentialCommand, words, { stdin: SECRET, answers })).rejects.toBe(refusal);
  expect(cli.output).not.toContain(SECRET);
});

/** A daemon whose vault is locked until it gets the passphrase. */
function lockedVault(passphrase: string): Answers {
  let open = false;
  const guard = <T>(result: T): T => {
    if (open) return result;
    throw new WarderError('vault-locked', "the vault's passphrase was not given yet");
  };
  return {
    'credential.set': ({ name }) => guard({ ...stored, name, store: 'vault' }),
    'credential.list': () => guard({ credentials: [], missing: [] }),
    status: () => daemonStatus(),
    'vault.unlock': (params) => {
      if (params.passphrase !== passphrase) throw new WarderError('vault-key', 'the passphrase is wrong');
      open = true;
      return {};
    },
  };
}

test('with a terminal a locked vault is unlocked first, and only once', async () => {
  using cli = new FakeCli();
  const words = ['credential', 'set', 'github', 'GITHUB_TOKEN'];
  const answers = lockedVault('passphrase');
  await expect(cli.run(credentialCommand, words, { stdin: SECRET, answers })).rejects.toMatchObject({
    code: 'vault-locked',
  });
  await expect(
    cli.run(credentialCommand, words, { typed: [SECRET, 'wrong', 'wrong', 'wrong'], answers }),
  ).rejects.toMatchObject({ code: 'vault-key' });
  await cli.run(credentialCommand, words, { typed: [SECRET, 'wrong', '', 'passphrase'], answers });
  expect(cli.err.filter((line) => line.endsWith(': try again'))).toHaveLength(4);
  expect(cli.questions.at(-1)).toMatch(/passphrase/);
  expect(cli.requests.slice(-4).map(({ verb }) => verb)).toEqual([
    'credential.set',
    'vault.unlock',
    'vault.unlock',
    'credential.set',
  ]);
  expect(cli.out).toHaveLength(1);
  expect(cli.output).not.toMatch(/secret-value|wrong$/m);
});

test('unlock unlocks the vault, with a passphrase that is typed or read from stdin', async () => {
  using cli = new FakeCli();
  await cli.run(credentialCommand, ['credential', 'unlock'], {
    stdin: 'passphrase\n',
    json: true,
    answers: lockedVault('passphrase'),
  });
  expect(cli.values).toEqual([{ unlocked: true }]);
  await cli.run(credentialCommand, ['credential', 'unlock'], {
    typed: ['passphrase'],
    answers: lockedVault('passphrase'),
  });
  await expect(cli.run(credentialCommand, ['credential', 'unlock'])).rejects.toEqual(usage(/empty/));
});

const listed: Result<'credential.list'> = {
  credentials: [
    {
      name: 'a/token',
      store: 'keychain',
      version: '1a2b3c4d',
      updated: '2026-01-01T00:00:00.000Z',
      bound: true,
      profiles: ['a', 'b'],
    },
    { name: 'b/token', store: 'keychain', version: '', bound: false, profiles: [] },
    { name: 'c/token', store: 'vault', version: 'x', bound: true, problem: 'it is damaged', profiles: [] },
  ],
  missing: [{ name: 'd/token', profiles: ['d'] }],
};

test('list shows stored and missing credentials', async () => {
  using cli = new FakeCli();
  const answers: Answers = { 'credential.list': () => listed, status: () => daemonStatus() };
  await cli.run(credentialCommand, ['credential', 'list'], { answers });
  expect(cli.out).toEqual([
    'NAME | STORE | VERSION | SET | USED BY | NOTE',
    'a/token | keychain | 1a2b3c4d | 2026-01-01T00:00:00.000Z | a, b | ',
    'b/token | keychain | - | - | - | set by another program',
    'c/token | vault | x | - | - | it is damaged',
    'd/token | - | - | - | d | missing',
  ]);
  await cli.run(credentialCommand, ['credential', 'list'], { answers, json: true });
  expect(cli.values).toEqual([{ ...listed, locked: false, revoked: [], doubted: [] }]);
});

test('W-SEAL-5 list shows revocations, credentials that a host has refused, and a lock', async () => {
  using cli = new FakeCli();
  const doubt = {
    name: 'b/token',
    version: 'x',
    host: 'a.b',
    status: 401,
    since: '2026-01-01T00:00:00.000Z',
  };
  const credentials = { locked: true, guarded: false, revoked: ['a/token', 'c/token'], doubted: [doubt] };
  const answers: Answers = { 'credential.list': () => listed, status: () => daemonStatus({ credentials }) };
  await cli.run(credentialCommand, ['credential', 'list'], { answers });
  expect(cli.out.map((line) => line.split(' | ').at(-1))).toEqual([
    'NOTE',
    'revoked',
    'set by another program; may have expired: see "warder status"',
    'it is damaged; revoked',
    'missing',
  ]);
  expect(cli.err).toEqual(['\nall credentials are locked: "warder unlock"']);
});

test('remove asks first, and names the profiles that still use the credential', async () => {
  using cli = new FakeCli();
  const answers: Answers = {
    'credential.list': () => listed,
    'credential.remove': ({ name }) => ({ name, store: 'keychain' }),
  };
  const words = ['credential', 'remove', '--name', 'a/token'];
  await expect(cli.run(credentialCommand, words, { answers })).rejects.toEqual(usage(/needs a confirmation/));
  await expect(cli.run(credentialCommand, words, { answers, typed: ['n'] })).rejects.toMatchObject({
    code: 'refused',
  });
  expect(cli.questions).toEqual([expect.stringMatching(/remove "a\/token", which a, b use/)]);
  expect(cli.requests.some(({ verb }) => verb === 'credential.remove')).toBe(false);

  await cli.run(credentialCommand, words, { answers, typed: ['y'] });
  expect(cli.out).toEqual([
    'removed "a/token" from the keychain; open sessions keep their value',
    'still used by: a, b',
  ]);
  await cli.run(credentialCommand, [...words, '--yes'], { answers, json: true });
  expect(cli.values).toEqual([{ name: 'a/token', store: 'keychain', profiles: ['a', 'b'] }]);
});
