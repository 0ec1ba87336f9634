// A sandbox's network as a hostile server sees it, as root and as an ordinary user: what reaches the daemon's listeners,
// what is refused, and that nothing else is reachable. Then the pool: creating, keeping spare, and disposing of networks.
import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { REQUIRED_LAYERS } from '../../../src/sandbox/layers.ts';
import {
  childrenOf,
  identify,
  isAlive,
  namespaceOf,
  type ProcessIdentity,
  sendSignal,
} from '../../../src/sandbox/linux/process.ts';
import { inspectMachine, type Machine } from '../../../src/sandbox/machine.ts';
import type { Network, NetworkNamespace } from '../../../src/sandbox/network.ts';
import { NetworkPool } from '../../../src/sandbox/network-pool.ts';
import type { SandboxRequest } from '../../../src/sandbox/request.ts';
import { prepare } from '../../../src/sandbox/start.ts';
import type { Order, Outcome } from '../../fixtures/hostile/driver.ts';
import { marked, people, World } from '../../fixtures/hostile/world.ts';

const PYTHON = '/usr/bin/python3';
const LOOK = readFileSync(join(import.meta.dirname, '../../fixtures/hostile/network.py'), 'utf8');
const BUNDLE = '/etc/ssl/certs/ca-certificates.crt';
const quiet = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

