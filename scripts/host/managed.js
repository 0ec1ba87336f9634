// Tries the managed settings that `warder hosts export` prints with the host itself: a server outside Warder is refused, one
// behind it runs. The settings are in /etc, so the host runs where /etc has another layer over it, which only it sees.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isCalled } from './model.js';

/** Returns "only servers behind Warder", or what is wrong. */
export async function tryManaged({ id, program, run, home, path, server, profiles }) {
  const layer = join(home.dir, 'etc-layer');
  const etc = join(layer, program.managed.slice('/etc/'.length));
  mkdirSync(dirname(etc), { recursive: true });
  const { text } = await home.facts('hosts', 'export', ...profiles, '--managed', MANAGED[id] ?? id);
  writeFileSync(etc, text);
  const wrap = [
    ...['unshare', '--mount', ...(process.getuid() === 0 ? [] : ['--map-root-user']), 'sh', '-c'],
    `mount -t overlay overlay -o lowerdir='${layer}':/etc /etc && exec "$@"`,
    'sh',
  ];
  try {
    execFileSync(wrap[0], [...wrap.slice(1), 'true'], { stdio: 'ignore' });
  } catch {
    return 'not tried: no layer over /etc can be had here';
  }
  // The server as it was, beside the same behind Warder, under a name that is not allowed.
  const moved = readFileSync(path, 'utf8');
  const outside = { ...server, env: { SERVICE_API_KEY: 'of-an-outsider' } };
  writeFileSync(path, program.withServer(moved, 'outsider', outside));
  try {
    await using _person = home.person();
    const { tools, results } = await program.turn({ ...run, wrap, calls: [['echo', { message: 'hello' }]] });
    const outsiders = tools.filter(({ name }) => name.includes('outsider'));
    const echo = tools.some(({ name }) => isCalled(name, 'echo'));
    if (outsiders.length > 0) return 'no: a server outside Warder runs';
    return echo && results[0]?.includes('hello')
      ? 'only servers behind Warder'
      : 'no: one behind Warder does not run';
  } finally {
    writeFileSync(path, moved);
  }
}

const MANAGED = { 'copilot-cli': 'copilot' };
