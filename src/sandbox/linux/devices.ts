// Device files for the sandboxes of root's servers. bubblewrap binds the machine's own files, and a server that runs as
// root owns them: it could make `/dev/null` unusable for every program. So root's daemon keeps its own set of files, which
// refer to the same devices but have their own modes.
import { chmodSync, closeSync, mkdirSync, openSync, readSync, rmSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { DEVICES } from '../plan/root.ts';
import type { Kernel } from './kernel.ts';

const MODE = 0o666;

/**
 * Makes the device files in a folder, unless they exist, and returns the folder. `undefined` if that is not possible:
 * the user is not root, the file system does not allow devices, or the C library cannot be called.
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
      // This process's umask has changed the mode, and a server may have.
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
