// What a server will find in its sandbox, as data: made from plain facts, in one place, before anything is
// started. Renderers (bubblewrap, Landlock, Seatbelt) turn it into what a system understands; `check` prints it.
//
// There is nothing in the sandbox but what a step of the plan puts there. A profile that asks for what no
// sandbox may hold is refused here.
import { WarderError } from '../../errors.ts';
import type { Sockets } from '../linux/seccomp.ts';
import { checkListed } from './allowed-paths.ts';
import type { Facts, Listed } from './inputs.ts';
import { below, byDepth, within } from './path.ts';
import { DEVICES, etcFiles, HOSTNAME, SETTINGS, type SystemPath } from './root.ts';

/** One thing that is put into the sandbox. They are done in order. */
export type Step =
  | { readonly do: 'bind'; readonly path: string; readonly folder: boolean; readonly write: boolean }
  /** A file of this machine, as it is now. */
  | { readonly do: 'copy'; readonly at: string }
  | { readonly do: 'link'; readonly at: string; readonly to: string }
  | { readonly do: 'file'; readonly at: string; readonly text: string }
  /** A file of Warder's. `over`: one that is there already, and stays for others. */
  | { readonly do: 'bring'; readonly at: string; readonly data: Buffer; readonly over: boolean }
  /** A private file system in memory, of so many bytes. */
  | { readonly do: 'memory'; readonly at: string; readonly bytes: number }
  | { readonly do: 'proc'; readonly at: string }
  | { readonly do: 'devices'; readonly at: string }
  /** A device, over one that is there. */
  | { readonly do: 'device'; readonly path: string; readonly at: string }
  /** Something empty that cannot be written to, over something that is there. */
  | { readonly do: 'hide'; readonly at: string; readonly folder: boolean }
  /** No longer writable. */
  | { readonly do: 'seal'; readonly at: string };

type Bind = Extract<Step, { do: 'bind' }>;
type Hide = Extract<Step, { do: 'hide' }>;

/** Bounds on what a server may use. `said`: the profile names it, so that it must hold. */
export interface Limits {
  /** Open files of one process. */
  readonly files: number;
  readonly processes: { readonly most: number; readonly said: boolean };
  /** Bytes, of all processes together where the system can count so. */
  readonly memory: { readonly most: number; readonly said: boolean };
}

/** A sandbox before it is made. */
export interface Plan {
  readonly profile: string;
  readonly steps: readonly Step[];
  readonly program: { readonly file: string; readonly args: readonly string[] };
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Inside. */
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
  readonly tmp: string;
  readonly hostname: string;
  readonly sockets: Sockets;
  /** Hosts that it may reach, as the profile says. */
  readonly network: readonly string[];
  readonly limits: Limits;
}

const MIB = 1 << 20;
const HOME_BYTES = 64 * MIB;
const TMP_BYTES = 256 * MIB;
const SHM_BYTES = 64 * MIB;

/** What holds where the profile says nothing. Threads count as processes. */
const DEFAULT = { files: 8192, processes: 512, memory: 4096 * MIB };

/** Root is somebody else inside: who is told to be uid 0 takes rights for granted that are not there. */
const INSTEAD_OF_ROOT = { id: 1000, user: 'user' };

/** Where the private folders are when the home folder, or `/tmp`, is there itself. */
const ASIDE = { home: '/run/home', tmp: '/run/tmp' };

/**
 * Makes the plan. Throws `profile-invalid` for a path that no sandbox may hold, a folder to work in or a
 * program that would not be there.
 */
export function plan(facts: Facts): Plan {
  checkListed(facts);
  const root = facts.uid === 0;
  const uid = root ? INSTEAD_OF_ROOT.id : facts.uid;
  const gid = root ? INSTEAD_OF_ROOT.id : facts.gid;
  const user = root ? INSTEAD_OF_ROOT.user : facts.user;

  const binds = [...facts.system.flatMap(systemBind), ...bindsOf(facts)];
  const holds = (path: string): boolean => binds.some((bind) => within(path, bind.path));
  const home =
    facts.own?.home ??
    (facts.home === '/' || within('/tmp', facts.home) || holds(facts.home) ? ASIDE.home : facts.home);
  const tmp = facts.own?.tmp ?? (holds('/tmp') ? ASIDE.tmp : '/tmp');
  const hides = hidesOf(facts);
  const brought = new Set(facts.files.map(({ path }) => path));
  const places = [
    ...binds,
    ...facts.system.filter(({ path }) => !brought.has(path)).flatMap(systemEntry),
    ...facts.files.map(({ path, data }) => ({ do: 'bring', at: path, data, over: holds(path) }) as const),
    ...Object.entries(etcFiles(user, uid, gid, home, facts.network.length > 0)).map(
      ([at, text]) => ({ do: 'file', at, text }) as const,
    ),
    { do: 'proc', at: '/proc' },
    { do: 'bind', path: SETTINGS, folder: true, write: false },
    { do: 'devices', at: '/dev' },
    { do: 'memory', at: '/dev/shm', bytes: SHM_BYTES },
    ...privateSteps(facts.own, home, tmp),
    ...hides,
    ...facts.proc.map(({ path, folder }) => ({ do: 'hide', at: path, folder }) as const),
    ...deviceSteps(facts),
  ] satisfies Step[];
  const taken = new Set(places.map(placeOf));
  const links = facts.links
    .filter(({ at }) => !taken.has(at) && !holds(at))
    .map(({ at, to }) => ({ do: 'link', at, to }) as const);
  // A folder before what lies in it: so what is hidden lies over the folder above, and what is named inside
  // a hidden place lies over that again.
  const steps: Step[] = [...places, ...links].sort((one, other) => byDepth(placeOf(one), placeOf(other)));
  const seals = ['/dev', ...hides.filter((one) => one.folder).map((one) => one.at), '/'];

  const there = (path: string): boolean => within(path, home) || within(path, tmp) || holds(path);
  if (facts.cwd !== undefined && !there(facts.cwd.path)) {
    throw invalid(facts.profile, `its folder "${facts.cwd.asked}" is not in the sandbox`, {
      hint: `list it under "sandbox.read" or "sandbox.write", or take "server.cwd" out`,
    });
  }
  if (!there(facts.program.path)) {
    throw invalid(facts.profile, `its program "${facts.program.file}" is not in the sandbox`, {
      hint: 'list the folder of the program under "sandbox.read"',
    });
  }
  const limits = limitsOf(facts);
  return {
    profile: facts.profile,
    steps: [...steps, ...seals.map((at) => ({ do: 'seal', at }) as const)],
    program: { file: facts.program.file, args: facts.program.args },
    cwd: facts.cwd?.asked ?? home,
    env: environmentOf(facts, { home, tmp, user }, limits),
    uid,
    gid,
    home,
    tmp,
    hostname: HOSTNAME,
    sockets: 'ip',
    network: facts.network,
    limits,
  };
}

