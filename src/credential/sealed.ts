// The sealed credentials of one session: the placeholder that the server gets for each, its current and former values,
// and the tokens that were obtained with it. Where each may be used is decided in `usage.ts`.
import type { CredentialSource, ProfileCredential } from '../profile/credential.ts';
import { makesTokens, type Signing } from '../profile/signing.ts';
import { MIN_SECRET_LENGTH } from './finder.ts';
import { createPlaceholder, type RandomBytes } from './sealed/placeholder.ts';
import { canonicalPath, matchesPath } from './sealed/request-path.ts';
import { EncodedValue } from './search/encodings.ts';
import { secretParts } from './secret-parts.ts';
import { readAwsKeys } from './sigv4.ts';
import { type MadeToken, sampleToken } from './token-maker.ts';
import {
  derivedLimits,
  refusalOf,
  type SubstitutionRequest,
  type UsageLimits,
  type UsageLocks,
} from './usage.ts';

/** Numbers of uses, by variable. */
export type UseCounts = Pick<Map<string, number>, 'get' | 'set'>;

export interface SealedParts {
  readonly random: RandomBytes;
  /** The start of the session, in milliseconds of the monotonic clock. */
  readonly start: number;
  /** How many requests of the session have carried each credential, by its variable. The session's servers share it. */
  readonly uses: UseCounts;
  /** Whether an entry of `hosts` matches a host and port. */
  readonly matches: (pattern: string, name: string, port: number) => boolean;
  /** Called after each change of the values that must not reach the server. */
  readonly onChange?: () => void;
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

/** How many values from before rotations are still searched for in responses. */
const MAX_FORMER_VALUES = 16;
/** Limits on the tokens of token endpoints in a session: their number, their characters, and the longest. Each costs memory. */
const MAX_TOKENS = 256;
const MAX_TOKEN_CHARACTERS = 128 * 1024;
const MAX_TOKEN_LENGTH = 8192;
/** Milliseconds before its end in which a token that was made is made anew; and the least between two after a refusal. */
const RENEWAL = 5 * 60_000;
const MIN_TOKEN_AGE = 60_000;

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
  #value: string;
  /** What the value contains that is secret, and former ones that a response may still contain. */
  #secrets: readonly SealedSecret[];
  /** Parts of these that are secrets by themselves. */
  #parted: readonly SealedSecret[];
  #token: (MadeToken & { /** Milliseconds since 1970. */ readonly made: number }) | undefined;

  /** Made by `Sealed`; `changed` is called after each `update` that changes something. */
  constructor(limits: UsageLimits & SealedValue, parts: SealedParts, onUpdate: () => void, derived: boolean) {
    this.#limits = limits;
    this.#parts = parts;
    this.#onUpdate = onUpdate;
    this.derived = derived;
    this.#version = limits.version;
    this.#value = limits.value;
    this.placeholder = createPlaceholder(sampleOf(limits), parts.random);
    this.placeholderEncodings = new EncodedValue(this.placeholder);
    this.#secrets = this.#secretsOf(limits.value);
    this.#parted = this.#partsOf(this.#secrets);
  }

  get variable(): string {
    return this.#limits.variable;
  }

  get name(): string {
    return this.#limits.name;
  }

  /** Where its value came from. Of a token, where that of the credential did. */
  get source(): CredentialSource {
    return this.#limits.from;
  }

  /** Members of an answer that are tokens, beside the usual ones: for a request of a path, as the server wrote it. */
  issuedMembers(path: string): readonly string[] {
    const { issues } = this.#limits;
    if (issues === undefined) return [];
    const canonical = canonicalPath(path);
    const applies =
      issues.path === undefined || (canonical !== undefined && matchesPath(issues.path, canonical));
    return applies ? issues.members : [];
  }

  get value(): string {
    return this.#value;
  }

  /** Files of its hosts pass that cannot be searched for it. */
  get unsearched(): boolean {
    return this.#limits.unsearched === true;
  }

  /** Whether a person has to confirm its uses. */
  get confirm(): boolean {
    return this.#limits.confirm;
  }

  /** How it signs, if it does. A token that was obtained with it does not. */
  get sign(): Signing | undefined {
    return this.derived ? undefined : this.#limits.sign;
  }

  /** What requests carry: the value, or a token that was made with it; `undefined` if there is none that is valid. */
  sent(now: number): string | undefined {
    if (!makesTokens(this.sign)) return this.value;
    return this.#token !== undefined && now < this.#token.expires ? this.#token.token : undefined;
  }

