// What of a request a person is shown, and the digest by which an answer is known to be about it.

import { digest, digestOf } from '../../json/digest.ts';
import type { Range } from '../../json/read.ts';
import { readArguments } from '../../policy/arguments.ts';
import type { ConsentOutcome } from '../consent.ts';
import { askedOf } from './retry.ts';

/** Longer arguments, in bytes, are shown to nobody: whoever agreed would not know to what. */
const MAX_SHOWN = 65_536;
/** Of longer `params`, in bytes, nothing is left out before they are found to be too long. */
const MAX_PARAMS = 4 * MAX_SHOWN;
const EMPTY = '{}';
/** In the place of the digest of those: no answer was ever about it. */
const UNREAD = 'unread';

const TOO_LONG: ConsentOutcome = {
  decision: 'deny',
  rule: 'consent.long',
  reason: `arguments of more than ${MAX_SHOWN} bytes cannot be shown to the user, who is to be asked; the policy can allow the tool`,
};

/** What a request with these `params` asks, without what belongs to one sending of it; undefined: nothing. */
export function askedWith(bytes: Buffer, params: Range): Buffer | undefined {
  const { start, end } = params;
  if (start === -1) return undefined;
  if (end - start > MAX_PARAMS) return bytes.subarray(start, end);
  const asked = askedOf(bytes, params);
  return asked.length > EMPTY.length ? asked : undefined;
}

/** A digest that only equal values share: canonical where every reader sees the same numbers, else of the bytes. */
export function exactDigest(asked: Buffer | undefined): string {
  if (asked === undefined) return digest(EMPTY);
  if (asked.length > MAX_SHOWN) return UNREAD;
  if ('unjudged' in readArguments(asked.toString())) return digest(asked);
  return digestOf(asked, { start: 0, end: asked.length });
}

/** The answer to what nobody can be asked about, as it is too long; undefined: somebody can. */
export function unaskable(askedDigest: string): ConsentOutcome | undefined {
  return askedDigest === UNREAD ? TOO_LONG : undefined;
}
