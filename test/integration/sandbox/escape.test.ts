// Hostile servers in Python, Node and shell. Each tries one escape from the real sandbox, as root and as an ordinary user.
// Every attempt must fail inside. Harmless attempts are also made outside, where they must succeed: otherwise their failure
// inside would prove nothing.
import { existsSync, statSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DENIED_CALLS, MISSING_CALLS } from '../../../src/sandbox/linux/seccomp.ts';
import type { Order, Outcome } from '../../fixtures/hostile/driver.ts';
import { MARK, marked, people, World } from '../../fixtures/hostile/world.ts';
import { hasNative } from '../../fixtures/launchers.ts';

const LANGUAGES = {
  py: '/usr/bin/python3',
  mjs: process.execPath,
  sh: '/bin/sh',
} as const;
type Language = keyof typeof LANGUAGES;

/** One escape: its languages, its arguments, and what the sandbox lists. */
interface Attempt {
  readonly id: string;
  readonly promise: string;
  readonly name: string;
  readonly in: readonly Language[];
  readonly arguments: (world: World, language: Language) => unknown;
  readonly sandbox?: (world: World) => Order['sandbox'];
  /** Also run without a sandbox, as root and as an ordinary user, where it must succeed. */
  readonly control?: boolean;
  /** What the failure must report. */
  readonly said?: RegExp;
}

const usual = (world: World): Order['sandbox'] => ({
  read: [world.folder, world.servers],
  write: [world.writable],
});
const warders = (world: World): string[] => [
  `${world.home}/.config/warder/profiles/other.yaml`,
  `${world.home}/.local/state/warder/daemon.log`,
];
/** Splits a mark, so that the command line that searches for it does not contain it. */
const split = (mark: string): string[] => [mark.slice(0, 3), mark.slice(3)];
const all = ['py', 'mjs', 'sh'] as const;
const both = ['py', 'mjs'] as const;
const numbersOf = (table: Readonly<Record<string, readonly [number | undefined, number | undefined]>>) =>
  Object.fromEntries(Object.entries(table).map(([name, row]) => [name, row[process.arch === 'x64' ? 0 : 1]]));

