// What was seen to differ from a record, as it is in its file. What is as the record says is named by its digest alone.
import * as z from 'zod';
import type { Sighting } from './compare.ts';
import { emptyDescribed, PART_KINDS, permissionsFile, serverFile, type TrustRecord } from './record.ts';

const seenFile = z.strictObject({
  server: serverFile,
  permissions: permissionsFile,
  whole: z.array(z.enum(PART_KINDS)),
  parts: z.array(z.tuple([z.enum(PART_KINDS), z.string(), z.string(), z.string().nullable()])),
});

export function seenToFile({ seen, server, permissions }: Sighting, record: TrustRecord): unknown {
  const parts = PART_KINDS.flatMap((kind) =>
    [...seen.described[kind]].map(([name, { digest, text }]) => {
      const isSame = record.described[kind].get(name)?.digest === digest;
      return [kind, name, digest, isSame ? null : (text ?? null)];
    }),
  );
  return { server, permissions, whole: [...seen.whole], parts };
}

/** Throws zod's error. */
export function seenFromFile(value: unknown, record: TrustRecord): Sighting {
  const { whole, parts, ...rest } = seenFile.parse(value);
  const described = emptyDescribed();
  for (const [kind, name, digest, text] of parts) {
    const accepted = record.described[kind].get(name);
    described[kind].set(name, accepted?.digest === digest ? accepted : { digest, text: text ?? undefined });
  }
  return { ...rest, seen: { described, whole: new Set(whole) } };
}
