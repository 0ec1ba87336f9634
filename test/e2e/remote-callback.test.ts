// The way back from the browser: hostile answers of the authorization server, and other programs and pages on this machine
// that knock at the loopback redirect. Whole program.
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Trap } from '../fixtures/remote/trap.ts';

/** The redirect that the page of a sign-in names, with what an answer needs to be taken. */
function redirectOf(page: string): { url: URL; state: string } {
  const { searchParams } = new URL(page);
  return {
    url: new URL(searchParams.get('redirect_uri') ?? ''),
    state: searchParams.get('state') ?? '',
  };
}

/** A trap for all cases of a suite: each is refused, and leaves nothing behind that the next could be taken in by. */
function sharedTrap(): { readonly trap: Trap } {
  const shared = {} as { trap: Trap };
  beforeAll(async () => {
    shared.trap = await Trap.set();
  });
  afterAll(() => shared.trap[Symbol.asyncDispose]());
  return shared;
}

describe('an answer that is not what was asked for', () => {
  const shared = sharedTrap();

  test.each<[string, { readonly [parameter: string]: string | undefined }]>([
    ['W-AUTH-11 another issuer', { iss: 'https://login.two.test' }],
    ['W-AUTH-11 the issuer with a slash', { iss: 'ISSUER/' }],
    ['W-AUTH-11 no issuer where one is announced', { iss: undefined }],
    ['W-AUTH-11 no code', { code: undefined }],
  ])('%s', async (_, callback) => {
    const { trap } = shared;
    const iss = callback.iss?.replace('ISSUER', trap.authorization.issuer);
    trap.authorization.script.callback = 'iss' in callback ? { iss } : callback;
    const [said] = await Promise.all([trap.refused(), trap.warder.visit()]);
    expect(said).toMatch(/^warder: error: /m);
    expect(trap.authorization.exchanges).toEqual([]);
  });

  // Whoever does not know the state is not the authorization server: the sign-in goes on without them.
  test.each<[string, string | undefined]>([
    ['another state', 'x'.repeat(43)],
    ['no state', undefined],
  ])('W-AUTH-11 %s ends nothing, and gets nothing', async (_, state) => {
    await using trap = await Trap.set();
    const { script, exchanges } = trap.authorization;
    script.callback = { state };
    const login = trap.warder.login('remote');
    const page = await trap.warder.nextPage();
    expect((await trap.warder.person.visit(page)).status).toBe(400);
    expect(exchanges).toEqual([]);
    script.callback = {};
    expect((await trap.warder.person.visit(page)).status).toBe(200);
    expect((await login).code).toBe(0);
    expect(exchanges).toHaveLength(1);
  });

  test('W-AUTH-11 a state that was used before gets nothing, with its code or another', async () => {
    await using trap = await Trap.set();
    const { visited } = await trap.warder.signIn('remote');
    const used = new URL(visited.url).searchParams;
    await trap.warder.home.done(['logout', 'remote']);
    const again = trap.warder.login('remote');
    const page = await trap.warder.nextPage();
    const { url } = redirectOf(page);
    for (const code of [used.get('code') ?? '', 'another']) {
      url.search = new URLSearchParams({ ...Object.fromEntries(used), code }).toString();
      expect((await trap.warder.person.request(url)).status).toBe(400);
    }
    expect(trap.authorization.exchanges).toHaveLength(1);
    await trap.warder.person.visit(page);
    expect((await again).code).toBe(0);
  });

  test('W-AUTH-16 what the authorization server says of an error is shown without its control characters', async () => {
    await using trap = await Trap.set();
    trap.authorization.script.callback = {
      code: undefined,
      error: 'access_denied',
      error_description: 'no\u001b]0;owned\u0007\u202e\u001b[2J',
    };
    const said = await trap.refusedAfterVisit();
    expect(said).toMatch(/denied/);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what must not be there
    expect(said).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/);
  });
});

