// Renderers: the same plan as arguments for bubblewrap, as a profile for Seatbelt, as a configuration for Landlock's stage.
import { describe, expect, test } from 'vitest';
import { WarderError } from '../../../src/errors.ts';
import { renderSeatbelt, seatbeltProfile } from '../../../src/sandbox/darwin/seatbelt.ts';
import type { Launch } from '../../../src/sandbox/launch.ts';
import { LimitApplier } from '../../../src/sandbox/linux/apply-limits.ts';
import { renderBubblewrap } from '../../../src/sandbox/linux/bubblewrap.ts';
import { renderLandlock, type StageConfig } from '../../../src/sandbox/linux/landlock.ts';
import { enforcementOf } from '../../../src/sandbox/linux/limits.ts';
import type { Machine } from '../../../src/sandbox/machine.ts';
import type { Plan } from '../../../src/sandbox/plan/plan.ts';

const machine: Machine = {
  uid: 1000,
  architecture: 'x64',
  bubblewrap: {
    file: '/usr/bin/bwrap',
    version: '0.8.0',
    missing: [],
    canDisableUserNamespaces: true,
    setUserId: false,
    followsLinks: false,
  },
  ownsDevices: false,
  makeDevices: undefined,
  native: undefined,
  setLimit: () => true,
  prlimit: '/usr/bin/prlimit',
  nsenter: '/usr/bin/nsenter',
  ip: '/usr/bin/ip',
  copyDescriptor: undefined,
  landlock: 7,
  hardLimits: { files: 4096, processes: 1000, signals: 4096, queues: 819_200 },
  countsProcessesByNamespace: true,
  cgroups: undefined,
};

const basePlan: Plan = {
  partial: [],
  planting: { folders: [], mayPlant: [], guarded: [] },
  profile: 'notes',
  steps: [
    { kind: 'link', at: '/bin', to: 'usr/bin' },
    { kind: 'devices', at: '/dev' },
    { kind: 'copy', at: '/etc/ld.so.cache' },
    { kind: 'file', at: '/etc/passwd', text: 'me:x:1000:1000::/home/me:/bin/sh\n' },
    { kind: 'tmpfs', at: '/home/me', bytes: 4096 },
    { kind: 'bind', path: '/home/me/out', folder: true, write: true },
    { kind: 'bind', path: '/home/me/src', folder: true, write: false },
    { kind: 'hide', at: '/home/me/src/.ssh', folder: true },
    { kind: 'hide', at: '/home/me/src/.npmrc', folder: false },
    { kind: 'proc', at: '/proc' },
    { kind: 'bind', path: '/usr', folder: true, write: false },
    { kind: 'remount-read-only', at: '/' },
  ],
  program: { file: '/usr/bin/node', args: ['server.js', '--flag'] },
  cwd: '/home/me',
  env: { TOKEN: 'very-secret', HOME: '/home/me' },
  uid: 1000,
  gid: 1000,
  home: '/home/me',
  kept: undefined,
  homeBytes: 4096,
  tmp: '/tmp',
  hostname: 'warder',
  sockets: 'ip',
  unixSockets: { allowed: 'none', because: '/home/me/src' },
  network: [],
  limits: {
    files: 8192,
    processes: { max: 512, required: false },
    memory: { max: 1 << 30, required: false },
  },
};

const network = { pauseProcess: { pid: 4711, startTime: 1 } };
const nothing = { descriptorOf: () => undefined, openFile: () => 40, memoryFile: () => undefined };
const data = (launch: Launch, descriptor: number): string => {
  const found = launch.descriptors[descriptor - 3];
  return found?.kind === 'data' ? found.data.toString('latin1') : '';
};
const options = (launch: Launch): string[] => data(launch, 3).split('\0').slice(0, -1);
const code = (trial: () => unknown): string => {
  try {
    trial();
  } catch (error) {
    if (error instanceof WarderError) return error.code;
    throw error;
  }
  return 'none';
};

