// Where the daemon's time goes: `node scripts/bench/profile.js [calls|flood|large]` makes calls of the echo server through a
// daemon that runs from the sources, so that its functions have their names, and prints those whose own time is largest. A
// change of the message path says in its description what this printed before it and after. Needs a built tree.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { daemonCommand } from '../../src/os/connect.ts';
import { Client } from './client.js';
import { servers } from './servers.js';
import { Stage } from './stage.js';
import { table } from './table.js';
import { inARow } from './turns.js';

const root = join(import.meta.dirname, '../..');
const { argv, call, large } = servers.echo;
/** What is done how often, and how many calls that is. As much goes before it, which is not in the table. */
const LOADS = {
  calls: { times: 20_000, calls: 20_000, make: (client) => client.call(call) },
  flood: { times: 5, calls: 200_000, make: (client) => client.flood(call, 40_000, 64) },
  large: { times: 100, calls: 100, make: (client) => client.call(large(10e6)) },
};
const SHOWN = 25;

/** The clock of profiles, in microseconds. */
const now = () => Number(process.hrtime.bigint() / 1000n);

/** Runs a load through a daemon. Returns its profile, and when what counts began. */
async function profile({ times, make }) {
  using stage = new Stage({ quick: false, words: [] });
  const warder = stage.warder();
  warder.profile('echo', argv);
  const [node, ...words] = daemonCommand(process.execPath, join(root, 'src/daemon.ts'));
  const daemon = spawn(node, ['--cpu-prof', `--cpu-prof-dir=${stage.folder}/profile`, ...words, '--report'], {
    env: warder.env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(daemon, 'exit');
  let from;
  try {
    await Promise.race([once(daemon.stdout, 'data'), ended]);
    const { client } = await Client.start(warder.run('echo'), warder.env);
    await client.settle();
    await inARow(times, () => make(client));
    from = now();
    await inARow(times, () => make(client));
    await client.close();
  } finally {
    daemon.kill('SIGTERM');
    await ended;
  }
  const [file] = readdirSync(`${stage.folder}/profile`);
  return { from, ...JSON.parse(readFileSync(`${stage.folder}/profile/${file}`, 'utf8')) };
}

/** Of each function and its place, how long it ran itself, in microseconds. */
function ownTimes({ from, nodes, samples, timeDeltas, startTime }) {
  const functions = new Map(
    nodes.map(({ id, callFrame: { functionName, url, lineNumber } }) => {
      const file = url.startsWith('file:') ? relative(root, fileURLToPath(url)) : url;
      return [id, `${functionName || '(anonymous)'}\n${file && `${file}:${lineNumber + 1}`}`];
    }),
  );
  const own = new Map();
  let at = startTime;
  for (const [index, id] of samples.entries()) {
    at += timeDeltas[index];
    const key = functions.get(id);
    if (at > from) own.set(key, (own.get(key) ?? 0) + timeDeltas[index]);
  }
  own.delete('(idle)\n');
  return own;
}

const [word = 'calls'] = process.argv.slice(2);
const load = LOADS[word];
if (load === undefined) throw new Error(`there is no load "${word}": ${Object.keys(LOADS).join(', ')}`);
const own = ownTimes(await profile(load));
const all = [...own.values()].reduce((sum, time) => sum + time, 0);
const row = (key, time) => [
  ...key.split('\n'),
  (time / load.calls).toFixed(2),
  `${((100 * time) / all).toFixed(1)} %`,
];
const largest = [...own].sort(([, a], [, b]) => b - a).slice(0, SHOWN);
process.stdout.write(
  `${table([
    ['function', 'place', 'µs a call', 'share'],
    row('all\n', all),
    ...largest.map(([key, time]) => row(key, time)),
  ])}\n`,
);
