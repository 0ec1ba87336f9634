// Large results on an open session.
import { duration, ratio, spreads } from '../figures.js';
import { servers } from '../servers.js';
import { bars, openersAlone, SIDES } from '../sides.js';
import { bySide, target } from '../table.js';
import { flat, inARow, inTurns } from '../turns.js';

const SIZES = { '1 MB': { bytes: 1e6, turns: 10 }, '10 MB': { bytes: 10e6, turns: 4 } };
/** How many calls each side makes before it is measured, and how many it makes in one turn. */
const WARM = { echo: { '1 MB': 200, '10 MB': 40 }, everything: { '1 MB': 20, '10 MB': 5 } };
const BLOCK = 4;

export const name = 'large';
export const title = 'Large results';
export const about = `A call whose answer is one line of 1 or 10 MB. Server-everything gets as much as it answers: its \`echo\` is the only tool with a
result of any size. Every byte is searched for the session's secrets and is part of the record's digest. These are figures of the
steady state: ${WARM.echo['1 MB']} calls of 1 MB and ${WARM.echo['10 MB']} of 10 MB go before (server-everything, which is slow: ${WARM.everything['1 MB']} and ${WARM.everything['10 MB']}). The first ${BLOCK} of a
size, by a daemon that has passed on nothing as large, have rows of their own. Each side has a daemon of its own and makes ${BLOCK} calls
at a time, so that one daemon at a time is busy.`;
/** The HTTP peers are left out: theirs would be the cost of parsing it twice. */
const COMPARED = ['direct', 'pipes', 'sockets', 'warder', 'sandboxed', 'node', 'srt'];

export async function measure(bench) {
  const figures = {};
  for (const server of ['echo', 'everything']) {
    using sides = openersAlone(bench, server, servers[server]);
    const clients = {};
    try {
      for (const side of COMPARED) {
        clients[side] = (await sides.open[side]()).client;
        await clients[side].settle();
      }
      figures[server] = { first: {} };
      for (const [size, { bytes, turns }] of Object.entries(SIZES)) {
        const call = servers[server].large(bytes);
        const first = {};
        for (const [side, client] of Object.entries(clients)) {
          first[side] = await inARow(BLOCK, () => client.call(call));
          await inARow(bench.samples(WARM[server][size]), () => client.call(call));
        }
        const ways = Object.entries(clients).map(([side, client]) => [
          side,
          () => inARow(BLOCK, () => client.call(call)),
        ]);
        figures[server].first[size] = spreads(first);
        figures[server][size] = spreads(flat(await inTurns(bench.samples(turns), Object.fromEntries(ways))));
      }
    } finally {
      for (const client of Object.values(clients)) await client.close();
    }
  }
  return figures;
}

const times = (figures) => figures.warder.median / figures.direct.median;

export function targets({ echo, everything }) {
  return [
    target('10 MB result, echo, times direct', times(echo['10 MB']), 2.5, ratio),
    target('10 MB result, server-everything, times direct', times(everything['10 MB']), 1.3, ratio),
  ];
}

export function rows(figures) {
  const row = (server) =>
    Object.keys(SIZES).flatMap((size) => {
      const of = `${servers[server].title}, ${size}`;
      const first = figures[server].first[size];
      return [
        bySide(of, figures[server][size], COMPARED, duration),
        bySide(`${of}, first ${BLOCK} calls of a fresh daemon, p50`, first, COMPARED, duration),
        bySide(
          `${of}, first ${BLOCK} calls of a fresh daemon, slowest`,
          first,
          COMPARED,
          duration,
          ({ p99 }) => p99,
        ),
      ];
    });
  return [['', ...COMPARED.map((side) => SIDES[side].title)], ...row('echo'), ...row('everything')];
}

export function plots({ echo }) {
  return [
    {
      file: 'large-echo',
      title: 'A result of 10 MB, echo in C',
      note: 'less is better; the line shows quartiles',
      show: duration,
      bars: bars(echo['10 MB']),
      meaning: 'What a very large answer takes, a screenshot or a whole file for instance.',
    },
  ];
}
