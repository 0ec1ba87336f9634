// A plan in the words of `check`: what a server will see, without the parts that every sandbox has.
import type { Plan } from './plan/plan.ts';
import { SETTINGS, SYSTEM_PATHS, SYSTEM_PREFIXES } from './plan/root.ts';

/** What a server will see. Paths are the machine's own. */
export interface Outline {
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

/** Says what a plan puts in, but for the system and what hides the system's own. */
export function outline({ program, cwd, env, steps, network, home, tmp, limits }: Plan): Outline {
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
