// Starting a server in its sandbox, in two halves. `prepare` makes the plan and says what program to start, with
// which descriptors; whoever starts programs does so, and `confine` then puts the limits in place, lets the
// server begin, and measures what confines it. Nothing of the server's output may be used before `confine` has
// settled, and nothing be written to it: a server whose sandbox is not whole is ended, and never heard.
import { setTimeout } from 'node:timers/promises';
import { WarderError } from '../errors.ts';
import { bubblewrap } from './bubblewrap.ts';
import { gather, type Request } from './facts.ts';
import { Hold, type Holds } from './hold.ts';
import { landlock } from './landlock.ts';
import type { Launch, Spawned } from './launch.ts';
import { type Layer, type Measured, measure, REQUIRED, WEAKER } from './layers.ts';
import { Held } from './look.ts';
import type { Machine } from './machine.ts';
import { feed, openGate, Report } from './pipes.ts';
import { type Plan, plan as planOf } from './plan.ts';
import { whyNot } from './probe.ts';
import { childrenOf, executableOf, insideOf, type Known, know, lives, signal } from './process.ts';
import { seatbelt } from './seatbelt.ts';

/** A sandbox that is ready to be started. Disposed of, it lets go of what it holds open: once started, or not. */
export interface Prepared extends Disposable {
  readonly plan: Plan;
  readonly launch: Launch;
  /** Lets the server of the started launch begin. Throws `sandbox-unavailable`; nothing of it runs then. */
  confine(spawned: Spawned): Promise<Confined>;
}

/** A sandbox with a server in it. Disposed of, all in it is killed. */
export interface Confined extends AsyncDisposable {
  /**
   * The sandbox' first process, whose end ends all others; under Landlock the server itself. It ends as the
   * server ended, a signal as 128 and its number.
   */
  readonly init: number;
  /** By measurement. Empty if the server had ended before it could be measured. */
  readonly layers: readonly Layer[];
  readonly limits: Holds | undefined;
  /** Sends a signal to the server and what it started, and not to what keeps the sandbox. */
  signal(name: NodeJS.Signals): void;
}

/** Milliseconds for a sandbox to be made, on a machine that has much else to do. */
const PATIENCE = 15_000;

/** How often it is looked whether the server has begun, in milliseconds. */
const STEP = 1;

/**
 * Makes the plan for a server, and renders it for bubblewrap. Throws `profile-invalid` for what no sandbox
 * holds, `sandbox-unavailable` for what this machine cannot do.
 */
export function prepare(request: Request, machine: Machine): Prepared {
  return render(request, machine.devices, (plan, held) => {
    const hold = new Hold(plan, machine);
    const launch = bubblewrap(plan, machine, held);
    return { launch, confine: (spawned) => confine(plan, machine, launch, hold, spawned) };
  });
}

/**
 * Makes the plan for a server, and renders it for Landlock, the weaker sandbox. `stage` is the stage's program
 * file, run by the node that runs Warder. Throws as `prepare` does.
 */
export function prepareWeaker(
  request: Request & { readonly own: NonNullable<Request['own']> },
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

/** Makes the plan for a server, and renders it for macOS. Throws `profile-invalid` as `prepare` does. */
export function prepareSeatbelt(request: Request & { readonly own: NonNullable<Request['own']> }): Prepared {
  return render(request, undefined, (plan) => ({
    launch: seatbelt(plan),
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
  request: Request,
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

async function confine(
  plan: Plan,
  machine: Machine,
  launch: Launch,
  hold: Hold,
  spawned: Spawned,
): Promise<Confined> {
  const starter = know(spawned.pid);
  const report = new Report(launch, spawned);
  feed(launch, spawned);
  const told = /"child-pid": (\d+)/.exec(await report.line(PATIENCE))?.[1];
  const init = told === undefined ? undefined : know(Number(told));
  if (init === undefined) {
    if (starter !== undefined) signal(starter, 'SIGKILL');
    throw await whyNot(plan.profile, machine);
  }
  const end = async (): Promise<void> => {
    signal(init, 'SIGKILL');
    await gone([init]);
    await hold[Symbol.asyncDispose]();
  };
  try {
    await hold.take(init.pid);
    openGate(launch, spawned);
    const measured = await begun(init.pid, [machine.bubblewrap?.file, machine.prlimit], plan);
    // bubblewrap tells how the server ended, if it came to start it.
    if (measured === undefined && !(await report.whole(PATIENCE)).includes('"exit-code"')) {
      throw await whyNot(plan.profile, machine);
    }
    const limits = measured === undefined ? undefined : hold.measured(init.pid, measured);
    if (measured !== undefined) demand(plan, measured.layers, REQUIRED);
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

async function confineWeaker(plan: Plan, launch: Launch, hold: Hold, spawned: Spawned): Promise<Confined> {
  const server = know(spawned.pid);
  if (server === undefined) throw unavailable(plan, 'it ended at once', 'see "warder doctor"');
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
    if (version === 0 || told.includes('"error"'))
      throw unavailable(plan, 'Landlock does not hold', 'see "warder doctor"');
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

/** Sends a signal to a server's process group, of which it is the leader. */
function kill(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(-pid, name);
  } catch {
    // Ended.
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
): Promise<Measured | undefined> {
  const until = performance.now() + PATIENCE;
  for (;;) {
    const [server] = childrenOf(init);
    const file = server === undefined ? undefined : executableOf(server);
    if (server !== undefined && file !== undefined && !before.includes(file)) return tryMeasure(server);
    if (executableOf(init) === undefined) return undefined;
    if (performance.now() > until)
      throw unavailable(plan, 'its sandbox does not begin', 'see "warder doctor"');
    await setTimeout(STEP);
  }
}

function tryMeasure(pid: number): Measured | undefined {
  try {
    return measure(pid);
  } catch {
    // It has ended meanwhile.
    return undefined;
  }
}

function demand(plan: Plan, layers: readonly Layer[], required: readonly Layer[]): void {
  const missing = required.filter((layer) => !layers.includes(layer));
  if (missing.length > 0)
    throw unavailable(plan, `its sandbox lacks ${missing.join(', ')}`, 'see "warder doctor"');
}

function asUnavailable(plan: Plan, error: unknown): WarderError {
  if (error instanceof WarderError) return error;
  return unavailable(plan, 'its limits cannot be set', 'see "warder doctor"', error);
}

function unavailable(plan: Plan, what: string, hint: string, cause?: unknown): WarderError {
  return new WarderError('sandbox-unavailable', `cannot start "${plan.profile}": ${what}`, { hint, cause });
}
