// A sealed credential through the built program: what a person types, what the server gets, what the credential's
// host gets, what is in the log, and what turns it all off. The integration tests prove what the gate does with each
// kind of request.
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { existsSync, globSync, readFileSync, readlinkSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { childrenOf, isAlive } from '../../src/sandbox/linux/process.ts';
import { Home, SAID } from '../fixtures/home.ts';
import {
  commandLines,
  expectAbsent,
  Inside,
  Internet,
  listed,
  outward,
  range,
  recorded,
  type Seen,
  treeOf,
} from '../fixtures/internet.ts';
import type { Upstream } from '../fixtures/upstream.ts';

/** A token in the shape of GitHub's. */
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

  // The host gets the secret. Its echo comes back with the placeholder.
  const authorization = `Bearer ${placeholder}`;
  const answer = await inside.fetch(`${api.url}/echo?of=it`, { headers: { authorization } });
  expect(answer).toMatchObject({ status: 200, broken: false });
  expect(api.requests).toMatchObject([{ method: 'GET', target: '/echo?of=it', servername: 'api.test' }]);
  expect(api.requests[0]?.headers.authorization).toBe(`Bearer ${secret}`);
  expect(JSON.parse(answer.body).headers.authorization).toBe(authorization);

  // What its limits do not allow goes nowhere, and the server gets the reason.
  const refused = await inside.fetch(`${api.url}/other`, { headers: { authorization } });
  expect(refused.status).toBe(403);
  expect(JSON.parse(refused.body).message).toBe(
    'the credential github/TOKEN is not put in: the path is not one of its paths',
  );
  expect(
    (await inside.fetch(`${api.url}/echo`, { method: 'DELETE', headers: { authorization } })).status,
  ).toBe(403);
  expect((await inside.fetch(`${api.url}/echo`, { headers: { 'x-key': placeholder } })).status).toBe(403);
  expect(api.requests).toHaveLength(1);

  // One call, from who requested it to what was sent, with which version, and how it ended.
  const [call] = home.audit('tool.call').filter(({ arguments: text }) => text.includes('/echo?of=it'));
  const [set] = home.audit('credential.use').filter(({ action }) => action !== 'init');
  expect(set).toMatchObject({ action: 'set', credential: 'github/TOKEN' });
  const common = {
    call: call?.call,
    profile: 'github',
    session: call?.session,
    host: 'api.test',
    port: api.port,
  };
  const use = { ...common, credential: 'github/TOKEN', version: set?.version, method: 'GET', path: '/echo' };
  expect(await recorded(home, 'credential.use', { ...use, action: 'use' })).toMatchObject({
    outcome: 'sent',
  });
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

  // W-EGR-6: meanwhile nobody can read it, or its placeholder, from a command line.
  const lines = commandLines();
  expectAbsent(lines, secret, 'a command line');
  expectAbsent(lines, placeholder, 'a command line');
  // It is not in the server's memory either: the placeholder is.
  expect(await inside.scan(placeholder)).toBeGreaterThan(0);
  expect(await inside.scan(secret)).toBe(0);
  const seen = await inside.see('/run', '/etc', '/tmp');
  expect(Object.keys(seen.files)).toContain('/run/warder/ca.pem');
  expect(seen.proc.environ).toContain(`TOKEN=${placeholder}`);

  // A host that refuses it is reported to the person.
  expect((await inside.fetch(`${api.url}/status/401`, { headers: { authorization } })).status).toBe(401);
  expect(await warder('status')).toMatch(/^github\/TOKEN may have expired: api\.test answered 401/m);
  const doubted = { name: 'github/TOKEN', host: 'api.test', status: 401 };
  expect((await home.facts('status')).credentials.doubted).toMatchObject([doubted]);

  inside.client.close();
  await inside.client.ended;
  // The connection's end is recorded, with the bytes that passed.
  const closed = await recorded(home, 'egress.connect', { connection: opened.connection, outcome: 'closed' });
  expect(closed.bytes_out).toBeGreaterThan(100);
  expect(closed.bytes_in).toBeGreaterThan(100);
  expect(await warder('audit', 'verify')).toMatch(/whole|ok|verif/i);
  await warder('stop');

  expectAbsent(said.join('\n'), secret, 'what the command line said');
  for (const name of globSync('**/*', { cwd: home.dir })) {
    const path = join(home.dir, name);
    if (statSync(path, { throwIfNoEntry: false })?.isFile())
      expectAbsent(readFileSync(path, 'latin1'), secret, path);
  }
});

