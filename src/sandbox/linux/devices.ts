// Devices for the sandboxes of root's servers. bubblewrap shows the machine's own, and a server that runs as the
// machine's root owns them: it could take `/dev/null` away from every program. So root's daemon keeps a set of its
// own, which stand for the same devices, and whose modes are nobody else's.
import { chmodSync, closeSync, mkdirSync, openSync, readSync, rmSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { DEVICES } from '../plan/root.ts';
import type { Kernel } from './kernel.ts';

const MODE = 0o666;

/**
 * Makes the set in a folder, unless it is there, and gives the folder back; `undefined` where that cannot be
 * done: not root, a file system without devices, or no way to the C library.
 */
export function makeDevices(folder: string, kernel: Kernel | undefined): string | undefined {
  if (kernel === undefined) return undefined;
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    for (const path of DEVICES) {
      const { rdev } = statSync(path);
      const own = join(folder, basename(path));
      if (statSync(own, { throwIfNoEntry: false })?.rdev !== rdev) {
        rmSync(own, { force: true });
        if (!kernel.makeDevice(own, MODE, rdev)) return undefined;
      }
      // A server may have changed the mode; and the mask of this process has.
      chmodSync(own, MODE);
    }
    const probe = openSync(join(folder, 'zero'), 'r');
    readSync(probe, Buffer.alloc(1));
    closeSync(probe);
    return folder;
  } catch {
    return undefined;
  }
}
