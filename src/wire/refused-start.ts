// A start that is refused: what the host asks, its `initialize` or `server/discover` first of all, is answered with the
// reason, so that it is shown where a person looks and not only on standard error. The daemon answers for what it refuses,
// the launcher when there is no daemon that could.
import { isExactNumber, parseExactly } from './exact-json.ts';

/** The code of the answer: the range that JSON-RPC 2.0 leaves to implementations. `data.code` is Warder's own. */
export const NOT_STARTED = -32015;
/** The most of what the host sends that is searched for requests, in bytes, and how long for, in milliseconds. */
export const MAX_ASKED = 2 ** 20;
export const PATIENCE = 1000;

/** Why there is no session. */
export interface StartRefusal {
  readonly code: string;
  readonly message: string;
  readonly hint?: string | undefined;
}

/** An answer with its line feed. `id` is the JSON text of the request's id. */
export function refusedStartLine(id: string, { code, message, hint }: StartRefusal): string {
  const error = JSON.stringify({ code: NOT_STARTED, message, data: { code, hint } });
  return `{"jsonrpc":"2.0","id":${id},"error":${error}}\n`;
}

/**
 * The answers to the requests in the lines of `text`, those of a batch (JSON-RPC 2.0, section 6) included. Builds values
 * of what it reads, so it is not for the daemon. Empty if nothing is asked.
 */
export function answerRefused(text: string, refusal: StartRefusal): string {
  return text.split('\n').reduce((answers, line) => answers + answerLine(line, refusal), '');
}

function answerLine(line: string, refusal: StartRefusal): string {
  let value: unknown;
  try {
    // An id may be an integer beyond 2^53.
    value = parseExactly(line);
  } catch {
    return '';
  }
  const messages: unknown[] = Array.isArray(value) ? value : [value];
  return messages.reduce<string>((answers, message) => {
    const { method, id } = Object(message);
    const asks = typeof method === 'string' && (typeof id === 'string' || isNumber(id));
    return asks ? answers + refusedStartLine(JSON.stringify(id), refusal) : answers;
  }, '');
}

function isNumber(id: unknown): boolean {
  return typeof id === 'number' || isExactNumber(id);
}
