// `warder logs`: what a server has written to standard error and what was refused to it, redacted, as a person and as a
// program sees it.
import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { serverLogPath } from '../../src/server/server-log.ts';
import { Client } from '../fixtures/client.ts';
import { Home } from '../fixtures/home.ts';
import { fixtureServer } from '../fixtures/server.ts';

const SECRET = 'a-secret-value-0123456789';

test('W-CRED-49 what a server writes and is refused is shown in order, without a secret, and goes with its profile', async () => {
  await using home = new Home();
  await home.done(['init', '--store', 'vault', '--key-file', `${home.dir}/key`, '--force']);
  home.profile('demo', {
    server: fixtureServer('environ'),
    credentials: { TOKEN: { deliver: 'env' } },
    policy: { default: 'allow', tools: { never: 'deny' } },
  });
  await home.done(['credential', 'set', 'demo', 'TOKEN'], SECRET);
  expect(await home.done(['logs', 'demo'])).toBe('nothing is kept of the servers of "demo"\n');
  expect(await home.facts('logs', 'demo')).toEqual([]);
  {
    await using follower = new Client(
      [...home.host('demo').slice(0, -2), 'logs', 'demo', '--follow', '--json'],
      home.env,
      home.dir,
    );
    await using host = home.run('demo');
    await host.initialize();
    for (const as of ['raw', 'base64', 'url'])
      await host.call('leak', { variable: 'TOKEN', as, to: 'stderr' });
    await host.call('never');
    await expect
      .poll(() => follower.lines.map((line) => JSON.parse(line).from), { timeout: 10_000 })
      .toEqual(expect.arrayContaining(['server', 'server', 'server', 'refused']));
    host.close();
    await host.ended;
  }
  const all = await home.facts('logs', 'demo');
  expect(all.filter(({ from }: { from: string }) => from === 'server')).toHaveLength(3);
  expect(all).toContainEqual(
    expect.objectContaining({ from: 'refused', text: expect.stringMatching(/^tools\/call never: policy\./) }),
  );
  const times = all.map(({ time }: { time: string }) => time);
  expect(times).toEqual(times.toSorted());
  const shown = await home.done(['logs', 'demo', '-n', '0']);
  expect(shown).toMatch(/^\S+Z {2}[0-9a-f]{8} {2}server {3}\[redacted:TOKEN\]$/m);
  expect((await home.done(['logs', 'demo', '-n', '2'])).trim().split('\n')).toHaveLength(2);
  const path = serverLogPath(home.places.state, 'demo');
  for (const text of [shown, readFileSync(path, 'utf8')]) {
    for (const encoding of ['utf8', 'base64'] as const)
      expect(text).not.toContain(Buffer.from(SECRET).toString(encoding));
  }
  await home.done(['remove', 'demo', '--yes']);
  expect(existsSync(path)).toBe(false);
  expect(await home.warder(['logs', 'demo'])).toMatchObject({
    code: 65,
    stderr: expect.stringContaining('there is no profile "demo"'),
  });
});

test('a server that does not start leaves its reason', async () => {
  await using home = new Home();
  home.profile('broken', { server: fixtureServer('crash-at-start') });
  await using host = home.run('broken');
  await host.ended;
  expect(await home.done(['logs', 'broken'])).toContain('fatal: no configuration');
  expect(await home.warder(['logs', 'broken', '-n', '-1'])).toMatchObject({ code: 64 });
});
