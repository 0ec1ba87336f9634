// A policy says ask, nobody watches a terminal, and a person answers where Warder asks by itself.
import { expect, test } from 'vitest';
import { openDesktop } from '../fixtures/desktop.ts';
import { until } from '../fixtures/echo-home.ts';
import { Home } from '../fixtures/home.ts';
import { fixtureServer } from '../fixtures/server.ts';
import { TerminalScreen } from '../fixtures/terminal-screen.ts';

const PROFILE = {
  server: fixtureServer('legacy'),
  sandbox: { off: true },
  policy: { default: 'ask' },
} as const;

test('W-CONS-1 a notification asks, and what the person presses is what the host gets and the log says', async () => {
  await using desktop = await openDesktop('dunst');
  const { DBUS_SESSION_BUS_ADDRESS = '' } = desktop.bus.env;
  await using home = new Home({ env: { DBUS_SESSION_BUS_ADDRESS } });
  home.profile('demo', PROFILE);
  await using host = home.run('demo');
  await host.initialize('2025-11-25');
  for (const [label, isError] of [
    ['Deny', true],
    ['Allow once', undefined],
  ] as const) {
    const call = host.ask('tools/call', { name: 'where', arguments: { label } });
    await until(() => desktop.isShown(), 'a notification');
    // A yes within 300 ms of the notification would be none.
    await new Promise((resolve) => setTimeout(resolve, 1000));
    await desktop.press('dunst', label);
    expect((await call.answer).result.isError).toBe(isError);
    await until(async () => !(await desktop.isShown()), 'the notification is gone');
  }
  expect(home.audit('consent.answer')).toMatchObject([
    { decision: 'deny', by: 'desktop', scope: 'once' },
    { decision: 'allow', by: 'desktop', scope: 'once' },
  ]);
  // Answered in a terminal, it vanishes.
  const call = host.ask('tools/call', { name: 'where', arguments: {} });
  await until(() => desktop.isShown(), 'a notification');
  const [question] = await home.facts('approvals');
  await home.done(['approve', question.id]);
  expect((await call.answer).result.isError).toBeUndefined();
  await until(async () => !(await desktop.isShown()), 'the notification is gone');
});

test('a way that consent.ways does not name is not used', async () => {
  await using desktop = await openDesktop('dunst');
  const { DBUS_SESSION_BUS_ADDRESS = '' } = desktop.bus.env;
  await using home = new Home({
    env: { DBUS_SESSION_BUS_ADDRESS },
    settings: { consent: { ways: ['terminal'] } },
  });
  home.profile('demo', PROFILE);
  await using host = home.run('demo');
  await host.initialize('2025-11-25');
  const { result } = await host.ask('tools/call', { name: 'where', arguments: {} }).answer;
  expect(result.content[0].text).toContain('nobody is there');
});

test('pinentry asks in a terminal that is set aside, and Return is a no', async () => {
  await using screen = new TerminalScreen();
  const consent = { ways: ['pinentry'], pinentry: '/usr/bin/pinentry-curses', tty: screen.tty };
  await using home = new Home({ settings: { consent } });
  home.profile('demo', PROFILE);
  await using host = home.run('demo');
  await host.initialize('2025-11-25');
  for (const [keys, isError] of [
    [['Enter'], true],
    [['yes', 'Enter'], undefined],
  ] as const) {
    const call = host.ask('tools/call', { name: 'where', arguments: { keys } });
    await screen.shows('call the tool "where"');
    await screen.shows('Nothing typed: denied.');
    await screen.press(...keys);
    expect((await call.answer).result.isError).toBe(isError);
  }
  expect(home.audit('consent.answer')).toMatchObject([
    { decision: 'deny', by: 'pinentry' },
    { decision: 'allow', by: 'pinentry' },
  ]);
});

test('ssh-askpass asks on the display of who started the daemon', async () => {
  await using desktop = await openDesktop();
  // A pinentry that is not there.
  const consent = { ways: ['pinentry'], pinentry: '/nonexistent' };
  await using home = new Home({ env: { DISPLAY: desktop.display }, settings: { consent } });
  home.profile('demo', PROFILE);
  await using host = home.run('demo');
  await host.initialize('2025-11-25');
  const call = host.ask('tools/call', { name: 'where', arguments: {} });
  await until(() => desktop.isShown(), 'the dialog');
  await desktop.bus.run('xdotool', 'key', 'y', 'e', 's', 'Return');
  expect((await call.answer).result.isError).toBeUndefined();
  expect(home.audit('consent.answer')).toMatchObject([{ decision: 'allow', by: 'pinentry' }]);
});
