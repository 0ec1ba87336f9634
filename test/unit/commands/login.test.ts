// `warder login` and `warder logout`: what a person sees and agrees to, and how they end it.
import { describe, expect, test } from 'vitest';
import { loginCommand } from '../../../src/commands/login.ts';
import { logoutCommand } from '../../../src/commands/logout.ts';
import { WarderError } from '../../../src/errors.ts';
import type { ShownLogin } from '../../../src/wire/control.ts';
import { account, login, PAGE } from '../../fixtures/accounts.ts';
import { type Answers, FakeCli, type Input } from '../../fixtures/fake-cli.ts';

const REMOTE = { server: { url: 'https://mcp.notes.test/mcp' } };

/** A daemon with one sign-in, which ends as the test says once it waits. */
function daemon(end: Partial<ShownLogin> = { phase: 'done', account: account() }, start = login()): Answers {
  return {
    'login.start': () => start,
    'login.agree': () => login({ phase: 'waiting', page: PAGE }),
    'login.state': () => login(end),
    'login.cancel': () => login({ phase: 'failed' }),
  };
}

async function signIn(cli: FakeCli, words: readonly string[], input: Input): Promise<string> {
  cli.writeProfile('notes', REMOTE);
  await cli.run(loginCommand, ['login', 'notes', ...words], input);
  return cli.out.join('\n');
}

