// A plan in words that a person can check, for a server that is not started.
import { gather, type Request } from './facts.ts';
import { Held } from './look.ts';
import { plan as planOf } from './plan.ts';

/** What a server will find in its sandbox, beside the system's own programs and libraries. */
export interface Explained {
  /** Files and folders of this machine, with all below them. */
  readonly files: readonly { readonly path: string; readonly write: boolean }[];
  /** What lies below those and is not there all the same. */
  readonly hidden: readonly string[];
  /** Empty at each start, and gone with the server. */
  readonly private: readonly string[];
  /** Hosts that it may reach. */
  readonly network: readonly string[];
  readonly limits: {
    readonly files: number;
    readonly processes: number;
    /** Bytes. */
    readonly memory: number;
  };
  /** The exact command. */
  readonly command: readonly string[];
}

/** Makes the plan as a start does, and lets go of it. Throws `profile-invalid` as a start does. */
export function explain(request: Request): Explained {
  using held = new Held();
  const { steps, program, home, tmp, limits } = planOf(gather(request, held));
  const system = (path: string): boolean => /^\/(usr|etc|bin|sbin|lib\w*|proc|dev|sys)(\/|$)/.test(path);
  return {
    files: steps.flatMap((step) =>
      step.do === 'bind' && !system(step.path) ? [{ path: step.path, write: step.write }] : [],
    ),
    hidden: steps.flatMap((step) => (step.do === 'hide' && !step.at.startsWith('/proc') ? [step.at] : [])),
    private: [home, tmp],
    network: request.sandbox.network,
    limits: { files: limits.files, processes: limits.processes.most, memory: limits.memory.most },
    command: [program.file, ...program.args],
  };
}
