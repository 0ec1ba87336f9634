// What the gate costs: the same client outside, in Warder's sandbox, and in that of the most similar project.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from '../client.js';
import { measureGate, peerCommand, prepareEgress, Upstream } from '../egress.js';
import { duration, mebibytes, median, megabytesPerSecond, percent, ratio } from '../figures.js';
import { servers } from '../servers.js';
import { target } from '../table.js';

export const name = 'gate';
export const title = 'Gate';
export const about = `A client in the sandbox and the same outside, in turns, to the same HTTPS host on loopback. *Passed*: unopened, TLS from end to
end; *opened*: with a sealed credential put in, and every byte of the answer searched. Client, daemon and host share the machine's
cores. Beside it \`@anthropic-ai/sandbox-runtime\` with the same client and hosts, its proxy asked for by the client; it searches no
answer.`;

const STARTS = {
  netless: 'without a network',
  networked: 'with one that was made in advance',
  sealed: 'the same, and a sealed credential',
  peer: 'in sandbox-runtime',
};

export async function measure(bench) {
  const base = join(bench.folder, 'gate');
  mkdirSync(base, { mode: 0o700 });
  await using upstream = await Upstream.start(base);
  using warder = bench.warder();
  prepareEgress(join(warder.home, 'config'), upstream, servers.echo.argv);
  warder.start();
  const amounts = {
    requests: bench.samples(3000),
    bytes: bench.quick ? 5e7 : 2e8,
    long: bench.quick ? 2e8 : 1e9,
    downloads: bench.samples(9),
  };
  const inPeer = peerCommand(base, upstream);
  const run = (profile) => warder.run(profile);
  const figures = await measureGate(run, warder.env, warder.pid, upstream, inPeer, amounts);
  const start = { netless: [], networked: [], sealed: [], peer: [] };
  for (let round = 0; round < bench.samples(15); round++) {
    for (const profile of Object.keys(start)) {
      const command = profile === 'peer' ? [...inPeer, ...servers.echo.argv] : run(profile);
      const { client, ms } = await Client.start(command, warder.env);
      await client.close();
      start[profile].push(ms);
      // The next spare network is created meanwhile.
      await sleep(400);
    }
  }
  return {
    ...figures,
    start: Object.fromEntries(Object.entries(start).map(([how, all]) => [how, median(all)])),
  };
}

const WAYS = {
  direct: 'direct',
  passed: 'passed',
  opened: 'opened',
  peerPassed: 'sandbox-runtime, passed',
  peerOpened: 'sandbox-runtime, opened',
};
const share = (of, way) => of[way] / of.direct;

export function targets({ p50, node, beside }) {
  const least = { least: true };
  return [
    target('download opened, share of direct', share(node, 'opened'), 0.5, percent, least),
    target('download passed, share of direct', share(node, 'passed'), 0.9, percent, least),
    target('p50 added to a request, opened', p50.opened - p50.direct, 0.4, duration),
    ...['passed', 'opened'].map((way) =>
      target(`another session's p50 beside 1 GB ${way}, times idle`, beside[way] / beside.idle, 1.1, ratio),
    ),
  ];
}

export function rows({ p50, p99, node, curl, peak, beside }) {
  const ways = Object.keys(WAYS);
  const row = (heading, of, show) => [heading, ...ways.map((way) => show(of[way]))];
  const shares = (of) => ['share of direct', '', ...ways.slice(1).map((way) => percent(share(of, way)))];
  return [
    ['', ...Object.values(WAYS)],
    row('small request on a warm connection, p50', p50, duration),
    row('the same, p99', p99, duration),
    row("download, Node's https", node, megabytesPerSecond),
    shares(node),
    row('download, curl', curl, megabytesPerSecond),
    shares(curl),
    [
      "another session's call meanwhile, p50 (idle first)",
      ...[beside.idle, beside.passed, beside.opened].map(duration),
      '',
      '',
    ],
    [
      'peak memory of the daemon meanwhile (idle first)',
      ...[peak.idle, peak.passed, peak.opened].map(mebibytes),
      '',
      '',
    ],
  ];
}

export function notes({ start }) {
  const starts = Object.entries(STARTS).map(([way, text]) => `${text} ${duration(start[way])}`);
  return `Cold start to the answer to \`initialize\`, echo in C, in the sandbox: ${starts.join('; ')}.`;
}

export function plots({ node, p50 }) {
  const kind = (way) => (way === 'direct' ? 'plain' : way.startsWith('peer') ? 'other' : 'warder');
  const bars = (of) =>
    Object.entries(WAYS).map(([way, label]) => ({ label, kind: kind(way), value: of[way] }));
  return [
    {
      file: 'gate-download',
      title: 'A large download through the gate',
      note: 'more is better',
      show: megabytesPerSecond,
      bars: bars(node),
      meaning: 'How fast a sandboxed server downloads: far above what a network gives, opened or not.',
    },
    {
      file: 'gate-request',
      title: 'A small request through the gate',
      note: 'less is better',
      show: duration,
      bars: bars(p50),
      meaning:
        'What the exchange of a placeholder for the secret adds to each request; one to a real API takes some 100 ms.',
    },
  ];
}
