// What the relay says of itself: JSON-RPC errors to the host, in place of a server's answer. The codes are of
// the range that JSON-RPC 2.0 leaves to implementations and MCP leaves to servers; `data.code` says the same
// in a word, and `data.hint` what a person can do.
//
//     -32700, -32600, -32602   the line is no JSON, no message, or no tool call: nothing was forwarded
//     -32010  refused          policy or a person said no: nothing was forwarded
//     -32011  audit-unwritable the log cannot be written: not forwarded, or the answer withheld
//     -32012  lost             the server ended, or was replaced, before it answered
//     -32013  withheld         the server answered, but with something that must not or cannot be passed on
//     -32014  busy             too many requests are open at once: nothing was forwarded
import { type Id, idText } from './json/envelope.ts';

/** The codes by their words. */
export const ANSWER = {
  refused: -32010,
  'audit-unwritable': -32011,
  lost: -32012,
  withheld: -32013,
  busy: -32014,
} as const;

export type AnswerCode = keyof typeof ANSWER;

/** An error as a line without its line feed. `id` is undefined where the request's could not be read. */
export function errorLine(
  id: Id | undefined,
  code: AnswerCode | number,
  text: string,
  hint?: string,
): Buffer {
  const error =
    typeof code === 'number'
      ? { code, message: text }
      : { code: ANSWER[code], message: text, data: { code, ...(hint === undefined ? {} : { hint }) } };
  return Buffer.from(`{"jsonrpc":"2.0","id":${idText(id)},"error":${JSON.stringify(error)}}`);
}
