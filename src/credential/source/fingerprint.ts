// Versions for values that have none: those that another program set, and outputs of commands. A keyed digest whose key
// is random and never leaves this process: it changes with the value, and a reader of the log can neither guess values
// from it nor tell whether two credentials have the same value. Another process gives the same value another version.
import { createHmac, randomBytes } from 'node:crypto';

/** Creates a key, and returns a function that computes versions with it: eight hexadecimal digits. */
export function createFingerprinter(): (name: string, value: string) => string {
  const key = randomBytes(32);
  return (name, value) => createHmac('sha256', key).update(`${name}\n${value}`).digest('hex').slice(0, 8);
}
