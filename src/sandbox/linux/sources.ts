// What a sandbox is made of, as it is outside at one time: two sandboxes of the same plan are alike only if that is the same.
import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import { within } from '../plan/path.ts';

/** A file that has changed within so many milliseconds may change once more, and look the same. */
const SETTLED = 2000;

/**
 * States of files of which a sandbox has copies: which file each is, and when it changed. Undefined: one has changed so lately that this does
 * not tell all changes. `now`: milliseconds since 1970.
 */
export function statesOf(files: readonly string[], now: number): readonly string[] | undefined {
  const stats = files.map((file) => statSync(file, { bigint: true, throwIfNoEntry: false }));
  if (stats.some((stat) => stat !== undefined && Math.abs(now - Number(stat.ctimeMs)) < SETTLED))
    return undefined;
  return stats.map((stat) =>
    stat === undefined ? '' : [stat.dev, stat.ino, stat.size, stat.mtimeNs, stat.ctimeNs].join(' '),
  );
}

/** The lines of a mountinfo (proc_pid_mountinfo(5)), read as latin1, of what is mounted at or below some folders. */
export function mountsIn(folders: readonly string[], mountinfo: string): readonly string[] {
  const names = folders.map((folder) => Buffer.from(folder).toString('latin1'));
  return mountinfo.split('\n').filter((line) => names.some((name) => within(mountPointOf(line), name)));
}

/**
 * Whether some files and folders, and what is mounted below them, are on no file systems but those of `others`. `mountinfo`: as for
 * `mountsIn`.
 */
export function areOnFileSystemsOf(
  others: readonly string[],
  paths: readonly { readonly path: string; readonly folder: boolean }[],
  mountinfo: string,
): boolean {
  const known = new Set(others.map(fileSystemOf));
  const mounted = mountsIn(
    paths.map(({ path }) => path),
    mountinfo,
  ).map((line) => Buffer.from(mountPointOf(line), 'latin1').toString());
  // On an overlay a file may have another number than its folder.
  const places = [...paths.map(({ path, folder }) => (folder ? path : dirname(path))), ...mounted];
  return places.every((path) => {
    const own = fileSystemOf(path);
    return own !== undefined && known.has(own);
  });
}

function fileSystemOf(path: string): bigint | undefined {
  try {
    return statSync(path, { bigint: true }).dev;
  } catch {
    return undefined;
  }
}

function mountPointOf(line: string): string {
  const [, , , , at = ''] = line.split(' ');
  return at.replace(/\\([0-7]{3})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 8)));
}
