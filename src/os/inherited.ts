// Closes the descriptors that this process inherited from whoever started it. Node hides its own descriptors, and the
// inherited ones up to 15, from its children; any other would stay open in each server.
import { closeSync, readdirSync, readFileSync } from 'node:fs';

const FIRST_INHERITED = 3;
const O_CLOEXEC = 0o2000000;

/**
 * Closes each inherited descriptor from `first` on that children would get; returns how many. Linux only: other
 * systems have no list of them.
 */
export function closeInherited(first: number = FIRST_INHERITED): number {
  let closed = 0;
  let names: string[];
  try {
    names = readdirSync('/proc/self/fdinfo');
  } catch {
    return closed;
  }
  for (const name of names) {
    const descriptor = Number(name);
    if (descriptor < first) continue;
    try {
      const flags = /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${name}`, 'latin1'))?.[1];
      if (flags === undefined || (Number.parseInt(flags, 8) & O_CLOEXEC) !== 0) continue;
      closeSync(descriptor);
      closed++;
    } catch {
      // The descriptor of the listing itself is closed by now.
    }
  }
  return closed;
}
