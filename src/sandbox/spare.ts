// A sandbox that is made before the server that is to run in it: bubblewrap has done everything, all is measured, and the native
// program stands in the server's place without a variable, an argument or a credential. A start takes it, once, if the plan that it
// makes now is the one that the sandbox was made by, and if everything that is mounted in it is still what stands at that path.
//
// So only plans are made in advance whose sandbox is the same whenever it is made: nothing of the user's that the server may
// write, nothing that is hidden or supplied inside what it may read, no kept home, and no network. And a sandbox keeps in use what is
// mounted in it, also what is unmounted outside, so that there is none of a file system that Warder does not use anyhow.
import { type BigIntStats, fstatSync, readFileSync, statSync } from 'node:fs';
import type { ConfinedServer, HeldServer, ServerListener } from './confine.ts';
import type { Launch, SpawnedProcess } from './launch.ts';
import { encodeProgram, type HeldProgram, MAX_PROGRAM } from './linux/hold.ts';
import { isAlive, type ProcessIdentity } from './linux/process.ts';
import { areOnFileSystemsOf, mountsIn, statesOf } from './linux/sources.ts';
import type { Machine } from './machine.ts';
import { inspect } from './plan/inspect.ts';
import { within } from './plan/path.ts';
import { PathHandles } from './plan/path-handles.ts';
import { makePlan, type Plan, type Step } from './plan/plan.ts';
import { KERNEL_SETTINGS, SYSTEM_PATHS } from './plan/root.ts';
import type { SandboxRequest } from './request.ts';
import { type Prepared, type PreparedSandbox, prepareHeld } from './start.ts';

/** What a spare is made by: of a server's request, what is the same for the next server of its profile. */
export type SpareRequest = Omit<SandboxRequest, 'env' | 'files' | 'keptHome' | 'privateFolders'> & {
  /** Where its program is searched. */
  readonly path: string;
};

/** The request for a spare by that for a server; undefined where there can be none. */
export function spareRequest(request: SandboxRequest): SpareRequest | undefined {
  const { env, files = [], keptHome, privateFolders, ...rest } = request;
  const { write, network } = request.sandbox;
  const isAlike =
    write.length === 0 &&
    network.length === 0 &&
    files.length === 0 &&
    keptHome === undefined &&
    privateFolders === undefined;
  return isAlike ? { ...rest, path: env.PATH ?? '' } : undefined;
}

/** A spare that is ready to be made. Disposing closes and removes what it keeps for that: after `hold`, or instead of it. */
export interface PreparedSpare extends Disposable {
  readonly launch: Launch;
  /** Settles once the sandbox waits for its server. Throws `sandbox-unavailable`. */
  hold(spawned: SpawnedProcess): Promise<SpareSandbox>;
}

/** Prepares a spare sandbox; undefined where there can be none for this request. Throws as `prepare` does, and where something has only just changed. */
export function prepareSpare(
  { path, ...request }: SpareRequest,
  machine: Machine,
): PreparedSpare | undefined {
  if (machine.native === undefined) return undefined;
  const prepared = prepareHeld({ ...request, env: { PATH: path } }, machine, undefined, true);
  const { plan, launch } = prepared;
  const source = sourceOf(plan);
  const isMakeable = isReusable(plan) && isInUse(plan, request);
  if (source === undefined || !isMakeable) {
    prepared[Symbol.dispose]();
    if (isMakeable) throw new Error('what the sandbox is made of has just changed');
    return undefined;
  }
  return {
    launch,
    async hold(spawned) {
      const held = await prepared.start(spawned);
      const waiting = held.waiting();
      const spare = waiting && new SpareSandbox(prepared, source, held, waiting);
      if (spare?.isUnchanged(plan) === true) return spare;
      await held[Symbol.asyncDispose]();
      throw new Error('the sandbox does not wait, or what it was made of has changed');
    },
    [Symbol.dispose]: () => prepared[Symbol.dispose](),
  };
}

/** A sandbox without a server. Disposing ends it. */
export class SpareSandbox implements AsyncDisposable {
  /** The folder of its device files; undefined where it has the machine's. */
  readonly devices: string | undefined;
  readonly #shape: string;
  readonly #launch: Launch;
  readonly #source: string;
  readonly #held: HeldServer;
  readonly #waiting: ProcessIdentity;
  #isUsed = false;

  constructor(
    { plan, launch, devices }: Pick<Prepared<HeldServer>, 'plan' | 'launch' | 'devices'>,
    source: string,
    held: HeldServer,
    waiting: ProcessIdentity,
  ) {
    this.devices = devices;
    this.#shape = shapeOf(plan);
    this.#launch = launch;
    this.#source = source;
    this.#held = held;
    this.#waiting = waiting;
  }

