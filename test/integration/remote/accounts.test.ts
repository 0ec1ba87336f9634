// Accounts against a real authorization server with strict rotation, and one whose every answer can be replaced.
import { once } from 'node:events';
import { createServer } from 'node:net';
import { describe, expect, test } from 'vitest';
import { WarderError } from '../../../src/errors.ts';
import { startAuthorization } from '../../fixtures/remote/authorization.ts';
import { type HostileAuthorization, startHostile, startProtected } from '../../fixtures/remote/hostile.ts';
import { Keeping, memoryBlobs, NO, remoteProfile, type Session, YES } from '../../fixtures/remote/keeping.ts';
import { type RemoteMcp, startMcp } from '../../fixtures/remote/mcp.ts';
import { Person } from '../../fixtures/remote/person.ts';
import { textOf } from '../../fixtures/remote/place.ts';

const ECHO = (name = 'echo', args: object = { text: 'x' }): { body: string } => ({
  body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, arguments: args } }),
});

/** Sends, and signs in as a person when the browser opens. */
async function signedIn(keeping: Keeping, session: Session, url: string, person = new Person()) {
  const page = keeping.page();
  const sending = session.send(url);
  const visited = await person.visit(await Promise.race([page, sending.then(() => '')]));
  return { ...(await sending), visited };
}

const SECRET = { 'notes/secret': 'a-secret-of-the-client' };

/** A profile whose client needs no person, at an authorization server that gives it tokens. */
function ownClient(
  authorization: HostileAuthorization,
  mcp: RemoteMcp,
  auth: object = { type: 'client-credentials', 'client-secret': 'notes/secret' },
) {
  authorization.script.metadata = { token_endpoint_auth_methods_supported: ['client_secret_basic', 'none'] };
  authorization.script.token = () => {
    const token = `at-${authorization.exchanges.length}`;
    authorization.tokens.add(token);
    return { json: { access_token: token, token_type: 'Bearer', expires_in: 300 } };
  };
  return remoteProfile(mcp.url, { 'client-id': 'me', issuer: authorization.issuer, ...auth });
}

const actions = ({ records }: Keeping): unknown[] =>
  records.map(({ action, outcome }) => `${action} ${outcome}`);

