// The second half of a sandbox' start, with bubblewrap and under Landlock: what it comes to is taken into its limits,
// let go, and measured. A server that is not confined as its plan says is ended.
import { setTimeout } from 'node:timers/promises';
import { WarderError } from '../errors.ts';
import type { Launch, Spawned } from './launch.ts';
import { type AppliedLimits, type Layer, type Measured, measure, REQUIRED, WEAKER } from './layers.ts';
import type { Hold } from './linux/apply-limits.ts';
import {
  childrenOf,
  executableOf,
  insideOf,
  type Known,
  know,
  lives,
  namespaceOf,
  opensNamespace,
  signal,
} from './linux/process.ts';
import type { Machine } from './machine.ts';
import type { Entered } from './network.ts';
import { feed, openGate, Report } from './pipes.ts';
import type { Plan } from './plan/plan.ts';
import { lacking, whyNot } from './probe.ts';

/** Milliseconds for a sandbox to be made, on a machine that has much else to do. */
const PATIENCE = 15_000;

/** How often it is looked whether the server has begun, in milliseconds. */
const STEP = 1;

const HINT = 'see "warder doctor"';

/** A sandbox with a server in it. Disposed of, all in it is killed. */
export interface Confined extends AsyncDisposable {
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
export interface Prepared {
  readonly plan: Plan;
  readonly machine: Machine;
  readonly launch: Launch;
  readonly hold: Hold;
  readonly network: Entered | undefined;
}

/** Confines what bubblewrap was started for. Throws `sandbox-unavailable`; nothing of the server runs then. */
export async function confine(
  { plan, machine, launch, hold, network }: Prepared,
  spawned: Spawned,
): Promise<Confined> {
  const starter = know(spawned.pid);
  const report = new Report(launch, spawned);
  feed(launch, spawned);
  const told = /"child-pid": (\d+)/.exec(await report.line(PATIENCE))?.[1];
  const init = told === undefined ? undefined : know(Number(told));
  if (init === undefined) {
    if (starter !== undefined) signal(starter, 'SIGKILL');
    if (network === undefined) throw await whyNot(plan.profile, machine);
    demandHolder(plan, network);
    const { what, hint } = await lacking(machine);
    throw unavailable(plan, what, hint);
  }
  const end = async (): Promise<void> => {
    signal(init, 'SIGKILL');
    await gone([init]);
    await hold[Symbol.asyncDispose]();
  };
  try {
    if (network !== undefined) demandNetwork(plan, network, init.pid);
    await hold.take(init.pid);
    openGate(launch, spawned);
    const measured = await begun(init.pid, [machine.bubblewrap?.file, machine.prlimit], plan, network);
    // bubblewrap tells how the server ended, if it came to start it.
    if (measured === undefined && !(await report.whole(PATIENCE)).includes('"exit-code"')) {
      throw await whyNot(plan.profile, machine);
    }
    const limits = measured === undefined ? undefined : hold.measured(init.pid, measured);
    const required: readonly Layer[] = network === undefined ? REQUIRED : [...REQUIRED, 'egress-gate'];
    if (measured !== undefined) demand(plan, measured.layers, required);
    return {
      init: init.pid,
      layers: measured?.layers ?? [],
      limits,
      signal: (name) => {
        for (const known of insideOf(init.pid)) signal(known, name);
      },
      [Symbol.asyncDispose]: end,
    };
  } catch (error) {
    await end();
    throw asUnavailable(plan, error);
  }
}

/** Confines what Landlock's stage was started for. Throws as `confine` does. */
export async function confineWeaker(
  plan: Plan,
  launch: Launch,
  hold: Hold,
  spawned: Spawned,
): Promise<Confined> {
  const server = know(spawned.pid);
  if (server === undefined) throw unavailable(plan, 'it ended at once', HINT);
  const end = async (): Promise<void> => {
    const all = [...insideOf(server.pid), server];
    for (const known of all) signal(known, 'SIGKILL');
    await gone(all);
    await hold[Symbol.asyncDispose]();
  };
  try {
    await hold.group(server.pid);
    // The stage waits for its orders: what it is bound to by then, the server is.
    const report = new Report(launch, spawned);
    feed(launch, spawned);
    const told = await report.whole(PATIENCE);
    const version = Number(/"landlock":(\d+)/.exec(told)?.[1] ?? 0);
    if (version === 0 || told.includes('"error"')) throw unavailable(plan, 'Landlock does not hold', HINT);
    const measured = tryMeasure(server.pid);
    const layers: Layer[] = [
      'landlock',
      ...(version >= 6 ? (['signals'] as const) : []),
      ...(measured?.layers ?? []),
    ];
    if (measured !== undefined) demand(plan, layers, WEAKER);
    return {
      init: server.pid,
      layers: measured === undefined ? [] : layers,
      limits: measured === undefined ? undefined : hold.measured(server.pid, measured),
      signal: (name) => {
        for (const known of [...insideOf(server.pid), server]) signal(known, name);
      },
      [Symbol.asyncDispose]: end,
    };
  } catch (error) {
    await end();
    throw asUnavailable(plan, error);
  }
}

/** Waits until processes that were killed have ended, or the kernel holds them back for too long. */
async function gone(killed: readonly Known[]): Promise<void> {
  const until = performance.now() + PATIENCE;
  while (killed.some(lives) && performance.now() < until) await setTimeout(STEP);
}

/** Waits until the server itself runs, and measures it. `undefined`: it has ended already. */
async function begun(
  init: number,
  before: readonly (string | undefined)[],
  plan: Plan,
  network: Entered | undefined,
): Promise<Measured | undefined> {
  const until = performance.now() + PATIENCE;
  for (;;) {
    const [server] = childrenOf(init);
    const file = server === undefined ? undefined : executableOf(server);
    if (server !== undefined && file !== undefined && !before.includes(file))
      return tryMeasure(server, network?.namespace);
    if (executableOf(init) === undefined) return undefined;
    if (performance.now() > until) throw unavailable(plan, 'its sandbox does not begin', HINT);
    await setTimeout(STEP);
  }
}

function tryMeasure(pid: number, network?: string): Measured | undefined {
  try {
    return measure(pid, network);
  } catch {
    // It has ended meanwhile.
    return undefined;
  }
}

/** Refuses a network whose holder has ended: its pid may be another's by now, and with it what is entered. */
export function demandHolder(plan: Plan, { holder }: Entered): void {
  if (!lives(holder)) throw unavailable(plan, 'its network has ended', 'try again');
}

/**
 * Looks at a sandbox before its server begins: it is in the network that was meant, whose holder lives on, so that
 * the pid by which it was entered was the holder's all the while; and it has no way back to another namespace.
 */
function demandNetwork(plan: Plan, network: Entered, init: number): void {
  demandHolder(plan, network);
  if (namespaceOf(init, 'net') !== network.namespace)
    throw unavailable(plan, 'it is in another network', HINT);
  if (opensNamespace(init)) throw unavailable(plan, 'it has a namespace open', HINT);
}

function demand(plan: Plan, layers: readonly Layer[], required: readonly Layer[]): void {
  const missing = required.filter((layer) => !layers.includes(layer));
  if (missing.length > 0) throw unavailable(plan, `its sandbox lacks ${missing.join(', ')}`, HINT);
}

function asUnavailable(plan: Plan, error: unknown): WarderError {
  if (error instanceof WarderError) return error;
  return unavailable(plan, 'its limits cannot be set', HINT, error);
}

function unavailable(plan: Plan, what: string, hint: string, cause?: unknown): WarderError {
  return new WarderError('sandbox-unavailable', `cannot start "${plan.profile}": ${what}`, { hint, cause });
}
