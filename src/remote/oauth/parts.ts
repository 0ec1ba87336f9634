// What the functions of OAuth are given: they open no socket, read no clock and keep nothing themselves.
import type { Clock } from '../../os/clock.ts';
import type { RemoteFetch } from '../http/fetch.ts';

export interface OAuthParts {
  readonly fetch: RemoteFetch;
  readonly clock: Pick<Clock, 'now'>;
  /** So many unpredictable bytes. */
  readonly random: (length: number) => Uint8Array;
  /** The profile allows http for servers on loopback (`insecure-loopback`). */
  readonly insecureLoopback: boolean;
  /** Ends what is under way. */
  readonly signal?: AbortSignal;
}
