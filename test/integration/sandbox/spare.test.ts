// A sandbox that is made before its server: what runs in it finds what it would find in one of its own, and it is used for no plan but
// the one that it was made by.
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Child, loadSpawn, type Spawn } from '../../../src/os/spawn.ts';
import { childrenOf, descendantsOf } from '../../../src/sandbox/linux/process.ts';
import { inspectMachine, type Machine } from '../../../src/sandbox/machine.ts';
import type { SandboxRequest } from '../../../src/sandbox/request.ts';
import { prepareSpare, type SpareSandbox, spareRequest } from '../../../src/sandbox/spare.ts';
import type { Order } from '../../fixtures/hostile/driver.ts';
import { people, World } from '../../fixtures/hostile/world.ts';
import { hasNative, openNativeProgram } from '../../fixtures/launchers.ts';

/** Prints what a process can tell of its sandbox. */
const PROBE = `
import hashlib, json, os, socket
def read(path):
    with open(path, 'rb') as file:
        return file.read().decode('latin1')
def state(path):
    found = os.lstat(path)
    more = os.readlink(path) if os.path.islink(path) else read(path) if os.path.isfile(path) and found.st_size < 1e6 else ''
    return [oct(found.st_mode), found.st_uid, found.st_gid, found.st_nlink, found.st_rdev, hashlib.sha256(more.encode()).hexdigest()]
def names(folder):
    return {os.path.join(folder, name): state(os.path.join(folder, name)) for name in sorted(os.listdir(folder))}
print(json.dumps({
    'environment': dict(os.environ),
    'words': read('/proc/self/cmdline'),
    'folder': os.getcwd(),
    'mounts': read('/proc/self/mountinfo'),
    'status': read('/proc/self/status'),
    'limits': read('/proc/self/limits'),
    'groups': read('/proc/self/cgroup'),
    'users': read('/proc/self/uid_map') + read('/proc/self/gid_map') + read('/proc/self/setgroups'),
    'score': read('/proc/self/oom_score_adj'),
    'host': socket.gethostname(),
    'interfaces': read('/proc/net/dev'),
    'descriptors': sorted(os.listdir('/proc/self/fd')),
    'session': [os.getsid(0) == os.getpgrp(), os.getppid(), os.umask(0)],
    'processes': sorted(name for name in os.listdir('/proc') if name.isdigit()),
    'root': names('/'), 'etc': names('/etc'), 'dev': names('/dev'), 'home': names(os.environ['HOME']), 'tmp': names(os.environ['TMPDIR']),
}))
`;

/** Without what differs between any two sandboxes: numbers of mounts, devices, namespaces and groups, and counts of work done. */
function withoutNumbers(stdout: string): unknown {
  const seen = JSON.parse(stdout);
  // /proc has as many as there are processes on the machine.
  delete seen.root['/proc'];
  const lines = (of: string, drop: RegExp): string[] => of.split('\n').filter((line) => !drop.test(line));
  return {
    ...seen,
    mounts: seen.mounts
      .replace(/^\d+ \d+ \d+:\d+ /gm, '')
      .replace(/ (master|shared):\d+/g, ' $1')
      .replace(/\d+-[0-9a-f]{12}/g, 'OWN'),
    status: lines(
      seen.status,
      /^(Vm|Rss|Hugetlb|voluntary|nonvoluntary|Pid|Tgid|Ngid|NS|x86|SigQ|Cpus|Mems)/,
    ),
    groups: seen.groups.replace(/warder-\d+-[0-9a-f]{12}/g, 'OWN'),
    interfaces: seen.interfaces.split('\n').map((line: string) => line.split(':')[0]),
  };
}

