// Patterns of names: `*` stands for any characters, none included, `?` for exactly one; all others for themselves.
// A pattern is anchored at both ends, and case counts. There is no way to escape: names hold neither `*` nor `?`.

/** A pattern, prepared to be matched with many names. */
export interface Pattern {
  /** As it was written. */
  readonly source: string;
  /** It matches one name only. */
  readonly isExact: boolean;
  /** Characters that stand for themselves. */
  readonly literals: number;
  /** Whether it matches the whole of a name. Time is at most the product of their lengths. */
  readonly matches: (name: string) => boolean;
}

/** Prepares a pattern. */
export function compile(source: string): Pattern {
  const isExact = !/[*?]/.test(source);
  const literals = [...source].filter((character) => character !== '*' && character !== '?').length;
  return { source, isExact, literals, matches: matcher(source, isExact) };
}

function matcher(source: string, isExact: boolean): (name: string) => boolean {
  if (isExact) return (name) => name === source;
  if (source.includes('?') || !source.isWellFormed()) return (name) => matches(source, name);
  const [first = '', ...middle] = source.split('*');
  const last = middle.pop() ?? '';
  return (name) => {
    const end = name.length - last.length;
    let at = first.length;
    if (at > end || !name.startsWith(first) || !name.endsWith(last)) return false;
    for (const part of middle) {
      const found = name.indexOf(part, at);
      if (found < 0) return false;
      at = found + part.length;
    }
    return at <= end;
  };
}

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
