// Runs install scripts in a sandbox: it contains the system, Node, npm and the tree, which is writable; a home and a
// /tmp of its own; no network, and no variable of this environment.
import { userInfo } from 'node:os';
import { dirname } from 'node:path';
import { WarderError } from '../../errors.ts';
import { loadSpawn } from '../../os/spawn.ts';
import type { ScriptRun, ScriptRunner } from '../../package/registry.ts';
import { SYSTEM_FOLDERS, searchPath } from '../../profile/environment.ts';
import { chooseSandbox } from '../../sandbox/choose.ts';
import { inspectMachine } from '../../sandbox/machine.ts';
import { probe } from '../../sandbox/probe.ts';
import { prepare } from '../../sandbox/start.ts';
import type { Places } from '../../wire/places.ts';

/** How long all scripts of a package may take. Milliseconds. */
const TIMEOUT = 10 * 60_000;

/** How much of their output is kept, in characters. */
const MAX_OUTPUT = 64 * 1024;

/** A runner of install scripts. It throws `sandbox-unavailable` where there is no sandbox without a network. */
export function sandboxedScripts(places: Places, home: string): ScriptRunner {
  return async ({ tree, file, args }: ScriptRun) => {
    const uid = process.getuid?.() ?? -1;
    const machine = await inspectMachine(uid, places.run);
    if (process.platform !== 'linux' || chooseSandbox(machine, await probe(machine)) !== 'bubblewrap') {
      throw new WarderError('sandbox-unavailable', 'there is no sandbox here for install scripts', {
        hint: 'add "--without-scripts" to the command; "warder doctor" shows what is missing',
      });
    }
    using prepared = prepare(
      {
        profile: 'install scripts',
        uid,
        gid: process.getgid?.() ?? -1,
        user: userInfo().username,
        home,
        file,
        args,
        cwd: tree,
        env: {
          PATH: searchPath([dirname(process.execPath), ...SYSTEM_FOLDERS]),
          LANG: 'C.UTF-8',
          npm_config_offline: 'true',
          npm_config_update_notifier: 'false',
        },
        sandbox: { read: [], write: [], network: [], memory: undefined, processes: undefined },
        roots: [],
        writableRoots: [tree],
        node: process.execPath,
        warder: places.own,
      },
      machine,
    );
    const { descriptors, ...launch } = prepared.launch;
    const spawn = await loadSpawn();
    const child = await spawn({
      ...launch,
      descriptors: descriptors.map((entry) => (entry.kind === 'open' ? entry.descriptor : 'pipe')),
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        output = (output + chunk.toString('utf8')).slice(-MAX_OUTPUT);
      });
      stream.resume();
    }
    child.stdin.end();
    await using confined = await prepared.confine(child);
    const timer = setTimeout(() => confined.signal('SIGKILL'), TIMEOUT);
    try {
      const { code } = await child.ended;
      return { code, output };
    } finally {
      clearTimeout(timer);
    }
  };
}
