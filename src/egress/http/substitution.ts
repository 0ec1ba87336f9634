// One request on its way through the gate: where it goes, which credentials it carries, and the one location where a
// placeholder becomes a secret. A use is decided, recorded, and only then given out; the caller writes the secret
// nowhere but into the outgoing request.

import type { Confirmation, Confirmations } from '../../credential/confirmation.ts';
import type { Finder } from '../../credential/finder.ts';
import type { SealedCredential, SealedCredentials } from '../../credential/sealed.ts';
import type { PlaceholderLocation, UsageLocks } from '../../credential/usage.ts';
import type { Clock } from '../../os/clock.ts';
import { makesTokens } from '../../profile/signing.ts';
import type { CredentialedRequest, Destination, EgressLedger } from '../ledger.ts';
import type { Refreshes, RefreshTurn } from '../refresh.ts';

/** A request or response that the gate does not forward, with the status that the other side gets. */
export class Denial extends Error {
  override readonly name = 'Denial';
  readonly status: number;
  /** Short, lower case, without any value. */
  readonly reason: string;

  constructor(status: number, reason: string, cause?: unknown) {
    super(reason, cause === undefined ? undefined : { cause });
    this.status = status;
    this.reason = reason;
  }
}

/** A header field as it is on the wire: name and value, each byte a character (latin1). */
export type Field = [name: string, value: string];

/** A request's head; the steps change it in location. */
export interface Head {
  readonly method: string;
  /** Origin form: the path, and the query with its `?`. */
  target: string;
  fields: Field[];
}

/** SealedCredentials credentials, and the finder of their placeholders: a match's index is the credential's. */
export interface PlaceholderSearch {
  readonly finder: Finder;
  readonly all: readonly SealedCredential[];
}

/** What all requests of a gate share. */
export interface RequestContextParts {
  readonly sealed: SealedCredentials;
  /** What is sealed now, and the finder of its placeholders, in the same order. */
  readonly search: PlaceholderSearch;
  readonly guards: UsageLocks;
  readonly ledger: EgressLedger;
  readonly refreshes: Refreshes;
  readonly confirmations: Confirmations;
  readonly clock: Clock;
}

/** A credential that a request carries, and the last location where it occurs. */
interface Substitution {
  readonly request: CredentialedRequest;
  location: PlaceholderLocation;
}

export class RequestContext {
  readonly #parts: RequestContextParts;
  readonly #destination: Destination;
  readonly #secure: boolean;
  readonly #method: string;
  /** As the server wrote it, without its query. */
  readonly path: string;
  /** Tokens that are sealed meanwhile come behind the others: they change no index. */
  readonly #search: PlaceholderSearch;
  readonly #used = new Map<SealedCredential, Substitution>();
  /** A header field names another method or target, which some servers obey. */
  hasOverrideHeader = false;
  /** How uses were confirmed, by the names of credentials: tokens have that of the one they were obtained with. */
  readonly #confirmed = new Map<string, string>();
  /** What would be put in: collected instead of being decided on. */
  #rehearsed: Set<SealedCredential> | undefined;
  #status: number | undefined;
  #turn: RefreshTurn | undefined;

  constructor(
    parts: RequestContextParts,
    destination: Destination,
    secure: boolean,
    method: string,
    path: string,
  ) {
    this.#parts = parts;
    this.#search = parts.search;
    this.#destination = destination;
    this.#secure = secure;
    this.#method = method;
    this.path = path;
  }

  /** Finds placeholders in what leaves. */
  get finder(): Finder {
    return this.#search.finder;
  }

  /** The credentials that the request carries so far. */
  get usedCredentials(): ReadonlyMap<SealedCredential, unknown> {
    return this.#used;
  }

