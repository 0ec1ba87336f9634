// The second half of a sandbox' start, with bubblewrap and under Landlock: what it comes to is taken into its limits,
// let go, and measured. A server that is not confined as its plan says is ended.
import { setTimeout } from 'node:timers/promises';
import { WarderError } from '../errors.ts';
import type { Launch, SpawnedProcess } from './launch.ts';
import {
  type AppliedLimits,
  LANDLOCK_LAYERS,
  type Layer,
  type Measurement,
  measure,
  REQUIRED_LAYERS,
} from './layers.ts';
import type { LimitApplier } from './linux/apply-limits.ts';
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
} from './linux/process.ts';
import type { Machine } from './machine.ts';
import type { NetworkNamespace } from './network.ts';
import { ReportReader, unblock, writeData } from './pipes.ts';
import type { Plan } from './plan/plan.ts';
import { findMissing, whyUnavailable } from './probe.ts';

/** Milliseconds for a sandbox to be made, on a machine that has much else to do. */
const TIMEOUT = 15_000;

/** How often it is looked whether the server has begun, in milliseconds. */
const POLL_INTERVAL = 1;

const HINT = 'see "warder doctor"';

/** A sandbox with a server in it. Disposed of, all in it is killed. */
export interface ConfinedServer extends AsyncDisposable {
  /**
   * The sandbox' first process, whose end ends all others; under Landlock the server itself. It ends as the
   * server ended, a signal as 128 and its number.
   */
  readonly init: number;
  /** By measurement. Empty if the server had ended before it could be measured. */
  readonly layers: readonly Layer[];
  readonly limits: AppliedLimits | undefined;
  /** Sends a signal to the server and what it started, and not to what keeps the sandbox. */
  signal(name: NodeJS.Signals): void;
}

/** A sandbox of bubblewrap that was prepared. */
export interface BubblewrapStart {
  readonly plan: Plan;
  readonly machine: Machine;
  readonly launch: Launch;
  readonly limits: LimitApplier;
  readonly network: NetworkNamespace | undefined;
}

/** Confines what bubblewrap was started for. Throws `sandbox-unavailable`; nothing of the server runs then. */
export async function confineBubblewrap(
  { plan, machine, launch, limits, network }: BubblewrapStart,
  spawned: SpawnedProcess,
): Promise<ConfinedServer> {
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
  const end = async (): Promise<void> => {
    sendSignal(init, 'SIGKILL');
    await waitUntilEnded([init]);
    await limits[Symbol.asyncDispose]();
  };
  try {
    if (network !== undefined) requireNetwork(plan, network, init.pid);
    await limits.apply(init.pid);
    unblock(launch, spawned);
    const measured = await waitForServer(
      init.pid,
      [machine.bubblewrap?.file, machine.prlimit],
      plan,
      network,
    );
    // bubblewrap tells how the server ended, if it came to start it.
    if (measured === undefined && !(await report.readAll(TIMEOUT)).includes('"exit-code"')) {
      throw await whyUnavailable(plan.profile, machine);
    }
    const applied = measured === undefined ? undefined : limits.verify(init.pid, measured);
    const required: readonly Layer[] =
      network === undefined ? REQUIRED_LAYERS : [...REQUIRED_LAYERS, 'egress-gate'];
    if (measured !== undefined) requireLayers(plan, measured.layers, required);
    return {
      init: init.pid,
      layers: measured?.layers ?? [],
      limits: applied,
      signal: (name) => {
        for (const known of descendantsOf(init.pid)) sendSignal(known, name);
      },
      [Symbol.asyncDispose]: end,
    };
  } catch (error) {
    await end();
    throw toUnavailable(plan, error);
  }
}

/** Confines what Landlock's stage was started for. Throws as `confine` does. */
export async function confineLandlock(
  plan: Plan,
  launch: Launch,
  limits: LimitApplier,
  spawned: SpawnedProcess,
): Promise<ConfinedServer> {
  const server = identify(spawned.pid);
  if (server === undefined) throw unavailable(plan, 'it ended at once', HINT);
  const end = async (): Promise<void> => {
    const all = [...descendantsOf(server.pid), server];
    for (const known of all) sendSignal(known, 'SIGKILL');
    await waitUntilEnded(all);
    await limits[Symbol.asyncDispose]();
  };
  try {
    await limits.joinCgroup(server.pid);
    // The stage waits for its orders: what it is bound to by then, the server is.
    const report = new ReportReader(launch, spawned);
    writeData(launch, spawned);
    const reported = await report.readAll(TIMEOUT);
    const version = Number(/"landlock":(\d+)/.exec(reported)?.[1] ?? 0);
    if (version === 0 || reported.includes('"error"'))
      throw unavailable(plan, 'Landlock does not limits', HINT);
    const measured = tryMeasure(server.pid);
    const layers: Layer[] = [
      'landlock',
      ...(version >= 6 ? (['signals'] as const) : []),
      ...(measured?.layers ?? []),
    ];
    if (measured !== undefined) requireLayers(plan, layers, LANDLOCK_LAYERS);
    return {
      init: server.pid,
      layers: measured === undefined ? [] : layers,
      limits: measured === undefined ? undefined : limits.verify(server.pid, measured),
      signal: (name) => {
        for (const known of [...descendantsOf(server.pid), server]) sendSignal(known, name);
      },
      [Symbol.asyncDispose]: end,
    };
  } catch (error) {
    await end();
    throw toUnavailable(plan, error);
  }
}

/** Waits until processes that were killed have ended, or the kernel holds them back for too long. */
async function waitUntilEnded(killed: readonly ProcessIdentity[]): Promise<void> {
  const until = performance.now() + TIMEOUT;
  while (killed.some(isAlive) && performance.now() < until) await setTimeout(POLL_INTERVAL);
}

/** Waits until the server itself runs, and measures it. `undefined`: it has ended already. */
async function waitForServer(
  init: number,
  before: readonly (string | undefined)[],
  plan: Plan,
  network: NetworkNamespace | undefined,
): Promise<Measurement | undefined> {
  const until = performance.now() + TIMEOUT;
  for (;;) {
    const [server] = childrenOf(init);
    const file = server === undefined ? undefined : executableOf(server);
    if (server !== undefined && file !== undefined && !before.includes(file))
      return tryMeasure(server, network?.namespace);
    if (executableOf(init) === undefined) return undefined;
    if (performance.now() > until) throw unavailable(plan, 'its sandbox does not begin', HINT);
    await setTimeout(POLL_INTERVAL);
  }
}

function tryMeasure(pid: number, network?: string): Measurement | undefined {
  try {
    return measure(pid, network);
  } catch {
    // It has ended meanwhile.
    return undefined;
  }
}

/** Refuses a network whose holder has ended: its pid may be another's by now, and with it what is entered. */
export function requireNetworkAlive(plan: Plan, { pauseProcess }: NetworkNamespace): void {
  if (!isAlive(pauseProcess)) throw unavailable(plan, 'its network has ended', 'try again');
}

/**
 * Looks at a sandbox before its server begins: it is in the network that was meant, whose holder lives on, so that
 * the pid by which it was entered was the holder's all the while; and it has no way back to another namespace.
 */
function requireNetwork(plan: Plan, network: NetworkNamespace, init: number): void {
  requireNetworkAlive(plan, network);
  if (namespaceOf(init, 'net') !== network.namespace)
    throw unavailable(plan, 'it is in another network', HINT);
  if (hasOpenNamespace(init)) throw unavailable(plan, 'it has a namespace open', HINT);
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
