// Request paths, and the patterns of a profile that match them. An ambiguous path, which two servers could interpret
// differently, matches no pattern: encoded slashes, backslashes, empty segments, dot segments (clients resolve those
// before they send), what decodes once more to something else, control characters.

/**
 * The path in the form that patterns are matched against: percent-decoded once. `raw`: the path of the request, without
 * the query. `undefined` if it is ambiguous.
 */
export function canonicalPath(raw: string): string | undefined {
  // Every byte that RFC 3986 allows in a path, and no encoded slash, backslash or NUL.
  if (!/^\/(?:[\w.~!$&'()*+,;=:@/-]|%(?!2f|5c|00)[0-9a-f]{2})*$/i.test(raw)) return undefined;
  let path: string;
  try {
    path = decodeURIComponent(raw);
  } catch {
    return undefined;
  }
  // A server that decodes twice, or resolves segments itself, would see another path.
  if (/[\p{Cc}\\?#]|\/\/|%[0-9a-f]{2}|\/\.{1,2}(?:[/;]|$)/iu.test(path)) return undefined;
  return path;
}

/**
 * Whether a pattern matches the whole of a path from `canonicalPath`. `*` matches any characters of one segment, `**` any
 * characters at all, none included; every other character matches itself. Takes time proportional to the product of
 * both lengths at most.
 */
export function matchesPath(pattern: string, path: string): boolean {
  const parts = pattern.match(/\*\*+|\*|[^*]/gu) ?? [];
  // The parts that may match next.
  let next = new Set(epsilonClosure(parts, 0));
  for (const character of path) {
    const after = new Set<number>();
    for (const at of next) {
      const part = parts[at];
      const star = part?.startsWith('*') === true;
      if (star && (part !== '*' || character !== '/')) {
        for (const position of epsilonClosure(parts, at)) after.add(position);
      } else if (!star && part === character) {
        for (const position of epsilonClosure(parts, at + 1)) after.add(position);
      }
    }
    next = after;
    if (next.size === 0) return false;
  }
  return next.has(parts.length);
}

/** A position in a pattern, and those after it if stars match nothing. */
function epsilonClosure(parts: readonly string[], from: number): number[] {
  const positions = [from];
  for (let at = from; parts[at]?.startsWith('*'); at++) positions.push(at + 1);
  return positions;
}
