// Runs a program of a package while the package is installed, in a sandbox: it contains the system, Node and the folders that
// are named; a home and a /tmp of its own; no network, and no variable of this environment.
import { userInfo } from 'node:os';
import { dirname } from 'node:path';
import { WarderError } from '../../errors.ts';
import { type Child, loadSpawn } from '../../os/spawn.ts';
import { SYSTEM_FOLDERS, searchPath } from '../../profile/environment.ts';
import { chooseSandbox } from '../../sandbox/choose.ts';
import type { ConfinedServer } from '../../sandbox/confine.ts';
import { inspectMachine } from '../../sandbox/machine.ts';
import { probe } from '../../sandbox/probe.ts';
import { prepare } from '../../sandbox/start.ts';
import type { Places } from '../../wire/places.ts';

/** A program, and what it may use. Paths are absolute. */
export interface ConfinedRun {
  /** What runs, for messages. */
  readonly title: string;
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd: string | undefined;
  /** Beside `PATH` and `LANG`. */
  readonly env: Readonly<Record<string, string>>;
  readonly roots: readonly string[];
  readonly writableRoots: readonly string[];
}

/**
 * Starts a program in its sandbox and returns what `attend` does; nothing of the program runs any more then. `home`: the
 * user's, of which it sees nothing. Throws `sandbox-unavailable` where there is no sandbox without a network.
 */
export async function runConfined<Result>(
  { title, file, args, cwd, env, roots, writableRoots }: ConfinedRun,
  { places, home }: { readonly places: Places; readonly home: string },
  attend: (child: Child, confined: ConfinedServer) => Promise<Result>,
): Promise<Result> {
  const uid = process.getuid?.() ?? -1;
  const machine = await inspectMachine(uid, places.run);
  if (process.platform !== 'linux' || chooseSandbox(machine, await probe(machine)) !== 'bubblewrap') {
    throw new WarderError('sandbox-unavailable', `there is no sandbox here for ${title}`, {
      hint: 'add "--without-scripts" to the command; "warder doctor" shows what is missing',
    });
  }
  using prepared = prepare(
    {
      profile: title,
      uid,
      gid: process.getgid?.() ?? -1,
      user: userInfo().username,
      home,
      file,
      args,
      cwd,
      env: { PATH: searchPath([dirname(process.execPath), ...SYSTEM_FOLDERS]), LANG: 'C.UTF-8', ...env },
      sandbox: { read: [], write: [], network: [], memory: undefined, processes: undefined },
      roots,
      writableRoots,
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
  await using confined = await prepared.confine(child);
  return await attend(child, confined);
}
