// A machine without a keychain: credentials in a vault with a key file.
import { chmodSync, globSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Home } from '../fixtures/home.ts';
import { fixtureServer } from '../fixtures/server.ts';

const first = 'first-value-0123456789';
const second = 'second-value-9876543210';

test('a vault is chosen, stores a credential for a server, and an open session gets a new value', async () => {
  await using home = new Home();
  const key = join(home.dir, 'key');
  const unsaid = await home.warder(['init']);
  expect(unsaid).toMatchObject({ code: 64, stdout: '', stderr: expect.stringMatching(/hint: use "--store/) });
  expect(await home.facts('init', '--store', 'vault', '--key-file', key)).toMatchObject({
    store: 'vault',
    made: key,
    left: 0,
  });
  expect(statSync(key).mode & 0o777).toBe(0o600);
  await home.done(['credential', 'set', 'demo', 'TOKEN'], `${first}\n`);
  home.profile('demo', {
    server: fixtureServer('legacy'),
    credentials: { TOKEN: { deliver: 'env' } },
    // It reports the pid in its own namespace.
    sandbox: { off: true },
    policy: { default: 'allow' },
  });
  // Another daemon opens it without any input.
  await home.done(['stop']);
  await using host = home.run('demo');
  await host.initialize();
  const token = async (): Promise<string | undefined> => {
    const { pid } = JSON.parse(await host.call('where'));
    return /(?:^|\0)TOKEN=([^\0]*)/.exec(readFileSync(`/proc/${pid}/environ`, 'utf8'))?.[1];
  };
  expect(await token()).toBe(first);
  expect(await home.done(['credential', 'rotate', 'demo', 'TOKEN'], second)).toMatch(
    /1 open session goes on/,
  );
  expect(await token()).toBe(second);

  for (const file of globSync('**/*', { cwd: home.dir }).map((name) => join(home.dir, name))) {
    if (statSync(file).isFile()) expect(readFileSync(file, 'latin1')).not.toMatch(/(first|second)-value/);
  }
  host.close();
  await host.ended;
});

test('W-CRED-32 a value that was copied under another name in the vault reaches no server', async () => {
  await using home = new Home();
  await home.done(['init', '--key-file', join(home.dir, 'key')]);
  await home.done(['credential', 'set', 'rich', 'TOKEN'], first);
  await home.done(['credential', 'set', 'poor', 'TOKEN'], second);
  const server = fixtureServer('legacy');
  home.profile('poor', { server, credentials: { TOKEN: { deliver: 'env' } } });

  const file = join(home.places.state, 'vault.json');
  const vault = JSON.parse(readFileSync(file, 'utf8'));
  const box = (name: string) => vault.boxes.find((one: { name: string }) => one.name === name);
  box('poor/TOKEN').box = box('rich/TOKEN').box;
  writeFileSync(file, `${JSON.stringify(vault, null, 1)}\n`);
  const { code, stderr } = await home.warder(['run', 'poor']);
  expect(code).toBe(1);
  expect(stderr).toMatch(/^warder: error: .*"poor\/TOKEN" was set for "rich\/TOKEN"/m);
  expect(stderr).toMatch(/^warder: hint: set it again/m);
  expect(await home.done(['credential', 'list'])).toMatch(/poor\/TOKEN .*was set for "rich\/TOKEN"/);
  await home.done(['credential', 'rotate', 'poor', 'TOKEN'], second);
  expect(await home.done(['credential', 'list'])).not.toContain('was set for');

  // A key file that other users can read is not used.
  await home.done(['stop']);
  chmodSync(join(home.dir, 'key'), 0o644);
  const open = await home.warder(['run', 'poor']);
  expect(open).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/can be read by others.*\n.*hint: .*chmod 600/),
  });
});

test('W-CRED-42 a whole older vault that was put back between two daemons reaches no server, until its user accepts it', async () => {
  await using home = new Home();
  await home.done(['init', '--store', 'vault', '--key-file', join(home.dir, 'key')]);
  await home.done(['credential', 'set', 'demo', 'TOKEN'], first);
  home.profile('demo', {
    server: fixtureServer('legacy'),
    credentials: { TOKEN: { deliver: 'env' } },
    sandbox: { off: true },
    policy: { default: 'allow' },
  });
  await home.done(['stop']);
  const file = join(home.places.state, 'vault.json');
  const old = readFileSync(file);
  await home.done(['credential', 'rotate', 'demo', 'TOKEN'], second);
  const [rotated] = home.audit('credential.use').filter(({ action }) => action === 'rotate');
  expect(rotated).toMatchObject({ vault_counter: expect.any(Number), vault_digest: expect.any(String) });
  // Whatever else happened since.
  await home.done(['daemon', 'start']);
  await home.done(['stop']);
  const newest = readFileSync(file);
  const state = (): Promise<{ store: { state: string; detail?: string } }> => home.facts('status');

  writeFileSync(file, old);
  await using refused = home.run('demo');
  const { error } = await refused.initialize();
  expect(error).toMatchObject({ data: { code: 'vault-damaged' }, message: expect.stringContaining('older') });
  expect((await state()).store).toMatchObject({ state: 'unavailable' });
  expect((await home.warder(['doctor'])).stdout).toContain('it was replaced by an older file');
  await home.done(['stop']);

  // The right one is put back; then a backup is, by the user.
  writeFileSync(file, newest);
  await using host = home.run('demo');
  expect((await host.initialize()).error).toBeUndefined();
  host.close();
  await host.ended;
  await home.done(['stop']);
  writeFileSync(file, old);
  expect((await home.warder(['init', '--store', 'vault'])).code).toBe(1);
  await home.done(['init', '--store', 'vault', '--force']);
  await home.done(['stop']);
  await using accepted = home.run('demo');
  expect((await accepted.initialize()).error).toBeUndefined();
});
