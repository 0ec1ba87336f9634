// What the functions of OAuth are given: they open no socket, read no clock and keep nothing themselves.
import { allowInsecureRequests, customFetch } from 'oauth4webapi';
import type { RemoteFetch } from '../http/fetch.ts';

export interface OAuthParts {
  readonly fetch: RemoteFetch;
  /** Milliseconds since the epoch. */
  readonly clock: { now(): number };
  /** So many unpredictable bytes. */
  readonly random: (length: number) => Uint8Array;
  /** The profile allows http for servers on loopback (`insecure-loopback`). */
  readonly insecureLoopback: boolean;
  /** Ends what is under way. */
  readonly signal?: AbortSignal;
}

/** A text of so many random bytes, for `state`, verifiers and the like. */
export function randomText(parts: Pick<OAuthParts, 'random'>, bytes = 32): string {
  return Buffer.from(parts.random(bytes)).toString('base64url');
}

/** How oauth4webapi makes a request for us. Endpoints were checked when the metadata was read. */
export function requestOptions(parts: OAuthParts, headers: Readonly<Record<string, string>> = {}) {
  return {
    [customFetch]: (url: string, init: RequestInit) => parts.fetch(url, init),
    [allowInsecureRequests]: parts.insecureLoopback,
    headers: { 'user-agent': 'warder', ...headers },
    ...(parts.signal && { signal: parts.signal }),
  };
}
