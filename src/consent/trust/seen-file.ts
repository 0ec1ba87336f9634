// What was seen to differ from a record, as it is in its file: bounded, since a server may say something else at any time.
import * as z from 'zod';
import { differencesOf, type Sighting } from './compare.ts';
import { copyOf, PART_KINDS, permissionsFile, serverFile, type TrustRecord } from './record.ts';

/** Differences that are kept, and the characters of their texts. */
const MAX_KEPT = 2000;
const MAX_TEXTS = 2 ** 18;

const seenFile = z.strictObject({
  server: serverFile,
  permissions: permissionsFile,
  whole: z.array(z.enum(PART_KINDS)),
  /** Kind, name, digest (`null`: it is no longer there) and text. */
  parts: z.array(z.tuple([z.enum(PART_KINDS), z.string(), z.string().nullable(), z.string().nullable()])),
});

export function seenToFile({ seen, server, permissions }: Sighting, record: TrustRecord): unknown {
  let left = MAX_TEXTS;
  const parts = differencesOf(record.described, seen)
    .slice(0, MAX_KEPT)
    .map(({ kind, name, after }) => {
      const { digest = null, text = null } = after ?? {};
      left -= text?.length ?? 0;
      return [kind, name, digest, left < 0 ? null : text];
    });
  return { server, permissions, whole: [...seen.whole], parts };
}

/** Throws zod's error. */
export function seenFromFile(value: unknown, record: TrustRecord): Sighting {
  const { whole, parts, ...rest } = seenFile.parse(value);
  const described = copyOf(record.described);
  for (const [kind, name, digest, text] of parts) {
    if (digest === null) described[kind].delete(name);
    else described[kind].set(name, { digest, text: text ?? undefined });
  }
  return { ...rest, seen: { described, whole: new Set(whole) } };
}