/** Where a step puts something. */
export function placeOf(step: Step): string {
  return step.do === 'bind' ? step.path : step.at;
}

function invalid(profile: string, what: string, detail: { hint: string }): WarderError {
  return new WarderError('profile-invalid', `cannot start "${profile}": ${what}`, detail);
}

function systemBind(found: SystemPath): Bind[] {
  return found.kind === 'folder' ? [{ do: 'bind', path: found.path, folder: true, write: false }] : [];
}

function systemEntry(found: SystemPath): Step[] {
  if (found.kind === 'link') return [{ do: 'link', at: found.path, to: found.target }];
  return found.kind === 'file' ? [{ do: 'copy', at: found.path }] : [];
}

function deviceSteps({ devices }: Facts): Step[] {
  if (devices === undefined) return [];
  return DEVICES.map((at) => ({ do: 'device', path: at.replace('/dev', devices), at }));
}

/** One bind for each path. What may be written to by one line may be, whatever another says. */
function bindsOf({ listed, roots, hidden }: Facts): Bind[] {
  const binds = new Map<string, Bind>();
  const add = ({ path, folder }: Pick<Listed, 'path' | 'folder'>, write: boolean): void => {
    binds.set(path, { do: 'bind', path, folder, write: write || binds.get(path)?.write === true });
  };
  for (const one of listed) {
    // A program inside a folder that the profile lists is there already, as the profile wants it, unless what
    // lies between is hidden.
    const named = listed.some(
      (other) =>
        !other.implied &&
        other.folder &&
        within(one.path, other.path) &&
        !hidden.some(({ path }) => within(one.path, path) && below(path, other.path)),
    );
    if (!one.implied || !named) add(one, one.write);
  }
  for (const root of roots) binds.set(root.path, { do: 'bind', ...root, write: false });
  return [...binds.values()];
}

/** What is to be hidden: each secret place below a folder that is there, unless a place above hides it too. */
function hidesOf({ listed, roots, hidden }: Facts): Hide[] {
  const open = listed.filter((one) => one.folder);
  const named = new Set([...listed, ...roots].map((one) => one.path));
  return hidden
    .filter(({ path }) => {
      if (named.has(path)) return false;
      const above = open
        .filter((one) => below(path, one.path))
        .sort((a, b) => byDepth(a.path, b.path))
        .at(-1);
      if (above === undefined) return false;
      return !hidden.some((other) => below(path, other.path) && below(other.path, above.path));
    })
    .map(({ path, folder }) => ({ do: 'hide', at: path, folder }));
}

function privateSteps(own: Facts['own'], home: string, tmp: string): Step[] {
  if (own === undefined) {
    return [
      { do: 'memory', at: tmp, bytes: TMP_BYTES },
      { do: 'memory', at: home, bytes: HOME_BYTES },
    ];
  }
  return [home, tmp].map((path) => ({ do: 'bind', path, folder: true, write: true }));
}

function limitsOf({ memory, processes, machine }: Facts): Limits {
  return {
    files: DEFAULT.files,
    processes: { most: processes ?? DEFAULT.processes, said: processes !== undefined },
    memory: {
      most: memory ?? Math.min(DEFAULT.memory, Math.floor(machine.memory / 2)),
      said: memory !== undefined,
    },
  };
}

/**
 * The environment inside. HOME and TMPDIR are the private folders, unless the profile sets them to a place
 * that is there. Node is told how large its heap may grow: it sees the machine's memory, not the limit.
 */
function environmentOf(
  { env, listed }: Facts,
  { home, tmp, user }: { home: string; tmp: string; user: string },
  { memory }: Limits,
): Record<string, string> {
  const kept = (value: string | undefined): boolean =>
    value !== undefined && listed.some((one) => !one.implied && within(value, one.path));
  return {
    NODE_OPTIONS: `--max-old-space-size=${Math.max(Math.floor((memory.most * 0.75) / MIB), 32)}`,
    ...env,
    USER: user,
    ...(kept(env.HOME) ? {} : { HOME: home }),
    ...(kept(env.TMPDIR) ? {} : { TMPDIR: tmp }),
  };
}
