import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, fstatSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { childrenOf, descendantsOf, identify, unlinkedBytes } from '../../../src/sandbox/linux/process.ts';

/** Starts one program from its main thread, another from a worker, and says their pids. */
const PROGRAM = `
  const { spawn } = require('node:child_process');
  const { Worker } = require('node:worker_threads');
  const sleep = () => spawn('sleep', ['60'], { stdio: 'ignore' }).pid;
  const worker = new Worker(
    "require('node:worker_threads').parentPort.postMessage(" +
      "require('node:child_process').spawn('sleep', ['60'], { stdio: 'ignore' }).pid); setInterval(() => {}, 60_000);",
    { eval: true },
  );
  worker.once('message', (pid) => console.log(JSON.stringify([sleep(), pid])));
`;

test.runIf(process.platform === 'linux')(
  'W-BOX-30 what a thread of a program started is among its descendants, as what its main thread did',
  async () => {
    const program = spawn(process.execPath, ['-e', PROGRAM], { stdio: ['ignore', 'pipe', 'inherit'] });
    let started: number[] = [];
    try {
      const [line] = await once(program.stdout, 'data');
      started = JSON.parse(String(line));
      const pid = program.pid as number;
      expect(started).toHaveLength(2);
      expect(childrenOf(pid).toSorted()).toEqual(started.toSorted());
      expect(descendantsOf(pid).map((one) => one.pid)).toEqual(expect.arrayContaining(started));
    } finally {
      program.kill('SIGKILL');
      for (const pid of started) process.kill(pid, 'SIGKILL');
    }
  },
);

test.runIf(process.platform === 'linux')(
  'W-RELAY-6 to look for the children of processes that have ended reads no other process',
  async () => {
    const gone = spawn('true');
    await once(gone, 'close');
    const reads = (): number =>
      Number(/^syscr: (\d+)/m.exec(readFileSync('/proc/thread-self/io', 'latin1'))?.[1]);
    const before = reads();
    for (let time = 0; time < 100; time++) expect(childrenOf(gone.pid as number)).toEqual([]);
    // Those of the count itself.
    expect(reads() - before).toBeLessThan(10);
  },
);

/** Starts a program, and then threads that end at once, until it is ended. */
const THREADS = `
import subprocess, threading
print(subprocess.Popen(['sleep', '60']).pid, flush=True)
while True:
    some = [threading.Thread(target=int) for _ in range(4)]
    for one in some: one.start()
    for one in some: one.join()
`;

test.runIf(process.platform === 'linux')(
  'W-BOX-31 a program hides nothing that it started by threads that end while they are looked at',
  async () => {
    const program = spawn('python3', ['-c', THREADS], { stdio: ['ignore', 'pipe', 'inherit'] });
    let started = 0;
    try {
      const [line] = await once(program.stdout, 'data');
      started = Number(line);
      for (let time = 0; time < 200; time++) expect(childrenOf(program.pid as number)).toEqual([started]);
    } finally {
      program.kill('SIGKILL');
      if (started > 0) process.kill(started, 'SIGKILL');
    }
  },
);

test.runIf(process.platform === 'linux')(
  'W-RELAY-6 files without a name are counted in slices, however many descriptors a server has, and each once',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'warder-unlinked-'));
    const open: number[] = [];
    try {
      const path = join(folder, 'file');
      open.push(openSync(path, 'wx'));
      writeSync(open[0] as number, Buffer.alloc(64 << 10, 'x'));
      while (open.length < 1000) open.push(openSync(path, 'r'));
      rmSync(path);
      const self = identify(process.pid);
      const { dev, blocks } = fstatSync(open[0] as number, { bigint: true });
      let turns = 0;
      let isCounting = true;
      const turn = (): void => {
        turns++;
        if (isCounting) setImmediate(turn);
      };
      setImmediate(turn);
      const bytes = await unlinkedBytes(self === undefined ? [] : [self], dev);
      isCounting = false;
      expect(bytes).toBeGreaterThanOrEqual(64 << 10);
      expect(bytes).toBe(Number(blocks) * 512);
      expect(turns).toBeGreaterThanOrEqual(Math.floor(1000 / 128));
    } finally {
      for (const descriptor of open) closeSync(descriptor);
      rmSync(folder, { recursive: true });
    }
  },
);
