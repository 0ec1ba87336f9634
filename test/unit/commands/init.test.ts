// `warder init`: its questions, what is sent to the daemon, and that nothing is chosen silently.
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

/** The parameters of the request `store.init`. */
function sent(cli: FakeCli): Params<'store.init'> | undefined {
  return cli.requests.find(({ verb }) => verb === 'store.init')?.params as Params<'store.init'> | undefined;
}

test.each([
  [['--store', 'keychain'], { store: 'keychain' }],
  [['--store', 'vault', '--key-file', '/k'], { store: 'vault', key: { file: '/k' } }],
  [['--key-file', '/k'], { store: 'vault', key: { file: '/k' } }],
  [['--systemd', 'warder'], { store: 'vault', key: { systemd: 'warder' } }],
  [['--store', 'keychain', '--force'], { store: 'keychain', force: true }],
])('options are used without asking: %j', async (words, params) => {
  using cli = new FakeCli();
  await cli.run(initCommand, ['init', ...words], { answers: daemon() });
  expect(sent(cli)).toEqual(params);
  expect(cli.out.join('\n')).toMatch(/warder credential set/);
});

test('the path of a key file is made absolute', async () => {
  using cli = new FakeCli();
  await cli.run(initCommand, ['init', '--key-file', 'some/key'], { answers: daemon() });
  expect(sent(cli)).toEqual({ store: 'vault', key: { file: join(process.cwd(), 'some/key') } });
});

test.each([
  [[], /choose where credentials are kept/],
  [['--store', 'vault'], /choose how the vault is opened/],
  [['--store', 'keychain', '--key-file', '/k'], /not for a keychain/],
  [['--systemd', 'a', '--key-file', '/k'], /one key/],
])('W-CRED-39 without a terminal nothing is chosen: %j', async (words, message) => {
  using cli = new FakeCli();
  await expect(cli.run(initCommand, ['init', ...words], { answers: daemon() })).rejects.toMatchObject({
    code: 'usage',
    message: expect.stringMatching(message),
    hint: expect.any(String),
  });
  expect(sent(cli)).toBeUndefined();
});

test('the default answer is the keychain, if there is one', async () => {
  using cli = new FakeCli();
  await cli.run(initCommand, ['init'], { answers: daemon(), typed: [''] });
  expect(sent(cli)).toEqual({ store: 'keychain' });
  expect(cli.err.join('\n')).toMatch(/keychain \(recommended\)/);
});

test('a keychain that cannot be used is offered with the reason, and the vault is the default answer', async () => {
  using cli = new FakeCli();
  const keychain = { state: 'unavailable', detail: 'no session bus was found', hint: 'start one' } as const;
  await cli.run(initCommand, ['init'], {
    answers: daemon({ ...unset, keychain }),
    typed: ['', '1', 'a good passphrase', 'a good passphrase'],
  });
  expect(cli.err.join('\n')).toMatch(/no session bus was found\n +start one/);
  expect(cli.err.join('\n')).not.toMatch(/recommended/);
  expect(sent(cli)).toEqual({ store: 'vault', key: 'passphrase', passphrase: 'a good passphrase' });
  expect(cli.output).not.toContain('a good passphrase');
});

test('a place for the key file is suggested', async () => {
  using cli = new FakeCli();
  const file = join(cli.places.config, 'vault.key');
  const answers = daemon(unset, { made: file });
  await cli.run(initCommand, ['init', '--store', 'vault'], { answers, typed: ['2', ''] });
  expect(sent(cli)).toEqual({ store: 'vault', key: { file } });
  expect(cli.out.join('\n')).toMatch(/was created: keep a copy/);
});

test('a wrong answer is asked about again, and nothing is sent meanwhile', async () => {
  using cli = new FakeCli();
  const good = 'a good passphrase';
  const typed = ['3', 'yes', '1', '1234567', good, 'a god passphrase', good, good];
  await cli.run(initCommand, ['init', '--store', 'vault'], { answers: daemon(), typed });
  expect(cli.err.slice(-4)).toEqual([
    ...['type 1 or 2', 'type 1 or 2'],
    expect.stringMatching(/at least 8 characters/),
    'the two passphrases differ: type it again',
  ]);
  expect(sent(cli)).toEqual({ store: 'vault', key: 'passphrase', passphrase: good });
  expect(cli.requests.filter(({ verb }) => verb === 'store.init')).toHaveLength(1);
});

test('what init proposes next delivers no token unsealed', async () => {
  using cli = new FakeCli();
  await cli.run(initCommand, ['init', '--store', 'keychain'], { answers: daemon() });
  const proposed = cli.out.filter((line) => line.includes('--credential'));
  expect(proposed).toHaveLength(1);
  expect(proposed[0]).toContain('--host api.github.com');
  expect(proposed[0]).not.toContain('--deliver');
});

const vault: Result<'store.state'> = {
  ...unset,
  kind: 'vault',
  chosen: { state: 'locked', hint: 'unlock it' },
};

test('once a store is chosen, init shows it and changes nothing', async () => {
  using cli = new FakeCli();
  await cli.run(initCommand, ['init'], { answers: daemon(vault), typed: [] });
  expect(cli.out.join('\n')).toMatch(
    /a vault in .*, opened by a passphrase\nits state: locked\nto fix it: unlock it/,
  );
  await cli.run(initCommand, ['init'], { answers: daemon(vault), json: true });
  expect(cli.values).toEqual([
    {
      store: 'vault',
      config: join(cli.places.config, 'warder.yaml'),
      key: 'passphrase',
      state: 'locked',
      hint: 'unlock it',
      launchCommand: cli.places.launchCommand,
    },
  ]);
  expect(sent(cli)).toBeUndefined();
});

test('for an existing vault the passphrase is asked for once', async () => {
  using cli = new FakeCli();
  await cli.run(initCommand, ['init', '--store', 'vault'], { answers: daemon(vault), typed: ['short'] });
  expect(sent(cli)).toEqual({ store: 'vault', key: 'passphrase', passphrase: 'short' });
});

test('leaving a store with credentials is refused by the daemon; with --force the remaining credentials are counted', async () => {
  using cli = new FakeCli();
  const answers = daemon({ ...vault, key: { file: '/k' } }, { left: 2 });
  const refusal = new WarderError('refused', 'the vault holds 2 credentials', { hint: 'use --force' });
  const refuses: Answers = {
    ...answers,
    'store.init': () => {
      throw refusal;
    },
  };
  await expect(cli.run(initCommand, ['init', '--store', 'keychain'], { answers: refuses })).rejects.toBe(
    refusal,
  );
  await cli.run(initCommand, ['init', '--store', 'keychain', '--force'], { answers });
  expect(cli.out.join('\n')).toMatch(/2 credentials stay in the vault/);
  await cli.run(initCommand, ['init', '--store', 'keychain', '--force'], { answers, json: true });
  expect(cli.values).toEqual([
    {
      store: 'keychain',
      config: '/config/warder.yaml',
      signer: 'AAAA',
      left: 2,
      launchCommand: cli.places.launchCommand,
    },
  ]);
});
