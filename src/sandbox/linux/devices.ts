// Device files for the sandboxes of root's servers. bubblewrap binds the machine's own files, and a server that runs as
// root owns them: it could make `/dev/null` unusable for every program. So each sandbox gets a set of files of its own, which
// refer to the same devices but have their own modes.

import { randomBytes } from 'node:crypto';
import { chmodSync, closeSync, mkdirSync, openSync, readdirSync, readSync, rmSync, statSync } from 'node:fs';
import { rmdir, unlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { DEVICES } from '../plan/root.ts';
import type { Kernel } from './kernel.ts';

const MODE = 0o666;

/** A set of device files. Disposing removes them, at once or beside other work; a sandbox that has them keeps them. */
export interface DeviceFiles extends Disposable, AsyncDisposable {
  /** The folder that they are in. */
  readonly folder: string;
}

/** Whether this user owns any of the machine's devices, and with it the right to change its mode. */
export function ownsDevices(uid: number): boolean {
  return DEVICES.some((path) => statSync(path, { throwIfNoEntry: false })?.uid === uid);
}

/**
 * Makes a set of device files in a new folder in `parent`. `undefined` if that is not possible: the user is not root, the
 * file system does not allow devices, or the C library cannot be called.
 */
export function makeDevices(parent: string, kernel: Kernel | undefined): DeviceFiles | undefined {
  if (kernel === undefined) return undefined;
  const folder = join(parent, `${process.pid}-${randomBytes(6).toString('hex')}`);
  const dispose = (): void => rmSync(folder, { recursive: true, force: true });
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    for (const path of DEVICES) {
      const own = join(folder, basename(path));
      if (!kernel.makeDevice(own, MODE, statSync(path).rdev)) throw new Error('the system makes no device');
      // This process's umask has changed the mode.
      chmodSync(own, MODE);
    }
    const probe = openSync(join(folder, 'zero'), 'r');
    readSync(probe, Buffer.alloc(1));
    closeSync(probe);
    return { folder, [Symbol.dispose]: dispose, [Symbol.asyncDispose]: () => removeDevices(folder) };
  } catch {
    dispose();
    return undefined;
  }
}

/** A disk may take its time for each of them. No server sees the folder, so nothing else is in it. */
async function removeDevices(folder: string): Promise<void> {
  try {
    await Promise.all(DEVICES.map((path) => unlink(join(folder, basename(path)))));
    await rmdir(folder);
  } catch {
    // What is left is removed by the next daemon.
  }
}

/** Removes what killed daemons left behind. */
export function sweepDevices(parent: string, isAlive: (pid: number) => boolean): void {
  try {
    for (const name of readdirSync(parent)) {
      if (!isAlive(Number.parseInt(name, 10))) rmSync(join(parent, name), { recursive: true, force: true });
    }
  } catch {
    // There is no such folder yet.
  }
}
