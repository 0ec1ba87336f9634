// A connection that the gate decrypts, and the one to the host that belongs to it.
import type * as http from 'node:http';
import type { Duplex } from 'node:stream';
import type { Route } from './forwarder.ts';
import type { RequestContext } from './substitution.ts';

/** Where a connection of the server leads, and how to get there. */
export interface Upstream extends Route {
  /** Connects to the host: dialled and verified. Rejects with `EgressRefusal` or with what failed. */
  connect(): Promise<Duplex>;
}

/** A connection that is being served, and what it has used. */
export interface HttpConnection {
  readonly upstream: Upstream;
  readonly agent: http.Agent;
  readonly usedCredentials: Set<string>;
  client: Duplex;
  upstreamSocket: Duplex | undefined;
  pending: number;
  /** Settles when all requests so far are finished: requests leave in their order. */
  lastRequest: Promise<void>;
  /** The request that is being forwarded. */
  current: { context: RequestContext; outgoing: http.ClientRequest | undefined } | undefined;
  /** A request has arrived. */
  hasRequest: boolean;
  /** Aborted when the server has closed it. */
  readonly gone: AbortSignal;
}
