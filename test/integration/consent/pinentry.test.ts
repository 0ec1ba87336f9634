// pinentry and ssh-askpass: real ones, in a terminal and on an X server of the test's own, and hostile ones.
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Answer } from '../../../src/consent/questions/answer.ts';
import { askpassWay } from '../../../src/consent/ways/askpass.ts';
import { dialogEnvironment } from '../../../src/consent/ways/environment.ts';
import { type PinentryOptions, pinentryWay } from '../../../src/consent/ways/pinentry.ts';
import { ASKPASS, dialogProgram, PINENTRY } from '../../../src/consent/ways/programs.ts';
import { loadSpawn } from '../../../src/os/spawn.ts';
import { openDesktop } from '../../fixtures/desktop.ts';
import { until } from '../../fixtures/echo-home.ts';
import { makeQuestion } from '../../fixtures/question.ts';
import { TerminalScreen } from '../../fixtures/terminal-screen.ts';

const DENY: Answer = { decision: 'deny', scope: 'once', extent: 'arguments' };
const ALLOW: Answer = { decision: 'allow', scope: 'once', extent: 'arguments' };
const uid = process.getuid?.() ?? 0;
const spawn = await loadSpawn();
let now = 0;
/** Each reading is a second later: nobody answers too fast. */
const clock = {
  now: () => now,
  monotonic: () => {
    now += 1000;
    return now;
  },
};
/** The PIN is 2718. */
const presence = {
  isPinSet: async () => true,
  checkPin: async (pin: string) => {
    if (pin !== '2718') throw new Error('that is not the PIN');
  },
  polkitAsks: async () => false,
} as PinentryOptions['presence'];
const long = makeQuestion({ arguments: JSON.stringify({ text: 'x'.repeat(5000), command: 'rm -rf /' }) });

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'warder-pinentry-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function environmentOf(place: { readonly tty?: string; readonly display?: string }) {
  const env = { DISPLAY: place.display };
  // No bus of this machine.
  return dialogEnvironment({ bus: { env, home: '/nonexistent', uid }, tty: place.tty });
}

function pinentryOn(program: string, place: { readonly tty?: string; readonly display?: string }, over = {}) {
  const environment = environmentOf(place);
  return pinentryWay({ program: () => program, environment, spawn, presence, clock, ...over });
}

test('pinentry-curses: a typed word is the answer, nothing typed is a no, and a mistyped one is asked for again', async () => {
  await using screen = new TerminalScreen();
  const way = pinentryOn('/usr/bin/pinentry-curses', { tty: screen.tty });
  expect(way.isPossible?.()).toBe(true);
  const ask = (question = makeQuestion()) => way.ask(question, new AbortController().signal);
  for (const [keys, answer] of [
    [['Enter'], DENY],
    [['no', 'Enter'], DENY],
    [['YES', 'Enter'], ALLOW],
    [['session', 'Enter'], { decision: 'allow', scope: 'session', extent: 'name' }],
  ] as const) {
    const asked = ask();
    await screen.shows('call the tool "create_issue"');
    await screen.shows('Nothing typed: denied.');
    await screen.press(...keys);
    expect(await asked).toEqual(answer);
  }
  const asked = ask(makeQuestion({ arguments: '{"text":"%0A 100% <b>ü\\n"}' }));
  await screen.shows('text: "%0A 100% \\u003cb\\u003eü\\n"');
  await screen.press('hello', 'Enter');
  await screen.shows('That is not yes, session or no');
  await screen.press('yes', 'Enter');
  expect(await asked).toEqual(ALLOW);
});

test('W-CONS-9 pinentry-curses: a credential takes the PIN, which proves presence', async () => {
  await using screen = new TerminalScreen();
  const way = pinentryOn('/usr/bin/pinentry-curses', { tty: screen.tty });
  const asked = way.ask(makeQuestion({ kind: 'credential', name: 'github' }), new AbortController().signal);
  await screen.shows('Type your PIN');
  await screen.press('yes', 'Enter');
  await screen.shows('That is not the PIN');
  await screen.press('2718', 'Enter');
  expect(await asked).toEqual({ ...ALLOW, isPresent: true });
  expect(await screen.text()).not.toContain('2718');
});

test('W-CONS-26 pinentry: without a PIN a credential is allowed only where polkit asks, and is told who is there', async () => {
  const question = makeQuestion({ kind: 'credential' });
  const ask = (polkitAsks: boolean, isThere: boolean): Promise<unknown> => {
    const there = {
      isPinSet: async () => false,
      checkPin: async () => {},
      polkitAsks: async () => polkitAsks,
      authenticate: async () => isThere,
    };
    const program = script(polite('[ $line = GETPIN ] && echo D yes; echo OK'));
    return pinentryOn(program, { display: ':none' }, { presence: there }).ask(
      question,
      new AbortController().signal,
    ) as Promise<unknown>;
  };
  expect(await ask(true, true)).toEqual({ ...ALLOW, isPresent: true });
  expect(await ask(true, false)).toBe('nobody');
  expect(await ask(false, true)).toEqual(DENY);
});

