// A server that reads and writes newline-delimited JSON: a process' pipes. Splitting into lines, and joining
// messages into one write, belong to this transport alone.

import { LineSplitter } from '../json/lines.ts';
import type { Ending } from '../os/spawn.ts';
import type { ServerEnd } from './endpoint.ts';
import { Outbox, type Span } from './flow/outbox.ts';
import {
  IGNORE,
  type Outgoing,
  type SessionServer,
  type Upstream,
  type UpstreamListener,
  type UpstreamParts,
} from './upstream.ts';

const NOTHING = Buffer.alloc(0);

/** A process as the server of a session. */
export function stdioServer(server: ServerEnd): SessionServer {
  return { open: (parts) => new StdioUpstream(server, parts), stop: () => server.stop() };
}

export class StdioUpstream implements Upstream {
  readonly mayWait = false;
  readonly isReady = true;
  readonly ownTool = undefined;
  readonly process: { readonly pid: number } | undefined;
  readonly #server: ServerEnd;
  readonly #guard: UpstreamParts['guard'];
  readonly #out: Outbox;
  readonly #lines: LineSplitter;
  /** The requests that are queued. */
  #queued: ({ readonly id: number } & Span)[] = [];
  #listener = IGNORE;
  /** What the turn that begins is to take. */
  #given: Buffer = NOTHING;
  #listening = false;
  #paused = false;
  #closed = false;
  #ending: Ending | undefined;

  constructor(server: ServerEnd, { guard, line: limit, commit }: UpstreamParts) {
    this.#server = server;
    this.#guard = guard;
    this.process = server.pid === undefined ? undefined : { pid: server.pid };
    this.#out = new Outbox(server, commit, () => guard.run(() => this.#listener.drained()));
    this.#lines = new LineSplitter(
      {
        line: (bytes, start, end) => this.#listener.message(bytes, start, end),
        oversize: (line) => this.#listener.oversize(line),
        begun: (line) => this.#listener.begun?.(line),
        dropped: () => this.#listener.dropped?.(),
      },
      limit,
    );
  }

  listen(listener: UpstreamListener): void {
    this.#listener = listener;
    if (this.#listening) return;
    this.#listening = true;
    const server = this.#server;
    server.onStderr((chunk) => this.#guard.run(() => this.#listener.stderr(chunk)));
    server.listen({
      data: (chunk) => {
        this.#given = chunk;
        this.#guard.run(this.#take);
      },
      room: () => this.#lines.room(),
      end: () =>
        this.#guard.run(() => {
          this.#lines.end();
          this.#closed = true;
          this.#listener.settle();
          this.#listener.closed();
        }),
    });
    void server.ended.then((ending) =>
      this.#guard.run(() => {
        this.#ending = ending;
        this.#listener.ended(ending);
      }),
    );
  }

  readonly #take = (): void => {
    const chunk = this.#given;
    this.#given = NOTHING;
    this.#lines.push(chunk);
    this.#listener.taken(chunk.length, this.#lines.begun);
    this.#listener.settle();
  };

  prepare(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  get full(): boolean {
    return this.#out.full;
  }

  get crowded(): boolean {
    return this.#out.crowded;
  }

  send({ bytes, start, end, from, to, text, id }: Outgoing): boolean {
    const out = this.#out;
    const before = out.queued;
    out.add(bytes, start, end, from, to, text);
    if (id !== undefined) this.#queued.push({ id, from: before, to: out.queued });
    return !out.full;
  }

  withdraw(id: number): void {
    const request = this.#queued.find((queued) => queued.id === id);
    if (request !== undefined) this.#out.withdraw(request);
  }

  answer(text: string): void {
    this.#out.message(text);
  }

  flush(): void {
    const out = this.#out;
    out.flush();
    if (this.#queued.length === 0) return;
    if (out.left === out.queued) this.#queued.length = 0;
    else this.#queued = this.#queued.filter(({ to }) => to > out.left);
  }

  pause(paused: boolean): void {
    if (paused === this.#paused) return;
    this.#paused = paused;
    if (paused) this.#server.pause();
    else this.#server.resume();
  }

  close(): void {
    this.#out.finish();
    this.#server.close();
  }

  stop(): Promise<Ending> {
    return this.#server.stop();
  }

  get closed(): boolean {
    return this.#closed;
  }

  get ending(): Ending | undefined {
    return this.#ending;
  }
}
