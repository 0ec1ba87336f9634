// biome-ignore-all lint/suspicious/noTemplateCurlyInString: that these are refused is what is tested
// `warder add NAME URL`: what is refused before anybody is contacted, what is written for what was found, and how a person
// signs in on the way.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { addCommand } from '../../../../src/commands/add.ts';
import { WarderError } from '../../../../src/errors.ts';
import { loadProfile } from '../../../../src/profile/load.ts';
import type { Result } from '../../../../src/wire/control.ts';
import { login } from '../../../fixtures/accounts.ts';
import { type Answers, FakeCli, type Input } from '../../../fixtures/fake-cli.ts';

const PLACE = 'https://mcp.notes.test/mcp';
type Found = Result<'remote.probe'>;

function found(parts: Partial<Found> = {}): Found {
  return {
    url: PLACE,
    transport: 'session',
    server: null,
    needs: 'oauth',
    issuers: ['https://auth.notes.test'],
    scopes: ['read'],
    registration: ['registration'],
    detail: null,
    ...parts,
  };
}

function daemon(parts: Partial<Found> = {}): Answers {
  return {
    'remote.probe': () => found(parts),
    'credential.set': ({ name }) => ({
      name,
      store: 'vault',
      version: 'v',
      replaced: false,
      sessions: { moved: 0, kept: 0 },
    }),
  };
}

async function add(cli: FakeCli, words: readonly string[], input: Input = {}): Promise<string> {
  await cli.run(addCommand, ['add', 'notes', ...words], input);
  return cli.out.join('\n');
}

const file = (cli: FakeCli): string => join(cli.places.profiles, 'notes.yaml');

/** The error, after which nothing was written and nobody was contacted. */
async function refusal(words: readonly string[], input: Input = {}): Promise<WarderError> {
  using cli = new FakeCli();
  const error: unknown = await add(cli, words, input).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(WarderError);
  expect(existsSync(file(cli))).toBe(false);
  expect(cli.requests).toEqual([]);
  expect(cli.output).not.toContain('SECRET');
  expect((error as WarderError).message + String((error as WarderError).hint)).not.toContain('SECRET');
  return error as WarderError;
}

