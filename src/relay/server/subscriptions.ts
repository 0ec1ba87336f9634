// From 2026-07-28 a server names the subscription that a notification belongs to by the id of the host's
// `subscriptions/listen`. The server knows the relay's own id, and the host gets its own.

import { type Envelope, readId } from '../../json/envelope.ts';
import { type Member, readMember } from '../../json/read.ts';
import type { Call } from '../call.ts';
import { ownId } from '../ids.ts';
import type { ListShape } from '../listed-kinds.ts';

const META = '_meta';
/** The first byte of `true`. */
const TRUE = 0x74;
const SUBSCRIPTION = 'io.modelcontextprotocol/subscriptionId';

/**
 * The answer that ends a subscription, with the id that the host knows also where the result repeats it. `absent`: it does
 * not; `ambiguous`: readers could see different ids, or that of another subscription.
 */
export function withSubscription(
  call: Call,
  { resultStart, resultEnd }: Envelope,
  bytes: Buffer,
  start: number,
  end: number,
): Buffer | 'absent' | 'ambiguous' {
  const meta = readMember(bytes, resultStart, resultEnd, META);
  if (typeof meta === 'string') return meta;
  const value = subscriptionIn(bytes, meta.start, meta.end);
  if (typeof value === 'string') return value;
  if (ownId(readId(bytes, value.start, value.end)) !== call.ownId) return 'ambiguous';
  return Buffer.concat([
    bytes.subarray(start, value.start),
    Buffer.from(call.idText),
    bytes.subarray(value.end, end),
  ]);
}

/** Whether a subscription is to be told that a list has changed: `wanted` is the member of the filter. */
export function wantsChanges({ params }: Call, wanted: ListShape['wanted']): boolean {
  if (params === undefined) return false;
  const filter = readMember(params, 0, params.length, 'notifications');
  if (typeof filter === 'string') return false;
  const value = readMember(params, filter.start, filter.end, wanted);
  return typeof value !== 'string' && params[value.start] === TRUE;
}

/** The `params` of a notification of the relay's own to a subscription. */
export function paramsFor({ idText }: Call): string {
  return `{"_meta":{"${SUBSCRIPTION}":${idText}}}`;
}

/** Where a `_meta` names a subscription. */
export function subscriptionIn(bytes: Buffer, start: number, end: number): Member {
  return start === -1 ? 'absent' : readMember(bytes, start, end, SUBSCRIPTION);
}
