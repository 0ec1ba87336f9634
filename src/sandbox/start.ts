// Starting a server in its sandbox, in two halves. `prepare` makes the plan and says what program to start, with
// which descriptors; whoever starts programs does so, and `confine` then puts the limits in place, lets the
// server begin, and measures what confines it. Nothing of the server's output may be used before `confine` has
// settled, and nothing be written to it: a server whose sandbox is not whole is ended, and never heard.
import { writeFileSync } from 'node:fs';
import { Readable, Writable } from 'node:stream';
import { setTimeout } from 'node:timers/promises';
import { WarderError } from '../errors.ts';
import { type Bounds, boundsOf, bubblewrap, type Launch } from './bubblewrap.ts';
import { boundsOfGroup, type Group, makeGroup } from './cgroup.ts';
import { gather, type Request } from './facts.ts';
import { type Layer, type Measured, measure, REQUIRED } from './layers.ts';
import { Held } from './look.ts';
import type { Machine } from './machine.ts';
import { type Plan, plan as planOf } from './plan.ts';
import { whyNot } from './probe.ts';
import { childrenOf, executableOf, insideOf, type Known, know, signal } from './process.ts';

/** A launch that was started: its process, and its stdio as Node gives it. */
export interface Spawned {
  readonly pid: number;
  readonly stdio: readonly unknown[];
}

/** A sandbox that is ready to be started. Disposed of, it lets go of what it holds open: once started, or not. */
export interface Prepared extends Disposable {
  readonly plan: Plan;
  readonly launch: Launch;
  /** Lets the server of the started launch begin. Throws `sandbox-unavailable`; nothing of it runs then. */
  confine(spawned: Spawned): Promise<Confined>;
}

/** How each limit is held. */
export interface Holds {
  readonly files: number | undefined;
  /** Bytes of core dumps: 0. */
  readonly core: number | undefined;
  /** `group`: a control group counts; `user`: the sandbox' own user namespace; `none`: nobody. */
  readonly processes: { readonly most: number | undefined; readonly by: Bounds['processes'] };
  /** `group`: all processes together; `process`: the data of each; `none`: Node's own heap limit at most. */
  readonly memory: { readonly most: number | undefined; readonly by: Bounds['memory'] };
}

/** A sandbox with a server in it. Disposed of, all in it is killed. */
export interface Confined extends AsyncDisposable {
  /** The sandbox' first process: when it ends, the kernel ends all others. */
  readonly init: number;
  /** By measurement. Empty if the server had ended before it could be measured. */
  readonly layers: readonly Layer[];
  readonly limits: Holds | undefined;
  /** Sends a signal to every process inside but the first, which is not the server's. */
  signal(name: NodeJS.Signals): void;
}

/** Milliseconds for bubblewrap to make a sandbox, on a machine that has much else to do. */
const PATIENCE = 15_000;

/** How often it is looked whether the server has begun, in milliseconds. */
const STEP = 1;

/** Who is ended first when the machine's memory is short: of all programs, the sandboxed. */
const EXPENDABLE = '1000';

/**
 * Makes the plan for a server, and renders it for this machine. Throws `profile-invalid` for what no sandbox
 * holds, `sandbox-unavailable` for what this machine cannot do.
 */
export function prepare(request: Request, machine: Machine): Prepared {
  const held = new Held();
  try {
    const plan = planOf(gather(request, held));
    const launch = bubblewrap(plan, machine, (path) => held.descriptor(path));
    return {
      plan,
      launch,
      confine: (spawned) => confine(plan, machine, launch, spawned),
      [Symbol.dispose]: () => held[Symbol.dispose](),
    };
  } catch (error) {
    held[Symbol.dispose]();
    throw error;
  }
}

