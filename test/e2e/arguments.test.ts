// Credentials in the arguments of a server.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Home } from '../fixtures/home.ts';
import { Inside, Internet, listed, outward, range } from '../fixtures/internet.ts';
import { SandboxProcesses } from '../fixtures/sandbox-processes.ts';

const fixture = join(import.meta.dirname, '../fixtures/servers/environ.mjs');
const secret = 'argument-secret-0123456789';
const KEY = `\${credential:API_KEY}`;
const from = { command: ['/bin/echo', secret] };
const profile = (credential: object, more: object = {}): object => ({
  server: { command: process.execPath, args: [fixture, '--key', `--url=https://me:${KEY}@example.com`] },
  credentials: { API_KEY: { from, ...credential } },
  policy: { default: 'allow' },
  ...more,
});

test('W-CRED-47 a sealed credential in an argument, or inside of another variable, is its placeholder, the same as in its variable', async () => {
  await using home = new Home();
  const headers = `{"Authorization":"Bearer ${KEY}"}`;
  home.profile('sealed', profile({ hosts: ['api.example.com'] }, { env: { HEADERS: headers } }));
  await using host = home.run('sealed');
  await host.initialize();
  const { argv, env } = JSON.parse(await host.call('environ'));
  expect(JSON.parse(env.HEADERS)).toEqual({ Authorization: `Bearer ${env.API_KEY}` });
  expect(argv).toEqual(['--key', `--url=https://me:${env.API_KEY}@example.com`]);
  expect(env.API_KEY).not.toContain(secret);
  expect(env.API_KEY.length).toBeGreaterThan(10);
});

test('W-CRED-47 W-SEAL-1 with "as: any" a URL in an argument works: the secret part of it is put in on the way', async () => {
  await using internet = await Internet.open();
  const hooks = await internet.host(['hooks.test']);
  await using home = new Home();
  internet.join(home);
  const written = `${hooks.url}/echo/T00/${KEY}`;
  home.profile('hook', {
    server: { ...outward, args: [...outward.args, `--url=${written}`] },
    credentials: { API_KEY: { from, hosts: [listed(hooks)], as: 'any' } },
    sandbox: { network: [range(hooks)] },
    policy: { default: 'allow' },
  });
  await using inside = await Inside.open(home.run('hook'), [secret]);
  const { env } = await inside.see();
  const read = 'process.stdout.write(require("fs").readFileSync("/proc/" + process.ppid + "/cmdline"))';
  const argv = (await inside.out([process.execPath, '-e', read])).split('\0');
  const url = argv.find((word) => word.startsWith('--url='))?.slice('--url='.length) ?? '';
  expect(url).toBe(written.replace(KEY, env.API_KEY ?? ''));

  const answer = await inside.fetch(url, { method: 'POST', body: '{"text":"hello"}' });
  expect(answer).toMatchObject({ broken: false });
  expect(hooks.requests.map(({ target }) => target)).toEqual([`/echo/T00/${secret}`]);
  expect(answer.body).not.toContain(secret);
  // Without "as: any" the same request is refused, with a reason that says where it may be.
  home.profile('header', {
    server: outward,
    credentials: { API_KEY: { from, hosts: [listed(hooks)] } },
    sandbox: { network: [range(hooks)] },
    policy: { default: 'allow' },
  });
  await using other = await Inside.open(home.run('header'), [secret]);
  const placeholder = (await other.see()).env.API_KEY ?? '';
  const refused = await other.fetch(written.replace(KEY, placeholder), { method: 'POST' });
  expect(refused.status).toBe(403);
  expect(hooks.requests).toHaveLength(1);
});

test.each(['on', 'off'])(
  'W-CRED-47 "deliver: arg" puts the value into the argument and nowhere else, and says so: sandbox %s',
  async (sandbox) => {
    await using home = new Home();
    home.profile('arg', profile({ deliver: 'arg' }, sandbox === 'off' ? { sandbox: { off: true } } : {}));
    await using host = home.run('arg');
    await host.initialize();
    const { argv, env } = JSON.parse(await host.call('environ'));
    // It is taken out of the answer, as every value that a server holds.
    expect(argv).toEqual(['--key', '--url=https://me:[redacted:API_KEY]@example.com']);
    expect(Object.keys(env)).not.toContain('API_KEY');
    const [session] = (await home.facts('status')).sessions;
    const commandLine = (pid: number): string => readFileSync(`/proc/${pid}/cmdline`, 'utf8');
    if (sandbox === 'off') expect(commandLine(session.server.pid)).toContain(secret);
    else {
      using space = new SandboxProcesses(session.server.pid);
      const servers = space.running('environ.mjs');
      expect(servers.some((pid) => commandLine(pid).includes(`me:${secret}@`))).toBe(true);
    }
    // The log has the argument as it stands in the profile, and the delivery.
    expect(home.audit('session.open')[0]?.command).toContain(`--url=https://me:${KEY}@example.com`);
    expect(home.audit('credential.use')).toMatchObject([
      { credential: 'arg/API_KEY', action: 'deliver', outcome: 'ok' },
    ]);
    expect(JSON.stringify(home.audit())).not.toContain(secret);
    expect(readFileSync(join(home.places.state, 'daemon.log'), 'utf8')).not.toContain(secret);

    const checked = await home.warder(['check', 'arg']);
    expect(checked.stdout).toContain('API_KEY: arg/API_KEY, by arg');
    expect(checked.stdout).toContain('every user of this machine can read it in a process list');
    expect(checked.stdout).toContain(`me:${KEY}@example.com`);
    expect(checked.stdout).not.toContain(secret);
  },
);

test('add takes the credential from the argument, and says where the value will be', async () => {
  await using home = new Home();
  const words = ['--', process.execPath, fixture, `--key=${KEY}`];
  const plain = await home.warder(['add', 'plain', ...words]);
  expect(plain.stdout).toContain("API_KEY is in the arguments of the server's process");
  expect(plain.stdout).toContain('warder credential set plain API_KEY');
  const file = (name: string): string => readFileSync(join(home.places.profiles, `${name}.yaml`), 'utf8');
  expect(file('plain')).toContain('deliver: arg #');
  const sealed = await home.warder(['add', 'sealed', '--host', 'api.example.com', ...words]);
  expect(sealed.stdout).toContain('API_KEY is sealed');
  expect(file('sealed')).toContain('deliver: sealed #');
  const refused = await home.warder(['add', 'leaks', '--', 'pg', 'postgres://me:password123@db.example.com']);
  expect(refused).toMatchObject({ code: 64 });
  expect(refused.stderr).toContain(`\${credential:NAME}`);
  expect(refused.stderr).not.toContain('password123');
});
