// Errors of servers of the session era, as the stateless era has them. There -32002 is a fault in the parameters, and codes
// from -32020 to -32099 mean what the protocol says alone.
import { memberIn, whole } from '../../json/read.ts';
import { BAD_PARAMS, INTERNAL, type Incoming } from './messages.ts';
import { replaced, textOf } from './objects.ts';

const NOT_FOUND = -32002;
/** The server wants URLs to be visited first: up to 2025-11-25. */
export const VISIT_FIRST = -32042;

/** The code of the error in a message; undefined where it has none. */
export function codeOf({ json }: Incoming): number | undefined {
  const code = memberIn(json, memberIn(json, whole(json), 'error'), 'code');
  const value = code === undefined ? Number.NaN : Number(textOf(json, code));
  return Number.isInteger(value) ? value : undefined;
}

/** The message with a code that the stateless era knows. */
export function errorForStateless(message: Incoming): Buffer {
  const { json } = message;
  const code = codeOf(message);
  const range = memberIn(json, memberIn(json, whole(json), 'error'), 'code');
  if (code === undefined || range === undefined) return json;
  const isReserved = code <= -32020 && code >= -32099;
  if (code !== NOT_FOUND && !isReserved) return json;
  return replaced(json, range, Buffer.from(String(code === NOT_FOUND ? BAD_PARAMS : INTERNAL)));
}
