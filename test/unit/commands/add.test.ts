// `warder add`: how credentials reach a server, and what the server may reach.
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { addCommand } from '../../../src/commands/add.ts';
import { splitWords } from '../../../src/package/words.ts';
import { loadProfile, profileStamp, removeProfile } from '../../../src/profile/load.ts';
import type { Result } from '../../../src/wire/control.ts';
import { FakeCli } from '../../fixtures/fake-cli.ts';

async function add(cli: FakeCli, ...words: string[]): Promise<string> {
  cli.out.length = 0;
  await cli.run(addCommand, ['add', 'demo', ...words, '--', '/bin/cat']);
  return cli.out.join('\n');
}

function written(cli: FakeCli) {
  const text = readFileSync(join(cli.places.profiles, 'demo.yaml'), 'utf8');
  const { sandbox, credentials } = loadProfile(cli.places, 'demo').profile;
  return {
    text,
    network: sandbox?.network,
    credentials: credentials.map(({ variable, deliver, hosts }) => ({ variable, deliver, hosts })),
  };
}

test('with a host the credentials are sealed for it, and the server reaches only this host', async () => {
  using cli = new FakeCli();
  const output = await add(cli, '--credential', 'A', '--credential', 'B', '--host', 'api.github.com');
  const { text, network, credentials } = written(cli);
  expect(network).toEqual(['api.github.com']);
  expect(credentials).toEqual([
    { variable: 'A', deliver: 'sealed', hosts: ['api.github.com'] },
    { variable: 'B', deliver: 'sealed', hosts: ['api.github.com'] },
  ]);
  expect(text).toContain(
    'deliver: sealed # the server gets a placeholder; the secret goes to "hosts" only\n',
  );
  expect(text).toContain('sandbox:\n  network: [api.github.com]\n');
  expect(output).toContain(
    'A is sealed: the server gets a placeholder, and the secret goes to api.github.com only, in a header ("as" in the profile says another place)',
  );
  expect(output).not.toContain('anybody');
  expect(output).toContain('network: api.github.com, and nothing else');
});

test('W-HOST-51 a text in which a placeholder stays one is refused where it would be sealed, with what helps', async () => {
  using cli = new FakeCli();
  const url = `postgres://me:\${credential:PASSWORD}@db.example.com/x`;
  const host = ['--host', 'db.example.com'];
  await expect(add(cli, ...host, '--env', `DB_URL=${url}`)).rejects.toMatchObject({
    code: 'usage',
    message: expect.stringMatching(/"DB_URL" is a URL of "postgres:", which is not HTTP.*cannot be sealed/),
    hint: expect.stringContaining('--credential DB_URL --deliver env'),
  });
  await expect(cli.run(addCommand, ['add', 'demo', ...host, '--', '/bin/cat', url])).rejects.toMatchObject({
    code: 'usage',
    message: expect.stringContaining('an argument of the server is a URL of "postgres:"'),
    hint: expect.stringContaining('--deliver arg'),
  });
  expect(profileStamp(cli.places, 'demo')).toBeUndefined();
  const headers = `{"Authorization":"Bearer \${credential:TOKEN}"}`;
  await add(cli, '--host', 'api.example.com', '--env', `HEADERS=${headers}`);
  expect(loadProfile(cli.places, 'demo').profile).toMatchObject({
    env: { HEADERS: headers },
    credentials: [{ variable: 'TOKEN', deliver: 'sealed' }],
  });
});

test('--as says where a sealed credential is carried, and is for no other; --home keeps the home', async () => {
  using cli = new FakeCli();
  const words = ['--credential', 'A', '--as', 'bearer', '--home', 'kept'];
  await expect(add(cli, ...words)).rejects.toMatchObject({
    code: 'usage',
    hint: expect.stringContaining('--host'),
  });
  const output = await add(cli, ...words, '--host', 'api.github.com');
  expect(output).toContain('api.github.com only, in "Authorization: Bearer"');
  const { credentials, sandbox } = loadProfile(cli.places, 'demo').profile;
  expect(credentials).toMatchObject([{ variable: 'A', deliver: 'sealed', as: 'bearer' }]);
  expect(sandbox?.home.kept).toBe(true);
  await expect(add(cli, '--credential', 'A', '--as', 'cookie')).rejects.toThrow();
});

test('W-SEAL-2 a wildcard below which anybody can have a name is said aloud', async () => {
  using cli = new FakeCli();
  const output = await add(cli, '--credential', 'A', '--host', '*.blob.core.windows.net');
  expect(output).toContain(
    '"*.blob.core.windows.net": anybody can have a name below blob.core.windows.net, and the secret may go there: list the exact hosts',
  );
});

test('hosts are normalized; ranges and ports of other protocols are added to the network only', async () => {
  using cli = new FakeCli();
  await add(
    cli,
    ...[
      '--credential',
      'A',
      '--host',
      'API.GitHub.com.',
      '--host',
      '*.example.com:8443',
      '--host',
      '10.1.0.0/16',
    ],
    ...['--host', 'db.example.com:5432', '--host', 'api.github.com'],
  );
  expect(written(cli)).toMatchObject({
    network: ['api.github.com', '*.example.com:8443', '10.1.0.0/16', 'db.example.com:5432'],
    credentials: [{ deliver: 'sealed', hosts: ['api.github.com', '*.example.com:8443'] }],
  });
});