describe('a URL', () => {
  test.each([[[PLACE]], [['--url', PLACE]]])('%j is written with what was found there', async (words) => {
    using cli = new FakeCli();
    const output = await add(cli, words, { answers: daemon({ server: 'Notes 2.1' }) });
    expect(readFileSync(file(cli), 'utf8')).toContain(`server:
  url: https://mcp.notes.test/mcp
auth:
  type: oauth # a person signs in; hosts and models never see the token
policy:
  default: ask # what no pattern names: a person is asked
`);
    expect(output).toContain(`mcp.notes.test speaks Streamable HTTP, with sessions; it needs a sign-in
  it calls itself Notes 2.1
  issuer https://auth.notes.test
  scopes read
  client by registration
wrote `);
    expect(output).toContain('next:\n  warder login notes\n  warder test notes\n');
    expect(output).toContain('"run"');
    expect(cli.requests).toEqual([{ verb: 'remote.probe', params: { url: PLACE } }]);
  });

  test('that needs no sign-in has auth none', async () => {
    using cli = new FakeCli();
    const output = await add(cli, [PLACE], {
      answers: daemon({ needs: 'nothing', issuers: [], scopes: [] }),
    });
    expect(loadProfile(cli.places, 'notes').profile.server).toMatchObject({ auth: { type: 'none' } });
    expect(output).not.toContain('warder login');
  });

  test('headers, private addresses, scopes and rules are written, and the probe has them too', async () => {
    using cli = new FakeCli();
    await add(
      cli,
      [
        PLACE,
        ...[
          '--header',
          'X-Region: eu',
          '--header',
          'X-Team=a b',
          '--scope',
          'read',
          '--allow-private',
          '10.0.0.0/8',
        ],
        ...['--deny', 'delete_*', '--description', 'Notes', '--client-id', 'warder-1'],
      ],
      { answers: daemon() },
    );
    const { profile } = loadProfile(cli.places, 'notes');
    expect(profile).toMatchObject({
      description: 'Notes',
      server: {
        headers: { 'X-Region': 'eu', 'X-Team': 'a b' },
        auth: { type: 'oauth', scopes: ['read'], clientId: 'warder-1' },
        allowPrivate: ['10.0.0.0/8'],
      },
      policy: { tools: { 'delete_*': 'deny' } },
    });
    expect(cli.requests[0]?.params).toEqual({
      url: PLACE,
      headers: { 'X-Region': 'eu', 'X-Team': 'a b' },
      'allow-private': ['10.0.0.0/8'],
    });
  });

  test('on this machine, which is said', async () => {
    using cli = new FakeCli();
    await add(cli, ['http://127.0.0.1:8000/mcp', '--insecure-loopback'], { answers: daemon() });
    expect(loadProfile(cli.places, 'notes').profile.server).toMatchObject({ insecureLoopback: true });
    expect(cli.requests[0]?.params).toMatchObject({ 'insecure-loopback': true });
  });

  test('W-REM-61 --bearer asks for the token, stores it, and writes only its name', async () => {
    using cli = new FakeCli();
    await add(cli, [PLACE, '--bearer'], { stdin: 'SECRET-token-of-mine\n', answers: daemon() });
    expect(cli.requests.map(({ verb }) => verb)).toEqual(['remote.probe', 'credential.set']);
    expect(cli.requests[1]?.params).toEqual({ name: 'notes/token', value: 'SECRET-token-of-mine' });
    expect(readFileSync(file(cli), 'utf8')).not.toContain('SECRET');
    expect(cli.output).not.toContain('SECRET');
  });

  test('W-REM-61 a key in a header of its own is asked for likewise', async () => {
    using cli = new FakeCli();
    await add(cli, [PLACE, '--key-header', 'X-API-Key', '--no-test'], {
      stdin: 'SECRET-key-of-mine',
      answers: daemon(),
    });
    expect(loadProfile(cli.places, 'notes').profile.server).toMatchObject({
      auth: { type: 'header', header: 'X-API-Key' },
    });
    expect(cli.requests.map(({ verb }) => verb)).toEqual(['credential.set']);
  });

  test('with an empty token nothing is written', async () => {
    using cli = new FakeCli();
    await expect(add(cli, [PLACE, '--bearer'], { stdin: '\n', answers: daemon() })).rejects.toThrow(
      'is empty',
    );
    expect(existsSync(file(cli))).toBe(false);
  });

  test('a server that wants a token and does not explain it is told of', async () => {
    using cli = new FakeCli();
    await expect(
      add(cli, [PLACE], { answers: daemon({ needs: 'token', issuers: [] }) }),
    ).rejects.toMatchObject({
      code: 'usage',
      hint: expect.stringContaining(`warder add notes ${PLACE} --bearer`),
    });
    expect(existsSync(file(cli))).toBe(false);
  });

  test('one that does not answer is not written, but with --no-test, which asks nobody', async () => {
    using cli = new FakeCli();
    const answers: Answers = {
      'remote.probe': () => {
        throw new WarderError('remote-unreachable', '"mcp.notes.test" cannot be reached');
      },
    };
    await expect(add(cli, [PLACE], { answers })).rejects.toMatchObject({
      code: 'remote-unreachable',
      hint: '--no-test writes the profile all the same',
    });
    expect(existsSync(file(cli))).toBe(false);
    await add(cli, [PLACE, '--no-test']);
    expect(loadProfile(cli.places, 'notes').profile.server).toMatchObject({ auth: { type: 'oauth' } });
  });

  test('in a terminal the person is asked to sign in, and a no leaves the profile', async () => {
    using cli = new FakeCli();
    const answers: Answers = {
      ...daemon(),
      'login.start': () => login(),
      'login.cancel': () => login({ phase: 'failed' }),
    };
    const output = await add(cli, [PLACE], { typed: ['n'], answers });
    expect(cli.questions).toEqual(['sign in there?']);
    expect(cli.err.join('\n')).toContain('nobody was signed in');
    expect(existsSync(file(cli))).toBe(true);
    expect(output).toContain('next:\n  warder login notes');
  });

  test('--json prints one value', async () => {
    using cli = new FakeCli();
    await add(cli, [PLACE, '--json'], { json: true, answers: daemon() });
    expect(cli.values).toEqual([
      expect.objectContaining({ name: 'notes', found: found(), auth: { type: 'oauth' }, file: file(cli) }),
    ]);
    expect(cli.out).toEqual([]);
  });
});

