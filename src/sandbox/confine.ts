// The second step of a sandbox's start, for bubblewrap and Landlock: applies the limits to the waiting process, lets it
// continue, and measures the server. A server that is not confined as its plan says is killed.
import { setTimeout } from 'node:timers/promises';
import { WarderError } from '../errors.ts';
import type { Launch, SpawnedProcess } from './launch.ts';
import {
  type AppliedLimits,
  hasOwnEnvironment,
  LANDLOCK_LAYERS,
  type Layer,
  type Measurement,
  measure,
  REQUIRED_LAYERS,
} from './layers.ts';
import type { LimitApplier } from './linux/apply-limits.ts';
import { cgroupLimitsOf } from './linux/cgroup.ts';
import type { DeviceFiles } from './linux/devices.ts';
import type { HeldProgram, Hold } from './linux/hold.ts';
import {
  childrenOf,
  descendantsOf,
  executableOf,
  hasOpenNamespace,
  identify,
  isAlive,
  namespaceOf,
  type ProcessIdentity,
  sendSignal,
  unlinkedBytes,
} from './linux/process.ts';
import { QuotaWatch } from './linux/user-quotas.ts';
import type { Machine } from './machine.ts';
import type { NetworkNamespace } from './network.ts';
import { holdOf, ReportReader, unblock, writeData } from './pipes.ts';
import type { Plan } from './plan/plan.ts';
import { type PlantedReport, PlantGuard } from './planted.ts';
import { findMissing, whyUnavailable } from './probe.ts';

/** Milliseconds for a sandbox to come up, also on a busy machine. */
const TIMEOUT = 15_000;

/** Milliseconds between two checks whether the server runs. */
const POLL_INTERVAL = 1;

const HINT = 'see "warder doctor"';

/** A sandbox with a running server. Disposing kills all processes in it. */
export interface ConfinedServer extends AsyncDisposable {
  /**
   * The pid of the sandbox's init process, whose end ends all others; under Landlock, of the server itself. It exits
   * with the server's exit code, or with 128 plus the signal's number.
   */
  readonly init: number;
  /** As measured. Empty if the server ended before it could be measured. */
  readonly layers: readonly Layer[];
  readonly limits: AppliedLimits | undefined;
  /** Sends a signal to the server and its descendants, but not to the sandbox's own processes. */
  signal(name: NodeJS.Signals): void;
  /** The bytes of files on a device that have no name any more, but that the server and its descendants hold open. */
  unlinkedBytes(device: bigint): Promise<number>;
}

/** A prepared sandbox of bubblewrap's. */
export interface BubblewrapStart {
  readonly plan: Plan;
  readonly machine: Machine;
  readonly launch: Launch;
  readonly limits: LimitApplier;
  readonly network: NetworkNamespace | undefined;
  /** Its device files, if it has some of its own. They end with it. */
  readonly devices: DeviceFiles | undefined;
}

/** Who is told what a running server does. */
export interface ServerListener {
  /** Told what it planted, while it runs and when it has ended. Without it nothing is compared. */
  readonly onPlanted?: ((report: PlantedReport) => void) | undefined;
  /** Told that it is ended because it takes too much from the user's other programs. */
  readonly onOveruse?: ((error: WarderError) => void) | undefined;
}

/** A sandbox that is measured, and in which a server waits. Disposing kills all processes in it. */
export interface HeldServer extends AsyncDisposable {
  /** The sandbox's init process. */
  readonly init: ProcessIdentity;
  /** What waits. Undefined: the server has ended, or runs already because nothing could hold it. */
  waiting(): ProcessIdentity | undefined;
  /** Lets it run. `program`: what it is, where that was not known. */
  release(onOveruse?: ServerListener['onOveruse'], program?: HeldProgram): ConfinedServer;
}

/**
 * Confines what bubblewrap starts, up to where it is let run. `onPlanted` as in `ServerListener`. Throws `sandbox-unavailable`; the server
 * has then not run.
 */
