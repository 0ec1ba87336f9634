// Values from commands: real ones, good and bad.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { commandEnvironment, readFromCommand } from '../../../../src/credential/source/command-source.ts';
import { WarderError } from '../../../../src/errors.ts';
import { loadSpawn, type Spawn } from '../../../../src/os/spawn.ts';

const facts = { nodeDir: '/opt/node/bin', home: tmpdir(), user: 'tester', lang: 'C.UTF-8', tz: undefined };
const env = commandEnvironment(facts, {}, -1);
let spawn: Spawn;
beforeAll(async () => {
  spawn = await loadSpawn();
});

/** Runs a shell script as the command; `$1` is a secret that must not appear. */
const SECRET = 'secret-argument-0123456789';
const script = (text: string, timeout?: number): Promise<string> =>
  readFromCommand('github/token', ['/bin/sh', '-c', text, 'sh', SECRET], {
    spawn,
    env,
    home: tmpdir(),
    ...(timeout !== undefined && { timeout }),
  });

/** The error of a command: its code, and everything else as text. */
async function refused(running: Promise<string>): Promise<{ code: string; text: string }> {
  const error = await running.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof WarderError)) throw new Error('the command was not refused', { cause: error });
  const { code, message, hint, cause } = error;
  return { code, text: `${message}; ${hint}; ${cause}` };
}

test.each([
  ['one newline', "printf 'value\\n'", 'value'],
  ['one newline of Windows', "printf 'value\\r\\n'", 'value'],
  ['no newline', "printf 'value'", 'value'],
  ['two newlines', "printf 'value\\n\\n'", 'value\n'],
  ['spaces', "printf ' value '", ' value '],
  ['lines', "printf 'one\\ntwo\\n'", 'one\ntwo'],
  ['no ASCII', "printf 'p\\303\\244ss'", 'päss'],
  ['a byte order mark', "printf '\\357\\273\\277value'", '\ufeffvalue'],
  ['all that fits', "head -c 65536 /dev/zero | tr '\\0' x", 'x'.repeat(65536)],
])('the output of a command is the value: %s', async (_what, text, value) => {
  expect(await script(text)).toBe(value);
});

test('a command has no input, runs in the home folder, and gets nothing of the environment', async () => {
  expect(await script('cat; pwd')).toBe(tmpdir());
  process.env.WARDER_TEST_LEAK = 'leak';
  try {
    const seen = (await script('env')).split('\n').map((line) => line.split('=')[0]);
    const own = ['HOME', 'LANG', 'LOGNAME', 'PATH', 'USER'];
    // The shell adds the latter three.
    expect(seen.filter((name) => !['PWD', 'OLDPWD', 'SHLVL', '_'].includes(name ?? '')).sort()).toEqual(own);
  } finally {
    delete process.env.WARDER_TEST_LEAK;
  }
});

test('no shell reads the arguments', async () => {
  const parts = { spawn, env, home: tmpdir() };
  expect(await readFromCommand('name', ['printf', '%s', '$HOME; `id` $(id) *'], parts)).toBe(
    '$HOME; `id` $(id) *',
  );
});

test.each([
  ['fails', 'echo $1; echo $1 >&2; echo printed-value; exit 7', /"sh" of "github\/token" ended with code 7/],
  ['is killed', 'echo printed-value; kill -9 $$', /was killed by SIGKILL/],
  ['prints nothing', 'echo $1 >&2', /printed nothing/],
  ['prints a newline alone', 'echo', /printed nothing/],
  ['prints a NUL', "printf 'printed-value\\0more'", /printed a NUL/],
  ['prints no text', "printf 'printed-value\\377'", /not print UTF-8/],
  ['prints without end', 'yes printed-value', /more than 64 KiB/],
])(
  'W-CRED-36 a command that %s gives an error without its output and arguments',
  async (_what, text, message) => {
    const error = await refused(script(text));
    expect(error.code).toBe('credential-source');
    expect(error.text).toMatch(message);
    expect(error.text).not.toMatch(/secret-argument|printed-value|-c/);
  },
);

