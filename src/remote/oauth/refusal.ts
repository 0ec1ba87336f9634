// How an authorization server's error becomes one of Warder's, and how the keeper tells one from the other.

/** An error of an authorization server; the `cause` of a WarderError. Has no text of the server's. */
export class OAuthRefusal extends Error {
  override readonly name = 'OAuthRefusal';
  /** `invalid_grant`, `invalid_client`, …: one of the registered codes; `other` for any that is not. */
  readonly error: OAuthErrorCode;
  /** The HTTP status; 0 of an authorization response. */
  readonly status: number;

  constructor(error: OAuthErrorCode, status: number) {
    super(`the authorization server answered "${error}" (${status})`);
    this.error = error;
    this.status = status;
  }
}

/** The registered error codes that the OAuth parameters registry has for what Warder sends. */
const OAUTH_ERRORS = [
  'access_denied',
  'account_selection_required',
  'authorization_pending',
  'consent_required',
  'expired_token',
  'interaction_required',
  'invalid_client',
  'invalid_client_metadata',
  'invalid_dpop_proof',
  'invalid_grant',
  'invalid_redirect_uri',
  'invalid_request',
  'invalid_scope',
  'invalid_target',
  'invalid_token',
  'login_required',
  'server_error',
  'slow_down',
  'temporarily_unavailable',
  'unapproved_software_statement',
  'unauthorized_client',
  'unsupported_grant_type',
  'unsupported_response_type',
  'unsupported_token_type',
  'use_dpop_nonce',
] as const;

export type OAuthErrorCode = (typeof OAUTH_ERRORS)[number] | 'other';

/** Whether a text is a registered error code. */
export function isOAuthError(text: string | undefined): text is (typeof OAUTH_ERRORS)[number] {
  return OAUTH_ERRORS.some((one) => one === text);
}

/** The refusal behind an error; undefined where the server was not reached or its answer was no refusal. */
export function refusalOf(error: unknown): OAuthRefusal | undefined {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof OAuthRefusal ? cause : undefined;
}
