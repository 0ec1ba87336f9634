// Mistakes in a file that a person wrote: each names its line, column, key and the nearest thing that was
// perhaps meant. All of them are told at once, because mending a file one error at a time is tiresome.
import { type ErrorCode, WarderError } from '../errors.ts';

/** Keys and indexes from the document's root. */
export type Path = readonly (string | number)[];

/** One mistake: where it is, in which key (`credentials.TOKEN.hosts`; empty for the whole file), and what. */
export interface Diagnostic {
  readonly line: number;
  readonly column: number;
  readonly key: string;
  readonly message: string;
  readonly hint?: string | undefined;
}

/** How many mistakes one error tells of. */
const MAX_LISTED = 12;

/**
 * One error for all mistakes of `file`: the first on the message's first line, the others on lines of their
 * own. `subject` opens the message (`profile "github" is broken`).
 */
export function diagnosticsError(
  code: ErrorCode,
  subject: string,
  file: string,
  mistakes: readonly Diagnostic[],
): WarderError {
  const sorted = [...mistakes].sort((a, b) => a.line - b.line || a.column - b.column);
  const lines = sorted.map(
    (m) => `${file}:${m.line}:${m.column}: ${m.key === '' ? '' : `${m.key}: `}${m.message}`,
  );
  const told = [...new Set(lines)];
  const rest = told.length > MAX_LISTED ? [`and ${told.length - MAX_LISTED} more`] : [];
  const hint = sorted.find((mistake) => mistake.hint !== undefined)?.hint;
  return new WarderError(
    code,
    `${subject}: ${[...told.slice(0, MAX_LISTED), ...rest].join('\n  ')}`,
    hint === undefined ? {} : { hint },
  );
}

/** A path as people write it: `server.args[0]`. Keys with odd characters are quoted. */
export function formatKeyPath(path: Path): string {
  return path
    .map((part, index) => {
      if (typeof part === 'number') return `[${part}]`;
      const text = /^[\w*/-]{1,64}$/.test(part) ? part : quote(part);
      return index === 0 ? text : `.${text}`;
    })
    .join('');
}

/** A text in quotes, on one line and not endless. Not for values that may be secret. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}...` : text);
}
