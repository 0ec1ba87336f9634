// Greets a new server while the old one still serves: says the host's handshake again, checks that the answer is
// the one the host knows and keeps it, and keeps whatever else the new server says for when it has the session.
import type { Ending } from './endpoint.ts';
import { readEnvelope } from './envelope.ts';
import type { Handshake } from './handshake.ts';
import type { Holder, Upstream } from './upstream.ts';

export interface GreetingOptions {
  readonly handshake: Handshake;
  /** Bytes that are kept, at most; then the new server is read no further. */
  readonly held: number;
  /** Something has changed: look at `state` again. */
  readonly onChange: () => void;
  readonly onStderr: (from: Upstream, chunk: Buffer) => void;
}

/** Has a new server until a session takes it. */
export class Greeting implements Holder {
  readonly #options: GreetingOptions;
  #lines: Buffer[] = [];
  #bytes = 0;
  #completed = false;
  /** `undefined`: still greeting; `true`: ready; else why the server cannot have the session. */
  #state: string | true | undefined;

  constructor(options: GreetingOptions) {
    this.#options = options;
  }

  get state(): string | true | undefined {
    return this.#state;
  }

  /** Whether the server has been told `notifications/initialized`. */
  get completed(): boolean {
    return this.#completed;
  }

  /** Begins. A host that has said no `initialize` needs none said again. */
  greet(server: Upstream): void {
    const { initialize } = this.#options.handshake;
    server.listen();
    if (initialize === undefined) {
      this.#settle(true);
      return;
    }
    server.out.message(initialize);
    server.out.flush();
  }

  /** What the server has said for the host, line by line, each with its line feed. */
  takeLines(): Buffer[] {
    const lines = this.#lines;
    this.#lines = [];
    this.#bytes = 0;
    return lines;
  }

  line(from: Upstream, bytes: Buffer, start: number, end: number): void {
    const { handshake } = this.#options;
    if (this.#state === undefined && handshake.initialize !== undefined) {
      const message = readEnvelope(bytes, start, end);
      if (message.fault === undefined && message.kind === 'response') {
        const result = bytes.subarray(message.resultStart, message.resultEnd);
        const difference = message.failed ? 'does not take the handshake' : handshake.difference(result);
        if (difference === undefined && handshake.initialized !== undefined) {
          this.#completed = true;
          from.out.message(handshake.initialized);
          from.out.flush();
        }
        this.#settle(difference === undefined ? true : `the new server ${difference}`);
        return;
      }
    }
    this.#lines.push(Buffer.concat([bytes.subarray(start, end), LINE_FEED]));
    this.#bytes += end - start + 1;
  }

  /** Too long to be kept; nothing waits for it. */
  oversize(): void {}

  stderr(from: Upstream, chunk: Buffer): void {
    this.#options.onStderr(from, chunk);
  }

  settle(from: Upstream): void {
    from.hold(this.#bytes > this.#options.held);
  }

  drained(): void {}

  closed(): void {
    this.#settle('the new server closed its output');
  }

  ended(_from: Upstream, { code, signal }: Ending): void {
    this.#settle(`the new server ended (${signal ?? `exit code ${code}`})`);
  }

  #settle(state: string | true): void {
    // A failure is for good, and may follow upon readiness.
    if (typeof this.#state === 'string') return;
    this.#state = state;
    this.#options.onChange();
  }
}

const LINE_FEED = Buffer.from('\n');
