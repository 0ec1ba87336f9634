// Single requests of the sign-in and of discovery: small bodies, short times, no redirect followed.
import type { Readable } from 'node:stream';
import { isLoopbackHost } from '../../egress/remote-route.ts';
import { WarderError } from '../../errors.ts';
import { type HttpRequest, hostOf, type RemoteHttp } from './client.ts';
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
const MAX_REDIRECTS = 3;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);
/** Responses that have no body (Fetch, "null body status"). */
const NO_BODY = new Set([204, 205, 304]);
/** Request headers that go to the host of a redirect too. */
const HARMLESS = new Set(['accept', 'mcp-protocol-version']);

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
      const { status, headers } = response;
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

/**
 * GETs a document of metadata, and follows up to three redirects, all of them https, each by the rules of `fetch`. No hop gets
 * another header than `Accept` and `MCP-Protocol-Version`. From the internet none leads to this machine.
 */
export async function followMetadata(
  fetch: RemoteFetch,
  address: string | URL,
  init: RequestInit = {},
): Promise<Response> {
  let url = new URL(address);
  const seen = new Set<string>();
  const headers = [...new Headers(init.headers)].filter(([name]) => HARMLESS.has(name));
  for (let redirects = 0; ; redirects++) {
    seen.add(url.href);
    const response = await fetch(url, { method: 'GET', headers, signal: init.signal ?? null });
    if (!REDIRECTS.has(response.status)) return response;
    const refuse = (what: string): WarderError =>
      new WarderError('remote-refused', `a redirect from "${url.host}" is not followed: ${what}`, {
        hint: 'set the URL to the place where the metadata is',
      });
    const location = response.headers.get('location');
    const next = location === null ? null : URL.parse(location, url.href);
    if (next === null) throw refuse('it names no URL');
    next.hash = '';
    if (redirects === MAX_REDIRECTS) throw refuse(`there were ${MAX_REDIRECTS} before it`);
    if (seen.has(next.href)) throw refuse('it leads in a circle');
    if (next.protocol !== 'https:' && next.origin !== url.origin) throw refuse('it does not lead to https');
    if (isLoopbackHost(hostOf(next.hostname)) && !isLoopbackHost(hostOf(url.hostname)))
      throw refuse('it leads to this machine');
    url = next;
  }
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
