// Starting a server in its sandbox, in two halves. `prepare` makes the plan and says what program to start, with
// which descriptors; whoever starts programs does so, and `confine` then puts the limits in place, lets the
// server begin, and measures what confines it. Nothing of the server's output may be used before `confine` has
// settled, and nothing be written to it: a server whose sandbox is not whole is ended, and never heard.
import { WarderError } from '../errors.ts';
import { type Confined, confine, confineWeaker, demandHolder } from './confine.ts';
import { seatbelt } from './darwin/seatbelt.ts';
import type { Launch, Spawned } from './launch.ts';
import { Hold } from './linux/apply-limits.ts';
import { bubblewrap } from './linux/bubblewrap.ts';
import { landlock } from './linux/landlock.ts';
import type { Machine } from './machine.ts';
import type { Entered } from './network.ts';
import { gather } from './plan/inspect.ts';
import { Held } from './plan/path-handles.ts';
import { type Plan, plan as planOf } from './plan/plan.ts';
import type { SandboxRequest } from './request.ts';

/** A sandbox that is ready to be started. Disposed of, it lets go of what it holds open: once started, or not. */
export interface Prepared extends Disposable {
  readonly plan: Plan;
  readonly launch: Launch;
  /** Lets the server of the started launch begin. Throws `sandbox-unavailable`; nothing of it runs then. */
  confine(spawned: Spawned): Promise<Confined>;
}

/**
 * Makes the plan for a server, and renders it for bubblewrap; with a network the sandbox has that one, else one with
 * nothing in it. Throws `profile-invalid` for what no sandbox holds, `sandbox-unavailable` for what this machine
 * cannot do, for listed hosts without a network, and for a network that has ended.
 */
export function prepare(request: SandboxRequest, machine: Machine, network?: Entered): Prepared {
  return render(request, machine.devices, (plan, held) => {
    demandWay(plan, network);
    if (network !== undefined) demandHolder(plan, network);
    const hold = new Hold(plan, machine);
    const launch = bubblewrap(plan, machine, held, network);
    return { launch, confine: (spawned) => confine({ plan, machine, launch, hold, network }, spawned) };
  });
}

/**
 * Makes the plan for a server, and renders it for Landlock, the weaker sandbox. `stage` is the stage's program
 * file, run by the node that runs Warder. Throws as `prepare` does.
 */
export function prepareWeaker(
  request: SandboxRequest & { readonly own: NonNullable<SandboxRequest['own']> },
  machine: Machine,
  stage: string,
): Prepared {
  // Without a user namespace of its own the user's processes would all count.
  const counted = { ...machine, countsProcesses: false };
  return render(request, undefined, (plan) => {
    const hold = new Hold(plan, counted);
    const launch = landlock(plan, counted, request.node, stage);
    return { launch, confine: (spawned) => confineWeaker(plan, launch, hold, spawned) };
  });
}

/**
 * Makes the plan for a server, and renders it for macOS. `proxyPort`: of the egress proxy, on the machine's loopback.
 * Throws `profile-invalid` as `prepare` does, and `sandbox-unavailable` for listed hosts without a proxy.
 */
export function prepareSeatbelt(
  request: SandboxRequest & { readonly own: NonNullable<SandboxRequest['own']> },
  proxyPort?: number,
): Prepared {
  return render(request, undefined, (plan) => ({
    launch: seatbeltFor(plan, proxyPort),
    confine: async ({ pid }) => ({
      init: pid,
      // sandbox-exec starts nothing where the kernel does not take the profile.
      layers: ['seatbelt-unmeasured'],
      limits: undefined,
      signal: (name) => kill(pid, name),
      [Symbol.asyncDispose]: async () => kill(pid, 'SIGKILL'),
    }),
  }));
}

function render(
  request: SandboxRequest,
  devices: string | undefined,
  by: (plan: Plan, held: Held) => Pick<Prepared, 'launch' | 'confine'>,
): Prepared {
  const held = new Held();
  try {
    const plan = planOf(gather(request, held, devices));
    return { plan, ...by(plan, held), [Symbol.dispose]: () => held[Symbol.dispose]() };
  } catch (error) {
    held[Symbol.dispose]();
    throw error;
  }
}

function seatbeltFor(plan: Plan, proxyPort: number | undefined): Launch {
  demandWay(plan, proxyPort);
  return seatbelt(plan, proxyPort);
}

/** Refuses a plan that lists hosts where there is no way to them. */
function demandWay({ profile, network }: Plan, way: unknown): void {
  if (network.length === 0 || way !== undefined) return;
  throw new WarderError(
    'sandbox-unavailable',
    `cannot start "${profile}": its sandbox has no way to the hosts that it lists`,
    { hint: 'take "network" and sealed credentials out of the profile, or say "sandbox: {off: true}"' },
  );
}

/** Sends a signal to a server's process group, of which it is the leader. */
function kill(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(-pid, name);
  } catch {
    // Ended.
  }
}
