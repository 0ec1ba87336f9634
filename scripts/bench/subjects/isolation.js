// What one session, or one client of the daemon's socket, can do to another session. An attack that gets through shows as
// "not met" in the table.
import { join } from 'node:path';
import { attackBars, attackRows, limits, measureAttacks, verdict } from '../attack-figures.js';
import { Upstream } from '../egress.js';
import { mebibytes, ratio } from '../figures.js';
import { servers } from '../servers.js';

const attacker = join(import.meta.dirname, '../attacker.mjs');
const SECRET = 'ghp_bench0123456789abcdefghijklmnopqrstu';
const SERVERS = ['stderr', 'capabilities', 'name', 'changes', 'tools', 'subscriptions', 'forms'];
const CLIENTS = ['idle', 'unread'];

export const name = 'isolation';
export const title = 'Isolation';
export const about = `Calls of a quiet session, one a millisecond, while another session or a client of the daemon's socket attacks. To reach: a p50 of
at most ${limits.ratio} times quiet, no call over ${limits.worst} ms, and the daemon at most ${mebibytes(limits.memory)} above quiet. The attacker's processes share
the machine's cores with the daemon and the quiet session. *Beside*: the same attack on a daemon of its own, which the quiet
session has nothing to do with: what it costs there is the machine's.`;

function writeProfiles(warder, upstream) {
  warder.settings({ egress: { resolvers: [`127.0.0.1:${upstream.names}`], ca: upstream.ca } });
  warder.profile('quiet', servers.echo.argv, { credentials: {} });
  const from = { command: ['/bin/echo', SECRET], ttl: '1h' };
  for (const kind of SERVERS) {
    const patterns = kind === 'tools' ? 21 : 1;
    warder.profile(kind, [process.execPath, attacker, kind, String(upstream.port)], {
      credentials: {},
      policy: {
        default: 'allow',
        tools: Object.fromEntries(Array.from({ length: patterns }, (_, at) => [`*_*${at}_*x`, 'deny'])),
      },
      ...(kind === 'forms' && {
        credentials: { TOKEN: { from, hosts: [`api.test:${upstream.port}`] } },
        sandbox: { network: ['127.0.0.1/32'] },
      }),
    });
  }
}

export async function measure(bench) {
  await using upstream = await Upstream.start(bench.folder);
  const kinds = bench.words.length > 0 ? bench.words : [...SERVERS, ...CLIENTS];
  return await measureAttacks(bench, kinds, (warder) => writeProfiles(warder, upstream));
}

export function targets(figures) {
  const verdicts = Object.values(figures).map(verdict);
  const met = verdicts.filter((text) => text !== '**not met**').length;
  return [
    {
      title: 'attacks on another session that are held off, or cost the same beside',
      measured: `${met} of ${verdicts.length}`,
      limit: 'all',
      isMet: met === verdicts.length,
    },
  ];
}

export const rows = attackRows;

export function plots(figures) {
  return [
    {
      file: 'isolation',
      title: "Another session's p50 during an attack, times quiet",
      note: 'less is better; 1 is what it takes without an attack; gray: the same attack on a daemon of its own',
      show: ratio,
      bars: attackBars(figures),
      meaning: 'What one hostile server can do to the calls of the others.',
    },
  ];
}
