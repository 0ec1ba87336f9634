// Why a remote server cannot be asked, and how a host is told so.

import { WarderError } from '../../errors.ts';
import { memberIn, whole } from '../../json/read.ts';
import { ANSWER } from '../../relay/error-response.ts';
import { inWords, toolResult } from '../offline/sign-in-tool.ts';
import { error, result } from './messages.ts';
import { CALL, type Era, SESSION_VERSIONS, shortText } from './protocol.ts';

export const LOST = new WarderError('remote-unreachable', 'the server has ended the session', {
  hint: 'try again',
});
export const UNOPENED = 'the session could not be opened';

/** What an error says that answers a handshake of Warder's own; its JSON text. */
export function problemIn(text: Buffer, isAuthorized: boolean): WarderError {
  const message = shortText(text, memberIn(text, whole(text), 'message'));
  const hint = shortText(text, memberIn(text, memberIn(text, whole(text), 'data'), 'hint'));
  const what = message ?? 'the server has not taken the handshake';
  const code = isAuthorized ? 'remote-unreachable' : 'sign-in-needed';
  return new WarderError(code, what, hint === undefined ? {} : { hint });
}

/** Why a session cannot go on with what its server says of itself now. */
export function versionProblem(era: Era, said: Buffer): WarderError | undefined {
  if (era === 'stateless') return undefined;
  const version = shortText(said, memberIn(said, whole(said), 'protocolVersion'));
  if (SESSION_VERSIONS.some((known) => known === version)) return undefined;
  return new WarderError(
    'remote-refused',
    `the server speaks version ${JSON.stringify(version ?? 'none')} of the protocol, which the host was not told`,
    { hint: 'start the session again' },
  );
}

/** The answer to a request that cannot go to the server. Of a tool call a model reads why. */
export function refusalBy(problem: WarderError, era: Era, id: number, method: string): Buffer {
  if (method === CALL) return result(id, toolResult(era, inWords(problem), true));
  const { code, message, hint } = problem;
  return error(id, ANSWER.refused, message, { code, hint });
}