/** A home on the internet whose values come from files, which needs no store. */
function plain(internet: Internet, values: { readonly [name: string]: string } = {}): Home {
  const home = new Home();
  internet.join(home);
  for (const [name, value] of Object.entries(values)) writeFileSync(join(home.dir, name), value);
  return home;
}

/** Where a value of a home comes from. */
function from(home: Home, name: string): object {
  return { command: ['/bin/cat', join(home.dir, name)] };
}

const bearer = ({ env }: Seen): { authorization: string } => ({ authorization: `Bearer ${env.TOKEN}` });

test('W-SEAL-8 a new value reaches the next request of an open session; server, call and placeholder stay', async () => {
  await using internet = await Internet.open();
  const [first, second] = [token(), token()];
  const api = await internet.host(['api.test'], {
    route: ({ url }, response) => url === '/old' && response.end(`it was ${first}`).writableEnded,
  });
  await using home = await settle(internet);
  await home.done(['credential', 'set', 'github', 'TOKEN'], first);
  home.profile('github', sealed(api));
  await using inside = await Inside.open(home.run('github'), [first, second]);
  const before = await inside.see();
  const [{ server }] = (await home.facts('status')).sessions;
  const echo = async (): Promise<string> => {
    const { body } = await inside.fetch(`${api.url}/echo`, { headers: bearer(before) });
    return JSON.parse(body).headers.authorization;
  };
  expect(await echo()).toBe(`Bearer ${before.env.TOKEN}`);
  // A stream that began with the old value continues to its end.
  const events = inside.fetch(`${api.url}/events?n=20&ms=100`, { headers: bearer(before) });
  await expect.poll(() => api.requests.length).toBe(2);

  expect(await home.done(['credential', 'rotate', 'github', 'TOKEN'], second)).toMatch(
    /1 open session goes on/,
  );
  expect(await echo()).toBe(`Bearer ${before.env.TOKEN}`);
  expect(await events).toMatchObject({ status: 200, broken: false });
  expect(api.requests.map(({ headers }) => headers.authorization)).toEqual([
    `Bearer ${first}`,
    `Bearer ${first}`,
    `Bearer ${second}`,
  ]);
  // A host that still echoes the old value discloses it to nobody.
  const { body } = await inside.fetch(`${api.url}/old`);
  expect(body).toBe(`it was ${before.env.TOKEN}`);

  const after = await inside.see();
  expect(after.env).toEqual(before.env);
  expect((await home.facts('status')).sessions).toMatchObject([{ server }]);
  const rotated = await recorded(home, 'credential.use', {
    action: 'rotate',
    outcome: 'moved',
    profile: 'github',
  });
  const used = home
    .audit('credential.use')
    .filter(({ action, outcome }) => action === 'use' && outcome === 'sent');
  expect(used.map(({ version }) => version === rotated.version)).toEqual([false, false, true]);
});