describe('a sign-in', () => {
  test('W-AUTH-40 is asked about, opens the browser, and the call goes on; what a host sends at its start asks nobody', async () => {
    await using authorization = await startAuthorization();
    await using mcp = await startMcp({ guard: (url) => authorization.guard(url) });
    await using keeping = new Keeping();
    const session = await keeping.session(remoteProfile(mcp.url));
    expect(session.authorizer.state).toBe('ready');
    await expect(session.send(mcp.url, { acts: false })).rejects.toMatchObject({
      code: 'sign-in-needed',
      hint: 'run: warder login notes',
    });
    expect(session.authorizer.state).toBe('signed-out');
    expect([keeping.asked.length, authorization.requests.length]).toEqual([0, 0]);
    const { sent, visited } = await signedIn(keeping, session, mcp.url);
    expect([visited.status, visited.body]).toEqual([200, expect.stringContaining('Signed in')]);
    expect(sent.headers.Authorization).toMatch(/^Bearer /);
    expect(sent.mark).toMatchObject({ credential: 'oauth/notes', issuer: authorization.issuer });
    const [question] = keeping.asked;
    expect(question?.name).toBe(mcp.host);
    expect(question?.details.join('\n')).toContain(`sign in to ${mcp.host} at ${authorization.host}`);
    expect(question?.details.join('\n')).toContain('Warder registers itself there');
    expect(session.authorizer.state).toBe('ready');
    expect(actions(keeping)).toEqual(['sign-in ok']);
    expect(keeping.records[0]).toMatchObject({
      rule: 'consent.1000',
      issuer: authorization.issuer,
      profile: 'notes',
    });
    // Nothing of it is in the log.
    const token = sent.headers.Authorization?.slice(7) ?? '';
    expect(session.authorizer.values()).toContain(token);
    expect(JSON.stringify(keeping.records)).not.toContain(token);
  });

  test('W-AUTH-40 is one for all sessions that wait', async () => {
    await using authorization = await startAuthorization();
    await using mcp = await startMcp({ guard: (url) => authorization.guard(url) });
    await using keeping = new Keeping();
    const profile = remoteProfile(mcp.url);
    const sessions = await Promise.all(Array.from({ length: 7 }, () => keeping.session(profile)));
    const page = keeping.page();
    const sending = Promise.all(sessions.map((session) => session.send(mcp.url)));
    await new Person().visit(await page);
    const tokens = (await sending).map(({ sent }) => sent.headers.Authorization);
    expect(new Set(tokens).size).toBe(1);
    expect(keeping.opened).toHaveLength(1);
    expect(authorization.count('POST /token')).toBe(1);
    expect(actions(keeping)).toEqual(['sign-in ok']);
  });

  test('a no ends it for all, sends nothing, and is remembered for a while', async () => {
    await using authorization = await startAuthorization();
    await using mcp = await startMcp({ guard: (url) => authorization.guard(url) });
    await using keeping = new Keeping({ answer: () => NO });
    const session = await keeping.session(remoteProfile(mcp.url));
    await expect(session.send(mcp.url)).rejects.toMatchObject({ code: 'sign-in-denied' });
    await expect(session.send(mcp.url)).rejects.toMatchObject({ code: 'sign-in-denied' });
    expect(keeping.asked).toHaveLength(1);
    expect(keeping.opened).toEqual([]);
    for (const { method } of authorization.requests) expect(method).toBe('GET');
  });

  test('nobody can be asked: the error says how to sign in, and the next call asks anew', async () => {
    await using authorization = await startAuthorization();
    await using mcp = await startMcp({ guard: (url) => authorization.guard(url) });
    await using keeping = new Keeping({
      answer: () => ({ decision: 'deny', rule: 'consent.nobody', reason: 'nobody is there' }),
    });
    const session = await keeping.session(remoteProfile(mcp.url));
    for (let call = 1; call <= 2; call++) {
      await expect(session.send(mcp.url)).rejects.toMatchObject({
        code: 'sign-in-needed',
        hint: 'run: warder login notes',
      });
      expect(keeping.asked).toHaveLength(call);
    }
  });

  test('W-AUTH-40 without a credential store a server that wants no account works; of one that wants it, it is said what to do', async () => {
    await using authorization = await startAuthorization();
    await using open = await startMcp({});
    await using guarded = await startMcp({ guard: (url) => authorization.guard(url) });
    const unset = async (): Promise<never> => {
      throw new WarderError('store-unset', 'no credential store is set up', { hint: 'run "warder init"' });
    };
    await using keeping = new Keeping({ blobs: { get: unset, set: unset, remove: unset } });
    const free = await keeping.session(remoteProfile(open.url));
    expect((await free.send(open.url, { acts: false })).sent.headers).toEqual({});
    const session = await keeping.session(remoteProfile(guarded.url, {}, 'guarded'));
    await expect(session.send(guarded.url)).rejects.toMatchObject({ code: 'store-unset' });
    expect([keeping.asked, keeping.opened, authorization.log]).toEqual([[], [], []]);
  });

  test('without a browser nobody is asked: the error says how to sign in', async () => {
    await using authorization = await startAuthorization();
    await using mcp = await startMcp({ guard: (url) => authorization.guard(url) });
    await using keeping = new Keeping();
    keeping.hasBrowser = false;
    const session = await keeping.session(remoteProfile(mcp.url));
    await expect(session.send(mcp.url)).rejects.toMatchObject({
      code: 'sign-in-needed',
      hint: 'run: warder login notes',
    });
    expect(keeping.asked).toEqual([]);
  });

  test('the person says no at the authorization server', async () => {
    await using authorization = await startAuthorization();
    await using mcp = await startMcp({ guard: (url) => authorization.guard(url) });
    await using keeping = new Keeping();
    const session = await keeping.session(remoteProfile(mcp.url));
    const page = keeping.page();
    const sending = expect(session.send(mcp.url)).rejects.toMatchObject({ code: 'sign-in-denied' });
    const visited = await new Person().visit(await page, { consents: false });
    expect([visited.status, visited.body]).toEqual([200, expect.stringContaining('Not signed in')]);
    await sending;
    expect(actions(keeping)).toEqual([]);
  });

  test('the host gives up its call: before a yes the question is gone, after it the person goes on', async () => {
    await using authorization = await startAuthorization();
    await using mcp = await startMcp({ guard: (url) => authorization.guard(url) });
    const asked = Promise.withResolvers<void>();
    await using keeping = new Keeping({
      answer: () => {
        asked.resolve();
        return new Promise(() => {});
      },
    });
    const profile = remoteProfile(mcp.url);
    const session = await keeping.session(profile);
    const leaving = new AbortController();
    const left = session.send(mcp.url, { signal: leaving.signal });
    await asked.promise;
    leaving.abort();
    await expect(left).rejects.toMatchObject({ code: 'sign-in-needed' });
    expect(keeping.accounts.accountOf(profile).lastSignIn?.phase).toBe('failed');

    keeping.answer = () => YES;
    const second = new AbortController();
    const page = keeping.page();
    const gone = session.send(mcp.url, { signal: second.signal });
    const url = await page;
    second.abort();
    await expect(gone).rejects.toMatchObject({ code: 'sign-in-needed' });
    expect((await new Person().visit(url)).status).toBe(200);
    expect(session.authorizer.state).toBe('ready');
  });

  test('W-AUTH-41 the redirect is on 127.0.0.1, at a random port and a path that only the authorization server knows', async () => {
    await using authorization = await startHostile();
    await using mcp = await startProtected(authorization);
    await using keeping = new Keeping();
    await signedIn(keeping, await keeping.session(remoteProfile(mcp.url)), mcp.url);
    const [asked] = authorization.authorizations;
    const redirect = asked?.get('redirect_uri') ?? '';
    expect(redirect).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/callback\/[A-Za-z0-9_-]{22}$/);
    expect(authorization.registrations[0]).toMatchObject({
      redirect_uris: [redirect],
      application_type: 'native',
    });
    expect(asked?.get('resource')).toBe(mcp.url);
    expect(authorization.exchanges[0]?.get('resource')).toBe(mcp.url);
    // It is over: nothing listens.
    await expect(fetch(redirect)).rejects.toThrow();
  });

  test('a port that the profile wants and another program has', async () => {
    await using authorization = await startHostile();
    await using mcp = await startProtected(authorization);
    await using keeping = new Keeping();
    const taken = createServer();
    taken.listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as { port: number };
    const profile = remoteProfile(mcp.url, { 'callback-port': port });
    const session = await keeping.session(profile);
    await expect(session.send(mcp.url)).rejects.toMatchObject({
      code: 'sign-in-failed',
      message: `port ${port} on 127.0.0.1 is taken by another program`,
    });
    taken.close();
    await once(taken, 'close');
    await signedIn(keeping, session, mcp.url);
    expect(authorization.authorizations[0]?.get('redirect_uri')).toMatch(
      `http://127.0.0.1:${port}/callback/`,
    );
  });

  test('pasted from a browser on another machine', async () => {
    await using authorization = await startHostile();
    await using mcp = await startProtected(authorization);
    await using keeping = new Keeping();
    const profile = remoteProfile(mcp.url);
    const signIn = keeping.accounts.accountOf(profile).begin();
    signIn.attend();
    await signIn.changed('planning', 5000);
    expect(() => signIn.paste('https://x')).toThrow(expect.objectContaining({ code: 'usage' }));
    signIn.agree('terminal');
    await signIn.changed('asking', 5000);
    const url = new URL(signIn.page?.url ?? '');
    const redirect = url.searchParams.get('redirect_uri') ?? '';
    const visited = await new Person().visit(url, { until: (one) => one.href.startsWith(redirect) });
    for (const wrong of [
      '',
      'x',
      redirect,
      visited.url.replace('state=', 'state=x'),
      visited.url.replace('127.0.0.1', '127.0.0.2'),
      `${visited.url}&state=1`,
    ])
      expect(() => signIn.paste(wrong)).toThrow(expect.objectContaining({ code: 'usage' }));
    signIn.paste(` ${visited.url}\n`);
    await signIn.ended;
    expect(signIn.error).toBeUndefined();
    expect(() => signIn.paste(visited.url)).toThrow(expect.objectContaining({ code: 'usage' }));
    expect(keeping.opened).toEqual([]);
  });

  test('with a code, on another device', async () => {
    await using authorization = await startAuthorization();
    await using mcp = await startMcp({ guard: (url) => authorization.guard(url) });
    await using keeping = new Keeping();
    keeping.hasBrowser = false;
    const profile = remoteProfile(mcp.url, { flow: 'device' });
    const session = await keeping.session(profile);
    const sending = session.send(mcp.url);
    await expect.poll(() => session.told.at(-1)).toMatch(/ with the code [A-Z]{4}-[A-Z]{4}$/);
    const { device } = keeping.accounts.accountOf(profile).lastSignIn ?? {};
    await new Person().visit(device?.complete ?? '');
    expect((await sending).sent.mark?.issuer).toBe(authorization.issuer);
  });
});

