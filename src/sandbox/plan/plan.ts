// What a server will find in its sandbox, as data: made from plain facts, in one place, before anything is
// started. Renderers (bubblewrap, Landlock, Seatbelt) turn it into what a system understands; `check` prints it.
//
// There is nothing in the sandbox but what a step of the plan puts there. A profile that asks for what no
// sandbox may hold is refused here.
import { WarderError } from '../../errors.ts';
import type { SocketPolicy } from '../linux/seccomp.ts';
import { checkListedPaths } from './allowed-paths.ts';
import type { ListedPath, PlanInputs } from './inputs.ts';
import { below, byDepth, within } from './path.ts';
import { DEVICES, etcFiles, HOSTNAME, KERNEL_SETTINGS, type SystemPath } from './root.ts';

/** One thing that is put into the sandbox. They are done in order. */
export type Step =
  | { readonly kind: 'bind'; readonly path: string; readonly folder: boolean; readonly write: boolean }
  /** A file of this machine, as it is now. */
  | { readonly kind: 'copy'; readonly at: string }
  | { readonly kind: 'link'; readonly at: string; readonly to: string }
  | { readonly kind: 'file'; readonly at: string; readonly text: string }
  /** A file of Warder's. `over`: one that is there already, and stays for others. */
  | { readonly kind: 'supplied'; readonly at: string; readonly data: Buffer; readonly over: boolean }
  /** A private file system in memory, of so many bytes. */
  | { readonly kind: 'tmpfs'; readonly at: string; readonly bytes: number }
  | { readonly kind: 'proc'; readonly at: string }
  | { readonly kind: 'devices'; readonly at: string }
  /** A device, over one that is there. */
  | { readonly kind: 'device'; readonly path: string; readonly at: string }
  /** Something empty that cannot be written to, over something that is there. */
  | { readonly kind: 'hide'; readonly at: string; readonly folder: boolean }
  /** No longer writable. */
  | { readonly kind: 'remount-read-only'; readonly at: string };

type Bind = Extract<Step, { kind: 'bind' }>;
type Hide = Extract<Step, { kind: 'hide' }>;

/** Bounds on what a server may use. `said`: the profile names it, so that it must hold. */
export interface Limits {
  /** Open files of one process. */
  readonly files: number;
  readonly processes: { readonly max: number; readonly required: boolean };
  /** Bytes, of all processes together where the system can count so. */
  readonly memory: { readonly max: number; readonly required: boolean };
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
  readonly sockets: SocketPolicy;
  /** Hosts that it may reach, as the profile says. */
  readonly network: readonly string[];
  readonly limits: Limits;
}

const MIB = 1 << 20;
const HOME_BYTES = 64 * MIB;
const TMP_BYTES = 256 * MIB;
const SHM_BYTES = 64 * MIB;

/** What holds where the profile says nothing. Threads count as processes. */
const DEFAULT_LIMITS = { files: 8192, processes: 512, memory: 4096 * MIB };

/** Root is somebody else inside: who is told to be uid 0 takes rights for granted that are not there. */
const ROOT_INSIDE = { id: 1000, user: 'user' };

/** Where the private folders are when the home folder, or `/tmp`, is there itself. */
const FALLBACK_FOLDERS = { home: '/run/home', tmp: '/run/tmp' };

/**
 * Makes the plan. Throws `profile-invalid` for a path that no sandbox may hold, a folder to work in or a
 * program that would not be there.
 */