describe('signing in', () => {
  test('what is agreed to is shown before it is asked about, and the page before a browser opens it', async () => {
    using cli = new FakeCli();
    const warnings = ['codes and tokens are sent to evil.test, which is not of auth.notes.test'];
    const answers = daemon(undefined, login({ warnings }));
    const output = await signIn(cli, [], { typed: ['y', 'wait'], answers });
    const all = [...cli.err];
    expect(all.slice(0, 3)).toEqual([
      'sign in to mcp.notes.test at auth.notes.test, which has all its endpoints',
      '  scopes read write',
      `warder: note: ${warnings[0]}`,
    ]);
    expect(cli.questions).toEqual([
      'sign in there?',
      'waiting for the browser. If it is on another machine, paste the URL at which it ended',
    ]);
    expect(all[3]).toBe(`sign in at ${PAGE.url}`);
    expect(cli.pages).toEqual([PAGE.url]);
    expect(output).toBe(
      [
        'signed in to mcp.notes.test; "warder logout notes" ends it',
        '  issuer    https://auth.notes.test',
        '  client    registered',
        '  scopes    read write',
        '  since     2024-11-28 09:05',
        '  refreshed 2024-11-29 11:40',
        '  until     2024-11-29 12:40, and refreshed when it is used',
      ].join('\n'),
    );
  });

  test('a no contacts nobody further and leaves nothing behind', async () => {
    using cli = new FakeCli();
    await expect(signIn(cli, [], { typed: ['n'], answers: daemon() })).rejects.toMatchObject({
      code: 'refused',
    });
    expect(cli.requests.map(({ verb }) => verb)).toEqual(['login.start', 'login.cancel']);
    expect(cli.pages).toEqual([]);
  });

  test('^C while the browser is open cancels it', async () => {
    using cli = new FakeCli();
    const ended = Promise.withResolvers<ShownLogin>();
    const answers: Answers = {
      ...daemon(),
      'login.state': () => ended.promise,
      'login.cancel': () => {
        ended.resolve(login({ phase: 'failed' }));
        return login({ phase: 'failed' });
      },
    };
    await expect(signIn(cli, [], { typed: ['y', '^C'], answers })).rejects.toMatchObject({
      code: 'refused',
      message: 'the sign-in was cancelled',
    });
    expect(cli.requests.at(-1)?.verb).toBe('login.cancel');
  });

  test('without a terminal nobody is contacted, unless --yes agrees beforehand', async () => {
    using cli = new FakeCli();
    await expect(signIn(cli, [], { answers: daemon() })).rejects.toMatchObject({
      code: 'usage',
      hint: 'use --yes',
    });
    expect(cli.requests).toEqual([]);
    await signIn(cli, ['--yes'], { answers: daemon() });
    expect(cli.pages).toEqual([PAGE.url]);
  });

  test('W-REM-65 --yes agrees to nothing that needs attention', async () => {
    using cli = new FakeCli();
    const warned = login({
      warnings: ['codes and tokens are sent to evil.test, which is not of auth.notes.test'],
    });
    await expect(signIn(cli, ['--yes'], { answers: daemon(undefined, warned) })).rejects.toMatchObject({
      code: 'refused',
      hint: 'run "warder login notes" in a terminal, without --yes',
    });
    expect(cli.requests.map(({ verb }) => verb)).toEqual(['login.start', 'login.cancel']);
    await signIn(cli, ['--yes'], { typed: ['y', 'wait'], answers: daemon(undefined, warned) });
    expect(cli.questions[0]).toBe('sign in there?');
  });

  test('--no-browser only shows the page, and the URL at which it ended elsewhere is pasted', async () => {
    using cli = new FakeCli();
    const pasted = Promise.withResolvers<void>();
    const answers: Answers = {
      ...daemon(),
      'login.state': async () => {
        await pasted.promise;
        return login({ phase: 'done', account: account() });
      },
      'login.paste': () => {
        pasted.resolve();
        return login({ phase: 'done' });
      },
    };
    const url = `${PAGE.redirect}?code=SECRET&state=y`;
    const output = await signIn(cli, ['--no-browser'], { typed: ['y', ` ${url} `], answers });
    expect(cli.pages).toEqual([]);
    expect(cli.requests.filter(({ verb }) => verb === 'login.paste')).toEqual([
      { verb: 'login.paste', params: { login: 'a1', url } },
    ]);
    expect(output).toContain('signed in to mcp.notes.test');
    expect(cli.out.join() + cli.err.join()).not.toContain('SECRET');
  });

  test('what is pasted and is not the redirect is refused here', async () => {
    using cli = new FakeCli();
    await expect(
      signIn(cli, [], { typed: ['y', 'https://evil.test/?code=1'], answers: daemon() }),
    ).rejects.toThrow(`it begins with ${PAGE.redirect}`);
  });

  test('a browser that cannot be opened is said, and the wait goes on', async () => {
    using cli = new FakeCli();
    await signIn(cli, [], { typed: ['y', 'wait'], answers: daemon(), hasBrowser: false });
    expect(cli.err.join('\n')).toContain('no browser could be opened here: open the page yourself');
  });

  test('--device shows the code, and --scope is passed on', async () => {
    using cli = new FakeCli();
    const device = { code: 'WDJB-MJHT', url: 'https://auth.notes.test/device', complete: null };
    const answers: Answers = { ...daemon(), 'login.agree': () => login({ phase: 'waiting', device }) };
    await signIn(cli, ['--device', '--scope', 'a', '--scope', 'b'], { typed: ['y'], answers });
    expect(cli.requests[0]).toEqual({
      verb: 'login.start',
      params: { profile: 'notes', flow: 'device', scopes: ['a', 'b'] },
    });
    expect(cli.err).toContain('open https://auth.notes.test/device');
    expect(cli.err).toContain('and type the code WDJB-MJHT');
    expect(cli.pages).toEqual([]);
  });

  test.each([
    [{ code: 'sign-in-failed', message: 'the page was closed', hint: 'try again' }, 'sign-in-failed'],
    [{ code: 'remote-refused', message: 'a private address' }, 'remote-refused'],
    [{ code: 'of a later version', message: 'x' }, 'sign-in-failed'],
  ])('a sign-in that fails ends with its own error: %j', async (error, code) => {
    using cli = new FakeCli();
    const answers = daemon({ phase: 'failed', error });
    await expect(signIn(cli, [], { typed: ['y', 'wait'], answers })).rejects.toMatchObject({
      code,
      message: error.message,
      hint: 'hint' in error ? error.hint : undefined,
    });
  });

  test('what takes long to find out is waited for, then agreed to', async () => {
    using cli = new FakeCli();
    const states = [login({ phase: 'asking' }), login({ phase: 'done', account: account() })];
    const answers: Answers = {
      ...daemon(undefined, login({ phase: 'waiting', lines: [] })),
      'login.state': () => states.shift() ?? login(),
    };
    await signIn(cli, [], { typed: ['y', 'wait'], answers });
    expect(cli.questions[0]).toBe('sign in there?');
    expect(cli.pages).toEqual([PAGE.url]);
  });

  test('one that needs nobody is done at once', async () => {
    using cli = new FakeCli();
    const answers = daemon(
      undefined,
      login({ phase: 'done', account: account({ auth: 'client-credentials' }) }),
    );
    expect(await signIn(cli, ['--yes'], { answers })).toContain('signed in to');
    expect(cli.questions).toEqual([]);
  });

  test('--json prints the account, and nothing else on stdout', async () => {
    using cli = new FakeCli();
    await signIn(cli, ['--yes', '--json'], { answers: daemon(), json: true });
    expect(cli.out).toEqual([]);
    expect(cli.values).toEqual([account()]);
  });

  test.each([
    [{ server: { command: 'cat' } }, [], 'runs on this machine: there is nothing to sign in to'],
    [
      { ...REMOTE, auth: { type: 'none' } },
      ['--device'],
      '"--device" has no effect with "auth: {type: none}"',
    ],
    [{ ...REMOTE, auth: { type: 'bearer' } }, ['--scope', 'a'], '"--scope" has no effect'],
  ])('what has no effect is refused: %j %j', async (profile, words, message) => {
    using cli = new FakeCli();
    cli.writeProfile('notes', profile);
    await expect(cli.run(loginCommand, ['login', 'notes', ...words])).rejects.toThrow(message);
  });

  test('a server that asks for nothing needs no sign-in', async () => {
    using cli = new FakeCli();
    cli.writeProfile('notes', { ...REMOTE, auth: { type: 'none' } });
    await cli.run(loginCommand, ['login', 'notes']);
    expect(cli.out).toEqual(['"notes" needs no sign-in: its profile says "auth: {type: none}"']);
  });

  test('W-REM-61 with a token of one’s own it is asked for without echo, and stored', async () => {
    using cli = new FakeCli();
    cli.writeProfile('notes', {
      ...REMOTE,
      auth: { type: 'bearer', credential: 'team/notes', from: 'vault' },
    });
    await cli.run(loginCommand, ['login', 'notes'], {
      typed: ['a-token-of-mine'],
      answers: {
        'credential.set': ({ name }) => ({
          name,
          store: 'vault',
          version: 'v',
          replaced: false,
          sessions: { moved: 0, kept: 0 },
        }),
      },
    });
    expect(cli.questions).toEqual(['value of "team/notes": ']);
    expect(cli.requests).toEqual([
      { verb: 'credential.set', params: { name: 'team/notes', value: 'a-token-of-mine', store: 'vault' } },
    ]);
    expect(cli.out).toEqual(['set "team/notes" in the vault']);
  });
});

