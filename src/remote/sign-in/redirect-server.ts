// Where the browser comes back to (RFC 8252 section 7.3): a server on 127.0.0.1 that answers one path, once. Any page in the
// browser and any program on the machine can reach it, so it takes nothing but a navigation of the browser to exactly its
// address, with the state that only the authorization server was told. Whatever else comes changes nothing.
//
// A callback is cross-site by nature (the authorization server redirects), so `Sec-Fetch-Site` tells nothing; that it is a
// navigation of a whole window does (`Sec-Fetch-Mode`, `Sec-Fetch-Dest`): a frame, an image, a script or `fetch` of another
// page is refused, and so is all that has an `Origin`. A name that was made to lead to 127.0.0.1 has another `Host`.
import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WarderError } from '../../errors.ts';
import { PAGES, type Page, pageHeaders, renderPage } from './page.ts';

export interface RedirectServerParts {
  /** 0: any that is free. */
  readonly port: number;
  /** Absolute, without a query. */
  readonly path: string;
  /** Whether a state is that of the sign-in. */
  readonly isState: (state: string) => boolean;
  /** The browser has come back, with this URL; once. Settles with the page that it is shown; never rejects. */
  readonly arrived: (url: string) => Promise<Page>;
}

export interface RedirectServer extends AsyncDisposable {
  readonly port: number;
  /** The redirect URI, exactly. */
  readonly uri: string;
}

/** Bytes of a request's head; milliseconds that a client has to send one, and connections at once. */
const MAX_HEAD = 16_384;
const HEAD_TIME = 10_000;
const MAX_CONNECTIONS = 32;

/** Listens. Throws `sign-in-failed` where the port is taken. */
export async function listenForRedirect(parts: RedirectServerParts): Promise<RedirectServer> {
  const server = createServer({
    maxHeaderSize: MAX_HEAD,
    headersTimeout: HEAD_TIME,
    requestTimeout: HEAD_TIME,
    keepAlive: false,
    insecureHTTPParser: false,
  });
  server.maxConnections = MAX_CONNECTIONS;
  const port = await listen(server, parts.port);
  const origin = `http://127.0.0.1:${port}`;
  let hasArrived = false;
  server.on('request', (request, response) => {
    const answer = (status: number, page: Page): void => respond(response, status, page);
    const problem = problemOf(request, { host: `127.0.0.1:${port}`, path: parts.path });
    if (problem !== undefined) return answer(problem, problem === 404 ? PAGES.missing : PAGES.refused);
    if (hasArrived) return answer(410, PAGES.used);
    const url = new URL(request.url ?? '', origin);
    // Each once: of two, one could be the one that is compared and the other the one that is used.
    const states = url.searchParams.getAll('state');
    if (states.length !== 1 || !parts.isState(states[0] ?? '')) return answer(400, PAGES.refused);
    hasArrived = true;
    void parts.arrived(url.href).then((page) => answer(page.status, page));
  });
  // A client that sends no HTTP is no browser.
  server.on('clientError', (_error, socket) => socket.destroy());
  return {
    port,
    uri: `${origin}${parts.path}`,
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      // The last page is on its way.
      const timer = setTimeout(() => server.closeAllConnections(), 1000).unref();
      await closed;
      clearTimeout(timer);
    },
  };
}

/** The status that refuses a request; undefined: it may be the redirect. */
function problemOf(
  { method, url = '', headers }: IncomingMessage,
  expected: { readonly host: string; readonly path: string },
): number | undefined {
  if (headers.host !== expected.host) return 421;
  const path = url.split('?', 1)[0] ?? '';
  if (!isSame(path, expected.path)) return 404;
  if (method !== 'GET') return 405;
  if (headers.origin !== undefined) return 403;
  const mode = headers['sec-fetch-mode'];
  const destination = headers['sec-fetch-dest'];
  if (mode !== undefined && mode !== 'navigate') return 403;
  if (destination !== undefined && destination !== 'document') return 403;
  return undefined;
}

function respond(response: ServerResponse, status: number, page: Page): void {
  response.writeHead(status, { ...pageHeaders(), ...(status === 405 && { allow: 'GET' }) });
  response.end(renderPage(page));
}

/** Compares in a time that does not tell how much is alike. */
export function isSame(one: string, other: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(one), digest(other));
}

async function listen(server: Server, port: number): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen({ host: '127.0.0.1', port, exclusive: true }, resolve);
  try {
    await promise;
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const why = code === 'EADDRINUSE' ? 'is taken by another program' : `cannot be used (${code})`;
    throw new WarderError('sign-in-failed', `port ${port} on 127.0.0.1 ${why}`, {
      hint: 'end that program, or set another "callback-port" in the profile',
      cause,
    });
  } finally {
    server.removeListener('error', reject);
  }
  server.on('error', () => {});
  return (server.address() as AddressInfo).port;
}
