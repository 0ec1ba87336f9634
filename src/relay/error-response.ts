// The relay's own answers: JSON-RPC errors in place of a server's answer. The codes are of the range that
// JSON-RPC 2.0 leaves to implementations and MCP leaves to servers, but for -32603, which is the protocol's own;
// `data.code` gives the same as a word, `data.hint` what a person can do, and `data.stderr` the last words of a
// server that has ended.
//
//     -32700, -32600, -32602   the line is no JSON, no message, or no tool call: nothing was forwarded
//     -32603  internal         a fault in Warder; whether the server did anything is not known
//     -32010  refused          policy or a person said no: nothing was forwarded
//     -32011  audit-unwritable the log cannot be written: not forwarded, or the answer withheld
//     -32012  lost             the server ended, or was replaced, before it answered
//     -32013  withheld         the server answered, but with something that must not or cannot be passed on
//     -32014  busy             too many requests are open at once: nothing was forwarded

/** The codes by their words. */
export const ANSWER = {
  internal: -32603,
  refused: -32010,
  'audit-unwritable': -32011,
  lost: -32012,
  withheld: -32013,
  busy: -32014,
} as const;

export type AnswerCode = keyof typeof ANSWER;

/** Why something is not passed on. */
export interface Refusal {
  readonly code: AnswerCode | number;
  readonly text: string;
  readonly hint?: string;
  /** What the server wrote last to standard error: one line, redacted. */
  readonly stderr?: string | undefined;
  /** The answer is a result of a tool, which a model reads and can act on; `complete` as of 2026-07-28. */
  readonly asResult?: 'plain' | 'complete';
  /** The answer must not carry the id: it is another request's. */
  readonly unnamed?: true;
}

export const BUSY: Refusal = { code: 'busy', text: 'too many requests are open' };

/** The JSON text of the id in an answer to what had no id that could be read. */
export const NO_ID = 'null';

/** A refusal as a line without its line feed. `id` is the JSON text of the request's id. */
export function errorLine(id: string, { code, text, hint, stderr, asResult }: Refusal): string {
  if (asResult !== undefined) {
    const content = [{ type: 'text', text: hint === undefined ? text : `${text}; ${hint}` }];
    const type = asResult === 'complete' ? { resultType: 'complete' } : {};
    return `{"jsonrpc":"2.0","id":${id},"result":${JSON.stringify({ ...type, content, isError: true })}}`;
  }
  const error =
    typeof code === 'number'
      ? { code, message: text }
      : { code: ANSWER[code], message: text, data: { code, hint, stderr } };
  return `{"jsonrpc":"2.0","id":${id},"error":${JSON.stringify(error)}}`;
}
