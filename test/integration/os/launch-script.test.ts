// bin/launch.sh under the shells that systems have, with Nodes that only say what they were started with.
import { chmodSync, chownSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { daemonCommand } from '../../../src/os/connect.ts';
import { Machine, SHELLS } from '../../fixtures/launch.ts';

const initialize =
  '{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18"}}\n';

describe.each(SHELLS.map((shell) => ({ name: shell.join(' '), shell })))('with $name', ({ shell }) => {
  test('W-HOST-1 the recorded Node is started with the words as they are, and nothing else runs', async () => {
    using machine = new Machine();
    const node = machine.node(join(machine.dir, 'node'));
    machine.record(node);
    const words = ['run', 'a b', '', '$HOME', "it's", '*', '\n'];
    const { code, stdout } = await machine.run(shell, words);
    expect(code).toBe(0);
    expect(stdout.split('\n').slice(0, 7)).toEqual([
      node,
      machine.program,
      'run',
      'a b',
      '',
      '$HOME',
      "it's",
    ]);
    expect(machine.starts.filter((start) => start.startsWith(node))).toHaveLength(1);
  });

  test("the daemon gets Node's options, those of every other start", async () => {
    using machine = new Machine();
    const node = machine.node(join(machine.dir, 'node'));
    machine.record(node);
    const { stdout } = await machine.run(shell, ['daemon', 'run', '--report']);
    expect(stdout.trimEnd().split('\n')).toEqual([...daemonCommand(node, machine.program), '--report']);
    expect((await machine.run(shell, ['daemon', 'start'])).stdout).toBe(
      `${node}\n${machine.program}\ndaemon\nstart\n`,
    );
  });

  test.each(['it\'s a "path" $HOME `id` \\ * é', '-n', "'", '"; exit 3; "'])(
    'W-HOST-3 no path becomes code: %s',
    async (name) => {
      using machine = new Machine(name);
      const node = machine.node(join(machine.home, 'node', 'bin', 'node'));
      machine.record(node);
      expect((await machine.run(shell, ['status'])).stdout).toBe(`${node}\n${machine.program}\nstatus\n`);
      rmSync(node);
      const other = machine.node(join(machine.home, '.nvm/versions/node/v24.2.0/bin/node'));
      const found = await machine.run(shell, ['run', 'x'], { path: '' });
      expect(found.stdout).toBe(`${other}\n${machine.program}\nrun\nx\n`);
      rmSync(other);
      const refused = await machine.run(shell, ['run', 'x'], { path: '', input: initialize });
      expect(refused.code).toBe(69);
      expect(JSON.parse(refused.stdout).error.message).toContain(node);
    },
  );

  test.each([
    // Busybox takes a file that the kernel does not know for a script, and is that script then.
    ...(shell[0] === 'busybox' ? [] : [['of another machine', '\x7fELF\x02\x01\x01']]),
    ['whose interpreter is gone', '#!/nowhere/at/all\n'],
  ])(
    'W-HOST-1 the recorded Node is one %s: another is found, or the host is answered',
    async (_what, bytes) => {
      using machine = new Machine();
      const broken = machine.node(join(machine.dir, 'broken/bin/node'));
      machine.record(broken);
      writeFileSync(broken, bytes);
      const refused = await machine.run(shell, ['run', 'a b'], { path: '/usr/bin:/bin', input: initialize });
      expect(refused.code).toBe(69);
      expect(JSON.parse(refused.stdout)).toMatchObject({
        id: 0,
        error: {
          message: expect.stringContaining(broken),
          data: { hint: expect.stringContaining('install Node') },
        },
      });
      const node = machine.node(join(machine.home, '.nvm/versions/node/v24.2.0/bin/node'));
      const found = await machine.run(shell, ['run', 'a b'], { path: '/usr/bin:/bin' });
      expect(found).toMatchObject({ code: 0, stdout: `${node}\n${machine.program}\nrun\na b\n` });
    },
  );

  test.each([
    ['PATH', 'own bin/node'],
    ['nvm', '.nvm/versions/node/v24.2.0/bin/node'],
    ['fnm', '.local/share/fnm/node-versions/v24.2.0/installation/bin/node'],
    ['fnm on macOS', 'Library/Application Support/fnm/node-versions/v24.2.0/installation/bin/node'],
    ['volta', '.volta/tools/image/node/24.2.0/bin/node'],
    ['asdf', '.asdf/installs/nodejs/24.2.0/bin/node'],
    ['mise', '.local/share/mise/installs/node/24.2.0/bin/node'],
    ['nodenv', '.nodenv/versions/24.2.0/bin/node'],
    ['n', 'n/n/versions/node/24.2.0/bin/node'],
  ])(
    'W-HOST-1 the recorded Node is gone: another is found, by %s, and recorded again',
    async (way, place) => {
      using machine = new Machine();
      machine.record(join(machine.dir, 'gone/bin/node'));
      const node = machine.node(join(machine.home, place));
      const path = way === 'PATH' ? dirname(node) : '/usr/bin:/bin';
      const { code, stdout } = await machine.run(shell, ['run', 'x'], { path });
      expect(stdout).toBe(`${node}\n${machine.program}\nrun\nx\n`);
      expect(code).toBe(0);
      expect(machine.starts).toContain(
        `${node} ${machine.program} --record-launch-command ${machine.launchCommand}`,
      );
    },
  );

  test.each([
    'usr/bin/node',
    'usr/bin/nodejs',
    'opt/homebrew/bin/node',
    'opt/homebrew/opt/node@24/bin/node',
    'opt/node-v24.2.0-linux-x64/bin/node',
    'home/linuxbrew/.linuxbrew/bin/node',
    'usr/local/bin/node',
    'opt/local/bin/node',
  ])('another is found in a place of systems: /%s', async (place) => {
    using machine = new Machine();
    machine.record('/gone/bin/node');
    const node = machine.node(join(machine.system, place));
    expect((await machine.run(shell, ['run', 'x'], { path: '' })).stdout).toMatch(`${node}\n`);
  });

  test('the newest that is fit is taken; one that is too old, or says nothing, is not', async () => {
    using machine = new Machine();
    machine.record('/gone/bin/node');
    const nvm = (version: string) => join(machine.home, `.nvm/versions/node/v${version}/bin/node`);
    for (const version of ['9.0.0', '22.9.0', '22.21.9', '20.1.0']) machine.node(nvm(version), version);
    machine.node(nvm('99.0.0'), 'x; echo');
    expect((await machine.run(shell, ['run', 'x'])).code).toBe(69);
    machine.node(nvm('22.22.0'), '22.22.0');
    const newest = machine.node(nvm('24.10.0'), '24.10.0');
    machine.node(nvm('24.9.0'), '24.9.0');
    expect((await machine.run(shell, ['run', 'x'])).stdout).toMatch(`${newest}\n`);
  });

  test('W-HOST-2 relative entries of PATH and shims that look at the working folder are not searched', async () => {
    using machine = new Machine();
    machine.record('/gone/bin/node');
    for (const place of ['node', 'bin/node', 'shims/node', '.volta/bin/node'])
      machine.node(join(machine.dir, place));
    const path = `:.:bin:${machine.dir}/shims:${machine.dir}/.volta/bin::`;
    expect((await machine.run(shell, ['run', 'x'], { path })).code).toBe(69);
    expect(machine.starts).toEqual([]);
  });

  test('W-HOST-2 a Node that another user can change never runs, wherever it is found', async () => {
    using machine = new Machine();
    const own = machine.node(join(machine.home, '.nvm/versions/node/v22.22.0/bin/node'), '22.22.0');
    const places = ['open-file', 'open-folder', 'open-above', 'through-link', 'foreign'];
    const [file = '', folder = '', above = '', link = '', foreign = ''] = places.map((place) =>
      machine.node(join(machine.dir, place, 'x/bin/node'), '24.1.0'),
    );
    chmodSync(file, 0o757);
    chmodSync(dirname(folder), 0o777);
    chmodSync(join(machine.dir, 'open-above'), 0o777);
    const target = machine.node(join(machine.dir, 'target/bin/node'));
    chmodSync(dirname(target), 0o777);
    rmSync(link);
    symlinkSync('../../../target/bin/node', link);
    const isRoot = process.getuid?.() === 0;
    if (isRoot) chownSync(foreign, 1234, 1234);
    else chmodSync(foreign, 0o722);
    machine.record(file);
    rmSync(machine.program);
    const program = machine.install(join(machine.home, '.npm-global/lib/node_modules/warder'));
    const path = [file, folder, above, link, foreign].map(dirname).join(':');
    const { stdout } = await machine.run(shell, ['run', 'x'], { path });
    expect(stdout).toBe(`${own}\n${program}\nrun\nx\n`);
    expect(machine.starts.filter((start) => !start.startsWith(own))).toEqual([]);
    rmSync(own);
    const refused = await machine.run(shell, ['run', 'x'], { path, input: initialize });
    expect(refused.code).toBe(69);
    expect(JSON.parse(refused.stdout).error.message).toMatch(
      /was refused, because other users can change it$/,
    );
    expect(machine.starts.filter((start) => !start.startsWith(own))).toEqual([]);
  });

  test('a Node in a folder with the sticky bit, and behind links, is no stranger’s', async () => {
    using machine = new Machine();
    machine.record('/gone/bin/node');
    const node = machine.node(join(machine.dir, 'sticky/24/bin/node'));
    chmodSync(join(machine.dir, 'sticky'), 0o1777);
    mkdirSync(join(machine.dir, 'a/bin'), { recursive: true });
    symlinkSync('../sticky/24/bin', join(machine.dir, 'a/b'));
    symlinkSync('../b/node', join(machine.dir, 'a/bin/node'));
    const { stdout } = await machine.run(shell, ['run', 'x'], { path: join(machine.dir, 'a/bin') });
    expect(stdout).toMatch(`${join(machine.dir, 'a/bin/node')}\n`);
    expect(node).toContain('sticky');
  });

  test('Warder itself is gone with its Node: the one that was installed for another is found', async () => {
    using machine = new Machine();
    machine.record('/gone/bin/node', '/gone/lib/node_modules/warder/bin/warder.js');
    const prefix = join(machine.home, '.nvm/versions/node/v24.2.0');
    const node = machine.node(join(prefix, 'bin/node'));
    const missing = await machine.run(shell, ['run', 'x']);
    expect(missing.code).toBe(69);
    expect(missing.stderr).toContain('npm install -g warder');
    const program = machine.install(join(prefix, 'lib/node_modules/warder'));
    expect((await machine.run(shell, ['run', 'x'])).stdout).toBe(`${node}\n${program}\nrun\nx\n`);
  });

  test.each([
    ['a number', '{"jsonrpc":"2.0","id":0,"method":"initialize"}', '0'],
    ['a text', '{"id" : "a\\"}b" ,"method":"initialize"}', '"a\\"}b"'],
    [
      'after others',
      '{"params":{"id":7,"x":["{\\"id\\":9"]},"method":"server/discover","id":-12345678901234567890}',
      '-12345678901234567890',
    ],
    ['after a notification', '{"method":"notifications/x"}\nno JSON\n{"id":4,"method":"initialize"}', '4'],
  ])(
    'W-HOST-6 no Node: the request of the host is answered, with its id as it is: %s',
    async (_, input, id) => {
      using machine = new Machine();
      machine.record('/gone/bin/node');
      const { code, stdout, stderr } = await machine.run(shell, ['run', 'x'], { input: `${input}\n` });
      expect(code).toBe(69);
      expect(stdout).toMatch(`{"jsonrpc":"2.0","id":${id},"error":{"code":-32015,`);
      const { error } = JSON.parse(stdout);
      expect(error.message).toBe(
        'no Node that Warder can use was found, and /gone/bin/node is gone or too old',
      );
      expect(error.data).toEqual({
        code: 'unsupported',
        hint: expect.stringMatching(/^install Node 22\.22/),
      });
      expect(stderr).toBe(`warder: error: ${error.message}\nwarder: hint: ${error.data.hint}\n`);
    },
  );

  test.each([
    ['a host that says nothing', ['run', 'x'], undefined],
    ['an input that ends', ['run', 'x'], ''],
    ['no request', ['run', 'x'], '{"id":1}\n[{"id":1,"method":"x"}]\n{"method":"x","params":{"id":1}}\n'],
    ['another verb', ['status'], initialize],
  ])('W-HOST-6 no Node, and nothing is answered to %s', async (_, words, input) => {
    using machine = new Machine();
    machine.record('/gone/bin/node');
    const { code, stdout } = await machine.run(shell, words, { input });
    expect({ code, stdout }).toEqual({ code: 69, stdout: '' });
  });
});
