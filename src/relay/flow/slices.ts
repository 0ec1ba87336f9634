// Long work of one session, done in slices between which others have their turn. In each turn of the event loop a session
// gets a few milliseconds for it; one that has used up its burst gets a share of the time while others are busy. So a session that sends what
// takes long to read slows down itself, and no other.
import type { Clock } from '../../os/clock.ts';

export interface SlicesOptions {
  readonly clock: Clock;
  readonly budgets: { readonly slice: number; readonly burst: number; readonly share: number };
  /** Whether nobody else has anything to do. */
  readonly isAlone: (now: number) => boolean;
  /** Runs what goes on later as a turn of the session; does nothing once that is over. */
  readonly resume: (turn: () => void) => void;
}

/** What work waits for: it goes on once what is given is called, which may be at once. */
// biome-ignore lint/suspicious/noConfusingVoidType: it is what a generator yields that says nothing
export type Wait = ((goOn: () => void) => void) | void;

/** Work that yields wherever it may be interrupted. While it waits for something other work of the session is done. */
export type Work<Result> = Generator<Wait, Result>;

interface Job {
  readonly work: Work<unknown>;
  readonly then: (result: never) => void;
}

export class Slices {
  readonly #options: SlicesOptions;
  readonly #jobs: Job[] = [];
  #running = false;
  #scheduled = false;
  /** Milliseconds of slices beyond the session's share of the time, when they were last counted. */
  #debt = 0;
  #counted = 0;

  constructor(options: SlicesOptions) {
    this.#options = options;
  }

  /** Does work and calls `then`: before it returns if that is soon and no other work is before it, else in a later turn. */
  run<Result>(work: Work<Result>, then: (result: Result) => void): void {
    this.#jobs.push({ work, then });
    if (this.#running || this.#scheduled) return;
    if (this.delay > 0) this.#schedule();
    else this.#step();
  }

  /** Counts work that is done elsewhere, in milliseconds. */
  charge(ms: number): void {
    this.#count(ms);
  }

  /** Milliseconds until there is time for more; 0 if there is. */
  get delay(): number {
    this.#count(0);
    const { budgets, isAlone } = this.#options;
    if (isAlone(this.#counted)) return 0;
    return Math.max(0, (this.#debt - budgets.burst) / budgets.share);
  }

  #step(): void {
    const { clock, budgets } = this.#options;
    const began = clock.monotonic();
    let now = began;
    this.#running = true;
    try {
      for (let job = this.#jobs[0]; job !== undefined && now - began < budgets.slice; job = this.#jobs[0]) {
        const { done, value } = job.work.next();
        if (done === true) {
          this.#jobs.shift();
          job.then(value as never);
        } else if (value !== undefined) {
          this.#jobs.shift();
          value(() => this.#goOn(job));
        }
        now = clock.monotonic();
      }
    } finally {
      this.#running = false;
    }
    this.#count(now - began);
    if (this.#jobs.length > 0) this.#schedule();
  }

  /** What a job has waited for is there. */
  #goOn(job: Job): void {
    this.#jobs.push(job);
    if (this.#running || this.#scheduled) return;
    if (this.delay > 0) this.#schedule();
    else this.#options.resume(() => this.#step());
  }

  #schedule(): void {
    const { resume } = this.#options;
    this.#scheduled = true;
    const next = (): void => {
      this.#scheduled = false;
      resume(() => this.#step());
    };
    const { delay } = this;
    if (delay > 0) setTimeout(next, delay);
    else setImmediate(next);
  }

  /** All of the time where nobody else wants any. */
  #share(now: number): number {
    const { budgets, isAlone } = this.#options;
    return isAlone(now) ? 1 : budgets.share;
  }

  /** Adds the time of a slice, and takes off the session's share of the time that has passed. */
  #count(ms: number): void {
    const now = this.#options.clock.monotonic();
    this.#debt = Math.max(0, this.#debt - (now - this.#counted) * this.#share(now)) + ms;
    this.#counted = now;
  }
}
