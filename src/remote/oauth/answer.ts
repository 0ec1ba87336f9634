// The answers of an authorization server's endpoints: read in bounds, and its errors told apart (RFC 6749 section 5.2).
import { WarderError } from '../../errors.ts';
import { discard, type JsonObject, parseObject, readBody, textOf } from './metadata.ts';
import { quoteWithout } from './quote.ts';
import { isOAuthError, type OAuthErrorCode, OAuthRefusal } from './refusal.ts';

export interface Answer {
  readonly status: number;
  /** Undefined: it is no JSON object, or too long. */
  readonly json: JsonObject | undefined;
  readonly headers: Headers;
  /** What was asked for, for messages. */
  readonly what: string;
  /** What was sent and is in no message, even if the server repeats it. */
  readonly secrets: readonly string[];
}

/**
 * Reads an answer of JSON, whatever its status. `what`: what was asked for, in words; `secrets`: what no message may show.
 * Of a body that is too long or no JSON object there is no `json`. Throws `sign-in-failed` for a redirect.
 */
export async function readAnswer(
  response: Response,
  what: string,
  secrets: readonly string[],
): Promise<Answer> {
  const { status, headers } = response;
  if (status >= 300 && status < 400) {
    discard(response);
    // A redirected POST would carry secrets to a place that was not checked.
    throw new WarderError('sign-in-failed', `the ${what} failed: the authorization server redirects it`, {
      hint: 'its metadata has to name the place itself; tell whoever runs it',
    });
  }
  return { status, json: parseObject(await readBody(response)), headers, what, secrets };
}

/** Whether an endpoint did what it was asked for: some providers say 200, and that it was an error. */
export function isGood({ status, json }: Answer): boolean {
  return status === 200 && (json === undefined || textOf(json, 'error', 64) === undefined);
}

/** What a large provider (GitHub) calls registered errors; who sees one of these has to do what the registered one says. */
const OTHER_NAMES = new Map<string, OAuthErrorCode>([
  ['bad_refresh_token', 'invalid_grant'],
  ['bad_verification_code', 'invalid_grant'],
  ['incorrect_client_credentials', 'invalid_client'],
  ['incorrect_device_code', 'invalid_grant'],
  ['device_flow_disabled', 'unauthorized_client'],
  ['redirect_uri_mismatch', 'invalid_grant'],
]);

/**
 * The error of an answer that is none of the good ones. `sign-in-denied` where a person or a policy said no, else
 * `sign-in-failed`; the cause is an `OAuthRefusal`.
 */
export function answerFailure(answer: Answer, issuer: string): WarderError {
  const error = answer.json && textOf(answer.json, 'error', 64);
  const description = answer.json && textOf(answer.json, 'error_description', Number.POSITIVE_INFINITY);
  return refusal(error, description, { ...answer, issuer });
}

/** The error for what an authorization server says went wrong. */
export function refusal(
  error: string | undefined,
  description: string | undefined,
  about: Pick<Answer, 'status' | 'what' | 'secrets'> & { readonly issuer: string },
): WarderError {
  const { issuer, status, what, secrets } = about;
  const known = isOAuthError(error) ? error : (OTHER_NAMES.get(error ?? '') ?? 'other');
  const said = known === 'other' ? `answers ${status === 0 ? 'with an error' : status}` : `says "${known}"`;
  const words = description === undefined ? '' : `: "${quoteWithout(description, secrets)}"`;
  const denied = known === 'access_denied';
  return new WarderError(
    denied ? 'sign-in-denied' : 'sign-in-failed',
    `the ${what} failed: ${new URL(issuer).host} ${said}${words}`,
    {
      hint: HINTS[known] ?? "try again later; the words are the server's",
      cause: new OAuthRefusal(known, status),
    },
  );
}

const HINTS: Readonly<Record<string, string>> = {
  access_denied: 'the person, or a policy of the provider, did not allow it',
  invalid_client:
    'the server does not know the client, or its secret is wrong; sign in again to register anew',
  invalid_grant: 'what was used has expired, or was used before; sign in again',
  invalid_scope: 'set "scopes" in the profile to some that the server gives',
  invalid_target: 'the authorization server gives no tokens for this server; ask whoever runs them',
  unauthorized_client: 'the client may not sign in this way; whoever registered it has to allow it',
  unsupported_grant_type: 'the server has no such way to sign in; set another "auth" in the profile',
};
