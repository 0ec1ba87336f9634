// Calls on an open session: one at a time, and 64 in flight.
import { duration, rate, ratio, spreads } from '../figures.js';
import { servers } from '../servers.js';
import { bars, openersAlone, SIDES } from '../sides.js';
import { bySide, target } from '../table.js';
import { flat, inARow, inTurns } from '../turns.js';

const IN_FLIGHT = 64;
/** How many single calls each side makes before it is measured, and how many it makes in one block. */
const WARM = 20_000;
const BLOCK = 100;
/** How many are called the first ones. */
const FIRST = 200;

export const name = 'calls';
export const title = 'Calls';
export const about = `A \`tools/call\` on an open session, from its first byte sent to the end of its answer: one in flight, and 64. Each call through
Warder is decided, written to the audit log, and its answer searched for the session's secrets. By default a record is with the
kernel before its call goes on. These are figures of the steady state: ${WARM.toLocaleString('en')} single calls go before, as V8 compiles
and recompiles for that long. The first ${FIRST} calls of a daemon that has served nobody have rows of their own. Each side has a daemon
of its own. The sides take turns call by call, so each program is woken from sleep, as it is where a model makes calls; and
${BLOCK} calls at a time, which shows what they cost when nothing sleeps for long.`;

const PLAN = {
  echo: { calls: 8000, floods: 8, flood: 40_000, skipped: [] },
  everything: { calls: 3000, floods: 6, flood: 8000, skipped: ['pipes'] },
};
/** Sides that take long have fewer calls. */
const SLOW = { srt: 1, 'mcp-proxy': 10, supergateway: 10 };

export async function measure(bench) {
  const figures = {};
  for (const [server, plan] of Object.entries(PLAN))
    figures[server] = await measureServer(bench, server, plan);
  return figures;
}

async function measureServer(bench, server, { calls, floods, flood, skipped }) {
  const { call } = servers[server];
  using sides = openersAlone(bench, server, servers[server]);
  const clients = {};
  try {
    const first = {};
    for (const [side, start] of Object.entries(sides.open)) {
      if (skipped.includes(side)) continue;
      const { client } = await start();
      clients[side] = client;
      await client.settle();
      first[side] = await inARow(FIRST, () => client.call(call));
      await inARow(bench.samples(WARM) / (SLOW[side] ?? 1), () => client.call(call));
      await client.flood(call, bench.samples(2000) / (SLOW[side] ?? 1), IN_FLIGHT);
    }
    const each = (take) =>
      Object.fromEntries(
        Object.entries(clients).map(([side, client]) => [side, take(client, SLOW[side] ?? 1)]),
      );
    const single = await inTurns(
      bench.samples(calls),
      each((client, slow) => ({ take: () => client.call(call), every: slow })),
    );
    const block = await inTurns(
      Math.ceil(bench.samples(calls) / BLOCK),
      each((client, slow) => () => inARow(BLOCK / slow, () => client.call(call))),
    );
    const flooded = await inTurns(
      bench.samples(floods),
      each((client, slow) => ({
        take: () => client.flood(call, Math.ceil(bench.samples(flood) / slow), IN_FLIGHT),
        every: Math.min(slow, floods),
      })),
    );
    return {
      first: spreads(first),
      single: spreads(single),
      block: spreads(flat(block)),
      flood: spreads(flooded),
    };
  } finally {
    for (const client of Object.values(clients)) await client.close();
  }
}

const added = ({ single }, of) => of(single.warder) - of(single.direct);
const p50 = ({ median }) => median;
const p99 = (figure) => figure.p99;

export function targets({ echo, everything }) {
  return [
    target('p50 added, echo', added(echo, p50), 0.065, duration),
    target('p99 added, echo', added(echo, p99), 0.14, duration),
    target('calls a second, 64 in flight, echo', echo.flood.warder.median, 120_000, rate, { least: true }),
    target(
      'p50, server-everything, times direct',
      everything.single.warder.median / everything.single.direct.median,
      1.5,
      ratio,
    ),
  ];
}

export function rows(figures) {
  const sides = Object.keys(SIDES).filter((side) => figures.echo.single[side] !== undefined);
  const row = (server) => {
    const { first, single, block, flood } = figures[server];
    const of = servers[server].title;
    return [
      bySide(`${of}, p50`, single, sides, duration),
      bySide(`${of}, p99`, single, sides, duration, p99),
      bySide(`${of}, ${BLOCK} calls at a time, p50`, block, sides, duration),
      bySide(`${of}, ${BLOCK} calls at a time, p99`, block, sides, duration, p99),
      bySide(`${of}, first ${FIRST} calls of a fresh daemon, p50`, first, sides, duration),
      bySide(`${of}, first ${FIRST} calls of a fresh daemon, p99`, first, sides, duration, p99),
      bySide(`${of}, calls a second, ${IN_FLIGHT} in flight`, flood, sides, rate),
    ];
  };
  return [['', ...sides.map((side) => SIDES[side].title)], ...row('echo'), ...row('everything')];
}

export function headline({ everything: { single } }) {
  const [direct, warder, proxy] = ['direct', 'warder', 'mcp-proxy'].map((side) =>
    duration(single[side].median),
  );
  return [
    ['a call of a server in Node, in the log before it goes on', direct, warder, `${proxy} with mcp-proxy`],
  ];
}

export function plots({ echo, everything }) {
  const less = 'less is better; the line shows quartiles';
  return [
    {
      file: 'calls-echo',
      title: 'One call, echo in C',
      note: less,
      show: duration,
      bars: bars(echo.single),
      meaning: 'What a tool call takes that itself takes no time: all above *direct* is what stands between.',
    },
    {
      file: 'calls-everything',
      title: 'One call, server-everything',
      note: less,
      show: duration,
      bars: bars(everything.single),
      meaning: 'A call of a real server; a model takes seconds to make one, so nobody feels the difference.',
    },
    {
      file: 'calls-flood',
      title: `Calls a second with ${IN_FLIGHT} in flight, echo in C`,
      note: 'more is better; the line shows quartiles',
      show: rate,
      bars: bars(echo.flood),
      meaning: 'How many audited calls a second one session can make, if an agent works in parallel.',
    },
  ];
}
