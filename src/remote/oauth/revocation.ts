// Taking tokens back (RFC 7009).
import { revocationRequest } from 'oauth4webapi';
import { answerFailure, readAnswer } from './answer.ts';
import { checkOwner } from './authorization.ts';
import type { AuthorizationServer } from './authorization-server.ts';
import { clientAuth } from './client-auth.ts';
import { type OAuthParts, requestOptions } from './parts.ts';
import { refusalOf } from './refusal.ts';
import type { ClientRegistration } from './registration.ts';
import type { TokenSet } from './token-set.ts';

/**
 * Revokes both tokens, the refresh token first: with it go all access tokens of most servers. `unsupported`: the server
 * has no place for it, and the tokens live on until they expire. Throws where the server did not do it.
 */
export async function revokeTokens(
  parts: OAuthParts,
  server: AuthorizationServer,
  registration: ClientRegistration,
  tokens: TokenSet,
): Promise<'revoked' | 'unsupported'> {
  checkOwner(server, registration);
  checkOwner(server, tokens);
  if (server.revocationEndpoint === undefined) return 'unsupported';
  if (tokens.refreshToken !== undefined) await revoke(tokens.refreshToken, 'refresh_token');
  try {
    await revoke(tokens.accessToken, 'access_token');
  } catch (error) {
    // Servers whose access tokens are JWTs cannot take them back (RFC 7009 section 2.2.1).
    if (tokens.refreshToken === undefined || refusalOf(error)?.error !== 'unsupported_token_type')
      throw error;
  }
  return 'revoked';

  async function revoke(token: string, hint: string): Promise<void> {
    const response = await revocationRequest(
      { issuer: server.issuer, revocation_endpoint: server.revocationEndpoint ?? '' },
      { client_id: registration.clientId },
      clientAuth(parts, registration, server),
      token,
      { ...requestOptions(parts), additionalParameters: { token_type_hint: hint } },
    );
    const answer = await readAnswer(response, 'revocation', [token, registration.clientSecret ?? '']);
    if (answer.status !== 200) throw answerFailure(answer, server.issuer);
  }
}
