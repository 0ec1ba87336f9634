// What works in the sandbox, what is measured of it, and that nothing starts if the sandbox is not available.
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { REQUIRED_LAYERS } from '../../../src/sandbox/layers.ts';
import type { Order, Outcome } from '../../fixtures/hostile/driver.ts';
import { people, World } from '../../fixtures/hostile/world.ts';
import { hasNative } from '../../fixtures/launchers.ts';

const NODE = process.execPath;
const PYTHON = '/usr/bin/python3';
const require = createRequire(import.meta.url);

/** The messages of a client that lists a server's tools. */
const LIST_TOOLS = [
  {
    jsonrpc: '2.0',
    id: 0,
    method: 'initialize',
    params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 't', version: '1' } },
  },
  { jsonrpc: '2.0', method: 'notifications/initialized' },
  { jsonrpc: '2.0', id: 1, method: 'tools/list' },
]
  .map((message) => `${JSON.stringify(message)}\n`)
  .join('');

describe.each(people)('as $name', (person) => {
  let world: World;
  const run = async (order: Partial<Order>): Promise<Outcome> => {
    const [outcome] = await world.run([order]);
    if (outcome === undefined) throw new Error('no outcome');
    return outcome;
  };
  const node = (script: string, order: Partial<Order> = {}): Promise<Outcome> =>
    run({ file: NODE, args: ['-e', script], ...order });
  const python = (script: string, order: Partial<Order> = {}): Promise<Outcome> =>
    run({ file: PYTHON, args: ['-c', script], ...order });
  const shell = (script: string, order: Partial<Order> = {}): Promise<Outcome> =>
    run({ file: '/bin/sh', args: ['-c', script], ...order });

  beforeAll(() => {
    world = new World(person);
  });

  afterAll(async () => {
    await world[Symbol.asyncDispose]();
  });

  test('W-BOX-19 the reported layers are measured at the process, and all are in force', async () => {
    const { layers, limits, stdout } = await shell('cat; cat /proc/self/status', { input: 'x\n' });
    expect(layers).toEqual(expect.arrayContaining([...REQUIRED_LAYERS]));
    expect(stdout).toMatch(/^Seccomp:\t2$/m);
    expect(stdout).toMatch(/^NoNewPrivs:\t1$/m);
    expect(limits).toMatchObject({ files: 8192, core: 0 });
    expect(limits?.memory.enforcedBy).not.toBe('none');
    if (person.uid !== 0) expect(limits?.processes).toEqual({ max: 512, enforcedBy: 'user' });
  });

  test('W-BOX-19 without the native program the layers are measured at the server, and all are in force', async () => {
    const { layers, limits } = await shell('cat', { machine: { native: null } });
    expect(layers).toEqual(expect.arrayContaining([...REQUIRED_LAYERS]));
    expect(limits).toMatchObject({ files: 8192, core: 0 });
  });

  test.runIf(hasNative)(
    'W-BOX-38 a server whose limits turn out not to hold has run no instruction',
    async () => {
      // Control groups that are ordinary folders take what is written to them, and limit nothing.
      const groups = join(world.writable, 'groups');
      mkdirSync(groups, { mode: 0o777 });
      chmodSync(groups, 0o777);
      const cgroups = { kind: 'direct', version: 2, memory: groups, processes: groups } as const;
      const trace = join(world.writable, 'has-run');
      const order = { machine: { cgroups }, sandbox: { write: [world.writable], memory: 2 ** 30 } };
      const { error, stdout } = await shell(`echo ran; echo ran > ${trace}`, order);
      rmSync(groups, { recursive: true });
      expect(error?.code).toBe('sandbox-unavailable');
      expect(error?.message).toContain('"sandbox.memory" cannot be held here');
      expect([stdout, existsSync(trace)]).toEqual(['', false]);
    },
  );

  test.runIf(hasNative)('W-BOX-14 nothing of what held the server is left to it', async () => {
    const script = 'readlink /proc/self/exe; ls /proc/self/fd; tr "\\0" " " < /proc/self/cmdline';
    const { stdout } = await shell(script);
    expect(stdout).not.toContain('warder');
    expect(stdout.split('\n').slice(1, 5)).toEqual(['0', '1', '2', '3']);
  });

  test('W-BOX-20 no part of the plan and no value of the environment is on a command line', async () => {
    const { commandLine, stdout } = await shell('echo $TOKEN', {
      env: { TOKEN: 'very-secret' },
      sandbox: { read: [world.folder] },
    });
    expect(stdout).toBe('very-secret\n');
    expect(commandLine).not.toContain('very-secret');
    expect(commandLine).not.toContain(world.folder);
    expect(commandLine).toMatch(/bwrap --args 3 -- /);
  });

  test('W-BOX-25 root’s server is not root, and every server sees one user in the user table', async () => {
    const { stdout } = await shell(
      'id -u; id -un; wc -l < /etc/passwd; echo "$HOME"; cat /proc/self/uid_map',
    );
    const [uid, name, lines, home, map] = stdout.split('\n');
    expect(uid).toBe(String(person.uid === 0 ? 1000 : person.uid));
    expect([name, lines, home]).toEqual([person.uid === 0 ? 'user' : 'somebody', '1', world.home]);
    expect(map?.trim().split(/\s+/)[2]).toBe('1');
  });

  test('a server has private folders, devices, and what the profile lists', async () => {
    const { stdout, stderr, code } = await shell(
      [
        'set -e',
        'cd',
        'pwd',
        'echo private > "$HOME/x"; cat "$HOME/x"',
        'echo temporary > "$TMPDIR/x"; cat "$TMPDIR/x"',
        'echo gone > /dev/null; head -c 4 /dev/urandom | wc -c; head -c 2 /dev/zero | wc -c; : < /dev/null',
        `cat ${world.folder}/file; echo`,
        `echo kept > ${world.writable}/kept`,
        'ls -A /home /root 2>/dev/null || echo nobody',
      ].join('\n'),
      { sandbox: { read: [world.folder], write: [world.writable] } },
    );
    expect({ stderr, code }).toEqual({ stderr: '', code: 0 });
    expect(stdout.split('\n')).toEqual([world.home, 'private', 'temporary', '4', '2', 'hello', 'nobody', '']);
    expect(readFileSync(`${world.writable}/kept`, 'utf8')).toBe('kept\n');
    expect(existsSync(`${world.home}/x`)).toBe(false);
  });

  test('a server can read what Warder supplies, also from Warder’s own folders and shared memory', async () => {
    const roots = [join(world.state, 'packages/tree'), `/dev/shm/warder-test-${process.pid}-${person.uid}`];
    for (const folder of roots) {
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, 'file'), 'from Warder');
    }
    const script = roots
      .map((folder) => `cat ${folder}/file; (true > ${folder}/file) 2>/dev/null || echo " kept"`)
      .join('; ');
    const { stdout } = await shell(`${script}; cat ${world.state}/daemon.log 2>/dev/null || echo hidden`, {
      roots,
      sandbox: { read: [world.folder] },
    });
    expect(stdout.split('\n')).toEqual(['from Warder kept', 'from Warder kept', 'hidden', '']);
    for (const folder of roots) rmSync(folder, { recursive: true });
  });

  test('Node works: child processes, pipes between them, threads, its own network, the user’s name', async () => {
    const { stdout, stderr } = await node(`
      const { execFileSync, fork } = require('node:child_process');
      const { Worker } = require('node:worker_threads');
      const http = require('node:http'), os = require('node:os'), fs = require('node:fs');
      (async () => {
        const said = [execFileSync('/bin/echo', ['child'], { encoding: 'utf8' }).trim()];
        fs.writeFileSync(os.tmpdir() + '/f.js', 'process.send("ipc"); process.disconnect()');
        said.push(await new Promise((r) => fork(os.tmpdir() + '/f.js').once('message', r)));
        said.push(await new Promise((r) => new Worker('require("node:worker_threads").parentPort.postMessage("thread")', { eval: true }).once('message', r)));
        const server = http.createServer((_, response) => response.end('loopback')).listen(0);
        await new Promise((r) => server.once('listening', r));
        said.push(await (await fetch('http://localhost:' + server.address().port)).text());
        server.close();
        said.push(os.userInfo().username, Object.keys(os.networkInterfaces()).join(), String(os.cpus().length > 0));
        said.push(String(require('node:tls').rootCertificates.length > 0), new Intl.DateTimeFormat('de', { month: 'long' }).format(0));
        console.log(said.join(' '));
      })();`);
    expect(stderr).toBe('');
    expect(stdout).toBe(
      `child ipc thread loopback ${person.uid === 0 ? 'user' : 'somebody'} lo true true Januar\n`,
    );
  });

  test('Python works: processes that share memory, certificates, names of services', async () => {
    const { stdout, stderr } = await python(`
import getpass, multiprocessing, os, socket, ssl, subprocess, tempfile
def double(x): return 2 * x
with multiprocessing.Pool(2) as pool: print(pool.map(double, [1, 2, 3]))
print(ssl.create_default_context().cert_store_stats()["x509_ca"] > 0)
print(socket.getservbyname("https"), getpass.getuser(), subprocess.check_output(["echo", "child"], text=True).strip())
with tempfile.NamedTemporaryFile() as file: print(os.path.dirname(file.name))
a, b = socket.socketpair(); a.send(b"pair"); print(b.recv(4).decode())
`);
    expect(stderr).toBe('');
    expect(stdout.split('\n')).toEqual([
      '[2, 4, 6]',
      'True',
      `443 ${person.uid === 0 ? 'user' : 'somebody'} child`,
      '/tmp',
      'pair',
      '',
    ]);
  });

  test('a virtual environment outside the system runs with its own interpreter', async () => {
    const venv = join(world.servers, 'venv');
    mkdirSync(join(venv, 'bin'), { recursive: true });
    mkdirSync(join(venv, 'lib/python3'), { recursive: true });
    writeFileSync(join(venv, 'pyvenv.cfg'), 'home = /usr/bin\n');
    symlinkSync('/usr/bin/python3', join(venv, 'bin/python'));
    writeFileSync(join(venv, 'bin/server'), `#!${venv}/bin/python\nimport sys\nprint(sys.prefix)\n`, {
      mode: 0o755,
    });
    symlinkSync(join(venv, 'bin/server'), join(world.servers, 'server'));
    const { stdout, error } = await run({ file: join(world.servers, 'server') });
    expect(error).toBeUndefined();
    expect(stdout).toBe(`${venv}\n`);
    rmSync(venv, { recursive: true });
  });

  test.each([
    ['server-everything', 'dist/index.js', []],
    ['server-memory', 'dist/index.js', []],
    ['server-filesystem', 'dist/index.js', ['FOLDER']],
  ])('the real %s answers', async (name, entry, args) => {
    const script = join(require.resolve(`@modelcontextprotocol/${name}/package.json`), '..', entry);
    const { stdout, stderr, error } = await run({
      file: NODE,
      args: [script, ...args.map(() => world.folder)],
      sandbox: { read: [world.folder] },
      input: LIST_TOOLS,
      until: '"id":1',
    });
    expect(error).toBeUndefined();
    expect(`${stdout}${stderr}`).toContain('"tools":[{');
  });

  test('the exit code of a server is reported', async () => {
    expect(await shell('exit 7')).toMatchObject({ code: 7 });
    expect(await shell('kill -KILL $$')).toMatchObject({ code: 137 });
  });

  test('a server that ends before it is measured is not an error', async () => {
    expect(await run({ file: '/bin/true' })).toMatchObject({ code: 0, left: 0 });
  });

  test('W-BOX-2 nothing private appears in a package’s folder while its server runs', async () => {
    const app = join(world.home, 'app');
    mkdirSync(join(app, '.git'), { recursive: true });
    mkdirSync(join(app, 'dist'));
    const ready = join(world.writable, `ready-${person.uid}`);
    for (const [name, content] of Object.entries({
      'package.json': '{}',
      '.env': 'SECRET of before',
      '.git/config': 'SECRET of git',
      'dist/index.sh': `ls -A ${app}; cat ${app}/.env; (true >${app}/x) && echo written
        read line; ls -A ${app}; cat ${app}/.env ${app}/.npmrc ${app}/.git/config ${world.home}/.netrc; echo end`,
    })) {
      writeFileSync(join(app, name), content);
    }
    symlinkSync('.env', join(app, 'env-link'));
    world.give(app);
    const driver = world.start([
      {
        file: '/bin/sh',
        args: [join(app, 'dist/index.sh')],
        input: 'go\n',
        until: 'end',
        readyFile: ready,
        inputAfter: `${ready}-go`,
      },
    ]);
    await expect.poll(() => existsSync(ready)).toBe(true);
    // What an editor, git and npm do outside: they write a new file and rename it.
    for (const name of ['app/.env', 'app/.npmrc', 'app/.git/config', '.netrc', 'app/.env.local']) {
      writeFileSync(join(world.home, `${name}.new`), 'SECRET of after');
      renameSync(join(world.home, `${name}.new`), join(world.home, name));
    }
    writeFileSync(`${ready}-go`, '');
    const [outcome] = JSON.parse(await text(driver.stdout)) as Outcome[];
    expect(outcome?.error).toBeUndefined();
    expect(outcome?.stdout.split('\n')).toEqual([
      'dist',
      'env-link',
      'package.json',
      'dist',
      'env-link',
      'package.json',
      'end',
      '',
    ]);
  });

  test('W-BOX-28 what a database commits is there after its server was killed, and a file can be replaced', async () => {
    const data = join(world.home, 'data');
    mkdirSync(data);
    world.give(data);
    const script = (file: string) => `
import os, sqlite3, signal
db = sqlite3.connect("${data}/${file}")
db.execute("pragma journal_mode=wal")
db.execute("create table if not exists n (t)")
for at in range(100):
    db.execute("insert into n values (?)", (at,)); db.commit()
open("${data}/${file}.tmp", "w").write("saved")
os.rename("${data}/${file}.tmp", "${data}/${file}.saved")
os.kill(os.getpid(), signal.SIGKILL)
`;
    const rows = async (file: string) =>
      world.outside(PYTHON, [
        '-c',
        `import sqlite3; print(*sqlite3.connect("${data}/${file}").execute("select count(*) from n").fetchone())`,
      ]);
    // The file alone, by its own name, and the folder.
    writeFileSync(join(data, 'notes.db'), '');
    world.give(data);
    expect((await python(script('notes.db'), { sandbox: { write: [join(data, 'notes.db')] } })).code).toBe(
      137,
    );
    expect(await rows('notes.db')).toBe('100\n');
    expect((await python(script('notes.db'), { sandbox: { write: [data] } })).code).toBe(137);
    expect(await rows('notes.db')).toBe('200\n');
    expect(readFileSync(join(data, 'notes.db.saved'), 'utf8')).toBe('saved');

    writeFileSync(join(data, 'other'), '');
    const { error } = await python(script('notes.db'), { sandbox: { write: [join(data, 'notes.db')] } });
    expect(error).toMatchObject({ code: 'profile-invalid', hint: `list its folder: "${data}"` });
  });

  test('W-BOX-29 what programs outside obey is put away when it appears, and reported when it changes', async () => {
    const project = join(world.home, 'planted');
    mkdirSync(join(project, '.git/hooks'), { recursive: true });
    mkdirSync(join(project, 'sub/.vscode'), { recursive: true });
    writeFileSync(join(project, '.git/config'), '[core]\n');
    writeFileSync(join(project, 'README'), '');
    symlinkSync(world.home, join(project, 'elsewhere'));
    world.give(project);
    const script = `cd ${project}; set -e
      echo evil >.git/hooks/pre-commit; echo evil >>.git/config; echo evil >sub/.vscode/tasks.json
      mkdir .claude; echo evil >.claude/settings.json; echo evil >.mcp.json; mkdir -p sub/deep/.git; ln -s /x sub/deep/.github
      echo evil >sub/deep/.git/config; echo fine >README; echo fine >new`;
    const [outcome] = await world.run([
      { file: '/bin/sh', args: ['-c', script], sandbox: { write: [project] } },
    ]);
    expect(outcome).toMatchObject({ code: 0, stderr: '' });
    const appeared = outcome?.planted.flatMap((report) => report.appeared) ?? [];
    const names = [
      '.git/hooks/pre-commit',
      'sub/.vscode/tasks.json',
      '.claude',
      '.mcp.json',
      'sub/deep/.git/config',
      'sub/deep/.github',
    ];
    expect(appeared.map(({ path }) => path.slice(project.length + 1)).toSorted()).toEqual(names.toSorted());
    for (const { path, putAway } of appeared) {
      expect(existsSync(path)).toBe(false);
      expect(putAway).toMatch(/\.planted-\d+T\d+Z$/);
      expect(lstatSync(putAway)).toBeDefined();
    }
    expect(outcome?.planted.flatMap((report) => report.changed)).toEqual([`${project}/.git/config`]);
    expect(readFileSync(join(project, 'new'), 'utf8')).toBe('fine\n');

    // What was put away is not reported again, and what the profile allows stays.
    const allowed = 'echo mine >.mcp.json; echo mine >.git/hooks/post-merge';
    const [second] = await world.run([
      {
        file: '/bin/sh',
        args: ['-c', `cd ${project}; ${allowed}`],
        sandbox: { write: [project], mayPlant: ['.mcp.json', '.git/hooks'] },
      },
    ]);
    expect(second?.planted).toEqual([]);
    expect(existsSync(join(project, '.git/hooks/post-merge'))).toBe(true);
    rmSync(project, { recursive: true });
  });

  test('W-BOX-29 a server hides what it plants neither in a folder that cannot be listed, nor by a name that is no UTF-8, nor behind a flood', async () => {
    const project = join(world.home, 'hiding');
    for (const name of ['closed', 'sub/.git/hooks']) mkdirSync(join(project, name), { recursive: true });
    writeFileSync(join(project, 'sub/.git/config'), '[core]\n');
    world.give(project);
    const closed = join(project, 'closed');
    chmodSync(closed, 0o300);
    const script = `
import os
os.chdir("${project}")
os.makedirs(b"odd\\xff", exist_ok=True); open(b"odd\\xff/.mcp.json", "w").write("evil")
open("sub/.git/config", "a").write("evil"); os.chmod("sub/.git", 0o300); os.chmod("sub", 0o300)
os.mkdir("flood")
for at in range(51000): open("flood/" + str(at), "w").close()
open(".mcp.json", "w").write("evil")
os.chmod(".", 0o300)
`;
    const [outcome] = await world.run([
      { file: PYTHON, args: ['-c', script], sandbox: { write: [project] } },
    ]);
    expect(outcome).toMatchObject({ code: 0, stderr: '' });
    const { planted = [] } = outcome ?? {};
    expect(existsSync(join(project, '.mcp.json'))).toBe(false);
    expect(planted.flatMap(({ uncompared }) => uncompared)).toEqual([project]);
    const changed = planted.flatMap((report) => report.changed);
    // Root can list every folder.
    if (person.uid !== 0) expect(changed).toContain(project);
    expect(changed).not.toContain(closed);

    // Without the flood all of it is found. How much of it was found before depends on the order of the entries.
    for (const name of ['', 'sub', 'sub/.git']) chmodSync(join(project, name), 0o755);
    rmSync(join(project, 'flood'), { recursive: true });
    rmSync(Buffer.from(`${project}/odd\xff`, 'latin1'), { recursive: true });
    const [second] = await world.run([
      {
        file: PYTHON,
        args: ['-c', script.replace(/.*flood.*\n/g, '')],
        sandbox: { write: [project] },
      },
    ]);
    expect(second).toMatchObject({ code: 0, stderr: '' });
    if (person.uid !== 0)
      expect(second?.planted.flatMap((report) => report.changed)).toContain(join(project, 'sub/.git'));
    expect(second?.planted.flatMap((report) => report.changed)).toContain(join(project, 'sub/.git/config'));
    const odd = readdirSync(Buffer.from(`${project}/odd\xff`, 'latin1'));
    expect(odd.length).toBeGreaterThan(0);
    for (const name of odd) expect(name).toMatch(/^\.mcp\.json\.planted-/);
    rmSync(project, { recursive: true });
  });

  test('W-BOX-29 with a fixed bubblewrap what is there cannot be written, and nothing is left of the mounts', async () => {
    const project = join(world.home, 'guarded');
    mkdirSync(join(project, '.git/hooks'), { recursive: true });
    writeFileSync(join(project, '.git/config'), '[core]\n');
    world.give(project);
    const bubblewrap = {
      file: '/usr/bin/bwrap',
      version: '0.12',
      missing: [],
      canDisableUserNamespaces: true,
      setUserId: false,
      followsLinks: false,
    };
    const script = `cd ${project}; echo evil >>.git/config; echo evil >.git/hooks/pre-commit; mv .git/config x; mv .git/hooks y; echo fine >new`;
    const [outcome] = await world.run([
      { file: '/bin/sh', args: ['-c', script], sandbox: { write: [project] }, machine: { bubblewrap } },
    ]);
    expect(outcome?.planted).toEqual([]);
    expect(readFileSync(join(project, '.git/config'), 'utf8')).toBe('[core]\n');
    expect(readdirSync(project).toSorted()).toEqual(['.git', 'new']);
    expect(readdirSync(join(project, '.git/hooks'))).toEqual([]);
    rmSync(project, { recursive: true });
  });

  test('W-BOX-30 what is in a kept home is there at the next start, and nothing is mounted below it', async () => {
    const keptHome = join(world.state, 'homes/hostile');
    mkdirSync(keptHome, { recursive: true });
    world.give(world.state);
    // A listed path below the real home is no mount below the kept one, also with a bubblewrap that follows links.
    const order = { keptHome, sandbox: { read: [world.folder] } };
    const first = `cd; pwd; echo kept >x; ln -s /oldroot${world.base} project; ln -s ${world.secret} key; cat key 2>/dev/null || echo hidden`;
    expect(await shell(first, order)).toMatchObject({ stdout: '/run/home\nhidden\n', code: 0 });
    expect(await shell(`cat ~/x; cat ${world.folder}/file`, order)).toMatchObject({
      stdout: 'kept\nhello',
      code: 0,
    });
    expect(readdirSync(keptHome).toSorted()).toEqual(['key', 'project', 'x']);
    const { stdout } = await shell(`ls ${world.state} 2>/dev/null || echo nothing; ls -A ~`);
    expect(stdout).toBe('nothing\n');
    const { stdout: sizes } = await shell('df -k ~ | tail -1', { sandbox: { homeSize: 8 << 20 } });
    expect(sizes).toMatch(/\s8192\s/);
  });

  test.each([
    ['inotify instances', 'import ctypes; c = ctypes.CDLL(None); k = [c.inotify_init() for _ in range(100)]'],
    [
      'pipes',
      'import os, resource; resource.setrlimit(resource.RLIMIT_NOFILE, (8192, 8192)); k = [os.pipe() for _ in range(700)]',
    ],
    [
      'descriptors in flight',
      'import socket; a, b = socket.socketpair(); k = [socket.send_fds(a, [b"x"], [0] * 200) for _ in range(4)]',
    ],
  ])('W-BOX-31 a server that takes the user’s %s is ended', async (what, script) => {
    const { overuse, code } = await python(`${script}\nimport time; time.sleep(60)`);
    expect(overuse).toMatchObject([{ code: 'server-overuse', message: expect.stringContaining(what) }]);
    expect(code).toBe(137);
  });

  test('W-BOX-31 no pipe grows, signals and message queues are bounded, and ordinary use ends nobody', async () => {
    const { stdout, overuse, code } = await python(`
import fcntl, os, resource, time
r, w = os.pipe()
try: fcntl.fcntl(w, 1031, 1 << 20)
except PermissionError: print("refused", fcntl.fcntl(w, 1031, 4096) >= 4096)
print(resource.getrlimit(resource.RLIMIT_SIGPENDING)[1] <= 1024, resource.getrlimit(resource.RLIMIT_MSGQUEUE)[1] <= 102400)
k = [os.pipe() for _ in range(100)]
time.sleep(3)`);
    expect(stdout).toBe('refused True\nTrue True\n');
    expect({ overuse, code }).toEqual({ overuse: [], code: 0 });
  });

  test('W-BOX-22 replacing a listed folder after it was checked has no effect', async () => {
    const path = join(world.writable, 'moving');
    mkdirSync(path, { recursive: true });
    writeFileSync(join(path, 'file'), 'the folder that was looked at');
    const away = join(world.writable, 'away');
    const { stdout } = await shell(`ls -A ${path}; cat ${path}/*`, {
      sandbox: { read: [path] },
      swap: { path, away, to: join(world.home, '.ssh') },
    });
    expect(stdout).toBe('file\nthe folder that was looked at');
  });

  test.each([
    ['no bubblewrap', { bubblewrap: null }, /bubblewrap is missing/, /install it/],
    ['no filter for the processor', { architecture: null }, /no system call filter/, /off: true/],
    [
      'nothing that sets limits',
      { prlimit: null, setLimit: null },
      /nothing can set its limits/,
      /util-linux/,
    ],
  ] as const)('W-BOX-19 nothing starts with %s', async (_, machine, message, hint) => {
    const { error, stdout } = await shell('echo started', { machine });
    expect(error).toMatchObject({
      code: 'sandbox-unavailable',
      message: expect.stringMatching(message),
      hint: expect.stringMatching(hint),
    });
    expect(stdout).toBe('');
  });

  test('W-BOX-19 nothing starts if user namespaces are forbidden, and the error names the setting', async () => {
    const [outcome] = await world.run(
      [{ file: '/bin/sh', args: ['-c', 'echo started'], machine: { ownsDevices: false } }],
      'forbidden',
    );
    expect(outcome?.error).toMatchObject({
      code: 'sandbox-unavailable',
      message: expect.stringContaining('user namespace'),
      hint: 'sudo sysctl -w user.max_user_namespaces=15000',
    });
    expect(outcome?.stdout).toBe('');
  });

  test('W-BOX-19 nothing starts with a bubblewrap that leaves a layer out', async () => {
    // It removes the filter from its arguments and passes the rest on.
    const file = join(world.servers, 'bwrap');
    const careless = [
      '#!/usr/bin/python3',
      'import os, sys',
      'words = os.fdopen(3, "rb").read().split(b"\\0")[:-1]',
      'at = words.index(b"--seccomp")',
      'del words[at : at + 2]',
      'os.execv("/usr/bin/bwrap", [b"bwrap", *words, *[word.encode() for word in sys.argv[3:]]])',
    ];
    writeFileSync(file, careless.join('\n'), { mode: 0o755 });
    const machine = {
      bubblewrap: {
        file,
        version: '0',
        missing: [],
        canDisableUserNamespaces: true,
        setUserId: false,
        followsLinks: false,
      },
    };
    const { error, stdout } = await run({
      file: PYTHON,
      args: ['-c', 'import time; time.sleep(30)'],
      machine,
    });
    expect(error).toMatchObject({
      code: 'sandbox-unavailable',
      message: expect.stringContaining('lacks system-calls'),
    });
    expect(stdout).toBe('');
  });

  test('W-BOX-19 a sandbox that fails half-way is an error, and not a server that ended', async () => {
    const file = join(world.servers, 'bwrap-failing');
    const failing = [
      '#!/usr/bin/python3',
      'import os, sys',
      'words = os.fdopen(3, "rb").read().split(b"\\0")[:-1]',
      'words += [b"--ro-bind", b"/nowhere/at/all", b"/nowhere"]',
      'os.execv("/usr/bin/bwrap", [b"bwrap", *words, *[word.encode() for word in sys.argv[3:]]])',
    ];
    writeFileSync(file, failing.join('\n'), { mode: 0o755 });
    const machine = {
      bubblewrap: {
        file,
        version: '0',
        missing: [],
        canDisableUserNamespaces: true,
        setUserId: false,
        followsLinks: false,
      },
    };
    const { error } = await shell('echo started', { machine });
    expect(error).toMatchObject({ code: 'sandbox-unavailable' });
  });

  test('the program prlimit sets the limits if the C library cannot be called', async () => {
    const { limits, layers } = await shell('cat', { machine: { setLimit: null } });
    expect(layers).toEqual(expect.arrayContaining([...REQUIRED_LAYERS]));
    expect(limits).toMatchObject({ files: 8192, core: 0 });
  });

  test('W-BOX-18 a limit that the profile names is enforced, or nothing starts', async () => {
    const none = { cgroups: null, countsProcessesByNamespace: false };
    const { error } = await shell('echo started', { machine: none, sandbox: { processes: 20 } });
    expect(error).toMatchObject({
      code: 'sandbox-unavailable',
      message: expect.stringContaining('"sandbox.processes"'),
    });
    const { limits } = await shell('cat', { sandbox: { processes: 20 } });
    expect(limits?.processes).toMatchObject({ max: 20 });
  });

  test('W-BOX-16 a bound on memory that no control group holds is refused, unless the profile says best-effort', async () => {
    const memory = 256 << 20;
    const none = { cgroups: null };
    const { error, stdout } = await shell('echo started', { machine: none, sandbox: { memory } });
    expect(error).toMatchObject({
      code: 'sandbox-unavailable',
      message: expect.stringContaining('"sandbox.memory" cannot be held here without a control group'),
      hint: expect.stringContaining('memory: {most: 256MiB, best-effort: true}'),
    });
    expect(stdout).toBe('');
    const { limits } = await shell('cat', { machine: none, sandbox: { memory, memoryBestEffort: true } });
    expect(limits?.memory.enforcedBy).toBe('process');

    // Where there is one it counts what no process's own limit does.
    const {
      error: refused,
      limits: held,
      code,
    } = await python(
      'import os; f = os.memfd_create("x"); [os.write(f, bytes(1 << 20)) for at in range(1024)]',
      { sandbox: { memory } },
    );
    if (refused === undefined) {
      expect(held?.memory).toEqual({ max: memory, enforcedBy: 'group' });
      expect(code).toBe(137);
    } else expect(refused.code).toBe('sandbox-unavailable');
  });

  test('W-BOX-16 a server cannot make the kernel spare it when memory is short', async () => {
    const { stdout } = await shell(
      '(echo 0 >/proc/self/oom_score_adj) 2>/dev/null || echo refused; cat /proc/self/oom_score_adj; exec 3>"$HOME/y"; echo x >/proc/self/fd/3; cat "$HOME/y"',
    );
    expect(stdout.split('\n')).toEqual(['refused', '1000', 'x', '']);
  });

  test('W-BOX-19 an inherited filter does not count as the sandbox’s', async () => {
    const file = join(world.servers, 'bwrap-unfiltered');
    const unfiltered = [
      '#!/usr/bin/python3',
      'import os, sys',
      'words = os.fdopen(3, "rb").read().split(b"\\0")[:-1]',
      'at = words.index(b"--seccomp")',
      'del words[at : at + 2]',
      'os.execv("/usr/bin/bwrap", [b"bwrap", *words, *[word.encode() for word in sys.argv[3:]]])',
    ];
    writeFileSync(file, unfiltered.join('\n'), { mode: 0o755 });
    const bubblewrap = {
      file,
      version: '0',
      missing: [],
      canDisableUserNamespaces: true,
      setUserId: false,
      followsLinks: false,
    };
    const order = { file: PYTHON, args: ['-c', 'import sys; sys.stdin.read()'] };
    const [careless, proper] = await world.run([{ ...order, machine: { bubblewrap } }, order], 'filtered');
    expect(careless?.error).toMatchObject({
      code: 'sandbox-unavailable',
      message: expect.stringContaining('lacks system-calls'),
    });
    expect(proper?.error).toBeUndefined();
    expect(proper?.layers).toEqual(expect.arrayContaining([...REQUIRED_LAYERS]));
  });

  test('W-BOX-19 nothing starts if the environment of Warder itself would come along', async () => {
    const { error, stdout } = await shell('echo started', { careless: true });
    expect(error).toMatchObject({
      code: 'sandbox-unavailable',
      message: expect.stringContaining('lacks environment'),
    });
    expect(stdout).toBe('');
  });

  test('W-BOX-5 a server that closes its devices closes no other session’s, nor the machine’s', async () => {
    const ready = join(world.writable, `devices-${person.uid}`);
    const other = world.start([
      {
        file: '/bin/sh',
        args: ['-c', 'cat; echo fine >/dev/null && head -c 1 /dev/zero | wc -c'],
        input: 'go\n',
        readyFile: ready,
        inputAfter: `${ready}-go`,
      },
    ]);
    await expect.poll(() => existsSync(ready)).toBe(true);
    await shell('chmod 000 /dev/null /dev/zero 2>/dev/null; chown 7 /dev/null 2>/dev/null');
    writeFileSync(`${ready}-go`, '');
    const [outcome] = JSON.parse(await text(other.stdout)) as Outcome[];
    expect(outcome?.stdout).toBe('go\n1\n');
    expect(statSync('/dev/null').mode & 0o777).toBe(0o666);

    if (person.uid !== 0) return;
    const { error, stdout } = await shell('echo started', { machine: { makeDevices: null } });
    expect(error).toMatchObject({ code: 'sandbox-unavailable', hint: expect.stringContaining('nodev') });
    expect(stdout).toBe('');
  });

  test('W-BOX-3 a secret place is refused by name, through a link, and through a folder that could contain it', async () => {
    const link = join(world.writable, 'to-ssh');
    symlinkSync(join(world.home, '.ssh'), link);
    const refusals = await world.run(
      [
        { read: [join(world.home, '.ssh')] },
        { read: [link] },
        { read: [`${world.home}/project/link`] },
        { read: [`${world.home}/.config/warder/profiles`] },
        { write: [`${world.home}/.local/state/warder`] },
        { write: [world.home] },
        { read: [world.home] },
        { read: [`${world.home}/.config`] },
        { read: [`${world.home}/.local/share`] },
        { read: ['/'] },
        { read: ['/proc'] },
        { read: ['/etc/shadow'] },
        { read: ['/missing/folder'] },
      ].map((sandbox) => ({ file: '/bin/true', sandbox })),
    );
    expect(refusals.map(({ error }) => error?.code)).toEqual(refusals.map(() => 'profile-invalid'));
  });

  test('W-BOX-27 what would be mounted below a writable folder is refused if bubblewrap follows links there', async () => {
    const inner = join(world.writable, 'ref/lib');
    mkdirSync(inner, { recursive: true });
    world.give(world.writable);
    const file = '/usr/bin/bwrap';
    const bubblewrap = { file, version: '0', missing: [], canDisableUserNamespaces: true, setUserId: false };
    const order = { file: '/bin/true', sandbox: { read: [inner], write: [world.writable] } };
    const [unfixed, fixed, setUserId] = await world.run([
      { ...order, machine: { bubblewrap: { ...bubblewrap, followsLinks: true } } },
      { ...order, machine: { bubblewrap: { ...bubblewrap, followsLinks: false } } },
      { file: '/bin/true', machine: { bubblewrap: { ...bubblewrap, followsLinks: true, setUserId: true } } },
    ]);
    expect(unfixed?.error).toMatchObject({
      code: 'sandbox-unavailable',
      message: expect.stringContaining(`"${inner}" is below a folder that it may write`),
      hint: expect.stringContaining('0.12'),
    });
    expect(fixed?.error).toBeUndefined();
    expect(setUserId?.error).toMatchObject({
      code: 'sandbox-unavailable',
      hint: expect.stringContaining('chmod u-s'),
    });
  });

  test('W-EGR-1 a profile that lists hosts is refused without a network', async () => {
    const { error } = await run({ file: '/bin/true', sandbox: { network: ['api.example.com'] } });
    expect(error).toMatchObject({
      code: 'sandbox-unavailable',
      message: expect.stringContaining('cannot reach the hosts that it lists'),
    });
  });
});