describe('the loopback redirect', () => {
  test('W-AUTH-37 is answered once; a second hit changes nothing', async () => {
    await using trap = await Trap.set();
    const { visited } = await trap.warder.signIn('remote');
    expect(visited).toMatchObject({ status: 200 });
    const second = await trap.warder.person.request(new URL(visited.url)).catch(() => undefined);
    expect(second?.status ?? 404).toBeGreaterThanOrEqual(400);
    expect(trap.authorization.exchanges).toHaveLength(1);
  });

  test('W-AUTH-37 W-AUTH-38 takes nothing from another page, host name, method or path, and goes on waiting', async () => {
    await using trap = await Trap.set();
    const login = trap.warder.login('remote');
    const page = await trap.warder.nextPage();
    const { url, state } = redirectOf(page);
    expect(url.hostname).toBe('127.0.0.1');
    expect(url.pathname.length).toBeGreaterThan(20);
    const forged = new URL(url);
    forged.search = new URLSearchParams({ code: 'forged', state, iss: trap.authorization.issuer }).toString();
    const { person } = trap.warder;
    for (const headers of [
      { origin: 'https://evil.two.test' },
      { origin: 'null' },
      { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' },
      { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty' },
      { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe' },
      { host: `evil.two.test:${url.port}` },
      { host: `localhost:${url.port}` },
    ])
      expect(
        (await person.request(forged, undefined, headers)).status,
        JSON.stringify(headers),
      ).toBeGreaterThanOrEqual(400);
    expect((await person.request(forged, new URLSearchParams({ code: 'x' }))).status).toBeGreaterThanOrEqual(
      400,
    );
    for (const path of ['/', '/callback', '/favicon.ico', `${url.pathname}/`, `${url.pathname}x`]) {
      const other = new URL(forged);
      other.pathname = path;
      expect((await person.request(other)).status, path).toBe(404);
    }
    expect(trap.authorization.exchanges).toEqual([]);
    const { status, headers, body } = await person.visit(page);
    expect(status).toBe(200);
    expect((await login).code).toBe(0);
    // The page may be closed: it loads nothing, runs nothing, and says nothing of what came with it.
    expect(headers['content-security-policy']).toMatch(/default-src 'none'/);
    expect(headers['cache-control']).toBe('no-store');
    expect(headers['referrer-policy']).toBe('no-referrer');
    expect(body).not.toMatch(/<script|https?:\/\//i);
    expect(body).not.toContain(state);
  });

  test('W-AUTH-41 a port that is taken is said, and nobody who listens there gets anything', async () => {
    await using trap = await Trap.set();
    const got: string[] = [];
    const taken = createServer((socket) => socket.on('data', (data) => got.push(String(data)))).listen(
      0,
      '127.0.0.1',
    );
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo;
    trap.warder.profile('remote', trap.server.url, { auth: { type: 'oauth', 'callback-port': port } }, [
      trap.server,
      trap.authorization,
    ]);
    try {
      expect(await trap.refused()).toContain(String(port));
      expect(trap.warder.opened).toEqual([]);
      expect(got).toEqual([]);
    } finally {
      taken.close();
    }
  });
});

describe('the page that is opened', () => {
  test('W-AUTH-39 is one word without a shell, whatever is in the address', async () => {
    await using trap = await Trap.set();
    const mark = join(trap.warder.home.dir, 'pwned');
    trap.authorization.script.metadata = {
      authorization_endpoint: `${trap.authorization.origin}/authorize?a=$(touch%20${mark})&b=;touch;&c=*&d=!!&e=%0atouch&f=~`,
    };
    const { visited } = await trap.warder.signIn('remote');
    expect(visited.status).toBe(200);
    const [{ argv, env }] = trap.warder.opened as [(typeof trap.warder.opened)[number]];
    expect(argv).toHaveLength(1);
    expect(argv[0]).toMatch(/^https:\/\/login\.one\.test:\d+\/authorize\?[A-Za-z0-9\-._~:/?#[\]@&+,=%]+$/);
    expect(existsSync(mark)).toBe(false);
    // The browser gets nothing of Warder's.
    expect(Object.keys(env).filter((name) => name.startsWith('WARDER'))).toEqual([]);
  });
});

describe('a page of another kind', () => {
  const shared = sharedTrap();

  test.each([
    'javascript:alert(1)//',
    'data:text/html,<script>alert(1)</script>',
    'file:///etc/passwd',
    'http://login.one.test/authorize',
    'vscode://open',
    'https://user:password@login.one.test/authorize',
    'https://login.one.test@two.test/authorize',
    '//login.one.test/authorize',
    'https://login.one.test/authorize?a=`touch x`',
    'https://login.one.test/authorize?a="|touch x',
    'https://login.one.test\\@two.test/authorize',
    'https://login.one.test/authorize\nSet-Cookie: a=b',
    'https://xn--lgin-hoa.one.test.xn--80ak6aa92e.com/authorize',
    '',
    7,
  ])('W-AUTH-4 W-AUTH-39 %s is not opened', async (authorization_endpoint) => {
    const { trap } = shared;
    const asked = trap.authorization.count('GET /.well-known/');
    trap.authorization.script.metadata = { authorization_endpoint };
    expect(await trap.refused()).toMatch(/^warder: error: /m);
    expect(trap.authorization.count('GET /.well-known/')).toBeGreaterThan(asked);
    expect(trap.warder.opened).toEqual([]);
  });
});
