// Writes the profile of a remote server as YAML, for `warder add`.
import { Document } from 'yaml';
import type { AuthFile } from './auth-schema.ts';
import { addComment, finishDraft, type PolicyDraft, toolRules, useFlowStyle } from './draft.ts';

/** The content of a new profile with a remote server. */
export interface RemoteDraft extends PolicyDraft {
  readonly description?: string | undefined;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly auth: AuthFile;
  readonly allowPrivate: readonly string[];
  readonly insecureLoopback: boolean;
}

const AUTH_COMMENTS: Readonly<Record<AuthFile['type'], string>> = {
  oauth: ' a person signs in; hosts and models never see the token',
  none: ' the server asks for nothing',
  bearer: ' a stored token, in the Authorization header',
  header: ' a stored key, in a header of its own',
  'client-credentials': ' a client of its own, without a person',
  enterprise: " the company's identity provider decides",
  'token-exchange': ' a token from elsewhere is exchanged',
  'jwt-bearer': ' a signed statement from elsewhere is the grant',
};

/** The YAML of a new profile with a remote server. */
export function draftRemoteProfile(draft: RemoteDraft): string {
  const { description, url, headers, auth, allowPrivate, insecureLoopback } = draft;
  const document = new Document({
    ...(description === undefined ? {} : { description }),
    server: { url, ...(Object.keys(headers).length === 0 ? {} : { headers }) },
    auth,
    ...(allowPrivate.length === 0 ? {} : { 'allow-private': allowPrivate }),
    ...(insecureLoopback ? { 'insecure-loopback': true } : {}),
    policy: { default: 'ask', ...toolRules(draft) },
  });
  addComment(document, ['auth', 'type'], AUTH_COMMENTS[auth.type]);
  useFlowStyle(document, ['auth', 'scopes']);
  useFlowStyle(document, ['allow-private']);
  return finishDraft(document, draft);
}
