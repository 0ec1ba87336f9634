// `warder add`: how credentials reach a server, and what it reaches.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { addCommand } from '../../../src/commands/add.ts';
import { loadProfile } from '../../../src/profile/load.ts';
import { FakeCli } from '../../fixtures/fake-cli.ts';

async function add(person: FakeCli, ...words: string[]): Promise<string> {
  person.out.length = 0;
  await person.run(addCommand, ['add', 'demo', ...words, '--', '/bin/cat']);
  return person.out.join('\n');
}

function written(person: FakeCli) {
  const text = readFileSync(join(person.places.profiles, 'demo.yaml'), 'utf8');
  const { sandbox, credentials } = loadProfile(person.places, 'demo').profile;
  return {
    text,
    network: sandbox?.network,
    credentials: credentials.map(({ variable, deliver, hosts }) => ({ variable, deliver, hosts })),
  };
}

test('with a host the credentials are sealed for it, and it is all that the server reaches', async () => {
  using person = new FakeCli();
  const said = await add(person, '--credential', 'A', '--credential', 'B', '--host', 'api.github.com');
  const { text, network, credentials } = written(person);
  expect(network).toEqual(['api.github.com']);
  expect(credentials).toEqual([
    { variable: 'A', deliver: 'sealed', hosts: ['api.github.com'] },
    { variable: 'B', deliver: 'sealed', hosts: ['api.github.com'] },
  ]);
  expect(text).toContain(
    'deliver: sealed # the server gets a placeholder; the secret goes to "hosts" only\n',
  );
  expect(text).toContain('sandbox:\n  network: [api.github.com]\n');
  expect(said).toContain(
    'A is sealed: the server gets a placeholder, and the secret goes to api.github.com only',
  );
  expect(said).toContain('network: api.github.com, and nothing else');
});

test('hosts are taken as people write them; ranges and ports of other protocols go under the network alone', async () => {
  using person = new FakeCli();
  await add(
    person,
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
  expect(written(person)).toMatchObject({
    network: ['api.github.com', '*.example.com:8443', '10.1.0.0/16', 'db.example.com:5432'],
    credentials: [{ deliver: 'sealed', hosts: ['api.github.com', '*.example.com:8443'] }],
  });
});

test('without a host a credential is given to the server, which has no network, and both are said', async () => {
  using person = new FakeCli();
  const said = await add(person, '--credential', 'A');
  const { network, credentials } = written(person);
  expect(network).toBeUndefined();
  expect(credentials).toEqual([{ variable: 'A', deliver: 'env', hosts: [] }]);
  expect(said).toContain('A is delivered by "env": the server gets the value itself');
  expect(said).toContain('to keep it from the server: "deliver: sealed" and "hosts: [HOST]" in the profile');
  expect(said).toContain('network: none; "--host HOST" lists what the server may reach');
});

test('what is said of the delivery holds', async () => {
  using person = new FakeCli();
  const said = await add(person, '--credential', 'A', '--host', 'db.example.com:5432', '--deliver', 'file');
  expect(written(person)).toMatchObject({
    network: ['db.example.com:5432'],
    credentials: [{ variable: 'A', deliver: 'file', hosts: [] }],
  });
  expect(said).toContain('A is delivered by "file"');
  expect(said).not.toContain('to keep it from');
});

test('no host is guessed, whatever the variable is called', async () => {
  using person = new FakeCli();
  await add(person, '--credential', 'GITHUB_TOKEN', '--credential', 'SLACK_BOT_TOKEN');
  expect(written(person).text).not.toMatch(/github\.com|slack\.com|network/);
});

test('W-SEAL-9 a variable that programs sign with is told of', async () => {
  using person = new FakeCli();
  const said = await add(
    person,
    ...[
      '--credential',
      'AWS_SECRET_ACCESS_KEY',
      '--credential',
      'APP_PRIVATE_KEY',
      '--host',
      's3.amazonaws.com',
    ],
  );
  expect(said).toMatch(/AWS_SECRET_ACCESS_KEY signs requests and is never sent: it cannot be sealed/);
  expect(said).toMatch(/APP_PRIVATE_KEY looks like a value to sign with/);
});

test('as JSON it has what was decided', async () => {
  using person = new FakeCli();
  const words = ['add', 'demo', '--credential', 'A', '--host', 'a.b', '--json', '--', '/bin/cat'];
  await person.run(addCommand, words, { json: true });
  expect(person.values).toMatchObject([{ deliver: 'sealed', hosts: ['a.b'], network: ['a.b'] }]);
});

test.each([
  [['--credential', 'A', '--host', 'https://api.github.com/x'], /is a URL/, '--host api.github.com'],
  [['--host', 'https://me:hunter2@a.b'], /holds more than a host/, 'the host alone'],
  [['--host', 'me@a.b'], /holds more than a host/, 'the host alone'],
  [['--host', 'a b'], /is no host/, 'host:port'],
  [['--host', 'a.b:99999'], /is no host/, 'host:port'],
  [['--host', '10.0.0.1'], /is an address/, 'range'],
  [['--host', 'x.y', '--host', '10.0.0.1/8'], /number 2 has bits set after the first 8/, 'range'],
  [['--credential', 'A', '--host', 'db.example.com:5432'], /the port of PostgreSQL/, '--deliver env'],
  [['--credential', 'A', '--host', '10.0.0.0/8'], /needs the name of a host/, '--host'],
  [['--credential', 'A', '--deliver', 'sealed'], /needs the name of a host/, '--host'],
  [['--deliver', 'env'], /there is none/, '--credential'],
])('%j is refused, and nothing is written', async (words, message, hint) => {
  using person = new FakeCli();
  const failed = await add(person, ...words).catch((error) => error);
  expect(failed).toMatchObject({ code: 'usage', message: expect.stringMatching(message) });
  expect(failed.hint).toContain(hint);
  expect(`${failed.message} ${failed.hint}`).not.toContain('hunter2');
  expect(() => written(person)).toThrow();
});
