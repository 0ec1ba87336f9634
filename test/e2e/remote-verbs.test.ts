// What a person types for a remote server, from its URL to the end: against real servers, a real authorization server and the
// built program.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadProfile } from '../../src/profile/load.ts';
import { until } from '../fixtures/echo-home.ts';
import type { Home } from '../fixtures/home.ts';
import { startAuthorization } from '../fixtures/remote/authorization.ts';
import { startMcp } from '../fixtures/remote/mcp.ts';
import { RemoteHome } from '../fixtures/remote/signing-in.ts';

const [DOWN, SPACE, ENTER, INTERRUPT] = ['\u001b[B', ' ', '\r', '\u0003'];
const TOKEN = 'a-token-of-mine-4711';
const ASKING = { consent: { 'first-use': 'ask' } };

/** A command on a terminal that `script` provides. */
class Terminal {
  shown = '';
  readonly #child;
  readonly #closed: Promise<unknown[]>;

  constructor(home: Home, words: readonly string[]) {
    const quoted = [...home.program, ...words].map((word) => `'${word}'`).join(' ');
    this.#child = spawn('script', ['-qec', `stty cols 500 rows 50; exec ${quoted}`, '/dev/null'], {
      env: { ...home.env, TERM: 'xterm' },
    });
    this.#child.stdout.on('data', (text) => {
      this.shown += text;
    });
    this.#closed = once(this.#child, 'close');
  }

  async type(shown: string, ...keys: string[]): Promise<void> {
    await until(() => this.shown.includes(shown), shown);
    for (const key of keys) {
      this.#child.stdin.write(key);
      // An arrow is three bytes, and an escape alone is a key too. Keys right after a question count for nothing.
      await new Promise((resolve) => setTimeout(resolve, 400));
    }
  }

  async ended(): Promise<unknown> {
    const [code] = await this.#closed;
    return code;
  }
}

test('a sign-in with a code ends where the person has typed it elsewhere; what is typed here meanwhile is no answer', async () => {
  await using authorization = await startAuthorization();
  await using server = await startMcp({ guard: (url) => authorization.guard(url) });
  await using remote = await RemoteHome.open({ settings: ASKING });
  const { home } = remote;
  const terminal = new Terminal(home, ['add', 'notes', server.url, '--insecure-loopback', '--device']);
  await terminal.type('sign in there? [y/N]', 'y\r');
  await terminal.type('waiting for you to sign in', SPACE, ENTER);
  const [, page = ''] = /or open (\S+), where it is typed already/.exec(terminal.shown) ?? [];
  const [, code = ''] = /type the code \S*?([A-Z]{4}-[A-Z]{4})/.exec(terminal.shown) ?? [];
  expect(new URL(page).searchParams.get('user_code')).toBe(code);
  const visited = await remote.person.visit(page);
  expect(visited.status).toBe(200);
  await terminal.type('which may be called without a question?', DOWN, SPACE, ENTER);
  expect(await terminal.ended()).toBe(0);
  expect(loadProfile(home.places, 'notes').profile).toMatchObject({
    server: { auth: { type: 'oauth', flow: 'device' } },
    policy: { tools: { echo: 'allow' } },
  });
  const [account] = (await home.facts('status')).accounts;
  expect(account).toMatchObject({ profile: 'notes', state: 'signed-in', issuer: authorization.issuer });
});

test('W-REM-65 add asks the server, writes the profile, signs in and offers the tools, all with a yes', async () => {
  await using authorization = await startAuthorization();
  await using server = await startMcp({ guard: (url) => authorization.guard(url) });
  await using remote = await RemoteHome.open({ settings: ASKING });
  const { home } = remote;
  const terminal = new Terminal(home, ['add', 'notes', server.url, '--insecure-loopback']);
  await terminal.type('sign in there? [y/N]', 'y\r');
  expect(terminal.shown).toContain(`issuer ${authorization.issuer}`);
  const visited = await remote.visit();
  expect(visited.status).toBe(200);
  expect(terminal.shown).toContain('sign in at ');
  await terminal.type('which may be called without a question?', DOWN, SPACE, ENTER);
  expect(await terminal.ended()).toBe(0);
  expect(terminal.shown).toContain('"notes" has 8 tools');
  expect(terminal.shown).toContain('what the server lists is accepted as it is');
  const { profile } = loadProfile(home.places, 'notes');
  expect(profile).toMatchObject({
    server: { auth: { type: 'oauth' } },
    policy: { tools: { echo: 'allow' } },
  });

  const [account] = (await home.facts('status')).accounts;
  expect(account).toMatchObject({ profile: 'notes', state: 'signed-in', issuer: authorization.issuer });
  const said = [
    await home.done(['status']),
    await home.done(['show', 'notes']),
    await home.done(['check', 'notes']),
    await home.done(['list']),
    (await home.warder(['doctor'])).stdout,
  ];
  for (const text of said) expect(text).toContain('signed in');
  expect(await home.done(['test', 'notes'])).toMatch(/tools +8: echo/);

  const tokens = server.requests.flatMap(
    ({ headers }) => headers.authorization?.replace(/^Bearer /, '') ?? [],
  );
  expect(tokens.length).toBeGreaterThan(0);
  for (const token of tokens) expect([terminal.shown, ...said].join('\n')).not.toContain(token);

  expect(await home.done(['logout', 'notes'])).toContain('its tokens are revoked and forgotten');
  expect(authorization.log.some(({ event }) => event === 'revoked')).toBe(true);
  expect(await home.done(['check', 'notes'])).toContain('account not signed in: warder login notes');
});