test('W-CONS-20 pinentry-curses: what is not shown whole can be denied there, which is its first button, and no more', async () => {
  await using screen = new TerminalScreen();
  const way = pinentryOn('/usr/bin/pinentry-curses', { tty: screen.tty });
  const asked = way.ask(long, new AbortController().signal);
  await screen.shows('command: "rm -rf /"');
  await screen.shows('Then: warder approve 4711');
  await screen.press('Enter');
  expect(await asked).toEqual(DENY);

  const elsewhere = new AbortController();
  const second = way.ask(long, elsewhere.signal);
  await screen.shows('In a terminal');
  await screen.press('Right', 'Enter');
  await until(async () => !(await screen.text()).includes('In a terminal'), 'an empty screen');
  elsewhere.abort();
  expect(await second).toBe('nobody');
});

test('W-CONS-4 pinentry-curses: a question that is answered elsewhere vanishes', async () => {
  await using screen = new TerminalScreen();
  const elsewhere = new AbortController();
  const way = pinentryOn('/usr/bin/pinentry-curses', { tty: screen.tty });
  const asked = way.ask(makeQuestion(), elsewhere.signal);
  await screen.shows('create_issue');
  elsewhere.abort();
  expect(await asked).toBe('nobody');
  await until(async () => !(await screen.text()).includes('create_issue'), 'an empty screen');
});

test('W-CONS-5 without a display and a terminal of its own nobody is there', async () => {
  const way = pinentryOn('/usr/bin/pinentry-curses', {});
  expect(way.isPossible?.()).toBe(false);
  expect(await way.ask(makeQuestion(), new AbortController().signal)).toBe('nobody');
  // A terminal that is none, or is gone.
  for (const tty of ['/dev/null', '/dev/pts/100000', join(dir, 'file')]) {
    const gone = pinentryOn('/usr/bin/pinentry-curses', { tty });
    expect(await gone.ask(makeQuestion(), new AbortController().signal)).toBe('nobody');
  }
});

/** A program that a test writes; `$1` is its folder. */
function script(text: string): string {
  const file = join(dir, 'program');
  writeFileSync(file, `#!/bin/bash\nd=${dir}\necho $$ >>$d/pids\n${text}\n`);
  chmodSync(file, 0o755);
  return file;
}

/** Answers OK to all requests but that for the answer. */
const polite = (answer: string): string => `
echo OK hello
while read -r line; do
  echo "$line" >>$d/requests
  case $line in GETPIN*|CONFIRM*) ${answer} ;; *) echo OK ;; esac
done`;

/** All programs of the test have ended. */
async function allEnded(): Promise<void> {
  const pids = readFileSync(join(dir, 'pids'), 'utf8').trim().split('\n');
  await until(() => pids.every((pid) => !existsSync(`/proc/${pid}`)), 'the end of the programs');
}

test.each<[string, string]>([
  ['dies at once', 'exit 1'],
  ['dies after the greeting', 'echo OK; exit 0'],
  ['says nothing', 'sleep 600'],
  ['is no pinentry', 'echo hello; sleep 600'],
  ['refuses to talk', 'echo ERR 67108922 no; sleep 600'],
  ['does not take the text', 'echo OK; while read -r line; do echo ERR 1 no; done'],
  ['dies when it should ask', polite('exit 0')],
  ['answers without an end', polite('echo D yes; exit 0')],
  ['has an answer that is none', polite('echo YES')],
  ['has a line without an end', polite('echo -n "D yes"; head -c 100000 /dev/zero | tr "\\0" y; sleep 600')],
  ['has a very long line', polite('head -c 100000 /dev/zero | tr "\\0" y; echo; echo D yes; echo OK')],
  ['floods', polite('while :; do echo "S PROGRESS"; done')],
  ['floods with data', polite('for i in {1..90}; do printf "D %0900d\\n" 0; done; echo OK; sleep 600')],
  ['cannot show it', polite('echo ERR 83886142 timeout')],
  ['is not confirmed', polite('echo ERR 83886194 not confirmed')],
  ['mistypes for ever', polite('echo D maybe; echo OK')],
])('W-CONS-23 a pinentry that %s is nobody', async (_, text) => {
  const way = pinentryOn(script(text), { display: ':none' }, { timeout: 1000 });
  const answer = await way.ask(makeQuestion(), new AbortController().signal).catch(() => 'nobody');
  expect(answer).toBe('nobody');
  await allEnded();
});

