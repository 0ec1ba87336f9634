// How much of a session is read. In one turn of the event loop only so many bytes are, from whichever of its pipes, so that
// others have theirs in between. Bytes in bulk, which are standard error and long lines, cost the session some of the time
// that it has for long work as well: see slices.ts. While it has none left it is read no further.
import type { Budgets } from '../budgets.ts';
import type { Slices } from './slices.ts';

const MIB = 2 ** 20;
/** Shorter reads are not counted: so many of them come in one turn that they are no burden. */
const SMALL = 16_384;

export interface IntakeOptions {
  readonly budgets: Pick<Budgets, 'turn' | 'linePrice' | 'stderrPrice'>;
  readonly slices: Pick<Slices, 'charge' | 'delay'>;
  /** Runs what goes on later as a turn of the session. */
  readonly resume: (turn: () => void) => void;
  /** Called when a part of a long line was read. */
  readonly onBulk: () => void;
}

export class Intake {
  readonly #options: IntakeOptions;
  /** Bytes that were read in this turn of the event loop. */
  #taken = 0;
  #isFull = false;
  #scheduled = false;

  constructor(options: IntakeOptions) {
    this.#options = options;
  }

  /** Whether the session is to be read no further for now. */
  get isFull(): boolean {
    return this.#isFull;
  }

  /** Bytes of lines were read. `inBulk`: a long line has begun and not ended. */
  line(bytes: number, inBulk: boolean): void {
    if (inBulk) this.#options.onBulk();
    this.#take(bytes, inBulk ? this.#options.budgets.linePrice : 0);
  }

  stderr(bytes: number): void {
    this.#take(bytes, this.#options.budgets.stderrPrice);
  }

  #take(bytes: number, price: number): void {
    const { budgets, slices } = this.#options;
    if (price > 0) {
      slices.charge((bytes / MIB) * price);
      if (slices.delay > 0) this.#isFull = true;
    }
    if (bytes >= SMALL) this.#taken += bytes;
    if (this.#taken > budgets.turn) this.#isFull = true;
    if (this.#taken > 0 || this.#isFull) this.#schedule();
  }

  /** Once others have had their turn it goes on. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#next());
  }

  #next(): void {
    const { slices, resume } = this.#options;
    const { delay } = slices;
    this.#taken = 0;
    if (this.#isFull && delay > 0) {
      setTimeout(() => this.#next(), delay);
      return;
    }
    this.#scheduled = false;
    if (!this.#isFull) return;
    this.#isFull = false;
    // What it does is to look again at what may be read.
    resume(() => {});
  }
}