  /** Whether it has a token that is valid for a while. `now`: milliseconds since 1970. */
  hasFreshToken(now: number): boolean {
    if (this.#token === undefined) return false;
    const { expires, made } = this.#token;
    return now >= made - RENEWAL && expires - now > Math.min(RENEWAL, (expires - made) / 2);
  }

  /** Keeps a token that was made with it. Responses are searched for it, and for those before. */
  keepToken(token: MadeToken, now: number): void {
    this.#token = { ...token, made: now };
    this.#addSecrets([token.token, ...secretsIn(this.#value, this.sign)]);
  }

  /** Forgets a token that a host refuses, but for one that was just made. */
  dropToken(now: number): void {
    if (this.#token !== undefined && now - this.#token.made > MIN_TOKEN_AGE) this.#token = undefined;
  }

  get version(): string {
    return this.#version;
  }

  /** The values to replace in responses: the current one, and former ones that a response may still contain. */
  get secrets(): readonly SealedSecret[] {
    return this.#parted.length === 0 ? this.#secrets : [...this.#secrets, ...this.#parted];
  }

  /** Whether a host is one of its hosts. */
  allowsHost(name: string, port: number): boolean {
    return this.#limits.hosts.some((pattern) => this.#parts.matches(pattern, name, port));
  }

  /** Why it may not be substituted; `undefined` if it may. */
  refusal(use: SubstitutionRequest, guards: UsageLocks): string | undefined {
    return refusalOf(this.#limits, use, guards, {
      start: this.#parts.start,
      uses: this.#uses,
      hostAllowed: this.allowsHost(use.host, use.port),
    });
  }

  /**
   * Counts a request that carries it. The caller calls this once for each request. A token counts as the credential
   * that it was obtained with: otherwise each new token would be another `max-uses` requests.
   */
  recordUse(): void {
    this.#parts.uses.set(this.variable, this.#uses + 1);
  }

  /**
   * Sets the value that requests carry from now on. The placeholder stays, and the former value is still searched for.
   * A token from a token endpoint keeps its value: its name is that of the credential that it was obtained with.
   */
  update(value: string, version: string): void {
    if (this.derived) return;
    this.#version = version;
    this.#setValue(value);
  }

  /** Sets the value of a token that a token endpoint has exchanged for another one. The placeholder stays. */
  exchange(value: string): void {
    this.#setValue(value);
  }

  #setValue(value: string): void {
    if (value === this.value) return;
    this.#value = value;
    this.#token = undefined;
    this.#addSecrets(secretsIn(value, this.sign));
  }

  #addSecrets(values: readonly string[]): void {
    const former = this.#secrets.filter(({ value }) => !values.includes(value)).slice(0, MAX_FORMER_VALUES);
    this.#secrets = [...values.map((value) => new SealedSecret(value, this.placeholder)), ...former];
    this.#parted = this.#partsOf(this.#secrets);
    this.#onUpdate();
  }

  #secretsOf(value: string): readonly SealedSecret[] {
    return secretsIn(value, this.sign).map((each) => new SealedSecret(each, this.placeholder));
  }

  #partsOf(secrets: readonly SealedSecret[]): SealedSecret[] {
    return secrets
      .flatMap(({ value }) => secretParts(value))
      .map((part) => new SealedSecret(part, this.placeholder));
  }

  get #uses(): number {
    return this.#parts.uses.get(this.variable) ?? 0;
  }

  /** The limits of a token that was obtained with it. */
  derivedLimits(token: string, number: number): UsageLimits & SealedValue {
    const limits = this.derived ? this.#limits : derivedLimits(this.#limits);
    return { ...limits, sign: undefined, value: token, version: `${this.version}/${number}` };
  }
}

/** The text that a placeholder is shaped after. */
function sampleOf({ value, sign }: UsageLimits & SealedValue): string {
  if (makesTokens(sign)) return sampleToken(sign);
  return sign?.scheme === 'aws-sigv4' ? (readAwsKeys(value)?.secret ?? value) : value;
}

/** What is secret in a value: all of it, or the secret members of a key of AWS. */
function secretsIn(value: string, sign: Signing | undefined): readonly string[] {
  const keys = sign?.scheme === 'aws-sigv4' ? readAwsKeys(value) : undefined;
  if (keys === undefined) return [value];
  return [keys.secret, ...(keys.sessionToken === undefined ? [] : [keys.sessionToken])];
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

  /** Whether all credentials of a host let files of it pass that cannot be searched. */
  letsUnsearchedPass(name: string, port: number): boolean {
    const known = this.#all.filter((credential) => credential.allowsHost(name, port));
    return known.length > 0 && known.every(({ unsearched }) => unsearched);
  }

  byPlaceholder(placeholder: string): SealedCredential | undefined {
    return this.#all.find((credential) => credential.placeholder === placeholder);
  }

  /**
   * Seals a token that was obtained with a credential, and returns its placeholder. The token is a credential of its own,
   * with the limits of the other, and is revoked with it. A known token keeps its
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
    this.#parts.onChange?.();
  }
}