describe('a registration', () => {
  test('W-AUTH-42 is kept for its issuer and used again, also by another profile', async () => {
    await using authorization = await startHostile();
    await using mcp = await startProtected(authorization);
    await using keeping = new Keeping();
    for (const name of ['notes', 'other'])
      await signedIn(keeping, await keeping.session(remoteProfile(mcp.url, {}, name)), mcp.url);
    expect(authorization.registrations).toHaveLength(1);
    const clients = authorization.authorizations.map((asked) => asked.get('client_id'));
    expect(clients).toEqual(['client-1', 'client-1']);
  });

  test('W-AUTH-42 that the authorization server has forgotten is made anew, in the same sign-in', async () => {
    await using authorization = await startHostile();
    await using mcp = await startProtected(authorization);
    await using keeping = new Keeping();
    await signedIn(keeping, await keeping.session(remoteProfile(mcp.url)), mcp.url);
    authorization.script.token = (form) =>
      form.get('client_id') === 'client-1' ? { json: { error: 'invalid_client' }, status: 401 } : undefined;
    const session = await keeping.session(remoteProfile(mcp.url, {}, 'other'));
    const sending = session.send(mcp.url);
    await new Person().visit(await keeping.page(1));
    await new Person().visit(await keeping.page(2));
    await sending;
    expect(authorization.authorizations.map((asked) => asked.get('client_id'))).toEqual([
      'client-1',
      'client-1',
      'client-2',
    ]);
  });

  test('W-AUTH-43 of one issuer, and its tokens, never go to another: a server that changes its issuer is asked about', async () => {
    await using first = await startHostile();
    await using second = await startHostile();
    let issuers = [first.issuer];
    await using mcp = await startMcp({
      guard: (resource) => ({
        resource,
        get issuers() {
          return issuers;
        },
        check: (token) => (first.tokens.has(token) || second.tokens.has(token) ? [] : undefined),
      }),
    });
    await using keeping = new Keeping();
    const session = await keeping.session(remoteProfile(mcp.url));
    await signedIn(keeping, session, mcp.url);
    const had = [...first.refresh, ...first.tokens];
    issuers = [second.issuer];
    first.tokens.clear();
    // The refresh goes to the one that issued it, and no further.
    first.script.token = () => ({ json: { error: 'invalid_grant' }, status: 400 });
    await signedIn(keeping, session, mcp.url);
    expect(keeping.asked.at(-1)?.details.join('\n')).toContain(
      `careful: changed: the issuer was ${first.issuer}, and is ${second.issuer}`,
    );
    expect(second.registrations).toHaveLength(1);
    for (const secret of had) expect(textOf(second)).not.toContain(secret);
    expect(second.authorizations[0]?.get('client_id')).toBe('client-1');
    expect(second.exchanges[0]?.get('grant_type')).toBe('authorization_code');
  });
});

