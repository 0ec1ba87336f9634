// `notifications/cancelled`: the request of the host that nobody waits for any more.
import { readId } from '../../json/envelope.ts';
import { readMember } from '../../json/read.ts';
import { ownId } from '../../relay/ids.ts';

/** The request that a cancellation is for. */
export function cancelledId(json: Buffer): number | undefined {
  const params = readMember(json, 0, json.length, 'params');
  const id = typeof params === 'string' ? params : readMember(json, params.start, params.end, 'requestId');
  return typeof id === 'string' ? undefined : ownId(readId(json, id.start, id.end));
}
