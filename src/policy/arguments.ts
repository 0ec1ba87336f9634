// The arguments of a tool call as a condition judges them. A condition allows a call only if every server reads what
// the condition has read. So arguments are not judged, and nothing is allowed, where servers may differ:
//
// - a number that a double does not hold as it is written: a server with exact numbers sees another one;
// - two members whose names differ only in spelling (see fold.ts), or a member that differs so from one that the
//   condition speaks of: servers whose readers ignore case take `Owner` for `owner`.
//
// Members that are there twice are refused before this: see `hasDuplicateMembers` of the relay.
import { fold } from './fold.ts';

/** Arguments, or why they cannot be judged. */
export type Arguments = { readonly value: unknown } | { readonly unjudged: string };

/** The longest arguments that are judged, in UTF-16 code units of their JSON text. */
export const MAX_JUDGED = 262_144;

/** Where this finds nothing, every number is exact: it has no exponent, and at most 15 digits. */
const MAY_BE_INEXACT = /\d[eE]|[\d.]{16}/;

/** A string, or a number. */
const TOKEN = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/gs;

/** A double holds every number of so many significant digits so that it can be told from its neighbours. */
const EXACT_DIGITS = 15;

/** Smaller doubles have fewer digits. */
const SMALLEST_NORMAL = 2 ** -1022;

/** Reads arguments. `text` is JSON, and an object. */
export function readArguments(text: string): Arguments {
  if (text.length > MAX_JUDGED) return { unjudged: `the arguments have more than ${MAX_JUDGED} characters` };
  if (MAY_BE_INEXACT.test(text)) {
    for (const [token] of text.matchAll(TOKEN)) {
      if (!token.startsWith('"') && !isExact(token)) {
        return { unjudged: 'a number has more digits than every reader keeps' };
      }
    }
  }
  try {
    return { value: JSON.parse(text) };
  } catch {
    return { unjudged: 'the arguments cannot be read' };
  }
}

/** Whether a double holds a number as it is written. */
function isExact(token: string): boolean {
  const value = Number(token);
  if (!Number.isFinite(value)) return false;
  if (/^-?\d+$/.test(token)) return Number.isSafeInteger(value);
  const digits = token
    .replace(/[eE].*/, '')
    .replace(/[-.]/g, '')
    .replace(/^0+|0+$/g, '');
  return digits === '' || (digits.length <= EXACT_DIGITS && Math.abs(value) >= SMALLEST_NORMAL);
}

/**
 * Why not every reader sees the same members: at any depth two names have one folded form, or a name has that of a
 * name in `spoken` without being it, or is not plain. Undefined: every reader does.
 */
export function findLookalike(
  value: unknown,
  spoken: ReadonlyMap<string, string>,
  isPlain: (name: string) => boolean = () => true,
): string | undefined {
  const open: unknown[] = [value];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (typeof next !== 'object' || next === null) continue;
    if (!Array.isArray(next)) {
      const found = lookalikeIn(Object.keys(next), spoken, isPlain);
      if (found !== undefined) return found;
    }
    for (const member of Object.values(next)) if (typeof member === 'object') open.push(member);
  }
  return undefined;
}

function lookalikeIn(
  names: readonly string[],
  spoken: ReadonlyMap<string, string>,
  isPlain: (name: string) => boolean,
): string | undefined {
  const folded = new Set<string>();
  for (const name of names) {
    const form = fold(name);
    if (folded.has(form)) return 'two members of the arguments differ only in the spelling of their names';
    folded.add(form);
    const meant = spoken.get(form);
    if (meant !== undefined && meant !== name) {
      return `a member of the arguments is named almost like ${JSON.stringify(meant)}`;
    }
    if (!isPlain(name)) return 'a member of the arguments is named almost like a pattern of names says';
  }
  return undefined;
}
