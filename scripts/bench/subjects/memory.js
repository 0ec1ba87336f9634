// The memory of one more session: of what a host starts, and of what serves it.
import { setTimeout as sleep } from 'node:timers/promises';
import { count, mebibytes } from '../figures.js';
import { openDescriptors, proportional, resident, treeMemory } from '../machine.js';
import { servers } from '../servers.js';
import { bars, openers, SIDES, writeProfiles } from '../sides.js';
import { bySide, target } from '../table.js';

export const name = 'memory';
export const title = 'Memory of a session';
export const about = `What one more open session takes, without its server: the programs that the host starts, and what the daemon grows by. In
proportion (PSS): a page that several processes have counts in parts. Each session has made a call and has a server of its own.`;

const SESSIONS = {
  warder: 40,
  sandboxed: 20,
  node: 10,
  pipes: 20,
  sockets: 20,
  srt: 3,
  'mcp-proxy': 3,
  supergateway: 3,
};
const OF_DAEMON = ['warder', 'sandboxed', 'node'];
const server = servers.echo;

export async function measure(bench) {
  const figures = {};
  const daemon = {};
  for (const [side, sessions] of Object.entries(SESSIONS)) {
    using warder = bench.warder();
    writeProfiles(warder, 'echo', server);
    const ofDaemon = OF_DAEMON.includes(side);
    if (ofDaemon) warder.start();
    const open = openers(bench, warder, 'echo', server)[side];
    const clients = [];
    const add = async () => {
      const { client } = await open();
      clients.push(client);
      await client.call(server.call);
    };
    // With the daemon's first session it grows by what all sessions share. What it is at then counts for none of them.
    const served = () => (ofDaemon ? treeMemory(warder.pid, server.argv[0]) : 0);
    // What its start has left is given back once it has nothing to do.
    if (ofDaemon) await sleep(3000);
    const fresh = ofDaemon && { resident: resident(warder.pid), descriptors: openDescriptors(warder.pid) };
    try {
      for (let at = 0; at < 3; at++) await add();
      await sleep(1000);
      const before = served();
      const many = Math.max(2, bench.quick ? Math.ceil(sessions / 5) : sessions);
      const own = clients.length;
      while (clients.length < own + many) await add();
      await sleep(1000);
      const launchers = clients
        .slice(own)
        .reduce((sum, { pid }) => sum + (ofDaemon ? proportional(pid) : treeMemory(pid, server.argv[0])), 0);
      figures[side] = { session: (launchers + served() - before) / many, launcher: launchers / many };
      if (side === 'warder') {
        daemon.fresh = fresh.resident;
        daemon.with = resident(warder.pid);
        daemon.sessions = clients.length;
        daemon.descriptors = (openDescriptors(warder.pid) - fresh.descriptors) / clients.length;
      }
    } finally {
      await Promise.all(clients.map((client) => client.close()));
    }
  }
  return { sides: figures, daemon };
}

export function targets({ sides, daemon }) {
  return [
    target('memory of a further session, launcher and daemon', sides.warder.session, 1e6, mebibytes),
    target('daemon, fresh, resident', daemon.fresh, 75e6, mebibytes),
  ];
}

export function rows({ sides }) {
  const shown = Object.keys(SIDES).filter((side) => sides[side] !== undefined);
  return [
    ['', ...shown.map((side) => SIDES[side].title)],
    bySide('a further session', sides, shown, mebibytes, ({ session }) => session),
    bySide('of that, what the host starts', sides, shown, mebibytes, ({ launcher }) => launcher),
  ];
}

export function notes({ daemon }) {
  return `The daemon has ${mebibytes(daemon.fresh)} resident when it is fresh and ${mebibytes(daemon.with)} with ${daemon.sessions} sessions, each of which has
${count(daemon.descriptors)} descriptors in it.`;
}

export function headline({ sides }) {
  const [warder, proxy] = ['warder', 'mcp-proxy'].map((side) => mebibytes(sides[side].session));
  return [['memory of one more session beside its server', '', warder, `${proxy} with mcp-proxy`]];
}

export function plots({ sides }) {
  return [
    {
      file: 'memory-session',
      title: 'Memory of one more session, without its server',
      note: 'less is better',
      show: mebibytes,
      bars: bars(sides, ({ session }) => session),
      meaning: 'What each server of each open host costs in memory beside the server itself.',
    },
  ];
}
