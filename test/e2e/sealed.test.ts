// A sealed credential through the built program: what a person types, what the server gets, what the host of the
// credential gets, what stands in the log, and what turns it all off. What the gate does with each kind of request is
// proved in the integration tests.
import { randomBytes } from 'node:crypto';
import { existsSync, globSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { lives } from '../../src/sandbox/process.ts';
import { Home } from '../fixtures/home.ts';
import { commandLines, expectNone, Inside, Internet, listed, outward, range, recorded, treeOf } from '../fixtures/internet.ts';
import type { Upstream } from '../fixtures/upstream.ts';

/** A token of GitHub's, as to its shape. */
const token = (): string => `ghp_${randomBytes(18).toString('hex')}`;
const policy = { default: 'allow' };

/** A home on the internet, with a vault. */
async function settle(internet: Internet): Promise<Home> {
  const home = new Home();
  internet.join(home);
  await home.done(['init', '--store', 'vault', '--key-file', join(home.dir, 'key')]);
  return home;
}

/** A profile whose server may use one sealed credential at one host. */
function sealed(host: Upstream, limits: object = {}, network: readonly string[] = []): object {
  return {
    server: outward,
    credentials: { TOKEN: { deliver: 'sealed', hosts: [listed(host)], ...limits } },
    sandbox: { network: [range(host), ...network] },
    policy,
  };
}

test('W-SEAL-1 W-SEAL-3 W-SEAL-7 a server works with a credential that it never has, and the log says so', async () => {
  await using internet = await Internet.open();
  const api = await internet.host(['api.test']);
  await using home = await settle(internet);
  const secret = token();
  const said: string[] = [];
  const warder = async (...words: string[]): Promise<string> => {
    const text = await home.done(words);
    said.push(text);
    return text;
  };

  said.push(await home.done(['credential', 'set', 'github', 'TOKEN'], secret));
  const limits = { as: 'bearer', paths: ['/echo/**', '/echo', '/status/*'], methods: ['GET', 'POST'] };
  home.profile('github', sealed(api, limits));
  expect(await warder('check', 'github')).toMatch(/TOKEN/);

  await using inside = await Inside.open(home.run('github'), [secret]);
  const { env } = await inside.see();
  const placeholder = env.TOKEN ?? '';
  expect(placeholder).toMatch(/^ghp_\w{36}$/);
  expect(placeholder).not.toBe(secret);

  // The host gets the secret. What it says of it comes back with the placeholder.
  const authorization = `Bearer ${placeholder}`;
  const answer = await inside.fetch(`${api.url}/echo?of=it`, { headers: { authorization } });
  expect(answer).toMatchObject({ status: 200, broken: false });
  expect(api.requests).toMatchObject([{ method: 'GET', target: '/echo?of=it', servername: 'api.test' }]);
  expect(api.requests[0]?.headers.authorization).toBe(`Bearer ${secret}`);
  expect(JSON.parse(answer.body).headers.authorization).toBe(authorization);

  // What its limits do not allow goes nowhere, and the server is told why.
  const refused = await inside.fetch(`${api.url}/other`, { headers: { authorization } });
  expect(refused.status).toBe(403);
  expect(JSON.parse(refused.body).message).toBe(
    'the credential github/TOKEN is not put in: the path is not one of its paths',
  );
  expect((await inside.fetch(`${api.url}/echo`, { method: 'DELETE', headers: { authorization } })).status).toBe(403);
  expect((await inside.fetch(`${api.url}/echo`, { headers: { 'x-key': placeholder } })).status).toBe(403);
  expect(api.requests).toHaveLength(1);

  // One call, from who asked to what left, with which version, and how it ended.
  const [call] = home.audit('tool.call').filter(({ arguments: text }) => text.includes('/echo?of=it'));
  const [set] = home.audit('credential.use');
  expect(set).toMatchObject({ action: 'set', credential: 'github/TOKEN' });
  const common = { call: call?.call, profile: 'github', session: call?.session, host: 'api.test', port: api.port };
  const use = { ...common, credential: 'github/TOKEN', version: set?.version, method: 'GET', path: '/echo' };
  expect(await recorded(home, 'credential.use', { ...use, action: 'use' })).toMatchObject({ outcome: 'sent' });
  expect(await recorded(home, 'credential.use', { ...use, action: 'answer' })).toMatchObject({
    outcome: 'ok',
    status: 200,
  });
  const opened = await recorded(home, 'egress.connect', { ...common, outcome: 'open' });
  expect(opened).toMatchObject({ address: api.address, opened: true });
  expect(home.audit('session.open')[0]).toMatchObject({
    credentials: [{ variable: 'TOKEN', name: 'github/TOKEN', deliver: 'sealed' }],
    sandbox: { network: [range(api), listed(api)] },
  });
  expect(opened.seq).toBeGreaterThan(call?.seq ?? Number.NaN);
  for (const path of ['/other', '/echo']) {
    await recorded(home, 'credential.use', { action: 'use', outcome: 'refused', path });
  }
  const shown = await warder('audit', 'show', call?.call);
  expect(shown).toMatch(/^credential {2,}github\/TOKEN {2}as TOKEN .*by sealed$/m);
  expect(shown).toMatch(/^credential\.use .*action=use .*host=api\.test .*method=GET .*path=\/echo/m);
  expect(shown).toMatch(/^egress\.connect .*host=api\.test .*outcome=open/m);
  expect(await warder('audit', 'list', '--event', 'credential.use')).toContain('github/TOKEN');
  expect(await warder('status')).toContain(listed(api));

  // W-EGR-6: while it runs nobody reads it, or what stands for it, from a command line.
  const lines = commandLines();
  expectNone(lines, secret, 'a command line');
  expectNone(lines, placeholder, 'a command line');
  // Nor is it in the server's memory: the placeholder is.
  expect(await inside.scan(placeholder)).toBeGreaterThan(0);
  expect(await inside.scan(secret)).toBe(0);
  const seen = await inside.see('/run', '/etc', '/tmp');
  expect(Object.keys(seen.files)).toContain('/run/warder/ca.pem');
  expect(seen.proc.environ).toContain(`TOKEN=${placeholder}`);

  // A host that does not take it is told to the person.
  expect((await inside.fetch(`${api.url}/status/401`, { headers: { authorization } })).status).toBe(401);
  expect(await warder('status')).toMatch(/^github\/TOKEN may have expired: api\.test answered 401/m);
  const doubted = { name: 'github/TOKEN', host: 'api.test', status: 401 };
  expect((await home.facts('status')).credentials.doubted).toMatchObject([doubted]);

  inside.client.close();
  await inside.client.ended;
  // The connection's end is on record, with what passed.
  const closed = await recorded(home, 'egress.connect', { connection: opened.connection, outcome: 'closed' });
  expect(closed.bytes_out).toBeGreaterThan(100);
  expect(closed.bytes_in).toBeGreaterThan(100);
  expect(await warder('audit', 'verify')).toMatch(/whole|ok|verif/i);
  await warder('stop');

  expectNone(said.join('\n'), secret, 'what the command line said');
  for (const name of globSync('**/*', { cwd: home.dir })) {
    const path = join(home.dir, name);
    if (statSync(path, { throwIfNoEntry: false })?.isFile()) expectNone(readFileSync(path, 'latin1'), secret, path);
  }
});
