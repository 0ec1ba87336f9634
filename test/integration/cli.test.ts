// The built command line, without a daemon.
import { execFile, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import manifest from '../../package.json' with { type: 'json' };

const program = join(import.meta.dirname, '../../bin/warder.js');
let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'warder-cli-'));
});
afterEach(() => rmSync(home, { recursive: true }));

interface Result {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

function warder(
  words: readonly string[],
  env: Record<string, string> = {},
  cwd: string | undefined = undefined,
): Promise<Result> {
  return new Promise((resolve) => {
    const options = { env: { HOME: home, PATH: '/usr/bin:/bin', ...env }, cwd };
    execFile(process.execPath, [program, ...words], options, (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code), out, err });
    });
  });
}

test('help names every command and gives examples', async () => {
  const { code, out } = await warder(['--help']);
  expect(code).toBe(0);
  for (const verb of [
    ...['run', 'add', 'credential', 'status', 'end', 'stop', 'daemon', 'audit', 'doctor', 'init'],
    ...['lock', 'unlock', 'revoke'],
  ]) {
    expect(out).toMatch(new RegExp(`^  warder ${verb} `, 'm'));
  }
  expect(out).toContain('Examples:');
  expect(await warder(['help', 'status'])).toEqual(await warder(['status', '--help']));
  expect((await warder(['--version'])).out).toBe(`${manifest.version}\n`);
  expect(await warder(['-v'])).toMatchObject({ code: 0, out: `${manifest.version}\n` });
});

test('nothing is read from the working folder, which may be of a stranger', async () => {
  const project = join(home, 'project');
  mkdirSync(project);
  // Whoever opens it waits for ever.
  spawnSync('mkfifo', [join(project, 'package.json')]);
  expect(existsSync(join(project, 'package.json'))).toBe(true);
  expect(await warder(['list', '--all'], {}, project)).toMatchObject({ code: 64, out: '' });
});

test('without arguments it is a usage error that shows the help', async () => {
  expect(await warder([])).toEqual({ code: 64, out: '', err: (await warder(['--help'])).out });
});

test.each([
  [['lst'], 'there is no command "lst"', 'did you mean "list"?'],
  [['frobnicate'], 'there is no command "frobnicate"', '"warder --help" lists the commands'],
  [['daemon', 'strat'], '"daemon" has no such command', 'did you mean "start"?'],
  [['daemon'], 'an argument is missing', '"warder daemon --help" shows how it is used'],
  [['status', '--jsn'], 'unknown argument: jsn', '"warder status --help" shows how it is used'],
  [['status', 'more'], 'unknown argument: more', '"warder status --help" shows how it is used'],
  [['--json'], 'a command is missing', '"warder --help" shows how it is used'],
  [
    ['add', 'notes', '--from-npx', '--', 'npx', '-y', 'server'],
    '"--from-npx" needs a value',
    'give it in one word, in quotes if it has spaces; "warder add --help" shows how it is used',
  ],
  [['run'], 'an argument is missing', '"warder run --help" shows how it is used'],
  [['run', 'a', 'b'], 'unknown argument: b', '"warder run --help" shows how it is used'],
  [['revoke'], 'an argument is missing', '"warder revoke --help" shows how it is used'],
  [['lock', '--pass'], 'unknown argument: pass', '"warder lock --help" shows how it is used'],
  [
    ['add', 'a', '--deliver', 'x'],
    '"deliver" is not one of its values',
    'use one of "sealed", "env", "file", "arg"',
  ],
  [['run', 'a', '--json'], 'run takes a profile and no options', 'use "warder run a"'],
])('%j is a usage error with a hint', async (words, error, hint) => {
  expect(await warder(words)).toEqual({
    code: 64,
    out: '',
    err: `warder: error: ${error}\nwarder: hint: ${hint}\n`,
  });
});

test('without a daemon status and stop succeed, and "daemon status" has an exit code', async () => {
  expect(await warder(['status'])).toMatchObject({ code: 0, out: expect.stringContaining('no daemon runs') });
  expect(await warder(['status', '--json'])).toMatchObject({ code: 0, out: '{"daemon":null}\n' });
  expect(await warder(['daemon', 'status'])).toMatchObject({ code: 69 });
  expect(await warder(['stop'])).toMatchObject({ code: 0, out: 'no daemon runs\n' });
  expect(await warder(['stop', '--json'])).toMatchObject({ code: 0, out: '{"stopped":null,"sessions":0}\n' });
  expect(existsSync(join(home, '.local'))).toBe(false);
});

