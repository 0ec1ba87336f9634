// The new tokens of one response: each is sealed. A refresh token that takes the place of the one that the request
// carried becomes the value of that credential, which keeps its placeholder.
import { type IssuedToken, IssuedTokens } from '../../credential/issued-tokens.ts';
import type { ResponseSealer } from '../../credential/redact.ts';
import { sealingProblem } from '../../credential/sealable.ts';
import type { SealedCredential, SealedCredentials } from '../../credential/sealed.ts';
import { isGuessable } from '../../credential/strength.ts';
import type { Destination, EgressLedger } from '../ledger.ts';
import type { RefreshTurn } from '../refresh.ts';
import { Denial, type RequestContext } from './substitution.ts';

export interface TokenResponseParts {
  readonly sealed: SealedCredentials;
  readonly sealing: () => ResponseSealer;
  readonly ledger: EgressLedger;
}

/** The longest refresh token that is stored, in characters. */
const MAX_REFRESH_TOKEN = 8192;

export class TokenResponse {
  readonly tokens: IssuedTokens;
  readonly #parts: TokenResponseParts;
  readonly #destination: Destination;
  readonly #issuer: SealedCredential;
  readonly #turn: RefreshTurn | undefined;
  /** Refresh tokens that may take the place of the request's. */
  readonly #fresh = new Set<string>();

  private constructor(
    parts: TokenResponseParts,
    destination: Destination,
    issuer: SealedCredential,
    members: readonly string[],
    turn: RefreshTurn | undefined,
  ) {
    this.#parts = parts;
    this.#destination = destination;
    this.#issuer = issuer;
    this.#turn = turn;
    const known = parts.sealing();
    this.tokens = new IssuedTokens(members, {
      onToken: (token) => {
        // A known secret within a new token keeps its placeholder, and its limits.
        if (!known.has(token.value)) this.#take(token);
      },
      onTooLong: () => {
        throw new Denial(502, 'a token is longer than the gate can seal');
      },
    });
  }

  /**
   * For the response to a request; `undefined` where the host is no credential's. `turn`: the request exchanges a refresh
   * token, and the response will be read whole.
   */
  static of(
    context: RequestContext,
    destination: Destination,
    turn: RefreshTurn | undefined,
    parts: TokenResponseParts,
  ): TokenResponse | undefined {
    const { host, port } = destination;
    const used = [...context.usedCredentials.keys()];
    const issuers = used.length > 0 ? used : parts.sealed.all.filter((each) => each.allowsHost(host, port));
    const members = issuers.map((each) => each.issuedMembers(context.path));
    const issuer = issuers.find((_, at) => (members[at]?.length ?? 0) > 0) ?? issuers[0];
    return issuer && new TokenResponse(parts, destination, issuer, members.flat(), turn);
  }

  /** Called with the whole body after its tokens were taken. Once it resolves, each has its placeholder. */
  async onRead(body: Buffer): Promise<void> {
    const turn = this.#turn;
    if (turn === undefined) return;
    const fresh = refreshTokenOf(body);
    for (const value of this.#fresh) {
      if (value !== fresh) this.#seal(value);
    }
    if (fresh === undefined || !this.#fresh.has(fresh)) return;
    const { credential } = turn;
    const { outcome, reason } = await turn.exchange(fresh);
    if (outcome === 'superseded') this.#seal(fresh);
    if (!credential.derived)
      this.#parts.ledger.recordExchange(credential, this.#destination, outcome, reason);
  }

  #take({ value, refresh }: IssuedToken): void {
    if (refresh && this.#turn !== undefined && isStorable(value)) this.#fresh.add(value);
    else this.#seal(value);
  }

  #seal(value: string): void {
    if (this.#parts.sealed.seal(value, this.#issuer) === undefined)
      throw new Denial(502, 'more tokens were issued than a session can seal');
  }
}

function isStorable(value: string): boolean {
  return (
    value.length >= 8 &&
    value.length <= MAX_REFRESH_TOKEN &&
    value.isWellFormed() &&
    // With any other value the next session would not start, or would find it in every text.
    sealingProblem('', value) === undefined &&
    !isGuessable(value)
  );
}

/** The new refresh token of a token endpoint's response: JSON with an access token (RFC 6749 5.1), read in one way only. */
function refreshTokenOf(body: Buffer): string | undefined {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(body);
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    const { access_token: access, refresh_token: refresh } = value as Record<string, unknown>;
    const isOne = text.split('"refresh_token"').length === 2;
    return isOne && typeof access === 'string' && typeof refresh === 'string' ? refresh : undefined;
  } catch {
    return undefined;
  }
}
