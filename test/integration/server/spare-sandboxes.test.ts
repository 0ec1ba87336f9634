// Sandboxes that wait for servers: one a profile, few in all, each for one server, and nothing of them is left.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Child, loadSpawn, type Spawn } from '../../../src/os/spawn.ts';
import { descendantsOf, isAlive, type ProcessIdentity } from '../../../src/sandbox/linux/process.ts';
import { inspectMachine, type Machine } from '../../../src/sandbox/machine.ts';
import type { SandboxRequest } from '../../../src/sandbox/request.ts';
import { type SpareRequest, spareRequest } from '../../../src/sandbox/spare.ts';
import { SpareSandboxes } from '../../../src/server/spare-sandboxes.ts';
import { hasNative, openNativeProgram } from '../../fixtures/launchers.ts';

const HOUR = 3_600_000;

describe.runIf(hasNative)('spare sandboxes', () => {
  let base: string;
  let machine: Machine;
  let spawn: Spawn;
  let spares: SpareSandboxes;
  let said: object[];
  /** All that were started. */
  let children: Child[];

  beforeAll(async () => {
    base = realpathSync(mkdtempSync(join(tmpdir(), 'warder-spares-')));
    machine = await inspectMachine(process.getuid?.() ?? 0, join(base, 'run'), async () =>
      openNativeProgram(),
    );
    spawn = await loadSpawn();
    mkdirSync(join(base, 'home'));
  });
  afterAll(() => rmSync(base, { recursive: true, force: true }));
  beforeEach(() => {
    said = [];
    children = [];
    spares = open({});
  });
  afterEach(async () => {
    await spares[Symbol.asyncDispose]();
    expect(waiting()).toEqual([]);
  });

  function open(times: { delay?: number; idle?: number }, onStarted?: () => void): SpareSandboxes {
    const counted: Spawn = async (options) => {
      const child = await spawn(options);
      children.push(child);
      onStarted?.();
      return child;
    };
    const log = { debug() {}, info: (fields: object) => void said.push(fields), warn() {}, error() {} };
    return new SpareSandboxes({ spawn: counted, machine, log, times: { delay: 0, idle: HOUR, ...times } });
  }

  const requestOf = (profile: string): SandboxRequest => ({
    profile,
    uid: process.getuid?.() ?? 0,
    gid: process.getgid?.() ?? 0,
    user: 'somebody',
    home: join(base, 'home'),
    file: '/bin/sh',
    args: ['-c', 'echo "$TOKEN"'],
    cwd: undefined,
    env: { PATH: '/usr/bin:/bin', TOKEN: 'of this one' },
    sandbox: { read: [], write: [], network: [], memory: undefined, processes: undefined },
    roots: [],
    node: process.execPath,
    warder: [join(base, 'run')],
  });
  const wantedOf = (profile: string): SpareRequest => {
    const request = spareRequest(requestOf(profile));
    if (request === undefined) throw new Error('there can be none');
    return request;
  };

  /** The processes that wait for a server. */
  function waiting(): ProcessIdentity[] {
    const self = { pid: process.pid, startTime: 0 };
    return descendantsOf(self.pid).filter(
      (each) => isAlive(each) && /^\/proc\/self\/fd\/\d+\0--warder-hold/.test(commandOf(each)),
    );
  }

  /** Makes one, and waits for it. */
  async function made(profile: string, from = spares): Promise<void> {
    from.want(wantedOf(profile));
    await expect.poll(() => from.ready).toContain(profile);
  }

  /** Starts the server of a request in a spare, and returns what it prints. */
  async function run(request: SandboxRequest, from = spares): Promise<string> {
    const prepared = from.take(request);
    if (prepared === undefined) throw new Error('there is none');
    const { child, stdout, stderr } = prepared.begun;
    const printed: Buffer[] = [];
    const ended = new Promise<void>((end) =>
      stdout.listen({ data: (chunk) => void printed.push(chunk), end }),
    );
    stderr.listen({ data() {}, end() {} });
    const confined = await prepared.confine(child);
    await ended;
    expect(await child.ended).toEqual({ code: 0, signal: null });
    await confined[Symbol.asyncDispose]();
    return Buffer.concat(printed).toString();
  }

  test('W-BOX-42 a profile has one, its next server is started in that, and no other server has it', async () => {
    const request = requestOf('demo');
    expect(spares.take(request)).toBeUndefined();
    for (let time = 0; time < 3; time++) spares.want(wantedOf('demo'));
    await made('demo');
    spares.want(wantedOf('demo'));
    expect(spares.take(requestOf('other'))).toBeUndefined();
    expect(waiting()).toHaveLength(1);
    expect(await run(request)).toBe('of this one\n');
    expect(spares.take(request)).toBeUndefined();
    expect([waiting(), spares.ready, said]).toEqual([[], [], []]);
    expect(children).toHaveLength(1);
  });

  test('W-BOX-40 one whose server would be in another sandbox now is ended', async () => {
    await made('demo');
    const request = requestOf('demo');
    expect(spares.take({ ...request, sandbox: { ...request.sandbox, processes: 99 } })).toBeUndefined();
    await children[0]?.ended;
    expect(spares.ready).toEqual([]);
    await made('demo');
    const refused = { ...request, sandbox: { ...request.sandbox, read: [join(base, 'none')] } };
    expect(() => spares.take(refused)).toThrow(/does not exist/);
    await children[1]?.ended;
    expect(spares.ready).toEqual([]);
  });

  test('W-BOX-42 one that was killed is gone, and so is one whose profile has changed', async () => {
    await made('demo');
    process.kill(waiting()[0]?.pid ?? Number.NaN, 'SIGKILL');
    await expect.poll(() => spares.ready).toEqual([]);

    await made('demo');
    spares.drop('demo');
    expect(spares.ready).toEqual([]);
    await children[1]?.ended;
    // Also before it is made.
    spares.want(wantedOf('demo'));
    spares.drop('demo');
    await made('another');
    expect(spares.ready).toEqual(['another']);
  });

  test('W-BOX-42 one whose profile changes while it is made is ended, and the next is as the profile is then', async () => {
    const { sandbox } = requestOf('demo');
    const changed = { sandbox: { ...sandbox, memory: 1 << 30, memoryBestEffort: true } };
    await using some = open({}, () => {
      if (children.length > 1) return;
      some.drop('demo');
      some.want({ ...wantedOf('demo'), ...changed });
    });
    some.want(wantedOf('demo'));
    await expect.poll(() => children).toHaveLength(2);
    await children[0]?.ended;
    await expect.poll(() => some.ready).toEqual(['demo']);
    expect(await run({ ...requestOf('demo'), ...changed }, some)).toBe('of this one\n');
  });

  test('W-BOX-42 there are eight at most, and the one made first makes room', async () => {
    const names = Array.from({ length: 9 }, (_, at) => `profile-${at}`);
    for (const name of names) spares.want(wantedOf(name));
    await expect.poll(() => spares.ready).toEqual(names.slice(1));
    await children[0]?.ended;
  });

  test('W-BOX-42 one that nobody takes is ended, and none is made once all are ended', async () => {
    await using brief = open({ idle: 1 });
    brief.want(wantedOf('demo'));
    await expect.poll(() => children).toHaveLength(1);
    await children[0]?.ended;
    await brief[Symbol.asyncDispose]();
    brief.want(wantedOf('demo'));
    await brief[Symbol.asyncDispose]();
    await made('demo');
    expect([brief.ready, children.length]).toEqual([[], 2]);
  });

  test('W-BOX-42 used, ended or killed, none leaves a descriptor, a device or a control group', async () => {
    const count = (): number => readdirSync('/proc/self/fd').length;
    const round = async (): Promise<void> => {
      await using some = open({});
      await made('demo', some);
      await run(requestOf('demo'), some);
      await made('demo', some);
      process.kill(waiting()[0]?.pid ?? Number.NaN, 'SIGKILL');
      await expect.poll(() => some.ready).toEqual([]);
      await made('demo', some);
    };
    await round();
    const before = count();
    for (let time = 0; time < 3; time++) await round();
    await expect.poll(count).toBeLessThanOrEqual(before);
    expect(machine.ownsDevices ? readdirSync(join(base, 'run/devices')) : []).toEqual([]);
    const { cgroups } = machine;
    const groups = cgroups?.kind === 'direct' ? [cgroups.memory, cgroups.processes] : [];
    for (const folder of groups.filter((each) => each !== undefined))
      expect(readdirSync(folder).filter((name) => name.startsWith(`warder-${process.pid}-`))).toEqual([]);
  });

  test('W-BOX-40 a profile that can have none is not tried again until it changes', async () => {
    spares.want({ ...wantedOf('demo'), writableRoots: [join(base, 'home')] });
    await made('second');
    spares.want(wantedOf('demo'));
    await made('third');
    expect(spares.ready).toEqual(['second', 'third']);
    spares.drop('demo');
    await made('demo');
  });
});

function commandOf({ pid }: ProcessIdentity): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1');
  } catch {
    return '';
  }
}
