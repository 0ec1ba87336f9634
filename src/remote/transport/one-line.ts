// One JSON text in one line, as a host reads it. A server may write one over several lines, and an event stream may cut it
// into lines anywhere.
import { setImmediate as nextTurn } from 'node:timers/promises';

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** Bytes that are looked at in one turn of the event loop. */
const SLICE = 2 ** 20;

/**
 * The text with a space in place of each line break. Undefined where a line break is inside of a string: that is no JSON, and a
 * space in its place would make another text of it. Text in one line is returned as it is.
 */
export async function toOneLine(json: Buffer): Promise<Buffer | undefined> {
  if (!json.includes(LF) && !json.includes(CR)) return json;
  const line = Buffer.from(json);
  let inString = false;
  let escaped = false;
  for (let at = 0; at < line.length; ) {
    const last = Math.min(line.length, at + SLICE);
    for (; at < last; at++) {
      const byte = line[at];
      if (byte === LF || byte === CR) {
        if (inString) return undefined;
        line[at] = SPACE;
      } else if (byte === QUOTE && !escaped) {
        inString = !inString;
      }
      escaped = byte === BACKSLASH && inString && !escaped;
    }
    if (at < line.length) await nextTurn();
  }
  return line;
}