test('W-SEAL-10 a refresh token that is exchanged is the next session’s, and no two sessions spend the same one', async () => {
  await using internet = await Internet.open();
  let valid = `rt-${randomBytes(18).toString('hex')}`;
  const values = [valid];
  const login = await internet.host(['login.test'], {
    route: (request, response) => {
      if (request.url !== '/token') return false;
      let body = '';
      request.on('data', (piece) => {
        body += piece;
      });
      request.on('end', () => {
        const isValid = new URLSearchParams(body).get('refresh_token') === valid;
        if (isValid) {
          valid = `rt-${randomBytes(18).toString('hex')}`;
          values.push(valid);
        }
        const answer = isValid
          ? { access_token: token(), token_type: 'Bearer', refresh_token: valid }
          : { error: 'invalid_grant' };
        response.writeHead(isValid ? 200 : 400, { 'content-type': 'application/json' });
        response.end(JSON.stringify(answer));
      });
      return true;
    },
  });
  await using home = await settle(internet);
  await home.done(['credential', 'set', 'mail', 'TOKEN'], valid);
  home.profile('mail', sealed(login));
  const refresh = async (inside: Inside): Promise<number> => {
    const { env } = await inside.see();
    const body = `grant_type=refresh_token&refresh_token=${env.TOKEN}`;
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const answer = await inside.fetch(`${login.url}/token`, { method: 'POST', headers, body });
    if (answer.status === 200) expect(JSON.parse(answer.body).refresh_token).toBe(env.TOKEN);
    return answer.status;
  };
  {
    await using one = await Inside.open(home.run('mail'), values);
    await using other = await Inside.open(home.run('mail'), values);
    expect(await Promise.all([one, other, one, other].map(refresh))).toEqual([200, 200, 200, 200]);
  }
  // The next daemon starts with what the store has.
  await home.done(['stop']);
  await using next = await Inside.open(home.run('mail'), values);
  expect(await refresh(next)).toBe(200);
  const exchanged = home.audit('credential.use').filter(({ action }) => action === 'exchange');
  expect(exchanged.map(({ outcome, credential, host }) => [outcome, credential, host])).toEqual(
    Array.from({ length: 5 }, () => ['stored', 'mail/TOKEN', 'login.test']),
  );
  for (const value of values) {
    for (const name of globSync('**/*.{jsonl,log}', { cwd: home.dir }))
      expectAbsent(readFileSync(join(home.dir, name), 'latin1'), value, name);
  }
});

test('W-SEAL-5 the lock of all, and the revocation of one, take effect at once, and last until they are undone', async () => {
  await using internet = await Internet.open();
  const api = await internet.host(['api.test']);
  const secret = token();
  await using home = plain(internet, { secret });
  home.profile('github', sealed(api, { from: from(home, 'secret') }));
  home.profile('notes', { server: outward, policy });
  await using inside = await Inside.open(home.run('github'), [secret]);
  const headers = bearer(await inside.see());
  const echo = () => inside.fetch(`${api.url}/echo`, { headers });
  const starts = async (profile: string) => {
    const { code, stderr } = await home.warder(['run', profile], SAID);
    return { code, stderr };
  };
  expect(await echo()).toMatchObject({ status: 200 });

  expect(await home.done(['lock'])).toMatch(/^locked/);
  const locked = await echo();
  expect(locked.status).toBe(403);
  expect(JSON.parse(locked.body).message).toBe(
    'the credential github/TOKEN is not put in: credentials are locked',
  );
  // No session that needs a credential opens; one that needs none does.
  expect(await starts('github')).toEqual({
    code: 77,
    stderr: expect.stringMatching(/locked[\s\S]*hint: run "warder unlock"/),
  });
  expect(await starts('notes')).toMatchObject({ code: 0 });
  expect(await home.done(['status'])).toMatch(/^locked/m);
  await home.done(['unlock']);
  expect(await echo()).toMatchObject({ status: 200 });

  // A revocation closes open connections.
  const open = await streaming();
  const revoked = await home.facts('revoke', 'github/TOKEN');
  expect(revoked).toMatchObject({ name: 'github/TOKEN', changed: true, ended: 0 });
  expect(revoked.cut).toBeGreaterThan(0);
  expect(await open.answer).toMatchObject({ broken: true });
  expect(await echo()).toMatchObject({
    status: 403,
    body: expect.stringContaining('the credential is revoked'),
  });
  expect(await starts('github')).toEqual({ code: 77, stderr: expect.stringContaining('is revoked') });
  // It outlives the daemon.
  inside.client.close();
  await inside.client.ended;
  await home.done(['stop']);
  expect(await starts('github')).toMatchObject({ code: 77 });
  await home.done(['revoke', 'github/TOKEN', '--undo']);
  expect(await starts('github')).toMatchObject({ code: 0 });
  const actions = ['lock', 'unlock', 'revoke', 'restore'];
  expect(
    home.audit('credential.use').flatMap(({ action }) => (actions.includes(action) ? [action] : [])),
  ).toEqual(actions);
  await home.done(['audit', 'verify']);
  expect(api.requests).toHaveLength(3);

  /** A stream that has begun to arrive. */
  async function streaming(): Promise<{ answer: ReturnType<typeof inside.fetch> }> {
    const came = api.requests.length;
    const answer = inside.fetch(`${api.url}/events?n=600&ms=100`, { headers });
    answer.catch(() => {});
    await expect.poll(() => api.requests.length).toBe(came + 1);
    return { answer };
  }
});

