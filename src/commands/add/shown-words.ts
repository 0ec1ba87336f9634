// Words of a server that others describe, as a person reads them.
import { escapeUnprintable } from '../../audit/printable.ts';

/** A description as a part of a line. */
export function say(text: string | undefined): string {
  return text === undefined || text === '' ? '' : ` (${escapeUnprintable(text.slice(0, 200))})`;
}

/** A name that is not longer than a line. */
export function shownName(name: string): string {
  return escapeUnprintable(name.slice(0, 100));
}

/** Words as a shell would take them. */
export function commandLine(words: readonly string[]): string {
  return words
    .map((word) => (/^[\w@%+=:,./${}-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`))
    .join(' ');
}

/** A description for a profile: one line, of what can be printed. */
export function plainDescription(text: string | undefined): string | undefined {
  const plain = text
    ?.replaceAll(/[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}\s]+/gu, ' ')
    .trim()
    .slice(0, 200)
    .toWellFormed();
  return plain === '' ? undefined : plain;
}
