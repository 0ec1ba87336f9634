// A cold start: from the start of the program that a host starts to the answer to `initialize`.

import { timed } from '../client.js';
import { duration, ratio, spreads } from '../figures.js';
import { servers } from '../servers.js';
import { bars, openers, SIDES, writeProfiles } from '../sides.js';
import { bySide, target } from '../table.js';
import { inTurns } from '../turns.js';

export const name = 'cold';
export const title = 'Cold start';
export const about = `From the start of the program that a host starts to the answer to \`initialize\`. *Lazy*: answered from what was accepted of
the server before; the server starts at the first call that needs it. *Warm*: a server is kept ready in its sandbox.`;

/** Rounds, and how many of them a side that takes long has. */
const PLAN = {
  echo: { rounds: 60, every: { srt: 6, 'mcp-proxy': 6, supergateway: 6 } },
  everything: { rounds: 30, every: { srt: 6, 'mcp-proxy': 6, supergateway: 6, node: 2, pipes: 2 } },
};

export async function measure(bench) {
  const figures = {};
  for (const [server, { rounds, every }] of Object.entries(PLAN)) {
    using warder = bench.warder();
    writeProfiles(warder, server, servers[server]);
    warder.start();
    const { sockets: _, ...open } = openers(bench, warder, server, servers[server]);
    if (!(await works(open.warm))) delete open.warm;
    // A lazy server answers by itself only once it is known.
    for (const side of ['lazy', 'warm']) await know(open[side], servers[server].call);
    const ways = Object.fromEntries(
      Object.entries(open).map(([side, start]) => [
        side,
        { take: () => startAndEnd(start), every: Math.min(every[side] ?? 1, bench.samples(rounds)) },
      ]),
    );
    figures[server] = spreads(await inTurns(bench.samples(rounds), ways));
  }
  const nothing = await inTurns(bench.samples(20), { node: () => timed([process.execPath, '-e', '0'], {}) });
  return { ...figures, nothing: spreads(nothing).node };
}

async function startAndEnd(start) {
  const { client, ms } = await start();
  await client.close();
  return ms;
}

/** Whether this Warder can start a server so. */
async function works(start) {
  try {
    await startAndEnd(start);
    return true;
  } catch {
    return false;
  }
}

async function know(start, call) {
  if (start === undefined) return;
  const { client } = await start();
  await client.settle();
  await client.list();
  await client.call(call);
  await client.close();
}

const added = (figures, side) => figures[side].median - figures.direct.median;

export function targets({ echo, everything }) {
  return [
    target('cold start added, echo, no sandbox', added(echo, 'warder'), 2.5, duration),
    target('cold start added, echo, sandboxed', added(echo, 'sandboxed'), 7, duration),
    target(
      'cold start of server-everything, sandboxed, times direct',
      everything.sandboxed.median / everything.direct.median,
      1.05,
      ratio,
    ),
    target('`initialize` of server-everything, lazy', everything.lazy.median, 10, duration),
    ...(everything.warm === undefined
      ? []
      : [target('`initialize` of server-everything, warm', everything.warm.median, 10, duration)]),
  ];
}

export function rows(figures) {
  const sides = Object.keys(SIDES).filter((side) => figures.echo[side] !== undefined);
  const row = (server) => [
    bySide(servers[server].title, figures[server], sides, duration),
    bySide('added', figures[server], sides, (ms) => duration(ms - figures[server].direct.median)),
  ];
  return [['', ...sides.map((side) => SIDES[side].title)], ...row('echo'), ...row('everything')];
}

export function notes({ nothing }) {
  return `A Node that does nothing (\`node -e 0\`) takes ${duration(nothing.median)} here.`;
}

export function headline({ echo, everything }) {
  const row = (what, { direct, sandboxed, srt }) => [
    what,
    ...[direct, sandboxed].map(({ median }) => duration(median)),
    `${duration(srt.median)} in sandbox-runtime`,
  ];
  return [
    row('a server in C, sandboxed, to its first answer', echo),
    row('a server in Node, sandboxed, to its first answer', everything),
    [
      'the same, lazy',
      duration(everything.direct.median),
      duration(everything.lazy.median),
      `${duration(everything.supergateway.median)} with supergateway`,
    ],
  ];
}

export function plots({ echo, everything }) {
  const note = 'less is better; the line shows quartiles';
  return [
    {
      file: 'cold-echo',
      title: 'Cold start to the answer to initialize, echo in C',
      note,
      show: duration,
      // Beside theirs no other bar would be seen: they are in the table, and in the next plot.
      bars: bars(echo).filter(({ kind }) => kind !== 'other'),
      meaning: 'What each server of each host that you open waits longer, before its tools are there.',
    },
    {
      file: 'cold-everything',
      title: 'Cold start to the answer to initialize, server-everything',
      note,
      show: duration,
      bars: bars(everything),
      meaning:
        "The same with a server in Node: its own start is nearly all of it, and a lazy one's tools are there at once.",
    },
  ];
}
