// What clients may take of the daemon before and beside sessions. Sizes are in bytes, times in milliseconds.

export const BUDGETS = {
  /** Connections that have not said who they are, or were refused: of any more the oldest is closed. */
  unknown: 64,
  /** For the HELLO, and its size. */
  helloTime: 5000,
  hello: 64 * 1024,
  /** Control connections: of any more the one is closed that has been idle for longest. */
  control: 64,
  /** Connections whose session has ended and whose client has not read the end: of any more the oldest is closed. */
  ended: 64,
  /** For a HAND_OVER, whose answer may come after a rotation in each session. */
  handOver: 30_000,
  /** For one that passes on an answer: a person may have to type a password for it. */
  answer: 120_000,
  /** The longest request: it may contain a credential's value. */
  request: 8 * 1024 * 1024,
  /** Members and elements of a request: more would take long to read. */
  requestMembers: 1000,
  /** For a client to read an answer, one at a time; and to read its last bytes when the daemon stops. */
  read: 10_000,
  close: 1000,
} as const;
