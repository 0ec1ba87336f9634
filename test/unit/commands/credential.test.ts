// `warder credential`: what is sent to the daemon, what is printed, and what never is.
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

test('a typed value is kept, and its length is all that shows', async () => {
  using person = new FakeCli();
  await person.run(credentialCommand, ['credential', 'set', 'github', 'GITHUB_TOKEN'], {
    typed: [SECRET],
    answers: keeps,
  });
  expect(person.requests).toEqual([
    { verb: 'credential.set', params: { name: 'github/GITHUB_TOKEN', value: SECRET } },
  ]);
  expect(person.out).toEqual(['set "github/GITHUB_TOKEN" in the keychain: version 1a2b3c4d, 23 characters']);
  expect(person.output).not.toContain(SECRET);
});

test.each([
  ['one newline is not part of it', `${SECRET}\n`, SECRET],
  ['nor is one of Windows', `${SECRET}\r\n`, SECRET],
  ['spaces are', ` ${SECRET}`, ` ${SECRET}`],
])('a value from stdin: %s', async (_what, stdin, value) => {
  using person = new FakeCli();
  const words = ['credential', 'rotate', '--name', 'github/token'];
  await person.run(credentialCommand, words, { stdin, json: true, answers: keeps });
  expect(person.requests).toEqual([{ verb: 'credential.rotate', params: { name: 'github/token', value } }]);
  expect(person.values).toEqual([
    { ...stored, name: 'github/token', replaced: true, sessions: { moved: 2, kept: 0 } },
  ]);
  expect(person.out).toEqual([]);
  expect(person.output).not.toContain(SECRET);
});

test('a value of several lines is kept as it is where that is said, and refused otherwise', async () => {
  using person = new FakeCli();
  const stdin = `-----BEGIN KEY-----\n${SECRET}\n-----END KEY-----\n`;
  const words = ['credential', 'set', '--name', 'deploy/key'];
  await expect(person.run(credentialCommand, words, { stdin })).rejects.toEqual(usage(/line break/));
  expect(person.requests).toEqual([]);
  await person.run(credentialCommand, [...words, '--multiline'], { stdin, answers: keeps });
  expect(person.requests).toMatchObject([{ params: { value: stdin } }]);
});

test.each([
  ['nothing', '', /empty/],
  ['a newline alone', '\n', /empty/],
  ['a NUL', `${SECRET}\0`, /NUL/],
  ['no text', `${SECRET}\ufffd`, /UTF-8/],
])('W-CRED-38 what cannot be a value is refused, and not repeated: %s', async (_what, stdin, message) => {
  using person = new FakeCli();
  const failed = await person
    .run(credentialCommand, ['credential', 'set', 'github', 'GITHUB_TOKEN'], { stdin })
    .catch((error) => error);
  expect(failed).toEqual(usage(message));
  expect(`${failed.message} ${failed.hint} ${person.output}`).not.toContain(SECRET);
  expect(person.requests).toEqual([]);
});

test('a short value, and one with a space at its end, are kept with a word of warning', async () => {
  using person = new FakeCli();
  const situation = { stdin: 'short12 ', answers: keeps };
  await person.run(credentialCommand, ['credential', 'set', 'github', 'GITHUB_TOKEN'], situation);
  expect(person.err).toEqual([expect.stringMatching(/space/)]);
  await person.run(credentialCommand, ['credential', 'set', 'github', 'GITHUB_TOKEN'], {
    stdin: 'short12',
    answers: keeps,
  });
  expect(person.err[1]).toMatch(/less than 8 characters/);
  expect(person.requests).toHaveLength(2);
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
  using person = new FakeCli();
  for (const verb of ['set', 'rotate', 'remove']) {
    const failed = await person
      .run(credentialCommand, ['credential', verb, ...words], { stdin: 'another-value' })
      .catch((error) => error);
    expect(failed).toBeInstanceOf(WarderError);
    expect(failed).toMatchObject({ code: 'usage', hint: expect.any(String) });
    expect(`${failed.message} ${failed.hint} ${person.output}`).not.toMatch(/secret-value|xxxx/);
  }
  expect(person.requests).toEqual([]);
});