describe('bubblewrap', () => {
  test('W-BOX-20 the arguments go through descriptors, including the environment', () => {
    const launch = renderBubblewrap(basePlan, machine, nothing);
    expect([launch.file, ...launch.args]).toEqual([
      '/usr/bin/bwrap',
      '--args',
      '3',
      '--',
      '/usr/bin/node',
      'server.js',
      '--flag',
    ]);
    expect(launch.env).toEqual({});
    expect(options(launch).join(' ')).toContain('--setenv TOKEN very-secret');
  });

  test('every namespace, no capabilities, no way to regain them', () => {
    const said = options(renderBubblewrap(basePlan, machine, nothing)).join(' ');
    for (const option of [
      '--unshare-user --unshare-pid --unshare-ipc --unshare-uts --unshare-net --unshare-cgroup-try --disable-userns',
      '--die-with-parent --new-session --cap-drop ALL --clearenv --uid 1000 --gid 1000 --hostname warder',
      '--symlink usr/bin /bin --dev /dev --perms 0444 --file 40 /etc/ld.so.cache'.replace('40', '7'),
      '--perms 0700 --size 4096 --tmpfs /home/me --bind /home/me/out /home/me/out --ro-bind /home/me/src /home/me/src',
      '--perms 0555 --size 4096 --tmpfs /home/me/src/.ssh --ro-bind /dev/null /home/me/src/.npmrc',
      '--ro-bind /usr /usr --remount-ro /',
      '--chdir /home/me --seccomp',
      '--json-status-fd 4 --block-fd 5',
    ]) {
      expect(said).toContain(option);
    }
  });

  test('an opened path is bound by its descriptor', () => {
    const launch = renderBubblewrap(basePlan, machine, {
      ...nothing,
      descriptorOf: (path) => (path.endsWith('/src') ? 99 : undefined),
    });
    const said = options(launch);
    const descriptor = Number(said[said.indexOf('--ro-bind-fd') + 1]);
    expect(launch.descriptors[descriptor - 3]).toEqual({ kind: 'open', descriptor: 99 });
  });

  test('an option that bubblewrap does not know is omitted only if the filter has the same effect', () => {
    const older = {
      ...machine,
      bubblewrap: {
        file: '/usr/bin/bwrap',
        version: '0.6',
        missing: [],
        canDisableUserNamespaces: false,
        setUserId: false,
        followsLinks: false,
      },
    };
    expect(options(renderBubblewrap(basePlan, older, nothing))).not.toContain('--disable-userns');
  });

  test.each([
    ['bubblewrap is missing', { bubblewrap: undefined }],
    [
      'it is too old',
      {
        bubblewrap: {
          file: '/usr/bin/bwrap',
          version: '0.4',
          missing: ['--size'],
          canDisableUserNamespaces: false,
          setUserId: false,
          followsLinks: false,
        },
      },
    ],
    ['there is no filter', { architecture: undefined }],
    ['nothing sets limits', { setLimit: undefined, prlimit: undefined }],
  ])('W-BOX-19 is refused if %s', (_, less) => {
    expect(code(() => renderBubblewrap(basePlan, { ...machine, ...less }, nothing))).toBe(
      'sandbox-unavailable',
    );
  });

  test('the program prlimit sets the limits if the C library cannot be called', () => {
    const { args } = renderBubblewrap(basePlan, { ...machine, setLimit: undefined }, nothing);
    expect(args.slice(3)).toEqual([
      '/usr/bin/prlimit',
      '--core=0:0',
      '--sigpending=1024:1024',
      '--msgqueue=102400:102400',
      '--nofile=1024:4096',
      '--nproc=512:512',
      `--data=${(1 << 30) + (768 << 20)}:${(1 << 30) + (768 << 20)}`,
      '--',
      '/usr/bin/node',
      'server.js',
      '--flag',
    ]);
  });

  test('W-EGR-6 nsenter starts it in a network, and every other namespace is its own', () => {
    const { file, args, env, descriptors } = renderBubblewrap(basePlan, machine, nothing, network);
    expect([file, ...args]).toEqual([
      '/usr/bin/nsenter',
      ...['--target', '4711', '--user', '--net', '--preserve-credentials', '--'],
      ...['/usr/bin/bwrap', '--args', '3', '--', '/usr/bin/node', 'server.js', '--flag'],
    ]);
    expect(env).toEqual({});
    const said = options({ file, args, env, cwd: '/', descriptors });
    expect(said).not.toContain('--unshare-net');
    const alone = options(renderBubblewrap(basePlan, machine, nothing));
    expect(said).toEqual(alone.filter((option) => option !== '--unshare-net'));
    expect(code(() => renderBubblewrap(basePlan, { ...machine, nsenter: undefined }, nothing, network))).toBe(
      'sandbox-unavailable',
    );
  });

  test('a supplied file is written, or covers an existing file', () => {
    const data = Buffer.from('roots');
    const steps = [
      { kind: 'supplied', at: '/run/warder/ca.pem', data, over: false },
      { kind: 'supplied', at: '/etc/ssl/certs/roots.crt', data, over: true },
    ] as const;
    const launch = renderBubblewrap({ ...basePlan, steps }, machine, nothing);
    const said = options(launch);
    for (const [option, path] of [
      ['--file', '/run/warder/ca.pem'],
      ['--ro-bind-data', '/etc/ssl/certs/roots.crt'],
    ] as const) {
      const where = said.indexOf(option);
      expect(said.slice(where - 2, where)).toEqual(['--perms', '0444']);
      expect(said[where + 2]).toBe(path);
      expect(launch.descriptors[Number(said[where + 1]) - 3]).toEqual({ kind: 'data', data });
    }
  });

  test('it runs in a systemd scope if systemd runs', () => {
    const groups = {
      kind: 'systemd',
      command: ['/usr/bin/systemd-run', '--user', '--scope'],
      env: { XDG_RUNTIME_DIR: '/run/user/1000' },
    } as const;
    const launch = renderBubblewrap(basePlan, { ...machine, cgroups: groups }, nothing);
    expect([launch.file, ...launch.args].slice(0, 8)).toEqual([
      '/usr/bin/systemd-run',
      '--user',
      '--scope',
      `--property=MemoryMax=${1 << 30}`,
      '--property=MemorySwapMax=0',
      '--property=TasksMax=512',
      '--',
      '/usr/bin/bwrap',
    ]);
    expect(launch.env).toEqual({ XDG_RUNTIME_DIR: '/run/user/1000' });
    const entering = renderBubblewrap(basePlan, { ...machine, cgroups: groups }, nothing, network);
    expect(entering.file).toBe('/usr/bin/systemd-run');
    expect(entering.args.slice(5, 8)).toEqual(['--', '/usr/bin/nsenter', '--target']);
  });
});