  /**
   * The secret for a placeholder, by its index in the finder, to be put at a location of this request. Throws `Denial`
   * where it is not allowed there, or cannot be recorded.
   */
  substitute(index: number, location: PlaceholderLocation): string {
    const credential = this.#search.all[index];
    if (credential === undefined) throw new Denial(403, 'the credential no longer exists');
    this.#use(credential, location);
    // Nothing that is found again.
    if (this.#rehearsed !== undefined) return 'x';
    const sent = credential.sent(this.#parts.clock.now());
    if (sent === undefined) throw new Denial(503, `no token of the credential ${credential.name} is valid`);
    return sent;
  }

  /** The credentials of this host that sign, or make tokens. */
  get signers(): readonly SealedCredential[] {
    const { host, port } = this.#destination;
    return this.#search.all.filter((each) => each.sign !== undefined && each.allowsHost(host, port));
  }

  /** Whether signatures of AWS are made anew, or refused: none passes as it is. */
  get signsForAws(): boolean {
    return this.signers.some(({ sign }) => sign?.scheme === 'aws-sigv4');
  }

  /** The credentials whose tokens must be made before the placeholders of a head are replaced. */
  tokensIn(head: Head): readonly SealedCredential[] {
    const { guards } = this.#parts;
    const signers = this.signers.filter(({ sign, name }) => makesTokens(sign) && !guards.isRevoked(name));
    if (signers.length === 0 || guards.locked) return [];
    const text = Buffer.from([head.target, ...head.fields.flat()].join('\n'), 'latin1');
    const found = new Set(this.finder.find(text).map(({ index }) => this.#search.all[index]));
    return signers.filter((each) => found.has(each));
  }

  /** The value of a credential that signs this request. Throws as `substitute` does. */
  sign(credential: SealedCredential): string {
    this.#use(credential, 'signature');
    return credential.value;
  }

  /** A credential may not be used in this request. */
  deny(credential: SealedCredential, reason: string): Denial {
    return this.#deny(this.#request(credential), reason);
  }

  /**
   * The credentials that wait for a person's word before a piece of work may put them in. The work is done on a copy, and
   * puts in nothing. What it would refuse is not asked about.
   */
  async rehearse(work: () => void | Promise<void>): Promise<readonly SealedCredential[]> {
    if (!this.#search.all.some(({ confirm }) => confirm)) return [];
    const rehearsed = new Set<SealedCredential>();
    this.#rehearsed = rehearsed;
    try {
      await work();
      return [...rehearsed];
    } catch {
      // It is refused again, and then recorded.
      return [];
    } finally {
      this.#rehearsed = undefined;
    }
  }

  /**
   * Waits until a person has confirmed each use, unless `gone` says that nobody waits for the request any more. Throws
   * `Denial`.
   */
  async confirm(credentials: readonly SealedCredential[], gone: AbortSignal): Promise<void> {
    for (const credential of credentials) {
      if (this.#confirmed.has(credential.name)) continue;
      const { decision, rule, reason } = await this.#askFor(credential, gone);
      if (decision === 'deny') throw this.#deny(this.#request(credential), reason ?? rule);
      this.#confirmed.set(credential.name, rule);
    }
  }

  /** How a person has confirmed the use of a credential in this request, for its record. */
  confirmedBy({ name }: SealedCredential): string | undefined {
    return this.#confirmed.get(name);
  }

  async #askFor(credential: SealedCredential, gone: AbortSignal): Promise<Confirmation> {
    const { confirmations } = this.#parts;
    const { version: _, ...use } = this.#request(credential);
    const known = confirmations.known(use);
    if (known !== undefined) return known;
    const open = confirmations.ask(use);
    const withdraw = (): void => open.withdraw();
    if (gone.aborted) withdraw();
    gone.addEventListener('abort', withdraw, { once: true });
    try {
      return await open.outcome;
    } finally {
      gone.removeEventListener('abort', withdraw);
    }
  }

  #use(credential: SealedCredential, location: PlaceholderLocation): void {
    const { ledger } = this.#parts;
    const request = this.#request(credential);
    if (this.#rehearsed !== undefined) {
      if (this.#refusal(credential, location, true) !== undefined)
        throw new Denial(403, 'it would be refused');
      if (credential.confirm) this.#rehearsed.add(credential);
      return;
    }
    this.#check(credential, { request, location });
    const substitution = this.#used.get(credential);
    if (substitution === undefined) {
      try {
        const rule = this.confirmedBy(credential);
        ledger.recordUse({ ...request, ...(rule !== undefined && { rule }) });
      } catch (cause) {
        throw new Denial(503, 'the audit log cannot be written', cause);
      }
      credential.recordUse();
      this.#used.set(credential, { request, location });
      if (this.#status !== undefined) ledger.recordAnswer(request, this.#status);
    } else substitution.location = location;
  }

  /** The request exchanges a refresh token: no other does until `endRefresh`. */
  get refreshTurn(): RefreshTurn | undefined {
    return this.#turn;
  }

  /** Waits until no other request exchanges the refresh token. Throws `Denial` where that takes too long. */
  async beginRefresh(index: number): Promise<void> {
    const credential = this.#search.all[index];
    if (credential === undefined || this.#turn !== undefined) return;
    this.#turn = await this.#parts.refreshes.begin(credential);
    if (this.#turn === undefined)
      throw new Denial(503, 'another request with this refresh token has no answer yet');
  }

  endRefresh(): void {
    this.#turn?.[Symbol.dispose]();
    this.#turn = undefined;
  }

  /**
   * Checks again when the request is about to leave, maybe long after it arrived. Throws `Denial` where it is no
   * longer allowed.
   */
  recheck(): void {
    for (const [credential, substitution] of this.#used) this.#check(credential, substitution);
  }

  /** Whether each secret, measured by `length`, is as long as its placeholder. */
  preservesLengths(length: (value: string) => number): boolean {
    return this.#search.all.every(({ value, placeholder }) => length(value) === placeholder.length);
  }

  /** A placeholder is where none may be used, or in a spelling that cannot be preserved when it is replaced. */
  denyMisplaced(index: number, reason: string): Denial {
    const credential = this.#search.all[index];
    if (credential === undefined) return new Denial(403, reason);
    return this.#deny(this.#request(credential), reason);
  }

  /** The host has answered. Returns the credentials that it refused, judging by the status. */
  recordAnswer(status: number): readonly SealedCredential[] {
    this.#status = status;
    for (const { request } of this.#used.values()) this.#parts.ledger.recordAnswer(request, status);
    return status === 401 || status === 403 ? [...this.#used.keys()] : [];
  }

  /** No answer came. */
  recordNoAnswer(reason: string): void {
    if (this.#status !== undefined) return;
    for (const { request } of this.#used.values()) this.#parts.ledger.recordNoAnswer(request, reason);
  }

  #check(credential: SealedCredential, { request, location }: Substitution): void {
    const reason = this.#refusal(credential, location, this.#isConfirmed(credential));
    if (reason !== undefined) throw this.#deny(request, reason);
  }

  /** Whether a person has confirmed a use: in this request, or before, for all requests like it. */
  #isConfirmed(credential: SealedCredential): boolean {
    if (!credential.confirm || this.#confirmed.has(credential.name)) return true;
    const { version: _, ...use } = this.#request(credential);
    const known = this.#parts.confirmations.known(use);
    if (known?.decision !== 'allow') return false;
    this.#confirmed.set(credential.name, known.rule);
    return true;
  }

  #refusal(
    credential: SealedCredential,
    location: PlaceholderLocation,
    confirmed: boolean,
  ): string | undefined {
    const { guards, clock } = this.#parts;
    return credential.refusal(
      {
        host: this.#destination.host,
        port: this.#destination.port,
        secure: this.#secure,
        method: this.#method,
        path: this.path,
        location,
        now: clock.monotonic(),
        repeated: this.#used.has(credential),
        hasOverrideHeader: this.hasOverrideHeader,
        confirmed,
      },
      guards,
    );
  }

  #deny(request: CredentialedRequest, reason: string): Denial {
    if (this.#rehearsed === undefined) this.#parts.ledger.recordDenial(request, reason);
    return new Denial(403, `the credential ${request.credential} is not put in: ${reason}`);
  }

  #request({ name, version }: SealedCredential): CredentialedRequest {
    const { host, port } = this.#destination;
    return { credential: name, version, host, port, method: this.#method, path: this.path };
  }
}
