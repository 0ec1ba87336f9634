// Cuts tools out of the answer to `tools/list`, and leaves every other byte as it came. The answer must be one
// that a host cannot read differently: see envelope.ts. Each page of a list comes this way.
import { readString } from './json/envelope.ts';
import {
  CLOSE_ARRAY,
  CLOSE_OBJECT,
  COMMA,
  OPEN_ARRAY,
  OPEN_OBJECT,
  QUOTE,
  skipColon,
  skipKey,
  skipSpace,
  skipValue,
} from './json/json.ts';
import { type Keys, keysOf, matchKey, NO_KEY } from './json/member.ts';

/** A line that takes another's place, or one that must not go on, with what is wrong with it. */
export type Listing = { readonly line: Buffer } | { readonly fault: string };

const IN_RESULT = keysOf({ tools: 0 });
const IN_TOOL = keysOf({ name: 0 });

const TWICE = 'a member of the list of tools is there twice, or spelled so that some see it twice';
const NO_LIST = 'the list of tools is not a list';
const SEPARATOR = Buffer.from(',');

/** The index of a member's value, -1 if it is not there. */
const ABSENT = -1;
const UNSURE = -2;

/**
 * The line from `start` to `end` without the tools that `hidden` holds for, and without what has no name.
 * `resultStart` is where its `result` begins, and the line is JSON. Undefined if nothing is to be cut.
 */
export function cutTools(
  bytes: Buffer,
  start: number,
  end: number,
  resultStart: number,
  hidden: (tool: string) => boolean,
): Listing | undefined {
  const list = findMember(bytes, resultStart, end, IN_RESULT);
  if (list === ABSENT) return undefined;
  if (list === UNSURE) return { fault: TWICE };
  if (bytes[list] !== OPEN_ARRAY) return { fault: NO_LIST };
  // Tools that stay and follow one another are one run, with the commas between them as they came.
  const runs: Buffer[] = [];
  let runStart = -1;
  let runEnd = -1;
  let cut = false;
  let at = skipSpace(bytes, list + 1, end);
  while (bytes[at] !== CLOSE_ARRAY) {
    const after = skipValue(bytes, at, end, 0);
    const name = findMember(bytes, at, end, IN_TOOL);
    if (name === UNSURE) return { fault: TWICE };
    const text =
      name === ABSENT || bytes[name] !== QUOTE
        ? undefined
        : readString(bytes, name, skipValue(bytes, name, end, 0));
    if (text === undefined || hidden(text)) {
      cut = true;
      if (runStart !== -1) runs.push(bytes.subarray(runStart, runEnd));
      runStart = -1;
    } else {
      if (runStart === -1) runStart = at;
      runEnd = after;
    }
    at = skipSpace(bytes, after, end);
    if (bytes[at] === COMMA) at = skipSpace(bytes, at + 1, end);
  }
  if (!cut) return undefined;
  if (runStart !== -1) runs.push(bytes.subarray(runStart, runEnd));
  const kept = runs.flatMap((run, index) => (index === 0 ? [run] : [SEPARATOR, run]));
  return { line: Buffer.concat([bytes.subarray(start, list + 1), ...kept, bytes.subarray(at, end)]) };
}

/** Where the value of the one key begins in the object at `at`. */
function findMember(bytes: Buffer, at: number, end: number, keys: Keys): number {
  if (bytes[at] !== OPEN_OBJECT) return ABSENT;
  let found = ABSENT;
  let i = skipSpace(bytes, at + 1, end);
  while (bytes[i] !== CLOSE_OBJECT) {
    const close = skipKey(bytes, i, end);
    const slot = matchKey(bytes, i + 1, close - 1, keys);
    const value = skipColon(bytes, close, end);
    if (slot !== NO_KEY) {
      if (slot < NO_KEY || found !== ABSENT) return UNSURE;
      found = value;
    }
    i = skipSpace(bytes, skipValue(bytes, value, end, 0), end);
    if (bytes[i] === COMMA) i = skipSpace(bytes, i + 1, end);
  }
  return found;
}
