// Sealed credentials of one session: what the server gets instead of each, and where and how often the gate may put
// the secret in. Pure decisions; whoever asks says the time. What is not plainly allowed is refused, and each reason
// is a short text without any value. The order of the checks is that of `refusal`.
import type { ProfileCredential } from '../profile/format.ts';
import { SHORTEST } from './finder.ts';
import { placeholderFor, type Random } from './sealed/placeholder.ts';
import { matchesPath, plainPath } from './sealed/request-path.ts';
import { EncodedValue } from './search/encodings.ts';

/** Where in a request a placeholder stands. `header`: any header but `Authorization: Bearer` and `Basic`. */
export type PlaceholderLocation = 'bearer' | 'basic' | 'header' | 'query' | 'path' | 'body';

/** A wish to put a secret into a request. */
export interface SubstitutionRequest {
  readonly host: string;
  readonly port: number;
  /** The connection to the host is TLS. */
  readonly secure: boolean;
  readonly method: string;
  /** As it stands in the request, without the query. */
  readonly path: string;
  readonly location: PlaceholderLocation;
  /** Milliseconds by the monotonic clock. */
  readonly now: number;
  /** The request carries the credential already: it is the same use. */
  readonly repeated?: boolean;
  /** A header names another method or target, which some servers believe. */
  readonly hasOverrideHeader?: boolean;
}

/** What keeps credentials from being used at all. */
export interface UsageLocks {
  readonly locked: boolean;
  isRevoked(name: string): boolean;
}

export interface SealedParts {
  readonly random: Random;
  /** When the session began, in milliseconds by the monotonic clock. */
  readonly start: number;
  /** How many requests have carried a credential in the session, by its variable: its servers share them. */
  readonly uses: Map<string, number>;
  /** Whether an entry of `hosts` names a host and port. */
  readonly matches: (pattern: string, name: string, port: number) => boolean;
}

/** A secret, former values among them, and what the server knows it as. */
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

/** What `as` lets a placeholder stand in. */
const PLACES: Readonly<Record<string, readonly PlaceholderLocation[]>> = {
  bearer: ['bearer'],
  basic: ['basic'],
  header: ['header', 'bearer', 'basic'],
  query: ['query'],
  path: ['path'],
  body: ['body'],
};

/** Values of before a rotation that are still looked for on the way back. */
const MOST_FORMER = 16;
/** Tokens of token endpoints in a session, the characters of all, and those of the longest: each costs memory. */
const MOST_TOKENS = 256;
const MOST_CHARACTERS = 256 * 1024;
const LONGEST_TOKEN = 8192;

export class SealedCredential {
  readonly placeholder: string;
  /** The placeholder, to be looked for. */
  readonly placeholderEncodings: EncodedValue;
  /** Whether it is a token of a token endpoint. */
  readonly derived: boolean;
  readonly #limits: UsageLimits;
  readonly #parts: SealedParts;
  readonly #changed: () => void;
  #version: string;
  /** The value, and those before it that may still come back. */
  #secrets: readonly [SealedSecret, ...SealedSecret[]];

