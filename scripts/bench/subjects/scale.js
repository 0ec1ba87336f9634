// A hundred sessions within a second.
import { setTimeout as sleep } from 'node:timers/promises';
import { duration, ratio, spreads } from '../figures.js';
import { servers } from '../servers.js';
import { bars, openers, SIDES, writeProfiles } from '../sides.js';
import { bySide, target } from '../table.js';
import { inTurns } from '../turns.js';

export const name = 'scale';
export const title = 'A hundred sessions at once';
export const about = `A hundred sessions are opened at once, as hosts do that start all their servers two to five times over. From the first start to
the last answer to \`initialize\`; then each makes a call, and all end.`;

const COMPARED = ['direct', 'sockets', 'warder', 'sandboxed'];
const PLAN = { echo: { sessions: 100, rounds: 7 }, everything: { sessions: 30, rounds: 3 } };

export async function measure(bench) {
  const figures = { failed: 0 };
  for (const [server, { sessions, rounds }] of Object.entries(PLAN)) {
    using warder = bench.warder();
    writeProfiles(warder, server, servers[server]);
    warder.start();
    const open = openers(bench, warder, server, servers[server]);
    const ways = COMPARED.map((side) => [
      side,
      async () => {
        const { ms, failed } = await burst(open[side], sessions, servers[server].call);
        figures.failed += failed;
        return ms;
      },
    ]);
    figures[server] = spreads(await inTurns(bench.quick ? 2 : rounds, Object.fromEntries(ways)));
  }
  return figures;
}

/** Opens sessions at once, and closes them. */
async function burst(open, sessions, call) {
  const began = performance.now();
  const opened = await Promise.allSettled(Array.from({ length: sessions }, open));
  const ms = performance.now() - began;
  const clients = opened.flatMap(({ value }) => (value === undefined ? [] : [value.client]));
  const called = await Promise.allSettled(clients.map((client) => client.call(call)));
  await Promise.all(clients.map((client) => client.close()));
  // What a burst leaves to be done is not part of the next one.
  await sleep(300);
  const failed = [...opened, ...called].filter(({ status }) => status === 'rejected');
  for (const { reason } of failed.slice(0, 1)) process.stderr.write(`${reason}\n`);
  return { ms, failed: failed.length };
}

const times = (figures, side) => figures[side].median / figures.direct.median;

export function targets({ failed, echo, everything }) {
  return [
    target('of all sessions at once, those that failed', failed, 0, String),
    target('100 sessions of echo at once, times direct', times(echo, 'warder'), 1.1, ratio),
    target('30 sessions of server-everything at once, times direct', times(everything, 'warder'), 1.1, ratio),
  ];
}

export function rows(figures) {
  const row = (server) => [
    bySide(
      `${servers[server].title}, ${PLAN[server].sessions} sessions`,
      figures[server],
      COMPARED,
      duration,
    ),
    ['times direct', '', ...COMPARED.slice(1).map((side) => ratio(times(figures[server], side)))],
  ];
  return [['', ...COMPARED.map((side) => SIDES[side].title)], ...row('echo'), ...row('everything')];
}

export function plots({ echo, everything }) {
  const note = 'less is better; the line shows quartiles';
  return [
    {
      file: 'scale-echo',
      title: 'A hundred sessions of echo in C at once, to the last answer',
      note,
      show: duration,
      bars: bars(echo),
      meaning:
        'The floor: servers that take no time to start, so that all is the cost of what stands between.',
    },
    {
      file: 'scale-everything',
      title: 'Thirty sessions of server-everything at once, to the last answer',
      note,
      show: duration,
      bars: bars(everything),
      meaning: 'What you wait when several hosts start with all their servers in the morning.',
    },
  ];
}
