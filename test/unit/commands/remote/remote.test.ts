// What the verbs say of profiles with remote servers: `check`, `list`, `show`, `status`, `allow`.
import { describe, expect, test } from 'vitest';
import { allowCommand } from '../../../../src/commands/allow.ts';
import { checkCommand } from '../../../../src/commands/check.ts';
import { listCommand } from '../../../../src/commands/list.ts';
import { remoteWarnings } from '../../../../src/commands/remote/access.ts';
import { accountRows } from '../../../../src/commands/remote/account.ts';
import { removeCommand } from '../../../../src/commands/remove.ts';
import { showCommand } from '../../../../src/commands/show.ts';
import { statusCommand } from '../../../../src/commands/status.ts';
import { WarderError } from '../../../../src/errors.ts';
import type { ShownAccount } from '../../../../src/wire/control.ts';
import { account } from '../../../fixtures/accounts.ts';
import { daemonStatus } from '../../../fixtures/daemon-status.ts';
import { type Answers, FakeCli } from '../../../fixtures/fake-cli.ts';

const URL_ = 'https://mcp.notes.test/mcp';

function daemon(...accounts: ShownAccount[]): Answers {
  return {
    status: () => daemonStatus({}),
    'credential.list': () => ({ credentials: [], missing: [] }),
    accounts: () => ({ accounts }),
  };
}

function profile(auth: object | undefined, more: object = {}, server: object = {}): object {
  return { server: { url: URL_, ...server }, ...(auth && { auth }), ...more };
}

async function check(content: object, answers = daemon()): Promise<string> {
  using cli = new FakeCli();
  cli.writeProfile('notes', content);
  await cli.run(checkCommand, ['check', 'notes'], { answers });
  return cli.out.join('\n');
}

describe('check', () => {
  test('says where it connects, how it signs in, and which of it is opened', async () => {
    const output = await check(
      profile(
        { type: 'oauth', scopes: ['read'], issuer: 'http://127.0.0.1:8080' },
        { 'allow-private': ['10.0.0.0/8'], 'insecure-loopback': true },
        { headers: { 'X-Region': 'eu' } },
      ),
      daemon(account()),
    );
    expect(output).toContain(`
  reaches https://mcp.notes.test/mcp, and the authorization server that it names; at public addresses, by https
          also at private addresses: 10.0.0.0/8
          also on this machine, there without TLS too
  sends   X-Region: eu
  auth    oauth: you sign in, in a browser that comes back to 127.0.0.1
          client: what Warder gets there: by its metadata document, or by registration
          scopes: read
          at http://127.0.0.1:8080 only
  account signed in
          issuer https://auth.notes.test
          client registered
          scopes read write
          since 2024-11-28 09:05
          refreshed 2024-11-29 11:40
          until 2024-11-29 12:40, and refreshed when it is used
  tools   ask`);
    for (const word of ['sandbox', 'network', 'files', 'runs', 'sees']) expect(output).not.toContain(word);
  });

  test.each([
    [{ type: 'none' }, 'none: the server gets nothing'],
    [{ type: 'bearer' }, 'bearer: the value of notes/token, in "Authorization"'],
    [
      { type: 'header', header: 'X-API-Key', prefix: 'Key ' },
      'header: the value of notes/token, in "X-API-Key", after "Key "',
    ],
    [{ type: 'oauth', flow: 'device' }, 'oauth: you sign in on another machine, with a code'],
    [{ type: 'oauth', 'callback-port': 8123, 'client-id': 'x' }, 'comes back to 127.0.0.1, port 8123'],
    [
      { type: 'client-credentials', 'client-id': 'ci', 'private-key': 'ci/key', scopes: [] },
      'client-credentials: the client ci, without a person, with a key that signs',
    ],
    [
      { type: 'enterprise', 'client-id': 'a', identity: { issuer: 'https://idp.test', 'client-id': 'b' } },
      'enterprise: https://idp.test decides; you sign in there',
    ],
    [{ type: 'token-exchange', assertion: 'ci/jwt' }, 'token-exchange: ci/jwt is exchanged for a token'],
    [{ type: 'jwt-bearer', assertion: 'ci/jwt' }, 'jwt-bearer: ci/jwt is the grant'],
  ])('explains %j', async (auth, line) => {
    expect(await check(profile(auth))).toContain(line);
  });

  test('names what is missing, and the command that gives it', async () => {
    const secret = await check(profile({ type: 'bearer' }));
    expect(secret).toContain('secrets token: notes/token, missing');
    expect(secret).toContain('note    token has no value yet: warder credential set notes token');
    const out = await check(
      profile(undefined),
      daemon(account({ state: 'signed-out', issuer: null, scopes: [] })),
    );
    expect(out).toContain('account not signed in: warder login notes');
    const unknown = await check(profile(undefined), {
      accounts: () => {
        throw new WarderError('daemon-unreachable', 'no daemon runs');
      },
    });
    expect(unknown).toContain('note    whether somebody is signed in is not known: no daemon runs');
  });

  test('asks no daemon for an account where there can be none', async () => {
    using cli = new FakeCli();
    cli.writeProfile('notes', profile({ type: 'none' }));
    await cli.run(checkCommand, ['check', 'notes'], {});
    expect(cli.requests).toEqual([]);
  });

  test('--json has the account and the words', async () => {
    using cli = new FakeCli();
    cli.writeProfile('notes', profile(undefined));
    await cli.run(checkCommand, ['check', 'notes', '--json'], { answers: daemon(account()), json: true });
    expect(cli.values).toEqual([
      [expect.objectContaining({ name: 'notes', account: account(), sandbox: 'remote' })],
    ]);
  });
});