  /** Made by `Sealed`; `changed` is called after each `update` that changes something. */
  constructor(limits: UsageLimits & SealedValue, parts: SealedParts, changed: () => void, derived: boolean) {
    this.#limits = limits;
    this.#parts = parts;
    this.#changed = changed;
    this.derived = derived;
    this.#version = limits.version;
    this.placeholder = placeholderFor(limits.value, parts.random);
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

  /** What is to be replaced on the way back: the value, and those before it that may still come back. */
  get secrets(): readonly SealedSecret[] {
    return this.#secrets;
  }

  /** Whether one of its hosts is this one. */
  allowsHost(name: string, port: number): boolean {
    return this.#limits.hosts.some((pattern) => this.#parts.matches(pattern, name, port));
  }

  /** `undefined` where it may be put in; else why not. */
  refusal(use: SubstitutionRequest, guards: UsageLocks): string | undefined {
    const { as, paths, methods, confirm, lifetime, maxUses } = this.#limits;
    if (guards.locked) return 'credentials are locked';
    if (guards.isRevoked(this.name)) return 'the credential is revoked';
    if (!this.allowsHost(use.host, use.port)) return 'the host is not one of its hosts';
    if (!use.secure) return 'it would travel over plain http';
    if (methods !== undefined && !methods.includes(use.method)) return 'the method is not one of its methods';
    if (paths !== undefined) {
      const path = plainPath(use.path);
      if (path === undefined) return 'the path may be read in several ways';
      if (!paths.some((pattern) => matchesPath(pattern, path))) return 'the path is not one of its paths';
    }
    if (use.hasOverrideHeader && (methods ?? paths) !== undefined)
      return 'a header may name another method or path';
    if (as !== undefined && !PLACES[as]?.includes(use.location)) return `it may stand in "${as}" only`;
    if (lifetime !== undefined && use.now - this.#parts.start >= lifetime) return 'its lifetime is over';
    if (maxUses !== undefined && !use.repeated && this.#uses >= maxUses)
      return 'it was used as often as it may be';
    if (confirm) return 'it asks to be confirmed, and nobody can be asked yet';
    return undefined;
  }

  /** A request carries it. Counts once a request: the caller sees to that. */
  recordUse(): void {
    // A token has no number of its own.
    if (!this.derived) this.#parts.uses.set(this.variable, this.#uses + 1);
  }

  /**
   * From now on requests carry another value; the placeholder stays, and the former value is still looked for. A
   * token of a token endpoint keeps its own: the name is that of the credential which it came from.
   */
  update(value: string, version: string): void {
    if (this.derived) return;
    this.#version = version;
    if (value === this.value) return;
    const former = this.#secrets.filter((pair) => pair.value !== value).slice(0, MOST_FORMER);
    this.#secrets = [new SealedSecret(value, this.placeholder), ...former];
    this.#changed();
  }

  get #uses(): number {
    return this.#parts.uses.get(this.variable) ?? 0;
  }

  /** What a token that was got with it may do: go to the same hosts, as long. */
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
  /** Characters of the tokens. */
  #characters = 0;

  constructor(credentials: readonly (ProfileCredential & SealedValue)[], parts: SealedParts) {
    this.#parts = parts;
    this.#declared = credentials.map((credential) => this.#make(credential, false));
    this.#all = this.#declared;
  }

  /** Those of the profile, then tokens of token endpoints. An array that stays as it is: changes make another. */
  get all(): readonly SealedCredential[] {
    return this.#all;
  }

  /** Grows with every change of `all` or of a value: who has made something of them makes it anew. */
  get revision(): number {
    return this.#revision;
  }

  /** The placeholders, in the order of `all`. */
  get placeholders(): readonly EncodedValue[] {
    return this.#all.map(({ placeholderEncodings }) => placeholderEncodings);
  }

  /** What is to be replaced on the way back: former values too. The same array until something changes. */
  get secrets(): readonly SealedSecret[] {
    this.#secrets ??= this.#all.flatMap(({ secrets }) => secrets);
    return this.#secrets;
  }

  /** What the server's environment says: placeholders by variable. */
  environment(): Record<string, string> {
    return Object.fromEntries(this.#declared.map(({ variable, placeholder }) => [variable, placeholder]));
  }

  /** Whether connections to a host are opened: it is a host of some credential. */
  allowsHost(name: string, port: number): boolean {
    return this.#all.some((credential) => credential.allowsHost(name, port));
  }

  byPlaceholder(placeholder: string): SealedCredential | undefined {
    return this.#all.find((credential) => credential.placeholder === placeholder);
  }

  /**
   * The placeholder for a new token of a token endpoint that was asked with a credential: a credential itself, for
   * the hosts and the lifetime of the other, and revoked with it. A token that is known keeps its placeholder; one
   * that is too short to be found again, or holds a placeholder, is given back. `undefined` where there is no room for
   * it: none is forgotten, since a host that has kept it could still send it.
   */
  seal(token: string, from: SealedCredential): string | undefined {
    if (token.length < SHORTEST || this.#all.some(({ placeholder }) => token.includes(placeholder)))
      return token;
    const known = this.secrets.find(({ value }) => value === token);
    if (known !== undefined) return known.placeholder;
    const count = this.#all.length - this.#declared.length;
    const full = count >= MOST_TOKENS || this.#characters + token.length > MOST_CHARACTERS;
    if (full || token.length > LONGEST_TOKEN) return undefined;
    const made = this.#make(from.derivedLimits(token, count + 1), true);
    this.#characters += token.length;
    this.#all = [...this.#all, made];
    this.#change();
    return made.placeholder;
  }

  #make(limits: UsageLimits & SealedValue, derived: boolean): SealedCredential {
    return new SealedCredential(limits, this.#parts, () => this.#change(), derived);
  }

  #change(): void {
    this.#revision++;
    this.#secrets = undefined;
  }
}
