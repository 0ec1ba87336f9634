// Greets a new server while the old one still serves: finds out that it works, and keeps what it says for the host
// until it has the session. A server of a host that has said `initialize` is told the same, and must answer as the
// old one did; else it is asked `server/discover` in the host's name; and where the host has said nothing by which
// to ask, the server has to live for a while.
import type { Ending } from '../os/spawn.ts';
import type { Handshake } from './handshake.ts';
import { readEnvelope } from './json/envelope.ts';
import type { Holder, Upstream } from './upstream.ts';

export interface GreetingOptions {
  readonly handshake: Handshake;
  /** An id that the host does not use. */
  readonly id: string;
  /** Milliseconds that a server has to live of which nothing can be asked. */
  readonly grace: number;
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
  #grace: NodeJS.Timeout | undefined;
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

  /** Begins. */
  greet(server: Upstream): void {
    const { handshake, id, grace } = this.#options;
    server.listen();
    if (handshake.initialize !== undefined) {
      server.out.message(handshake.initialize);
    } else if (handshake.meta !== undefined) {
      const head = `{"jsonrpc":"2.0","id":"${id}","method":"server/discover","params":{"_meta":`;
      server.out.message(Buffer.concat([Buffer.from(head), handshake.meta, CLOSE]));
    } else {
      this.#grace = setTimeout(() => this.#settle(true), grace);
    }
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
    if (this.#state === undefined) {
      const message = readEnvelope(bytes, start, end);
      if (message.fault === undefined && message.kind === 'response') {
        const result = bytes.subarray(message.resultStart, message.resultEnd);
        this.#answered(from, message.failed ? undefined : result);
        return;
      }
    }
    this.#lines.push(Buffer.concat([bytes.subarray(start, end), LINE_FEED]));
    this.#bytes += end - start + 1;
  }

  /** The server has answered what it was asked; `result` is undefined if it was an error. */
  #answered(from: Upstream, result: Buffer | undefined): void {
    const { handshake } = this.#options;
    let difference: string | undefined;
    if (handshake.initialize !== undefined) {
      difference = result === undefined ? 'does not take the handshake' : handshake.difference(result);
    } else if (result !== undefined) {
      // An error will do as well: the server works, and the host knows what it can ask of it.
      difference = handshake.discrepancy(result);
    }
    if (
      difference === undefined &&
      handshake.initialize !== undefined &&
      handshake.initialized !== undefined
    ) {
      this.#completed = true;
      from.out.message(handshake.initialized);
      from.out.flush();
    }
    this.#settle(difference === undefined ? true : `the new server ${difference}`);
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
    clearTimeout(this.#grace);
    this.#state = state;
    this.#options.onChange();
  }
}

const LINE_FEED = Buffer.from('\n');
const CLOSE = Buffer.from('}}');
