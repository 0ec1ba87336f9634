// Mount points below a folder that a server may write. bubblewrap before 0.12 (CVE-2026-87766) follows symbolic links
// when it makes a mount point, also a link that a server left in a writable folder, and also to `/oldroot`, where the
// machine's whole root is until the sandbox is complete. So a server could have files and folders made anywhere.
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { below } from '../plan/path.ts';
import { destinationOf, type Plan } from '../plan/plan.ts';

const run = promisify(execFile);

/**
 * Whether this bubblewrap follows links when it makes a mount point. It is tried, because distributions fix old
 * versions. Where the trial itself does not work, the answer is `true`. Takes about 10 ms.
 */
export async function followsLinks(file: string): Promise<boolean> {
  const folder = mkdtempSync(join(tmpdir(), 'warder-mount-'));
  try {
    const writable = join(folder, 'writable');
    for (const name of ['writable', 'writable/folder', 'outside']) mkdirSync(join(folder, name));
    symlinkSync(`/oldroot${folder}/outside`, join(writable, 'link'));
    const mount = async (name: string): Promise<boolean> => {
      const mounts = ['--ro-bind', '/', '/', '--bind', writable, writable, '--tmpfs', join(writable, name)];
      return run(file, ['--unshare-user', ...mounts, '--', '/bin/true'], { env: {}, timeout: 10_000 }).then(
        () => true,
        () => false,
      );
    };
    const [works] = await Promise.all([mount('folder/made'), mount('link/made')]);
    return !works || existsSync(join(folder, 'outside/made'));
  } catch {
    return true;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The paths of a plan at which something is mounted strictly below a listed folder that the server may write. */
export function mountsBelowWritable({ steps }: Pick<Plan, 'steps'>): string[] {
  const writable = steps.flatMap((step) =>
    (step.kind === 'bind' && step.write) || step.kind === 'home' ? [destinationOf(step)] : [],
  );
  const all = steps.filter(({ kind }) => kind !== 'remount-read-only').map(destinationOf);
  return all.filter((path) => writable.some((folder) => below(path, folder)));
}