  /**
   * Makes a server's plan, and prepares its start in this sandbox. Undefined: the server cannot have it, and it is to be ended. Throws
   * `profile-invalid` as `prepare` does.
   */
  prepare(request: SandboxRequest): PreparedSandbox | undefined {
    const handles = new PathHandles();
    try {
      const plan = makePlan(inspect(request, handles, this.devices));
      const { file, args } = plan.program;
      const program = { folder: plan.cwd, words: [file, ...args], env: plan.env };
      const fits =
        !this.#isUsed &&
        shapeOf(plan) === this.#shape &&
        this.isUnchanged(plan, handles) &&
        isGivable(program);
      if (!fits) return undefined;
      const confine = async (_: SpawnedProcess, listener?: ServerListener): Promise<ConfinedServer> =>
        this.#use(program, listener);
      return { plan, launch: this.#launch, confine, [Symbol.dispose]: () => {} };
    } finally {
      handles[Symbol.dispose]();
    }
  }

  /** Whether it waits, and contains what a sandbox would that is made now. */
  isUnchanged(plan: Plan, handles?: PathHandles): boolean {
    return (
      isAlive(this.#waiting) &&
      sourceOf(plan) === this.#source &&
      plan.steps.every((step) => step.kind !== 'bind' || this.#contains(step.path, handles))
    );
  }

  /** Whether what is mounted at a path of the sandbox is what is there outside. */
  #contains(path: string, handles: PathHandles | undefined): boolean {
    const descriptor = handles?.descriptorOf(path);
    const stat = { bigint: true } as const;
    try {
      const outside = descriptor === undefined ? statSync(path, stat) : fstatSync(descriptor, stat);
      return isSame(statSync(`/proc/${this.#held.init.pid}/root${path}`, stat), outside);
    } catch {
      return false;
    }
  }

  #use(program: HeldProgram, listener?: ServerListener): ConfinedServer {
    if (this.#isUsed) throw new Error('a spare sandbox is used once');
    this.#isUsed = true;
    return this.#held.release(listener?.onOveruse, program);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#held[Symbol.asyncDispose]();
  }
}

function isSame(a: BigIntStats, b: BigIntStats): boolean {
  return a.dev === b.dev && a.ino === b.ino;
}

/** Whether a program can be given to what waits. */
function isGivable(program: HeldProgram): boolean {
  const texts = [program.folder, ...program.words, ...Object.entries(program.env).flat()];
  return encodeProgram(program).length <= MAX_PROGRAM && !texts.some((text) => text.includes('\0'));
}

/** Whether a sandbox of this plan is the same whenever it is made. */
function isReusable({ steps, network, kept, planting }: Plan): boolean {
  return (
    network.length === 0 &&
    kept === undefined &&
    planting.folders.length === 0 &&
    planting.guarded.length === 0 &&
    steps.every(isLasting)
  );
}

function isLasting(step: Step): boolean {
  switch (step.kind) {
    case 'bind':
      return !step.write;
    case 'hide':
      // Elsewhere what is hidden can be replaced, and then is not hidden any more.
      return within(step.at, '/proc');
    case 'home':
    case 'supplied':
      return false;
    default:
      return true;
  }
}

/** What every sandbox has of this machine: nobody unmounts it. */
const LASTING = [...SYSTEM_PATHS, KERNEL_SETTINGS];

/** Whether all that a sandbox of this plan has is on file systems that are in use for as long as Warder is. */
function isInUse({ steps }: Plan, { node, warder }: Pick<SandboxRequest, 'node' | 'warder'>): boolean {
  const binds = steps.filter((step) => step.kind === 'bind');
  const others = binds.filter(({ path }) => !LASTING.some((folder) => within(path, folder)));
  return areOnFileSystemsOf(['/', ...LASTING, node, ...warder], others, mountinfo());
}

/** All of a plan but what is given to a server at its start. Its program's file is not: a limit may depend on that (linux/limits.ts). */
function shapeOf({ env: _, program: { file }, ...shape }: Plan): string {
  return JSON.stringify({ ...shape, file });
}

function mountinfo(): string {
  return readFileSync('/proc/self/mountinfo', 'latin1');
}

/** What a plan's sources are now, beside the places that it names; undefined: they have only just changed. */
function sourceOf({ steps }: Plan): string | undefined {
  const states = statesOf(
    steps.flatMap((step) => (step.kind === 'copy' ? [step.at] : [])),
    Date.now(),
  );
  const folders = steps.flatMap((step) => (step.kind === 'bind' ? [step.path] : []));
  const mounts = mountsIn(folders, mountinfo());
  return states && JSON.stringify([states, mounts]);
}
