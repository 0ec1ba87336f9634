// Sandboxes that wait for the next server of a profile (sandbox/spare.ts): one of each profile whose servers were started lately, and
// few in all. Nothing of a server is in one before it is taken, and it is taken once. A machine that is starting servers makes none.
import { Duplex } from 'node:stream';
import type { Log } from '../os/log.ts';
import type { Spawn } from '../os/spawn.ts';
import type { Machine } from '../sandbox/machine.ts';
import type { SandboxRequest } from '../sandbox/request.ts';
import { prepareSpare, type SpareRequest, type SpareSandbox } from '../sandbox/spare.ts';
import type { PreparedSandbox } from '../sandbox/start.ts';
import { type BegunProcess, beginProcess } from './process.ts';

export interface SpareSandboxesParts {
  readonly spawn: Spawn;
  readonly machine: Machine;
  readonly log: Log;
  /** As `TIMES`. */
  readonly times?: Partial<typeof TIMES>;
}

/** Spares at one time, of all profiles. */
const MOST = 8;
/** Milliseconds from the last start of a server until one is made, and until one is ended that nobody has taken. */
const TIMES = { delay: 30, idle: 600_000 };

/** A sandbox, and the process that it began with. */
interface Spare extends BegunProcess {
  readonly sandbox: SpareSandbox;
  readonly expiry: NodeJS.Timeout;
}

/** A sandbox that is prepared, and in which a process stands already. */
export type PreparedSpare = PreparedSandbox & { readonly begun: BegunProcess };

/** The spare sandboxes of a daemon. */
export class SpareSandboxes implements AsyncDisposable {
  readonly #parts: SpareSandboxesParts;
  readonly #times: typeof TIMES;
  /** By profile, those that were made last at the end. */
  readonly #spares = new Map<string, Spare>();
  readonly #wanted = new Map<string, SpareRequest>();
  /** Profiles that can have none, as they are. */
  readonly #without = new Set<string>();
  /** What is being made or ended. */
  readonly #works = new Set<Promise<void>>();
  #timer: NodeJS.Timeout | undefined;
  #isMaking = false;
  /** The profile of the one that is being made, unless it has changed since. */
  #making: string | undefined;
  #isEnded = false;

  constructor(parts: SpareSandboxesParts) {
    this.#parts = parts;
    this.#times = { ...TIMES, ...parts.times };
  }

  /** Takes a profile's spare for a server, and prepares its start. Undefined: there is none, or it is not what the server needs. Throws what preparing does. */
  take(request: SandboxRequest): PreparedSpare | undefined {
    this.#defer();
    const spare = this.#remove(request.profile);
    if (spare === undefined) return undefined;
    let prepared: PreparedSandbox | undefined;
    try {
      prepared = spare.sandbox.prepare(request);
    } finally {
      if (prepared === undefined) this.#discard(spare);
    }
    return prepared && { ...prepared, begun: spare };
  }

  /** The profiles that have one. */
  get ready(): readonly string[] {
    return [...this.#spares.keys()];
  }

  /** A server was started like this, and is done with its start: the next one is to find a spare. */
  want(request: SpareRequest): void {
    const { profile } = request;
    if (this.#isEnded || this.#spares.has(profile) || this.#without.has(profile)) return;
    this.#wanted.set(profile, request);
    this.#defer();
  }

  /** A profile has changed. */
  drop(profile: string): void {
    if (this.#making === profile) this.#making = undefined;
    this.#wanted.delete(profile);
    this.#without.delete(profile);
    const spare = this.#remove(profile);
    if (spare !== undefined) this.#discard(spare);
  }

  /** Ends all, and makes no more. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isEnded = true;
    clearTimeout(this.#timer);
    for (const profile of [...this.#wanted.keys(), ...this.#spares.keys()]) this.drop(profile);
    while (this.#works.size > 0) await Promise.all(this.#works);
  }

  #remove(profile: string): Spare | undefined {
    const spare = this.#spares.get(profile);
    this.#spares.delete(profile);
    clearTimeout(spare?.expiry);
    return spare;
  }

  #defer(): void {
    clearTimeout(this.#timer);
    if (this.#wanted.size > 0 && !this.#isEnded)
      this.#timer = setTimeout(() => this.#track(this.#makeNext()), this.#times.delay);
  }

  async #makeNext(): Promise<void> {
    const [next] = this.#wanted;
    if (next === undefined || this.#isMaking) return;
    const [profile, request] = next;
    this.#wanted.delete(profile);
    this.#isMaking = true;
    this.#making = profile;
    try {
      const made = await this.#make(request);
      const isCurrent = this.#making === profile;
      if (made === undefined) {
        if (isCurrent) this.#without.add(profile);
      } else if (isCurrent) this.#keep(profile, made);
      else this.#discard(made);
    } catch (error) {
      // The next server is started without one, and says why it cannot be.
      this.#parts.log.info({ profile, error: String(error) }, 'no sandbox is kept ready');
    } finally {
      this.#isMaking = false;
      this.#defer();
    }
  }

  async #make(request: SpareRequest): Promise<Omit<Spare, 'expiry'> | undefined> {
    const { machine, spawn } = this.#parts;
    using prepared = prepareSpare(request, machine);
    if (prepared === undefined) return undefined;
    const begun = await beginProcess(prepared.launch, spawn);
    try {
      return { ...begun, sandbox: await prepared.hold(begun.child) };
    } catch (error) {
      close(begun);
      throw error;
    }
  }

  #keep(profile: string, made: Omit<Spare, 'expiry'>): void {
    const expiry = setTimeout(() => this.drop(profile), this.#times.idle);
    const spare = { ...made, expiry: expiry.unref() };
    this.#spares.set(profile, spare);
    void made.child.ended.then(() => {
      if (this.#spares.get(profile) === spare) this.drop(profile);
    });
    const [oldest] = this.#spares.keys();
    if (this.#isEnded) this.drop(profile);
    else if (this.#spares.size > MOST && oldest !== undefined) this.drop(oldest);
  }

  #discard(spare: Omit<Spare, 'expiry'>): void {
    this.#track(
      spare.sandbox[Symbol.asyncDispose]().then(
        () => close(spare),
        (error: unknown) => this.#parts.log.error({ err: error }, 'cannot end a sandbox that was kept ready'),
      ),
    );
  }

  #track(work: Promise<void>): void {
    this.#works.add(work);
    void work.finally(() => this.#works.delete(work));
  }
}

/** Closes this side's descriptors of a process that is used for nothing. */
function close({ child }: BegunProcess): void {
  for (const stream of child.stdio) if (stream instanceof Duplex) stream.destroy();
}