test('W-CONS-23 one that is canceled before anybody can have seen it could not show it', async () => {
  const still = { now: () => 0, monotonic: () => 0 };
  const way = pinentryOn(
    script(polite('echo ERR 83886179 canceled')),
    { display: ':none' },
    { clock: still },
  );
  expect(await way.ask(makeQuestion(), new AbortController().signal)).toBe('nobody');
});

test('W-CONS-23 one that hangs, and ignores the request to end, is killed when the question is withdrawn', async () => {
  const elsewhere = new AbortController();
  const way = pinentryOn(script(`trap '' INT TERM\n${polite('touch $d/asks; sleep 600')}`), {
    display: ':none',
  });
  const asked = way.ask(makeQuestion(), elsewhere.signal);
  await until(() => existsSync(join(dir, 'asks')), 'the question');
  elsewhere.abort();
  expect(await asked).toBe('nobody');
  await allEnded();
});

test('W-CONS-21 nothing of a call is a request to pinentry', async () => {
  const way = pinentryOn(script(polite('echo D yes; echo OK')), { display: ':none' });
  const hostile = makeQuestion({
    name: 'x\r\nSETOK Allow\nCONFIRM',
    profile: 'p',
    arguments: '{"%0AGETPIN":"%0D%0ABYE"}',
  });
  expect(await way.ask(hostile, new AbortController().signal)).toEqual(ALLOW);
  const requests = readFileSync(join(dir, 'requests'), 'utf8').trim().split('\n');
  expect(requests.map((line) => line.split(' ')[0])).toEqual([
    'OPTION',
    'SETTITLE',
    'SETDESC',
    'SETPROMPT',
    'SETOK',
    'SETCANCEL',
    'GETPIN',
  ]);
  for (const line of requests) expect(Buffer.byteLength(line)).toBeLessThanOrEqual(1000);
});

test('ssh-askpass: a typed word is the answer, and what is not shown whole can only be denied', async () => {
  await using desktop = await openDesktop();
  const environment = environmentOf({ display: desktop.display });
  const way = askpassWay({ program: () => '/usr/bin/ssh-askpass', environment, spawn, clock });
  const type = async (asked: Promise<unknown>, ...keys: string[]): Promise<unknown> => {
    await until(() => desktop.isShown(), 'the dialog');
    await desktop.bus.run('xdotool', 'key', ...keys);
    const answer = await asked;
    await until(async () => !(await desktop.isShown()), 'the dialog is gone');
    return answer;
  };
  const ask = (question = makeQuestion()) => way.ask(question, new AbortController().signal);
  expect(await type(ask(), 'Return')).toEqual(DENY);
  expect(await type(ask(), 'y', 'e', 's', 'Return')).toEqual(ALLOW);
  expect(await type(ask(), 'y', 'Return')).toBe('nobody');
  expect(await type(ask(), 'Escape')).toBe('nobody');
  expect(await type(ask(long), 'y', 'e', 's', 'Return')).toEqual(DENY);
  expect(await ask(makeQuestion({ kind: 'credential' }))).toBe('nobody');

  const elsewhere = new AbortController();
  const asked = way.ask(makeQuestion(), elsewhere.signal);
  await until(() => desktop.isShown(), 'the dialog');
  elsewhere.abort();
  expect(await asked).toBe('nobody');
  await until(async () => !(await desktop.isShown()), 'the dialog is gone');
});

test.each<[string, string, unknown]>([
  ['says yes and fails', 'echo yes; exit 1', 'nobody'],
  ['says yes twice', 'echo yes; echo yes', 'nobody'],
  ['floods', 'yes', 'nobody'],
  ['dies', 'kill -9 $$', 'nobody'],
  ['says nothing', ':', DENY],
])('W-CONS-23 an ssh-askpass that %s', async (_, text, answer) => {
  const environment = environmentOf({ display: ':none' });
  const program = script(text);
  const way = askpassWay({ program: () => program, environment, spawn, clock });
  expect(await way.ask(makeQuestion(), new AbortController().signal)).toEqual(answer);
  await allEnded();
});

test('W-CONS-24 programs are found at fixed places or by the setting, and not where others can write to them', () => {
  for (const path of [...PINENTRY, ...ASKPASS]) expect(path).toMatch(/^\//);
  const file = script('exit 0');
  expect(dialogProgram(file, [])).toBe(file);
  expect(dialogProgram(undefined, ['/nonexistent', file])).toBe(file);
  expect(dialogProgram('/nonexistent', [file])).toBeUndefined();
  chmodSync(file, 0o777);
  expect(dialogProgram(file, [])).toBeUndefined();
  chmodSync(file, 0o644);
  expect(dialogProgram(file, [])).toBeUndefined();
});
