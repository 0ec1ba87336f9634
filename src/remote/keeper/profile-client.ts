// What a profile is to its authorization server: the client, its secrets, which are read when they are used and stored with
// nothing, and how tokens are got without a person.
import { createHash, randomBytes } from 'node:crypto';
import type { Credentials } from '../../credential/credentials.ts';
import type { Locks } from '../../credential/locks.ts';
import { WarderError } from '../../errors.ts';
import type { Clock } from '../../os/clock.ts';
import type { RemoteAuth } from '../../profile/auth.ts';
import type { ProfileCredential } from '../../profile/credential.ts';
import type { RemoteFetch } from '../http/fetch.ts';
import { exchangeToken, redeemAssertion, requestIdJag, type SubjectTokenType } from '../oauth/assertion.ts';
import { type AuthorizationServer, findAuthorizationServer } from '../oauth/authorization-server.ts';
import { Dpop } from '../oauth/dpop.ts';
import type { OAuthParts } from '../oauth/parts.ts';
import { type ClientRegistration, preRegistered } from '../oauth/registration.ts';
import { readClaims } from '../oauth/token-check.ts';
import { refreshTokens, requestClientCredentials, type TokenTarget } from '../oauth/token-request.ts';
import type { DpopKey, TokenSet } from '../oauth/token-set.ts';
import type { AccountRecord, IdentityRecord } from './account-record.ts';
import { RecentValues } from './recent-values.ts';

/** `auth` that is OAuth: tokens are got at an authorization server. */
export type OAuth = Exclude<RemoteAuth, { readonly type: 'none' | 'bearer' | 'header' }>;

export interface ProfileClientParts {
  readonly profile: string;
  /** The URL of the remote server. */
  readonly server: string;
  readonly auth: OAuth;
  readonly insecureLoopback: boolean;
  readonly fetch: RemoteFetch;
  readonly credentials: Pick<Credentials, 'resolve'>;
  readonly locks: Pick<Locks, 'assertUsable'>;
  readonly clock: Clock;
}

/** Tokens that were got without a person, and what was got with them. */
export interface Obtained {
  readonly tokens: TokenSet;
  readonly identity?: IdentityRecord | undefined;
}

/** Milliseconds before its end at which an ID token is no longer used. */
const ID_TOKEN_MARGIN = 30_000;
const SUBJECT_PREFIX = 'urn:ietf:params:oauth:token-type:';

export class ProfileClient {
  /** The secrets, keys and assertions of the profile that were read, each from before its first use on. */
  readonly secrets: RecentValues;
  /** That of the remote server. */
  readonly origin: string;
  readonly #parts: ProfileClientParts;
  /** By the credential's variable. */
  readonly #read = new Map<string, string>();
  /** One for each key: it remembers the nonces. */
  readonly #dpop = new Map<string, Dpop>();

  constructor(parts: ProfileClientParts) {
    this.#parts = parts;
    this.secrets = new RecentValues(parts.clock);
    this.origin = this.server.origin;
  }

  get auth(): OAuth {
    return this.#parts.auth;
  }

