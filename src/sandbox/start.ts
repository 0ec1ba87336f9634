// Starting a server in its sandbox, in two halves. `prepare` makes the plan and says what program to start, with
// which descriptors; whoever starts programs does so, and `confine` then puts the limits in place, lets the
// server begin, and measures what confines it. Nothing of the server's output may be used before `confine` has
// settled, and nothing be written to it: a server whose sandbox is not whole is ended, and never heard.
import { WarderError } from '../errors.ts';
import { type ConfinedServer, confineBubblewrap, confineLandlock, requireNetworkAlive } from './confine.ts';
import { renderSeatbelt } from './darwin/seatbelt.ts';
import type { Launch, SpawnedProcess } from './launch.ts';
import { LimitApplier } from './linux/apply-limits.ts';
import { renderBubblewrap } from './linux/bubblewrap.ts';
import { renderLandlock } from './linux/landlock.ts';
import type { Machine } from './machine.ts';
import type { NetworkNamespace } from './network.ts';
import { inspect } from './plan/inspect.ts';
import { PathHandles } from './plan/path-handles.ts';
import { type Plan, makePlan as planOf } from './plan/plan.ts';
import type { SandboxRequest } from './request.ts';

/** A sandbox that is ready to be started. Disposed of, it lets go of what it holds open: once started, or not. */
export interface PreparedSandbox extends Disposable {
  readonly plan: Plan;
  readonly launch: Launch;
  /** Lets the server of the started launch begin. Throws `sandbox-unavailable`; nothing of it runs then. */
  confine(spawned: SpawnedProcess): Promise<ConfinedServer>;
}

/**
 * Makes the plan for a server, and renders it for bubblewrap; with a network the sandbox has that one, else one with
 * nothing in it. Throws `profile-invalid` for what no sandbox holds, `sandbox-unavailable` for what this machine
 * cannot do, for listed hosts without a network, and for a network that has ended.
 */
export function prepare(
  request: SandboxRequest,
  machine: Machine,
  network?: NetworkNamespace,
): PreparedSandbox {
  return render(request, machine.devices, (plan, handles) => {
    requireEgressRoute(plan, network);
    if (network !== undefined) requireNetworkAlive(plan, network);
    const limits = new LimitApplier(plan, machine);
    const launch = renderBubblewrap(plan, machine, handles, network);
    return {
      launch,
      confine: (spawned) => confineBubblewrap({ plan, machine, launch, limits, network }, spawned),
    };
  });
}

/**
 * Makes the plan for a server, and renders it for Landlock, the weaker sandbox. `stage` is the stage's program
 * file, run by the node that runs Warder. Throws as `prepare` does.
 */
export function prepareLandlock(
  request: SandboxRequest & { readonly privateFolders: NonNullable<SandboxRequest['privateFolders']> },
  machine: Machine,
  stage: string,
): PreparedSandbox {
  // Without a user namespace of its own the user's processes would all count.
  const counted = { ...machine, countsProcessesByNamespace: false };
  return render(request, undefined, (plan) => {
    const limits = new LimitApplier(plan, counted);
    const launch = renderLandlock(plan, counted, request.node, stage);
    return { launch, confine: (spawned) => confineLandlock(plan, launch, limits, spawned) };
  });
}

/**
 * Makes the plan for a server, and renders it for macOS. `proxyPort`: of the egress proxy, on the machine's loopback.
 * Throws `profile-invalid` as `prepare` does, and `sandbox-unavailable` for listed hosts without a proxy.
 */
export function prepareSeatbelt(
  request: SandboxRequest & { readonly privateFolders: NonNullable<SandboxRequest['privateFolders']> },
  proxyPort?: number,
): PreparedSandbox {
  return render(request, undefined, (plan) => ({
    launch: seatbeltLaunch(plan, proxyPort),
    confine: async ({ pid }) => ({
      init: pid,
      // sandbox-exec starts nothing where the kernel does not take the profile.
      layers: ['seatbelt-unmeasured'],
      limits: undefined,
      signal: (name) => signalGroup(pid, name),
      [Symbol.asyncDispose]: async () => signalGroup(pid, 'SIGKILL'),
    }),
  }));
}

function render(
  request: SandboxRequest,
  devices: string | undefined,
  by: (plan: Plan, handles: PathHandles) => Pick<PreparedSandbox, 'launch' | 'confine'>,
): PreparedSandbox {
  const handles = new PathHandles();
  try {
    const plan = planOf(inspect(request, handles, devices));
    return { plan, ...by(plan, handles), [Symbol.dispose]: () => handles[Symbol.dispose]() };
  } catch (error) {
    handles[Symbol.dispose]();
    throw error;
  }
}

function seatbeltLaunch(plan: Plan, proxyPort: number | undefined): Launch {
  requireEgressRoute(plan, proxyPort);
  return renderSeatbelt(plan, proxyPort);
}

/** Refuses a plan that lists hosts where there is no way to them. */
function requireEgressRoute({ profile, network }: Plan, route: unknown): void {
  if (network.length === 0 || route !== undefined) return;
  throw new WarderError(
    'sandbox-unavailable',
    `cannot start "${profile}": its sandbox has no way to the hosts that it lists`,
    { hint: 'take "network" and sealed credentials out of the profile, or say "sandbox: {off: true}"' },
  );
}

/** Sends a signal to a server's process group, of which it is the leader. */
function signalGroup(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(-pid, name);
  } catch {
    // Ended.
  }
}
