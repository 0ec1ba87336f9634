import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadProfile } from '../../src/profile/load.ts';
import { Home } from '../fixtures/home.ts';

/** An editor that runs one shell command on the file `$1` at each call. */
function editor(home: Home, ...scripts: string[]): void {
  const count = join(home.dir, 'count');
  const cases = scripts.map((script, index) => `${index + 1}) ${script} ;;`).join('\n');
  const file = join(home.dir, 'my editor');
  writeFileSync(file, `#!/bin/sh\necho x >> '${count}'\ncase $(wc -l < '${count}') in\n${cases}\nesac\n`);
  chmodSync(file, 0o700);
  home.env.EDITOR = file;
}

describe('add', () => {
  test('writes a profile, and prints its defaults, the next steps and the entry for the host', async () => {
    await using home = new Home();
    writeFileSync(join(home.dir, 'server.js'), '');
    const { code, stdout } = await home.warder([
      ...[
        'add',
        'github',
        '--description',
        'My GitHub',
        '--credential',
        'GITHUB_TOKEN',
        '--env',
        'LEVEL=1.10',
      ],
      ...[
        '--deny',
        'delete_*',
        '--allow',
        'get_*',
        '--',
        'node',
        './server.js',
        '--port',
        '8080',
        '007',
        '--',
        '-x',
      ],
    ]);
    expect(code).toBe(0);
    const file = join(home.places.profiles, 'github.yaml');
    expect(stdout).toContain(`wrote ${file}`);
    expect(stdout).toContain('GITHUB_TOKEN is delivered by "env": the server gets the value itself');
    expect(stdout).toContain('network: none; "--host HOST" lists what the server may reach');
    expect(stdout).toContain(
      '  policy:\n    default: ask # what no pattern names: a person is asked\n    tools:\n',
    );
    expect(stdout).toContain(`cwd: ${home.dir}, where ./server.js is`);
    expect(stdout).toContain('warder credential set github GITHUB_TOKEN');
    expect(JSON.parse(stdout.slice(stdout.indexOf('{\n')))).toEqual({
      github: {
        command: join(home.dir, '.local/share/warder/bin/warder'),
        args: ['run', 'github'],
      },
    });

    expect(statSync(file).mode & 0o777).toBe(0o600);
    const written = readFileSync(file, 'utf8');
    expect(written).toMatch(/^# yaml-language-server: \$schema=\/.*\/profiles\/schema\.json\n/);
    expect(existsSync(/schema=(.*)\n/.exec(written)?.[1] ?? '')).toBe(true);
    const { profile } = loadProfile(home.places, 'github');
    expect(profile).toMatchObject({
      description: 'My GitHub',
      server: { command: 'node', args: ['./server.js', '--port', '8080', '007', '--', '-x'], cwd: home.dir },
      env: { LEVEL: '1.10' },
      credentials: [{ variable: 'GITHUB_TOKEN', name: 'github/GITHUB_TOKEN', deliver: 'env' }],
      policy: { default: 'ask', tools: { 'delete_*': 'deny', 'get_*': 'allow' } },
    });
    expect(profile.sandbox).toBeUndefined();
  });

  test('seals the credentials if there is a host, and check prints their restrictions and the network', async () => {
    await using home = new Home();
    const words = ['--credential', 'GITHUB_TOKEN', '--host', 'api.github.com', '--', 'cat'];
    expect(await home.done(['add', 'github', ...words])).toContain(
      'GITHUB_TOKEN is sealed: the server gets a placeholder, and the secret goes to api.github.com only',
    );
    const { code, stdout } = await home.warder(['check', 'github']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/GITHUB_TOKEN: github\/GITHUB_TOKEN, sealed, \w+\n +hosts +api\.github\.com\n/);
    expect(stdout).toContain('\n  network api.github.com, ports 80 and 443\n');
    expect(await home.done(['show', 'github'])).toContain('    hosts:\n      - api.github.com\n');
    expect(await home.done(['list'])).toMatch(/github +ok +\S+ of 1, sealed/);
  });

  test('the entry for the host has WARDER_HOME if it is set', async () => {
    await using home = new Home();
    home.env.WARDER_HOME = join(home.dir, 'elsewhere');
    const { host, file } = JSON.parse(await home.done(['add', 'github', '--json', '--', 'cat']));
    expect(host.env).toEqual({ WARDER_HOME: home.env.WARDER_HOME });
    expect(file).toBe(join(home.dir, 'elsewhere/config/profiles/github.yaml'));
  });

  test('prints one JSON value', async () => {
    await using home = new Home();
    expect(JSON.parse(await home.done(['add', 'plain', '--json', '--', '/bin/cat']))).toMatchObject({
      name: 'plain',
      notes: [expect.stringMatching(/^cwd: /)],
      next: ['warder test plain'],
    });
  });

  test('W-PROF-9 a secret in the environment or the arguments is refused, and not repeated', async () => {
    await using home = new Home();
    const secret = 'ghp_0123456789abcdefghijklmnopqrstuv';
    for (const words of [
      ['add', 'github', '--env', `TOKEN=${secret}`, '--', 'node'],
      ['add', 'github', '--env', secret, '--', 'node'],
      ['add', 'github', '--', 'node', '--token', secret],
      ['add', 'github', '--', 'node', `--token=${secret}`],
    ]) {
      const { code, stdout, stderr } = await home.warder(words);
      expect(code).toBe(64);
      expect(stdout + stderr).not.toContain(secret);
    }
    expect((await home.warder(['add', 'github', '--env', `TOKEN=${secret}`, '--', 'node'])).stderr).toContain(
      'warder: hint: use "--credential TOKEN" instead',
    );
    expect(existsSync(join(home.places.profiles, 'github.yaml'))).toBe(false);
  });

  test.each([
    [['add', '../evil', '--', 'node'], 64, '"../evil" cannot name a profile'],
    [['add', 'Evil', '--', 'node'], 64, '"Evil" cannot name a profile'],
    [['add', 'github'], 64, "the server's command is missing"],
    [['add', 'github', '--env', 'LD_PRELOAD=/x', '--', 'node'], 64, '"LD_PRELOAD" makes programs load'],
    [
      ['add', 'github', '--credential', 'NODE_OPTIONS', '--', 'node'],
      64,
      '"NODE_OPTIONS" makes programs load',
    ],
    [['add', 'github', '--credential', 'A B', '--', 'node'], 64, '"A B" cannot name a variable'],
    [['add', 'github', '--credential', 'A', '--env', 'A=b', '--', 'node'], 64, '"A" is given twice'],
    [['add', 'github', '--cwd', '/no/such', '--', 'node'], 64, 'there is no folder /no/such'],
  ])('%j is refused', async (words, exit, what) => {
    await using home = new Home();
    const { code, stderr } = await home.warder(words);
    expect(code).toBe(exit);
    expect(stderr).toContain(`warder: error: `);
    expect(stderr).toContain(what);
    expect(existsSync(home.places.profiles)).toBe(false);
  });

  test('does not replace a profile that exists', async () => {
    await using home = new Home();
    home.profile('github', 'server: {command: node}\n');
    const { code, stderr } = await home.warder(['add', 'github', '--', 'sh']);
    expect(code).toBe(73);
    expect(stderr).toContain('warder edit github');
    expect(loadProfile(home.places, 'github').profile.server).toMatchObject({ command: 'node' });
  });

  test('writes the absolute path of a command that only the PATH of this shell has', async () => {
    await using home = new Home();
    const bin = join(home.dir, 'bin');
    mkdirSync(bin);
    writeFileSync(join(bin, 'my-server'), '#!/bin/sh\n', { mode: 0o755 });
    home.env.PATH = `${bin}:${home.env.PATH}`;
    expect(await home.done(['add', 'mine', '--', 'my-server'])).toContain(
      `command: ${join(bin, 'my-server')}`,
    );
    expect(loadProfile(home.places, 'mine').profile.server).toMatchObject({
      command: join(bin, 'my-server'),
    });
    expect(await home.done(['add', 'none', '--', 'no-such-server'])).toContain(
      'the command no-such-server is not found',
    );
  });
});

describe('list, show and check', () => {
  test('distinguish valid, broken and remote profiles', async () => {
    await using home = new Home();
    home.profile(
      'good',
      'description: A good one\nserver: {command: cat}\nsandbox: {off: true}\npolicy: {default: allow, tools: {"d*": deny}}',
    );
    home.profile('remote', 'server: {url: "https://mcp.example.com"}\nauth: {type: none}');
    home.profile('slip', 'server: {comand: cat}');
    writeFileSync(join(home.places.profiles, 'Stray.yml'), '');

    const { stdout, stderr } = await home.warder(['list']);
    expect(stdout).toMatch(
      /^NAME .*\ngood +ok +- +allow, 1 denied +off +cat +A good one\nremote +ok +- +ask +remote +https:\/\/mcp\.example\.com\nslip +broken/,
    );
    expect(stderr).toContain('slip.yaml:1:10: server.comand: unknown key; did you mean "command"?');
    expect(stderr).toContain('Stray.yml is not a profile');
    expect(await home.facts('list')).toMatchObject([
      { name: 'good', state: 'ok', sandbox: 'off' },
      { name: 'remote', state: 'ok', sandbox: 'remote' },
      { name: 'slip', state: 'broken' },
    ]);

    expect(await home.warder(['check', 'good'])).toMatchObject({ code: 0 });
    expect(await home.warder(['check', 'slip'])).toMatchObject({ code: 65 });
    const remote = await home.done(['check', 'remote']);
    expect(remote).toContain(
      '  reaches https://mcp.example.com, and nothing else; at public addresses, by https\n',
    );
    expect(await home.warder(['check'])).toMatchObject({ code: 65 });
    expect(await home.warder(['check', 'goood'])).toMatchObject({
      code: 65,
      stderr: expect.stringContaining('did you mean "good"?'),
    });
    expect(await home.warder(['check', '../good'])).toMatchObject({ code: 64 });
  });

  test('check prints what the server will see, and warns', async () => {
    await using home = new Home();
    home.profile(
      'github',
      'server: {command: npx, args: [-y, some-server]}\nenv: {TOKEN: ghp_0123456789abcdefghijklmnop}\ncredentials: {SECRET: {deliver: file}}\nsandbox: {off: true}',
    );
    const { code, stdout } = await home.warder(['check', 'github']);
    expect(code).toBe(0);
    expect(stdout).toContain('runs    npx -y some-server');
    expect(stdout).toContain(`in      ${home.dir}`);
    expect(stdout).toMatch(/sees {4}PATH HOME USER LANG .*TOKEN CREDENTIALS_DIRECTORY SECRET_FILE\n/);
    expect(stdout).toMatch(/SECRET: github\/SECRET, by file, (missing|unknown)/);
    expect(stdout).toContain('the value of TOKEN looks like a GitHub token');
    expect(stdout).not.toContain('ghp_');
    expect(stdout).toContain('"some-server" names no version');
    expect(stdout).toContain('the sandbox is off');
  });

  test('show prints the profile with its defaults, as YAML and as JSON', async () => {
    await using home = new Home();
    home.profile('github', 'server: {command: cat}');
    const shown = await home.done(['show', 'github']);
    expect(shown).toContain('policy:\n  default: ask\n');
    expect(shown).toContain('durability: write');
    expect(await home.facts('show', 'github')).toMatchObject({
      name: 'github',
      digest: expect.stringMatching(/^[0-9a-f]{64}$/),
      profile: { policy: { default: 'ask', tools: {}, resources: {}, prompts: {}, methods: {} } },
    });
    expect(await home.warder(['show', 'githb'])).toMatchObject({
      code: 65,
      stderr: expect.stringContaining('warder: hint: did you mean "github"?'),
    });
  });
});

describe('edit', () => {
  test('replaces the profile by a valid text', async () => {
    await using home = new Home();
    home.profile('github', '# mine\nserver: {command: cat}\n');
    editor(home, 'sed -i s/cat/tac/ "$1"');
    expect(await home.done(['edit', 'github'])).toContain('it applies to the next session');
    expect(readFileSync(join(home.places.profiles, 'github.yaml'), 'utf8')).toBe(
      '# mine\nserver: {command: tac}\n',
    );
  });

  test('keeps the old profile if the text is broken, and prints where the text is', async () => {
    await using home = new Home();
    home.profile('github', 'server: {command: cat}\n');
    home.env.TMPDIR = home.dir;
    editor(home, 'sed -i s/command/comand/ "$1"');
    const { code, stderr } = await home.warder(['edit', 'github']);
    expect(code).toBe(65);
    expect(stderr).toContain('unknown key; did you mean "command"?');
    const draft = /your text is in (.*)/.exec(stderr)?.[1] ?? '';
    expect(readFileSync(draft, 'utf8')).toContain('comand');
    expect(loadProfile(home.places, 'github').profile.server).toMatchObject({ command: 'cat' });
  });

  test('changes nothing if the text is unchanged, the editor fails, or the file was changed in the meantime', async () => {
    await using home = new Home();
    home.profile('github', 'server: {command: cat}\n');
    home.env.TMPDIR = home.dir;
    const file = join(home.places.profiles, 'github.yaml');
    editor(home, 'true', 'exit 3', `sed -i s/cat/tac/ "$1"; sed -i s/cat/rev/ '${file}'`);
    expect(await home.done(['edit', 'github'])).toContain('nothing changed');
    expect(await home.warder(['edit', 'github'])).toMatchObject({
      code: 64,
      stderr: expect.stringContaining('ended with 3'),
    });
    expect(await home.warder(['edit', 'github'])).toMatchObject({
      code: 73,
      stderr: expect.stringContaining('was changed in the meantime'),
    });
    expect(readFileSync(file, 'utf8')).toContain('rev');
    home.env.EDITOR = 'no-such-editor --wait';
    expect(await home.warder(['edit', 'github'])).toMatchObject({ code: 64 });
  });

  test('$EDITOR is not run by a shell', async () => {
    await using home = new Home();
    home.profile('github', 'server: {command: cat}\n');
    home.env.EDITOR = `sed -i -e s/cat/tac/;touch\t${join(home.dir, 'pwned')}`;
    expect((await home.warder(['edit', 'github'])).code).not.toBe(0);
    expect(existsSync(join(home.dir, 'pwned'))).toBe(false);
  });
});

describe('remove', () => {
  test('asks for a confirmation, and does nothing without a terminal', async () => {
    await using home = new Home();
    home.profile('github', 'server: {command: cat}\n');
    const { code, stderr } = await home.warder(['remove', 'github']);
    expect(code).toBe(64);
    expect(stderr).toContain('use --yes');
    expect(loadProfile(home.places, 'github').name).toBe('github');
  });

  test('keeps the file for undo, and prints the remaining credentials', async () => {
    await using home = new Home();
    home.profile(
      'github',
      'server: {command: cat}\ncredentials: {TOKEN: {deliver: env}, SHARED: {name: a/b, deliver: env}}\n',
    );
    const { kept, undo, credentials } = await home.facts('remove', 'github', '--yes');
    expect(credentials).toEqual(['TOKEN']);
    expect(readFileSync(kept, 'utf8')).toContain('command: cat');
    expect(undo).toBe(`mv ${kept} ${join(home.places.profiles, 'github.yaml')}`);
    expect(await home.warder(['show', 'github'])).toMatchObject({ code: 65 });
    expect(await home.warder(['remove', 'github', '--yes'])).toMatchObject({ code: 65 });
  });
});
