// An answer that holds for good is proved in polkit's dialog: a real polkitd, a daemon of an ordinary user, and an agent
// of the test that answers as it is told.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Client } from '../fixtures/client.ts';
import { Home } from '../fixtures/home.ts';
import { Polkitd, polkitProblem } from '../fixtures/polkit.ts';
import { fixtureServer } from '../fixtures/server.ts';
import { TerminalScreen } from '../fixtures/terminal-screen.ts';

const problem = polkitProblem();

test('W-CONS-26 for good is what polkit was told a person wants, in a terminal and without one', async ({
  skip,
}) => {
  skip(problem !== undefined, problem);
  await using polkitd = await Polkitd.open();
  const script = `mount --bind ${polkitd.run} /run/dbus && exec setpriv --reuid 65534 --regid 65534 --clear-groups "$@"`;
  const within = ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', script, 'sh'];
  await using home = new Home({ within });
  home.profile('demo', {
    server: fixtureServer('legacy'),
    sandbox: { off: true },
    policy: { default: 'ask' },
  });
  execFileSync('chown', ['-R', '65534:65534', home.dir]);
  await home.done(['init', '--store', 'vault', '--key-file', join(home.dir, 'key')]);
  await using host = home.run('demo');
  await host.initialize('2025-11-25');
  const { daemon } = await home.facts('status');
  expect(await home.done(['doctor'])).toContain('polkit asks for your password');
  const agent = await polkitd.user(daemon.pid);

  await using watch = new Client([...within, ...home.program, 'approvals', '--watch', '--json'], home.env);
  await watch.until(() => watch.lines.length > 0, 'who watches');
  const first = host.ask('tools/call', { name: 'where', arguments: {} });
  await watch.until(() => watch.lines.length > 1, 'the question');
  const [question] = await home.facts('approvals');
  const refused = home.warder(['approve', question.id, '--always']);
  await agent.says('dialog');
  agent.tell('done');
  expect(await refused).toMatchObject({
    code: 77,
    stderr: expect.stringContaining('where polkit asks for it'),
  });
  const allowed = home.warder(['approve', question.id, '--always']);
  await polkitd.confirm(await agent.says('dialog'));
  agent.tell('done');
  expect(await allowed).toMatchObject({ stderr: '', code: 0 });
  expect((await first.answer).result.isError).toBeUndefined();
  await watch.close();

  await using screen = new TerminalScreen([...within, ...home.program, 'approvals', '--watch'], home.env);
  await screen.shows('waiting for questions');
  const second = host.ask('tools/call', { name: 'where', arguments: { again: true } });
  await screen.shows('● No');
  // A yes within 300 ms would be none.
  await new Promise((resolve) => setTimeout(resolve, 1000));
  await screen.press('Down', 'Down', 'Down', 'Enter');
  await screen.shows('● exactly these arguments');
  await screen.press('Enter');
  await screen.shows('● for this session');
  await screen.press('Up', 'Enter');
  await screen.shows('your system asks for your password');
  await polkitd.confirm(await agent.says('dialog'));
  agent.tell('done');
  const { result } = await second.answer;
  expect(result.isError, JSON.stringify(result)).toBeUndefined();
  expect(home.audit('consent.answer').map(({ decision, scope }) => `${decision} ${scope}`)).toEqual([
    'allow always',
    'allow always',
  ]);
});
