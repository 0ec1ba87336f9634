import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { childrenOf, descendantsOf } from '../../../src/sandbox/linux/process.ts';

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
