// When sessions may be opened. Each start keeps the event loop busy for some milliseconds, so while sessions of other hosts are
// at work a host's starts are spread: a host that opens and throws away what it can slows down itself, and no other. A host
// whose sessions are the only ones at work may open as many at once as it likes.
//
// Those that wait have their turns by the tree of processes from which their launchers descend: at each process, its children by turns. So
// a process has no more turns for all that it starts, however many processes it puts between.
import type { Clock } from '../os/clock.ts';
import { MAX_ANCESTORS } from '../os/proc.ts';
import type { HostProcess } from '../wire/hello.ts';

/** Milliseconds from one start to the next, of all hosts whose starts are spread. */
export const BETWEEN_STARTS = 30;

/** Of how many processes the last turn is known: that of any other was long ago. */
const MOST_TURNS = 1024;

/** Ticks of the kernel's clock, 10 ms each: a process that is younger has no turns of its own, but those of its parent. */
const YOUNG = 1000;

/**
 * The processes whose turns a launcher has, from the top. `chain`: its ancestors, nearest first. `began`: when it began itself. Whoever
 * leaves its tree by a parent that ends has the turns of the process that takes orphans, with all others that just did.
 */
export function turnsOf(chain: readonly HostProcess[], began?: number): string[] {
  const grown = chain.filter(
    ({ started }) => !(began !== undefined && started !== undefined && began - started < YOUNG),
  );
  // What is above those that were read is not known: such hosts have the turns of one.
  const top = chain.length < MAX_ANCESTORS ? 'known' : 'deep';
  return [top, ...grown.map(({ pid, started }) => `${pid} ${started}`).reverse()];
}

export class StartQueue {
  readonly #clock: Pick<Clock, 'monotonic'>;
  /** What waits, in the order in which it came. */
  readonly #waiting = new Set<Waiting>();
  /** The turn in which each process had its last, since somebody did not wait, by the path to it, the last at the end. */
  readonly #turns = new Map<string, number>();
  #turn = 0;
  #last = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock;
  }

  /**
   * Settles when a session may be opened, or it is not wanted any more. `turns`: as of `turnsOf`. `isBeside`: whether others are at
   * work.
   */
  async enter(turns: readonly string[], isBeside: () => boolean, gone: AbortSignal): Promise<void> {
    if (gone.aborted || !isBeside()) return;
    const now = this.#clock.monotonic();
    const paths = pathsOf(turns);
    if (this.#waiting.size === 0 && now - this.#last >= BETWEEN_STARTS) {
      this.#turns.clear();
      this.#count(paths);
      return;
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiting = { paths, isBeside, enter: resolve };
    this.#waiting.add(waiting);
    const leave = (): void => {
      if (this.#waiting.delete(waiting)) resolve();
    };
    gone.addEventListener('abort', leave, { once: true });
    this.#wait();
    try {
      await promise;
    } finally {
      gone.removeEventListener('abort', leave);
    }
  }

  #wait(): void {
    if (this.#timer !== undefined || this.#waiting.size === 0) return;
    const ms = Math.max(0, this.#last + BETWEEN_STARTS - this.#clock.monotonic());
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#next();
    }, ms);
  }

  /** Lets in the one whose turn it is, or, where nobody is at work beside it any more, all of which that is true. */
  #next(): void {
    const next = this.#whoseTurn();
    const isAlone = next?.isBeside() === false;
    for (const waiting of isAlone ? this.#waiting : []) {
      if (waiting.isBeside()) continue;
      this.#waiting.delete(waiting);
      waiting.enter();
    }
    if (next !== undefined && !isAlone) {
      this.#waiting.delete(next);
      this.#count(next.paths);
      next.enter();
    }
    this.#wait();
  }

  /** It is the turn of these. */
  #count(paths: readonly string[]): void {
    this.#turn++;
    for (const path of paths) {
      this.#turns.delete(path);
      this.#turns.set(path, this.#turn);
    }
    for (const path of this.#turns.keys()) {
      if (this.#turns.size <= MOST_TURNS) break;
      this.#turns.delete(path);
    }
    this.#last = this.#clock.monotonic();
  }

  /** Who waits longest of those below the process that has not had a turn for longest, from the top down. */
  #whoseTurn(): Waiting | undefined {
    let left = [...this.#waiting];
    for (let depth = 0; left.length > 1; depth++) {
      const turnOf = ({ paths }: Waiting): number => this.#turns.get(paths[depth] ?? '') ?? 0;
      const [first] = left;
      if (first === undefined) break;
      const chosen = left.reduce((best, one) => (turnOf(one) < turnOf(best) ? one : best), first);
      if (chosen.paths.length <= depth) return chosen;
      left = left.filter(({ paths }) => paths[depth] === chosen.paths[depth]);
    }
    return left[0];
  }
}

interface Waiting {
  /** The path to each process whose turns it has, from the top, and to itself. */
  readonly paths: readonly string[];
  readonly isBeside: () => boolean;
  readonly enter: () => void;
}

/** Ends with an entry for the launchers that are no process's below the last. */
function pathsOf(turns: readonly string[]): string[] {
  const paths = turns.map((_, at) => turns.slice(0, at + 1).join('/'));
  return [...paths, `${turns.join('/')}/`];
}
