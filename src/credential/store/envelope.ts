// How a value lies in a store: bound to its name, so that what is copied under another name is not taken for
// it. One line of text before the value, so that a person who looks with another program sees what it is:
//
//     warder1 <version> <time> <name>
//     <value>
//
// It guards against mistakes, and against whoever can copy items but not read them. Whoever can write any
// item at will can write a fitting line as well; the vault has more than this (`vault.ts`).
import { WarderError } from '../../errors.ts';

/** What an envelope says. */
export interface Envelope {
  /** Eight hexadecimal digits, drawn anew whenever the value is set. */
  readonly version: string;
  /** When it was set: RFC 3339, UTC. */
  readonly updated: string;
  readonly value: string;
}

const FORM = /^warder1 ([0-9a-f]{8}) (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) ([^\s]+)\n/;

/** Puts a value into its envelope. */
export function seal(name: string, { version, updated, value }: Envelope): string {
  return `warder1 ${version} ${updated} ${name}\n${value}`;
}

/**
 * Opens an envelope. `undefined` for text that is none: another program wrote it. Throws `credential-misbound`
 * for one that was made for another name, or of which the first line is damaged.
 */
export function open(name: string, text: string): Envelope | undefined {
  if (!text.startsWith('warder1 ')) return undefined;
  const [line = '', version = '', updated = '', bound] = FORM.exec(text) ?? [];
  if (bound !== name) {
    const what = bound === undefined ? 'is damaged' : `was set for "${bound}"`;
    throw new WarderError('credential-misbound', `the value kept as "${name}" ${what}`, {
      hint: `set it again: warder credential set --name ${name}`,
    });
  }
  return { version, updated, value: text.slice(line.length) };
}