test('without a host the server gets the credential and no network, and both are printed', async () => {
  using cli = new FakeCli();
  const output = await add(cli, '--credential', 'A');
  const { network, credentials } = written(cli);
  expect(network).toBeUndefined();
  expect(credentials).toEqual([{ variable: 'A', deliver: 'env', hosts: [] }]);
  expect(output).toContain('A is delivered by "env": the server gets the value itself');
  expect(output).toContain(
    'to keep it from the server, write "deliver: sealed" and "hosts: [HOST]" in the profile',
  );
  expect(output).toContain('network: none; "--host HOST" lists what the server may reach');
});

test('--deliver is respected', async () => {
  using cli = new FakeCli();
  const output = await add(cli, '--credential', 'A', '--host', 'db.example.com:5432', '--deliver', 'file');
  expect(written(cli)).toMatchObject({
    network: ['db.example.com:5432'],
    credentials: [{ variable: 'A', deliver: 'file', hosts: [] }],
  });
  expect(output).toContain('A is delivered by "file"');
  expect(output).not.toContain('to keep it from');
});

test('no host is guessed from the name of a variable', async () => {
  using cli = new FakeCli();
  await add(cli, '--credential', 'GITHUB_TOKEN', '--credential', 'SLACK_BOT_TOKEN');
  expect(written(cli).text).not.toMatch(/github\.com|slack\.com|network/);
});

test('W-SEAL-9 a variable with a signing key causes a warning', async () => {
  using cli = new FakeCli();
  const output = await add(
    cli,
    ...[
      '--credential',
      'AWS_SECRET_ACCESS_KEY',
      '--credential',
      'APP_PRIVATE_KEY',
      '--host',
      's3.example.com',
    ],
  );
  expect(output).toMatch(/AWS_SECRET_ACCESS_KEY signs requests and is never sent/);
  expect(output).toMatch(/APP_PRIVATE_KEY looks like a signing key/);
});

test('the JSON output has the delivery', async () => {
  using cli = new FakeCli();
  const words = ['add', 'demo', '--credential', 'A', '--host', 'a.b', '--json', '--', '/bin/cat'];
  await cli.run(addCommand, words, { json: true });
  expect(cli.values).toMatchObject([{ deliver: 'sealed', hosts: ['a.b'], network: ['a.b'] }]);
});

test.each([
  [
    ['--credential', 'A', '--host', 'https://api.github.com/x'],
    /is a URL/,
    'give only the host: api.github.com',
  ],
  [['--host', 'https://me:hunter2@a.b'], /contains more than a host/, 'only the host'],
  [['--host', 'me@a.b'], /contains more than a host/, 'only the host'],
  [['--host', 'a b'], /is not a host/, 'host:port'],
  [['--host', 'a.b:99999'], /is not a host/, 'host:port'],
  [['--host', '10.0.0.1'], /is an address/, 'range'],
  [['--host', 'x.y', '--host', '10.0.0.1/8'], /number 2 has bits set after the first 8/, 'range'],
  [['--credential', 'A', '--host', 'db.example.com:5432'], /the port of PostgreSQL/, '--deliver env'],
  [['--credential', 'A', '--host', '10.0.0.0/8'], /needs the name of a host/, '--host'],
  [['--credential', 'A', '--deliver', 'sealed'], /needs the name of a host/, '--host'],
  [['--deliver', 'env'], /needs a credential/, '--credential'],
])('%j is refused, and nothing is written', async (words, message, hint) => {
  using cli = new FakeCli();
  const failed = await add(cli, ...words).catch((error) => error);
  expect(failed).toMatchObject({ code: 'usage', message: expect.stringMatching(message) });
  expect(failed.hint).toContain(hint);
  expect(`${failed.message} ${failed.hint}`).not.toContain('hunter2');
  expect(() => written(cli)).toThrow();
});

test('W-BOX-29 folders are listed for reading and writing, with what stays protected in them', async () => {
  using cli = new FakeCli();
  const project = join(cli.places.state, 'project');
  mkdirSync(join(project, '.git/hooks'), { recursive: true });
  const output = await add(cli, '--read', '/usr/share', '--write', project);
  expect(loadProfile(cli.places, 'demo').profile.sandbox).toMatchObject({
    read: ['/usr/share'],
    write: [project],
  });
  expect(output).toContain(`in these no names that other programs obey: ${project}/.git/hooks`);
  expect(output).toContain('not the folder that a host has open; what it writes there is not kept');
});

