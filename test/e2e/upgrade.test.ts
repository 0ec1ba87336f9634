// The program is upgraded in place while its daemon runs.
import { expect, test } from 'vitest';
import { Home, server } from '../fixtures/home.ts';
import { Install } from '../fixtures/install.ts';

function home(install: Install): Home {
  const warder = new Home({ program: install.program });
  const [command = '', ...args] = server('everything');
  const profile = { server: { command, args }, sandbox: { off: true }, policy: { default: 'allow' } };
  warder.profile('echo', profile);
  return warder;
}

test('W-PROC-22 the files of a build stay while one of its daemons lives, and are swept when none does', async () => {
  using install = new Install();
  const first = install.build;
  await using one = home(install);
  await one.done(['daemon', 'start']);
  install.upgrade('SECONDAA');
  expect(install.builds).toEqual([first, 'SECONDAA'].sort());

  // Another user's files, the same program: a daemon of the new build starts, and leaves the old one's files.
  await using two = home(install);
  await two.done(['daemon', 'start']);
  expect(install.builds).toEqual([first, 'SECONDAA'].sort());
  await one.done(['stop']);
  await one.quiet();
  await two.done(['stop']);
  await two.done(['daemon', 'start']);
  expect(install.builds).toEqual(['SECONDAA']);
});
