// What servers write is printed by many verbs. On a terminal with colours none of its sequences is obeyed, and none of its
// lines looks like one of Warder's.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Client } from '../fixtures/client.ts';
import { Home } from '../fixtures/home.ts';

const escapes = join(import.meta.dirname, '../fixtures/servers/escapes.mjs');
const EVIL = '\u001b[35mEVIL\u001b[31mEVIL\u001b[39m\u001b[2J\u009b2J\u0007\u202e\r\nfake: ok';

/** Runs a verb on a terminal that `script` provides, and answers what it asks with no. Returns what was written. */
function onTerminal(home: Home, words: readonly string[]): string {
  const run = join(home.dir, 'run.sh');
  const quoted = [...home.program, ...words].map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
  writeFileSync(run, `stty cols 120 rows 200 -echo\n${quoted}\ntrue\n`);
  return execFileSync('script', ['-qec', `sh ${run}`, '/dev/null'], {
    env: { ...home.env, TERM: 'xterm' },
    input: 'n\n',
    encoding: 'utf8',
  });
}

/** What steers the terminal but for Warder's own colours, and lines that a server has written. */
function obeyed(written: string): string[] {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the test is that there are none
  const steers = /\u001b\[(?:35m|31mEVIL|2J)|[\u0007\u009b\u202e]|\r(?!\r?\n)|^fake:/gm;
  return written.match(steers) ?? [];
}

test('W-WIRE-3 no verb writes a sequence or a line of a server on the terminal', async () => {
  await using home = new Home();
  const changes = join(home.dir, 'changed');
  home.profile('odd', {
    server: { command: process.execPath, args: [escapes, changes] },
    sandbox: { off: true },
    policy: {
      default: 'ask',
      tools: { plain: 'allow' },
      resources: { default: 'allow' },
      prompts: { default: 'allow' },
    },
  });
  const host = home.run('odd');
  await host.initialize('2025-11-25');
  for (const kind of ['tools', 'prompts', 'resources']) await host.ask(`${kind}/list`, {}).answer;
  await host.call('plain');
  await host.ask('prompts/get', { name: `prompt${EVIL}` }).answer;
  await host.ask('resources/read', { uri: `x://resource${EVIL}` }).answer;
  await using watch = new Client([...home.program, 'approvals', '--watch', '--json'], home.env);
  await watch.until(() => watch.lines.length > 0, 'who watches');
  const asked = host.ask('tools/call', { name: `tool${EVIL}`, arguments: { [EVIL]: EVIL } });
  await watch.until(() => watch.lines.join('').includes('tool'), 'the question');
  const [{ id }] = await home.facts('approvals');

  const written = new Map<string, string>();
  const run = (...words: string[]): void => {
    const text = onTerminal(home, words);
    expect(obeyed(text), `${words.join(' ')}\n${text.slice(0, 4000)}`).toEqual([]);
    written.set(words.slice(0, 2).join(' '), text);
  };
  run('approvals');
  run('approve', id, '--session', '--tool');
  await asked.answer;
  run('grants');
  run('status');
  run('audit', 'list');
  run('audit', 'show', String(home.audit('tool.call').at(-1)?.seq));
  run('audit', 'export');
  run('trust', 'show', 'odd');
  run('policy', 'check', 'odd', `tool${EVIL}`);
  run('policy', 'suggest', 'odd');
  await host.close();

  writeFileSync(changes, '');
  await using other = home.run('odd');
  await other.initialize('2025-11-25');
  // What it lists now is seen once something needs it.
  await other.call('plain');
  run('trust', 'diff', 'odd');
  run('trust', 'accept', 'odd');
  run('test', 'odd');
  run('check', 'odd');
  run('list');
  run('doctor');
  for (const verb of [
    'approvals',
    'grants',
    'audit list',
    'trust show',
    'policy check',
    'trust diff',
    'trust accept',
  ])
    expect(written.get(verb), verb).toContain('EVIL');
});