describe.each(people)('as $name', (person) => {
  let world: World;

  /** Runs a server that tries each of these in order. Returns the results. */
  async function look(
    asked: readonly (readonly unknown[])[],
    order: Partial<Order> = {},
  ): Promise<{ found: unknown[]; outcome: Outcome; network: NonNullable<Outcome['network']> }> {
    const args = ['-c', LOOK, JSON.stringify(asked)];
    const [outcome] = await world.run([{ file: PYTHON, args, ports: [80, 443], ...order }]);
    if (outcome?.network === undefined) throw new Error('no outcome');
    expect(outcome).toMatchObject({ stderr: '', code: 0, left: 0 });
    const found = outcome.stdout
      .split('\n')
      .filter(Boolean)
      .map((line) => (JSON.parse(line) as [unknown, unknown])[1]);
    expect(found).toHaveLength(asked.length);
    return { found, outcome, network: outcome.network };
  }

  beforeAll(async () => {
    world = await new World(person).listen();
  });

  afterAll(async () => {
    await world[Symbol.asyncDispose]();
  });

  test('W-EGR-1 a connection inside reaches the daemon, which sees the intended address', async () => {
    const { found, network, outcome } = await look([
      ['connect', '127.0.0.2', 443],
      ['connect', '127.200.3.4', 80],
      ['connect', '127.0.0.1', 443],
      ['ask', 'SOCK_DGRAM'],
      ['ask', 'SOCK_STREAM'],
    ]);
    const came = ['127.0.0.2:443', '127.200.3.4:80', '127.0.0.1:443'];
    expect(found).toEqual([...came, 'a question', 'a question']);
    expect(network.came).toEqual(came);
    expect(outcome.layers).toEqual(expect.arrayContaining([...REQUIRED_LAYERS, 'egress-gate']));
  });

  test('W-EGR-1 everything else is refused at once and recorded: other ports, IPv6, other addresses, the machine’s loopback', async () => {
    const { found, network } = await look([
      ['connect', '127.0.0.2', 22],
      ['connect', '127.9.9.9', 65535],
      ['connect', '127.0.0.2', 443],
      ['connect', '127.0.0.1', world.port],
      ['connect', '::1', 443],
      ['connect', '192.0.2.1', 443],
      ['connect', '169.254.169.254', 80],
      ['connect', '203.0.113.9', 8443],
      ['connect', '2001:db8::1', 443],
    ]);
    expect(found.slice(0, 2)).toEqual(['ECONNREFUSED', 'ECONNREFUSED']);
    expect(found.slice(3, 5)).toEqual(['ECONNREFUSED', 'ECONNREFUSED']);
    // An address outside reaches the listener of its port, if there is one, so that it is recorded.
    expect(found[5]).toBe('192.0.2.1:443');
    expect(found[6]).toBe('169.254.169.254:80');
    expect(found[7]).toBe('ECONNREFUSED');
    expect(['ENETUNREACH', 'EADDRNOTAVAIL']).toContain(found[8]);
    expect(network.came).toEqual(['127.0.0.2:443', '192.0.2.1:443', '169.254.169.254:80']);
    expect(network.recordsAttempts).toBe(true);
    // Connections to the server's own 127.0.0.1 are not recorded, and accepted connections are not attempts.
    expect(network.attempts).toEqual([
      { address: '127.0.0.2', port: 22 },
      { address: '127.9.9.9', port: 65535 },
      { address: '203.0.113.9', port: 8443 },
    ]);
  });

  test('W-EGR-6 the server has no rights over its network and cannot leave it', async () => {
    const { found } = await look([
      ['descriptors'],
      ['capabilities'],
      ['bind', 25],
      ['bind', 443],
      ['bind', 53],
      ['bind', 8080],
      ['address'],
      ['route'],
      ['link'],
      ['enter', '/proc/self/ns/net'],
      ['enter', '/proc/1/ns/user'],
      ['raw', 'AF_INET', 'SOCK_RAW', 6],
      ['raw', 'AF_INET', 'SOCK_DGRAM', 1],
      ['raw', 'AF_INET6', 'SOCK_RAW', 58],
      ['raw', 'AF_PACKET', 'SOCK_RAW', 768],
      ['raw', 'AF_VSOCK', 'SOCK_STREAM', 0],
      ['write', '/proc/sys/net/ipv4/ip_unprivileged_port_start'],
    ]);
    expect(found.slice(0, 2)).toEqual([[0, 1, 2], Array.from({ length: 5 }, () => '0'.repeat(16))]);
    expect(found.slice(2, 5).every((one) => one === 'EACCES' || one === 'EADDRINUSE')).toBe(true);
    expect(found[5]).toBe('bound');
    expect(found.slice(6, 9)).toEqual(['EPERM', 'EPERM', 'EPERM']);
    expect(found.slice(9, 11).every((one) => one === 'EPERM' || one === 'EACCES')).toBe(true);
    expect(found.slice(11, 13).every((one) => one === 'EPERM' || one === 'EACCES')).toBe(true);
    expect(found.slice(13)).toEqual(['EPERM', 'EAFNOSUPPORT', 'EAFNOSUPPORT', 'EROFS']);
  });

  test('W-EGR-6 the server can neither see nor signal the pause process of its network', async () => {
    const { found, network } = await look([['pids'], ['signal', 1], ['namespace']]);
    expect(found[0]).toHaveLength(2);
    expect(found[0]).not.toContain(network.pauseProcess);
    expect(found[2]).toBe(network.namespace);
    const { found: other } = await look([['signal', network.pauseProcess]]);
    expect(other).toEqual(['ESRCH']);
  });

  test('W-EGR-9 networks are separate: the listeners of one do not exist in another', async () => {
    const { found, network } = await look(
      [['connect', '127.0.0.2', 443], ['connect', '127.0.0.2', 8443], ['namespace']],
      { beside: [443, 8443] },
    );
    expect(found).toEqual(['127.0.0.2:443', 'ECONNREFUSED', network.namespace]);
    expect(network.beside?.namespace).not.toBe(network.namespace);
    expect(network.beside?.came).toBe(0);
  });

  test('W-EGR-7 a flood of refused connections is bounded in the kernel and recorded in part', async () => {
    const asked = Array.from({ length: 3000 }, (_, at) => ['connect', '127.0.0.2', 1024 + at]);
    const { network } = await look(asked);
    expect(network.attempts.length).toBeGreaterThan(50);
    expect(network.attempts.length).toBeLessThanOrEqual(1024);
  });

  test('W-EGR-2 W-EGR-8 names are resolved inside, and files that Warder supplies cover the system’s own', async () => {
    const before = existsSync(BUNDLE) ? readFileSync(BUNDLE, 'utf8') : undefined;
    const paths = ['/run/warder/ca.pem', ...(before === undefined ? [] : [BUNDLE])];
    const { found } = await look(
      [
        ['read', '/etc/resolv.conf'],
        ...paths.flatMap((path) => [
          ['read', path],
          ['write', path],
        ]),
      ],
      {
        sandbox: { network: ['api.example.com'] },
        // The buffer goes through JSON. The driver restores it.
        files: paths.map((path) => ({ path, data: Buffer.from(`brought to ${path}`) })),
      },
    );
    expect(found[0]).toBe('nameserver 127.0.0.1\noptions timeout:2 attempts:2\n');
    expect(found.slice(1)).toEqual(
      paths.flatMap((path) => [`brought to ${path}`, expect.stringMatching(/^(EACCES|EROFS)$/)]),
    );
    if (before !== undefined) expect(readFileSync(BUNDLE, 'utf8')).toBe(before);
  });

  test('W-BOX-18 W-BOX-24 the same limits are in force with a network and without one', async () => {
    const run = async (ports?: readonly number[]): Promise<Outcome['limits']> => {
      const order = {
        file: '/bin/cat',
        sandbox: { processes: 40 },
        ...(ports === undefined ? {} : { ports }),
      };
      const [outcome] = await world.run([order]);
      expect(outcome?.error).toBeUndefined();
      return outcome?.limits;
    };
    const limits = await run([443]);
    expect(limits).toMatchObject({ files: 8192, core: 0, processes: { max: 40 } });
    expect(limits).toEqual(await run());
  });

  test('W-EGR-6 W-BOX-15 a daemon that is killed leaves no network and no server in one', async () => {
    const mark = `network-${person.uid}-${process.pid}`;
    const readyFile = `${world.writable}/${mark}`;
    const port = 20_000 + (process.pid % 10_000) + (person.uid === 0 ? 0 : 10_000);
    const script = 'trap "" TERM HUP; (setsid sleep 300 &); while :; do sleep 1; done';
    const order = { file: '/bin/sh', args: ['-c', script, mark], ports: [port], until: 'never', readyFile };
    const driver = world.start([order]);
    await expect.poll(() => existsSync(readyFile)).toBe(true);
    // The outer bubblewrap and the pause process, and those of a spare once it is made.
    await expect.poll(() => networkProcesses(port).length).toBe(4);
    const made = networkProcesses(port);
    driver.kill('SIGKILL');
    await expect.poll(() => [...marked(mark), ...made.filter(isAlive)]).toEqual([]);
    // The same while the network is still being created.
    const early = world.start([order]);
    await expect
      .poll(() => networkProcesses(port).length, { timeout: 20_000, interval: 2 })
      .toBeGreaterThan(0);
    early.kill('SIGKILL');
    await expect.poll(() => networkProcesses(port)).toEqual([]);
    await world.run([]);
  });
});

