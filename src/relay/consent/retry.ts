// Requests that are made again with what was asked for (2026-07-28): the members of `params` by which they are. The
// server's own stay what they are; those of the relay are put in and taken out again. All other bytes stay as they came.
import { type Keys, keysOf, NO_KEY } from '../../json/member.ts';
import { type NamedMember, type Range, readMembers } from '../../json/read.ts';

/** `requestState` and `inputResponses`, and other spellings of these. */
const RETRY = keysOf({ requestState: 0, inputResponses: 1 });
/** What belongs to one sending of a request, and not to what it asks. */
const SENDING = keysOf({ requestState: 0, inputResponses: 1, _meta: 2 });

/** The members of a request's `params` by which it is made again, as JSON text. */
export function retryMembers(bytes: Buffer, params: Range): Buffer[] {
  const members = [...readMembers(bytes, params.start, params.end, RETRY)];
  return members.filter(({ slot }) => slot !== NO_KEY).map(textOf(bytes));
}

/** The line from `start` to `end` whose `params` have these members in the place of those by which it is made again. */
export function withRetryMembers(
  bytes: Buffer,
  start: number,
  end: number,
  params: Range,
  members: readonly Buffer[],
): Buffer {
  const kept = [...without(bytes, params, RETRY), ...members];
  return Buffer.concat([
    bytes.subarray(start, params.start),
    objectOf(kept),
    bytes.subarray(params.end, end),
  ]);
}

/** What a request asks: its `params` without what belongs to this one sending. */
export function askedOf(bytes: Buffer, params: Range): Buffer {
  return objectOf(without(bytes, params, SENDING));
}

function without(bytes: Buffer, { start, end }: Range, keys: Keys): Buffer[] {
  const members = [...readMembers(bytes, start, end, keys)];
  return members.filter(({ slot }) => slot === NO_KEY).map(textOf(bytes));
}

function textOf(bytes: Buffer): (member: NamedMember) => Buffer {
  return ({ start, end }) => bytes.subarray(start, end);
}

function objectOf(members: readonly Buffer[]): Buffer {
  const pieces = members.flatMap((member, at) => (at === 0 ? [member] : [COMMA, member]));
  return Buffer.concat([OPEN, ...pieces, CLOSE]);
}

const OPEN = Buffer.from('{');
const COMMA = Buffer.from(',');
const CLOSE = Buffer.from('}');
