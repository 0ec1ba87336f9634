// Versions of values that bring none: what another program wrote, what a command printed. A keyed digest under
// a key that this process made up and tells nobody: it changes when the value does, and whoever reads it in a
// log can neither guess values with it nor tell whether two credentials have the same. Another process gives
// the same value another version.
import { createHmac, randomBytes } from 'node:crypto';

/** Makes a key, and gives what makes versions under it: eight hexadecimal digits. */
export function fingerprints(): (name: string, value: string) => string {
  const key = randomBytes(32);
  return (name, value) => createHmac('sha256', key).update(`${name}\n${value}`).digest('hex').slice(0, 8);
}
