// `warder check` and `warder list`: what a server may reach, how its credentials may be used, and the warnings before the
// first run.
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

async function check(cli: FakeCli, content: object, answers = daemon(['demo/T'])): Promise<string> {
  cli.writeProfile('demo', { server: { command: 'cat' }, policy, ...content });
  await cli.run(checkCommand, ['check', 'demo'], { answers });
  return cli.out.join('\n');
}

test('a server without listed hosts has no network', async () => {
  using cli = new FakeCli();
  expect(await check(cli, {})).toContain('\n  network none\n');
});

test('hosts and ports are printed, including those of sealed credentials, and the allowed address ranges', async () => {
  using cli = new FakeCli();
  const output = await check(cli, {
    credentials: { T: { hosts: ['api.github.com', 'up.example.com:8443'] } },
    sandbox: { network: ['up.example.com', '*.example.com', 'db.example.com:5432', '10.1.0.0/16'] },
  });
  expect(output).toContain(`
  network up.example.com, ports 80, 443 and 8443
          *.example.com, ports 80 and 443
          db.example.com, port 5432
          api.github.com, port 443
          these may resolve to 10.1.0.0/16
`);
});

test('the restrictions of a sealed credential are printed, including defaults', async () => {
  using cli = new FakeCli();
  const plain = await check(cli, { credentials: { T: { hosts: ['api.github.com'] } } });
  expect(plain).toContain(`
          T: demo/T, sealed, set
            hosts     api.github.com
            place     a header, or a secret parameter of a token request
            methods   any
            paths     any
`);
  expect(plain).toMatch(/sees {4}PATH .* T\n {10}to trust the gate: .*NODE_EXTRA_CA_CERTS/);
  cli.out.length = 0;
  const restricted = await check(cli, {
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
  expect(restricted).toContain(`
            hosts     api.github.com *.github.com
            place     the token of "Authorization: Bearer"
            methods   GET POST
            paths     /repos/acme/** /user
            lifetime  8h from the session's start
            max-uses  20 requests a session
            confirm   a person confirms each use
`);
  await cli.run(checkCommand, ['check', 'demo'], { answers: daemon(['demo/T']), json: true });
  expect(cli.values).toMatchObject([
    [
      {
        network: { hosts: [{ name: 'api.github.com', ports: [443] }, { name: '*.github.com' }], ranges: [] },
        credentials: [{ deliver: 'sealed', limits: { as: 'bearer', lifetime: 28_800_000, maxUses: 20 } }],
      },
    ],
  ]);
});

const CANNOT = 'a program that pins certificates, uses a client certificate, or signs requests';

test('W-SEAL-9 a warning says where sealed credentials cannot work; other credentials do not cause it', async () => {
  using cli = new FakeCli();
  const output = await check(cli, { credentials: { T: { hosts: ['a.b'] }, U: { hosts: ['a.b'] } } });
  expect(output.split(CANNOT)).toHaveLength(2);
  cli.out.length = 0;
  expect(await check(cli, { credentials: { T: { deliver: 'env' } } })).not.toContain(CANNOT);
});

test('W-SEAL-9 a warning names the texts in which the placeholder of a sealed credential stays one', async () => {
  using cli = new FakeCli();
  const output = await check(cli, {
    env: { DB: `redis://\${credential:T}@a.b`, H: `Bearer \${credential:T}` },
    credentials: { T: { hosts: ['a.b'] } },
  });
  expect(output.match(/note .+ is a URL of "[a-z]+:"/g)).toEqual(['note    DB is a URL of "redis:"']);
});

test('W-SEAL-2 a sealed credential that may be anywhere in a request causes a warning', async () => {
  using cli = new FakeCli();
  const hosts = ['a.b'];
  const output = await check(cli, {
    credentials: {
      T: { hosts, as: 'any' },
      U: { hosts, as: 'bearer' },
      V: { hosts },
      W: { hosts, as: 'body', issues: { members: ['ticket'], path: '/login', as: 'any', methods: ['GET'] } },
    },
  });
  expect(output.match(/note .+ may be anywhere in a request/g)).toEqual([
    'note    T may be anywhere in a request',
    'note    a token obtained with W may be anywhere in a request',
  ]);
  expect(output).toContain('            place     any: header, query, path or body\n');
  expect(output).toContain(
    '            issues    tokens in ticket of /login; in any: header, query, path or body; GET\n',
  );
  expect(output).toContain('"as: bearer"');
  cli.out.length = 0;
  expect(await check(cli, { credentials: { V: { deliver: 'env' } } })).not.toContain('may be anywhere');
});

test('W-SEAL-2 a wildcard below which anybody can have a name causes a warning', async () => {
  using cli = new FakeCli();
  const output = await check(cli, {
    credentials: { T: { hosts: ['*.co.uk', '*.github.io:8443', 'a.github.io', '*.github.com'] } },
    sandbox: { network: ['*.amazonaws.com', '*.example.com'] },
  });
  expect(output.match(/"[^"]+": anybody can have a name below \S+ and the \w+/g)).toEqual([
    '"*.co.uk": anybody can have a name below co.uk, and the secret',
    '"*.github.io:8443": anybody can have a name below github.io, and the secret',
    '"*.amazonaws.com": anybody can have a name below s3.amazonaws.com, and the server',
  ]);
});

test.each([
  ['AWS_SECRET_ACCESS_KEY', /signs requests and is never sent/],
  ['AWS_SESSION_TOKEN', /looks like a signing key/],
  ['GITHUB_APP_PRIVATE_KEY', /looks like a signing key/],
  ['SLACK_SIGNING_SECRET', /looks like a signing key/],
  ['STRIPE_WEBHOOK_SECRET', /looks like a signing key/],
])('W-SEAL-9 a warning says that %s cannot be sealed', async (variable, what) => {
  using cli = new FakeCli();
  const answers = daemon([`demo/${variable}`]);
  const output = await check(cli, { credentials: { [variable]: { hosts: ['a.b'] } } }, answers);
  expect(output.split('\n').find((line) => line.startsWith(`  note    ${variable}`))).toMatch(what);
  cli.out.length = 0;
  const delivered = await check(cli, { credentials: { [variable]: { deliver: 'env' } } }, answers);
  expect(delivered).not.toMatch(what);
});

test.each(['GITHUB_TOKEN', 'OPENAI_API_KEY', 'SLACK_BOT_TOKEN', 'CLIENT_SECRET', 'SENTRY_AUTH_TOKEN'])(
  '%s is not taken for a signing key',
  async (variable) => {
    using cli = new FakeCli();
    const output = await check(cli, { credentials: { [variable]: { hosts: ['a.b'] } } });
    expect(output).not.toMatch(new RegExp(`note +${variable} (signs|looks)`));
  },
);

test('W-SEAL-5 a revoked credential and a lock are reported, with the commands that undo them', async () => {
  using cli = new FakeCli();
  const answers = daemon(['demo/T'], { locked: true, revoked: ['demo/T'] });
  const output = await check(cli, { credentials: { T: { hosts: ['a.b'] } } }, answers);
  expect(output).toContain('T: demo/T, sealed, revoked');
  expect(output).toContain(
    'T is revoked: set a new value, or allow it again with "warder revoke demo/T --undo"',
  );
  expect(output).toContain('all credentials are locked: warder unlock');
});

test('a range without a name causes a warning', async () => {
  using cli = new FakeCli();
  const output = await check(cli, { sandbox: { network: ['10.1.0.0/16'] } });
  expect(output).toContain('10.1.0.0/16 opens addresses, but no listed name can resolve to them');
});

test('a server without a sandbox reaches everything, and for a remote server no network is printed', async () => {
  using cli = new FakeCli();
  expect(await check(cli, { sandbox: { off: true } })).toContain(
    '\n  network all that you can reach: no sandbox\n',
  );
  cli.out.length = 0;
  const remote = await check(cli, { server: { url: 'https://mcp.example.com' }, auth: { type: 'none' } });
  expect(remote).not.toContain('network');
});

test('with a sealed credential a profile cannot set a variable that the gate needs', async () => {
  using cli = new FakeCli();
  cli.writeProfile('demo', {
    server: { command: 'cat' },
    env: { NODE_EXTRA_CA_CERTS: '/etc/ca.pem' },
    credentials: { T: { hosts: ['a.b'] } },
  });
  await cli.run(checkCommand, ['check', 'demo'], { answers: daemon(['demo/T']) });
  expect(cli.err.join('\n')).toContain('"NODE_EXTRA_CA_CERTS" is set twice');
  expect(cli.exitCode).toBe(65);
});

test('list marks sealed credentials, counts usable ones, and reports a lock', async () => {
  using cli = new FakeCli();
  const server = { command: 'cat' };
  cli.writeProfile('a', { server, policy, credentials: { T: { hosts: ['a.b'] }, U: { hosts: ['a.b'] } } });
  cli.writeProfile('b', { server, policy, credentials: { T: { hosts: ['a.b'] }, U: { deliver: 'env' } } });
  cli.writeProfile('c', { server, policy, credentials: { T: { deliver: 'file' } } });
  cli.writeProfile('d', { server, policy });
  const answers = daemon(['a/T', 'a/U', 'b/T', 'b/U', 'c/T'], { locked: true, revoked: ['b/T'] });
  await cli.run(listCommand, ['list'], { answers });
  expect(cli.out.slice(1).map((line) => line.split(' | ').slice(0, 3))).toEqual([
    ['a', 'ok', '2 of 2, sealed'],
    ['b', 'ok', '1 of 2, 1 sealed'],
    ['c', 'ok', '1 of 1'],
    ['d', 'ok', '-'],
  ]);
  expect(cli.err).toEqual(['\nall credentials are locked: "warder unlock"']);
});

test('what a credential signs is shown, and not where it would be put [W-SEAL-20]', async () => {
  using cli = new FakeCli();
  const sign = { scheme: 'aws-sigv4', service: ['s3', 'sqs'], region: 'eu-central-1' };
  const output = await check(cli, { credentials: { AWS_SECRET_ACCESS_KEY: { hosts: ['a.b'], sign } } });
  expect(output).toMatch(/signs {5}requests to AWS: s3 sqs in eu-central-1; it is never sent/);
  expect(output).not.toMatch(/^ +place /m);
  // It is no value that could not be sealed.
  expect(output).not.toMatch(/AWS_SECRET_ACCESS_KEY signs requests/);
  // A session token goes into a header, and the key's id is no secret, where the key signs.
  cli.out.length = 0;
  const credentials = { KEY: { hosts: ['a.b'], sign }, AWS_SESSION_TOKEN: { hosts: ['a.b'] } };
  expect(await check(cli, { credentials })).not.toContain('AWS_SESSION_TOKEN looks like');
  const env = { AWS_ACCESS_KEY_ID: 'AKIAIOSFODNN7EXAMPLE' };
  const hosts = ['a.b'];
  for (const [signed, warns] of [
    [{ hosts, sign }, false],
    [{ hosts }, true],
  ] as const) {
    cli.out.length = 0;
    const said = await check(cli, { env, credentials: { KEY: signed } });
    expect(said.includes('AWS_ACCESS_KEY_ID looks like an AWS key')).toBe(warns);
  }
});
