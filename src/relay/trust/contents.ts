// The contents of a resource, to compare them with what they were before.

import { digestInSlices, digestOf, MAX_CANONICAL } from '../../json/digest.ts';
import type { Member } from '../../json/read.ts';
import type { Work } from '../flow/slices.ts';

/** The digest of the `contents` of a result: see `digestOf`. Undefined: there are none, or two readers could see two. */
export function* contentsDigest(bytes: Buffer, contents: Member): Work<string | undefined> {
  if (typeof contents === 'string') return undefined;
  const { start, end } = contents;
  if (end - start > MAX_CANONICAL) return yield* digestInSlices([bytes.subarray(start, end)]);
  return digestOf(bytes, contents);
}
