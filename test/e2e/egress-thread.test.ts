// The thread of the gates through the built program: what a fault in it costs, and what becomes of open gates when their
// daemon gives way to another build, or stops.
import { randomBytes } from 'node:crypto';
import { appendFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Home } from '../fixtures/home.ts';
import { Install } from '../fixtures/install.ts';
import { Inside, Internet, listed, outward, range, recorded, type Seen } from '../fixtures/internet.ts';
import type { Upstream } from '../fixtures/upstream.ts';

const token = (): string => `ghp_${randomBytes(18).toString('hex')}`;
const policy = { default: 'allow' };

/** A home of an installation with a vault, whose profile `github` may use one sealed credential at one host. */
async function settle(internet: Internet, install: Install, api: Upstream, secret: string): Promise<Home> {
  const home = new Home({ program: install.program });
  internet.join(home);
  await home.done(['init', '--store', 'vault', '--key-file', join(home.dir, 'key')]);
  await home.done(['credential', 'set', 'github', 'TOKEN'], secret);
  home.profile('github', {
    server: outward,
    credentials: { TOKEN: { deliver: 'sealed', hosts: [listed(api)] } },
    sandbox: { network: [range(api)] },
    policy,
  });
  return home;
}

const bearer = ({ env }: Seen): { authorization: string } => ({ authorization: `Bearer ${env.TOKEN}` });

async function echo(inside: Inside, api: Upstream): Promise<number> {
  const headers = bearer(await inside.see());
  return (await inside.fetch(`${api.url}/echo`, { headers })).status;
}

/** A response that has begun to arrive, and goes on for a minute. */
async function streaming(
  inside: Inside,
  api: Upstream,
): Promise<{ readonly answer: ReturnType<Inside['fetch']> }> {
  const headers = bearer(await inside.see());
  const came = api.requests.length;
  const answer = inside.fetch(`${api.url}/events?n=600&ms=100`, { headers });
  answer.catch(() => {});
  await expect.poll(() => api.requests.length, { timeout: 10_000 }).toBe(came + 1);
  return { answer };
}

test('a fault in the thread ends the sessions whose gates it had, and says so; no other, and not the next [W-EGR-19]', async () => {
  using install = new Install();
  await using internet = await Internet.open();
  const api = await internet.host(['api.test']);
  const secret = token();
  const cue = join(install.dir, 'cue');
  appendFileSync(
    join(install.dir, `dist/gate-${install.build}.js`),
    `import { existsSync as isThere } from 'node:fs';
    setInterval(() => { if (isThere(${JSON.stringify(cue)})) throw new Error('a fault of the test'); }, 20);`,
  );
  await using home = await settle(internet, install, api, secret);
  home.profile('notes', { server: outward, policy });
  await using one = await Inside.open(home.run('github'), [secret]);
  await using other = await Inside.open(home.run('notes'), [secret]);
  expect(await echo(one, api)).toBe(200);
  await other.see();
  const { answer } = await streaming(one, api);
  const pid = home.daemon();

  writeFileSync(cue, '');
  // The server may still tell that it was broken off.
  await Promise.allSettled([answer]);
  expect(await one.client.ended).toMatchObject({ code: 70 });
  expect(one.client.stderr).toMatch(/a fault in the gate of the server ended the session/);
  expect(one.client.stderr).toMatch(/hint: start the server again/);
  await expect.poll(() => api.sockets).toBe(0);
  expect((await other.see()).env.HOME).toBeDefined();
  rmSync(cue);
  await using again = await Inside.open(home.run('github'), [secret]);
  expect(await echo(again, api)).toBe(200);
  expect(home.daemon()).toBe(pid);
  await recorded(home, 'session.close', { profile: 'github', reason: 'stopped' });
  await home.done(['audit', 'verify']);
});

test('open gates go on when their daemon gives way, take new values and revocations, and end on record [W-EGR-16] [W-EGR-18] [W-WIRE-22]', async () => {
  using install = new Install();
  await using internet = await Internet.open();
  const api = await internet.host(['api.test']);
  const [first, second] = [token(), token()];
  await using home = await settle(internet, install, api, first);
  await using old = await Inside.open(home.run('github'), [first, second]);
  expect(await echo(old, api)).toBe(200);
  install.upgrade('SECONDAA', { remove: true });
  await using young = await Inside.open(home.run('github'), [first, second]);
  const both = [old, young];
  for (const inside of both) expect(await echo(inside, api)).toBe(200);

  const rotated = await home.done(['credential', 'rotate', 'github', 'TOKEN', '--json'], second);
  expect(JSON.parse(rotated).sessions).toEqual({ moved: 2, kept: 0 });
  for (const inside of both) {
    expect(await echo(inside, api)).toBe(200);
    expect(api.requests.at(-1)?.headers.authorization).toBe(`Bearer ${second}`);
  }

  const cut = [await streaming(old, api), await streaming(young, api)];
  const revoked = await home.facts('revoke', 'github/TOKEN');
  expect(revoked).toMatchObject({ ended: 0 });
  expect(revoked.cut).toBeGreaterThanOrEqual(2);
  for (const { answer } of cut) expect(await answer).toMatchObject({ broken: true });
  for (const inside of both) expect(await echo(inside, api)).toBe(403);
  await home.done(['revoke', 'github/TOKEN', '--undo']);

  for (const inside of both) await streaming(inside, api);
  expect(await home.facts('stop')).toMatchObject({ sessions: 2 });
  for (const { client } of both) await client.ended;
  await home.quiet();
  await expect.poll(() => api.sockets).toBe(0);
  const connections = home.audit('egress.connect');
  const idsOf = (outcome: string): unknown[] =>
    connections.filter((record) => record.outcome === outcome).map(({ connection }) => connection);
  expect(idsOf('closed').sort()).toEqual(idsOf('open').sort());
  await home.done(['audit', 'verify']);
});
