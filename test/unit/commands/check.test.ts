// `warder check` and `warder list`: what a server may reach, what its credentials may be used for, and what a person
// should know before the first run.
import { expect, test } from 'vitest';
import { checkCommand } from '../../../src/commands/check.ts';
import { listCommand } from '../../../src/commands/list.ts';
import type { Result } from '../../../src/wire/control.ts';
import { daemonStatus } from '../../fixtures/daemon-status.ts';
import { type Answers, FakeCli } from '../../fixtures/fake-cli.ts';

type Kept = Result<'credential.list'>['credentials'];

function daemon(names: readonly string[], credentials = { locked: false, revoked: [] as string[] }): Answers {
  const kept: Kept = names.map((name) => ({
    name,
    store: 'keychain',
    version: 'x',
    bound: true,
    profiles: [],
  }));
  return {
    status: () => daemonStatus({ credentials: { ...credentials, guarded: false, doubted: [] } }),
    'credential.list': () => ({ credentials: kept, missing: [] }),
  };
}

const policy = { default: 'allow' };

async function check(person: FakeCli, content: object, answers = daemon(['demo/T'])): Promise<string> {
  person.writeProfile('demo', { server: { command: 'cat' }, policy, ...content });
  await person.run(checkCommand, ['check', 'demo'], { answers });
  return person.out.join('\n');
}

test('a server with no host listed reaches none', async () => {
  using person = new FakeCli();
  expect(await check(person, {})).toContain('\n  network none\n');
});

test('hosts and ports are printed, those of sealed credentials among them, and where names may lead', async () => {
  using person = new FakeCli();
  const said = await check(person, {
    credentials: { T: { hosts: ['api.github.com', 'up.example.com:8443'] } },
    sandbox: { network: ['up.example.com', '*.example.com', 'db.example.com:5432', '10.1.0.0/16'] },
  });
  expect(said).toContain(`
  network up.example.com, ports 80, 443 and 8443
          *.example.com, ports 80 and 443
          db.example.com, port 5432
          api.github.com, port 443
          these may lead to 10.1.0.0/16
`);
});

test('what holds a sealed credential is printed, also what nobody has said', async () => {
  using person = new FakeCli();
  const plain = await check(person, { credentials: { T: { hosts: ['api.github.com'] } } });
  expect(plain).toContain(`
          T: demo/T, sealed, set
            hosts     api.github.com
            place     any: header, query, path or body
            methods   any
            paths     any
`);
  expect(plain).toMatch(/sees {4}PATH .* T\n {10}to trust the gate: .*NODE_EXTRA_CA_CERTS/);
  person.out.length = 0;
  const held = await check(person, {
    credentials: {
      T: {
        hosts: ['api.github.com', '*.github.com'],
        as: 'bearer',
        paths: ['/repos/acme/**', '/user'],
        methods: ['GET', 'POST'],
        lifetime: '8h',
        'max-uses': 20,
        confirm: true,
      },
    },
  });
  expect(held).toContain(`
            hosts     api.github.com *.github.com
            place     the token of "Authorization: Bearer"
            methods   GET POST
            paths     /repos/acme/** /user
            lifetime  8h from the session's start
            max-uses  20 requests a session
            confirm   at the first use
`);
  expect(held).toContain('T says "confirm: true", which refuses every use until there is a way to ask');
  await person.run(checkCommand, ['check', 'demo'], { answers: daemon(['demo/T']), json: true });
  expect(person.values).toMatchObject([
    [
      {
        network: { hosts: [{ name: 'api.github.com', ports: [443] }, { name: '*.github.com' }], ranges: [] },
        credentials: [{ deliver: 'sealed', limits: { as: 'bearer', lifetime: 28_800_000, maxUses: 20 } }],
      },
    ],
  ]);
});

const CANNOT = 'a program that pins certificates, brings a client certificate, or signs requests';

test('W-SEAL-9 where a sealed credential cannot work is said before the first run, and only of sealed ones', async () => {
  using person = new FakeCli();
  const said = await check(person, { credentials: { T: { hosts: ['a.b'] }, U: { hosts: ['a.b'] } } });
  expect(said.split(CANNOT)).toHaveLength(2);
  expect(said).toMatch(/HTTP\/2 alone, gRPC or WebSocket/);
  person.out.length = 0;
  expect(await check(person, { credentials: { T: { deliver: 'env' } } })).not.toContain(CANNOT);
});

test('W-SEAL-2 a credential that may stand anywhere in a request is warned of, and no other is', async () => {
  using person = new FakeCli();
  const hosts = ['a.b'];
  const said = await check(person, { credentials: { T: { hosts }, U: { hosts, as: 'bearer' } } });
  expect(said.match(/note +\w+ may stand anywhere in a request/g)).toEqual([
    'note    T may stand anywhere in a request',
  ]);
  expect(said).toContain('"as: bearer"');
  person.out.length = 0;
  expect(await check(person, { credentials: { V: { deliver: 'env' } } })).not.toContain('may stand anywhere');
});

