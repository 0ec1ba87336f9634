// Ten thousand sessions, one after the other: what is left of them.

import { spawn } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from '../client.js';
import { count, mebibytes } from '../figures.js';
import { openDescriptors, processTree, resident } from '../machine.js';
import { servers } from '../servers.js';
import { target } from '../table.js';

export const name = 'flat';
export const title = 'Ten thousand sessions';
export const about = `Ten thousand sessions are opened, make a call and end, four at a time, every tenth in the sandbox. Then a thousand are killed within
30 ms of their start, as hosts do that throw an instance away.`;

const SESSIONS = 10_000;
const KILLED = 1000;
const STEPS = 10;
const AT_ONCE = 4;
const server = servers.echo;

export async function measure(bench) {
  using warder = bench.warder();
  warder.profile('echo', server.argv);
  warder.profile('sandboxed', server.argv, {});
  warder.start();
  // What the first sessions load, and what the heap grows to by its own choice, is not theirs.
  await parallel(bench.samples(1000), () => session(warder, 'echo'));
  // From then on a sandbox is ready for the next one, with its processes and descriptors.
  await session(warder, 'sandboxed');
  const step = bench.samples(SESSIONS) / STEPS;
  const steps = [await facts(warder, 0)];
  for (let at = 1; at <= STEPS; at++) {
    let opened = 0;
    await parallel(step, () => session(warder, ++opened % 10 === 0 ? 'sandboxed' : 'echo'));
    steps.push(await facts(warder, at * step));
  }
  await parallel(bench.samples(KILLED), () => killed(warder));
  return { steps, killed: { count: bench.samples(KILLED), ...(await facts(warder, 0)) } };
}

async function parallel(many, one) {
  let left = many;
  const lane = async () => {
    while (left-- > 0) await one();
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
}

async function session(warder, profile) {
  const { client } = await Client.start(warder.run(profile), warder.env);
  await client.call(server.call);
  await client.close();
}

/** A launcher that is killed, at some moment of the session's beginning. */
async function killed(warder) {
  const [command, ...args] = warder.run('echo');
  const child = spawn(command, args, { env: warder.env, stdio: ['pipe', 'ignore', 'ignore'] });
  const ended = new Promise((resolve) => child.once('close', resolve));
  child.stdin.on('error', () => {});
  child.stdin.write('{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}\n');
  await sleep(Math.random() * 30);
  child.kill('SIGKILL');
  await ended;
}

/** What there is of the daemon once nothing is to be done any more. */
async function facts({ home, pid }, sessions) {
  await sleep(4000);
  const files = readdirSync(home, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const ofLog = (entry) => entry.parentPath.includes('/audit');
  return {
    sessions,
    memory: resident(pid),
    descriptors: openDescriptors(pid),
    processes: processTree(pid).length,
    files: files.filter((entry) => !ofLog(entry)).length,
    bytes: files
      .filter((entry) => !ofLog(entry))
      .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0),
  };
}

/** Of the second half, in which nothing warms up any more. */
const growth = ({ steps }, of) => steps.at(-1)[of] - steps[STEPS / 2][of];

export function targets(figures) {
  const { steps, killed } = figures;
  return [
    target(
      'daemon memory after the last 5,000 sessions, grown by',
      growth(figures, 'memory'),
      4 * 2 ** 20,
      mebibytes,
    ),
    target(
      'descriptors after 10,000 sessions, more than at first',
      steps.at(-1).descriptors - steps[0].descriptors,
      0,
      String,
    ),
    target(
      'processes left by sessions that were killed',
      killed.processes - steps.at(-1).processes,
      0,
      String,
    ),
    target(
      'descriptors left by sessions that were killed',
      killed.descriptors - steps.at(-1).descriptors,
      0,
      String,
    ),
  ];
}

export function rows({ steps, killed }) {
  const row = (title, { memory, descriptors, processes, files, bytes }) => [
    title,
    mebibytes(memory),
    ...[descriptors, processes, files].map(count),
    mebibytes(bytes),
  ];
  return [
    ['after', 'daemon, resident', 'descriptors', 'processes', 'files beside the log', 'their size'],
    ...steps.map((step) => row(`${count(step.sessions)} sessions`, step)),
    row(`${count(killed.count)} more that were killed`, killed),
  ];
}

export function plots({ steps }) {
  return [
    {
      file: 'flat-memory',
      title: 'The daemon’s memory over ten thousand sessions',
      note: 'flat is good',
      show: mebibytes,
      bars: steps.map(({ sessions, memory }) => ({
        label: `${count(sessions)} sessions`,
        kind: 'warder',
        value: memory,
      })),
      meaning: 'The daemon can run for months: what a session took is given back when it ends.',
    },
  ];
}