describe('signing out', () => {
  const revoked = { profile: 'notes', changed: true, revoked: true, detail: null };

  test.each([
    [revoked, 'signed out of "notes": its tokens are revoked and forgotten'],
    [
      { ...revoked, revoked: false, detail: 'auth.notes.test has no way to' },
      'signed out of "notes": its tokens are forgotten here, but were not revoked: auth.notes.test has no way to',
    ],
    [{ ...revoked, changed: false, revoked: false }, 'nobody was signed in to "notes"'],
  ])('of one profile: %j', async (result, line) => {
    using cli = new FakeCli();
    cli.writeProfile('notes', REMOTE);
    await cli.run(logoutCommand, ['logout', 'notes'], { answers: { logout: () => result } });
    expect(cli.out).toEqual([line]);
  });

  test('of all, after they were named', async () => {
    using cli = new FakeCli();
    const accounts = [
      account(),
      account({ profile: 'old', state: 'expired' }),
      account({ profile: 'out', state: 'signed-out' }),
      account({ profile: 'ci', state: 'ready' }),
    ];
    const answers: Answers = {
      accounts: () => ({ accounts }),
      logout: ({ profile }) => ({ ...revoked, profile }),
    };
    await cli.run(logoutCommand, ['logout', '--all'], { typed: ['y'], answers });
    expect(cli.questions).toEqual(['sign out of notes, old?']);
    expect(cli.out.at(-1)).toBe('signed out of 2 servers');
    await expect(
      cli.run(logoutCommand, ['logout', '--all'], { typed: ['n'], answers }),
    ).rejects.toMatchObject({
      code: 'refused',
    });
    await expect(cli.run(logoutCommand, ['logout', '--all'], { answers })).rejects.toMatchObject({
      code: 'usage',
    });
  });

  test('says what is wrong with the command', async () => {
    using cli = new FakeCli();
    cli.writeProfile('notes', REMOTE);
    cli.writeProfile('local', { server: { command: 'cat' } });
    cli.writeProfile('token', { ...REMOTE, auth: { type: 'bearer' } });
    cli.writeProfile('open', { ...REMOTE, auth: { type: 'none' } });
    for (const [words, message, hint] of [
      [[], 'which profile?', '--all'],
      [['notes', '--all'], 'not both', ''],
      [['local'], '"local" has no account to sign out of', 'runs on this machine'],
      [['token'], '"token" has no account to sign out of', 'warder revoke'],
      [['open'], '"open" has no account to sign out of', 'none'],
    ] as const) {
      const error: unknown = await cli
        .run(logoutCommand, ['logout', ...words])
        .catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(WarderError);
      expect((error as WarderError).message).toContain(message);
      expect((error as WarderError).hint).toContain(hint);
    }
    expect(cli.requests).toEqual([]);
  });
});