describe('is refused before anybody is contacted', () => {
  test.each([
    [['http://mcp.notes.test/mcp'], 'the URL must begin with https://', ''],
    [['https://user:SECRET@mcp.notes.test/mcp'], 'the URL must not contain a user or password', 'auth'],
    [['https://10.0.0.1/mcp'], 'the URL has an address for a host', ''],
    [['http://127.0.0.1:8000/mcp'], 'the URL is on this machine', '--insecure-loopback'],
    [['https://mcp.notes.test/mcp?api_key=SECRET'], 'has a secret in its query', 'auth'],
    [[PLACE, '--insecure-loopback'], 'insecure-loopback: is for a server on this machine', ''],
    [['./server.js'], 'the second word is no URL', 'warder add notes -- node ./server.js'],
    [['SECRET-token'], 'the second word is no URL', ''],
    [[PLACE, '--url', PLACE], 'give one URL', ''],
    [[PLACE, '--', 'node', 'x'], 'give a URL or a command, not both', ''],
    [[PLACE, '--credential', 'TOKEN'], '"--credential" has no meaning for a remote server', '--bearer'],
    [[PLACE, '--env', 'A=b'], '"--env" has no meaning for a remote server', ''],
    [[PLACE, '--read', '/tmp'], '"--read" has no meaning for a remote server', ''],
    [[PLACE, '--home', 'kept'], '"--home" has no meaning for a remote server', ''],
    [['--bearer', '--', 'node'], '"--bearer" is for a remote server, and there is no URL', 'https://'],
    [['--scope', 'a', '--', 'node'], '"--scope" is for a remote server', ''],
    [[PLACE, '--header', 'Authorization: Bearer SECRET'], 'a token must not be an argument', '--bearer'],
    [[PLACE, '--header', 'X-API-Key: SECRET'], 'is a header for a secret', 'auth'],
    [[PLACE, '--header', 'Host: evil.test'], 'is set by Warder itself', ''],
    [[PLACE, '--header', 'SECRET'], '--header number 1 is not "Name: value"', ''],
    [[PLACE, '--header', 'X-A: ${SECRET_OF_MINE}'], 'contains "${"', ''],
    [[PLACE, '--scope', 'a b'], 'must be one scope', ''],
    [[PLACE, '--allow-private', '8.8.8.8/32'], 'is no private range', ''],
    [[PLACE, '--bearer', '--key-header', 'X-A'], 'exclude each other', ''],
    [[PLACE, '--bearer', '--auth', 'oauth'], '"--auth oauth" is not "bearer"', ''],
    [[PLACE, '--bearer', '--scope', 'a'], 'have no effect with "auth: {type: bearer}"', ''],
    [[PLACE, '--auth', 'client-credentials'], 'needs "--client-id"', ''],
    [
      ['--from-npx', `npx -y mcp-remote ${PLACE}`],
      'a bridge to a remote server is not needed',
      `add notes ${PLACE}`,
    ],
    [['--', 'npx', '-y', 'mcp-remote@0.1.29', PLACE], 'a bridge to a remote server is not needed', PLACE],
  ])('%j', async (words, message, hint) => {
    const error = await refusal(words);
    expect(error.code).toBe('usage');
    expect(error.message).toContain(message);
    expect(String(error.hint)).toContain(hint);
  });

  test('a profile that exists', async () => {
    using cli = new FakeCli();
    cli.writeProfile('notes', { server: { url: PLACE } });
    await expect(add(cli, [PLACE])).rejects.toMatchObject({ code: 'profile-exists' });
    expect(cli.requests).toEqual([]);
  });
});
