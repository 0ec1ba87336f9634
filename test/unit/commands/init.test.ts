// `warder init`: what is asked, what is sent, and that nothing is chosen silently.
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { initCommand } from '../../../src/commands/init.ts';
import { WarderError } from '../../../src/errors.ts';
import type { Params, Result } from '../../../src/wire/control.ts';
import { type Answers, FakeCli } from '../../fixtures/fake-cli.ts';

const unset: Result<'store.state'> = {
  kind: null,
  chosen: { state: 'unset' },
  keychain: { state: 'ready' },
  key: 'passphrase',
};

function daemon(state: Result<'store.state'> = unset, done: Partial<Result<'store.init'>> = {}): Answers {
  return {
    'store.state': () => state,
    'store.init': ({ store }) => ({
      store,
      config: '/config/warder.yaml',
      signer: 'AAAA',
      left: 0,
      ...done,
    }),
  };
}

/** What `store.init` was asked. */
function sent(person: FakeCli): Params<'store.init'> | undefined {
  return person.requests.find(({ verb }) => verb === 'store.init')?.params as
    | Params<'store.init'>
    | undefined;
}

test.each([
  [['--store', 'keychain'], { store: 'keychain' }],
  [['--store', 'vault', '--key-file', '/k'], { store: 'vault', key: { file: '/k' } }],
  [['--key-file', '/k'], { store: 'vault', key: { file: '/k' } }],
  [['--systemd', 'warder'], { store: 'vault', key: { systemd: 'warder' } }],
  [['--store', 'keychain', '--force'], { store: 'keychain', force: true }],
])('what is said is done, and nobody is asked: %j', async (words, params) => {
  using person = new FakeCli();
  await person.run(initCommand, ['init', ...words], { answers: daemon() });
  expect(sent(person)).toEqual(params);
  expect(person.out.join('\n')).toMatch(/warder credential set/);
});

test('a key file is named by its whole path', async () => {
  using person = new FakeCli();
  await person.run(initCommand, ['init', '--key-file', 'some/key'], { answers: daemon() });
  expect(sent(person)).toEqual({ store: 'vault', key: { file: join(process.cwd(), 'some/key') } });
});

test.each([
  [[], /where credentials are kept/],
  [['--store', 'vault'], /how the vault is opened/],
  [['--store', 'keychain', '--key-file', '/k'], /no key of ours/],
  [['--systemd', 'a', '--key-file', '/k'], /one key/],
])('W-CRED-39 where nobody can be asked, nothing is chosen: %j', async (words, message) => {
  using person = new FakeCli();
  await expect(person.run(initCommand, ['init', ...words], { answers: daemon() })).rejects.toMatchObject({
    code: 'usage',
    message: expect.stringMatching(message),
    hint: expect.any(String),
  });
  expect(sent(person)).toBeUndefined();
});

test('a person who takes what is offered gets the keychain, where there is one', async () => {
  using person = new FakeCli();
  await person.run(initCommand, ['init'], { answers: daemon(), typed: [''] });
  expect(sent(person)).toEqual({ store: 'keychain' });
  expect(person.err.join('\n')).toMatch(/keychain \(recommended\)/);
});

test('a keychain that cannot be used is offered with the reason, and the vault is the usual answer', async () => {
  using person = new FakeCli();
  const keychain = { state: 'unavailable', detail: 'no session bus was found', hint: 'start one' } as const;
  await person.run(initCommand, ['init'], {
    answers: daemon({ ...unset, keychain }),
    typed: ['', '1', 'a good passphrase', 'a good passphrase'],
  });
  expect(person.err.join('\n')).toMatch(/no session bus was found\n +start one/);
  expect(person.err.join('\n')).not.toMatch(/recommended/);
  expect(sent(person)).toEqual({ store: 'vault', key: 'passphrase', passphrase: 'a good passphrase' });
  expect(person.output).not.toContain('a good passphrase');
});

test('a key file is offered a place', async () => {
  using person = new FakeCli();
  const file = join(person.places.config, 'vault.key');
  const answers = daemon(unset, { made: file });
  await person.run(initCommand, ['init', '--store', 'vault'], { answers, typed: ['2', ''] });
  expect(sent(person)).toEqual({ store: 'vault', key: { file } });
  expect(person.out.join('\n')).toMatch(/was made: keep a copy/);
});

test.each([
  ['short', ['1', '1234567'], /at least 8/],
  ['mistyped', ['1', 'a good passphrase', 'a god passphrase'], /differ/],
  ['not chosen', ['3'], /neither/],
])('a passphrase that is %s changes nothing', async (_what, typed, message) => {
  using person = new FakeCli();
  await expect(
    person.run(initCommand, ['init', '--store', 'vault'], { answers: daemon(), typed }),
  ).rejects.toMatchObject({ code: 'usage', message: expect.stringMatching(message) });
  expect(sent(person)).toBeUndefined();
});

const vault: Result<'store.state'> = {
  ...unset,
  kind: 'vault',
  chosen: { state: 'locked', hint: 'unlock it' },
};

test('a second time it shows what is set, and changes nothing', async () => {
  using person = new FakeCli();
  await person.run(initCommand, ['init'], { answers: daemon(vault), typed: [] });
  expect(person.out.join('\n')).toMatch(
    /a vault in .*, opened by a passphrase\nits state: locked\nto mend it: unlock it/,
  );
  await person.run(initCommand, ['init'], { answers: daemon(vault), json: true });
  expect(person.values).toEqual([
    {
      store: 'vault',
      config: join(person.places.config, 'warder.yaml'),
      key: 'passphrase',
      state: 'locked',
      hint: 'unlock it',
    },
  ]);
  expect(sent(person)).toBeUndefined();
});

test('a vault that is there asks once for the passphrase that it has', async () => {
  using person = new FakeCli();
  await person.run(initCommand, ['init', '--store', 'vault'], { answers: daemon(vault), typed: ['short'] });
  expect(sent(person)).toEqual({ store: 'vault', key: 'passphrase', passphrase: 'short' });
});

test('to leave a store that holds credentials is refused by the daemon, or said with what stays', async () => {
  using person = new FakeCli();
  const answers = daemon({ ...vault, key: { file: '/k' } }, { left: 2 });
  const refusal = new WarderError('refused', 'the vault holds 2 credentials', { hint: 'say --force' });
  const refuses: Answers = {
    ...answers,
    'store.init': () => {
      throw refusal;
    },
  };
  await expect(person.run(initCommand, ['init', '--store', 'keychain'], { answers: refuses })).rejects.toBe(
    refusal,
  );
  await person.run(initCommand, ['init', '--store', 'keychain', '--force'], { answers });
  expect(person.out.join('\n')).toMatch(/2 credentials stay in the vault/);
  await person.run(initCommand, ['init', '--store', 'keychain', '--force'], { answers, json: true });
  expect(person.values).toEqual([
    { store: 'keychain', config: '/config/warder.yaml', signer: 'AAAA', left: 2 },
  ]);
});
