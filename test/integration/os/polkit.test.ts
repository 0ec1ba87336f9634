// polkit asks a person: a real polkitd on a bus of the test's own, an ordinary user, and an agent that answers as it is
// told. Where it cannot run, the tests say why.
import { expect, test } from 'vitest';
import { POLKIT_POLICY } from '../../../src/commands/pin/polkit-policy.ts';
import { openPolkit } from '../../../src/os/polkit.ts';
import { Polkitd, polkitProblem } from '../../fixtures/polkit.ts';
import { SessionBus } from '../../fixtures/session-bus.ts';

const problem = polkitProblem();

test('W-CONS-26 only who answers the dialog with the password is authenticated, and each time anew', async ({
  skip,
}) => {
  skip(problem !== undefined, problem);
  await using polkitd = await Polkitd.open();
  const user = await polkitd.user('own');
  user.tell('asks');
  expect(await user.says('asks')).toBe('true');
  for (const answer of ['yes', 'no', 'yes']) {
    user.tell('authenticate');
    const cookie = await user.says('dialog');
    if (answer === 'yes') await polkitd.confirm(cookie);
    user.tell('done');
    expect(await user.says('authenticated')).toBe(String(answer === 'yes'));
  }
});

test('W-CONS-26 a question that is answered elsewhere closes the dialog, and proves nothing', async ({
  skip,
}) => {
  skip(problem !== undefined, problem);
  await using polkitd = await Polkitd.open();
  const user = await polkitd.user('own');
  user.tell('authenticate');
  await user.says('dialog');
  user.tell('abort');
  await user.says('closed');
  expect(await user.says('authenticated')).toBe('false');
});

test('W-CONS-26 where polkit cannot ask, or would not, nobody is authenticated', async ({ skip }) => {
  skip(problem !== undefined, problem);
  {
    // Nobody to show a dialog.
    await using polkitd = await Polkitd.open();
    const user = await polkitd.user(undefined);
    user.tell('authenticate');
    expect(await user.says('authenticated')).toBe('false');
    // Root needs no authentication, so its answer proves nothing.
    const root = openPolkit({ pid: process.pid, uid: 0, address: polkitd.address });
    expect(await root.asks()).toBe(false);
    expect(await root.authenticate(new AbortController().signal)).toBe(false);
  }
  for (const options of [
    // The action is not installed.
    { policy: '' },
    // A yes without a question, of a rule or of the action itself.
    { rules: 'polkit.addRule(function (action) { if (action.id == "org.warder.approve") return "yes"; });' },
    { policy: POLKIT_POLICY.replaceAll('auth_self', 'yes') },
    { policy: POLKIT_POLICY.replaceAll('auth_self', 'no') },
  ]) {
    await using polkitd = await Polkitd.open(options);
    const user = await polkitd.user('own');
    user.tell('asks');
    expect(await user.says('asks')).toBe('false');
    user.tell('authenticate');
    expect(await user.says('authenticated')).toBe('false');
  }
});

test('W-CONS-26 without polkit, and without a bus, it does not ask', async () => {
  await using bus = await SessionBus.open();
  for (const address of [bus.address, 'unix:path=/nonexistent']) {
    const polkit = openPolkit({ pid: process.pid, uid: process.getuid?.() ?? 0, address });
    expect(await polkit.asks()).toBe(false);
    expect(await polkit.authenticate(new AbortController().signal)).toBe(false);
  }
});