test('nothing is coloured in a pipe', async () => {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the test is that there is none
  expect((await warder(['lst'])).err).not.toMatch(/\x1b/);
});

test('a relative WARDER_HOME is refused', async () => {
  expect(await warder(['status'], { WARDER_HOME: 'here' })).toMatchObject({
    code: 64,
    err: 'warder: error: WARDER_HOME is "here", which is not an absolute path\n',
  });
});

test('a reader that closes the pipe early is not an error', () => {
  const { status, stderr } = spawnSync(
    '/bin/sh',
    ['-c', '"$0" "$1" --help | true', process.execPath, program],
    {
      env: { HOME: home },
      encoding: 'utf8',
    },
  );
  expect([status, stderr]).toEqual([0, '']);
});

test('completing a word runs no command that the words before it make up', async () => {
  mkdirSync(join(home, '.config/warder/profiles'), { recursive: true, mode: 0o700 });
  const file = join(home, '.config/warder/profiles/github.yaml');
  writeFileSync(file, 'server: {command: cat}\n');
  const words = ['policy', 'choose', 'github', '--allow', 'read_file', ''];
  expect(await warder(['--get-yargs-completions', ...words])).toMatchObject({ code: 0, err: '' });
  expect(readFileSync(file, 'utf8')).toBe('server: {command: cat}\n');
  expect(await warder(['--get-yargs-completions', 'trust', 'diff', 'missing', ''])).toMatchObject({
    err: '',
  });
});

