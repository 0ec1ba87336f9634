// `warder add` and `warder policy choose`: a server's tools are offered, and the user marks what needs no question.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadProfile } from '../../src/profile/load.ts';
import { until } from '../fixtures/echo-home.ts';
import { Home, server } from '../fixtures/home.ts';

const claims = join(import.meta.dirname, '../fixtures/servers/claims.mjs');
const [DOWN, SPACE, ENTER, INTERRUPT] = ['\u001b[B', ' ', '\r', '\u0003'];

/** What is typed, once something is shown. */
type Turn = readonly [shown: string, ...keys: string[]];

/** Runs a command on a terminal that `script` provides. */
async function onTerminal(home: Home, words: readonly string[], ...turns: readonly Turn[]): Promise<string> {
  const quoted = [...home.program, ...words].map((word) => `'${word}'`).join(' ');
  const child = spawn('script', ['-qec', `stty cols 120 rows 40; exec ${quoted}`, '/dev/null'], {
    env: { ...home.env, TERM: 'xterm' },
  });
  let shown = '';
  child.stdout.on('data', (text) => {
    shown += text;
  });
  const closed = once(child, 'close');
  for (const [text, ...keys] of turns) {
    await until(() => shown.includes(text), text);
    for (const key of keys) {
      child.stdin.write(key);
      // An arrow is three bytes, and an escape alone is a key too.
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
  const [code] = await closed;
  expect(code).toBe(0);
  return shown;
}

const OFFER = 'Enter:';
/** Some text of the fixture looks odd. */
const ODD = 'all the same? [y/N]';

const rulesOf = (home: Home, name: string) => loadProfile(home.places, name).profile.policy;

test('W-POL-14 add offers the tools of a real server, and nothing is allowed that was not marked', async () => {
  await using home = new Home();
  const shown = await onTerminal(
    home,
    ['add', 'ev', '--', ...server('everything')],
    // What was typed before there was a question is no answer to it.
    ['', SPACE, 'a'],
    [OFFER, DOWN, SPACE, ENTER],
    [ODD, 'y\r'],
  );
  expect(shown).toContain('"ev" has 16 tools');
  expect(shown).toContain('claims: changes nothing');
  expect(shown).toContain('"echo": allow');
  expect(shown).toContain('what the server lists is accepted as it is');
  expect(await home.facts('trust', 'show', 'ev')).toMatchObject({
    state: 'accepted',
    record: { by: 'terminal' },
  });
  expect(rulesOf(home, 'ev')).toMatchObject({ default: 'ask', tools: { echo: 'allow' } });

  await using host = home.run('ev');
  await host.initialize('2025-11-25');
  expect(
    (await host.ask('tools/call', { name: 'get-sum', arguments: { a: 1, b: 2 } }).answer).result.isError,
  ).toBe(true);
  expect(home.audit('tool.call')).toMatchObject([
    { tool: 'get-sum', decision: 'deny', rule: 'consent.nobody' },
  ]);
});

test('W-POL-14 claims mark nothing, and a name that would be a pattern cannot be marked', async () => {
  await using home = new Home();
  const first = await onTerminal(
    home,
    ['add', 'c', '--', process.execPath, claims],
    [OFFER, ENTER],
    [ODD, 'y\r'],
  );
  expect(first).toContain('always asked about, since a rule for the name would be a pattern: get_*');
  expect(first).toContain('always asked about, since no rule can name it: get_\\u001b[31m');
  expect(first).toContain('\\u001b[2Jcleared \\u202egnp.exe');
  expect(rulesOf(home, 'c')).toMatchObject({ default: 'ask', tools: {} });

  // A key on the heading marks all below it: what is named like a change is not there, whatever it claims.
  await onTerminal(home, ['policy', 'choose', 'c'], [OFFER, SPACE, ENTER]);
  expect(rulesOf(home, 'c').tools).toEqual({ get_item: 'allow' });

  // What was allowed is marked, and can be taken back; who cancels changes nothing.
  await onTerminal(home, ['policy', 'choose', 'c'], [OFFER, INTERRUPT]);
  expect(rulesOf(home, 'c').tools).toEqual({ get_item: 'allow' });
  await onTerminal(home, ['policy', 'choose', 'c'], [OFFER, SPACE, ENTER]);
  expect(rulesOf(home, 'c').tools).toEqual({ get_item: 'ask' });
});

test('comments stay, what a pattern decides is not offered, and "default: allow" ends', async () => {
  await using home = new Home();
  const text = `# mine\nserver:\n  command: ${process.execPath} # node\n  args: [${claims}]\npolicy:\n  default: allow # all\n  tools:\n    "get_*": ask # always\n`;
  home.profile('c', text);
  const shown = await onTerminal(home, ['policy', 'choose', 'c'], [OFFER, DOWN, SPACE, ENTER], [ODD, 'n\r']);
  expect(shown).toContain('nothing was accepted: the first call asks');
  expect(await home.facts('trust', 'show', 'c')).toMatchObject({ state: 'none' });
  expect(shown).toContain('ask, as policy.tools.get_* says: get_item');
  expect(shown).toContain('"default: allow" has become "default: ask"');
  expect(readFileSync(join(home.places.profiles, 'c.yaml'), 'utf8')).toBe(
    `${text.replace('allow # all', 'ask # all')}    "delete_all": allow\n`,
  );
});

test('without a terminal nothing is started, and options name the tools', async () => {
  await using home = new Home();
  const words = ['--allow', 'get_item', '--ask', 'do_it', '--deny', 'delete_*'];
  const printed = await home.done(['add', 'c', ...words, '--', process.execPath, claims]);
  expect(printed).toContain('default: ask # what no pattern names: a person is asked');
  expect(printed).toContain('warder policy choose c');
  expect(rulesOf(home, 'c')).toMatchObject({
    default: 'ask',
    tools: { get_item: 'allow', do_it: 'ask', 'delete_*': 'deny' },
  });
  expect((await home.warder(['policy', 'choose', 'c'])).stderr).toContain('name the tools with --allow');
  await home.done(['policy', 'choose', 'c', '--allow', 'do_it']);
  expect(rulesOf(home, 'c').tools).toMatchObject({ do_it: 'allow' });
});

test('a trial that fails leaves a profile that asks, and what to do is said', async () => {
  await using home = new Home();
  const words = ['add', 'c', '--test', '--credential', 'TOKEN', '--', process.execPath, claims];
  const printed = await home.done(words);
  expect(printed).toContain('"c" has listed no tools yet: ');
  expect(printed).toContain('warder credential set c TOKEN');
  expect(printed).toContain('warder policy choose c');
  expect(rulesOf(home, 'c')).toMatchObject({ default: 'ask', tools: {} });
});

test('add asks for the secrets that it needs: one that is typed is stored and shown nowhere, one that is not is named', async () => {
  await using home = new Home();
  await home.done(['init', '--store', 'vault', '--key-file', join(home.dir, 'key')]);
  const add = ['--credential', 'TOKEN', '--', process.execPath, claims];
  const later = await onTerminal(home, ['add', 'later', ...add], ['[set it later]: ', '\r']);
  expect(later).toContain('"later" is started once TOKEN is set');
  expect(later).toContain('warder credential set later TOKEN');
  const secret = 'made-up-0123456789-value';
  const shown = await onTerminal(
    home,
    ['add', 'now', ...add],
    ['value of "now/TOKEN" [set it later]: ', `${secret}\r`],
    [OFFER, ENTER],
    [ODD, 'n\r'],
  );
  expect(shown).toMatch(/set "now\/TOKEN" in the vault: version \w+/);
  expect(shown).not.toContain(secret);
  expect(shown).not.toContain('warder credential set');
  const { credentials } = await home.facts('credential', 'list', '--json');
  expect(credentials.map(({ name }: { name: string }) => name)).toEqual(['now/TOKEN']);
});
