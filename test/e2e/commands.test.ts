// The commands of Warder, with a real server, a real keychain and a host that starts the configured command.
import { rmSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Client } from '../fixtures/client.ts';
import { Home, SAID, server } from '../fixtures/home.ts';
import { SecretService } from '../fixtures/secret-service.ts';

test('a credential is stored and used, its value is rotated, and the log records it', async () => {
  await using bus = await SecretService.open();
  await using home = new Home({ env: bus.env });

  const unset = await home.warder(['credential', 'set', 'github', 'GITHUB_TOKEN'], 'first-value-0123456789');
  expect(unset.stderr).toMatch(/warder: hint: .*warder init/);
  await home.done(['init', '--store', 'keychain']);

  // $ warder add github --credential GITHUB_TOKEN --allow '*' -- node …/server-everything/dist/index.js stdio
  const command = ['--', 'node', server('everything')[1] ?? '', 'stdio'];
  const added = JSON.parse(
    await home.done(['add', 'github', '--credential', 'GITHUB_TOKEN', '--allow', '*', '--json', ...command]),
  );
  expect(added.host.command).toMatch(/^\//);

  // $ warder credential set github GITHUB_TOKEN
  const set = await home.done(['credential', 'set', 'github', 'GITHUB_TOKEN'], 'first-value-0123456789\n');
  expect(set).not.toContain('first-value');

  // {"command": "/abs/path/warder", "args": ["run", "github"]}: in a minimal environment
  const { HOME = '', LOGNAME = '', SHELL = '', TERM = '', USER = '' } = home.env;
  const bare = { HOME, LOGNAME, PATH: '/nowhere', SHELL, TERM, USER, ...added.host.env };
  await using host = new Client([added.host.command, ...added.host.args], bare, '/');
  await host.initialize();
  expect(await host.call('echo', { message: 'hello' })).toBe('Echo: hello');

  // $ warder status
  const status = await home.facts('status');
  expect(status).toMatchObject({
    store: { kind: 'keychain', state: 'ready' },
    audit: { signed: true },
    sessions: [{ profile: 'github', calls: 1 }],
  });
  expect(await home.done(['status'])).toContain('github');
  expect((await home.facts('list')).map(({ name }: { name: string }) => name)).toEqual(['github']);

  // $ warder credential rotate github GITHUB_TOKEN
  const before = status.sessions[0].server.pid;
  await home.done(['credential', 'rotate', 'github', 'GITHUB_TOKEN'], 'second-value-0123456789');
  let now = before;
  for (let tries = 0; tries < 100 && now === before; tries++) {
    expect(await host.call('echo', { message: 'still here' })).toBe('Echo: still here');
    now = (await home.facts('status')).sessions[0].server.pid;
  }
  expect(now).not.toBe(before);

  // $ warder audit tail
  const tail = await home.done(['audit', 'list']);
  expect(tail).toMatch(/github +echo +allow/);
  const calls = JSON.parse(await home.done(['audit', 'list', '--tool', 'echo', '--json']));
  expect(calls.length).toBeGreaterThanOrEqual(2);

  // $ warder audit verify
  await home.done(['audit', 'verify']);
  expect(home.audit('session.open')).toMatchObject([
    { profile: 'github', credentials: [{ variable: 'GITHUB_TOKEN', name: 'github/GITHUB_TOKEN' }] },
  ]);

  host.close();
  expect((await host.ended).code).toBe(0);
  // $ warder doctor
  const { code, stdout } = await home.warder(['doctor', '--json']);
  const failed = JSON.parse(stdout).checks.filter(({ state }: { state: string }) => state === 'fail');
  expect({ code, failed }).toEqual({ code: 0, failed: [] });
  await home.done(['stop']);
  rmSync(home.places.audit, { recursive: true });
  const gone = await home.warder(['doctor']);
  expect(gone).toMatchObject({ code: 1, stdout: expect.stringMatching(/^fail {2}audit log: /m) });
});

test('a locked keychain is reported without delay, and works again once it is unlocked', async () => {
  await using bus = await SecretService.open();
  await using home = new Home({ env: bus.env });
  await home.done(['init', '--store', 'keychain']);
  await home.done(['credential', 'set', 'locked', 'TOKEN'], 'a-value-0123456789');
  const command = { command: server('everything')[0], args: server('everything').slice(1) };
  const policy = { default: 'allow' };
  home.profile('locked', { server: command, credentials: { TOKEN: { deliver: 'env' } }, policy });
  home.profile('free', { server: command, policy });

  await bus.lock();
  const { code, stderr } = await home.warder(['run', 'locked']);
  expect(stderr).toMatch(/^warder: error: cannot start "locked": .*locked/m);
  expect(stderr).toMatch(/^warder: hint: /m);
  expect(code).toBe(1);
  await using other = home.run('free');
  await other.initialize();

  await bus.unlock();
  await using host = home.run('locked');
  await host.initialize();
  expect(await host.call('echo', { message: 'open' })).toBe('Echo: open');
});

test('W-SEAL-5 lock stops the use of all credentials, revoke stops one at once, and both outlive the daemon', async () => {
  await using bus = await SecretService.open();
  await using home = new Home({ env: bus.env });
  await home.done(['init', '--store', 'keychain']);
  await home.done(['credential', 'set', 'demo', 'TOKEN'], 'a-value-0123456789');
  const command = { command: server('everything')[0], args: server('everything').slice(1) };
  const policy = { default: 'allow' };
  home.profile('demo', { server: command, credentials: { TOKEN: { deliver: 'env' } }, policy });
  home.profile('free', { server: command, policy });
  await using host = home.run('demo');
  await host.initialize();

  // $ warder lock --passphrase
  expect(await home.done(['lock', '--passphrase'], 'correct horse\n')).toMatch(
    /^locked: .*\n1 session stays open/,
  );
  expect(await host.call('echo', { message: 'still here' })).toBe('Echo: still here');
  const refused = await home.warder(['run', 'demo'], SAID);
  expect(refused).toMatchObject({ code: 77, stderr: expect.stringContaining('all credentials are locked') });
  expect(await home.done(['status'])).toContain('no credential is used: "warder unlock"');
  host.close();
  await host.ended;
  await home.done(['stop']);
  expect((await home.warder(['run', 'demo'], SAID)).code).toBe(77);
  await using free = home.run('free');
  await free.initialize();

  // $ warder unlock
  expect(await home.warder(['unlock'], 'wrong horse\n')).toMatchObject({ code: 77, stdout: '' });
  expect(await home.done(['unlock'], 'correct horse\n')).toBe('unlocked: credentials are used again\n');

  // $ warder revoke demo/TOKEN
  await using other = home.run('demo');
  await other.initialize();
  // Its server starts, and has the value.
  await other.call('echo', { message: 'mine' });
  const revoked = await home.done(['revoke', 'demo/TOKEN']);
  expect(revoked).toContain(
    'revoked "demo/TOKEN": it is no longer used or delivered\n0 connections cut, 1 session ended\n',
  );
  await other.ended;
  expect(await free.call('echo', { message: 'not mine' })).toBe('Echo: not mine');
  const again = await home.warder(['run', 'demo'], SAID);
  expect(again.code).toBe(77);
  expect(again.stderr).toContain('the credential "demo/TOKEN" is revoked');
  expect(again.stderr).toContain('warder revoke --undo demo/TOKEN');
  expect(await home.warder(['revoke', 'demo/TOKNE'])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('did you mean "demo/TOKEN"?'),
  });
  expect(await home.done(['list'])).toMatch(/demo +ok +0 of 1/);

  // $ warder revoke demo/TOKEN --undo
  await home.done(['revoke', 'demo/TOKEN', '--undo']);
  await using last = home.run('demo');
  await last.initialize();
  expect(home.audit('credential.use').map(({ action, outcome }) => `${action} ${outcome}`)).toEqual(
    expect.arrayContaining(['lock ok', 'unlock refused', 'unlock ok', 'revoke ok', 'restore ok']),
  );
  expect(JSON.stringify(home.audit())).not.toContain('horse');
});

