// The searches of one gate for what is sealed: placeholders in requests, secrets in responses. What is sealed later is
// added to them, in the time that it takes alone: a host can issue many tokens. Where too many of the values that
// are searched for are former ones that the session has forgotten, a smaller search takes the place of the larger one; it is
// filled a few values at a time.
import { Finder } from '../../credential/finder.ts';
import { ResponseSealer } from '../../credential/redact.ts';
import type { SealedCredential, SealedCredentials, SealedSecret } from '../../credential/sealed.ts';

/** So many forgotten values are searched for at most, before a smaller search is begun. */
const MAX_FORGOTTEN = 16;
/** Values that are added to the smaller search at a time. */
const FILLED_AT_ONCE = 2;

/** What is sealed. */
type Searched = Pick<SealedCredentials, 'all' | 'placeholders' | 'revision' | 'secrets'>;

/** A search for secrets, and the values in it. */
interface Filled {
  readonly sealing: ResponseSealer;
  readonly values: Set<string>;
}

export class SealedSearch {
  readonly #sealed: Searched;
  readonly #finder = new Finder([]);
  #searched = 0;
  #current: Filled = empty();
  /** The smaller search that is being filled. */
  #smaller: Filled | undefined;
  #revision = -1;

  constructor(sealed: Searched) {
    this.#sealed = sealed;
  }

  /** What is sealed now, in the order of the placeholders that `finder` finds. */
  get all(): readonly SealedCredential[] {
    return this.#sealed.all;
  }

  /** Finds placeholders. */
  get finder(): Finder {
    const { placeholders } = this.#sealed;
    if (this.#searched < placeholders.length) {
      this.#finder.add(placeholders.slice(this.#searched));
      this.#searched = placeholders.length;
    }
    return this.#finder;
  }

  /** Replaces secrets. Another one only where a smaller search has taken its place. */
  get sealing(): ResponseSealer {
    const { revision, secrets } = this.#sealed;
    if (this.#revision !== revision) {
      this.#revision = revision;
      fill(this.#current, secrets, secrets.length);
      if (this.#current.values.size > secrets.length + MAX_FORGOTTEN) this.#smaller ??= empty();
    }
    if (this.#smaller !== undefined && fill(this.#smaller, secrets, FILLED_AT_ONCE)) {
      this.#current = this.#smaller;
      this.#smaller = undefined;
    }
    return this.#current.sealing;
  }
}

function empty(): Filled {
  return { sealing: new ResponseSealer([]), values: new Set() };
}

/** Adds as many of the secrets that are not searched for yet. Returns whether none is left. */
function fill({ sealing, values }: Filled, secrets: readonly SealedSecret[], most: number): boolean {
  let added = 0;
  for (const secret of secrets) {
    if (values.has(secret.value)) continue;
    if (added++ === most) return false;
    values.add(secret.value);
    sealing.add(secret);
  }
  return true;
}
