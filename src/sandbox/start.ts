// Starts a server in its sandbox, in two steps. `prepare` makes the plan and says which program to start with which
// descriptors. The caller starts it. `confine` then applies the limits, lets the server run, and measures what
// confines it.
//
// Until `confine` has settled the caller must not use the server's output or write to it: a server whose sandbox is
// incomplete is killed, and nothing of it is used.
import { WarderError } from '../errors.ts';
import {
  type ConfinedServer,
  confineLandlock,
  type HeldServer,
  holdBubblewrap,
  requireNetworkAlive,
  type ServerListener,
} from './confine.ts';
import { renderSeatbelt } from './darwin/seatbelt.ts';
import type { Launch, SpawnedProcess } from './launch.ts';
import { LimitApplier } from './linux/apply-limits.ts';
import { renderBubblewrap } from './linux/bubblewrap.ts';
import type { DeviceFiles } from './linux/devices.ts';
import { renderLandlock } from './linux/landlock.ts';
import { DEVICES_HINT, type Machine, NO_DEVICES } from './machine.ts';
import type { NetworkNamespace } from './network.ts';
import { inspect } from './plan/inspect.ts';
import { PathHandles } from './plan/path-handles.ts';
import { makePlan, type Plan } from './plan/plan.ts';
import type { SandboxRequest } from './request.ts';

/** A sandbox that is ready to start. Disposing closes and removes what it keeps for the start: dispose after `confine`, or instead of it. */
export interface PreparedSandbox extends Disposable {
  readonly plan: Plan;
  readonly launch: Launch;
  /**
   * Lets the server of the started launch run. `listener` is told what it does. Throws `sandbox-unavailable`; the server has then not run.
   */
  confine(spawned: SpawnedProcess, listener?: ServerListener): Promise<ConfinedServer>;
}

/**
 * Makes a server's plan and renders it for bubblewrap. With `network` the sandbox joins that network, without it the
 * sandbox has an empty one. Throws `profile-invalid` for a path that no sandbox may contain; `sandbox-unavailable` for
 * what this machine cannot do, for listed hosts without a network, and for a network that has ended.
 */
export function prepare(
  request: SandboxRequest,
  machine: Machine,
  network?: NetworkNamespace,
): PreparedSandbox {
  const { plan, launch, start, [Symbol.dispose]: dispose } = prepareHeld(request, machine, network);
  return {
    plan,
    launch,
    async confine(spawned, listener) {
      const held = await start(spawned, listener);
      return held.release(listener?.onOveruse);
    },
    [Symbol.dispose]: dispose,
  };
}

/** The same, up to where the server is let run. `isSpare`: it is not known yet, and is given then (spare.ts). */
export function prepareHeld(
  request: SandboxRequest,
  machine: Machine,
  network?: NetworkNamespace,
  isSpare = false,
): Prepared<HeldServer> {
  const devices = machine.ownsDevices ? requireDevices(request.profile, machine) : undefined;
  return prepareWith(request, devices, (plan, handles) => {
    requireEgressRoute(plan, network);
    if (network !== undefined) requireNetworkAlive(plan, network);
    const limits = new LimitApplier(plan, machine);
    const entrances = machine.native === undefined ? undefined : limits.openCgroup();
    const abandon = (): void => void limits[Symbol.asyncDispose]();
    const launch = attempt(
      () => renderBubblewrap(plan, machine, handles, network, entrances, isSpare),
      abandon,
    );
    return {
      launch,
      abandon,
      start: (spawned, listener) =>
        holdBubblewrap({ plan, machine, launch, limits, network, devices }, spawned, listener?.onPlanted),
    };
  });
}

/**
 * Makes a server's plan and renders it for Landlock, the weaker sandbox. `stage` is the built `landlock-stage.ts`,
 * run by the Node that runs Warder. Throws as `prepare` does.
 */
export function prepareLandlock(
  request: SandboxRequest & { readonly privateFolders: NonNullable<SandboxRequest['privateFolders']> },
  machine: Machine,
  stage: string,
): PreparedSandbox {
  // Without its own user namespace, all of the user's processes would count.
  const withoutNamespace = { ...machine, countsProcessesByNamespace: false };
  const { start, ...prepared } = prepareWith(request, undefined, (plan) => {
    const limits = new LimitApplier(plan, withoutNamespace);
    const launch = renderLandlock(plan, withoutNamespace, request.node, stage);
    return {
      launch,
      start: (spawned, listener) => confineLandlock(plan, launch, limits, spawned, listener),
    };
  });
  return { ...prepared, confine: start };
}

