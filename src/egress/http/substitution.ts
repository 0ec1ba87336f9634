// One request on its way through the gate: where it goes, which credentials it carries, and the one place where a
// placeholder becomes a secret. A use is decided, recorded, and only then given out; whoever asks writes it nowhere
// but into the request that leaves.
import type { Finder } from '../../credential/finder.ts';
import type {
  PlaceholderLocation,
  SealedCredential,
  SealedCredentials,
  UsageLocks,
} from '../../credential/sealed.ts';
import type { Clock } from '../../os/clock.ts';
import type { Carried, EgressLedger, Way } from '../ledger.ts';

/** A request or answer that the gate does not pass on, with the status that the other side is told. */
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

/** A request's head; processors change it in place. */
export interface Head {
  readonly method: string;
  /** Origin form: the path, and the query with its `?`. */
  target: string;
  fields: Field[];
}

/** Sealed credentials, and what finds their placeholders: a match's index is the credential's. */
export interface Search {
  readonly finder: Finder;
  readonly all: readonly SealedCredential[];
}

/** What all requests of a gate share. */
export interface PassageParts {
  readonly sealed: SealedCredentials;
  /** What is sealed now, and what finds its placeholders, in that order. */
  readonly search: () => Search;
  readonly guards: UsageLocks;
  readonly ledger: EgressLedger;
  readonly clock: Clock;
}

/** A credential that a request carries, and the last place where it stands. */
interface Spent {
  readonly carried: Carried;
  place: PlaceholderLocation;
}

export class Passage {
  readonly #parts: PassageParts;
  readonly #way: Way;
  readonly #secure: boolean;
  readonly #method: string;
  readonly #path: string;
  /** As it was when the request came: tokens that are sealed meanwhile change no number. */
  readonly #search: Search;
  readonly #used = new Map<SealedCredential, Spent>();
  /** A header names another method or target, which some servers believe. */
  diverted = false;
  #status: number | undefined;

  /** `path`: as the server wrote it, without its query. */
  constructor(parts: PassageParts, way: Way, secure: boolean, method: string, path: string) {
    this.#parts = parts;
    this.#search = parts.search();
    this.#way = way;
    this.#secure = secure;
    this.#method = method;
    this.#path = path;
  }

  /** Finds placeholders in what leaves. */
  get finder(): Finder {
    return this.#search.finder;
  }

  /** The credentials that the request carries so far. */
  get used(): ReadonlyMap<SealedCredential, unknown> {
    return this.#used;
  }

  /**
   * The secret for a placeholder, by its number in the finder, to be put in at a place of this request. Throws
   * `Denial` where it may not stand there, or cannot be recorded.
   */
  spend(index: number, place: PlaceholderLocation): string {
    const { ledger } = this.#parts;
    const credential = this.#search.all[index];
    if (credential === undefined) throw new Denial(403, 'the credential is no longer there');
    const carried = this.#carried(credential);
    this.#demand(credential, { carried, place });
    const spent = this.#used.get(credential);
    if (spent === undefined) {
      try {
        ledger.using(carried);
      } catch (cause) {
        throw new Denial(503, 'the audit log cannot be written', cause);
      }
      credential.recordUse();
      this.#used.set(credential, { carried, place });
      if (this.#status !== undefined) ledger.answered(carried, this.#status);
    } else spent.place = place;
    return credential.value;
  }

  /** The request is about to leave, maybe long after it came. Throws `Denial` where it may not any more. */
  leave(): void {
    for (const [credential, spent] of this.#used) this.#demand(credential, spent);
  }

  /** Whether each secret, as long as `length` says, is as long as its placeholder. */
  lengths(length: (value: string) => number): boolean {
    return this.#search.all.every(({ value, placeholder }) => length(value) === placeholder.length);
  }

  /** A placeholder stands where none may be used, or in a form that cannot be kept when it is replaced. */
  misplaced(index: number, reason: string): Denial {
    const credential = this.#search.all[index];
    if (credential === undefined) return new Denial(403, reason);
    return this.#withhold(this.#carried(credential), reason);
  }

  /** The host has answered. Which credentials it refused, by its status. */
  answered(status: number): readonly SealedCredential[] {
    this.#status = status;
    for (const { carried } of this.#used.values()) this.#parts.ledger.answered(carried, status);
    return status === 401 || status === 403 ? [...this.#used.keys()] : [];
  }

  /** No answer came. */
  lost(reason: string): void {
    if (this.#status !== undefined) return;
    for (const { carried } of this.#used.values()) this.#parts.ledger.lost(carried, reason);
  }

  #demand(credential: SealedCredential, { carried, place }: Spent): void {
    const { guards, clock } = this.#parts;
    const refusal = credential.refusal(
      {
        host: this.#way.host,
        port: this.#way.port,
        secure: this.#secure,
        method: this.#method,
        path: this.#path,
        location: place,
        now: clock.monotonic(),
        repeated: this.#used.has(credential),
        hasOverrideHeader: this.diverted,
      },
      guards,
    );
    if (refusal !== undefined) throw this.#withhold(carried, refusal);
  }

  #withhold(carried: Carried, reason: string): Denial {
    this.#parts.ledger.withheld(carried, reason);
    return new Denial(403, `the credential ${carried.credential} is not put in: ${reason}`);
  }

  #carried({ name, version }: SealedCredential): Carried {
    const { host, port } = this.#way;
    return { credential: name, version, host, port, method: this.#method, path: this.#path };
  }
}
