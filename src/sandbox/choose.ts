// Which sandbox this machine can give. The weaker one only stands in where the kernel or the distribution
// forbids user namespaces, and is told by its own layers; where neither is to be had, no server starts.
import { MIN_LANDLOCK_VERSION } from './linux/landlock.ts';
import type { Machine } from './machine.ts';
import type { Finding } from './probe.ts';

export type SandboxKind = 'bubblewrap' | 'landlock' | 'seatbelt';

/** What bubblewrap's sandbox cannot be without, by the names of `probe`. */
const LIMITS = /^limit/;

/** Chooses by what was tried. Root has no weaker one. With nothing to choose from it is `bubblewrap`, whose start says what is missing. */
export function chooseSandbox(
  { uid, landlock, architecture }: Pick<Machine, 'uid' | 'landlock' | 'architecture'>,
  tried: readonly Finding[],
): SandboxKind {
  const whole = !tried.some(({ layer, state }) => state === 'missing' && !LIMITS.test(layer));
  return !whole && uid !== 0 && landlock >= MIN_LANDLOCK_VERSION && architecture !== undefined
    ? 'landlock'
    : 'bubblewrap';
}