/**
 * Makes a server's plan and renders it for macOS. `proxyPort` is the egress proxy's port on the machine's loopback.
 * Throws `profile-invalid` as `prepare` does, and `sandbox-unavailable` for listed hosts without a proxy.
 */
export function prepareSeatbelt(
  request: SandboxRequest & { readonly privateFolders: NonNullable<SandboxRequest['privateFolders']> },
  proxyPort?: number,
): PreparedSandbox {
  const { start, ...prepared } = prepareWith<ConfinedServer>(request, undefined, (plan) => ({
    launch: seatbeltLaunch(plan, proxyPort),
    start: async ({ pid }) => ({
      init: pid,
      // sandbox-exec starts nothing if the kernel rejects the profile.
      layers: ['seatbelt-unmeasured', 'environment-unmeasured'],
      limits: undefined,
      signal: (name) => signalGroup(pid, name),
      unlinkedBytes: async () => 0,
      [Symbol.asyncDispose]: async () => signalGroup(pid, 'SIGKILL'),
    }),
  }));
  return { ...prepared, confine: start };
}

/** A plan that is rendered. */
interface Rendered<Started> {
  readonly launch: Launch;
  /** The second step of the start. */
  start(spawned: SpawnedProcess, listener?: ServerListener): Promise<Started>;
  /** Removes what was made for a start that did not take place. */
  readonly abandon?: () => void;
}

/** A sandbox that is ready to start, as `PreparedSandbox`. */
export interface Prepared<Started> extends Omit<Rendered<Started>, 'abandon'>, Disposable {
  readonly plan: Plan;
  /** The folder of its device files; undefined where it has the machine's. */
  readonly devices: string | undefined;
}

/** Does `work`; `undo` if that fails. */
function attempt<Result>(work: () => Result, undo: () => void): Result {
  try {
    return work();
  } catch (error) {
    undo();
    throw error;
  }
}

function prepareWith<Started>(
  request: SandboxRequest,
  devices: DeviceFiles | undefined,
  renderPlan: (plan: Plan, handles: PathHandles) => Rendered<Started>,
): Prepared<Started> {
  const handles = new PathHandles();
  // A server sees that the name of a device is gone, so the names stay as long as it runs.
  let isRunning = false;
  let abandon: (() => void) | undefined;
  const dispose = (): void => {
    handles[Symbol.dispose]();
    if (isRunning) return;
    devices?.[Symbol.dispose]();
    abandon?.();
  };
  try {
    const plan = makePlan(inspect(request, handles, devices?.folder));
    const rendered = renderPlan(plan, handles);
    abandon = rendered.abandon;
    return {
      plan,
      launch: rendered.launch,
      devices: devices?.folder,
      async start(spawned, listener) {
        const started = await rendered.start(spawned, listener);
        isRunning = true;
        return started;
      },
      [Symbol.dispose]: dispose,
    };
  } catch (error) {
    dispose();
    throw error;
  }
}

function requireDevices(profile: string, machine: Machine): DeviceFiles {
  const devices = machine.makeDevices?.();
  if (devices !== undefined) return devices;
  throw new WarderError('sandbox-unavailable', `cannot start "${profile}": ${NO_DEVICES}`, {
    hint: DEVICES_HINT,
  });
}

function seatbeltLaunch(plan: Plan, proxyPort: number | undefined): Launch {
  requireEgressRoute(plan, proxyPort);
  return renderSeatbelt(plan, proxyPort);
}

/** Throws for a plan that lists hosts if there is no route to them. */
function requireEgressRoute({ profile, network }: Plan, route: unknown): void {
  if (network.length === 0 || route !== undefined) return;
  throw new WarderError(
    'sandbox-unavailable',
    `cannot start "${profile}": its sandbox cannot reach the hosts that it lists`,
    { hint: 'take "network" and sealed credentials out of the profile, or say "sandbox: {off: true}"' },
  );
}

/** Sends a signal to the process group that a server leads. */
function signalGroup(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(-pid, name);
  } catch {
    // It has ended.
  }
}
