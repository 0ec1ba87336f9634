// Diagnostics: what is wrong in a file that a person wrote, with line, column and key. One error reports all of them,
// so that the file can be fixed in one pass.
import { type ErrorCode, WarderError } from '../errors.ts';

/** Keys and indexes from the document's root. */
export type Path = readonly (string | number)[];

/** One problem in a file. `key` is its path (`credentials.TOKEN.hosts`), empty for the whole file. */
export interface Diagnostic {
  readonly line: number;
  readonly column: number;
  readonly key: string;
  readonly message: string;
  readonly hint?: string | undefined;
}

/** How many diagnostics one error lists. */
const MAX_LISTED = 12;

/**
 * One error with all diagnostics of `file`, sorted by place: the first on the message's first line, each of the others
 * on a line of its own. `subject` begins the message (`profile "github" is broken`).
 */
export function diagnosticsError(
  code: ErrorCode,
  subject: string,
  file: string,
  diagnostics: readonly Diagnostic[],
): WarderError {
  const sorted = [...diagnostics].sort((a, b) => a.line - b.line || a.column - b.column);
  const lines = sorted.map(
    (m) => `${file}:${m.line}:${m.column}: ${m.key === '' ? '' : `${m.key}: `}${m.message}`,
  );
  const unique = [...new Set(lines)];
  const rest = unique.length > MAX_LISTED ? [`and ${unique.length - MAX_LISTED} more`] : [];
  const hint = sorted.find(({ hint }) => hint !== undefined)?.hint;
  return new WarderError(
    code,
    `${subject}: ${[...unique.slice(0, MAX_LISTED), ...rest].join('\n  ')}`,
    hint === undefined ? {} : { hint },
  );
}

/** A path as people write it: `server.args[0]`. Keys with unusual characters are quoted. */
export function formatKeyPath(path: Path): string {
  return path
    .map((part, index) => {
      if (typeof part === 'number') return `[${part}]`;
      const text = /^[\w*/-]{1,64}$/.test(part) ? part : quote(part);
      return index === 0 ? text : `.${text}`;
    })
    .join('');
}

/** A text in quotes, on one line and shortened. Not for values that may be secret. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}...` : text);
}
