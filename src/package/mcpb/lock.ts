// What came of a bundle (MCPB): which archive it was, and how its server starts.
import * as z from 'zod';
import { python } from '../pypi/lock.ts';

/** Variables that make programs load code, with the folders in the bundle that they name; `.` is all of it. */
const paths = z.record(z.string().regex(/^[A-Z_]+$/), z.array(z.string().min(1)).min(1));

/** The member `mcpb` of a package's lock. */
export const mcpbLock = z.strictObject({
  /** As in the profile's `package`. */
  name: z.string(),
  version: z.string(),
  /** SHA-256 of the bundle's file, hex. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  /** What runs it: Warder's node, a Python, or nothing else than the program in `bin`. */
  runtime: z.enum(['node', 'python', 'binary']),
  paths,
  python: python.optional(),
});

export type McpbLock = z.infer<typeof mcpbLock>;

/** The bundle, and `Python` (no bundle is called so), each to its version and hash. */
export function mcpbVersions({
  name,
  version,
  sha256,
  python: found,
}: McpbLock): Map<string, { version: string; hash: string }> {
  return new Map([
    ...(found === undefined ? [] : [['Python', { version: found.version, hash: found.tag }] as const]),
    [name, { version, hash: sha256 }] as const,
  ]);
}