describe.runIf(hasNative).each(people)('as $name', (person) => {
  let world: World;
  beforeAll(() => {
    world = new World(person);
  });
  afterAll(async () => {
    await world[Symbol.asyncDispose]();
  });

  test('W-BOX-39 a server in a spare finds the mounts, variables, limits, filter and groups that it would find in its own', async () => {
    const order: Partial<Order> = {
      file: '/usr/bin/python3',
      args: ['-c', PROBE, 'an argument', '', 'ünïcode'],
      cwd: world.servers,
      env: {
        TOKEN: 'a value\nof two lines',
        EMPTY: '',
        PWD: '/elsewhere',
        WARDER_SESSION: '0123456789abcdef',
      },
      sandbox: { read: [world.servers], memory: 512 << 20, memoryBestEffort: true, processes: 64 },
    };
    const [own, spare] = await world.run([order, { ...order, spare: true }]);
    expect([own?.error, spare?.error, own?.stderr, spare?.stderr]).toEqual([undefined, undefined, '', '']);
    expect(spare?.layers).toEqual(own?.layers);
    expect(spare?.limits).toEqual(own?.limits);
    expect([spare?.code, spare?.left]).toEqual([0, 0]);
    const seen = withoutNumbers(spare?.stdout ?? '');
    expect(seen).toEqual(withoutNumbers(own?.stdout ?? ''));
    // The comparison is of something.
    expect(seen).toMatchObject({
      folder: world.servers,
      environment: { TOKEN: 'a value\nof two lines', EMPTY: '', PWD: world.servers },
      words: `/usr/bin/python3\0-c\0${PROBE}\0an argument\0\0ünïcode\0`.replace(/[^\0-\x7f]/g, (each) =>
        Buffer.from(each).toString('latin1'),
      ),
      processes: ['1', '2'],
      descriptors: ['0', '1', '2', '3'],
    });
  });

  test('W-BOX-15 a spare ends with a daemon that is killed, and so does what runs in one', async () => {
    const order: Partial<Order> = {
      file: '/bin/sleep',
      args: [`300.${process.pid}${person.uid}`],
      spare: true,
    };
    const readyFile = join(world.writable, 'ready');
    const driver = world.start([{ ...order, readyFile, until: 'never' }]);
    const running = (): string[] =>
      readdirSync('/proc').filter(
        (pid) => /^\d+$/.test(pid) && read(`/proc/${pid}/cmdline`).includes(order.args?.[0] ?? '?'),
      );
    await expect.poll(running).toHaveLength(1);
    driver.kill('SIGKILL');
    await expect.poll(running).toEqual([]);
    await world.run([]);
  });
});