const attempts: readonly Attempt[] = [
  {
    id: 'W-BOX-1',
    promise:
      'what is not listed is not there: keys, other files of the home, Warder’s own, the password file',
    name: 'read',
    in: all,
    control: true,
    arguments: (world, language) => {
      const paths = [world.secret, `${world.home}/notes`, ...warders(world)];
      return language === 'sh' ? paths : { paths };
    },
  },
  {
    id: 'W-BOX-1',
    promise: 'the password file and other homes do not exist',
    name: 'read',
    in: both,
    arguments: () => ({
      paths: [
        '/etc/shadow',
        '/etc/gshadow',
        '/etc/ssl/private',
        '/root',
        '/home',
        '/var',
        '/boot',
        '/sys',
        '/run',
      ],
    }),
  },
  {
    id: 'W-BOX-2',
    promise: 'keys, tokens and Warder’s own files are not beside a listed folder',
    name: 'read',
    in: both,
    control: true,
    arguments: (world) => ({
      paths: [
        world.secret,
        `${world.home}/.ssh`,
        `${world.home}/.npmrc`,
        `${world.home}/.config/warder`,
        `${world.home}/.local/state/warder`,
        ...warders(world),
      ],
    }),
  },
  {
    id: 'W-BOX-2',
    promise: 'nothing can be made in their places, nor in a folder that may only be read',
    name: 'make',
    in: both,
    arguments: (world) => ({
      paths: [`${world.home}/.ssh/x`, `${world.home}/.config/warder/x`, `${world.folder}/x`],
    }),
  },
  {
    id: 'W-BOX-4',
    promise: 'no link, rename, `..` or other name of the root leads out of a listed folder',
    name: 'links',
    in: all,
    arguments: (world, language) =>
      language === 'sh'
        ? [world.writable, world.secret]
        : { secret: world.secret, folder: world.folder, writable: world.writable },
  },
  {
    id: 'W-BOX-5',
    promise: 'only listed and private folders can be written',
    name: 'write',
    in: all,
    arguments: (world, language) => {
      const paths = [
        '/x',
        '/usr/x',
        '/usr/bin/env',
        '/etc/passwd',
        '/etc/x',
        '/dev/x',
        '/proc/sys/kernel/core_pattern',
        '/proc/sys/kernel/hostname',
        '/proc/sysrq-trigger',
        '/proc/irq/default_smp_affinity',
        '/proc/mtrr',
        `${world.folder}/file`,
        `${world.folder}/new`,
        `${world.servers}/escape.py`,
      ];
      return language === 'sh' ? paths : { paths };
    },
  },
  {
    id: 'W-BOX-5',
    promise: 'of all existing files only devices can be written',
    name: 'scan',
    in: ['py'],
    control: true,
    // Every user may request notifications of pressure by writing to these files.
    arguments: (world) => ({
      folder: world.folder,
      allowed: [
        '/dev/null',
        '/dev/zero',
        '/dev/full',
        '/dev/random',
        '/dev/urandom',
        '/dev/tty',
        '/dev/pts/',
        '/dev/shm/',
        '/proc/pressure/',
      ],
    }),
  },
  {
    id: 'W-BOX-5',
    promise: 'no mode of a system file can be changed',
    name: 'change_mode',
    in: ['py'],
    arguments: (world) => ({
      paths: ['/usr/bin/env', '/etc/passwd', `${world.folder}/file`, '/', '/proc/sys'],
    }),
  },
  {
    id: 'W-BOX-5',
    promise: 'root’s server cannot change settings of the kernel or devices',
    name: 'settings',
    in: ['sh'],
    arguments: () => [],
  },
  {
    id: 'W-BOX-6',
    promise: 'no process outside is visible',
    name: 'see_processes',
    in: all,
    control: true,
    arguments: (_, language) => (language === 'sh' ? [] : { mark: split(MARK) }),
  },
  {
    id: 'W-BOX-7',
    promise: 'no process outside can be signalled',
    name: 'signals',
    in: all,
    arguments: (_, language) =>
      language === 'sh'
        ? [String(process.pid), String(process.ppid)]
        : { pids: [process.pid, process.ppid, 4_000_000] },
  },
  {
    id: 'W-BOX-7',
    promise: 'no process can be traced',
    name: 'trace',
    in: ['py'],
    control: true,
    arguments: () => ({}),
    said: /EPERM/,
  },
  {
    id: 'W-BOX-7',
    promise: 'no memory of another process can be read or written',
    name: 'memory_of_others',
    in: ['py'],
    control: true,
    arguments: () => ({}),
    said: /EPERM/,
  },
  {
    id: 'W-BOX-8',
    promise: 'no socket with a path can be connected to: D-Bus, Docker, Warder’s own',
    name: 'connect_path',
    in: both,
    control: true,
    arguments: (world) => ({
      paths: [...world.sockets, '/run/dbus/system_bus_socket', '/var/run/docker.sock'],
    }),
  },
  {
    id: 'W-BOX-8',
    promise: 'no datagram can be sent from a socket pair to a socket with a path',
    name: 'datagram_path',
    in: ['py'],
    arguments: (world) => ({ paths: world.sockets }),
  },
  {
    id: 'W-BOX-8',
    promise: 'no socket pair can be reconnected',
    name: 'reconnect_pair',
    in: ['py'],
    arguments: (world) => ({ paths: world.sockets }),
  },
  {
    id: 'W-BOX-8',
    promise: 'no abstract socket can be connected to',
    name: 'abstract',
    in: both,
    control: true,
    arguments: (world) => ({ name: world.abstract }),
  },
  {
    id: 'W-BOX-9',
    promise: 'no connection leaves the sandbox, not even to the machine’s loopback',
    name: 'tcp',
    in: both,
    arguments: (world) => ({
      to: [
        ['127.0.0.1', world.port],
        ['localhost', world.port],
        ['192.0.2.1', 80],
        ['169.254.169.254', 80],
        ['2001:db8::1', 80],
      ],
    }),
  },
  {
    id: 'W-BOX-9',
    promise: 'the machine’s loopback is not the loopback inside',
    name: 'fetch',
    in: ['mjs'],
    control: true,
    arguments: (world) => ({ to: [['127.0.0.1', world.port]] }),
  },
  {
    id: 'W-BOX-9',
    promise: 'the machine’s loopback is not the loopback inside',
    name: 'network',
    in: ['sh'],
    arguments: (world) => [`http://127.0.0.1:${world.port}/`],
  },
  {
    id: 'W-BOX-9',
    promise: 'no datagram leaves the sandbox',
    name: 'udp',
    in: ['py'],
    arguments: () => ({
      to: [
        ['192.0.2.1', 53],
        ['169.254.169.254', 53],
        ['2001:db8::1', 53],
      ],
    }),
  },
  {
    id: 'W-BOX-9',
    promise: 'no name can be looked up',
    name: 'names',
    in: both,
    arguments: () => ({ names: ['example.com', 'metadata.google.internal'] }),
  },
  {
    id: 'W-BOX-10',
    promise: 'no socket of an unusual family can be made',
    name: 'families',
    in: ['py'],
    arguments: () => ({}),
    said: /AF_UNIX.*EAFNOSUPPORT.*AF_ALG.*EAFNOSUPPORT.*AF_VSOCK.*EAFNOSUPPORT/,
  },
  {
    id: 'W-BOX-10',
    promise: 'of netlink sockets only rtnetlink can be used',
    name: 'netlink',
    in: ['py'],
    control: true,
    arguments: () => ({}),
  },
  {
    id: 'W-BOX-10',
    promise: 'no system call that affects the machine is allowed',
    name: 'calls',
    in: ['py'],
    arguments: () => ({
      numbers: {
        ...numbersOf(DENIED_CALLS),
        ...numbersOf(MISSING_CALLS),
        personality: process.arch === 'x64' ? 135 : 92,
        'not yet a call': 480,
      },
      answers: { io_uring_setup: 'ENOSYS', clone3: 'ENOSYS', 'not yet a call': 'ENOSYS' },
    }),
  },
  {
    id: 'W-BOX-10',
    promise: 'no character can be put into a terminal’s input',
    name: 'terminal',
    in: ['py'],
    arguments: () => ({}),
    said: /EPERM.*EPERM.*EPERM/,
  },
  { id: 'W-BOX-10', promise: 'nothing can be mounted', name: 'mount', in: ['sh'], arguments: () => [] },
  ...(process.arch === 'x64'
    ? ([
        {
          id: 'W-BOX-11',
          promise: 'a call of another architecture ends the process',
          name: 'foreign_architecture',
          in: ['py'],
          control: true,
          arguments: () => ({}),
          said: /SIGSYS/,
        },
        {
          id: 'W-BOX-11',
          promise: 'a call of the x32 table gets ENOSYS',
          name: 'x32',
          in: ['py'],
          arguments: () => ({}),
          said: /ENOSYS/,
        },
      ] satisfies Attempt[])
    : []),
  {
    id: 'W-BOX-12',
    promise: 'no namespace can be made',
    name: 'namespaces',
    in: ['py'],
    arguments: () => ({}),
    said: /user.*EPERM/,
  },
  {
    id: 'W-BOX-12',
    promise: 'no namespace can be made with a program',
    name: 'namespace_program',
    in: all,
    control: true,
    arguments: (_, language) => (language === 'sh' ? [] : {}),
  },
  {
    id: 'W-BOX-12',
    promise: 'no namespace can be joined',
    name: 'join_namespace',
    in: ['py'],
    arguments: () => ({}),
  },
  {
    id: 'W-BOX-13',
    promise: 'no capability is in any set',
    name: 'capabilities',
    in: ['py'],
    arguments: () => ({}),
  },
  { id: 'W-BOX-13', promise: 'no raw packet can be sent', name: 'raw_ip', in: ['py'], arguments: () => ({}) },
  {
    id: 'W-BOX-13',
    promise: 'set-user-ID programs gain no rights',
    name: 'privileges',
    in: ['sh'],
    arguments: () => [],
  },
  {
    id: 'W-BOX-13',
    promise: 'no set-user-ID file can be made',
    name: 'setid',
    in: all,
    arguments: (world, language) => (language === 'sh' ? [world.writable] : { writable: world.writable }),
  },
  {
    id: 'W-BOX-13',
    promise: 'no device can be made or opened',
    name: 'devices',
    in: ['py'],
    arguments: (world) => ({ writable: world.writable }),
  },
  {
    id: 'W-BOX-14',
    promise: 'only the first three descriptors are inherited',
    name: 'descriptors',
    in: both,
    arguments: () => ({}),
  },
  {
    id: 'W-BOX-20',
    promise: 'the daemon’s environment is not visible',
    name: 'environment',
    in: both,
    control: true,
    arguments: () => ({ mark: split(MARK) }),
  },
  {
    id: 'W-BOX-16',
    promise: 'a server that fills memory is stopped at its limit',
    name: 'fill_memory',
    in: both,
    sandbox: (world) => ({ ...usual(world), memory: 192 << 20, memoryBestEffort: true }),
    arguments: () => ({ mebibytes: 1200 }),
  },
  {
    id: 'W-BOX-16',
    promise: 'a server that fills its heap is stopped at its limit',
    name: 'fill_heap',
    in: ['mjs'],
    sandbox: (world) => ({ ...usual(world), memory: 192 << 20, memoryBestEffort: true }),
    arguments: () => ({ mebibytes: 1200 }),
  },
  {
    id: 'W-BOX-17',
    promise: 'the private folders cannot fill the machine',
    name: 'fill_disk',
    in: both,
    arguments: () => ({ mebibytes: 300, folders: ['$HOME', '$TMPDIR', '/dev/shm'] }),
  },
  {
    id: 'W-BOX-18',
    promise: 'a server that forks without end is stopped at its limit',
    name: 'fork_bomb',
    in: both,
    sandbox: (world) => ({ ...usual(world), processes: 40 }),
    arguments: () => ({ most: 40 }),
  },
  {
    id: 'W-BOX-24',
    promise: 'open files are limited',
    name: 'open_files',
    in: ['py'],
    arguments: () => ({ most: 8192 }),
  },
  {
    id: 'W-BOX-24',
    promise: 'no limit can be raised',
    name: 'raise_limits',
    in: ['py'],
    arguments: () => ({}),
  },
];

