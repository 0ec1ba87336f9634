// Patterns of tool names: `*` stands for any characters, none included, `?` for exactly one; all others for
// themselves. A pattern is anchored at both ends, and case counts. There is no way to escape: names of tools
// hold neither `*` nor `?`.

/** Whether `pattern` matches the whole of `name`. Time is at most the product of their lengths. */
export function matches(pattern: string, name: string): boolean {
  const tokens = [...pattern];
  const characters = [...name];
  let at = 0;
  let i = 0;
  // The last star, and how far into the name it reaches: on a mismatch it takes one more. To go back to the
  // star before it would find nothing new, so there is never more than one to go back to.
  let star = -1;
  let reach = 0;
  while (i < characters.length) {
    if (tokens[at] === '*') {
      star = at++;
      reach = i;
    } else if (at < tokens.length && (tokens[at] === '?' || tokens[at] === characters[i])) {
      at++;
      i++;
    } else if (star >= 0) {
      at = star + 1;
      i = ++reach;
    } else {
      return false;
    }
  }
  while (tokens[at] === '*') at++;
  return at === tokens.length;
}

/** Whether a pattern matches one name only. */
export function isExact(pattern: string): boolean {
  return !/[*?]/.test(pattern);
}

/** Characters of a pattern that stand for themselves. */
export function countLiterals(pattern: string): number {
  return [...pattern].filter((character) => character !== '*' && character !== '?').length;
}
