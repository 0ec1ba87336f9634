// A session at a server of the session era, and one HTTP exchange in it.
import type { HttpResponse } from '../http/client.ts';
import type { PipeParts, RemoteMessage } from '../pipe.ts';
import { exchange, isRepeatable, purposeOf } from './exchange.ts';

export interface Session {
  /** Undefined where the server gives none. */
  readonly id: string | undefined;
  /** The version of the protocol that the server has chosen. */
  readonly version: string | undefined;
  /** Ends its standing stream. */
  readonly controller: AbortController;
}

export interface SessionRequest {
  readonly message?: RemoteMessage;
  readonly lastEventId?: string;
  readonly signal: AbortSignal;
  /** Milliseconds until the head of the response. */
  readonly headTime: number;
  readonly onSent?: () => void;
}

/** The session before the server has answered the handshake. */
export function noSession(): Session {
  return { id: undefined, version: undefined, controller: new AbortController() };
}

/** As `exchange`, with the headers of the session. */
export function exchangeInSession(
  parts: PipeParts,
  method: 'POST' | 'GET' | 'DELETE',
  session: Session,
  { message, lastEventId = '', signal, headTime, onSent }: SessionRequest,
): Promise<HttpResponse> {
  return exchange(parts, {
    method,
    url: parts.server,
    headers: {
      accept: method === 'GET' ? 'text/event-stream' : 'application/json, text/event-stream',
      ...(message !== undefined && { 'content-type': 'application/json' }),
      ...(session.id !== undefined && { 'mcp-session-id': session.id }),
      ...(session.version !== undefined && { 'mcp-protocol-version': session.version }),
      ...(lastEventId !== '' && { 'last-event-id': lastEventId }),
    },
    body: message?.json,
    signal,
    headTime,
    repeatable: method !== 'POST' || isRepeatable(message?.method ?? ''),
    lane: message?.kind === 'request' ? 'requests' : 'control',
    ...purposeOf(message),
    ...(onSent !== undefined && { onSent }),
  });
}
