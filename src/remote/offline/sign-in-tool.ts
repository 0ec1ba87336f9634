// The definition and the results of Warder's own tool.
import type { WarderError } from '../../errors.ts';
import { SIGN_IN_TOOL } from '../../wire/sign-in-tool.ts';
import { json } from '../era/objects.ts';
import type { Era } from '../era/protocol.ts';

/** Its definition. `host` is that of the server's URL. */
export function signInTool(host: string): Buffer {
  return json({
    name: SIGN_IN_TOOL,
    title: `Sign in to ${host}`,
    description: `Sign in to ${host}. Call it when the user wants to use this server. The user is asked first.`,
    inputSchema: { type: 'object', properties: {}, additionalProperties: false },
    annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: true },
  });
}

/** What its call is answered with, for a model and a person. `error`: why nobody is signed in. */
export function signInResult(era: Era, host: string, error: WarderError | undefined): Buffer {
  const text =
    error === undefined
      ? `Signed in to ${host}. The server's tools, prompts and resources are listed now.`
      : `Not signed in to ${host}: ${inWords(error)}`;
  return toolResult(era, text, error !== undefined);
}

/** A tool's result of one text. */
export function toolResult(era: Era, text: string, isError: boolean): Buffer {
  return json({
    ...(era === 'stateless' ? { resultType: 'complete' } : {}),
    content: [{ type: 'text', text }],
    ...(isError ? { isError } : {}),
  });
}

/** An error with what a person can do. */
export function inWords({ message, hint }: Pick<WarderError, 'message' | 'hint'>): string {
  return hint === undefined ? message : `${message}; ${hint}`;
}
