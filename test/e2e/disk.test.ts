// On a full disk a call that cannot be recorded is refused.
import { expect, test } from 'vitest';
import { Disk } from '../fixtures/disk.ts';
import { Home } from '../fixtures/home.ts';
import { fixtureServer } from '../fixtures/server.ts';

test('calls are refused on a full disk and the reason is given; with free space they continue, and the log verifies', async () => {
  await using disk = await Disk.mount(4 << 20);
  await using home = new Home({ env: { XDG_STATE_HOME: disk.at }, within: disk.within });
  // Root has no device files of a sandbox's own on a disk of such namespaces.
  home.profile('slow', {
    server: fixtureServer('slow'),
    sandbox: { off: true },
    policy: { default: 'allow' },
  });
  await using host = home.run('slow');
  await host.initialize();
  const call = () =>
    host.request('tools/call', { name: 'slow', arguments: { ms: 1, say: 'x'.repeat(8000) } });
  expect((await call()).error).toBeUndefined();

  disk.fill();
  // A record that fits into the last block may still be written; then no call goes through.
  let through = 1;
  let refused = await call();
  for (; refused.error === undefined && through < 20; through++) refused = await call();
  expect(refused.error?.message).toMatch(/audit/);
  expect((await call()).error?.message).toMatch(/audit/);

  disk.empty();
  expect((await call()).error).toBeUndefined();
  through++;
  // A refused call never reached the server.
  expect(await host.call('count')).toBe(String(through));
  host.close();
  await host.ended;
  await home.done(['audit', 'verify']);
});