/** The processes that create or keep alive networks with this single port. */
function networkProcesses(port: number): ProcessIdentity[] {
  return marked(`cat\0${port}\0`)
    .flatMap((pid) => [pid, ...childrenOf(pid)])
    .flatMap((pid) => identify(pid) ?? [])
    .filter(isAlive);
}

describe('networks', () => {
  const uid = process.getuid?.() ?? 0;
  const stage = new URL('../../../src/sandbox/network/namespace-stage.ts', import.meta.url).pathname;
  let folder = '';
  let starts = '';
  let machine: Machine;
  const open = (more: Partial<Machine> = {}): NetworkPool =>
    new NetworkPool({ machine: { ...machine, ...more }, node: process.execPath, stage, log: quiet });

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'warder-networks-'));
    machine = await inspectMachine(uid, folder);
    // Counts how often it was started.
    starts = join(folder, 'starts');
    const counting = join(folder, 'bwrap');
    writeFileSync(counting, `#!/bin/sh\necho started >>${starts}\nexec ${machine.bubblewrap?.file} "$@"\n`);
    chmodSync(counting, 0o755);
  });

  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  const count = (): number => (existsSync(starts) ? readFileSync(starts, 'utf8').split('\n').length - 1 : 0);
  const counted = (): Partial<Machine> => ({
    bubblewrap: {
      file: join(folder, 'bwrap'),
      version: '0',
      missing: [],
      canDisableUserNamespaces: true,
      setUserId: false,
      followsLinks: false,
    },
  });

  /** Runs a server in a network. Returns its output. */
  async function run(network: NetworkNamespace, script: string): Promise<string> {
    const request: SandboxRequest = {
      profile: 'notes',
      uid,
      gid: process.getgid?.() ?? 0,
      user: 'somebody',
      home: folder,
      file: '/bin/sh',
      args: ['-c', script],
      cwd: undefined,
      env: { PATH: '/usr/bin:/bin' },
      roots: [],
      sandbox: { read: [], write: [], network: [], memory: undefined, processes: undefined },
      node: process.execPath,
      warder: [],
    };
    using prepared = prepare(request, machine, network);
    const { file, args, env, cwd, descriptors } = prepared.launch;
    const pipes = descriptors.map((one) => (one.kind === 'open' ? one.descriptor : ('pipe' as const)));
    const child = spawn(file, [...args], { env, cwd, stdio: ['ignore', 'pipe', 'ignore', ...pipes] });
    const said = text(child.stdout as NonNullable<typeof child.stdout>);
    const confined = await prepared.confine({ pid: child.pid ?? 0, stdio: child.stdio }, {});
    const answer = await said;
    await confined[Symbol.asyncDispose]();
    return answer;
  }

  test('a spare is kept for the ports that were requested last, and is the next network for them', async () => {
    const before = count();
    await using networks = open(counted());
    const first = await networks.take([443, 80, 443]);
    expect([...first.listeners.keys()].sort()).toEqual([443, 80]);
    expect(count()).toBe(before + 1);
    await expect.poll(count).toBe(before + 2);
    // A spare that is still being created is waited for.
    const second = await networks.take([80, 443]);
    expect(count()).toBe(before + 2);
    expect(second.namespace).not.toBe(first.namespace);
    expect(await run(second, 'readlink /proc/self/ns/net')).toBe(`${second.namespace}\n`);
    await first[Symbol.asyncDispose]();
    await second[Symbol.asyncDispose]();
  });

  test('a spare that has ended, or that is for other ports, is not used', async () => {
    const before = count();
    await using networks = open(counted());
    await using _first = await networks.take([443]);
    await expect.poll(count).toBe(before + 2);
    await expect.poll(() => spares(443).length).toBe(1);
    const killed = spares(443);
    for (const spare of killed) sendSignal(spare, 'SIGKILL');
    await expect.poll(() => killed.filter(isAlive)).toEqual([]);
    await using second = await networks.take([443]);
    expect(isAlive(second.pauseProcess)).toBe(true);
    await expect.poll(() => spares(443).length).toBe(2);
    await using other = await networks.take([8443]);
    expect([...other.listeners.keys()]).toEqual([8443]);
    await expect.poll(() => spares(443).length).toBe(1);
  });

  /** The pause processes of this process's networks with this port, except the first. */
  function spares(port: number): ProcessIdentity[] {
    return childrenOf(process.pid)
      .filter((pid) => commandOf(pid).includes(`cat\0${port}\0`))
      .flatMap(childrenOf)
      .filter((pid) => commandOf(pid).endsWith('cat\0'))
      .flatMap((pid) => identify(pid) ?? [])
      .filter(isAlive)
      .sort((one, another) => one.startTime - another.startTime)
      .slice(1);
  }

  test('W-EGR-6 disposing of a network ends its sockets, its pause process and the outer bubblewrap', async () => {
    await using networks = open();
    const network = await networks.take([443]);
    const [outer] = childrenOf(process.pid).filter((pid) =>
      childrenOf(pid).includes(network.pauseProcess.pid),
    );
    const known = identify(outer ?? 0);
    expect(known === undefined ? false : isAlive(known)).toBe(true);
    const closed = new Promise((resolve) => network.listeners.get(443)?.once('close', resolve));
    await network[Symbol.asyncDispose]();
    await closed;
    await network[Symbol.asyncDispose]();
    expect([network.pauseProcess, known].filter((one) => one !== undefined && isAlive(one))).toEqual([]);
    expect(network.takeAttempts()).toEqual([]);
    expect(() => network.dns.udp.address()).toThrow();
    await expect(run(network, 'true')).rejects.toThrow('its network has ended');
  });

  test('W-EGR-9 nothing starts in a network that has ended, or in a different one than intended', async () => {
    await using networks = open();
    await using one = await networks.take([443]);
    await using other = await networks.take([443]);
    const reused = {
      ...one,
      pauseProcess: { ...one.pauseProcess, startTime: one.pauseProcess.startTime - 1 },
    };
    await expect(run(reused, 'echo ran')).rejects.toMatchObject({
      code: 'sandbox-unavailable',
      message: 'cannot start "notes": its network has ended',
    });
    const swapped = { pauseProcess: one.pauseProcess, namespace: other.namespace };
    await expect(run(swapped, `echo ran >${folder}/ran`)).rejects.toMatchObject({
      code: 'sandbox-unavailable',
      message: 'cannot start "notes": it is in another network',
    });
    expect(await run(one, 'echo ran')).toBe('ran\n');
  });

  test('connections arrive paused and half-open, and live on after they are accepted', async () => {
    await using networks = open();
    const network: Network = await networks.take([443]);
    const came = Promise.withResolvers<string>();
    network.listeners.get(443)?.on('connection', async (socket) => {
      const paused = socket.isPaused() || socket.readableFlowing !== true;
      await sleep(100);
      const said = await text(socket);
      socket.end(`${paused} ${said}`);
      came.resolve(said);
    });
    const asking = `import socket; s = socket.create_connection(("127.1.1.1", 443)); s.send(b"half"); s.shutdown(1); print(s.recv(99).decode())`;
    expect(await run(network, `exec ${PYTHON} -c '${asking}'`)).toBe('true half\n');
    expect(await came.promise).toBe('half');
    await network[Symbol.asyncDispose]();
  });

  test.each([
    ['nsenter is missing', { nsenter: undefined }, /nsenter/, /util-linux/],
    ['bubblewrap is missing', { bubblewrap: undefined }, /bubblewrap/, /install bubblewrap/],
  ] as const)('W-EGR-1 no network is created if %s', async (_, less, message, hint) => {
    await using networks = open(less);
    await expect(networks.take([443])).rejects.toMatchObject({
      code: 'sandbox-unavailable',
      message: expect.stringMatching(message),
      hint: expect.stringMatching(hint),
    });
  });

  test('W-EGR-1 no network is created if the stage fails, and no process remains', async () => {
    await using networks = open();
    await expect(networks.take([70_000])).rejects.toMatchObject({ code: 'sandbox-unavailable' });
    await expect(networks.take([53])).rejects.toMatchObject({ code: 'sandbox-unavailable' });
    const missing = new NetworkPool({ machine, node: process.execPath, stage: '/nowhere.js', log: quiet });
    await expect(missing.take([443])).rejects.toMatchObject({ code: 'sandbox-unavailable' });
    await expect.poll(() => [...networkProcesses(70_000), ...marked('/nowhere.js')]).toEqual([]);
  });

  test('W-EGR-1 without "ip" addresses outside 127.0.0.0/8 are unreachable, and refused connections are not recorded', async () => {
    await using pool = open({ ip: undefined });
    await using network = await pool.take([443]);
    network.listeners.get(443)?.on('connection', (socket) => socket.destroy());
    expect(network.recordsAttempts).toBe(false);
    const connect = (address: string): string =>
      `import socket; s = socket.socket(); s.settimeout(5); print(s.connect_ex(("${address}", 443)))`;
    expect(await run(network, `exec ${PYTHON} -c '${connect('127.0.0.2')}'`)).toBe('0\n');
    expect(await run(network, `exec ${PYTHON} -c '${connect('192.0.2.1')}'`)).toBe(
      `${constants.errno.ENETUNREACH}\n`,
    );
    expect(network.takeAttempts()).toEqual([]);
  });

  test('refused connections are not recorded if no descriptor can be copied', async () => {
    await using networks = open({ copyDescriptor: undefined });
    await using network = await networks.take([443]);
    expect(network.recordsAttempts).toBe(false);
    expect(network.takeAttempts()).toEqual([]);
    expect(namespaceOf(network.pauseProcess.pid, 'net')).toBe(network.namespace);
  });
});

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1');
  } catch {
    return '';
  }
}
