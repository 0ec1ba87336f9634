// What a server says of itself is missing, or may not be used.
import { WarderError } from '../../errors.ts';

/** `server-metadata`: only whoever runs the server can mend it, unless the hint says otherwise. */
export function metadataError(message: string, hint = 'tell whoever runs the server'): WarderError {
  return new WarderError('server-metadata', message, { hint });
}
