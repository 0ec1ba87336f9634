// A plan in the words of `check`: what a server will see, without the parts that every sandbox has.
import { inspect } from './plan/inspect.ts';
import { PathHandles } from './plan/path-handles.ts';
import { type Plan, makePlan as planOf } from './plan/plan.ts';
import { KERNEL_SETTINGS, SYSTEM_PATHS, SYSTEM_PREFIXES } from './plan/root.ts';
import type { SandboxRequest } from './request.ts';

/** What a server will see. Paths are the machine's own. */
export interface PlanSummary {
  readonly command: readonly string[];
  readonly cwd: string;
  /** Names of the variables. */
  readonly variables: readonly string[];
  readonly read: readonly string[];
  readonly write: readonly string[];
  /** Hosts that may be reached, as the profile says. */
  readonly network: readonly string[];
  /** Empty below a folder that may be read. */
  readonly hidden: readonly string[];
  /** Its own, empty at the start and gone at the end. */
  readonly home: string;
  readonly tmp: string;
  /** In the words of `check --json`: `said` is true of a limit that the profile names. */
  readonly limits: {
    readonly files: number;
    readonly processes: { readonly most: number; readonly said: boolean };
    readonly memory: { readonly most: number; readonly said: boolean };
  };
}

/** What a server will find in its sandbox, which is not started. Throws as a start does. */
export function summarize(request: SandboxRequest): PlanSummary {
  using held = new PathHandles();
  return summarizePlan(planOf(inspect(request, held)));
}

/** Says what a plan puts in, but for the system and what hides the system's own. */
export function summarizePlan({ program, cwd, env, steps, network, home, tmp, limits }: Plan): PlanSummary {
  const binds = steps.flatMap((step) => (step.kind === 'bind' && !system(step.path) ? [step] : []));
  return {
    command: [program.file, ...program.args],
    cwd,
    variables: Object.keys(env).sort(),
    read: binds.filter(({ write }) => !write).map(({ path }) => path),
    write: binds.filter(({ write }) => write).map(({ path }) => path),
    hidden: steps.flatMap((step) => (step.kind === 'hide' && !step.at.startsWith('/proc/') ? [step.at] : [])),
    network,
    home,
    tmp,
    limits: {
      files: limits.files,
      processes: { most: limits.processes.max, said: limits.processes.required },
      memory: { most: limits.memory.max, said: limits.memory.required },
    },
  };
}

function system(path: string): boolean {
  return (
    path === KERNEL_SETTINGS ||
    SYSTEM_PATHS.some((one) => one === path) ||
    SYSTEM_PREFIXES.some((prefix) => path.startsWith(prefix))
  );
}
