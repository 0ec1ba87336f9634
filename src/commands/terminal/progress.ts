// What a command says while it works: on a terminal one line on stderr, which comes up after a moment, is rewritten in place
// and is gone when the work is done; elsewhere a plain line for each step. What is printed meanwhile stands above it.
import { escapeUnprintable } from '../../audit/printable.ts';

/** Work that is told of, until it is disposed of. */
export interface Progress extends Disposable {
  /** The work goes on with another step. */
  step(text: string): void;
}

export interface ProgressOptions {
  /** Whether it is told of only while nothing more exact is, and not by a plain line. */
  readonly isGeneral?: boolean;
}

/** Milliseconds before the line comes up, between two pictures of it, and after which it says how long the work takes. */
const DELAY = 300;
const INTERVAL = 120;
const LONG = 3000;
const FRAMES = [...'⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏'];
/** Moves to the beginning of the line and erases it: not by a carriage return, which is never obeyed in what servers write. */
const ERASE = '\u001b[G\u001b[2K';

interface Step {
  text: string;
  since: number;
}

/** The line at the bottom of a terminal. Of several works it shows the one that began last, of those that say something. */
export class ProgressLine {
  readonly #stream: NodeJS.WriteStream;
  readonly #works: Step[] = [];
  #timer: NodeJS.Timeout | undefined;
  #frame = 0;
  #hidden = 0;
  #isDrawn = false;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
  }

  begin(text: string, isGeneral: boolean): Progress {
    const work: Step = { text, since: performance.now() };
    if (isGeneral) this.#works.unshift(work);
    else this.#works.push(work);
    this.#start();
    return {
      step: (next) => {
        if (next === work.text) return;
        work.text = next;
        work.since = performance.now();
        if (this.#isDrawn) this.#draw();
      },
      [Symbol.dispose]: () => {
        const at = this.#works.indexOf(work);
        if (at >= 0) this.#works.splice(at, 1);
        if (this.#works.length === 0) this.#stop();
        else if (this.#works.every(({ text: left }) => left === '')) this.#erase();
      },
    };
  }

  /** Prints something above the line. */
  above(print: () => void): void {
    const wasDrawn = this.#isDrawn;
    this.#erase();
    print();
    if (wasDrawn) this.#draw();
  }

  /** Keeps the line away while a person is asked. */
  hide(): Disposable {
    this.#hidden++;
    this.#erase();
    return { [Symbol.dispose]: () => void this.#hidden-- };
  }

  #start(): void {
    if (this.#timer !== undefined) return;
    const since = performance.now();
    this.#timer = setInterval(() => {
      if (performance.now() - since >= DELAY) this.#draw();
    }, INTERVAL);
    this.#timer.unref();
  }

  #stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#erase();
  }

  #draw(): void {
    const work = this.#works.findLast(({ text }) => text !== '');
    if (work === undefined || this.#hidden > 0) {
      this.#erase();
      return;
    }
    const seconds = Math.floor((performance.now() - work.since) / 1000);
    const took = seconds * 1000 >= LONG ? ` ${seconds} s` : '';
    const room = Math.max(10, (this.#stream.columns || 80) - took.length - 5);
    const text = [...escapeUnprintable(work.text)];
    const shown = text.length > room ? `${text.slice(0, room - 1).join('')}…` : `${text.join('')} …`;
    this.#frame = (this.#frame + 1) % FRAMES.length;
    this.#stream.write(`${ERASE}${FRAMES[this.#frame]} ${shown}${took}`);
    this.#isDrawn = true;
  }

  #erase(): void {
    if (this.#isDrawn) this.#stream.write(ERASE);
    this.#isDrawn = false;
  }
}
