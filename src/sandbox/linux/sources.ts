// What a sandbox is made of, as it is outside at one time: two sandboxes of the same plan are alike only if that is the same.
import { statSync } from 'node:fs';
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
  return mountinfo.split('\n').filter((line) => {
    const [, , , , at = ''] = line.split(' ');
    const path = at.replace(/\\([0-7]{3})/g, (_, code: string) =>
      String.fromCharCode(Number.parseInt(code, 8)),
    );
    return names.some((name) => within(path, name));
  });
}
