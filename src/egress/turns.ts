// The time that one gate may take of the event loop that it works in, which is that of all gates (`gates.ts`). Long work
// (searching bodies, sealing responses) is done in slices; in each turn of the loop a gate's slices get `BUDGETS.turn`
// milliseconds together, over all its connections, and the rest waits for the next turn. A gate that has used up
// `BUDGETS.burst` gets `BUDGETS.share` of the time, as long as other sessions are at work there. So a session can slow down
// itself, and no other; and where nobody else wants the time, it has it.
import type { EventEmitter } from 'node:events';
import type { Clock } from '../os/clock.ts';
import type { Log } from '../os/log.ts';
import { TurnMeter } from '../os/turn-meter.ts';
import { BUDGETS } from './budgets.ts';

export interface GateTurnsOptions {
  readonly session: string;
  readonly profile: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Called with the longest turn so far, when that has become longer by a millisecond or more. */
  readonly onLongest?: (ms: number) => void;
}

export class GateTurns implements Disposable {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #meter: TurnMeter;
  /** A slice runs: what it adds waits for it. */
  #running = false;
  /** Milliseconds of slices in this turn of the loop. */
  #spent = 0;
  /** The next turn of the loop will be noticed. */
  #watching = false;
  /** Milliseconds of slices beyond the gate's share of the time, when they were last counted. */
  #debt = 0;
  #counted = 0;
  #paused: NodeJS.Timeout | undefined;
  #disposed = false;
  #waiting: (() => void)[] = [];

  constructor(options: GateTurnsOptions) {
    this.#clock = options.clock;
    this.#log = options.log;
    this.#meter = new TurnMeter({ owner: 'the gate of a session', ...options });
  }

  /** The longest turn so far, in milliseconds. */
  get longest(): number {
    return this.#meter.longest;
  }

  /** Runs what an event causes. */
  enter<Result>(turn: () => Result): Result {
    this.#meter.begin();
    try {
      return turn();
    } finally {
      this.#meter.end();
    }
  }

  /** Measures all that the events of a socket cause. */
  watch(emitter: EventEmitter): void {
    const { emit } = emitter;
    emitter.emit = (...event: Parameters<typeof emit>) => {
      this.#meter.begin();
      try {
        return emit.apply(emitter, event);
      } finally {
        this.#meter.end();
      }
    };
  }

  /**
   * Runs a slice of long work: at once while there is time, else in a later turn, in order. It must not throw. `took`: called with
   * its milliseconds.
   */
  run(work: () => void, took?: (ms: number) => void): void {
    if (this.#disposed) return;
    const slice = (): void => this.#spend(work, took);
    if (this.#waiting.length > 0 || !this.#hasTime()) this.#waiting.push(slice);
    else slice();
    this.#watchTurn();
  }

  /** As `run`; settles as the work does. */
  slice<Result>(work: () => Result): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.run(() => {
        try {
          resolve(work());
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  /** Drops what waits. */
  [Symbol.dispose](): void {
    clearTimeout(this.#paused);
    this.#waiting = [];
    this.#disposed = true;
  }

  #hasTime(): boolean {
    return !this.#running && this.#spent < BUDGETS.turn && (this.#debt < BUDGETS.burst || this.#isAlone());
  }

  #isAlone(): boolean {
    return this.#meter.isAloneFor(BUDGETS.company);
  }

  #watchTurn(): void {
    if (this.#watching) return;
    this.#watching = true;
    setImmediate(() => {
      this.#watching = false;
      this.#spent = 0;
      this.#count(0);
      let done = 0;
      for (; done < this.#waiting.length && this.#hasTime(); done++) this.#waiting[done]?.();
      if (done > 0) this.#waiting = this.#waiting.slice(done);
      if (this.#waiting.length === 0) return;
      const excess = this.#debt - BUDGETS.burst;
      if (excess < 0 || this.#isAlone()) this.#watchTurn();
      else
        this.#paused ??= setTimeout(() => {
          this.#paused = undefined;
          this.#watchTurn();
        }, excess / BUDGETS.share);
    });
  }

  /** Adds the time of a slice, and takes off the gate's share of the time that has passed. */
  #count(ms: number): void {
    const now = this.#clock.monotonic();
    const debt = Math.max(0, this.#debt - (now - this.#counted) * BUDGETS.share) + ms;
    // What it took while nobody else wanted it need not be made up for.
    this.#debt = debt > BUDGETS.burst && this.#isAlone() ? BUDGETS.burst : debt;
    this.#counted = now;
  }

  #spend(work: () => void, took: ((ms: number) => void) | undefined): void {
    const began = this.#clock.monotonic();
    this.#running = true;
    this.#meter.begin();
    try {
      work();
    } catch (error) {
      this.#log.error({ error: String(error) }, 'a fault in the gate of a session');
    } finally {
      this.#meter.end();
      this.#running = false;
    }
    const ms = this.#clock.monotonic() - began;
    this.#spent += ms;
    this.#count(ms);
    took?.(ms);
  }
}

/** Lets so many go at a time; the others wait in order. */
export class Places {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  /** Waits for a place. Disposing the result gives it back. */
  async take(): Promise<Disposable> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    let taken = true;
    return {
      [Symbol.dispose]: () => {
        if (!taken) return;
        taken = false;
        const next = this.#waiting.shift();
        if (next === undefined) this.#free++;
        else next();
      },
    };
  }
}
