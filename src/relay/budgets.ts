// What one session may take of the daemon. Whatever a host or a server sends, the daemon keeps no more for a
// session than is listed here, and no session waits longer.

/** Bounds of one session. Sizes are in bytes, times in milliseconds. */
export interface Budgets {
  /** The longest line of either side; a longer one is not read, and its request is answered with an error. */
  readonly line: number;
  /** Open requests of either side; more are answered with an error. */
  readonly open: number;
  /** Cancelled requests whose late answers are still recognised; the oldest are forgotten first. */
  readonly late: number;
  /** Messages of the host that wait; the host is read no further. Also what a new server sends before it has the session. */
  readonly waiting: number;
  /** Requests kept to be sent again to a new server: handshake, level of logging, subscriptions. */
  readonly replay: number;
  /** Forms that a server may have the host show its user in a minute; more are answered with an error. */
  readonly forms: number;
  /** Messages in a batch of 2025-03-26. */
  readonly batch: number;
  /** A result of a request of the relay's own. */
  readonly result: number;
  /** An answer to `initialize` or `server/discover`, and what else a server sends before it has the session, each. */
  readonly handshake: number;
  /** Long work of a session: in one turn of the event loop; and while others are busy at once, and a share of the time. */
  readonly slice: number;
  readonly burst: number;
  readonly share: number;
  /** Bytes that are read of a session in one turn of the event loop. */
  readonly turn: number;
  /** What a MiB of a long line, and one of standard error, costs of the time for long work beside that work. */
  readonly linePrice: number;
  readonly stderrPrice: number;
  /** A tool's name as it is recorded, in characters. */
  readonly name: number;
  /** Tools in a list, the bytes of the definition of one, and pages that the relay lists by itself, all within `greet`. */
  readonly entries: number;
  readonly definition: number;
  readonly pages: number;
  /** How long a rotation waits for open requests. */
  readonly drain: number;
  /** How long a new server may take to start, and then to answer a request of the relay's own. */
  readonly greet: number;
  /** How long a new server must live that cannot be asked anything. */
  readonly grace: number;
  /** How long open requests are waited for once the host has ended its input. */
  readonly close: number;
  /** How long a server's last output may take to arrive after it has ended. */
  readonly lastOutput: number;
}

/** The bounds where nothing else is set. */
export const BUDGETS: Budgets = {
  line: 64 * 2 ** 20,
  open: 10_000,
  late: 10_000,
  waiting: 4 * 2 ** 20,
  replay: 4 * 2 ** 20,
  forms: 20,
  batch: 1000,
  result: 16 * 2 ** 20,
  handshake: 2 ** 18,
  slice: 1,
  burst: 50,
  share: 0.1,
  turn: 2 ** 17,
  linePrice: 3,
  stderrPrice: 4,
  name: 1024,
  entries: 10_000,
  definition: 2 ** 20,
  pages: 1000,
  drain: 30_000,
  greet: 30_000,
  grace: 500,
  close: 30_000,
  lastOutput: 500,
};
