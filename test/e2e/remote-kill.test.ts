// A daemon that is killed at the worst moments of a refresh, with an authorization server that rotates refresh tokens strictly.
import type { ServerResponse } from 'node:http';
import { expect, test } from 'vitest';
import type { Client } from '../fixtures/client.ts';
import { type Authorization, startAuthorization } from '../fixtures/remote/authorization.ts';
import { startMcp } from '../fixtures/remote/mcp.ts';
import { RemoteHome } from '../fixtures/remote/signing-in.ts';

const SECONDS = 300;

/** The requests that the authorization server got to sign somebody in. */
function signIns(authorization: Authorization): number {
  return authorization.count('GET /auth?');
}

/** Holds the answers of some requests back, until the test lets them go. */
class Gate {
  readonly #waiting = new Set<(isLost: boolean) => void>();
  #isShut = false;
  /** Requests that wait, before or after they were handled. */
  held = 0;

  shut(): void {
    this.#isShut = true;
    this.held = 0;
  }

  /** What waits goes on, or is lost on the way. */
  open(isLost = false): void {
    this.#isShut = false;
    for (const go of this.#waiting) go(isLost);
    this.#waiting.clear();
  }

  /** Waits here while it is shut. True: what waited is lost. */
  async pass(): Promise<boolean> {
    if (!this.#isShut) return false;
    this.held++;
    return await new Promise<boolean>((resolve) => this.#waiting.add(resolve));
  }

  /** Makes a response wait before its first byte. */
  delay(response: ServerResponse): void {
    const end = response.end.bind(response);
    response.end = ((...parts: Parameters<typeof end>) => {
      void this.pass().then(() => end(...parts));
      return response;
    }) as typeof end;
  }
}

/** A signed-in Warder with one host, whose refreshes pass a gate. */
async function gated(when: 'before' | 'after', gate: Gate) {
  const stack = new AsyncDisposableStack();
  const authorization = stack.use(
    await startAuthorization({
      seconds: SECONDS,
      before: async (request, response, body) => {
        if (request.url !== '/token' || !body.includes('grant_type=refresh_token')) return false;
        if (when === 'before') return await gate.pass();
        gate.delay(response);
        return false;
      },
    }),
  );
  const server = stack.use(await startMcp({ guard: (url) => authorization.guard(url) }));
  const warder = stack.use(await RemoteHome.open());
  warder.profile('remote', server.url);
  await warder.signIn('remote');
  return { authorization, server, warder, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

/** A host whose daemon waits for the answer of a refresh. */
async function refreshing({ home }: RemoteHome, gate: Gate): Promise<Client> {
  const host = home.run('remote');
  host.ask('initialize', {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'x', version: '1' },
  });
  await expect.poll(() => gate.held).toBe(1);
  return host;
}

/** Kills the home's daemon at once, and waits until it is gone. */
async function killDaemon({ home }: RemoteHome): Promise<void> {
  const pid = (await home.daemon()) ?? 0;
  process.kill(pid, 'SIGKILL');
  await expect.poll(() => home.processes().some((one) => one.pid === pid)).toBe(false);
}

async function callEcho({ home }: RemoteHome): Promise<string> {
  await using host = home.run('remote');
  await host.initialize();
  return host.call('echo', { text: 'hello' });
}

test('W-AUTH-33 a daemon that is killed before its refresh was answered loses nothing', async () => {
  const gate = new Gate();
  await using all = await gated('before', gate);
  const { authorization, warder } = all;
  authorization.expire();
  gate.shut();
  const host = await refreshing(warder, gate);
  await killDaemon(warder);
  // What the killed daemon sent never reached the authorization server.
  gate.open(true);
  host.kill();
  expect(await callEcho(warder)).toBe('hello');
  expect(authorization.log.filter(({ event }) => event === 'revoked')).toEqual([]);
  expect(signIns(authorization)).toBe(1);
});

test('W-AUTH-33 one that is killed between the answer and the store says so, and asks for a sign-in', async () => {
  const gate = new Gate();
  await using all = await gated('after', gate);
  const { authorization, warder } = all;
  authorization.expire();
  gate.shut();
  const host = await refreshing(warder, gate);
  await killDaemon(warder);
  gate.open();
  host.kill();
  expect(await callEcho(warder)).toMatch(/warder login remote/);
  expect(await warder.home.done(['status'])).toMatch(/while it refreshed the token/);
  await warder.signIn('remote');
  expect(await callEcho(warder)).toBe('hello');
});

test('W-AUTH-34 a refreshed token is stored before it is used: a kill in the call that follows loses nothing', async () => {
  const gate = new Gate();
  await using authorization = await startAuthorization({ seconds: SECONDS });
  await using server = await startMcp({
    guard: (url) => authorization.guard(url),
    before: (_request, response, body) => {
      if (body.includes('tools/call')) gate.delay(response);
      return false;
    },
  });
  await using warder = await RemoteHome.open();
  warder.profile('remote', server.url);
  await warder.signIn('remote');
  expect(await callEcho(warder)).toBe('hello');
  authorization.expire();
  const host = warder.home.run('remote');
  await host.initialize();
  await expect.poll(() => authorization.log.length).toBe(2);
  gate.shut();
  host.ask('tools/call', { name: 'echo', arguments: { text: 'lost' } });
  await expect.poll(() => gate.held).toBe(1);
  await killDaemon(warder);
  gate.open();
  host.kill();
  expect(await callEcho(warder)).toBe('hello');
  expect(authorization.log.map(({ event }) => event)).toEqual(['granted', 'granted']);
  expect(signIns(authorization)).toBe(1);
});