describe('limits', () => {
  const direct = {
    kind: 'direct',
    version: 2,
    memory: '/sys/fs/cgroup',
    processes: '/sys/fs/cgroup',
  } as const;

  test('each is enforced by what the machine offers', () => {
    expect(enforcementOf(basePlan, machine)).toEqual({ memory: 'process', processes: 'user' });
    expect(enforcementOf(basePlan, { ...machine, cgroups: direct })).toEqual({
      memory: 'group',
      processes: 'user',
    });
    expect(
      enforcementOf(basePlan, { ...machine, cgroups: direct, countsProcessesByNamespace: false }),
    ).toEqual({
      memory: 'group',
      processes: 'group',
    });
    expect(enforcementOf(basePlan, { ...machine, countsProcessesByNamespace: false }).processes).toBe('none');
  });

  test('a runtime that reserves gigabytes has no limit on its data', () => {
    const bun = { ...basePlan, program: { file: '/home/me/.bun/bin/bun', args: [] } };
    expect(enforcementOf(bun, machine).memory).toBe('none');
    expect(enforcementOf(bun, { ...machine, cgroups: direct }).memory).toBe('group');
  });

  test('W-BOX-18 a limit that the profile names is enforced, or nothing starts', () => {
    const named = { ...basePlan, limits: { ...basePlan.limits, processes: { max: 5, required: true } } };
    expect(code(() => new LimitApplier(named, machine))).toBe('none');
    expect(code(() => new LimitApplier(named, { ...machine, countsProcessesByNamespace: false }))).toBe(
      'sandbox-unavailable',
    );
  });
});

