// A plan in the words of `check`: what a server will see, without the parts that every sandbox has.
import { gather } from './plan/inspect.ts';
import { Held } from './plan/path-handles.ts';
import { type Plan, plan as planOf } from './plan/plan.ts';
import { SETTINGS, SYSTEM_PATHS, SYSTEM_PREFIXES } from './plan/root.ts';
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
  readonly limits: Plan['limits'];
}

/** What a server will find in its sandbox, which is not started. Throws as a start does. */
export function summarize(request: SandboxRequest): PlanSummary {
  using held = new Held();
  return summarizePlan(planOf(gather(request, held)));
}

/** Says what a plan puts in, but for the system and what hides the system's own. */
export function summarizePlan({ program, cwd, env, steps, network, home, tmp, limits }: Plan): PlanSummary {
  const binds = steps.flatMap((step) => (step.do === 'bind' && !system(step.path) ? [step] : []));
  return {
    command: [program.file, ...program.args],
    cwd,
    variables: Object.keys(env).sort(),
    read: binds.filter(({ write }) => !write).map(({ path }) => path),
    write: binds.filter(({ write }) => write).map(({ path }) => path),
    hidden: steps.flatMap((step) => (step.do === 'hide' && !step.at.startsWith('/proc/') ? [step.at] : [])),
    network,
    home,
    tmp,
    limits,
  };
}

function system(path: string): boolean {
  return (
    path === SETTINGS ||
    SYSTEM_PATHS.some((one) => one === path) ||
    SYSTEM_PREFIXES.some((prefix) => path.startsWith(prefix))
  );
}
