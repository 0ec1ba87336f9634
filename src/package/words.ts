// Splits a line of a README into words, as a shell would that expands nothing. Pure.

/**
 * Splits a line by the shell's rules for quotes and backslashes. Whatever would mean something to a shell, and an open
 * quote, is `refuse`d.
 */
export function splitWords(line: string, refuse: (why: string) => Error): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote = '';
  for (let i = 0; i < line.length; i += 1) {
    const c = line[i] ?? '';
    if (quote) {
      if (c === quote) quote = '';
      else if (c === '\\' && quote === '"' && /["\\$`]/.test(line[i + 1] ?? ''))
        word = (word ?? '') + line[++i];
      else word = (word ?? '') + c;
    } else if (c === '"' || c === "'") {
      quote = c;
      word ??= '';
    } else if (/\s/.test(c)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (c === '\\' && i + 1 < line.length) {
      word = (word ?? '') + line[++i];
    } else if (/[$`;&|<>()]/.test(c)) {
      throw refuse(`"${c}" means something to a shell`);
    } else {
      word = (word ?? '') + c;
    }
  }
  if (quote) throw refuse('a quote is not closed');
  if (word !== undefined) words.push(word);
  return words;
}