test.each([
  [[], /missing/],
  [['github'], /missing/],
  [['--name', 'no name'], /no name/],
  [['--name', '../x'], /no name/],
])('what names no credential is refused: %j', async (words, message) => {
  using person = new FakeCli();
  await expect(person.run(credentialCommand, ['credential', 'set', ...words])).rejects.toEqual(
    usage(message),
  );
});

test('the profile says which credential is meant, and in which store', async () => {
  using person = new FakeCli();
  person.writeProfile('github', {
    server: { command: 'node' },
    credentials: {
      GITHUB_TOKEN: { name: 'shared/token', from: 'vault', deliver: 'env' },
      PLAIN: { deliver: 'env' },
      PRINTED: { from: { command: ['op', 'read'] }, deliver: 'env' },
    },
  });
  const set = (variable: string) =>
    person.run(credentialCommand, ['credential', 'set', 'github', variable], {
      stdin: SECRET,
      answers: keeps,
    });
  await set('GITHUB_TOKEN');
  await set('PLAIN');
  expect(person.err).toEqual([]);
  await set('GITHUB_TOKE');
  expect(person.requests.map(({ params }) => params)).toEqual([
    { name: 'shared/token', store: 'vault', value: SECRET },
    { name: 'github/PLAIN', value: SECRET },
    { name: 'github/GITHUB_TOKE', value: SECRET },
  ]);
  expect(person.err).toEqual([
    expect.stringMatching(/no credential "GITHUB_TOKE"; did you mean "GITHUB_TOKEN"\?/),
  ]);
  await expect(set('PRINTED')).rejects.toEqual(usage(/from a command/));
  person.writeProfile('broken', { serve: {} });
  await expect(person.run(credentialCommand, ['credential', 'set', 'broken', 'X'])).rejects.toMatchObject({
    code: 'profile-invalid',
  });
});

test('open sessions that took the new value are told, and one that did not makes it a failure', async () => {
  using person = new FakeCli();
  const rotate = (moved: number, kept: number) =>
    person.run(credentialCommand, ['credential', 'rotate', 'github', 'GITHUB_TOKEN'], {
      stdin: SECRET,
      answers: { 'credential.rotate': () => ({ ...stored, replaced: true, sessions: { moved, kept } }) },
    });
  await rotate(2, 0);
  expect(person.out[1]).toBe('2 open sessions go on with it');
  expect(person.exitCode).toBeUndefined();
  await rotate(1, 1);
  expect(person.out[3]).toBe('1 open session goes on with it');
  expect(person.err).toEqual([expect.stringMatching(/1 open session goes on with the old value/)]);
  expect(person.exitCode).toBe(1);
});

test('what the daemon refuses is refused', async () => {
  using person = new FakeCli();
  const refusal = new WarderError('credential-missing', 'there is no credential "github/GITHUB_TOKEN"');
  const answers: Answers = {
    'credential.rotate': () => {
      throw refusal;
    },
  };
  const words = ['credential', 'rotate', 'github', 'GITHUB_TOKEN'];
  await expect(person.run(credentialCommand, words, { stdin: SECRET, answers })).rejects.toBe(refusal);
  expect(person.output).not.toContain(SECRET);
});

/** A daemon whose vault is locked until it hears the passphrase. */
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

test('a locked vault is opened on the way where somebody can be asked, once', async () => {
  using person = new FakeCli();
  const words = ['credential', 'set', 'github', 'GITHUB_TOKEN'];
  const answers = lockedVault('passphrase');
  await expect(person.run(credentialCommand, words, { stdin: SECRET, answers })).rejects.toMatchObject({
    code: 'vault-locked',
  });
  await expect(
    person.run(credentialCommand, words, { typed: [SECRET, 'wrong'], answers }),
  ).rejects.toMatchObject({ code: 'vault-key' });
  await person.run(credentialCommand, words, { typed: [SECRET, 'passphrase'], answers });
  expect(person.questions.at(-1)).toMatch(/passphrase/);
  expect(person.requests.slice(-3).map(({ verb }) => verb)).toEqual([
    'credential.set',
    'vault.unlock',
    'credential.set',
  ]);
  expect(person.out).toHaveLength(1);
  expect(person.output).not.toMatch(/secret-value|wrong$/m);
});