export async function holdBubblewrap(
  { plan, machine, launch, limits, network, devices }: BubblewrapStart,
  spawned: SpawnedProcess,
  onPlanted?: ServerListener['onPlanted'],
): Promise<HeldServer> {
  const bwrap = identify(spawned.pid);
  const report = new ReportReader(launch, spawned);
  writeData(launch, spawned);
  const reported = /"child-pid": (\d+)/.exec(await report.firstLine(TIMEOUT))?.[1];
  const init = reported === undefined ? undefined : identify(Number(reported));
  if (init === undefined) {
    if (bwrap !== undefined) sendSignal(bwrap, 'SIGKILL');
    if (network === undefined) throw await whyUnavailable(plan.profile, machine);
    requireNetworkAlive(plan, network);
    const { what, hint } = await findMissing(machine);
    throw unavailable(plan, what, hint);
  }
  const guard = onPlanted === undefined ? undefined : new PlantGuard(plan.planting, onPlanted);
  let quotas: QuotaWatch | undefined;
  const end = async (): Promise<void> => {
    quotas?.end();
    sendSignal(init, 'SIGKILL');
    await waitUntilEnded([init]);
    await guard?.end();
    await limits[Symbol.asyncDispose]();
    await devices?.[Symbol.asyncDispose]();
  };
  try {
    if (network !== undefined) requireNetwork(plan, network, init.pid);
    await limits.apply(init.pid);
    await guard?.begin();
    requireOwnEnvironment(plan, launch, init.pid);
    const hold = holdOf(launch, spawned);
    unblock(launch, spawned);
    // Its groups are those that it keeps, and bubblewrap works meanwhile.
    const group = cgroupLimitsOf(init.pid);
    const measured =
      hold === undefined
        ? await waitForServer(init.pid, [machine.bubblewrap?.file, machine.prlimit], plan, network)
        : await measureHeld(init, hold, plan, network);
    // bubblewrap reports the exit code only if it started the server.
    if (measured === undefined && !(await report.readAll(TIMEOUT)).includes('"exit-code"')) {
      throw await whyUnavailable(plan.profile, machine);
    }
    const applied = measured === undefined ? undefined : limits.verify(measured, group);
    const required: readonly Layer[] =
      network === undefined ? REQUIRED_LAYERS : [...REQUIRED_LAYERS, 'egress-gate'];
    const layers: readonly Layer[] = ['environment', ...(measured?.layers ?? [])];
    if (measured !== undefined) requireLayers(plan, layers, required);
    return {
      init,
      waiting() {
        const [server] = measured === undefined || hold === undefined ? [] : childrenOf(init.pid);
        return server === undefined ? undefined : identify(server);
      },
      release(onOveruse, program) {
        hold?.release(program);
        quotas = new QuotaWatch(
          plan.profile,
          () => descendantsOf(init.pid),
          (error) => {
            onOveruse?.(error);
            sendSignal(init, 'SIGKILL');
          },
        );
        return {
          init: init.pid,
          layers: measured === undefined ? [] : layers,
          limits: applied,
          signal: (name) => {
            for (const inside of descendantsOf(init.pid)) sendSignal(inside, name);
          },
          unlinkedBytes: (device) => unlinkedBytes(descendantsOf(init.pid), device),
          [Symbol.asyncDispose]: end,
        };
      },
      [Symbol.asyncDispose]: end,
    };
  } catch (error) {
    await end();
    throw toUnavailable(plan, error);
  }
}

/** Confines the server that Landlock's stage becomes. Throws as `holdBubblewrap` does. */
export async function confineLandlock(
  plan: Plan,
  launch: Launch,
  limits: LimitApplier,
  spawned: SpawnedProcess,
  { onPlanted, onOveruse }: ServerListener = {},
): Promise<ConfinedServer> {
  const guard = onPlanted === undefined ? undefined : new PlantGuard(plan.planting, onPlanted);
  const server = identify(spawned.pid);
  if (server === undefined) throw unavailable(plan, 'it ended at once', HINT);
  const inside = (): ProcessIdentity[] => [...descendantsOf(server.pid), server];
  let quotas: QuotaWatch | undefined;
  const end = async (): Promise<void> => {
    quotas?.end();
    const all = inside();
    for (const each of all) sendSignal(each, 'SIGKILL');
    await waitUntilEnded(all);
    await guard?.end();
    await limits[Symbol.asyncDispose]();
  };
  try {
    await limits.joinCgroup(server.pid);
    await guard?.begin();
    requireOwnEnvironment(plan, launch, server.pid);
    // The stage waits for its configuration, so the server inherits what applies to the stage by then.
    const report = new ReportReader(launch, spawned);
    writeData(launch, spawned);
    const reported = await report.readAll(TIMEOUT);
    const version = Number(/"landlock":(\d+)/.exec(reported)?.[1] ?? 0);
    if (version === 0 || reported.includes('"error"'))
      throw unavailable(plan, 'Landlock is not in force', HINT);
    const measured = tryMeasure(server.pid);
    const layers: Layer[] = [
      'environment',
      'landlock',
      ...(version >= 6 ? (['signals'] as const) : []),
      ...(measured?.layers ?? []),
    ];
    if (measured !== undefined) requireLayers(plan, layers, LANDLOCK_LAYERS);
    quotas = new QuotaWatch(plan.profile, inside, (error) => {
      onOveruse?.(error);
      for (const each of inside()) sendSignal(each, 'SIGKILL');
    });
    return {
      init: server.pid,
      layers: measured === undefined ? [] : layers,
      limits: measured === undefined ? undefined : limits.verify(measured, cgroupLimitsOf(server.pid)),
      signal: (name) => {
        for (const each of inside()) sendSignal(each, name);
      },
      unlinkedBytes: (device) => unlinkedBytes(inside(), device),
      [Symbol.asyncDispose]: end,
    };
  } catch (error) {
    await end();
    throw toUnavailable(plan, error);
  }
}