describe.runIf(hasNative)('a spare', () => {
  let base: string;
  let machine: Machine;
  let spawn: Spawn;
  let request: SandboxRequest;
  const made: { readonly sandbox: SpareSandbox; readonly child: Child }[] = [];

  beforeAll(async () => {
    base = realpathSync(mkdtempSync(join(tmpdir(), 'warder-spare-')));
    machine = await inspectMachine(process.getuid?.() ?? 0, join(base, 'run'), async () =>
      openNativeProgram(),
    );
    spawn = await loadSpawn();
  });
  afterAll(() => rmSync(base, { recursive: true, force: true }));

  beforeEach(() => {
    for (const name of ['project/inside', 'other', 'run'])
      mkdirSync(join(base, 'home', name), { recursive: true });
    symlinkSync(join(base, 'home/project'), join(base, 'home/link'));
    writeFileSync(join(base, 'home/project/file'), 'hello');
    writeFileSync(join(base, 'home/other/tool'), '#!/bin/sh\n', { mode: 0o755 });
    mkdirSync(join(base, 'home/package'));
    for (const [name, content] of [
      ['package.json', '{}'],
      ['.env', 'secret'],
      ['tool', '#!/bin/sh\n'],
    ] as const)
      writeFileSync(join(base, 'home/package', name), content, { mode: 0o755 });
    request = {
      profile: 'demo',
      uid: process.getuid?.() ?? 0,
      gid: process.getgid?.() ?? 0,
      user: 'somebody',
      home: join(base, 'home'),
      file: '/bin/sh',
      args: ['-c', 'cat file; echo "$TOKEN"'],
      cwd: join(base, 'home/link'),
      env: { PATH: '/usr/bin:/bin', HOME: join(base, 'home'), TOKEN: 'very-secret' },
      sandbox: {
        read: [join(base, 'home/link')],
        write: [],
        network: [],
        memory: undefined,
        processes: undefined,
      },
      roots: [],
      node: process.execPath,
      warder: [join(base, 'run')],
    };
  });
  afterEach(async () => {
    for (const { sandbox, child } of made.splice(0)) {
      await sandbox[Symbol.asyncDispose]();
      await child.ended;
    }
    rmSync(join(base, 'home'), { recursive: true, force: true });
  });

  async function make(): Promise<{ sandbox: SpareSandbox; child: Child }> {
    const asked = spareRequest(request);
    using prepared = asked && prepareSpare(asked, machine);
    if (prepared === undefined) throw new Error('none can be made');
    const { descriptors, ...launch } = prepared.launch;
    const child = await spawn({
      ...launch,
      descriptors: descriptors.map((entry) => (entry.kind === 'open' ? entry.descriptor : 'pipe')),
    });
    const one = { sandbox: await prepared.hold(child), child };
    made.push(one);
    return one;
  }

  test('W-BOX-41 before it is used it has no variable, argument or secret, and holds no descriptor of what it was made of', async () => {
    const { child } = await make();
    const all = [child.pid, ...descendantsOf(child.pid).map(({ pid }) => pid)];
    expect(all).toHaveLength(3);
    for (const pid of all) {
      expect(read(`/proc/${pid}/environ`).replace(/PWD=[^\0]*\0/, '')).toBe('');
      expect(read(`/proc/${pid}/cmdline`)).not.toMatch(/secret|cat file|project/);
    }
    const [server = 0] = all.slice(-1);
    expect(childrenOf(server)).toEqual([]);
    const open = readdirSync(`/proc/${server}/fd`).map((each) => readlinkSync(`/proc/${server}/fd/${each}`));
    expect(open.filter((each) => each.startsWith('/'))).toEqual([]);
  });

  test('W-BOX-42 it is used once', async () => {
    const { sandbox, child } = await make();
    const prepared = sandbox.prepare(request);
    const confined = await prepared?.confine(child);
    expect(confined?.layers).toContain('system-calls');
    expect(sandbox.prepare(request)).toBeUndefined();
    await expect(prepared?.confine(child)).rejects.toThrow('used once');
    expect(await text(child.stdout.resume())).toBe('hellovery-secret\n');
    expect(await child.ended).toEqual({ code: 0, signal: null });
  });

  const changes: readonly [string, () => Partial<SandboxRequest> | undefined][] = [
    ['another profile', () => ({ profile: 'other' })],
    [
      'another folder that it may read',
      () => ({ sandbox: { ...request.sandbox, read: [join(base, 'home/other')] }, cwd: undefined }),
    ],
    [
      'a folder that it may write',
      () => ({ sandbox: { ...request.sandbox, write: [join(base, 'home/other')] } }),
    ],
    [
      'another bound of memory',
      () => ({ sandbox: { ...request.sandbox, memory: 1 << 30, memoryBestEffort: true } }),
    ],
    ['another bound of processes', () => ({ sandbox: { ...request.sandbox, processes: 100 } })],
    ['another size of its home', () => ({ sandbox: { ...request.sandbox, homeSize: 1 << 20 } })],
    [
      'sockets of its own',
      () => ({
        sandbox: { ...request.sandbox, unixSockets: request.sandbox.unixSockets !== true, read: [] },
        cwd: undefined,
      }),
    ],
    ['another working folder', () => ({ cwd: join(base, 'home/project/inside') })],
    ['a package', () => ({ roots: [join(base, 'home/other')] })],
    ['a certificate', () => ({ files: [{ path: '/etc/ssl/certs/own.pem', data: Buffer.from('x') }] })],
    ['a kept home', () => ({ keptHome: join(base, 'home/other') })],
    ['another program that needs the same files', () => ({ file: '/bin/cat' })],
    ['another program that needs other files', () => ({ file: join(base, 'home/other/tool') })],
    ['too long an environment', () => ({ env: { ...request.env, LONG: 'x'.repeat(2 ** 20) } })],
    ['a NUL in a value', () => ({ env: { ...request.env, NUL: 'a\0b' } })],
    [
      'a folder that was replaced',
      () => {
        renameSync(join(base, 'home/project'), join(base, 'home/away'));
        mkdirSync(join(base, 'home/project'));
        return undefined;
      },
    ],
    [
      'a new entry of the folder of its package',
      () => {
        writeFileSync(join(base, 'home/package/new'), '');
        return undefined;
      },
    ],
    [
      'an entry of the folder of its package that was replaced',
      () => {
        writeFileSync(join(base, 'home/package/next'), '#!/bin/sh\n', { mode: 0o755 });
        renameSync(join(base, 'home/package/next'), join(base, 'home/package/tool'));
        return undefined;
      },
    ],
    [
      'a link that leads elsewhere',
      () => {
        rmSync(join(base, 'home/link'));
        symlinkSync(join(base, 'home/other'), join(base, 'home/link'));
        return undefined;
      },
    ],
  ];
  test.each(changes)('W-BOX-40 it is not used for %s', async (name, change) => {
    if (/ of its package/.test(name)) request = { ...request, file: join(base, 'home/package/tool') };
    const { sandbox } = await make();
    expect(sandbox.prepare(request)).toBeDefined();
    request = { ...request, ...change() };
    expect(sandbox.prepare(request)).toBeUndefined();
  });

  test('W-BOX-40 nor where a path is refused now', async () => {
    const { sandbox } = await make();
    const refused = { ...request, sandbox: { ...request.sandbox, read: [join(base, 'home/none')] } };
    expect(() => sandbox.prepare(refused)).toThrow(/which does not exist/);
  });

  test('W-BOX-42 one that was killed is not used', async () => {
    const { sandbox, child } = await make();
    const [server] = descendantsOf(child.pid).slice(-1);
    process.kill(server?.pid ?? Number.NaN, 'SIGKILL');
    await child.ended;
    expect(sandbox.prepare(request)).toBeUndefined();
  });

  test('W-BOX-40 there is none for what the server may write, reach, keep, or has for itself', () => {
    const { sandbox } = request;
    const write = [join(base, 'home/other')];
    const none: readonly Partial<SandboxRequest>[] = [
      { sandbox: { ...sandbox, write } },
      { sandbox: { ...sandbox, network: ['example.com'] } },
      { keptHome: join(base, 'home/other') },
      { files: [{ path: '/etc/own', data: Buffer.from('x') }] },
      { privateFolders: { home: join(base, 'home/other'), tmp: join(base, 'home/other') } },
    ];
    expect(none.map((more) => spareRequest({ ...request, ...more }))).toEqual(none.map(() => undefined));
    expect(prepareSpare({ ...request, path: '', writableRoots: write }, machine)).toBeUndefined();
    expect(prepareSpare({ ...request, path: '' }, { ...machine, native: undefined })).toBeUndefined();
  });

  test('W-BOX-40 there is none that would keep a file system in use that Warder does not use itself', () => {
    const elsewhere = mkdtempSync('/dev/shm/warder-spare-');
    try {
      expect(statSync(elsewhere).dev).not.toBe(statSync(base).dev);
      expect(prepareSpare({ ...request, path: '', roots: [elsewhere] }, machine)).toBeUndefined();
      using prepared = prepareSpare(
        { ...request, path: '', roots: [elsewhere], warder: [elsewhere, ...request.warder] },
        machine,
      );
      expect(prepared).toBeDefined();
    } finally {
      rmSync(elsewhere, { recursive: true });
    }
  });
});

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