test('the pair of AWS: the id of the key in the profile, the key a credential that signs for its hosts', async () => {
  using cli = new FakeCli();
  const output = await add(
    cli,
    ...['--env', 'AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE', '--credential', 'AWS_SECRET_ACCESS_KEY'],
    ...['--host', 'monitoring.eu-central-1.amazonaws.com', '--host', 'data.s3.eu-west-1.amazonaws.com'],
    ...['--host', 'bedrock-runtime-fips.us-east-2.amazonaws.com', '--host', 'sts.amazonaws.com'],
  );
  const { profile } = loadProfile(cli.places, 'demo');
  expect(profile.env).toEqual({ AWS_ACCESS_KEY_ID: 'AKIAIOSFODNN7EXAMPLE' });
  expect(profile.credentials[0]).toMatchObject({
    deliver: 'sealed',
    sign: {
      scheme: 'aws-sigv4',
      services: ['monitoring', 's3', 'bedrock', 'sts'],
      regions: ['eu-central-1', 'eu-west-1', 'us-east-2', 'us-east-1'],
    },
  });
  expect(output).toContain('AWS_SECRET_ACCESS_KEY signs requests to AWS in the gate and is never sent');
  expect(output).not.toContain('is sealed');
  expect(output).not.toContain('AKIA');
});

test('an id of a key alone is refused as it was, and the hint says what belongs to it', async () => {
  using cli = new FakeCli();
  for (const words of [
    ['--env', 'AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE'],
    [
      '--env',
      'AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE',
      '--credential',
      'TOKEN',
      '--host',
      'sts.amazonaws.com',
    ],
    ['--env', 'A=AKIAIOSFODNN7EXAMPLE and more', '--credential', 'AWS_SECRET_ACCESS_KEY', '--deliver', 'env'],
  ])
    await expect(add(cli, ...words)).rejects.toMatchObject({ code: 'usage' });
  await expect(add(cli, '--env', 'AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE')).rejects.toMatchObject({
    hint: expect.stringContaining('"--credential AWS_SECRET_ACCESS_KEY"'),
  });
});

test('a host that no profile may list is an error of the argument', async () => {
  using cli = new FakeCli();
  for (const host of ['*.com', 'my_host.test', '*'])
    await expect(add(cli, '--host', host)).rejects.toMatchObject({
      code: 'usage',
      message: expect.stringContaining('--host number 1'),
    });
});

test('the hint for a line of npx has all options that were given with it', async () => {
  using cli = new FakeCli();
  const options = [
    ...[
      '--credential',
      'TOKEN',
      '--host',
      'api.test',
      '--host',
      '*.b.test',
      '--env',
      'A=b c',
      '--allow',
      'get_*',
    ],
    ...['--home', 'kept', '--no-test', '--description', "what it's for"],
  ];
  const said = cli.run(addCommand, ['add', 'demo', ...options, '--', 'npx', '-y', 'server', '--port', '1']);
  const hint: string = await said.then(
    () => '',
    ({ hint }: { hint: string }) => hint,
  );
  const [warder, verb, name, ...words] = splitWords(hint.replace(/^pin it: /, ''), (why) => new Error(why));
  expect([warder, verb, name]).toEqual(['warder', 'add', 'demo']);
  expect(words.slice(-2)).toEqual(['--from-npx', 'npx -y server --port 1']);
  const pairs = (list: string[]): string[] =>
    list
      .join('\n')
      .split(/\n(?=--)/)
      .sort();
  expect(pairs(words.slice(0, -2))).toEqual(pairs(options));
});

test('W-CRED-50 what is stored for an earlier profile of the name goes to a new one only after a yes', async () => {
  const stored = { name: 'demo/TOKEN', store: 'vault', version: '1', used: [], updated: null, state: 'ok' };
  const answers = {
    'credential.list': () => ({ credentials: [stored], missing: [] }) as unknown as Result<'credential.list'>,
  };
  const words = ['add', 'demo', '--credential', 'TOKEN', '--credential', 'OTHER', '--no-test'];
  const command = ['--', '/bin/cat'];
  using cli = new FakeCli();
  const isWritten = (): boolean => profileStamp(cli.places, 'demo') !== undefined;
  for (const situation of [{ answers }, { answers, json: true, typed: [] }, { answers, typed: ['n'] }]) {
    await expect(cli.run(addCommand, [...words, ...command], situation)).rejects.toMatchObject({
      code: 'refused',
    });
    expect(isWritten()).toBe(false);
  }
  expect(cli.questions).toEqual([
    'demo/TOKEN is stored already, set in advance or of an earlier profile "demo": shall the new server get it?',
  ]);
  await expect(cli.run(addCommand, [...words, ...command], { answers })).rejects.toMatchObject({
    hint: expect.stringMatching(/--use-stored .*warder credential remove --name demo\/TOKEN/),
  });
  await cli.run(addCommand, [...words, ...command], { answers, typed: ['y'] });
  expect(isWritten()).toBe(true);
  removeProfile(cli.places, 'demo', 0);
  await cli.run(addCommand, [...words, '--use-stored', ...command], { answers });
  expect(isWritten()).toBe(true);
  // Another name takes nothing of it.
  await cli.run(addCommand, ['add', 'other', '--credential', 'TOKEN', '--no-test', ...command], { answers });
});
