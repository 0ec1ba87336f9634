// Hostile metadata: a remote server, or its authorization server, names addresses of this machine's network, endpoints of
// somebody else, or an issuer that it is not. Whole program; nothing that was named may be reached.
import { describe, expect, test } from 'vitest';
import { answers } from '../fixtures/remote/hostile.ts';
import { answerJson, type Place, textOf } from '../fixtures/remote/place.ts';
import { Trap } from '../fixtures/remote/trap.ts';
import { TerminalScreen } from '../fixtures/terminal-screen.ts';

const AUTHORIZATION_SERVER = '/.well-known/oauth-authorization-server';
const RESOURCE = '/.well-known/oauth-protected-resource';

interface Target {
  readonly base: string;
  /** What must stay without requests. */
  readonly canary?: Place;
}

/** Where an attacker wants a request to go. */
const targets: readonly (readonly [what: string, aim: (trap: Trap) => Promise<Target>])[] = [
  ['the metadata service of a cloud', async () => ({ base: 'http://169.254.169.254' })],
  ['the same over https', async () => ({ base: 'https://169.254.169.254' })],
  ['the same as a mapped address', async () => ({ base: 'https://[::ffff:169.254.169.254]' })],
  ['the same as a number', async () => ({ base: 'https://2852039166' })],
  [
    'the same under a name',
    async ({ internet }) => {
      internet.resolver.names.set('metadata.two.test', ['169.254.169.254']);
      return { base: 'https://metadata.two.test' };
    },
  ],
  [
    'this machine, by a name',
    async (trap) => {
      const canary = await trap.elsewhere('inside.two.test');
      return { base: canary.origin, canary };
    },
  ],
  [
    'this machine, by an address',
    async (trap) => {
      const canary = await trap.elsewhere('inside.two.test');
      return { base: `https://${canary.address}:${canary.port}`, canary };
    },
  ],
  [
    'this machine, by a name whose address changes after it was looked at',
    async (trap) => {
      const canary = await trap.elsewhere('changes.two.test');
      const { names } = trap.internet.resolver;
      let asked = 0;
      names.set('changes.two.test', () => (asked++ % 2 === 0 ? [trap.server.address] : [canary.address]));
      return { base: canary.origin, canary };
    },
  ],
  [
    'http on this machine',
    async (trap) => {
      const canary = await trap.elsewhere('inside.two.test');
      return { base: `http://${canary.address}:${canary.port}`, canary };
    },
  ],
];

describe.each(targets)('an address that is none of its business: %s', (_, aim) => {
  test('W-REM-1 is not reached, whatever names it', async () => {
    await using trap = await Trap.set();
    const { base, canary } = await aim(trap);
    const { script } = trap.authorization;
    const { issuers } = trap.guard;
    const ways: readonly (() => void)[] = [
      () => {
        trap.guard.issuers = [base];
      },
      () => {
        script.paths[AUTHORIZATION_SERVER] = answers.redirect(`${base}${AUTHORIZATION_SERVER}`);
      },
      () => {
        script.metadata = { registration_endpoint: `${base}/register` };
      },
      () => {
        script.paths['/register'] = answers.redirect(`${base}/register`, 307);
      },
    ];
    for (const set of ways) {
      set();
      expect(await trap.refused()).toMatch(/^warder: error: .+$/m);
      expect(trap.warder.opened).toEqual([]);
      expect(trap.authorization.exchanges).toEqual([]);
      expect(canary?.requests ?? []).toEqual([]);
      trap.guard.issuers = issuers;
      script.metadata = {};
      script.paths = {};
    }
  });

  test('W-REM-1 is not reached where a challenge names it', async () => {
    await using trap = await Trap.set();
    const { base, canary } = await aim(trap);
    trap.guard.pointsTo = `${base}${RESOURCE}`;
    await using host = trap.warder.home.run('remote');
    await host.initialize();
    expect(await host.call('warder_sign_in')).toMatch(/^(refused|error|cannot|not signed in)/i);
    expect(trap.warder.opened).toEqual([]);
    expect(trap.authorization.requests).toEqual([]);
    expect(canary?.requests ?? []).toEqual([]);
  });

  test('W-REM-1 gets no code, as the token endpoint', async () => {
    await using trap = await Trap.set();
    const { base, canary } = await aim(trap);
    trap.authorization.script.metadata = { token_endpoint: `${base}/token` };
    // Either nobody is sent to the browser, or the code that comes back goes nowhere.
    const login = trap.warder.login('remote');
    const visited = await Promise.race([
      trap.warder.visit().catch(() => undefined),
      login.then(() => undefined),
    ]);
    const { code, stderr } = await login;
    expect(code, stderr).not.toBe(0);
    expect(visited?.status ?? 200).toBe(200);
    expect(canary?.requests ?? []).toEqual([]);
  });
});

