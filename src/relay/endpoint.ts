// The two ends of a session as the relay sees them: bytes in, bytes out, ended. What stands behind (a
// launcher on a socket, a child's pipes, later a remote server) is not the relay's affair.

/** One side of a session: newline-delimited JSON-RPC as bytes, both ways, with backpressure. */
export interface Endpoint {
  /** Starts the flow. Called once; `end` comes once, after the last `data`. */
  listen(on: { data(chunk: Buffer): void; end(): void }): void;
  /** Stops and starts the flow of `data`. */
  pause(): void;
  resume(): void;
  /** Queues bytes in order. `false`: taken, but write no more until `onDrain` is called. */
  write(chunks: readonly Uint8Array[]): boolean;
  /** Called each time that a full queue has emptied. One listener. */
  onDrain(listener: () => void): void;
  /** No more will be written: the other side sees the end of its input. */
  close(): void;
}

/** How a server ended: an exit code, or the signal that ended it. */
export interface Ending {
  readonly code: number | null;
  readonly signal: string | null;
}

/** A running server. */
export interface ServerEnd extends Endpoint {
  /** Undefined where the server is no process of this machine. */
  readonly pid: number | undefined;
  /** The server's standard error, as it comes. One listener. */
  onStderr(listener: (chunk: Buffer) => void): void;
  /** Settles when the server itself has ended, for whatever reason; never rejects. */
  readonly ended: Promise<Ending>;
  /** Ends the server and all it started: end of input, 2 s, SIGTERM, 2 s, SIGKILL. Settles when it is gone. */
  stop(): Promise<Ending>;
}
