// What the gate of one session may take of the daemon: whatever its server and its hosts send, the daemon keeps no more
// for them and works no longer in a turn. Sizes are in bytes, times in milliseconds.

const KIB = 1024;
const MIB = 1024 * KIB;

/** The bounds of one session's gate. */
export const BUDGETS = {
  /**
   * The event loop, over all connections: slices of long work in one turn, and how much data makes a slice. Hostile data
   * takes up to 60 ms for a MiB, ordinary data 1 or 2.
   */
  turn: 1,
  slice: 16 * KIB,
  /** Slices at once, and their share of the time after that, if another session was at work within `company`. */
  burst: 20,
  share: 0.25,
  company: 1000,

  /** Open connections; any more are refused. */
  connections: 512,
  /** For the first bytes of a connection, where the client must speak first. */
  firstBytes: 30_000,
  /** For a TLS handshake, on either side. */
  handshake: 15_000,
  /** TLS handshakes at a time on each side: the rest wait. */
  handshakes: 16,

  /** Names that are looked up at a time, and those that wait as well; for how long a look-up that failed counts. */
  lookups: 16,
  waitingLookups: 256,
  failureMemory: 5000,
  rememberedFailures: 256,

  /** A request's head. */
  head: 64 * KIB,
  /** Requests of a connection that wait for the response to another. With any more, the connection is closed. */
  pipelined: 64,
  /** HTTP/2: requests of a connection, and over all; what a side may send before it is read. */
  streams: 100,
  allStreams: 512,
  window: 64 * KIB - 1,
  /** Fields of a head or trailers; frames that are no use. With any more, the request or the connection ends. */
  headerPairs: 256,
  invalidFrames: 100,
  /** Resets of requests: how many at once, and how many a second after that. */
  resets: { burst: 200, rate: 20 },
  /** What Node keeps for a connection, in MB. */
  sessionMemory: 4,
  /** Bodies in memory, over all connections. */
  buffered: 64 * MIB,
  /** Bodies with a declared length up to this are buffered; forms always are, up to `form`. */
  bufferedBody: 256 * KIB,
  form: MIB,
  /** What a buffered body may decode to. */
  decoded: MIB,
  /** A body that must be whole so that it can be signed. */
  signedBody: 16 * MIB,
  /** Until a token is asked for again that could not be made. */
  tokenRetry: 10_000,
  /** The longest response of a token endpoint. */
  tokenResponse: MIB,
  /** For the turn of a request that exchanges a refresh token. */
  refresh: 30_000,
  /**
   * A streamed response: what is forwarded at once; the same where its last piece took less than `quick`; and what waits
   * until the server has read it.
   */
  batch: 64 * KIB,
  largeBatch: 256 * KIB,
  quick: 1,
  unread: 256 * KIB,
  /** Pieces that are written although Node would rather wait: a piece may be one byte, and takes hundreds. */
  writes: 1024,

  /** DNS over TCP: connections, time for a whole query, unread responses; queries that are answered in one slice. */
  dnsConnections: 64,
  dnsQuery: 5000,
  dnsUnread: 64 * KIB,
  dnsQueries: 64,
  /** DNS over UDP: responses that were not sent yet; beyond that no query is answered. */
  dnsUnsent: 64,

  /** The proxy's open connections, and those without its token: of any more the oldest is closed. */
  proxyConnections: 512,
  proxyPending: 64,
  /** For the head of a request to the proxy, and its size. */
  proxyHeadTime: 10_000,
  proxyHead: 16 * KIB,

  /** Different refusals on record: how many at once, and how many a second after that. */
  refusals: { burst: 200, rate: 10 },
  /** Records of what is allowed: the same. */
  records: { burst: 4000, rate: 200 },
  /** Refusals that are remembered to be counted, and how many of these get a record of their own at the end. */
  remembered: 1024,
  closingRecords: 64,
} as const;
