// The sealed credentials of one session: the placeholder that the server gets for each, and where and how often the gate
// may substitute the secret. Pure decisions; the caller passes the time. Everything that is not explicitly allowed is
// refused, with a short reason that contains no value. The order of the checks is that of `refusal`.
import type { ProfileCredential } from '../profile/format.ts';
import { MIN_SECRET_LENGTH } from './finder.ts';
import { createPlaceholder, type RandomBytes } from './sealed/placeholder.ts';
import { canonicalPath, matchesPath } from './sealed/request-path.ts';
import { EncodedValue } from './search/encodings.ts';

/** Where a placeholder is in a request. `header`: any header except `Authorization: Bearer` and `Basic`. */
export type PlaceholderLocation = 'bearer' | 'basic' | 'header' | 'query' | 'path' | 'body';

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
}

/** Locks that forbid every use of a credential. */
export interface UsageLocks {
  readonly locked: boolean;
  isRevoked(name: string): boolean;
}

export interface SealedParts {
  readonly random: RandomBytes;
  /** The start of the session, in milliseconds of the monotonic clock. */
  readonly start: number;
  /** How many requests of the session have carried each credential, by its variable. The session's servers share it. */
  readonly uses: Map<string, number>;
  /** Whether an entry of `hosts` matches a host and port. */
  readonly matches: (pattern: string, name: string, port: number) => boolean;
}

/** A current or former value, and the placeholder that the server has for it. */
export class SealedSecret extends EncodedValue {
  readonly placeholder: string;

  constructor(secret: string, placeholder: string) {
    super(secret);
    this.placeholder = placeholder;
  }
}

export interface SealedValue {
  readonly value: string;
  readonly version: string;
}

type UsageLimits = Pick<
  ProfileCredential,
  'variable' | 'name' | 'hosts' | 'as' | 'paths' | 'methods' | 'confirm' | 'lifetime' | 'maxUses'
>;

/** The locations that each value of `as` allows. */
const ALLOWED_LOCATIONS: Readonly<Record<string, readonly PlaceholderLocation[]>> = {
  bearer: ['bearer'],
  basic: ['basic'],
  header: ['header', 'bearer', 'basic'],
  query: ['query'],
  path: ['path'],
  body: ['body'],
};

/** How many values from before rotations are still searched for in responses. */
const MAX_FORMER_VALUES = 16;
/** Limits on the tokens of token endpoints in a session: their number, their characters, and the longest. Each costs memory. */
const MAX_TOKENS = 256;
const MAX_TOKEN_CHARACTERS = 256 * 1024;
const MAX_TOKEN_LENGTH = 8192;

export class SealedCredential {
  readonly placeholder: string;
  /** The placeholder, to search for. */
  readonly placeholderEncodings: EncodedValue;
  /** Whether it is a token from a token endpoint. */
  readonly derived: boolean;
  readonly #limits: UsageLimits;
  readonly #parts: SealedParts;
  readonly #onUpdate: () => void;
  #version: string;
  /** The current value, and former ones that a response may still contain. */
  #secrets: readonly [SealedSecret, ...SealedSecret[]];

  /** Made by `Sealed`; `changed` is called after each `update` that changes something. */
  constructor(limits: UsageLimits & SealedValue, parts: SealedParts, onUpdate: () => void, derived: boolean) {
    this.#limits = limits;
    this.#parts = parts;
    this.#onUpdate = onUpdate;
    this.derived = derived;
    this.#version = limits.version;
    this.placeholder = createPlaceholder(limits.value, parts.random);
    this.placeholderEncodings = new EncodedValue(this.placeholder);
    this.#secrets = [new SealedSecret(limits.value, this.placeholder)];
  }

  get variable(): string {
    return this.#limits.variable;
  }

  get name(): string {
    return this.#limits.name;
  }

  get value(): string {
    return this.#secrets[0].value;
  }

  get version(): string {
    return this.#version;
  }

  /** The values to replace in responses: the current one, and former ones that a response may still contain. */
  get secrets(): readonly SealedSecret[] {
    return this.#secrets;
  }

  /** Whether a host is one of its hosts. */
  allowsHost(name: string, port: number): boolean {
    return this.#limits.hosts.some((pattern) => this.#parts.matches(pattern, name, port));
  }

