// What one session that has much to do, without any ill will, costs another.
import { join } from 'node:path';
import { attackBars, attackRows, measureAttacks } from '../attack-figures.js';
import { ratio } from '../figures.js';
import { servers } from '../servers.js';
import { target } from '../table.js';

const attacker = join(import.meta.dirname, '../attacker.mjs');

export const name = 'fair';
export const title = 'Fairness';
export const about = `Calls of a quiet session, one a millisecond, while another session floods: with 64 calls in flight, with answers of 10 MB, with
standard error, with answers that its host does not read, and while another host opens sessions and throws them away at once. A flood
and its server take the machine's cores as well, which shows beside.`;

const FLOODS = ['calls', 'large', 'lines', 'unread-host', 'storm'];

export async function measure(bench) {
  return await measureAttacks(bench, bench.words.length > 0 ? bench.words : FLOODS, (warder) => {
    for (const profile of ['quiet', ...FLOODS]) warder.profile(profile, servers.echo.argv);
    warder.profile('lines', [process.execPath, attacker, 'stderr', '0']);
  });
}

export function targets(figures) {
  // What the machine takes from the quiet session is taken beside too.
  const worst = Math.max(
    ...Object.values(figures).map(
      ({ p50, quiet, machine }) => p50 / quiet / Math.max(1, machine.p50 / machine.quiet),
    ),
  );
  return [target("another session's p50 during the worst flood, times that beside", worst, 1.5, ratio)];
}

export const rows = attackRows;

export function plots(figures) {
  return [
    {
      file: 'fair',
      title: "Another session's p50 during a flood, times quiet",
      note: 'less is better; 1 is what it takes without a flood; gray: the same flood on a daemon of its own',
      show: ratio,
      bars: attackBars(figures),
      meaning: 'An agent that works a server hard leaves your other servers usable.',
    },
  ];
}
