// Large results on an open session.
import { duration, ratio, spreads } from '../figures.js';
import { servers } from '../servers.js';
import { bars, openersAlone, SIDES } from '../sides.js';
import { bySide, target } from '../table.js';
import { inTurns } from '../turns.js';

export const name = 'large';
export const title = 'Large results';
export const about = `A call whose answer is one line of 1 or 10 MB. Server-everything gets as much as it answers: its \`echo\` is the only tool with a
result of any size. Every byte is searched for the session's secrets and is part of the record's digest.`;

const SIZES = { '1 MB': { bytes: 1e6, rounds: 40 }, '10 MB': { bytes: 10e6, rounds: 16 } };
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
      figures[server] = {};
      for (const [size, { bytes, rounds }] of Object.entries(SIZES)) {
        const call = servers[server].large(bytes);
        const ways = Object.entries(clients).map(([side, client]) => [side, () => client.call(call)]);
        await inTurns(2, Object.fromEntries(ways));
        figures[server][size] = spreads(await inTurns(bench.samples(rounds), Object.fromEntries(ways)));
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
    Object.keys(SIZES).map((size) =>
      bySide(`${servers[server].title}, ${size}`, figures[server][size], COMPARED, duration),
    );
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
