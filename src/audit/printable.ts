// Makes text from servers, hosts and files harmless to print: every character that steers a terminal, reorders a line or
// cannot be seen is escaped. The audit log's records and everything on the terminal pass through here.

/**
 * Control characters, format characters (bidirectional overrides, zero-width and joining characters, tags), other
 * characters that are displayed as nothing by default, line and paragraph separators, and lone surrogates.
 */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;

/**
 * Shows each of these characters as `\uXXXX`, of UTF-16 code units: inside a JSON text that means the same character.
 * `keep` returns true for a character that may stay.
 */
export function escapeUnprintable(text: string, keep?: (character: string) => boolean): string {
  return text.replace(UNPRINTABLE, (character) =>
    keep?.(character) === true ? character : escapeCharacter(character),
  );
}

/** A character as `\uXXXX`, or as two of them. */
export function escapeCharacter(character: string): string {
  let escaped = '';
  for (let i = 0; i < character.length; i += 1) {
    escaped += `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`;
  }
  return escaped;
}