describe('tokens', () => {
  test('W-AUTH-30 seven hosts of two daemons refresh once each time, and no family is lost', async () => {
    await using authorization = await startAuthorization();
    await using mcp = await startMcp({ guard: (url) => authorization.guard(url) });
    const blobs = memoryBlobs();
    await using one = new Keeping({ blobs });
    await using two = new Keeping({ blobs, state: one.state });
    const profile = remoteProfile(mcp.url);
    const sessions = await Promise.all(
      [one, one, one, one, two, two, two].map((keeping) => keeping.session(profile)),
    );
    await signedIn(one, sessions[0]!, mcp.url);
    const asked = () => one.asked.length + two.asked.length;
    expect(asked()).toBe(1);
    await Promise.all(sessions.map((session) => session.send(mcp.url)));
    const before = authorization.count('POST /token');
    for (let round = 1; round <= 5; round++) {
      authorization.expire();
      await Promise.all(sessions.map((session) => session.send(mcp.url)));
      expect(authorization.count('POST /token')).toBe(before + round);
    }
    expect(authorization.most).toBe(1);
    expect(authorization.log.filter(({ event }) => event !== 'granted')).toEqual([]);
    expect(asked()).toBe(1);
    expect([...actions(one), ...actions(two)].filter((action) => action === 'exchange stored')).toHaveLength(
      5,
    );
  });

  test('W-AUTH-44 are in the store, and nowhere else on disk', async () => {
    await using authorization = await startHostile();
    await using mcp = await startProtected(authorization);
    const blobs = memoryBlobs();
    await using keeping = new Keeping({ blobs });
    await signedIn(keeping, await keeping.session(remoteProfile(mcp.url)), mcp.url);
    expect([...blobs.map.keys()].map((name) => name.replace(/@.*|\/[0-9a-f]{64}/g, ''))).toEqual([
      'oauth-client',
      'oauth/notes',
    ]);
    const { readdirSync, readFileSync, statSync } = await import('node:fs');
    const files = readdirSync(keeping.state, { recursive: true, encoding: 'utf8' })
      .map((name) => `${keeping.state}/${name}`)
      .filter((path) => statSync(path).isFile());
    const text = files.map((path) => readFileSync(path, 'latin1')).join('\n');
    for (const secret of [...authorization.tokens, ...authorization.refresh])
      expect(text).not.toContain(secret);
  });

  test('W-AUTH-45 go to the host of the profile only', async () => {
    await using authorization = await startHostile();
    await using mcp = await startProtected(authorization);
    await using keeping = new Keeping();
    const session = await keeping.session(remoteProfile(mcp.url));
    await signedIn(keeping, session, mcp.url);
    const request = { method: 'POST', signal: new AbortController().signal };
    for (const url of [
      'https://evil.example/mcp',
      mcp.url.replace('127.0.0.1', '127.0.0.2'),
      mcp.url.replace(/:\d+/, ':1'),
    ])
      await expect(session.authorizer.authorize({ ...request, url: new URL(url) })).rejects.toMatchObject({
        code: 'sign-in-failed',
      });
  });

  test('W-AUTH-31 the server refuses what is new: a person is asked, and a request goes out a few times at most', async () => {
    await using authorization = await startHostile();
    let count = 0;
    await using mcp = await startMcp({
      guard: (resource) => ({
        resource,
        issuers: [authorization.issuer],
        check: () => {
          count++;
          return undefined;
        },
      }),
    });
    await using keeping = new Keeping();
    const session = await keeping.session(remoteProfile(mcp.url));
    const sending = session.send(mcp.url);
    const visiting = (async () => {
      for (let at = 0; at < 8; at++) await new Person().visit(await keeping.page(at)).catch(() => {});
    })();
    await expect(sending).rejects.toMatchObject({ code: 'sign-in-failed' });
    expect(count).toBeLessThanOrEqual(8);
    void visiting;
  });

  test('W-AUTH-46 a request that needs more scopes steps up with all of them, and a server that wants ever more fails clearly', async () => {
    await using authorization = await startAuthorization({ scopes: 'read write admin' });
    await using mcp = await startMcp({
      guard: (url) => {
        const guard = authorization.guard(url, { challenge: 'read', needs: { echo: 'write', add: 'admin' } });
        // No token is good enough for one of its tools.
        const check = async (token: string) =>
          (await guard.check(token))?.filter((scope) => scope !== 'admin');
        return { ...guard, check };
      },
    });
    await using keeping = new Keeping();
    const session = await keeping.session(remoteProfile(mcp.url));
    const { sent } = await signedIn(keeping, session, mcp.url);
    expect(sent.mark?.scopes).toBe('read');
    const sending = session.send(mcp.url, ECHO());
    await new Person().visit(await keeping.page(1));
    expect((await sending).sent.mark?.scopes?.split(' ').sort()).toEqual(['read', 'write']);
    expect(keeping.asked.at(-1)?.details.join('\n')).toMatch(/ \(new: write\)/);
    const hopeless = session.send(mcp.url, ECHO('add', {}));
    const outcome = expect(hopeless).rejects.toMatchObject({ code: 'sign-in-failed' });
    for (let at = 2; at < 4; at++) await new Person().visit(await keeping.page(at));
    await outcome;
    expect(keeping.opened).toHaveLength(4);
  });

  test('W-AUTH-47 an account that is revoked or locked sends no token and refreshes none', async () => {
    await using authorization = await startAuthorization();
    await using mcp = await startMcp({ guard: (url) => authorization.guard(url) });
    await using keeping = new Keeping();
    const profile = remoteProfile(mcp.url);
    const session = await keeping.session(profile);
    await signedIn(keeping, session, mcp.url);
    keeping.revoked.add('oauth/notes');
    const before = authorization.requests.length;
    await expect(session.send(mcp.url)).rejects.toMatchObject({ code: 'credential-revoked' });
    const account = keeping.accounts.accountOf(profile);
    expect(() => account.begin()).toThrow(expect.objectContaining({ code: 'credential-revoked' }));
    expect(authorization.requests).toHaveLength(before);
    // A person who signs in anew has other tokens than those that were revoked.
    const signIn = account.begin({}, true);
    signIn.attend();
    await signIn.changed('planning', 5000);
    signIn.agree('terminal');
    await signIn.changed('asking', 5000);
    await new Person().visit(signIn.page?.url ?? '');
    await signIn.ended;
    expect((await session.send(mcp.url)).status).not.toBe(401);
  });

  test.each(['notes/secret', 'oauth/notes'])(
    'W-AUTH-47 %s is revoked: the token that was got with it is not sent any more',
    async (name) => {
      await using authorization = await startHostile();
      await using mcp = await startProtected(authorization);
      await using keeping = new Keeping({ values: SECRET });
      const session = await keeping.session(ownClient(authorization, mcp));
      await session.send(mcp.url);
      keeping.revoked.add(name);
      const before = mcp.requests.length;
      await expect(session.send(mcp.url)).rejects.toThrow(`"${name}" is revoked`);
      expect(mcp.requests).toHaveLength(before);
    },
  );

  test('W-AUTH-35 a profile that names another assertion gets another token: whose it was is not who asks now', async () => {
    await using authorization = await startHostile();
    await using mcp = await startProtected(authorization);
    const values = { 'of/ann': 'assertion-of-ann', 'of/ben': 'assertion-of-ben' };
    await using keeping = new Keeping({ values });
    const profileOf = (assertion: string) =>
      ownClient(authorization, mcp, { type: 'token-exchange', assertion });
    const ann = await keeping.session(profileOf('of/ann'));
    const first = await ann.send(mcp.url);
    const ben = await keeping.session(profileOf('of/ben'));
    const second = await ben.send(mcp.url);
    expect(second.sent.headers.Authorization).not.toBe(first.sent.headers.Authorization);
    expect(authorization.exchanges.map((form) => form.get('subject_token'))).toEqual([
      'assertion-of-ann',
      'assertion-of-ben',
    ]);
  });

  test('W-AUTH-48 signing out forgets the tokens, revokes them, and signs out every session', async () => {
    await using authorization = await startHostile();
    await using mcp = await startProtected(authorization);
    await using keeping = new Keeping();
    const profile = remoteProfile(mcp.url);
    const session = await keeping.session(profile);
    const { sent } = await signedIn(keeping, session, mcp.url);
    const [refresh] = authorization.refresh;
    expect(await keeping.accounts.signOut(profile, [])).toEqual({
      changed: true,
      revoked: true,
      detail: null,
    });
    expect([authorization.tokens.size, authorization.refresh.size]).toEqual([0, 0]);
    expect(session.authorizer.state).toBe('signed-out');
    // Still taken out of what passes.
    expect(session.authorizer.values()).toEqual(
      expect.arrayContaining([sent.headers.Authorization?.slice(7), refresh]),
    );
    expect(await keeping.accounts.signOut(profile, [])).toMatchObject({ changed: false });
    expect(actions(keeping)).toEqual(['sign-in ok', 'sign-out revoked']);
    // The client went with it.
    await signedIn(keeping, session, mcp.url);
    expect(authorization.registrations).toHaveLength(2);
  });

  test('W-AUTH-48 who has signed out is asked before anybody signs in again, also where no person is needed for that', async () => {
    await using authorization = await startHostile();
    await using mcp = await startProtected(authorization);
    await using keeping = new Keeping({ values: SECRET, answer: () => NO });
    const profile = ownClient(authorization, mcp);
    const session = await keeping.session(profile);
    expect((await session.send(mcp.url)).sent.headers.Authorization).toBe('Bearer at-1');
    await keeping.accounts.signOut(profile, []);
    await expect(session.send(mcp.url, { acts: false })).rejects.toMatchObject({ code: 'sign-in-needed' });
    await expect(session.send(mcp.url)).rejects.toMatchObject({ code: 'sign-in-denied' });
    expect(keeping.asked).toHaveLength(1);
    expect(authorization.exchanges).toHaveLength(1);
  });

  test('W-AUTH-48 signing out holds where the account had ended by itself', async () => {
    await using authorization = await startHostile();
    await using mcp = await startProtected(authorization);
    await using keeping = new Keeping({ values: SECRET, answer: () => NO });
    const profile = ownClient(authorization, mcp);
    const session = await keeping.session(profile);
    await session.send(mcp.url);
    authorization.tokens.clear();
    const { token } = authorization.script;
    authorization.script.token = () => ({ status: 400, json: { error: 'invalid_grant' } });
    await expect(session.send(mcp.url, { acts: false })).rejects.toThrow();
    expect(keeping.accounts.accountOf(profile).account.record?.ended).toBe('refused');
    authorization.script.token = token;
    await keeping.accounts.signOut(profile, []);
    const before = authorization.exchanges.length;
    const other = await keeping.session(profile);
    await expect(other.send(mcp.url)).rejects.toMatchObject({ code: 'sign-in-denied' });
    expect(authorization.exchanges).toHaveLength(before);
  });

  test.each([
    ['cancelled', (keeping, profile) => keeping.accounts.accountOf(profile).lastSignIn?.cancel()],
    ['signed out of', (keeping, profile) => keeping.accounts.signOut(profile, [])],
  ] satisfies [string, (keeping: Keeping, profile: ReturnType<typeof remoteProfile>) => unknown][])(
    'W-AUTH-48 a sign-in that is %s while its code is redeemed stores nothing',
    async (_, end) => {
      await using authorization = await startHostile();
      await using mcp = await startProtected(authorization);
      const stored = memoryBlobs();
      const reading = Promise.withResolvers<void>();
      const go = Promise.withResolvers<void>();
      let isHeld = false;
      await using keeping = new Keeping({
        blobs: {
          ...stored,
          // The last moment before tokens are stored: the record is read again.
          get: async (name) => {
            if (isHeld && name.startsWith('oauth/')) {
              reading.resolve();
              await go.promise;
            }
            return stored.map.get(name);
          },
        },
      });
      const profile = remoteProfile(mcp.url);
      const session = await keeping.session(profile);
      const page = keeping.page();
      const sending = session.send(mcp.url).catch((error: unknown) => error);
      const url = await page;
      isHeld = true;
      void new Person().visit(url);
      await reading.promise;
      const ended = end(keeping, profile);
      isHeld = false;
      go.resolve();
      await ended;
      expect(await sending).toMatchObject({ code: 'sign-in-denied' });
      await keeping.accounts.reload('notes');
      expect(keeping.accounts.accountOf(profile).account.record?.tokens).toBeUndefined();
      expect([...stored.map.values()].some((bytes) => bytes.includes('accessToken'))).toBe(false);
    },
  );

  test('W-AUTH-48 signing out works while the authorization server is away', async () => {
    const authorization = await startHostile();
    await using mcp = await startProtected(authorization);
    await using keeping = new Keeping();
    const profile = remoteProfile(mcp.url);
    await signedIn(keeping, await keeping.session(profile), mcp.url);
    await authorization[Symbol.asyncDispose]();
    expect(await keeping.accounts.signOut(profile, [])).toMatchObject({
      changed: true,
      revoked: false,
      detail: expect.any(String),
    });
  });

  test('are bound to a key where the server wants that, and the key is never sent', async () => {
    await using authorization = await startAuthorization();
    await using mcp = await startMcp({
      guard: (url) =>
        authorization.guard(url, {
          metadata: { dpop_bound_access_tokens_required: true, dpop_signing_alg_values_supported: ['ES256'] },
        }),
    });
    await using keeping = new Keeping();
    const profile = remoteProfile(mcp.url);
    const session = await keeping.session(profile);
    const signing = session.authorizer.signIn({
      call: '',
      signal: new AbortController().signal,
      waits: () => {},
    });
    keeping.accounts.accountOf(profile).needed(undefined);
    expect(await signing).toBe('ready');
    const sending = session.authorizer.signIn({
      call: '',
      signal: new AbortController().signal,
      waits: () => {},
    });
    await new Person().visit(await keeping.page(0));
    expect(await sending).toBe('ready');
    const sent = await session.authorizer.authorize({
      method: 'POST',
      url: new URL(mcp.url),
      signal: new AbortController().signal,
    });
    expect(sent.headers.Authorization).toMatch(/^DPoP /);
    expect(sent.headers.DPoP).toMatch(/^ey/);
    const { record } = keeping.accounts.accountOf(profile).account;
    const key = record?.tokens?.dpopKey?.d ?? '';
    expect(key).not.toBe('');
    expect(textOf(authorization)).not.toContain(key);
    expect(session.authorizer.values()).toContain(key);
  });
});

