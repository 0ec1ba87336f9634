// The two ends of a session as the relay sees them: bytes in, bytes out, ended. What stands behind (a
// launcher on a socket, a child's pipes) is not the relay's affair. A server may have another side: see upstream.ts.
import type { Ending } from '../os/spawn.ts';

/** One side of a session: newline-delimited JSON-RPC as bytes, both ways, with backpressure. */
export interface Endpoint {
  /**
   * Starts the flow. Called once; `end` comes once, after the last `data`. A chunk is the relay's to keep. `room`: where the next
   * bytes are best read to, as many as fit there, if not anywhere: they are the next `data` then.
   */
  listen(on: { data(chunk: Buffer): void; end(): void; room?(): Buffer | undefined }): void;
  /** Stops and starts the flow of `data`. A chunk that is on its way already may still come. */
  pause(): void;
  resume(): void;
  /**
   * Queues bytes in order. `false`: taken, but write no more until `onDrain` is called. Once the other side is
   * gone, bytes are dropped and the answer is `true`; an owed `onDrain` is called all the same. `done` is called later, when
   * nothing looks at the chunks any more; it need not be.
   */
  write(chunks: readonly Uint8Array[], done?: () => void): boolean;
  /** Called each time that a full queue has emptied, never from within `write`. One listener. */
  onDrain(listener: () => void): void;
  /** No more will be written: the other side sees the end of its input. May be called more than once. */
  close(): void;
}

/** The host's side: what a launcher shows the host as its server's output. */
export interface HostEnd extends Endpoint {
  /** As `write`, to the host's view of the server's standard error. Both share one queue and one `onDrain`. */
  writeStderr(chunks: readonly Uint8Array[]): boolean;
  /**
   * Aborted once nobody reads any more, or nobody is to: then nothing that is open is waited for. The `end` of its
   * input alone is no such thing: a client may write its requests, close, and read on.
   */
  readonly gone: AbortSignal;
}

/** A running server. `pause` and `resume` hold for its standard error too. */
export interface ServerEnd extends Endpoint {
  /** Undefined where it could not be learned. */
  readonly pid: number | undefined;
  /** The server's standard error, as it comes. One listener. */
  onStderr(listener: (chunk: Buffer) => void): void;
  /** Settles when the server itself has ended, for whatever reason; never rejects. */
  readonly ended: Promise<Ending>;
  /**
   * Ends the server and all it started: end of input, 2 s, SIGTERM, 2 s, SIGKILL. Settles when it is gone; never
   * rejects. May be called more than once.
   */
  stop(): Promise<Ending>;
}