test('a token of one’s own comes by stdin, is used, and is printed nowhere', async () => {
  await using server = await startMcp({
    before: ({ headers }, response) => {
      if (headers.authorization === `Bearer ${TOKEN}`) return false;
      response.writeHead(401).end();
      return true;
    },
  });
  await using remote = await RemoteHome.open({ settings: ASKING });
  const { home } = remote;
  const guess = await home.warder(['add', 'notes', server.url, '--insecure-loopback']);
  expect(guess).toMatchObject({ code: 64, stderr: expect.stringContaining('--bearer') });
  const added = await home.warder(
    ['add', 'notes', server.url, '--insecure-loopback', '--bearer', '--test'],
    TOKEN,
  );
  expect(added).toMatchObject({ code: 0, stdout: expect.stringContaining('"notes" has 8 tools') });
  expect(readFileSync(join(home.places.profiles, 'notes.yaml'), 'utf8')).not.toContain(TOKEN);
  expect(added.stdout + added.stderr).not.toContain(TOKEN);
  expect(await home.done(['check', 'notes'])).toContain(
    'bearer: the value of notes/token, in "Authorization"',
  );
  // Nothing of it was accepted: that is for whoever uses it.
  expect(await home.facts('trust', 'show', 'notes')).toMatchObject({ state: 'none' });
});

test('who tries a server at a terminal is asked there whether it is used; a script is told to', async () => {
  await using authorization = await startAuthorization();
  await using server = await startMcp({ era: 'stateless', guard: (url) => authorization.guard(url) });
  await using remote = await RemoteHome.open({ settings: ASKING });
  const { home } = remote;
  remote.profile('notes', server.url);
  await remote.signIn('notes');
  expect(await home.warder(['test', 'notes'])).toMatchObject({
    code: 1,
    stdout: expect.stringContaining('run it in a terminal, where you are asked'),
  });
  const before = server.requests.length;
  const no = new Terminal(home, ['test', 'notes']);
  await no.type('use the server "notes" for the first time');
  await no.type('Yes, use this server', ENTER);
  expect(await no.ended()).toBe(1);
  expect(server.requests).toHaveLength(before);
});

test('^C ends a sign-in, and nothing of it stays', async () => {
  await using authorization = await startAuthorization();
  await using server = await startMcp({ guard: (url) => authorization.guard(url) });
  await using remote = await RemoteHome.open();
  const { home } = remote;
  remote.profile('notes', server.url);
  const terminal = new Terminal(home, ['login', 'notes']);
  await terminal.type('sign in there? [y/N]', 'y\r');
  const page = await remote.nextPage();
  await terminal.type('waiting for the browser', INTERRUPT);
  expect(await terminal.ended()).toBe(77);
  expect(terminal.shown).toContain('the sign-in was cancelled');
  const redirect = new URL(new URL(page).searchParams.get('redirect_uri') ?? '');
  await expect(fetch(redirect)).rejects.toThrow();
  expect((await home.facts('status')).accounts).toMatchObject([{ state: 'signed-out' }]);
});

test('a browser on another machine: the URL at which it ended is pasted', async () => {
  await using authorization = await startAuthorization();
  await using server = await startMcp({ guard: (url) => authorization.guard(url) });
  await using remote = await RemoteHome.open();
  const { home } = remote;
  remote.profile('notes', server.url);
  const terminal = new Terminal(home, ['login', 'notes', '--no-browser']);
  await terminal.type('sign in there? [y/N]', 'y\r');
  await terminal.type('waiting for the browser');
  const page = /http:\S+\/auth\?[\w%&=.~+-]+/.exec(terminal.shown)?.[0] ?? '';
  expect(remote.opened).toEqual([]);
  const elsewhere = await remote.person.visit(page, {
    until: ({ pathname }) => pathname.startsWith('/callback/'),
  });
  await terminal.type('waiting for the browser', elsewhere.url, ENTER);
  expect(await terminal.ended()).toBe(0);
  expect(terminal.shown).toContain('signed in to ');
});

test('doctor says which server does not answer, and which waits for a sign-in', async () => {
  await using authorization = await startAuthorization();
  await using server = await startMcp({ guard: (url) => authorization.guard(url) });
  await using remote = await RemoteHome.open();
  const { home } = remote;
  remote.profile('notes', server.url);
  remote.profile('gone', 'http://127.0.0.1:9/mcp');
  const { checks } = JSON.parse((await home.warder(['doctor', '--json'])).stdout);
  const of = (name: string) => checks.find((check: { name: string }) => check.name === `server of ${name}`);
  expect(of('notes')).toMatchObject({ state: 'warn', hint: 'run "warder login notes"' });
  expect(of('gone')).toMatchObject({ state: 'fail' });
  expect(server.requests.every(({ headers }) => headers.authorization === undefined)).toBe(true);
});
