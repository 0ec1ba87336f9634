// Paths of requests, and the patterns of a profile over them. A path that two servers could read in two ways fits no
// pattern: encoded slashes, backslashes, empty segments, dot segments (clients resolve those before they send), what
// decodes once more to something else, control characters.

/**
 * A path as it is compared: percent-decoded once. `raw` is as it stands in the request, without the query.
 * `undefined` where it may be read in several ways.
 */
export function plainPath(raw: string): string | undefined {
  // Every byte that RFC 3986 lets stand in a path, and no encoded slash, backslash or NUL.
  if (!/^\/(?:[\w.~!$&'()*+,;=:@/-]|%(?!2f|5c|00)[0-9a-f]{2})*$/i.test(raw)) return undefined;
  let path: string;
  try {
    path = decodeURIComponent(raw);
  } catch {
    return undefined;
  }
  // What a server that decodes twice, or resolves segments itself, would take for another path.
  if (/[\p{Cc}\\?#]|\/\/|%[0-9a-f]{2}|\/\.{1,2}(?:[/;]|$)/iu.test(path)) return undefined;
  return path;
}

/**
 * Whether a pattern fits the whole of a path from `plainPath`. `*` stands for any characters of one segment, `**` for
 * any at all, none included; all others for themselves. Time is at most the product of their lengths.
 */
export function matchesPath(pattern: string, path: string): boolean {
  const parts = pattern.match(/\*\*+|\*|[^*]/gu) ?? [];
  // Which of the parts may come next.
  let next = new Set(reach(parts, 0));
  for (const character of path) {
    const after = new Set<number>();
    for (const at of next) {
      const part = parts[at];
      const star = part?.startsWith('*') === true;
      if (star && (part !== '*' || character !== '/')) {
        for (const one of reach(parts, at)) after.add(one);
      } else if (!star && part === character) {
        for (const one of reach(parts, at + 1)) after.add(one);
      }
    }
    next = after;
    if (next.size === 0) return false;
  }
  return next.has(parts.length);
}

/** A place in a pattern, and those that follow it where stars stand for nothing. */
function reach(parts: readonly string[], from: number): number[] {
  const places = [from];
  for (let at = from; parts[at]?.startsWith('*'); at++) places.push(at + 1);
  return places;
}
