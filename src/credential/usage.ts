// Where and how often the gate may substitute a sealed credential. Pure decisions; the caller passes the time.
// Everything that is not explicitly allowed is refused, with a short reason that contains no value.
import type { ProfileCredential } from '../profile/credential.ts';
import { makesTokens, signsRequests } from '../profile/signing.ts';
import { canonicalPath, matchesPath } from './sealed/request-path.ts';

/**
 * Where a placeholder is in a request. `header`: any header except `Authorization: Bearer` and `Basic`. `token`: the
 * whole value of a secret parameter of a token request (RFC 6749), which a token endpoint consumes and nobody else reads.
 * `signature`: only what was computed with it.
 */
export type PlaceholderLocation =
  | 'bearer'
  | 'basic'
  | 'header'
  | 'query'
  | 'path'
  | 'body'
  | 'token'
  | 'signature';

/** A request into which the gate may substitute a secret. */
export interface SubstitutionRequest {
  readonly host: string;
  readonly port: number;
  /** The connection to the host is TLS. */
  readonly secure: boolean;
  readonly method: string;
  /** The path of the request, not decoded, without the query. */
  readonly path: string;
  readonly location: PlaceholderLocation;
  /** In milliseconds of the monotonic clock. */
  readonly now: number;
  /** The request carries the credential already, so this is not another use. */
  readonly repeated?: boolean;
  /** The request has a header such as X-HTTP-Method-Override, which some servers obey. */
  readonly hasOverrideHeader?: boolean;
  /** A person has confirmed this use. */
  readonly confirmed?: boolean;
}

/** Locks that forbid every use of a credential. */
export interface UsageLocks {
  readonly locked: boolean;
  isRevoked(name: string): boolean;
}

/** What a profile says about a sealed credential. */
export type UsageLimits = Pick<
  ProfileCredential,
  | 'variable'
  | 'name'
  | 'from'
  | 'hosts'
  | 'as'
  | 'paths'
  | 'methods'
  | 'confirm'
  | 'lifetime'
  | 'maxUses'
  | 'issues'
  | 'unsearched'
  | 'sign'
>;

/** What a use is measured against, beside the limits. */
export interface UsageState {
  /** The start of the session, in milliseconds of the monotonic clock. */
  readonly start: number;
  /** How many requests of the session have carried the credential, or a token that was obtained with it. */
  readonly uses: number;
  /** Whether the host is one of its hosts. */
  readonly hostAllowed: boolean;
}

/** Without `as`. A token request is where refresh tokens and client secrets go. */
const DEFAULT_LOCATIONS: readonly PlaceholderLocation[] = ['header', 'bearer', 'basic', 'token'];

/** The locations that each value of `as` allows. */
const ALLOWED_LOCATIONS: Readonly<Record<string, readonly PlaceholderLocation[]>> = {
  bearer: ['bearer'],
  basic: ['basic'],
  header: ['header', 'bearer', 'basic'],
  query: ['query'],
  path: ['path'],
  body: ['body', 'token'],
  any: ['header', 'bearer', 'basic', 'query', 'path', 'body', 'token'],
};

/** Why a credential may not be substituted; `undefined` if it may. */
export function refusalOf(
  limits: UsageLimits,
  use: SubstitutionRequest,
  guards: UsageLocks,
  { start, uses, hostAllowed }: UsageState,
): string | undefined {
  const { as, paths, methods, confirm, lifetime, maxUses } = limits;
  if (guards.locked) return 'credentials are locked';
  if (guards.isRevoked(limits.name)) return 'the credential is revoked';
  if (!hostAllowed) return 'the host is not one of its hosts';
  if (!use.secure) return 'it would travel over plain http';
  if (methods !== undefined && !methods.includes(use.method)) return 'the method is not one of its methods';
  if (paths !== undefined) {
    const path = canonicalPath(use.path);
    if (path === undefined) return 'the path is ambiguous';
    if (!paths.some((pattern) => matchesPath(pattern, path))) return 'the path is not one of its paths';
  }
  if (use.hasOverrideHeader && (confirm || (methods ?? paths) !== undefined))
    return 'a header may name another method or path';
  if (use.location !== 'signature' && signsRequests(limits.sign))
    return 'it signs requests, and is never sent';
  if (use.location === 'body' && makesTokens(limits.sign)) return 'what is made with a key goes into no body';
  if (use.location !== 'signature' && as === undefined && !DEFAULT_LOCATIONS.includes(use.location))
    return 'it may be used in a header only, as its profile has no "as"';
  if (use.location !== 'signature' && as !== undefined && !ALLOWED_LOCATIONS[as]?.includes(use.location))
    return `it may be used in "${as}" only`;
  if (lifetime !== undefined && use.now - start >= lifetime) return 'its lifetime is over';
  if (maxUses !== undefined && !use.repeated && uses >= maxUses) return 'it was used as often as it may be';
  if (confirm && use.confirmed !== true) return 'nobody has confirmed this use';
  return undefined;
}

/** The limits of a token that was obtained with a credential: the same, but for what `issues` says. */
export function derivedLimits(limits: UsageLimits): UsageLimits {
  const { as, paths, methods } = limits.issues ?? {};
  return {
    ...limits,
    as: as ?? limits.as,
    paths: paths ?? limits.paths,
    methods: methods ?? limits.methods,
  };
}
