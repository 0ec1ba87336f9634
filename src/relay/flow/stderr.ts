// What servers write to standard error goes to the host, redacted. A credential may come in pieces: what may be the
// beginning of one waits until more has come, or the server has ended.

import type { HostEnd } from '../endpoint.ts';
import type { Current, Redaction } from '../upstream/current.ts';
import type { Upstream } from '../upstream.ts';
import type { Outbox } from './outbox.ts';

export interface StderrOptions {
  readonly host: HostEnd;
  readonly toHost: Outbox;
  readonly current: Current;
}

const NOTHING = Buffer.alloc(0);
/** Bytes that are kept of what a server has written last, and the characters of it that an error carries. */
const KEPT = 2048;
const MAX_LAST_WORDS = 500;

export class Stderr {
  readonly #options: StderrOptions;
  readonly #streams = new WeakMap<Upstream, ReturnType<Redaction['stream']>>();

  readonly #last = new WeakMap<Upstream, Buffer>();

  constructor(options: StderrOptions) {
    this.#options = options;
  }

  /** A server has written. That of a server which has not the session passes only while there is room. */
  pass(from: Upstream, chunk: Buffer): void {
    const { toHost, current } = this.#options;
    const { upstream, redactor } = current;
    if (toHost.full && from !== upstream) return;
    let stream = this.#streams.get(from);
    if (stream === undefined) {
      stream = redactor.stream();
      this.#streams.set(from, stream);
    }
    this.#write(from, stream.push(chunk));
  }

  /** A server writes no more. */
  end(from: Upstream): void {
    this.#write(from, this.#streams.get(from)?.flush() ?? []);
  }

  /** What a server has written last, as one line and redacted; undefined if nothing. */
  lastWords(from: Upstream): string | undefined {
    const text = this.#last.get(from)?.toString() ?? '';
    const line = text.replace(/[\p{Cc}\p{Cf}\s]+/gu, ' ').trim();
    return line === '' ? undefined : line.slice(-MAX_LAST_WORDS).toWellFormed();
  }

  #write(from: Upstream, pieces: Buffer[]): void {
    if (pieces.length === 0) return;
    const tails = pieces.slice(-KEPT).map((piece) => piece.subarray(-KEPT));
    this.#last.set(
      from,
      Buffer.from(Buffer.concat([this.#last.get(from) ?? NOTHING, ...tails]).subarray(-KEPT)),
    );
    const { host, toHost } = this.#options;
    if (!host.writeStderr(pieces)) toHost.fill();
  }
}