/** What a hostile server printed; `undefined` if it was killed before. */
function resultOf({ stdout }: Pick<Outcome, 'stdout'>): { escaped: boolean; said: string } | undefined {
  return stdout === '' ? undefined : JSON.parse(stdout);
}

function command(world: World, attempt: Attempt, language: Language): { file: string; args: string[] } {
  const given = attempt.arguments(world, language);
  const more = Array.isArray(given) ? given.map(String) : [JSON.stringify(given)];
  return { file: LANGUAGES[language], args: [`${world.servers}/escape.${language}`, attempt.name, ...more] };
}

describe.each(people)('as $name', (person) => {
  let world: World;
  const cases = attempts.flatMap((attempt) => attempt.in.map((language) => ({ attempt, language })));
  /** Those that try the same where nothing may be written. */
  const spares = cases.filter(({ attempt, language }) => language === 'py' && attempt.sandbox === undefined);
  let outcomes: Outcome[] = [];

  beforeAll(async () => {
    world = await new World(person).listen();
    outcomes = await world.run(
      cases.map(({ attempt, language }) => ({
        ...command(world, attempt, language),
        sandbox: (attempt.sandbox ?? usual)(world) ?? {},
      })),
    );
  }, 120_000);

  afterAll(async () => {
    await world[Symbol.asyncDispose]();
  });

  test.each(cases.map((one, at) => ({ ...one, at, id: one.attempt.id, promise: one.attempt.promise })))(
    '$id $promise ($attempt.name, $language)',
    async ({ attempt, language, at }) => {
      const outcome = outcomes[at] as Outcome;
      expect(outcome.error).toBeUndefined();
      const inside = resultOf(outcome);
      // The memory limit killed it before it could print anything.
      if (inside === undefined) {
        expect(attempt.id).toBe('W-BOX-16');
        expect(outcome.stderr).toMatch(/^begun/);
      } else expect(inside).toEqual({ escaped: false, said: expect.stringMatching(attempt.said ?? /(?:)/) });
      if (attempt.control === true) {
        const { file, args } = command(world, attempt, language);
        expect(JSON.parse(await world.outside(file, args))).toMatchObject({ escaped: true });
      }
    },
  );

  test.runIf(hasNative)(
    'W-BOX-39 nor does any of them escape from a sandbox that was made before',
    async () => {
      const orders = spares.map(({ attempt, language }) => ({
        ...command(world, attempt, language),
        sandbox: { read: [world.servers] },
        spare: true,
      }));
      const made = await world.run(orders);
      expect(made.map(({ error }) => error)).toEqual(spares.map(() => undefined));
      expect(made.map((outcome, at) => [spares[at]?.attempt.name, resultOf(outcome)])).toEqual(
        spares.map(({ attempt }) => [
          attempt.name,
          { escaped: false, said: expect.stringMatching(attempt.said ?? /(?:)/) },
        ]),
      );
    },
  );

  test('W-BOX-5 a server can damage only its own devices', async () => {
    const paths = ['/dev/null', '/dev/zero', '/dev/tty'];
    const modes = () => paths.map((path) => (statSync(path).mode & 0o777).toString(8));
    const before = modes();
    await world.run([{ file: '/bin/sh', args: ['-c', `chmod 644 ${paths.join(' ')}`] }]);
    expect(modes()).toEqual(before);
    const [next] = await world.run([{ file: '/bin/sh', args: ['-c', `stat -c %a ${paths.join(' ')}`] }]);
    expect(next?.stdout.trim().split('\n')).toEqual(before);
  });

  test.each([...both, 'sh' as const])(
    'W-BOX-15 what a server leaves running ends with it (%s)',
    async (language) => {
      const mark = `left-behind-${person.uid}-${language}-${process.pid}`;
      const args = language === 'sh' ? [mark] : [JSON.stringify({ mark })];
      const [outcome] = await world.run([
        {
          file: LANGUAGES[language],
          args: [`${world.servers}/escape.${language}`, 'daemonise', ...args],
          sandbox: usual(world) ?? {},
        },
      ]);
      expect(outcome).toMatchObject({ code: 0, left: 0 });
      expect(marked(mark)).toEqual([]);
    },
  );

  test('W-BOX-15 nothing outlives a killed daemon', async () => {
    const mark = `orphan-${person.uid}-${process.pid}`;
    const readyFile = `${world.writable}/confined`;
    const script = 'trap "" TERM HUP; (setsid sleep 300 &); while :; do sleep 1; done';
    const driver = world.start([{ file: '/bin/sh', args: ['-c', script, mark], until: 'never', readyFile }]);
    await expect.poll(() => existsSync(readyFile)).toBe(true);
    expect(marked(mark).length).toBeGreaterThan(1);
    driver.kill('SIGKILL');
    await expect.poll(() => marked(mark)).toEqual([]);
    // The next daemon removes what the killed one left behind.
    await world.run([]);
  });
});
