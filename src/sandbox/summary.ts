// A plan's summary for `check`: what a server will see, without the parts that every sandbox has.
import { dirname } from 'node:path';
import { mountsBelowWritable } from './linux/mount-points.ts';
import { inspect } from './plan/inspect.ts';
import { PathHandles } from './plan/path-handles.ts';
import { makePlan, type Plan } from './plan/plan.ts';
import { KERNEL_SETTINGS, SYSTEM_PATHS, SYSTEM_PREFIXES } from './plan/root.ts';
import type { SandboxRequest } from './request.ts';

/** What a server will see. Paths are the machine's own. */
export interface PlanSummary {
  readonly command: readonly string[];
  /** A shell's command of which nobody knows what it needs. */
  readonly unread: string | undefined;
  /** Folders that the command may need, and that the profile does not list. */
  readonly unlisted: readonly string[];
  readonly cwd: string;
  /** The names of its variables. */
  readonly variables: readonly string[];
  readonly read: readonly string[];
  readonly write: readonly string[];
  /** Mounted below a folder of `write`. Not every bubblewrap can do that safely: see `Bubblewrap.followsLinks`. */
  readonly belowWritable: readonly string[];
  /** Names in folders of `write` that programs outside obey, and that it may write all the same. */
  readonly mayPlant: readonly string[];
  readonly unixSockets: Plan['unixSockets'];
  /** Hosts that it may reach, as the profile lists them. */
  readonly network: readonly string[];
  /** Left out of a folder of `read`. */
  readonly hidden: readonly string[];
  /** Private, and empty at the start and deleted at the end, unless the home is kept. */
  readonly home: string;
  /** The folder on the disk that the home is, if it is kept, and how many bytes may be in the home. */
  readonly kept: string | undefined;
  readonly homeBytes: number;
  readonly tmp: string;
  /** Named as `check --json` prints them. `said`: the profile names this limit. */
  readonly limits: {
    readonly files: number;
    readonly processes: { readonly most: number; readonly said: boolean };
    readonly memory: { readonly most: number; readonly said: boolean };
  };
}

/** Summarizes the sandbox that a request would get, without starting it. Throws as a start does. */
export function summarize(request: SandboxRequest): PlanSummary {
  using handles = new PathHandles();
  return summarizePlan(makePlan(inspect(request, handles)));
}

/** Summarizes a plan. Leaves out the system's paths, and what hides parts of the system. */
export function summarizePlan({
  program,
  cwd,
  env,
  steps,
  network,
  home,
  kept,
  homeBytes,
  tmp,
  limits,
  partial,
  planting,
  unixSockets,
}: Plan): PlanSummary {
  const binds = steps.flatMap((step) => (step.kind === 'bind' && !isSystem(step.path) ? [step] : []));
  // A folder that is bound entry by entry is one line.
  const folderOf = (path: string): string =>
    partial.find((folder) => dirname(path) === folder.path)?.path ?? path;
  return {
    command: [program.file, ...program.args],
    unread: program.unread,
    unlisted: program.unlisted ?? [],
    cwd,
    variables: Object.keys(env).sort(),
    read: [...new Set(binds.filter(({ write }) => !write).map(({ path }) => folderOf(path)))],
    write: binds.filter(({ write }) => write).map(({ path }) => path),
    belowWritable: mountsBelowWritable({ steps }),
    mayPlant: planting.mayPlant,
    unixSockets,
    hidden: partial.flatMap(({ path, omitted }) => omitted.map((name) => `${path}/${name}`)),
    network,
    home,
    kept,
    homeBytes,
    tmp,
    limits: {
      files: limits.files,
      processes: { most: limits.processes.max, said: limits.processes.required },
      memory: { most: limits.memory.max, said: limits.memory.required },
    },
  };
}

function isSystem(path: string): boolean {
  return (
    path === KERNEL_SETTINGS ||
    SYSTEM_PATHS.some((system) => system === path) ||
    SYSTEM_PREFIXES.some((prefix) => path.startsWith(prefix))
  );
}
