// Builds dist/ for the tests that run from it, unless it is newer than all that it is built from.
import { execFileSync } from 'node:child_process';
import { globSync, statSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');

function times(pattern: string | string[]): number[] {
  return globSync(pattern, { cwd: root }).map((file) => statSync(join(root, file)).mtimeMs);
}

/** vitest's global setup. Throws when the build fails; its messages go to stderr. */
export function setup(): void {
  const built = times('dist/current');
  const newest = Math.max(
    ...times(['src/**/*.{ts,c,h}', 'scripts/{build.js,native/*}', 'package-lock.json']),
  );
  if (built[0] !== undefined && built[0] > newest) return;
  execFileSync(process.execPath, [join(root, 'scripts/build.js')], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}
