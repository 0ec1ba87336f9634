// A server's words in a message of Warder's.
import { escapeUnprintable } from '../../audit/printable.ts';

/** Characters of them that are shown. */
const MAX_WORDS = 200;

/** The server's words: bounded, on one line, without characters that steer a terminal, and without quotes. */
export function quote(text: string): string {
  const cut = text.length > MAX_WORDS ? `${text.slice(0, MAX_WORDS)}…` : text;
  return escapeUnprintable(cut.replaceAll('"', "'"));
}
