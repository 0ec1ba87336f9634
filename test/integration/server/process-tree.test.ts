// Ends servers with all processes that they started, by real signals to real processes.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { processes } from '../../../src/os/processes.ts';
import { loadSpawn } from '../../../src/os/spawn.ts';
import { userEnvironment } from '../../../src/profile/environment.ts';
import { environment } from '../../../src/server/environment.ts';
import { type ServerProcess, spawnServer } from '../../../src/server/process.ts';
import { sweep } from '../../../src/server/process-record.ts';
import { RuntimeFolder, runtimeRoots } from '../../../src/server/runtime-folder.ts';
import { fixtureServer } from '../../fixtures/server.ts';
import type { KeeperReport } from '../../fixtures/server-keeper.ts';

const { uid, username } = userInfo();
const spawnReal = await loadSpawn();
const machine = userEnvironment({
  execPath: process.execPath,
  home: homedir(),
  user: username,
  env: process.env,
});
const real = processes();
const logged: string[] = [];
const note = (_fields: object, message: string): void => void logged.push(message);
const log = { debug: note, info: note, warn: note, error: note };

let run = '';
let seen: number[] = [];

beforeEach(() => {
  run = mkdtempSync(join(tmpdir(), 'warder-tree-'));
  seen = [];
  logged.length = 0;
});

afterEach(() => {
  for (const pid of seen) if (alive(pid)) process.kill(pid, 'SIGKILL');
  rmSync(run, { recursive: true, force: true });
});

/** Also true of a pid that was given away meanwhile: what a test waits for is that it is false. */
function alive(pid: number): boolean {
  if (process.platform === 'linux') return real.find(pid) !== undefined;
  return real.signal(pid, 'SIGCONT');
}