test('W-REM-3 a redirect of the server itself takes no token along', async () => {
  let to = '';
  await using trap = await Trap.set({
    before: (request, response) => {
      if (to === '' || request.url !== '/mcp') return false;
      response.writeHead(307, { location: to }).end();
      return true;
    },
  });
  await trap.warder.signIn('remote');
  const other = await trap.elsewhere('collects.one.test', (_request, response) =>
    answerJson(response, 200, {}),
  );
  await using host = trap.warder.home.run('remote');
  await host.initialize();
  to = `${other.origin}/mcp`;
  const { result, error } = await host.request('tools/call', { name: 'echo', arguments: { text: 'hello' } });
  expect(error ?? result.isError).toBeTruthy();
  expect(other.requests).toEqual([]);
});

describe('metadata of somebody else', () => {
  test('W-AUTH-3 an issuer that is not the one that was asked for', async () => {
    await using trap = await Trap.set();
    for (const issuer of ['https://accounts.google.com', `${trap.authorization.issuer}/`, undefined, 7]) {
      trap.authorization.script.metadata = { issuer };
      expect(await trap.refused()).toMatch(/issuer/);
    }
    expect(trap.warder.opened).toEqual([]);
    expect(trap.authorization.registrations).toEqual([]);
  });

  test('W-AUTH-2 a resource that is not the server', async () => {
    await using trap = await Trap.set();
    for (const resource of [
      'https://mcp.two.test/mcp',
      `${trap.server.origin}/mcp/x`,
      'https://one.test',
      7,
    ]) {
      trap.guard.metadata = { resource };
      expect(await trap.refused()).toMatch(/resource/);
    }
    expect(trap.warder.opened).toEqual([]);
    expect(trap.authorization.registrations).toEqual([]);
  });

  test('W-AUTH-10 no PKCE, or only the plain one', async () => {
    await using trap = await Trap.set();
    for (const code_challenge_methods_supported of [undefined, [], ['plain'], 'S256']) {
      trap.authorization.script.metadata = { code_challenge_methods_supported };
      expect(await trap.refused()).toMatch(/PKCE|S256/);
    }
    expect(trap.warder.opened).toEqual([]);
  });

  // The browser shows the real provider, and the code, the verifier and the client's secret go to somebody else.
  test('W-AUTH-6 W-AUTH-49 endpoints on other domains are shown with both, and nothing is sent there before the user has agreed', async () => {
    await using trap = await Trap.set();
    const real = await trap.elsewhere('accounts.provider.test');
    const thief = await trap.elsewhere('collect.two.test');
    for (const split of [
      { authorization_endpoint: `${real.origin}/authorize` },
      { token_endpoint: `${thief.origin}/token` },
      { authorization_endpoint: `${real.origin}/authorize`, token_endpoint: `${thief.origin}/token` },
      { registration_endpoint: `${thief.origin}/register` },
    ]) {
      trap.authorization.script.metadata = split;
      // Nobody has seen them where nobody looks.
      expect(await trap.refused()).toContain('login.one.test');
      const { home } = trap.warder;
      await using screen = new TerminalScreen([...home.program, 'login', 'remote'], home.env);
      await screen.shows('sign in there?');
      const shown = await screen.text();
      expect(shown).toContain('login.one.test');
      for (const url of Object.values(split)) expect(shown).toContain(new URL(url).hostname);
      await screen.press('n', 'Enter');
    }
    expect(trap.warder.opened).toEqual([]);
    expect(textOf(real) + textOf(thief)).toBe('');
  });
});
