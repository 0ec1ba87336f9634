// Chooses the sandbox that this machine supports. The weaker one, Landlock's, is used only where the kernel or the
// distribution forbids user namespaces; its layers show which one is in force. Where neither works, no server starts.
import { MIN_LANDLOCK_VERSION } from './linux/landlock.ts';
import type { Machine } from './machine.ts';
import type { Finding } from './probe.ts';

export type SandboxKind = 'bubblewrap' | 'landlock' | 'seatbelt';

/** Findings of `probe` without which bubblewrap's sandbox still works. */
const OPTIONAL = /^limit/;

/**
 * Chooses by the findings of `probe`. Root has no weaker sandbox. Where neither works the answer is `bubblewrap`, whose
 * start then reports what is missing.
 */
export function chooseSandbox(
  { uid, landlock, architecture }: Pick<Machine, 'uid' | 'landlock' | 'architecture'>,
  findings: readonly Finding[],
): SandboxKind {
  const complete = !findings.some(({ layer, state }) => state === 'missing' && !OPTIONAL.test(layer));
  return !complete && uid !== 0 && landlock >= MIN_LANDLOCK_VERSION && architecture !== undefined
    ? 'landlock'
    : 'bubblewrap';
}

/** What `doctor` says of the weaker sandbox, where it is in force: what a server is not kept from. */
export function weakerFindings(kind: SandboxKind): Finding[] {
  if (kind !== 'landlock') return [];
  return [
    {
      layer: 'Landlock in place of bubblewrap',
      state: 'weak',
      detail:
        'it does not bound the memory of all processes together, shared memory, how many processes there are (unless a control group does), nor how much is in the private folders; a server sees names and sizes of files and the users of this machine, what it starts may outlive it, and before Linux 6.12 it can signal your processes',
      hint: 'allow user namespaces, as said above',
    },
  ];
}
