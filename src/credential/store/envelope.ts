// The format of a value in the keychain. It binds the value to its name, so that a value that was copied under another
// name is detected. One line of text precedes the value, so that a person who uses another program sees what it is:
//
//     warder1 <version> <time> <name>
//     <value>
//
// It protects against mistakes, and against an attacker who can copy items but not read them. An attacker who can write
// items can also write a matching line; the vault protects against that too (`vault.ts`).
import { WarderError } from '../../errors.ts';

/** The content of an envelope. */
export interface Envelope {
  /** Eight random hexadecimal digits, new whenever the value is set. */
  readonly version: string;
  /** When it was set: RFC 3339, UTC. */
  readonly updated: string;
  readonly value: string;
}

const FIRST_LINE = /^warder1 ([0-9a-f]{8}) (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) ([^\s]+)\n/;

/** Encodes a value for its name. */
export function encodeEnvelope(name: string, { version, updated, value }: Envelope): string {
  return `warder1 ${version} ${updated} ${name}\n${value}`;
}

/**
 * Decodes an envelope. `undefined` for text that is not an envelope: another program wrote it. Throws
 * `credential-misbound` for an envelope of another name, or with a damaged first line.
 */
export function decodeEnvelope(name: string, text: string): Envelope | undefined {
  if (!text.startsWith('warder1 ')) return undefined;
  const [line = '', version = '', updated = '', bound] = FIRST_LINE.exec(text) ?? [];
  if (bound !== name) {
    const what = bound === undefined ? 'is damaged' : `was set for "${bound}"`;
    throw new WarderError('credential-misbound', `the value kept as "${name}" ${what}`, {
      hint: `set it again: warder credential set --name ${name}`,
    });
  }
  return { version, updated, value: text.slice(line.length) };
}
