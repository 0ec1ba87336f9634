// A server as a session holds it: its lines and its standard error go to whoever has it at the time - a
// rotation that greets it, then the session, then nobody.
import type { Ending } from '../os/spawn.ts';
import type { ServerEnd } from './endpoint.ts';
import { LineSplitter, type Oversize } from './json/lines.ts';
import { Outbox } from './outbox.ts';

/** Who has a server. */
export interface Holder {
  /** A line as a `LineListener` gets it. */
  line(from: Upstream, bytes: Buffer, start: number, end: number): void;
  oversize(from: Upstream, line: Oversize): void;
  stderr(from: Upstream, chunk: Buffer): void;
  /** All lines of what has come are handed on. */
  settle(from: Upstream): void;
  /** The server takes bytes again. */
  drained(from: Upstream): void;
  /** No more lines will come. */
  closed(from: Upstream): void;
  ended(from: Upstream, ending: Ending): void;
}

/** Does nothing with a server. */
export const NOBODY: Holder = {
  line() {},
  oversize() {},
  stderr() {},
  settle() {},
  drained() {},
  closed() {},
  ended() {},
};

/** The server. */
export class Upstream {
  readonly server: ServerEnd;
  readonly out: Outbox;
  readonly #lines: LineSplitter;
  #holder: Holder;
  #paused = false;
  #closed = false;
  #ending: Ending | undefined;

  constructor(server: ServerEnd, limit: number, holder: Holder) {
    this.server = server;
    this.#holder = holder;
    this.out = new Outbox(server, () => this.#holder.drained(this));
    this.#lines = new LineSplitter(
      {
        line: (bytes, start, end) => this.#holder.line(this, bytes, start, end),
        oversize: (line) => this.#holder.oversize(this, line),
      },
      limit,
    );
  }

  /** Starts the flow. */
  listen(): void {
    this.server.onStderr((chunk) => this.#holder.stderr(this, chunk));
    this.server.listen({
      data: (chunk) => {
        this.#lines.push(chunk);
        this.#holder.settle(this);
      },
      end: () => {
        this.#lines.end();
        this.#closed = true;
        this.#holder.settle(this);
        this.#holder.closed(this);
      },
    });
    void this.server.ended.then((ending) => {
      this.#ending = ending;
      this.#holder.ended(this, ending);
    });
  }

  /** Hands the server on. What has happened to it already is not told again: ask `closed` and `ending`. */
  give(holder: Holder): void {
    this.#holder = holder;
  }

  /** No more lines will come. */
  get closed(): boolean {
    return this.#closed;
  }

  /** How the server ended, if it has. */
  get ending(): Ending | undefined {
    return this.#ending;
  }

  /** Stops and starts the flow of what the server says. */
  hold(paused: boolean): void {
    if (paused === this.#paused) return;
    this.#paused = paused;
    if (paused) this.server.pause();
    else this.server.resume();
  }

  /** Lets the server end; `holder` hears of its end. */
  dismiss(holder: Holder): Promise<Ending> {
    this.#holder = holder;
    this.hold(false);
    return this.server.stop();
  }
}
