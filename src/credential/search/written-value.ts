// Whether a value stands somewhere in the data character by character, each in whatever writing of `folded-view.ts`: what the letters and
// digits alone do not tell.
import {
  codeOfUnit,
  INCOMPLETE,
  isBlank,
  isLineBreak,
  lengthOfUnit,
  MAX_ESCAPE,
  readUnit,
} from './folded-view.ts';
import { isIndentation } from './indentation.ts';

/** The most bytes before a character of a match that count as its writing. */
export const MAX_GAP_EACH = 32;
const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const BACKSLASH = 0x5c;
const EQUALS_SIGN = 0x3d;

/** Whether the value's characters from its first letter or digit to its last stand there, with nothing between them. */
export function isWritten(
  value: string,
  data: Uint8Array,
  start: number,
  end: number,
  quoted: boolean,
): boolean {
  const isOther = (code: number): boolean => code >= 128;
  let index = value.search(/[A-Za-z0-9]/);
  let atBreak = false;
  for (let at = start; at < end; ) {
    const unit = readUnit(data, at, true, quoted);
    at += lengthOfUnit(unit);
    const code = codeOfUnit(unit);
    if (isOther(code)) continue;
    while (isOther(value.charCodeAt(index))) index++;
    if (isCharacter(code, value.charCodeAt(index))) index++;
    else if (!isFiller(code) && !(atBreak && isBlank(code))) return false;
    atBreak = isLineBreak(code) || (atBreak && isBlank(code));
  }
  return true;
}

function isCharacter(code: number, expected: number): boolean {
  return code === expected || (code === 0x2b && expected === 0x20);
}

function isFiller(code: number): boolean {
  return code === 0 || code === TAB || code === LF || code === CR || code === BACKSLASH;
}

/** The end of `text` where it goes on from `at`, in whatever writing; `INCOMPLETE` if the data ends before. */
export function extendRight(
  text: string,
  data: Uint8Array,
  at: number,
  whole: boolean,
  quoted: boolean,
): number {
  let end = at;
  let position = at;
  let atBreak = false;
  for (let index = 0; index < text.length; ) {
    if (position - end > MAX_GAP_EACH) return end;
    const unit = position < data.length ? readUnit(data, position, whole, quoted) : INCOMPLETE;
    if (unit === INCOMPLETE) return whole ? end : INCOMPLETE;
    position += lengthOfUnit(unit);
    const code = codeOfUnit(unit);
    if (isCharacter(code, text.charCodeAt(index))) {
      index++;
      end = position;
    } else if (!isFiller(code) && !(atBreak && isBlank(code))) return end;
    atBreak = isLineBreak(code) || (atBreak && isBlank(code));
  }
  return end;
}

/** The start of `text` where it ends at `at`, in whatever writing. */
export function extendLeft(text: string, data: Uint8Array, at: number, quoted: boolean): number {
  let start = at;
  let position = at;
  for (let index = text.length - 1; index >= 0 && start - position <= MAX_GAP_EACH; ) {
    const found = unitBefore(data, position, text.charCodeAt(index), quoted);
    if (found >= 0) {
      position = found;
      start = found;
      index--;
    } else if (position === 0) break;
    else if (isFiller(data[position - 1] as number) || isIndentation(data, position - 1)) position--;
    else if (quoted && data[position - 1] === EQUALS_SIGN && isLineBreak(data[position] ?? 0)) position--;
    else break;
  }
  return start;
}

/** Where a writing of a character begins that ends at `end`; -1 if there is none. The longest counts. */
function unitBefore(data: Uint8Array, end: number, expected: number, quoted: boolean): number {
  for (let at = Math.max(0, end - MAX_ESCAPE); at < end; at++) {
    const unit = readUnit(data, at, true, quoted);
    if (at + lengthOfUnit(unit) === end && isCharacter(codeOfUnit(unit), expected)) return at;
  }
  return -1;
}