/** Waits until killed processes have ended, or until the timeout if the kernel delays their end. */
async function waitUntilEnded(killed: readonly ProcessIdentity[]): Promise<void> {
  const until = performance.now() + TIMEOUT;
  while (killed.some(isAlive) && performance.now() < until) await setTimeout(POLL_INTERVAL);
}

/** Measures what stands in the server's place, and becomes it when it is let go. `undefined`: it has ended already. */
async function measureHeld(
  init: ProcessIdentity,
  hold: Hold,
  plan: Plan,
  network: NetworkNamespace | undefined,
): Promise<Measurement | undefined> {
  const arrived = await hold.arrived(TIMEOUT);
  const [server] = arrived ? childrenOf(init.pid) : [];
  if (server !== undefined) return tryMeasure(server, network?.namespace);
  if (isAlive(init)) throw unavailable(plan, 'its sandbox does not start', HINT);
  return undefined;
}

/** Waits until the server itself runs, then measures it. `undefined`: it has ended already. `launchers`: programs that run before it. */
async function waitForServer(
  init: number,
  launchers: readonly (string | undefined)[],
  plan: Plan,
  network: NetworkNamespace | undefined,
): Promise<Measurement | undefined> {
  const until = performance.now() + TIMEOUT;
  for (;;) {
    const [server] = childrenOf(init);
    const file = server === undefined ? undefined : executableOf(server);
    if (server !== undefined && file !== undefined && !launchers.includes(file))
      return tryMeasure(server, network?.namespace);
    if (executableOf(init) === undefined) return undefined;
    if (performance.now() > until) throw unavailable(plan, 'its sandbox does not start', HINT);
    await setTimeout(POLL_INTERVAL);
  }
}

function tryMeasure(pid: number, network?: string): Measurement | undefined {
  try {
    return measure(pid, network);
  } catch {
    // It has ended in the meantime.
    return undefined;
  }
}

/** Throws for a network whose pause process has ended: its pid may belong to another process by now. */
export function requireNetworkAlive(plan: Plan, { pauseProcess }: NetworkNamespace): void {
  if (!isAlive(pauseProcess)) throw unavailable(plan, 'its network has ended', 'try again');
}

/**
 * Checks a sandbox before its server runs. It must be in the intended network. The pause process must still be alive,
 * so that the pid by which the sandbox joined was the pause process's all the time. And no descriptor may refer to a
 * namespace, through which the server could enter another one.
 */
function requireNetwork(plan: Plan, network: NetworkNamespace, init: number): void {
  requireNetworkAlive(plan, network);
  if (namespaceOf(init, 'net') !== network.namespace)
    throw unavailable(plan, 'it is in another network', HINT);
  if (hasOpenNamespace(init)) throw unavailable(plan, 'it has a namespace open', HINT);
}

/** Throws if the process that is to become the server has been given the environment of this one. */
function requireOwnEnvironment(plan: Plan, launch: Launch, pid: number): void {
  if (!hasOwnEnvironment(pid, launch.env))
    throw unavailable(plan, 'its sandbox lacks environment: it has variables of Warder itself', HINT);
}

function requireLayers(plan: Plan, layers: readonly Layer[], required: readonly Layer[]): void {
  const missing = required.filter((layer) => !layers.includes(layer));
  if (missing.length > 0) throw unavailable(plan, `its sandbox lacks ${missing.join(', ')}`, HINT);
}

function toUnavailable(plan: Plan, error: unknown): WarderError {
  if (error instanceof WarderError) return error;
  return unavailable(plan, 'its limits cannot be set', HINT, error);
}

function unavailable(plan: Plan, what: string, hint: string, cause?: unknown): WarderError {
  return new WarderError('sandbox-unavailable', `cannot start "${plan.profile}": ${what}`, { hint, cause });
}