test('W-SEAL-5 a credential that is revoked while its server starts is not left with it', async () => {
  await using home = new Home();
  const place = (name: string): string => join(home.dir, name);
  writeFileSync(place('secret'), token());
  const script = `touch ${place('asked')}; while [ ! -e ${place('go')} ]; do sleep 0.05; done; cat ${place('secret')}`;
  const from = { command: ['/bin/sh', '-c', script] };
  home.profile('slow', { server: outward, credentials: { TOKEN: { from, deliver: 'env' } }, policy });
  const run = home.warder(['run', 'slow']);
  await expect.poll(() => existsSync(place('asked'))).toBe(true);
  await home.done(['revoke', 'slow/TOKEN']);
  writeFileSync(place('go'), '');
  expect(await run).toMatchObject({ code: 77, stderr: expect.stringContaining('is revoked') });
});

test('W-SEAL-5 a credential is used only as often, and as long, as its profile allows', async () => {
  await using internet = await Internet.open();
  const api = await internet.host(['api.test']);
  const secret = token();
  await using home = plain(internet, { secret });
  const credential = { from: from(home, 'secret'), hosts: [listed(api)] };
  home.profile('few', {
    server: outward,
    credentials: { TOKEN: { ...credential, 'max-uses': 2 }, SHORT: { ...credential, lifetime: '1s' } },
    sandbox: { network: [range(api)] },
    policy,
  });
  await using inside = await Inside.open(home.run('few'), [secret]);
  const { env } = await inside.see();
  const status = async (variable: string): Promise<number> =>
    (await inside.fetch(`${api.url}/echo`, { headers: { 'x-key': env[variable] ?? '' } })).status;
  expect([await status('TOKEN'), await status('TOKEN'), await status('TOKEN')]).toEqual([200, 200, 403]);
  await expect.poll(() => status('SHORT')).toBe(403);
  await recorded(home, 'credential.use', { outcome: 'refused', reason: 'its lifetime is over' });
});

test('W-SEAL-9 what cannot be sealed is refused before anything runs', async () => {
  await using internet = await Internet.open();
  const api = await internet.host(['api.test']);
  const { privateKey } = generateKeyPairSync('ed25519');
  const values = {
    token: token(),
    database: `postgres://app:${randomBytes(8).toString('hex')}@db.test:5432/app`,
    pem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    webhook: `https://hooks.test/services/T0/B0/${randomBytes(12).toString('hex')}`,
    short: 'abc',
  };
  await using home = plain(internet, values);
  const ledger = join(home.dir, 'ledger');
  const server = { command: '/bin/sh', args: ['-c', `echo ran >>${ledger}`] };
  const refused = async (name: string, profile: object, saying: RegExp): Promise<void> => {
    home.profile(name, profile);
    const { code, stdout, stderr } = await home.warder(['run', name]);
    expect({ code, stdout }).toEqual({ code: 65, stdout: '' });
    expect(stderr).toMatch(saying);
    expect(stderr).toMatch(/^warder: hint: /m);
    for (const value of Object.values(values)) if (value.length > 8) expect(stderr).not.toContain(value);
  };
  const credential = (value: string, more: object = {}): object => ({
    server,
    credentials: { TOKEN: { deliver: 'sealed', from: from(home, value), hosts: [listed(api)], ...more } },
    policy,
  });
  await refused(
    'off',
    { ...credential('token'), sandbox: { off: true } },
    /cannot be sealed without a sandbox/,
  );
  await refused('port', credential('token', { hosts: ['db.test:5432'] }), /is the port of PostgreSQL/);
  await refused(
    'database',
    credential('database'),
    /TOKEN holds a password for "postgres:", which is not HTTP/,
  );
  await refused('webhook', credential('webhook'), /TOKEN holds a URL.*[\s\S]*hint: .*\$\{credential:TOKEN\}/);
  await refused('pem', credential('pem'), /TOKEN (holds a private key|has a line break)/);
  await refused('short', credential('short'), /TOKEN has fewer than \d+ characters/);
  expect(existsSync(ledger)).toBe(false);
  expect(home.audit('session.open')).toEqual([]);
  expect(internet.resolver.queries).toEqual([]);
});

