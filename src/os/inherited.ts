// Descriptors that whoever started this process has left open in it. Node keeps its own from its children, and
// those up to 15 that it was given; any other would be open in each server. They are closed at the start.
import { closeSync, readdirSync, readFileSync } from 'node:fs';

const FIRST_INHERITED = 3;
const O_CLOEXEC = 0o2000000;

/**
 * Closes each inherited descriptor from `first` on that children would get, and gives back how many. Linux only:
 * elsewhere there is no list.
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
      // The descriptor of the listing itself has gone by now.
    }
  }
  return closed;
}
