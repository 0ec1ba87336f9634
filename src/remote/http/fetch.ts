// Single requests of the sign-in and of discovery: small bodies, short times, no redirect followed.
import type { Readable } from 'node:stream';
import type { HttpRequest, RemoteHttp } from './client.ts';
import { badAnswer, problemOf } from './problem.ts';

/**
 * As `fetch`, with these rules. Every URL is https (http only where the profile allows it, and only to loopback). Each
 * connection is dialled by the gate's dialler: addresses are judged after resolution and recorded before the first packet,
 * and the proxy and the authorities of the settings are used. A redirect is never followed: the 3xx is the response. Heads,
 * bodies (also decoded ones) and times are limited. There are no cookies and no ambient credentials. Rejects with a
 * WarderError: `remote-unreachable`, `remote-refused`, `audit-unwritable`.
 */
export type RemoteFetch = (url: string | URL, init?: RequestInit) => Promise<Response>;

/** The longest body in bytes, and milliseconds for all of it. */
const MAX_BODY = 2 ** 20;
const TIME = 30_000;
/** Responses that have no body (Fetch, "null body status"). */
const NO_BODY = new Set([204, 205, 304]);

/** `fetch` by way of a session's connections. */
export function openFetch(http: Pick<RemoteHttp, 'request'>): RemoteFetch {
  return async (address, init = {}) => {
    const url = new URL(address);
    url.hash = '';
    const limit = AbortSignal.timeout(TIME);
    const signal = init.signal == null ? limit : AbortSignal.any([limit, init.signal]);
    // `Request` knows all kinds of bodies, and which content type each has.
    const request = new Request('https://any.invalid/', { ...init, signal: null, redirect: 'manual' });
    const body = request.body === null ? undefined : Buffer.from(await request.arrayBuffer());
    const sent: HttpRequest = {
      method: request.method,
      url,
      headers: Object.fromEntries(request.headers),
      body,
      signal,
      headTime: TIME,
      repeatable: request.method === 'GET',
      lane: 'requests',
    };
    try {
      const response = await http.request(sent);
      const { status } = response;
      const headers = new Headers([...response.headers]);
      const whole = await readBody(url, response.body);
      headers.delete('content-encoding');
      headers.delete('content-length');
      return new Response(NO_BODY.has(status) ? null : whole, { status, headers });
    } catch (error) {
      init.signal?.throwIfAborted();
      if (limit.aborted) throw badAnswer(url, 'does not answer in time');
      throw problemOf(url, error);
    }
  };
}

async function readBody(url: URL, body: Readable): Promise<Buffer<ArrayBuffer>> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of body) {
    length += (piece as Buffer).length;
    if (length > MAX_BODY) throw badAnswer(url, `answers with more than ${MAX_BODY} bytes`);
    pieces.push(piece as Buffer);
  }
  return Buffer.concat(pieces);
}