  get server(): URL {
    return new URL(this.#parts.server);
  }

  get profile(): string {
    return this.#parts.profile;
  }

  /** What stored tokens belong to: with any other of these they are not used. */
  get fit(): Pick<AccountRecord, 'server' | 'configuration'> {
    const { server, auth } = this.#parts;
    const parts = JSON.stringify([
      auth.type,
      auth.issuer ?? null,
      auth.clientId ?? null,
      ...identityOf(auth),
    ]);
    return { server, configuration: createHash('sha256').update(parts).digest('hex') };
  }

  oauth(signal?: AbortSignal): OAuthParts {
    const { fetch, clock, insecureLoopback } = this.#parts;
    return { fetch, clock, random: randomBytes, insecureLoopback, ...(signal !== undefined && { signal }) };
  }

  dpop(key: DpopKey | undefined): Dpop | undefined {
    if (key === undefined) return undefined;
    const known = this.#dpop.get(key.x);
    if (known !== undefined) return known;
    const made = new Dpop(this.oauth(), key);
    this.#dpop.set(key.x, made);
    return made;
  }

  /** The client that the profile names at this server. Throws the codes of stores, and `locked`, `credential-revoked`. */
  async configured(server: AuthorizationServer): Promise<ClientRegistration> {
    const { auth } = this.#parts;
    const { clientId } = auth;
    if (clientId === undefined) {
      throw new WarderError('sign-in-failed', `the profile "${this.profile}" names no client`, {
        hint: 'register one at the authorization server, and set "client-id"',
      });
    }
    const key = auth.type === 'client-credentials' ? auth.privateKey : undefined;
    return preRegistered(server, {
      clientId,
      clientSecret: await this.#secret(auth.clientSecret),
      key: key && {
        key: (await this.#secret(key.credential)) ?? '',
        id: key.keyId,
        algorithm: key.algorithm,
      },
    });
  }

  /** The client of the company's identity provider. */
  async identityClient(provider: AuthorizationServer): Promise<ClientRegistration> {
    const { auth } = this.#parts;
    if (auth.type !== 'enterprise') throw new TypeError('there is no identity provider');
    const { clientId, clientSecret } = auth.identity;
    return preRegistered(provider, { clientId, clientSecret: await this.#secret(clientSecret) });
  }

  /** A stored registration with the secrets that are not stored with it. */
  async complete(
    record: Pick<AccountRecord, 'authorizationServer' | 'registration'>,
  ): Promise<ClientRegistration> {
    const { registration, authorizationServer } = record;
    return registration.kind === 'pre-registered' ? await this.configured(authorizationServer) : registration;
  }

  async refresh(record: AccountRecord): Promise<TokenSet> {
    const { authorizationServer, tokens } = record;
    if (tokens === undefined) throw new TypeError('there is nothing to refresh');
    const registration = await this.complete(record);
    return await refreshTokens(
      this.oauth(),
      authorizationServer,
      registration,
      tokens,
      this.dpop(tokens.dpopKey),
    );
  }

  /** Tokens without a person. `identity`: what a person has signed in to, for an enterprise. */
  async obtain(
    server: AuthorizationServer,
    registration: ClientRegistration,
    target: TokenTarget,
    about: { readonly dpopKey: DpopKey | undefined; readonly identity?: IdentityRecord | undefined },
  ): Promise<Obtained> {
    const { auth } = this.#parts;
    const parts = this.oauth();
    const dpop = this.dpop(about.dpopKey);
    switch (auth.type) {
      case 'client-credentials':
        return { tokens: await requestClientCredentials(parts, server, registration, target, dpop) };
      case 'token-exchange': {
        const request = {
          ...target,
          subjectToken: (await this.#secret(auth.assertion)) ?? '',
          subjectTokenType: auth.subjectType.slice(SUBJECT_PREFIX.length) as SubjectTokenType,
          audience: auth.audience,
        };
        return { tokens: await exchangeToken(parts, server, registration, request, dpop) };
      }
      case 'jwt-bearer': {
        const assertion = (await this.#secret(auth.assertion)) ?? '';
        return { tokens: await redeemAssertion(parts, server, registration, assertion, target, dpop) };
      }
      case 'enterprise':
        return await this.#obtainByIdentity(server, registration, target, dpop, about.identity);
      case 'oauth':
        throw new TypeError('a person has to sign in');
    }
  }

  async #obtainByIdentity(
    server: AuthorizationServer,
    registration: ClientRegistration,
    target: TokenTarget,
    dpop: Dpop | undefined,
    before: IdentityRecord | undefined,
  ): Promise<Obtained> {
    const { auth } = this.#parts;
    if (auth.type !== 'enterprise') throw new TypeError('there is no identity provider');
    const { identity, idToken } = await this.#currentIdentity(before);
    const { authorizationServer: provider } = identity;
    const client = await this.identityClient(provider);
    const parts = this.oauth();
    const grant = await requestIdJag(parts, provider, client, {
      ...target,
      audience: server.issuer,
      idToken,
    });
    const tokens = await redeemAssertion(parts, server, registration, grant, target, dpop);
    return { tokens, identity: identity.tokens === undefined ? undefined : (identity as IdentityRecord) };
  }

  /** An ID token that is still valid: the stored one, that of the sign-in, or what a refresh gives. */
  async #currentIdentity(before: IdentityRecord | undefined): Promise<{
    readonly identity: Pick<IdentityRecord, 'authorizationServer'> & { readonly tokens?: TokenSet };
    readonly idToken: string;
  }> {
    const { auth, clock } = this.#parts;
    if (auth.type !== 'enterprise') throw new TypeError('there is no identity provider');
    const stored = await this.#secret(auth.identity.idToken);
    if (stored !== undefined)
      return { identity: { authorizationServer: await this.provider() }, idToken: stored };
    if (before === undefined) throw new TypeError('a person has to sign in');
    const { tokens, authorizationServer } = before;
    const { idToken: known } = tokens;
    const until = known === undefined ? undefined : readClaims(known)?.claims.exp;
    const isFresh = typeof until === 'number' && until * 1000 - ID_TOKEN_MARGIN > clock.now();
    if (known !== undefined && isFresh) return { identity: before, idToken: known };
    const client = await this.identityClient(authorizationServer);
    const next = await refreshTokens(this.oauth(), authorizationServer, client, tokens);
    const idToken = next.idToken ?? tokens.idToken;
    if (idToken === undefined) {
      throw new WarderError('sign-in-failed', `${authorizationServer.issuer} gave no ID token`, {
        hint: `run: warder login ${this.profile}`,
      });
    }
    return { identity: { ...before, tokens: { ...next, idToken } }, idToken };
  }

  /** The metadata of the company's identity provider, which the profile names. */
  async provider(): Promise<AuthorizationServer> {
    const { auth } = this.#parts;
    if (auth.type !== 'enterprise') throw new TypeError('there is no identity provider');
    return await findAuthorizationServer(this.oauth(), auth.identity.issuer);
  }

  async #secret(credential: ProfileCredential | undefined): Promise<string | undefined> {
    if (credential === undefined) return undefined;
    const { locks, credentials, profile } = this.#parts;
    locks.assertUsable([credential.name]);
    const [resolved] = await credentials.resolve(profile, [credential]);
    if (resolved === undefined) return undefined;
    this.#read.set(credential.variable, resolved.value);
    this.secrets.set(...this.#read.values());
    return resolved.value;
  }
}

/** Whose tokens `auth` gets, where its client does not tell. */
function identityOf(auth: OAuth): readonly (string | undefined)[] {
  switch (auth.type) {
    case 'enterprise':
      return [auth.identity.issuer, auth.identity.clientId, auth.identity.idToken?.name];
    case 'token-exchange':
    case 'jwt-bearer':
      return [auth.assertion.name, auth.subjectType, auth.audience];
    default:
      return [];
  }
}

/** What of a registration is stored with an account: no secret or key that the user has stored elsewhere. */
export function storable(registration: ClientRegistration): ClientRegistration {
  return registration.kind === 'pre-registered'
    ? { ...registration, clientSecret: undefined, key: undefined }
    : registration;
}
