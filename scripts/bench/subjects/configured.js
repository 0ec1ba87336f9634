// A host that has ten servers configured and uses two of them.
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, environment } from '../client.js';
import { mebibytes, ratio } from '../figures.js';
import { treeMemory } from '../machine.js';
import { servers } from '../servers.js';
import { target } from '../table.js';

export const name = 'configured';
export const title = 'Ten configured, two used';
export const about = `A host starts all servers that it is configured with, ten instances of server-everything here, asks each for its tools, and
calls two. All memory in proportion (PSS): the servers, what the host starts, and the daemon.`;

const CONFIGURED = 10;
const USED = 2;
const server = servers.everything;

const WAYS = {
  direct: 'direct, ten',
  two: 'direct, the two alone',
  eager: 'Warder, eager',
  lazy: 'Warder, lazy',
};

export async function measure(bench) {
  const figures = {};
  for (const way of Object.keys(WAYS)) {
    using warder = bench.warder();
    const isWarder = way === 'eager' || way === 'lazy';
    for (let at = 0; at < CONFIGURED; at++)
      warder.profile(`server-${at}`, server.argv, {
        sandbox: { off: true },
        server: { start: isWarder ? way : 'eager' },
      });
    if (isWarder) warder.start();
    const env = isWarder ? warder.env : environment();
    const argv = (at) => (isWarder ? warder.run(`server-${at}`) : server.argv);
    // Each has been used before, so that it is known what it offers.
    if (way === 'lazy') for (let at = 0; at < CONFIGURED; at++) await use(argv(at), env, true);
    const clients = [];
    const began = performance.now();
    for (let at = 0; at < (way === 'two' ? USED : CONFIGURED); at++)
      clients.push(await use(argv(at), env, false));
    const ms = performance.now() - began;
    for (const client of clients.slice(0, USED)) await client.call(server.call);
    await sleep(3000);
    figures[way] = {
      memory:
        clients.reduce((sum, { pid }) => sum + treeMemory(pid), 0) + (isWarder ? treeMemory(warder.pid) : 0),
      ms,
    };
    for (const client of clients) await client.close();
  }
  return figures;
}

/** Opens a session, and asks for its tools; with `end` it makes a call and ends it. */
async function use(argv, env, end) {
  const { client } = await Client.start(argv, env);
  await client.settle(100);
  await client.list();
  if (!end) return client;
  await client.call(server.call);
  await client.close();
  return undefined;
}

export function targets({ two, lazy }) {
  return [target('ten lazy servers, two used, times those two alone', lazy.memory / two.memory, 1.5, ratio)];
}

export function rows(figures) {
  return [
    ['', 'memory', 'of direct'],
    ...Object.entries(WAYS).map(([way, title]) => [
      title,
      mebibytes(figures[way].memory),
      ratio(figures[way].memory / figures.direct.memory),
    ]),
  ];
}

export function plots(figures) {
  return [
    {
      file: 'configured-memory',
      title: 'Memory of ten servers in Node configured, two used',
      note: 'less is better',
      show: mebibytes,
      bars: Object.entries(WAYS).map(([way, title]) => ({
        label: title,
        kind: way === 'lazy' || way === 'eager' ? 'warder' : 'plain',
        value: figures[way].memory,
      })),
      meaning:
        'You can leave servers configured that you seldom use: with lazy starts they cost nearly nothing.',
    },
  ];
}
