// From 2026-07-28 a server names the subscription that a notification belongs to by the id of the host's
// `subscriptions/listen`. The server knows the relay's own id, and the host gets its own.
import type { Call } from './call.ts';
import { ownId } from './ids.ts';
import { type Envelope, readId } from './json/envelope.ts';
import { type Member, readMember } from './json/read.ts';

const META = '_meta';
const SUBSCRIPTION = 'io.modelcontextprotocol/subscriptionId';

/** The answer that ends a subscription, with the id that the host knows also where the result repeats it. */
export function withSubscription(
  call: Call,
  { resultStart, resultEnd }: Envelope,
  bytes: Buffer,
  start: number,
  end: number,
): Buffer | undefined {
  const meta = readMember(bytes, resultStart, resultEnd, META);
  if (typeof meta === 'string') return undefined;
  const value = subscriptionIn(bytes, meta.start, meta.end);
  if (typeof value === 'string' || ownId(readId(bytes, value.start, value.end)) !== call.ownId)
    return undefined;
  return Buffer.concat([
    bytes.subarray(start, value.start),
    Buffer.from(call.idText),
    bytes.subarray(value.end, end),
  ]);
}

/** Where a `_meta` names a subscription. */
export function subscriptionIn(bytes: Buffer, start: number, end: number): Member {
  return start === -1 ? 'absent' : readMember(bytes, start, end, SUBSCRIPTION);
}