test('unlock opens the vault, with a passphrase that is typed or comes by stdin', async () => {
  using person = new FakeCli();
  await person.run(credentialCommand, ['credential', 'unlock'], {
    stdin: 'passphrase\n',
    json: true,
    answers: lockedVault('passphrase'),
  });
  expect(person.values).toEqual([{ unlocked: true }]);
  await person.run(credentialCommand, ['credential', 'unlock'], {
    typed: ['passphrase'],
    answers: lockedVault('passphrase'),
  });
  await expect(person.run(credentialCommand, ['credential', 'unlock'])).rejects.toEqual(usage(/empty/));
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

test('list shows what is there and what is missing', async () => {
  using person = new FakeCli();
  const answers: Answers = { 'credential.list': () => listed, status: () => daemonStatus() };
  await person.run(credentialCommand, ['credential', 'list'], { answers });
  expect(person.out).toEqual([
    'NAME | STORE | VERSION | SET | USED BY | NOTE',
    'a/token | keychain | 1a2b3c4d | 2026-01-01T00:00:00.000Z | a, b | ',
    'b/token | keychain | - | - | - | set by another program',
    'c/token | vault | x | - | - | it is damaged',
    'd/token | - | - | - | d | missing',
  ]);
  await person.run(credentialCommand, ['credential', 'list'], { answers, json: true });
  expect(person.values).toEqual([{ ...listed, locked: false, revoked: [], doubted: [] }]);
});

test('W-SEAL-5 list shows what is revoked, what a host has refused, and that all is locked', async () => {
  using person = new FakeCli();
  const doubt = {
    name: 'b/token',
    version: 'x',
    host: 'a.b',
    status: 401,
    since: '2026-01-01T00:00:00.000Z',
  };
  const credentials = { locked: true, guarded: false, revoked: ['a/token', 'c/token'], doubted: [doubt] };
  const answers: Answers = { 'credential.list': () => listed, status: () => daemonStatus({ credentials }) };
  await person.run(credentialCommand, ['credential', 'list'], { answers });
  expect(person.out.map((line) => line.split(' | ').at(-1))).toEqual([
    'NOTE',
    'revoked',
    'set by another program; may have expired: see "warder status"',
    'it is damaged; revoked',
    'missing',
  ]);
  expect(person.err).toEqual(['\nall credentials are locked: "warder unlock"']);
});

test('remove asks first, and says who still names it', async () => {
  using person = new FakeCli();
  const answers: Answers = {
    'credential.list': () => listed,
    'credential.remove': ({ name }) => ({ name, store: 'keychain' }),
  };
  const words = ['credential', 'remove', '--name', 'a/token'];
  await expect(person.run(credentialCommand, words, { answers })).rejects.toEqual(usage(/nobody is here/));
  await expect(person.run(credentialCommand, words, { answers, typed: ['n'] })).rejects.toMatchObject({
    code: 'refused',
  });
  expect(person.questions).toEqual([expect.stringMatching(/remove "a\/token", which a, b use/)]);
  expect(person.requests.some(({ verb }) => verb === 'credential.remove')).toBe(false);

  await person.run(credentialCommand, words, { answers, typed: ['y'] });
  expect(person.out).toEqual([
    'removed "a/token" from the keychain; open sessions keep what they have',
    'still named by: a, b',
  ]);
  await person.run(credentialCommand, [...words, '--yes'], { answers, json: true });
  expect(person.values).toEqual([{ name: 'a/token', store: 'keychain', profiles: ['a', 'b'] }]);
});