describe('Landlock', () => {
  const orders = (launch: Launch): StageConfig => JSON.parse(data(launch, 3));

  test('allows what is in the plan, and no sockets', () => {
    const launch = renderLandlock(basePlan, machine, '/usr/bin/node', '/opt/warder/stage.js');
    expect([launch.file, ...launch.args]).toEqual(['/usr/bin/node', '/opt/warder/stage.js']);
    expect(launch.descriptors.map(({ kind }) => kind)).toEqual(['data', 'report']);
    const said = orders(launch);
    expect(said.read).toEqual(
      expect.arrayContaining(['/etc/ld.so.cache', '/etc/passwd', '/home/me/src', '/usr', '/proc/meminfo']),
    );
    expect(said.write).toEqual(['/home/me/out']);
    expect(said).toMatchObject({ program: basePlan.program, env: basePlan.env, cwd: '/home/me' });
  });

  test.each([
    ['without Landlock', { landlock: 0 }],
    ['with a Landlock that allows truncating any file', { landlock: 2 }],
    ['for root', { uid: 0 }],
    ['without a filter', { architecture: undefined }],
  ])('W-BOX-23 is refused %s', (_, less) => {
    expect(code(() => renderLandlock(basePlan, { ...machine, ...less }, '/usr/bin/node', '/stage.js'))).toBe(
      'sandbox-unavailable',
    );
  });

  test('W-BOX-23 is refused for a plan with hosts or supplied files', () => {
    const files = [{ kind: 'supplied', at: '/run/x', data: Buffer.alloc(0), over: false }] as const;
    for (const more of [{ network: ['api.example.com'] }, { steps: [...basePlan.steps, ...files] }]) {
      expect(
        code(() => renderLandlock({ ...basePlan, ...more }, machine, '/usr/bin/node', '/stage.js')),
      ).toBe('sandbox-unavailable');
    }
  });
});

describe('Seatbelt', () => {
  test('starts the server with sandbox-exec, without secrets on the command line', () => {
    const launch = renderSeatbelt(basePlan);
    expect([launch.file, launch.args[0], ...launch.args.slice(2)]).toEqual([
      '/usr/bin/sandbox-exec',
      '-p',
      '--',
      '/usr/bin/node',
      'server.js',
      '--flag',
    ]);
    expect(launch.args.join(' ')).not.toContain('very-secret');
    expect(launch).toMatchObject({ env: basePlan.env, cwd: '/home/me', descriptors: [] });
  });

  test('denies everything that is not in the plan, in the plan’s order', () => {
    const lines = seatbeltProfile(basePlan).split('\n');
    expect(lines.slice(0, 2)).toEqual(['(version 1)', '(deny default)']);
    expect(lines).toContain('(deny network*)');
    const order = [
      '(allow file-read* file-write* process-exec (subpath "/home/me/out"))',
      '(deny file-write* (subpath "/home/me/src"))',
      '(allow file-read* process-exec (subpath "/home/me/src"))',
      '(deny file* process-exec (subpath "/home/me/src/.ssh"))',
      '(deny file* process-exec (literal "/home/me/src/.npmrc"))',
    ].map((line) => lines.indexOf(line));
    expect(order).not.toContain(-1);
    expect(order).toEqual(order.toSorted((one, other) => one - other));
    expect(lines.filter((line) => /file-write\*/.test(line) && line.startsWith('(allow'))).toHaveLength(1);
    expect(lines.some((line) => line.includes('"/home/me")') && !line.includes('metadata'))).toBe(false);
  });

  test('W-EGR-1 allows only the proxy’s port on loopback, and without a proxy no network', () => {
    const rules = (port?: number): string[] =>
      seatbeltProfile(basePlan, port)
        .split('\n')
        .filter((line) => line.includes('network'));
    expect(rules()).toEqual(['(deny network*)']);
    expect(rules(8123)).toEqual(['(deny network*)', '(allow network-outbound (remote ip "localhost:8123"))']);
    expect(renderSeatbelt(basePlan, 8123).args[1]).toBe(seatbeltProfile(basePlan, 8123));
  });

  test('a path cannot end its string', () => {
    const steps = [{ kind: 'bind', path: '/a")(allow default)("\\', folder: true, write: false }] as const;
    expect(seatbeltProfile({ ...basePlan, steps })).toContain(
      '(allow file-read* process-exec (subpath "/a\\")(allow default)(\\"\\\\"))',
    );
  });
});
