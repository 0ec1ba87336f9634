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
  if (!source.isWellFormed()) return (name) => matches(source, name);
  const parts = source.split('*');
  if (parts.length === 1) return (name) => matches(source, name);
  const first = parts[0] ?? '';
  const last = parts.at(-1) ?? '';
  const middle = parts.slice(1, -1);
  const hasAny = source.includes('?');
  return (name) => {
    // One character is one unit, but for those beyond U+FFFF, of which a `?` stands for both.
    if (hasAny && SURROGATE.test(name)) return matches(source, name);
    const end = name.length - last.length;
    let at = first.length;
    if (at > end || !isAt(name, 0, first) || !isAt(name, end, last)) return false;
    for (const part of middle) {
      const found = find(name, at, end, part);
      if (found < 0) return false;
      at = found + part.length;
    }
    return true;
  };
}

const SURROGATE = /[\ud800-\udfff]/;

/** The first place from `at` on where a part of a pattern matches and ends by `end`; -1 if there is none. */
function find(name: string, at: number, end: number, part: string): number {
  if (!part.includes('?')) {
    const found = name.indexOf(part, at);
    return found + part.length <= end ? found : -1;
  }
  for (let i = at; i + part.length <= end; i++) if (isAt(name, i, part)) return i;
  return -1;
}

/** Whether a part of a pattern matches at a place. */
function isAt(name: string, at: number, part: string): boolean {
  if (!part.includes('?')) return name.startsWith(part, at);
  for (let i = 0; i < part.length; i++) if (part[i] !== '?' && part[i] !== name[at + i]) return false;
  return true;
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
