// A server from npm: pinned by Warder, and by `npx -y` as most configurations have it.
import { execFileSync } from 'node:child_process';
import { Client } from '../client.js';
import { duration, ratio, spreads } from '../figures.js';
import { servers } from '../servers.js';
import { target } from '../table.js';
import { inTurns } from '../turns.js';

export const name = 'package';
export const title = 'Packages';
/** An exact version, so that npx can answer from its cache. */
const PINNED = '@modelcontextprotocol/server-everything@2026.8.31';
export const about = `A cold start of \`${PINNED}\` to the answer to \`initialize\`: by \`npx -y\` with a warm cache, and
pinned, verified and in the sandbox.`;

const WAYS = {
  npx: ['`npx -y`, warm', 'plain'],
  pinned: ['pinned by Warder, sandboxed', 'warder'],
  lazy: ['the same, lazy', 'warder'],
};

export async function measure(bench) {
  // npm needs the machine's own settings to reach its registry. The measured commands get them too, except the one that
  // slows Node down.
  const { NODE_EXTRA_CA_CERTS: _slow, ...own } = process.env;
  using warder = bench.warder();
  const registry = { ...process.env, ...warder.env };
  warder.start();
  warder.says('stop');
  for (const [name, start] of [
    ['pinned', 'eager'],
    ['lazy', 'lazy'],
  ]) {
    execFileSync(process.execPath, [...warder.program, 'add', name, '--package', `npm:${PINNED}`], {
      env: registry,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    warder.startAs(name, start);
  }
  warder.start();
  execFileSync('npx', ['-y', '-p', PINNED, 'node', '-e', '0'], { env: registry, stdio: 'ignore' });
  const start = (argv, env) => async () => {
    const { client, ms } = await Client.start(argv, env);
    await client.close();
    return ms;
  };
  // A lazy server answers by itself only once it is known.
  const { client } = await Client.start(warder.run('lazy'), warder.env);
  await client.settle();
  await client.list();
  await client.call(servers.everything.call);
  await client.close();
  return spreads(
    await inTurns(bench.samples(20), {
      npx: start(['npx', '-y', PINNED, 'stdio'], { ...own, npm_config_prefer_offline: 'true' }),
      pinned: start(warder.run('pinned'), warder.env),
      lazy: start(warder.run('lazy'), warder.env),
    }),
  );
}

export function targets({ npx, pinned }) {
  return [target('pinned package, times `npx -y`', pinned.median / npx.median, 0.4, ratio)];
}

export function rows(figures) {
  return [
    ['cold start to the answer to `initialize`', 'median'],
    ...Object.entries(WAYS).map(([way, [title]]) => [title, duration(figures[way].median)]),
  ];
}

export function headline({ npx, pinned }) {
  return [
    [
      'a server from npm, pinned, sandboxed',
      '',
      duration(pinned.median),
      `${duration(npx.median)} with npx -y`,
    ],
  ];
}

export function plots(figures) {
  return [
    {
      file: 'package',
      title: 'Cold start of a server from npm',
      note: 'less is better; the line shows quartiles',
      show: duration,
      bars: Object.entries(WAYS).map(([way, [label, kind]]) => ({
        label: label.replaceAll('`', ''),
        kind,
        value: figures[way].median,
        low: figures[way].low,
        high: figures[way].high,
      })),
      meaning:
        'A pinned package starts sooner than the usual `npx -y`, and is the version that you looked at.',
    },
  ];
}