test('W-EGR-9 neither of two sessions reaches what only the other may', async () => {
  await using internet = await Internet.open();
  const [one, other] = [await internet.host(['one.test']), await internet.host(['other.test'])];
  const secret = token();
  await using home = plain(internet, { secret });
  // The same credential, for hosts of its own in each.
  const credential = { from: from(home, 'secret'), name: 'shared/token' };
  home.profile('one', sealed(one, credential));
  home.profile('other', sealed(other, credential));
  home.profile('again', sealed(one, credential));
  await using first = await Inside.open(home.run('one'), [secret]);
  await using second = await Inside.open(home.run('other'), [secret]);
  await using third = await Inside.open(home.run('again'), [secret]);
  const seen = await Promise.all([first.see(), second.see(), third.see()]);
  const distinct = (values: readonly unknown[]): void => expect(new Set(values).size).toBe(3);
  distinct(seen.map(({ env }) => env.TOKEN));
  distinct(seen.map(({ files }) => files['/run/warder/session.pem']));
  const sessions: { readonly server: { readonly pid: number } }[] = (await home.facts('status')).sessions;
  distinct(sessions.map(({ server }) => namespaceOf(server.pid)));

  const [mine] = seen;
  const echo = (inside: Inside, host: Upstream, headers = bearer(mine)) =>
    inside.fetch(`${host.url}/echo`, { headers });
  expect(await echo(first, one)).toMatchObject({ status: 200 });
  expect(await echo(second, one)).toMatchObject({ failed: 'ENOTFOUND' });
  expect(await echo(first, other)).toMatchObject({ failed: 'ENOTFOUND' });
  await recorded(home, 'egress.connect', {
    profile: 'other',
    host: 'one.test',
    port: 53,
    outcome: 'refused',
  });
  expect(other.accepted).toBe(0);
  // A placeholder of one session is nothing but text in another, with the same host and credential.
  expect(await echo(third, one)).toMatchObject({ status: 200 });
  expect(one.requests.map(({ headers }) => headers.authorization)).toEqual([
    `Bearer ${secret}`,
    `Bearer ${mine.env.TOKEN}`,
  ]);
  // The authority of one is not trusted by another, though it may reach the same host.
  const trusting = { NODE_EXTRA_CA_CERTS: '/dev/stdin' };
  const script = `fetch(${JSON.stringify(`${one.url}/echo`)}).then(() => console.log('trusted'), ({ cause }) => console.log(cause.code))`;
  const asked = await third.out([process.execPath, '-e', script], {
    env: trusting,
    input: mine.files['/run/warder/session.pem'] ?? '',
  });
  expect(asked).toMatch(/^(SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_|CERT_)/);
});

