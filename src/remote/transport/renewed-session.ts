// A session in place of one that the server has forgotten: opened, and told, with what the host has said to the one before
// (2025-11-25, "Session Management", 4).
import type { PipeParts } from '../pipe.ts';
import { discard } from './body.ts';
import type { Flow } from './flow.ts';
import { type Handshake, readIntroduction, sessionIn, versionIn } from './handshake.ts';
import { exchangeInSession, noSession, type Session } from './session.ts';
import { NOTICE_TIME } from './times.ts';

/**
 * Opens the session. Undefined: there is nothing to open it with, or the server introduces itself in another way, as the owner
 * of the pipe is told then. Rejects with a WarderError, or the signal's reason.
 */
export async function renewedSession(
  parts: PipeParts,
  handshake: Handshake,
  flow: Flow,
  signal: AbortSignal,
): Promise<Session | undefined> {
  const { initialize, initialized } = handshake;
  if (initialize === undefined) return undefined;
  const fresh = noSession();
  const about = { signal, headTime: NOTICE_TIME };
  const response = await exchangeInSession(parts, 'POST', fresh, { message: initialize, ...about });
  const id = sessionIn(parts.server, response.headers);
  const result = await readIntroduction(response, initialize.id ?? 0, flow);
  if (result === undefined || !handshake.isSame(result)) {
    parts.listener.lost('the server has ended the session, and introduces itself in another way now');
    return undefined;
  }
  const session: Session = { ...fresh, id, version: versionIn(result) };
  const told = [...(initialized === undefined ? [] : [initialized]), ...handshake.rest()];
  for (const message of told) {
    const { body } = await exchangeInSession(parts, 'POST', session, { message, ...about });
    discard(body);
  }
  return session;
}
