// One HTTP exchange with the server: authorized, recorded, and sent again where the authorizer says so. A token is sent to the
// server of the profile alone: redirects are not followed, and no other URL gets here but one of the same origin.
import { setTimeout as delay } from 'node:timers/promises';
import { WarderError } from '../../errors.ts';
import type { Authorized } from '../authorizer.ts';
import type { HttpRequest, HttpResponse } from '../http/client.ts';
import type { AuthorizedRequest, PipeParts, RemoteMessage } from '../pipe.ts';
import { discard } from './body.ts';

export interface ExchangeRequest extends Omit<HttpRequest, 'headers'> {
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** The relay's id of the message, if it is a request. */
  readonly id: number | undefined;
  /** The relay's id of the request that waits for this one, which is Warder's own. */
  readonly waitedFor?: number | undefined;
  /** A request of the host that does something: a person may be asked for it. */
  readonly acts: boolean;
}

type ExchangeParts = Pick<PipeParts, 'server' | 'headers' | 'http' | 'authorizer' | 'ledger' | 'listener'>;

/** How often a request is authorized anew; the authorizer gives up earlier. */
const MAX_ATTEMPTS = 8;
/** How often a server that is busy is asked again, and the longest time in seconds that it may ask for. */
const MAX_BUSY = 3;
const MAX_RETRY_AFTER = 10;

/** Methods of requests that do something for the host's user, rather than tell what there is. */
const ACTS = /^(?:tools\/call|prompts\/get|resources\/(?:read|subscribe)|completion\/complete|tasks\/.+)$/;

/** Methods of requests that tell what there is: they may be sent again where a kept connection turns out to be closed. */
const REPEATABLE =
  /^(?:initialize|server\/discover|ping|.+\/list|resources\/read|prompts\/get|completion\/complete|logging\/setLevel|tasks\/get)$/;

/** Whether a request may be sent again although the server may have had it. */
export function isRepeatable(method: string): boolean {
  return REPEATABLE.test(method);
}

/** Whether a request of the method does something, so that a person may be asked to sign in for it. */
export function acts(method: string): boolean {
  return ACTS.test(method);
}

/** Whose the message of an exchange is, and whether a person may be asked for it. */
export function purposeOf(message?: RemoteMessage): Pick<ExchangeRequest, 'id' | 'waitedFor' | 'acts'> {
  const { kind, id, method = '', waitedFor } = message ?? {};
  return { id, waitedFor, acts: kind === 'request' && (acts(method) || waitedFor !== undefined) };
}

/** The response, whatever its status but 401 and 403. Rejects with a WarderError, or the signal's reason. */
export async function exchange(parts: ExchangeParts, request: ExchangeRequest): Promise<HttpResponse> {
  const { url, signal } = request;
  if (url.origin !== parts.server.origin)
    throw new WarderError('remote-refused', `"${url.host}" is not the server of this profile`);
  let busy = 0;
  for (let attempt = 1; ; ) {
    const authorized = await parts.authorizer.authorize({ method: request.method, url, signal });
    const response = await send(parts, request, authorized);
    const { status } = response;
    if (status === 401 || status === 403) {
      discard(response.body);
      const verdict = await askAgain(parts, request, authorized, response, attempt++);
      if (verdict !== 'again') throw verdict;
      continue;
    }
    const wait = busy < MAX_BUSY ? busyTime(response) : undefined;
    if (wait === undefined) return response;
    busy++;
    discard(response.body);
    await delay(wait * 1000, undefined, { signal });
  }
}

async function send(
  parts: ExchangeParts,
  request: ExchangeRequest,
  { headers, mark }: Authorized,
): Promise<HttpResponse> {
  const { url, method, id, signal } = request;
  const recorded: AuthorizedRequest | undefined = mark && { mark, url, method, id };
  if (recorded !== undefined) {
    await parts.ledger.pace();
    signal.throwIfAborted();
    parts.ledger.recordUse(recorded);
  }
  try {
    const response = await parts.http.request({
      ...request,
      headers: { ...lower(parts.headers), ...request.headers, ...lower(headers) },
    });
    if (recorded !== undefined) parts.ledger.recordAnswer(recorded, response.status);
    parts.authorizer.answered(response.headers);
    return response;
  } catch (error) {
    if (recorded !== undefined)
      parts.ledger.recordNoAnswer(recorded, error instanceof WarderError ? error.message : 'ended');
    throw error;
  }
}

async function askAgain(
  { authorizer, listener }: ExchangeParts,
  { url, method, id, waitedFor, signal, acts }: ExchangeRequest,
  sent: Authorized,
  { status, headers }: HttpResponse,
  attempt: number,
): Promise<'again' | WarderError> {
  if (attempt > MAX_ATTEMPTS)
    return new WarderError('sign-in-failed', `"${url.host}" answers ${status} again and again`);
  let waited = false;
  const waits = (text: string): void => {
    if (id === undefined) return;
    waited = true;
    listener.waiting(id, text);
  };
  try {
    const challenge = headers.get('www-authenticate');
    return await authorizer.refused({
      status,
      challenge,
      headers,
      sent,
      attempt,
      method,
      url,
      signal,
      id: waitedFor ?? id,
      acts,
      waits,
    });
  } finally {
    if (waited && id !== undefined) listener.waiting(id, undefined);
  }
}

/** Seconds after which a server that has done nothing yet wants to be asked again. */
function busyTime({ status, headers }: HttpResponse): number | undefined {
  const after = headers.get('retry-after') ?? '';
  if ((status !== 429 && status !== 503) || !/^\d{1,6}$/.test(after)) return undefined;
  return Number(after) <= MAX_RETRY_AFTER ? Number(after) : undefined;
}

/** Those of the profile and of a token are the same for many requests. */
const LOWERED = new WeakMap<object, Readonly<Record<string, string>>>();

function lower(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const known = LOWERED.get(headers);
  if (known !== undefined) return known;
  const lowered = Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]),
  );
  LOWERED.set(headers, lowered);
  return lowered;
}
