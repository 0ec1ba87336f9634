import { expect, test } from 'vitest';
import { Home } from '../fixtures/home.ts';
import { SecretService } from '../fixtures/secret-service.ts';
import { fixtureServer } from '../fixtures/server.ts';

async function prepare(bus: SecretService): Promise<Home> {
  const home = new Home({ env: bus.env });
  const policy = { default: 'allow' };
  home.profile('plain', { server: fixtureServer('legacy'), policy });
  home.profile('demo', {
    server: fixtureServer('legacy'),
    credentials: { TOKEN: { deliver: 'env' } },
    policy,
  });
  home.settings({ keychain: { timeout: '2s' } });
  await home.done(['init', '--store', 'keychain']);
  await home.done(['credential', 'set', 'demo', 'TOKEN'], 'some-value-0123456789');
  return home;
}

test('W-CRED-7 while one session waits for a keychain that hangs, another continues', async () => {
  await using bus = await SecretService.open();
  await using home = await prepare(bus);
  await using other = home.run('plain');
  await other.initialize();
  process.kill(bus.pid, 'SIGSTOP');
  await using waiting = home.run('demo');
  let ended = false;
  const end = waiting.ended.finally(() => {
    ended = true;
  });
  for (let call = 0; call < 20; call++) expect(JSON.parse(await other.call('where')).pid).toBeGreaterThan(0);
  expect(ended).toBe(false);
  await end;
  expect(waiting.stderr).toContain('the keychain does not answer');
  process.kill(bus.pid, 'SIGCONT');
  await using again = home.run('demo');
  await again.initialize();
});

test('W-CRED-5 a session that needs a locked keychain is refused with a hint, and starts once the keychain is unlocked', async () => {
  await using bus = await SecretService.open();
  await using home = await prepare(bus);
  await bus.lock();
  await using refused = home.run('demo');
  await refused.ended;
  expect(refused.stderr).toContain('warder: error: cannot start "demo": the keychain is locked');
  expect(refused.stderr).toContain('warder: hint: unlock it');
  const { code, stderr } = await home.warder(['credential', 'list']);
  expect(code).toBe(1);
  expect(stderr).toContain('the keychain is locked');
  await bus.unlock();
  await using host = home.run('demo');
  await host.initialize();
  await home.done(['audit', 'verify']);
});