test.each([
  ['https://mcp.notes.test/s/aB3aB3aB3aB3aB3aB3aB3aB3aB3/mcp', true],
  ['https://mcp.notes.test/mcp', false],
  ['https://mcp.notes.test/123e4567-e89b-42d3-a456-426614174000/mcp', false],
  ['https://mcp.notes.test/some-long-name-of-a-workspace-here/mcp', false],
])('W-REM-61 the path of %s is told of as a secret: %s', (url, isSecret) => {
  expect(remoteWarnings({ url }).length === 1).toBe(isSecret);
});

test('list shows remote servers, and who is signed in', async () => {
  using cli = new FakeCli();
  cli.writeProfile('notes', profile(undefined));
  cli.writeProfile('other', profile({ type: 'bearer' }));
  cli.writeProfile('plain', profile({ type: 'none' }));
  await cli.run(listCommand, ['list'], { answers: daemon(account()) });
  const rows = cli.out.map((row) => row.split(' | '));
  expect(
    rows.slice(1).map(([name, , credentials, , sandbox, server]) => [name, credentials, sandbox, server]),
  ).toEqual([
    ['notes', 'signed in', 'remote', URL_],
    ['other', '0 of 1, sealed', 'remote', URL_],
    ['plain', '-', 'remote', URL_],
  ]);
});

test('show has the account in comments, so that the text stays a profile', async () => {
  using cli = new FakeCli();
  cli.writeProfile('notes', profile(undefined));
  const hostile = account({ detail: 'x\n server: {command: evil}' });
  await cli.run(showCommand, ['show', 'notes'], { answers: daemon(hostile) });
  const lines = cli.out.join('\n').split('\n');
  const comments = lines.filter((line) => line.startsWith('#'));
  expect(comments).toContain('# account signed in');
  expect(comments).toContain('# until 2024-11-29 12:40, and refreshed when it is used');
  expect(lines.filter((line) => line.includes('evil')).every((line) => line.startsWith('# note'))).toBe(true);
});

test('status shows accounts, and starts no daemon for them', async () => {
  using cli = new FakeCli();
  cli.writeProfile('notes', profile(undefined));
  const expired = account({ profile: 'old', state: 'expired', renewable: false, detail: 'invalid_grant' });
  await cli.run(statusCommand, ['status'], { answers: daemon(account(), expired) });
  expect(cli.out).toContain('PROFILE | ACCOUNT | AT | UNTIL | REFRESHED | SCOPES');
  expect(cli.out).toContain('notes | signed in | auth.notes.test | next use | 2024-11-29 11:40 | read write');
  expect(cli.out.some((line) => line.startsWith('old | expired |'))).toBe(true);
  expect(cli.out.at(-1)).toBe('\nold: invalid_grant');
});

test('an account says what to do where nobody is signed in', () => {
  const rows = (parts: Partial<ShownAccount>) => Object.fromEntries(accountRows(account(parts)));
  expect(rows({ state: 'expired' }).account).toBe('expired: warder login notes');
  expect(rows({ renewable: false }).until).toBe('2024-11-29 12:40, then you sign in again');
  expect(rows({ state: 'ready', expires: null, client: null })).not.toHaveProperty('until');
});

test('allow says what holds for a remote server', async () => {
  using cli = new FakeCli();
  cli.writeProfile('notes', profile(undefined));
  await expect(cli.run(allowCommand, ['allow', 'notes', 'api.test', '--yes'])).rejects.toMatchObject({
    code: 'unsupported',
    message: expect.stringContaining('Warder connects to mcp.notes.test and what signs in to it'),
    hint: expect.stringContaining('allow-private'),
  });
});

describe('remove', () => {
  const answers = (logout: Answers['logout']): Answers => ({
    ...daemon(account()),
    'trust.forget': ({ profile }) => ({ profile, forgotten: true }),
    ...(logout && { logout }),
  });

  test('signs out of a remote server, so that another profile of the name does not have its account', async () => {
    using cli = new FakeCli();
    cli.writeProfile('notes', profile(undefined));
    await cli.run(removeCommand, ['remove', 'notes', '--yes'], {
      answers: answers(() => ({ profile: 'notes', changed: true, revoked: true, detail: null })),
    });
    expect(cli.out).toContain('signed out of "notes": its tokens are revoked and forgotten');
  });

  test('removes the profile although nobody could be signed out, and says so', async () => {
    using cli = new FakeCli();
    cli.writeProfile('notes', profile(undefined));
    await cli.run(removeCommand, ['remove', 'notes', '--yes'], {
      answers: answers(() => {
        throw new WarderError('vault-locked', 'the vault is locked');
      }),
    });
    expect(cli.out).toContain('its account was not signed out: the vault is locked');
    expect(cli.out[0]).toContain('removed "notes"');
  });
});
