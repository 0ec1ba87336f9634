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

/** Columns of a terminal, at most: wide characters take two. */
export function columnsOf(text: string): number {
  let columns = 0;
  for (const character of text) columns += (character.codePointAt(0) ?? 0) < 0x300 ? 1 : 2;
  return columns;
}

/** A line as lines of at most so many columns. What goes on is set in, so that it looks like no line of its own. */
export function wrapLine(line: string, columns: number): string[] {
  const indent = `${/^ */.exec(line)?.[0] ?? ''}      `;
  if (columns <= columnsOf(indent) + 1) return [line];
  const wrapped: string[] = [];
  let [current, width] = ['', 0];
  for (const character of line) {
    const wide = columnsOf(character);
    if (width + wide > columns) {
      wrapped.push(current);
      [current, width] = [indent, columnsOf(indent)];
    }
    current += character;
    width += wide;
  }
  return [...wrapped, current];
}