test('W-EGR-6 W-PROC-7 a daemon that is killed leaves no server, no sandbox and no network behind', async () => {
  await using internet = await Internet.open();
  const api = await internet.host(['api.test']);
  const secret = token();
  await using home = plain(internet, { secret });
  home.profile('github', sealed(api, { from: from(home, 'secret') }));
  await using first = await Inside.open(home.run('github'), [secret]);
  await using second = await Inside.open(home.run('github'), [secret]);
  const headers = bearer(await first.see());
  first.client.ask('tools/call', {
    name: 'fetch',
    arguments: { url: `${api.url}/events?n=600&ms=100`, headers },
  });
  // In one of the sandboxes something does not want to end.
  second.client.ask('tools/call', {
    name: 'run',
    arguments: { command: ['/bin/sh', '-c', 'trap "" TERM HUP; sleep 60'] },
  });
  await expect.poll(() => api.requests.length).toBe(1);
  const daemon = await home.daemon();
  const keepers = () => treeOf(daemon ?? 0).filter(({ pid }) => /\bcat$|listen\.js/.test(commandOf(pid)));
  // Two networks, and a spare that is kept.
  await expect.poll(() => keepers().filter(({ pid }) => commandOf(pid).endsWith('cat')).length).toBe(3);
  const tree = treeOf(daemon ?? 0);
  expect(tree.length).toBeGreaterThan(10);

  process.kill(daemon ?? Number.NaN, 'SIGKILL');
  await expect.poll(() => tree.filter(isAlive).map(({ pid }) => commandOf(pid))).toEqual([]);
  await expect.poll(() => api.sockets).toBe(0);
  await first.client.ended;
  await second.client.ended;
  await home.quiet();
  // What had begun is recorded, and the next run works.
  await using again = await Inside.open(home.run('github'), [secret]);
  expect(await again.fetch(`${api.url}/echo`, { headers: bearer(await again.see()) })).toMatchObject({
    status: 200,
  });
  await recorded(home, 'credential.use', { action: 'use', outcome: 'sent', path: '/events' });
  await home.done(['audit', 'verify']);
});

test('W-EGR-6 a daemon that stops leaves none either, and a server’s network ends with it', async () => {
  await using internet = await Internet.open();
  const api = await internet.host(['api.test']);
  await using home = plain(internet);
  home.profile('reader', { server: outward, sandbox: { network: [listed(api), range(api)] }, policy });
  {
    await using inside = await Inside.open(home.run('reader'), []);
    expect(await inside.fetch(`${api.url}/echo`)).toMatchObject({ status: 200 });
  }
  const daemon = await home.daemon();
  // A spare is left.
  await expect
    .poll(() => treeOf(daemon ?? 0).filter(({ pid }) => commandOf(pid).endsWith('cat')).length)
    .toBe(1);
  const tree = treeOf(daemon ?? 0);
  await home.done(['stop']);
  await expect.poll(() => tree.filter(isAlive)).toEqual([]);
});

function namespaceOf(pid: number): string {
  const [inside] = childrenOf(pid);
  return readlinkSync(`/proc/${inside ?? pid}/ns/net`);
}

/** The command line of a process, as words; empty where it has ended. */
function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ').trim();
  } catch {
    return '';
  }
}

test('W-SEAL-9 what a profile seals and the gate cannot put in is not stored for it', async () => {
  await using home = new Home();
  await home.facts('init', '--store', 'vault', '--key-file', join(home.dir, 'key'));
  home.profile('demo', {
    server: { command: '/bin/true' },
    credentials: { TOKEN: { deliver: 'sealed', hosts: ['api.example.com'] } },
    policy,
  });
  const part = randomBytes(12).toString('hex');
  for (const [value, saying] of [
    [`postgres://app:${part}@db.test:5432/app`, /TOKEN holds a password for "postgres:"/],
    [`https://hooks.test/services/T0/B0/${part}`, /TOKEN holds a URL/],
    [`https://app:${part}@hooks.test/`, /TOKEN holds a URL/],
    [`{"Authorization":"Bearer ${part}"}`, /TOKEN holds JSON.*[\s\S]*hint: .*\$\{credential:NAME\}/],
    [`Authorization: Bearer ${part}`, /TOKEN holds a header/],
    [`Server=db.test;Pwd=${part}`, /TOKEN holds a connection string/],
  ] as const) {
    const { code, stderr } = await home.warder(['credential', 'set', 'demo', 'TOKEN'], value);
    expect(code).toBe(65);
    expect(stderr).toMatch(saying);
    expect(stderr).toMatch(/^warder: hint: /m);
    expect(stderr).not.toContain(part);
  }
  await home.done(['credential', 'set', 'demo', 'TOKEN'], part);
});
