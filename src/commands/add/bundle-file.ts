// Reads the file that describes a server, or has one in it.
import { readFileSync, statSync } from 'node:fs';
import { WarderError } from '../../errors.ts';
import { MAX_BUNDLE } from '../../package/bundle.ts';

/** Bytes. */
const MAX_TEXT = 2 ** 20;

/** A bundle's bytes, or those of a text, which has fewer. Throws `usage`. */
export function readOffered(path: string): Buffer {
  try {
    const stats = statSync(path);
    if (!stats.isFile()) throw new WarderError('usage', `${path} is not a file`);
    if (stats.size > MAX_BUNDLE) throw new WarderError('usage', `${path} has more than ${MAX_BUNDLE} bytes`);
    const bytes = readFileSync(path);
    if (bytes.length > MAX_TEXT && !isArchive(bytes))
      throw new WarderError('usage', `${path} has more than 1 MiB, and is no bundle`);
    return bytes;
  } catch (cause) {
    if (cause instanceof WarderError) throw cause;
    throw new WarderError('usage', `cannot read ${path}`, { cause });
  }
}

/** A bundle's bytes. Throws `usage`. */
export function readBundleFile(path: string): Buffer {
  const bytes = readOffered(path);
  if (isArchive(bytes)) return bytes;
  throw new WarderError('usage', `${path} is no bundle`, { hint: 'a bundle is a file such as server.mcpb' });
}

/** Whether bytes begin as a ZIP archive does. */
export function isArchive(bytes: Buffer): boolean {
  return bytes.subarray(0, 2).toString('latin1') === 'PK';
}