test('the completion script works in a shell, for commands, subcommands, options and profiles', async () => {
  mkdirSync(join(home, '.config/warder/profiles'), { recursive: true, mode: 0o700 });
  const profile =
    'server: {command: cat}\ncredentials: {TOKEN: {hosts: [a.b]}, B: {name: shared/b, deliver: env}}\n';
  writeFileSync(join(home, '.config/warder/profiles/github.yaml'), profile);
  mkdirSync(join(home, '.cursor'));
  const servers = { every: { command: 'npx', args: ['every'] }, 'not one word': { command: 'a' } };
  writeFileSync(join(home, '.cursor/mcp.json'), JSON.stringify({ mcpServers: servers }));
  const { out: script } = await warder(['completion', 'bash']);
  const asked = `warder() { "${process.execPath}" "${program}" "$@"; }
${script}
ask() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _warder; echo "\${COMPREPLY[*]}"; }
ask warder st; ask warder daemon sto; ask warder show ''; ask warder run git; ask warder status --j
ask warder rev; ask warder revoke ''; ask warder revoke sh; ask warder lock --p; ask warder add x --del
ask warder policy ''; ask warder policy suggest ''; ask warder trust ''; ask warder trust diff gi
ask warder import cur; ask warder import --apply cur; ask warder import --server ''; ask warder connect gi
ask warder connect github --host co; ask warder disconnect github --host z; ask warder hosts ''; ask warder hosts export gi
ask warder credential set g; ask warder credential set github ''; ask warder credential list ''; ask warder audit tail --profile g
ask warder undo --l; ask warder import --v; ask warder connect --pr; ask warder add --us
ask warder import --y`;
  const { stdout, stderr } = spawnSync('bash', ['-c', asked], {
    env: { HOME: home, PATH: '/usr/bin:/bin' },
    encoding: 'utf8',
  });
  expect(stderr).toBe('');
  expect(stdout.split('\n')).toEqual([
    ...['status stop', 'stop', 'github', 'github', '--json'],
    ...['revoke', 'github/TOKEN shared/b', 'shared/b', '--passphrase', '--deliver'],
    ...['test choose suggest', 'github', 'show diff accept', 'github'],
    ...['cursor', 'cursor', 'every', 'github', 'copilot-cli codex continue', 'zed', 'export', 'github'],
    ...['github', 'TOKEN B', '', 'github', '--list', '--version --values', '--project --print'],
    ...['--user-config --use-stored', '--yes', ''],
  ]);
  expect((await warder(['completion', 'zsh'])).out).toMatch(/^#compdef warder\n/);
  expect((await warder(['completion'], { SHELL: '/usr/bin/bash' })).out).toBe(script);
  expect((await warder(['completion'], { SHELL: '/usr/bin/fish' })).out).toMatch(/\ncomplete -c warder /);
  expect(await warder(['completion'], { SHELL: '/bin/tcsh' })).toMatchObject({ code: 64 });
});

test('ls and rm are list and remove, in help, in completion and in use', async () => {
  mkdirSync(join(home, '.config/warder/profiles'), { recursive: true, mode: 0o700 });
  writeFileSync(join(home, '.config/warder/profiles/github.yaml'), 'server: {command: cat}\n');
  expect((await warder(['--help'])).out).toMatch(/list the profiles\s+\[aliases: ls\]/);
  const listed = await warder(['ls', '--json']);
  expect(listed).toEqual(await warder(['list', '--json']));
  expect(JSON.parse(listed.out)).toMatchObject([{ name: 'github' }]);
  expect((await warder(['rm', '--help'])).out).toBe((await warder(['remove', '--help'])).out);
  expect((await warder(['--get-yargs-completions', 'rm', ''])).out).toBe('github\n');
  expect(await warder(['rm', 'missing', '--yes'])).toMatchObject({ code: 65 });
});

/** A `systemctl` that records its arguments. */
function systemctl(): { path: string; calls(): string[] } {
  const folder = join(home, 'bin');
  const log = join(home, 'calls');
  mkdirSync(folder);
  writeFileSync(join(folder, 'systemctl'), `#!/bin/sh\necho "$*" >> ${log}\n`, { mode: 0o755 });
  return { path: `${folder}:/usr/bin:/bin`, calls: () => readFileSync(log, 'utf8').trim().split('\n') };
}

test('the daemon is installed for systemd, enabled, and uninstalled', async () => {
  const { path: PATH, calls } = systemctl();
  const folder = join(home, '.config/systemd/user');
  const { code, out } = await warder(['daemon', 'install'], { PATH, XDG_STATE_HOME: join(home, 'state') });
  expect(code).toBe(0);
  expect(out).toContain(join(folder, 'warder.service'));
  const service = readFileSync(join(folder, 'warder.service'), 'utf8');
  expect(service).toContain(`ExecStart="${home}/.local/share/warder/bin/warder" "daemon" "run"`);
  expect(service).toContain(`Environment="XDG_STATE_HOME=${home}/state"`);
  expect(readFileSync(join(folder, 'warder.socket'), 'utf8')).toContain(
    `ListenStream=${home}/state/warder/run/daemon.sock\n`,
  );
  expect(calls()).toEqual(['--user daemon-reload', '--user enable --now warder.socket']);

  expect(await warder(['daemon', 'uninstall'], { PATH })).toMatchObject({ code: 0 });
  expect(existsSync(join(folder, 'warder.service')) || existsSync(join(folder, 'warder.socket'))).toBe(false);
  expect(calls().slice(2)).toEqual([
    '--user disable --now warder.socket warder.service',
    '--user daemon-reload',
  ]);
  const { out: nothing } = await warder(['daemon', 'uninstall', '--json'], { PATH });
  expect(JSON.parse(nothing)).toEqual({
    removed: [],
    launchCommand: join(home, '.local/share/warder/bin/warder'),
  });
});

test('without systemd the files are written, and the command that enables them is printed', async () => {
  const { out } = await warder(['daemon', 'install', '--json'], { PATH: '/nowhere' });
  expect(JSON.parse(out)).toMatchObject({
    enabled: false,
    enable: 'systemctl --user enable --now warder.socket',
  });
});

test('W-WIRE-8 doctor names files that others can access, and how to fix that', async () => {
  mkdirSync(join(home, '.local/state/warder/run'), { recursive: true, mode: 0o700 });
  writeFileSync(join(home, '.local/state/warder/daemon.log'), '', { mode: 0o644 });
  chmodSync(join(home, '.local/state/warder/run'), 0o755);
  const { code, out } = await warder(['doctor', '--json']);
  expect(code).toBe(1);
  const { ok, checks } = JSON.parse(out);
  expect(ok).toBe(false);
  const found = (name: string) => checks.find((check: { name: string }) => check.name === name);
  expect(found('node')).toMatchObject({ state: 'ok' });
  expect(found('state')).toMatchObject({ state: 'fail', detail: expect.stringContaining('daemon.log') });
  expect(found('run')).toMatchObject({ state: 'fail', hint: expect.stringContaining('chmod') });
  expect(found('socket')).toMatchObject({ state: 'fail', hint: expect.stringContaining('chmod 700') });
  expect(found('daemon')).toMatchObject({ state: 'fail' });
  expect((await warder(['doctor'])).out).toMatch(/^fail {2}socket: .* is open to other users$/m);
});