async function confine(plan: Plan, machine: Machine, launch: Launch, spawned: Spawned): Promise<Confined> {
  const pipes = spawned.stdio.slice(3);
  const pipe = (kind: string): unknown => pipes[launch.descriptors.findIndex((one) => one.kind === kind)];
  for (const [at, descriptor] of launch.descriptors.entries()) {
    if (descriptor.kind === 'data') writableOf(pipes[at]).end(descriptor.data);
  }
  const gate = writableOf(pipe('gate'));
  const starter = know(spawned.pid);
  const init = await firstProcess(pipe('report'));
  if (init === undefined) {
    if (starter !== undefined) signal(starter, 'SIGKILL');
    throw await whyNot(plan.profile, machine);
  }

  const bounds = boundsOf(plan, machine);
  let group: Group | undefined;
  const end = async (): Promise<void> => {
    signal(init, 'SIGKILL');
    await group?.[Symbol.asyncDispose]();
  };
  try {
    group = machine.groups?.kind === 'direct' ? makeGroup(machine.groups, plan.limits) : undefined;
    group?.add(init.pid);
    expend(init.pid);
    gate.end('\n');
    const measured = await begun(init.pid, [machine.bubblewrap?.file, machine.prlimit], plan);
    const limits = measured === undefined ? undefined : holdsOf(init.pid, measured, bounds, plan);
    if (measured !== undefined) demand(plan, measured.layers);
    if (limits !== undefined) demandLimits(plan, limits);
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
    if (error instanceof WarderError) throw error;
    throw unavailable(plan, 'its limits cannot be set', 'see "warder doctor"', error);
  }
}

/** What bubblewrap reports first: the process that it made. `undefined`: it could not make a sandbox. */
async function firstProcess(report: unknown): Promise<Known | undefined> {
  if (!(report instanceof Readable)) throw new TypeError('no pipe for the report');
  // What it reports later, the end of the server, is told by its own end.
  const told = Promise.withResolvers<string>();
  const timer = globalThis.setTimeout(told.resolve, PATIENCE, '');
  let text = '';
  report.setEncoding('latin1');
  report.on('data', (piece: string) => {
    text += piece;
    if (text.includes('\n')) told.resolve(text);
  });
  for (const event of ['end', 'error', 'close']) report.on(event, () => told.resolve(text));
  const pid = /"child-pid": (\d+)/.exec(await told.promise)?.[1];
  clearTimeout(timer);
  return pid === undefined ? undefined : know(Number(pid));
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
    if (server !== undefined && file !== undefined && !before.includes(file)) {
      try {
        return measure(server);
      } catch {
        return undefined;
      }
    }
    if (executableOf(init) === undefined) return undefined;
    if (performance.now() > until)
      throw unavailable(plan, 'its sandbox does not begin', 'see "warder doctor"');
    await setTimeout(STEP);
  }
}

/** Which limits hold: those that the kernel shows, no wider than the plan's. */
function holdsOf(init: number, { limits }: Measured, bounds: Bounds, plan: Plan): Holds {
  const group = boundsOfGroup(init);
  const hold = <By extends string>(by: By, shown: number | undefined, most: number) =>
    by !== 'none' && shown !== undefined && shown <= most
      ? { most: shown, by }
      : { most: undefined, by: 'none' as const };
  return {
    files: limits.files,
    core: limits.core,
    processes: hold(
      bounds.processes,
      bounds.processes === 'group' ? group.processes : limits.processes,
      plan.limits.processes.most,
    ),
    memory: hold(
      bounds.memory,
      bounds.memory === 'group' ? group.memory : limits.data,
      plan.limits.memory.most,
    ),
  };
}

function demand(plan: Plan, layers: readonly Layer[]): void {
  const missing = REQUIRED.filter((layer) => !layers.includes(layer));
  if (missing.length > 0)
    throw unavailable(plan, `its sandbox lacks ${missing.join(', ')}`, 'see "warder doctor"');
}

/** A limit that the profile names holds, or nothing starts. */
function demandLimits(plan: Plan, holds: Holds): void {
  for (const name of ['memory', 'processes'] as const) {
    if (!plan.limits[name].said || holds[name].by !== 'none') continue;
    throw unavailable(
      plan,
      `"sandbox.${name}" cannot be held here`,
      `run Warder where it may make control groups, or take "${name}" out of the profile`,
    );
  }
}

function unavailable(plan: Plan, what: string, hint: string, cause?: unknown): WarderError {
  return new WarderError('sandbox-unavailable', `cannot start "${plan.profile}": ${what}`, { hint, cause });
}

function expend(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/oom_score_adj`, EXPENDABLE);
  } catch {
    // A help where there is no control group, not a layer.
  }
}

function writableOf(pipe: unknown): Writable {
  if (!(pipe instanceof Writable)) throw new TypeError('no pipe for a descriptor');
  // bubblewrap may end before it has read all.
  pipe.on('error', () => {});
  return pipe;
}
