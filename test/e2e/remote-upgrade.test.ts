// A daemon hands over to a newer one while both use an account: they refresh one token together, and a sign-out reaches both.
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Home } from '../fixtures/home.ts';
import { Install } from '../fixtures/install.ts';
import { startAuthorization } from '../fixtures/remote/authorization.ts';
import { startMcp } from '../fixtures/remote/mcp.ts';

const follow = join(import.meta.dirname, '../fixtures/remote/follow.ts');

test('W-AUTH-30 W-AUTH-48 a daemon that has handed over and the newer one share an account, and lose nothing', async () => {
  await using authorization = await startAuthorization();
  await using mcp = await startMcp({ guard: (url) => authorization.guard(url) });
  using install = new Install();
  await using warder = new Home({ program: install.program });
  warder.settings({ consent: { 'first-use': 'accept' }, remote: { browser: [process.execPath, follow] } });
  await warder.done(['init', '--store', 'vault', '--key-file', join(warder.dir, 'key')]);
  warder.profile('notes', {
    server: { url: mcp.url },
    'insecure-loopback': true,
    policy: { default: 'allow' },
  });
  await warder.done(['login', 'notes', '--yes']);
  await using old = warder.run('notes');
  await old.initialize();
  const first = await warder.daemon();
  install.upgrade('SECONDAA', { remove: true });
  await using young = warder.run('notes');
  await young.initialize();
  expect(await warder.daemon()).not.toBe(first);

  const call = (text: string) =>
    Promise.all([old.call('echo', { text: `old ${text}` }), young.call('echo', { text: `young ${text}` })]);
  expect(await call('1')).toEqual(['old 1', 'young 1']);
  const before = authorization.count('POST /token');
  for (let round = 1; round <= 5; round++) {
    authorization.expire();
    expect(await call(`${round}`)).toEqual([`old ${round}`, `young ${round}`]);
  }
  // Neither sends what the other has spent.
  expect(authorization.count('POST /token') - before).toBe(5);
  expect(authorization.most).toBe(1);
  expect(authorization.log.filter(({ event }) => event !== 'granted')).toEqual([]);

  await warder.done(['logout', 'notes']);
  const requests = mcp.requests.length;
  for (const session of [old, young])
    expect(await session.call('echo', { text: 'after' })).toMatch(/^refused: .*warder login notes/);
  const carried = mcp.requests.slice(requests).filter(({ headers }) => headers.authorization !== undefined);
  expect(carried).toEqual([]);

  await warder.done(['login', 'notes', '--yes']);
  expect(await call('again')).toEqual(['old again', 'young again']);
});