test('status reports that no daemon runs, and starts none', async () => {
  await using home = new Home();
  const { code, stdout } = await home.warder(['daemon', 'status']);
  expect({ code, stdout }).toMatchObject({ code: 69, stdout: expect.stringContaining('no daemon runs') });
  expect(home.processes()).toEqual([]);
});

test('a second daemon does not start', async () => {
  await using home = new Home();
  await home.done(['daemon', 'start']);
  const { code, stderr } = await home.warder(['daemon', 'run']);
  expect({ code, stderr }).toMatchObject({ code: 69, stderr: expect.stringMatching(/already|runs/) });
  expect(home.audit('daemon.start')).toHaveLength(1);
});

test.each([
  [['nonsense'], 64],
  [['run'], 64],
  [['show', 'nobody'], 65],
  [['show', '../nobody'], 64],
  [['audit', 'show', '7'], 64],
])('warder %j ends with %i, an error and nothing on stdout', async (words, exit) => {
  await using home = new Home();
  const { code, stdout, stderr } = await home.warder(words);
  expect({ code, stdout }).toEqual({ code: exit, stdout: '' });
  expect(stderr).toMatch(/^warder: (error|hint): /m);
});

test('policy test explains what a profile says of a call', async () => {
  await using home = new Home();
  home.profile(
    'github',
    `server: {command: node}
policy:
  tools:
    create_issue: {allow: {properties: {owner: {const: acme}}, required: [owner]}, else: deny}
    "get_*": allow
  prompts: {review: deny}
`,
  );
  const explain = (...words: string[]) => home.warder(['policy', 'test', 'github', ...words]);
  expect(await explain('create_issue', '{"owner":"acme"}')).toMatchObject({
    code: 0,
    stdout: 'allow: policy.tools.create_issue.allow\n',
  });
  expect((await explain('create_issue', '{"owner":"x"}')).stdout).toBe(
    'deny: policy.tools.create_issue.else, since "owner" must be equal to constant "acme"\n',
  );
  expect((await explain('create_issue')).stdout).toContain('give them after the name');
  expect(JSON.parse((await explain('review', '--kind', 'prompts', '--json')).stdout)).toEqual({
    profile: 'github',
    kind: 'prompts',
    name: 'review',
    decision: 'deny',
    rule: 'policy.prompts.review',
    why: null,
    by_arguments: false,
  });
  expect(await explain('create_issue', '[1]')).toMatchObject({ code: 64, stdout: '' });
  expect(await explain('create_issue', "{'owner'}")).toMatchObject({ code: 64, stdout: '' });
  home.profile(
    'github',
    'server: {command: node}\npolicy: {tools: {a: {allow: {propertys: {}}, else: ask}}}\n',
  );
  for (const words of [
    ['policy', 'test', 'github', 'a'],
    ['check', 'github'],
  ]) {
    const { code, stderr } = await home.warder(words);
    expect(code).toBe(65);
    expect(stderr).toContain('policy.tools.a.allow: strict mode: unknown keyword: "propertys"');
  }
});