  /** Why it may not be substituted; `undefined` if it may. */
  refusal(use: SubstitutionRequest, guards: UsageLocks): string | undefined {
    const { as, paths, methods, confirm, lifetime, maxUses } = this.#limits;
    if (guards.locked) return 'credentials are locked';
    if (guards.isRevoked(this.name)) return 'the credential is revoked';
    if (!this.allowsHost(use.host, use.port)) return 'the host is not one of its hosts';
    if (!use.secure) return 'it would travel over plain http';
    if (methods !== undefined && !methods.includes(use.method)) return 'the method is not one of its methods';
    if (paths !== undefined) {
      const path = canonicalPath(use.path);
      if (path === undefined) return 'the path is ambiguous';
      if (!paths.some((pattern) => matchesPath(pattern, path))) return 'the path is not one of its paths';
    }
    if (use.hasOverrideHeader && (methods ?? paths) !== undefined)
      return 'a header may name another method or path';
    if (as !== undefined && !ALLOWED_LOCATIONS[as]?.includes(use.location))
      return `it may be used in "${as}" only`;
    if (lifetime !== undefined && use.now - this.#parts.start >= lifetime) return 'its lifetime is over';
    if (maxUses !== undefined && !use.repeated && this.#uses >= maxUses)
      return 'it was used as often as it may be';
    if (confirm) return 'it needs confirmation, which is not available yet';
    return undefined;
  }

  /** Counts a request that carries it. The caller calls this once for each request. */
  recordUse(): void {
    // A token has no limit of its own.
    if (!this.derived) this.#parts.uses.set(this.variable, this.#uses + 1);
  }

  /**
   * Sets the value that requests carry from now on. The placeholder stays, and the former value is still searched for.
   * A token from a token endpoint keeps its value: its name is that of the credential that it was obtained with.
   */
  update(value: string, version: string): void {
    if (this.derived) return;
    this.#version = version;
    if (value === this.value) return;
    const former = this.#secrets.filter((secret) => secret.value !== value).slice(0, MAX_FORMER_VALUES);
    this.#secrets = [new SealedSecret(value, this.placeholder), ...former];
    this.#onUpdate();
  }

  get #uses(): number {
    return this.#parts.uses.get(this.variable) ?? 0;
  }

  /** The limits of a token that was obtained with it: the same hosts, and the same lifetime. */
  derivedLimits(token: string, number: number): UsageLimits & SealedValue {
    return {
      ...{
        variable: this.variable,
        name: this.name,
        hosts: this.#limits.hosts,
        lifetime: this.#limits.lifetime,
      },
      ...{ as: undefined, paths: undefined, methods: undefined, confirm: false, maxUses: undefined },
      ...{ value: token, version: `${this.version}/${number}` },
    };
  }
}

/** The sealed credentials of one session. */
export class SealedCredentials {
  readonly #parts: SealedParts;
  readonly #declared: readonly SealedCredential[];
  #all: readonly SealedCredential[];
  #secrets: readonly SealedSecret[] | undefined;
  #revision = 0;
  /** The characters of all tokens. */
  #tokenCharacters = 0;

  constructor(credentials: readonly (ProfileCredential & SealedValue)[], parts: SealedParts) {
    this.#parts = parts;
    this.#declared = credentials.map((credential) => this.#create(credential, false));
    this.#all = this.#declared;
  }

  /** The profile's credentials, then tokens from token endpoints. An immutable array: a change makes a new one. */
  get all(): readonly SealedCredential[] {
    return this.#all;
  }

  /** Grows with every change of `all` or of a value, so that callers can tell when derived data is out of date. */
  get revision(): number {
    return this.#revision;
  }

  /** The placeholders, in the order of `all`. */
  get placeholders(): readonly EncodedValue[] {
    return this.#all.map(({ placeholderEncodings }) => placeholderEncodings);
  }

  /** The values to replace in responses, former ones included. The same array until something changes. */
  get secrets(): readonly SealedSecret[] {
    this.#secrets ??= this.#all.flatMap(({ secrets }) => secrets);
    return this.#secrets;
  }

  /** The variables of the server's environment: placeholders by variable. */
  environment(): Record<string, string> {
    return Object.fromEntries(this.#declared.map(({ variable, placeholder }) => [variable, placeholder]));
  }

  /** Whether a host is one of some credential's hosts, so that the gate opens connections to it. */
  allowsHost(name: string, port: number): boolean {
    return this.#all.some((credential) => credential.allowsHost(name, port));
  }

  byPlaceholder(placeholder: string): SealedCredential | undefined {
    return this.#all.find((credential) => credential.placeholder === placeholder);
  }

  /**
   * Seals a token from a token endpoint that was obtained with a credential, and returns its placeholder. The token is a
   * credential of its own, with the hosts and the lifetime of the other, and is revoked with it. A known token keeps its
   * placeholder; one that is too short to find again, or contains a placeholder, is returned unchanged. `undefined` if
   * there is no room for it: no token is forgotten, since a host could still send it.
   */
  seal(token: string, from: SealedCredential): string | undefined {
    if (token.length < MIN_SECRET_LENGTH || this.#all.some(({ placeholder }) => token.includes(placeholder)))
      return token;
    const existing = this.secrets.find(({ value }) => value === token);
    if (existing !== undefined) return existing.placeholder;
    const count = this.#all.length - this.#declared.length;
    const full = count >= MAX_TOKENS || this.#tokenCharacters + token.length > MAX_TOKEN_CHARACTERS;
    if (full || token.length > MAX_TOKEN_LENGTH) return undefined;
    const created = this.#create(from.derivedLimits(token, count + 1), true);
    this.#tokenCharacters += token.length;
    this.#all = [...this.#all, created];
    this.#bumpRevision();
    return created.placeholder;
  }

  #create(limits: UsageLimits & SealedValue, derived: boolean): SealedCredential {
    return new SealedCredential(limits, this.#parts, () => this.#bumpRevision(), derived);
  }

  #bumpRevision(): void {
    this.#revision++;
    this.#secrets = undefined;
  }
}