async function start(
  { command, args }: { command: string; args: string[] },
  patience = { end: 100, term: 100, kill: 1000 },
  machines = real,
): Promise<{
  server: ServerProcess;
  delivery: RuntimeFolder;
  text(pattern: RegExp): Promise<RegExpExecArray>;
}> {
  const delivery = new RuntimeFolder(runtimeRoots(run, uid), []);
  const env = environment('test', machine, delivery.instance, {}, []);
  const server = await spawnServer(
    { profile: 'test', command, args, cwd: run, env, home: homedir(), sandbox: undefined },
    delivery,
    { spawn: spawnReal, processes: machines, log, timeouts: patience },
  );
  seen.push(server.pid);
  let said = '';
  let wake = (): void => {};
  server.listen({
    data(chunk) {
      said += chunk.toString();
      wake();
    },
    end() {},
  });
  return {
    server,
    delivery,
    async text(pattern) {
      for (;;) {
        const found = pattern.exec(said);
        if (found !== null) return found;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}

/** Starts the stubborn server; gives the pids of all its tree once it stands. */
async function stubborn(...args: string[]) {
  const started = await start(fixtureServer('stubborn', ...args));
  await started.text(/ready/);
  const params = { name: 'pids', arguments: {} };
  started.server.write([
    Buffer.from(`${JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params })}\n`),
  ]);
  const [, list = ''] = await started.text(/"text":"\[([\d,]+)\]"/);
  const pids = list.split(',').map(Number);
  seen.push(...pids);
  expect(pids).toHaveLength(4);
  expect(pids.map(alive)).toEqual([true, true, true, true]);
  return { ...started, pids };
}

test('a server that ends at the end of its input is sent no signal', async () => {
  const { server, delivery } = await start(fixtureServer('slow'), { end: 20_000, term: 20_000, kill: 1000 });
  expect(await server.stop()).toEqual({ code: 0, signal: null });
  expect(await server.stop()).toEqual({ code: 0, signal: null });
  expect(existsSync(delivery.path)).toBe(false);
});

test('a server that does not is sent SIGTERM, and then SIGKILL', async () => {
  const { server: deaf } = await start(fixtureServer('deaf'), { end: 100, term: 20_000, kill: 1000 });
  expect(await deaf.stop()).toEqual({ code: null, signal: 'SIGTERM' });
  const trap = "trap '' TERM; echo ready; while :; do sleep 0.05; done";
  const { server, text } = await start({ command: '/bin/sh', args: ['-c', trap] });
  await text(/ready/);
  expect(await server.stop()).toEqual({ code: null, signal: 'SIGKILL' });
});

test('W-PROC-2 the whole tree ends: processes that ignore signals, left the group, or lost their parent', async () => {
  const { server, pids } = await stubborn();
  await server.stop();
  expect(pids.map(alive)).toEqual([false, false, false, false]);
  expect(logged).toEqual([]);
});

test('W-PROC-2 the processes that a server leaves behind are ended when it ends by itself', async () => {
  const { server, delivery, pids } = await stubborn('leave');
  server.close();
  expect(await server.ended).toEqual({ code: 0, signal: null });
  await server.gone;
  expect(pids.map(alive)).toEqual([false, false, false, false]);
  expect(existsSync(delivery.path)).toBe(false);
});

test('W-PROC-2 the processes that a server leaves behind are ended when it is killed', async () => {
  const { server, pids } = await stubborn();
  process.kill(server.pid, 'SIGKILL');
  expect(await server.ended).toEqual({ code: null, signal: 'SIGKILL' });
  await server.gone;
  expect(pids.map(alive)).toEqual([false, false, false, false]);
});

test('W-PROC-2 a child that left the session, with a clean environment, is found by its parent', async () => {
  // It ignores SIGTERM, so it outlives its parent; in the second round the parent ends by itself.
  const stay = `trap "" TERM; echo "pid $$;"; while :; do sleep 0.05; done`;
  for (const parent of ['wait', 'read line']) {
    const script = `env -i setsid sh -c '${stay}' & ${parent}`;
    const { server, text } = await start({ command: '/bin/sh', args: ['-c', script] });
    const [, pid] = await text(/pid (\d+);/);
    seen.push(Number(pid));
    await server.stop();
    expect(alive(Number(pid))).toBe(false);
  }
});

test('W-PROC-2 a server that keeps starting processes is ended with all of them', async () => {
  const fork =
    "trap '' TERM; echo ready; while :; do setsid sh -c 'trap \"\" TERM; sleep 5' & sleep 0.02; done";
  const { server, delivery, text } = await start({ command: '/bin/sh', args: ['-c', fork] });
  await text(/ready/);
  await server.stop();
  const left = (await real.list()).filter(
    (entry) => real.readVariable(entry, 'WARDER_SESSION') === delivery.instance.marker,
  );
  expect(left).toEqual([]);
});

test.runIf(existsSync('/bin/ps'))('with only ps, the group and the descendants are ended', async () => {
  const ps = processes('darwin');
  expect(await ps.list()).toContainEqual(expect.objectContaining({ pid: process.pid, parent: process.ppid }));
  const stay = 'trap "" TERM; while :; do sleep 0.05; done';
  const script = `setsid sh -c 'echo "pid $$;"; ${stay}' & sh -c '${stay}' & echo "pid $!;"; wait`;
  const patience = { end: 100, term: 100, kill: 1000 };
  const { server, text } = await start({ command: '/bin/sh', args: ['-c', script] }, patience, ps);
  const [, one, two] = await text(/pid (\d+);\s*pid (\d+);/);
  const pids = [Number(one), Number(two)];
  seen.push(...pids);
  expect(await server.stop()).toEqual({ code: null, signal: 'SIGTERM' });
  expect(pids.map(alive)).toEqual([false, false]);
});

test('two servers of one session are ended separately: each has a marker of its own', async () => {
  const { server: old } = await stubborn();
  const { server, pids } = await stubborn();
  await old.stop();
  expect(pids.map(alive)).toEqual([true, true, true, true]);
  await server.stop();
  expect(pids.map(alive)).toEqual([false, false, false, false]);
});

/** Runs a daemon's stand-in with the stubborn server, and kills it when the server stands. */
async function killedDaemon(): Promise<KeeperReport> {
  const keeper = join(import.meta.dirname, '../../fixtures/server-keeper.ts');
  const { command, args } = fixtureServer('stubborn');
  const child = spawn(process.execPath, [keeper, run, command, ...args], { stdio: 'pipe' });
  let ready = '';
  const stands = new Promise<void>((resolve) => {
    child.stderr.on('data', (chunk: Buffer) => {
      ready += chunk.toString();
      if (ready.includes('ready')) resolve();
    });
  });
  const [line] = await once(child.stdout, 'data');
  const kept: KeeperReport = JSON.parse(line);
  seen.push(kept.pid);
  await stands;
  child.kill('SIGKILL');
  await once(child, 'exit');
  return kept;
}

/** All processes that carry the marker of a private folder. */
async function marked(folder: string): Promise<number[]> {
  const marker = folder.slice(folder.lastIndexOf('/') + 1);
  const all = await real.list();
  return all.filter((entry) => real.readVariable(entry, 'WARDER_SESSION') === marker).map(({ pid }) => pid);
}

test.runIf(process.platform === 'linux')(
  'W-PROC-3 the next daemon ends what a killed one left running, and removes its credential files',
  async () => {
    const kept = await killedDaemon();
    const left = await marked(kept.folder);
    seen.push(...left);
    expect(left).toHaveLength(4);
    expect(existsSync(join(kept.credentials, 'TOKEN'))).toBe(true);
    // Another session of the killed daemon, of which no process runs any more.
    const place = runtimeRoots(run, uid);
    const empty = new RuntimeFolder(place, [{ variable: 'TOKEN', value: 'x' }]);
    writeFileSync(join(empty.path, 'server.json'), 'torn {');

    const swept = sweep(place, real, log, { end: 0, term: 100, kill: 1000 });
    expect(existsSync(kept.credentials)).toBe(false);
    expect(existsSync(dirname(kept.credentials))).toBe(false);
    // What the new daemon starts meanwhile is left alone.
    const { server, delivery } = await start(fixtureServer('slow'));
    await swept;
    expect(left.map(alive)).toEqual([false, false, false, false]);
    expect(readdirSync(join(run, 'sessions'))).toEqual([delivery.instance.marker]);
    expect(alive(server.pid)).toBe(true);
    await server.stop();
    expect(logged).toEqual(['removed what the previous daemon left behind']);
  },
);

test.runIf(process.platform === 'linux')(
  'W-PROC-4 a record from before the last boot matches no process',
  async () => {
    const { server } = await start(fixtureServer('slow'));
    const place = runtimeRoots(join(run, 'killed'), uid);
    const old = new RuntimeFolder(place, []);
    const record = { pid: server.pid, started: server.started, boot: 'another' };
    writeFileSync(join(old.path, 'server.json'), JSON.stringify(record));
    await sweep(place, real, log, { end: 0, term: 100, kill: 1000 });
    expect(existsSync(old.path)).toBe(false);
    expect(alive(server.pid)).toBe(true);
    await server.stop();
  },
);

test('a sweep with nothing left behind does nothing', async () => {
  await sweep(runtimeRoots(run, uid), real, log);
  expect(readdirSync(run)).toEqual([]);
  expect(logged).toEqual([]);
});

test('a server is ended even if the processes cannot be listed', async () => {
  let failures = 1;
  const failing = {
    ...real,
    async list() {
      if (failures-- > 0) throw new Error('no file descriptor is left');
      return real.list();
    },
  };
  const { server, delivery } = await start(fixtureServer('deaf'), undefined, failing);
  expect(await server.stop()).toEqual({ code: null, signal: 'SIGKILL' });
  expect(existsSync(delivery.path)).toBe(false);
  expect(logged).toEqual(["cannot list a server's processes"]);

  // A sweep that cannot list processes removes no folder, because the next one needs it to find what runs.
  failures = 1;
  const place = runtimeRoots(join(run, 'killed'), uid);
  const left = new RuntimeFolder(place, []);
  await sweep(place, failing, log);
  expect(existsSync(left.path)).toBe(true);
  await sweep(place, failing, log);
  expect(existsSync(left.path)).toBe(false);
});

test('a process that is blocked in the kernel is logged, and nobody waits for it for ever', async () => {
  // A process that no signal ends cannot be created here, so the listing pretends that one remains.
  const { server } = await start(fixtureServer('slow'));
  const one = {
    pid: 2 ** 22 + 1,
    parent: 1,
    group: 2 ** 22 + 1,
    session: 0,
    started: Number.MAX_SAFE_INTEGER,
  };
  const stuck = {
    ...real,
    list: async () => [one],
    isRunning: () => true,
    readVariable: () => delivery.instance.marker,
    signal: () => false,
  };
  const delivery = new RuntimeFolder(runtimeRoots(run, uid), []);
  const env = environment('test', machine, delivery.instance, {}, []);
  const held = await spawnServer(
    {
      profile: 'test',
      command: process.execPath,
      args: ['-e', ''],
      cwd: run,
      env,
      home: homedir(),
      sandbox: undefined,
    },
    delivery,
    { spawn: spawnReal, processes: stuck, log, timeouts: { end: 10, term: 10, kill: 50 } },
  );
  await held.gone;
  expect(logged).toEqual(['processes of a server do not end']);
  await server.stop();
});