describe('metadata that sends code and secret to somebody else', () => {
  test('W-AUTH-49 is shown with both hosts before anything is sent there, and agreed to once', async () => {
    await using evil = await startHostile();
    await using authorization = await startHostile();
    await using mcp = await startProtected(authorization);
    authorization.script.metadata = {
      token_endpoint: `${evil.origin}/token`,
      registration_endpoint: `${evil.origin}/register`,
    };
    await using keeping = new Keeping({ answer: () => NO });
    const session = await keeping.session(remoteProfile(mcp.url));
    await expect(session.send(mcp.url)).rejects.toMatchObject({ code: 'sign-in-denied' });
    const shown = keeping.asked[0]?.details.join('\n');
    expect(shown).toContain(
      `careful: codes and tokens are sent to ${evil.host}, which is not of ${authorization.host}`,
    );
    expect(shown).toContain(
      `careful: the client is registered at ${evil.host}, which is not of ${authorization.host}`,
    );
    expect(evil.requests).toEqual([]);
  });

  test('W-AUTH-49 a change after the person has agreed is asked about at the next sign-in, and no refresh goes there', async () => {
    await using evil = await startHostile();
    await using authorization = await startHostile();
    await using mcp = await startProtected(authorization);
    await using keeping = new Keeping();
    const session = await keeping.session(remoteProfile(mcp.url));
    await signedIn(keeping, session, mcp.url);
    authorization.script.metadata = { token_endpoint: `${evil.origin}/token` };
    authorization.tokens.clear();
    await session.send(mcp.url);
    expect(evil.requests).toEqual([]);
    authorization.tokens.clear();
    authorization.refresh.clear();
    keeping.answer = () => NO;
    await expect(session.send(mcp.url)).rejects.toMatchObject({ code: 'sign-in-denied' });
    expect(keeping.asked.at(-1)?.details.join('\n')).toContain(
      `careful: changed: token was at ${authorization.host}, and is at ${evil.host}`,
    );
    expect(evil.requests).toEqual([]);
  });

  test('W-AUTH-50 a client of its own has its secret sent, without a person, only where the profile says', async () => {
    await using evil = await startHostile();
    await using authorization = await startHostile();
    await using mcp = await startProtected(authorization);
    const auth = { type: 'client-credentials', 'client-id': 'me', 'client-secret': 'notes/secret' };
    authorization.script.metadata = {
      token_endpoint_auth_methods_supported: ['client_secret_basic'],
      grant_types_supported: ['client_credentials'],
    };
    authorization.script.token = (form) => {
      if (form.get('grant_type') !== 'client_credentials') return undefined;
      const token = `at-${authorization.exchanges.length}`;
      authorization.tokens.add(token);
      return { json: { access_token: token, token_type: 'Bearer', expires_in: 300 } };
    };
    const values = { 'notes/secret': 'a-secret-of-the-client' };
    await using keeping = new Keeping({ values, answer: () => NO });
    // Nobody has said which authorization server it is for.
    const unknown = await keeping.session(remoteProfile(mcp.url, auth));
    await expect(unknown.send(mcp.url)).rejects.toMatchObject({ code: 'sign-in-denied' });
    expect(authorization.exchanges).toEqual([]);
    const named = { ...auth, issuer: authorization.issuer };
    const session = await keeping.session(remoteProfile(mcp.url, named, 'named'));
    const { sent } = await session.send(mcp.url, { acts: false });
    expect(sent.headers.Authorization).toBe('Bearer at-1');
    expect(keeping.asked).toHaveLength(1);
    // It gets another by itself.
    authorization.tokens.clear();
    expect((await session.send(mcp.url, { acts: false })).sent.headers.Authorization).toBe('Bearer at-2');
    // The issuer is the profile's, and its endpoint is somebody's.
    authorization.script.metadata = {
      ...authorization.script.metadata,
      token_endpoint: `${evil.origin}/token`,
    };
    const split = await keeping.session(remoteProfile(mcp.url, named, 'split'));
    await expect(split.send(mcp.url)).rejects.toMatchObject({ code: 'sign-in-denied' });
    expect(evil.requests).toEqual([]);
  });

  test('an issuer that the profile does not name is refused', async () => {
    await using authorization = await startHostile();
    await using mcp = await startProtected(authorization);
    await using keeping = new Keeping();
    const profile = remoteProfile(mcp.url, { issuer: 'https://accounts.example.com' });
    const session = await keeping.session(profile);
    await expect(session.send(mcp.url)).rejects.toMatchObject({
      code: 'sign-in-failed',
      message: expect.stringContaining('names another authorization server'),
    });
    expect(keeping.asked).toEqual([]);
  });
});