test.each([
  ['AWS_SECRET_ACCESS_KEY', /signs requests and is never sent: it cannot be sealed/],
  ['AWS_SESSION_TOKEN', /looks like a value to sign with/],
  ['GITHUB_APP_PRIVATE_KEY', /looks like a value to sign with/],
  ['SLACK_SIGNING_SECRET', /looks like a value to sign with/],
  ['STRIPE_WEBHOOK_SECRET', /looks like a value to sign with/],
])('W-SEAL-9 that %s cannot be sealed is said before the first run', async (variable, what) => {
  using person = new FakeCli();
  const answers = daemon([`demo/${variable}`]);
  const said = await check(person, { credentials: { [variable]: { hosts: ['a.b'] } } }, answers);
  expect(said.split('\n').find((line) => line.startsWith(`  note    ${variable}`))).toMatch(what);
  person.out.length = 0;
  const given = await check(person, { credentials: { [variable]: { deliver: 'env' } } }, answers);
  expect(given).not.toMatch(what);
});

test.each(['GITHUB_TOKEN', 'OPENAI_API_KEY', 'SLACK_BOT_TOKEN', 'CLIENT_SECRET', 'SENTRY_AUTH_TOKEN'])(
  '%s is nothing that signs',
  async (variable) => {
    using person = new FakeCli();
    const said = await check(person, { credentials: { [variable]: { hosts: ['a.b'] } } });
    expect(said).not.toMatch(new RegExp(`note +${variable} (signs|looks)`));
  },
);

test('W-SEAL-5 a revoked credential and a lock are told, with the way out', async () => {
  using person = new FakeCli();
  const answers = daemon(['demo/T'], { locked: true, revoked: ['demo/T'] });
  const said = await check(person, { credentials: { T: { hosts: ['a.b'] } } }, answers);
  expect(said).toContain('T: demo/T, sealed, revoked');
  expect(said).toContain('T is revoked: set a new value, or take it back with "warder revoke demo/T --undo"');
  expect(said).toContain('all credentials are locked: warder unlock');
});

test('a range that no name could lead to is worth a word', async () => {
  using person = new FakeCli();
  const said = await check(person, { sandbox: { network: ['10.1.0.0/16'] } });
  expect(said).toContain('10.1.0.0/16 opens addresses, and no name is listed that could lead there');
});

test('a server without a sandbox reaches all, and a remote one has no network of ours', async () => {
  using person = new FakeCli();
  expect(await check(person, { sandbox: { off: true } })).toContain(
    '\n  network all that you can reach: no sandbox\n',
  );
  person.out.length = 0;
  const remote = await check(person, { server: { url: 'https://mcp.example.com' } });
  expect(remote).not.toContain('network');
});

test("a variable that the gate needs is not the profile's to set beside a sealed credential", async () => {
  using person = new FakeCli();
  person.writeProfile('demo', {
    server: { command: 'cat' },
    env: { NODE_EXTRA_CA_CERTS: '/etc/ca.pem' },
    credentials: { T: { hosts: ['a.b'] } },
  });
  await person.run(checkCommand, ['check', 'demo'], { answers: daemon(['demo/T']) });
  expect(person.err.join('\n')).toContain('"NODE_EXTRA_CA_CERTS" is set twice');
  expect(person.exitCode).toBe(65);
});

test('list marks what is sealed, counts what can be used, and says when all is locked', async () => {
  using person = new FakeCli();
  const server = { command: 'cat' };
  person.writeProfile('a', { server, policy, credentials: { T: { hosts: ['a.b'] }, U: { hosts: ['a.b'] } } });
  person.writeProfile('b', { server, policy, credentials: { T: { hosts: ['a.b'] }, U: { deliver: 'env' } } });
  person.writeProfile('c', { server, policy, credentials: { T: { deliver: 'file' } } });
  person.writeProfile('d', { server, policy });
  const answers = daemon(['a/T', 'a/U', 'b/T', 'b/U', 'c/T'], { locked: true, revoked: ['b/T'] });
  await person.run(listCommand, ['list'], { answers });
  expect(person.out.slice(1).map((line) => line.split(' | ').slice(0, 3))).toEqual([
    ['a', 'ok', '2 of 2, sealed'],
    ['b', 'ok', '1 of 2, 1 sealed'],
    ['c', 'ok', '1 of 1'],
    ['d', 'ok', '-'],
  ]);
  expect(person.err).toEqual(['\nall credentials are locked: "warder unlock"']);
});