test.each([
  ['a name', 'no-such-command', /"no-such-command" .* is not found; .*:/],
  ['a path', '/no/such/command', /"command" .* is not found/],
  ['a relative path', './sh', /"sh" .* is not found; .*absolute/],
  ['a path below home', '~/no/such', /"such" .* is not found/],
  ['a folder', '/usr', /"usr" .* is not found/],
])('a missing command is an error: %s', async (_what, command, message) => {
  const error = await refused(readFromCommand('name', [command, SECRET], { spawn, env, home: tmpdir() }));
  expect(error).toEqual({ code: 'credential-source', text: expect.stringMatching(message) });
  expect(error.text).not.toContain(SECRET);
});

test('a command below home is found, and one that cannot be started is an error', async () => {
  const home = mkdtempSync(join(tmpdir(), 'warder-source-'));
  try {
    mkdirSync(join(home, '.local/bin'), { recursive: true });
    writeFileSync(join(home, '.local/bin/mine'), '#!/bin/sh\necho mine\n', { mode: 0o755 });
    writeFileSync(join(home, 'odd'), '#!/no/such/interpreter\n', { mode: 0o755 });
    const parts = { spawn, env: commandEnvironment({ ...facts, home }, {}, -1), home };
    expect(await readFromCommand('name', ['mine'], parts)).toBe('mine');
    expect(await readFromCommand('name', ['~/.local/bin/mine'], parts)).toBe('mine');
    expect((await refused(readFromCommand('name', ['~/odd'], parts))).text).toMatch(
      /cannot be started \(ENOENT\)/,
    );
  } finally {
    rmSync(home, { recursive: true });
  }
});

test('W-CRED-37 a command that hangs is killed with all its processes', async () => {
  const home = mkdtempSync(join(tmpdir(), 'warder-source-'));
  try {
    const pids = join(home, 'pids');
    const running = script(
      `sh -c 'trap "" TERM; echo $$ >>${pids}; sleep 100' & echo $$ >>${pids}; trap "" TERM; wait`,
      1500,
    );
    const { code, text } = await refused(running);
    expect(code).toBe('credential-source');
    expect(text).toMatch(/took longer than 1.5 s/);
    expect(readFileSync(pids, 'utf8').trim().split('\n')).toHaveLength(2);
    await gone(pids);
  } finally {
    rmSync(home, { recursive: true });
  }
});

test('W-CRED-37 a process that a command leaves behind is killed, and does not delay the value', async () => {
  const home = mkdtempSync(join(tmpdir(), 'warder-source-'));
  try {
    const pids = join(home, 'pids');
    expect(await script(`sleep 100 & echo $! >${pids}; echo value`)).toBe('value');
    await gone(pids);
    // A process with its own session, such as an agent that the tool started, is not killed. It keeps the pipe open.
    const agent = `setsid sh -c 'echo $$ >${pids}.agent; sleep 100' & while ! [ -s ${pids}.agent ]; do sleep 0.01; done; echo value`;
    expect(await script(agent)).toBe('value');
    process.kill(-Number(readFileSync(`${pids}.agent`, 'utf8')), 'SIGKILL');
  } finally {
    rmSync(home, { recursive: true });
  }
});

test('only variables of the session are passed on from the environment, and no token', () => {
  const daemon = {
    DISPLAY: ':0',
    SSH_AUTH_SOCK: '/run/agent',
    DBUS_SESSION_BUS_ADDRESS: 'unix:path=/run/bus',
    OP_SERVICE_ACCOUNT_TOKEN: 'token',
    NODE_OPTIONS: '--require=/tmp/x',
    PATH: '/somewhere',
    WAYLAND_DISPLAY: '',
  };
  expect(commandEnvironment({ ...facts, home: '/home/tester' }, daemon, -1)).toEqual({
    PATH: '/opt/node/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin:/opt/homebrew/bin:/snap/bin:/home/tester/.local/bin',
    HOME: '/home/tester',
    USER: 'tester',
    LOGNAME: 'tester',
    LANG: 'C.UTF-8',
    DISPLAY: ':0',
    SSH_AUTH_SOCK: '/run/agent',
    DBUS_SESSION_BUS_ADDRESS: 'unix:path=/run/bus',
  });
});

/** Waits until none of the processes in a file of pids runs. */
async function gone(file: string): Promise<void> {
  const runs = (pid: string): boolean =>
    existsSync(`/proc/${pid}`) && !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  const pids = readFileSync(file, 'utf8').trim().split('\n');
  await expect.poll(() => pids.filter(runs)).toEqual([]);
}