export function makePlan(facts: PlanInputs): Plan {
  checkListedPaths(facts);
  const root = facts.uid === 0;
  const uid = root ? ROOT_INSIDE.id : facts.uid;
  const gid = root ? ROOT_INSIDE.id : facts.gid;
  const user = root ? ROOT_INSIDE.user : facts.user;

  const binds = [...facts.system.flatMap(systemBind), ...bindsOf(facts)];
  const holds = (path: string): boolean => binds.some((bind) => within(path, bind.path));
  const home =
    facts.privateFolders?.home ??
    (facts.home === '/' || within('/tmp', facts.home) || holds(facts.home)
      ? FALLBACK_FOLDERS.home
      : facts.home);
  const tmp = facts.privateFolders?.tmp ?? (holds('/tmp') ? FALLBACK_FOLDERS.tmp : '/tmp');
  const hides = hidesOf(facts);
  const brought = new Set(facts.files.map(({ path }) => path));
  const places = [
    ...binds,
    ...facts.system.filter(({ path }) => !brought.has(path)).flatMap(systemEntry),
    ...facts.files.map(
      ({ path, data }) => ({ kind: 'supplied', at: path, data, over: holds(path) }) as const,
    ),
    ...Object.entries(etcFiles(user, uid, gid, home, facts.network.length > 0)).map(
      ([at, text]) => ({ kind: 'file', at, text }) as const,
    ),
    { kind: 'proc', at: '/proc' },
    { kind: 'bind', path: KERNEL_SETTINGS, folder: true, write: false },
    { kind: 'devices', at: '/dev' },
    { kind: 'tmpfs', at: '/dev/shm', bytes: SHM_BYTES },
    ...privateSteps(facts.privateFolders, home, tmp),
    ...hides,
    ...facts.hiddenProc.map(({ path, folder }) => ({ kind: 'hide', at: path, folder }) as const),
    ...deviceSteps(facts),
  ] satisfies Step[];
  const taken = new Set(places.map(destinationOf));
  const links = facts.links
    .filter(({ at }) => !taken.has(at) && !holds(at))
    .map(({ at, to }) => ({ kind: 'link', at, to }) as const);
  // A folder before what lies in it: so what is hidden lies over the folder above, and what is named inside
  // a hidden place lies over that again.
  const steps: Step[] = [...places, ...links].sort((one, other) =>
    byDepth(destinationOf(one), destinationOf(other)),
  );
  const seals = ['/dev', ...hides.filter((one) => one.folder).map((one) => one.at), '/'];

  const there = (path: string): boolean => within(path, home) || within(path, tmp) || holds(path);
  if (facts.cwd !== undefined && !there(facts.cwd.path)) {
    throw invalid(facts.profile, `its folder "${facts.cwd.requested}" is not in the sandbox`, {
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
    steps: [...steps, ...seals.map((at) => ({ kind: 'remount-read-only', at }) as const)],
    program: { file: facts.program.file, args: facts.program.args },
    cwd: facts.cwd?.requested ?? home,
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
export function destinationOf(step: Step): string {
  return step.kind === 'bind' ? step.path : step.at;
}

function invalid(profile: string, what: string, detail: { hint: string }): WarderError {
  return new WarderError('profile-invalid', `cannot start "${profile}": ${what}`, detail);
}

function systemBind(found: SystemPath): Bind[] {
  return found.kind === 'folder' ? [{ kind: 'bind', path: found.path, folder: true, write: false }] : [];
}

function systemEntry(found: SystemPath): Step[] {
  if (found.kind === 'link') return [{ kind: 'link', at: found.path, to: found.target }];
  return found.kind === 'file' ? [{ kind: 'copy', at: found.path }] : [];
}

function deviceSteps({ devices }: PlanInputs): Step[] {
  if (devices === undefined) return [];
  return DEVICES.map((at) => ({ kind: 'device', path: at.replace('/dev', devices), at }));
}

/** One bind for each path. What may be written to by one line may be, whatever another says. */
function bindsOf({ listed, roots, hidden }: PlanInputs): Bind[] {
  const binds = new Map<string, Bind>();
  const add = ({ path, folder }: Pick<ListedPath, 'path' | 'folder'>, write: boolean): void => {
    binds.set(path, { kind: 'bind', path, folder, write: write || binds.get(path)?.write === true });
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
  for (const root of roots) binds.set(root.path, { kind: 'bind', ...root, write: false });
  return [...binds.values()];
}

/** What is to be hidden: each secret place below a folder that is there, unless a place above hides it too. */
function hidesOf({ listed, roots, hidden }: PlanInputs): Hide[] {
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
    .map(({ path, folder }) => ({ kind: 'hide', at: path, folder }));
}

function privateSteps(own: PlanInputs['privateFolders'], home: string, tmp: string): Step[] {
  if (own === undefined) {
    return [
      { kind: 'tmpfs', at: tmp, bytes: TMP_BYTES },
      { kind: 'tmpfs', at: home, bytes: HOME_BYTES },
    ];
  }
  return [home, tmp].map((path) => ({ kind: 'bind', path, folder: true, write: true }));
}

function limitsOf({ memory, processes, machine }: PlanInputs): Limits {
  return {
    files: DEFAULT_LIMITS.files,
    processes: { max: processes ?? DEFAULT_LIMITS.processes, required: processes !== undefined },
    memory: {
      max: memory ?? Math.min(DEFAULT_LIMITS.memory, Math.floor(machine.memory / 2)),
      required: memory !== undefined,
    },
  };
}

/**
 * The environment inside. HOME and TMPDIR are the private folders, unless the profile sets them to a place
 * that is there. Node is told how large its heap may grow: it sees the machine's memory, not the limit.
 */
function environmentOf(
  { env, listed }: PlanInputs,
  { home, tmp, user }: { home: string; tmp: string; user: string },
  { memory }: Limits,
): Record<string, string> {
  const kept = (value: string | undefined): boolean =>
    value !== undefined && listed.some((one) => !one.implied && within(value, one.path));
  return {
    NODE_OPTIONS: `--max-old-space-size=${Math.max(Math.floor((memory.max * 0.75) / MIB), 32)}`,
    ...env,
    USER: user,
    ...(kept(env.HOME) ? {} : { HOME: home }),
    ...(kept(env.TMPDIR) ? {} : { TMPDIR: tmp }),
  };
}
