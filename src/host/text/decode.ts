// The bytes of a host's file as text.
import { TextProblem } from './edit.ts';

export { TextProblem } from './edit.ts';

/** The longest file that is read, in bytes. */
export const MAX_BYTES: number = 16 * 2 ** 20;

/** The text, with its byte order mark if it has one. Throws `TextProblem` for what is no UTF-8, or too long. */
export function decode(bytes: Uint8Array): string {
  if (bytes.length > MAX_BYTES) throw new TextProblem(`is longer than ${MAX_BYTES / 2 ** 20} MiB`);
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    if (!text.includes('\0')) return text;
  } catch {
    // Said below.
  }
  throw new TextProblem('is not a text in UTF-8');
}
