// What the user has agreed to before a token of theirs is used for a host program, whatever the authorization server
// remembers of the browser: a program that is new to a profile gets nothing by its token.
import { WarderError } from '../errors.ts';
import type { Authorized, Authorizer, RefusedAnswer, SignInRequest } from './authorizer.ts';

/** Of one session. */
export interface Agreement {
  /** Whether requests may carry the user's token. */
  readonly isAgreed: boolean;
  /** They carry a token of that issuer from now on, which may not be agreed to. */
  issuedBy(issuer: string): void;
  /** Calls `listener` when `isAgreed` may be other than before. */
  onChange(listener: () => void): void;
}

/** Authorizes nothing before it is agreed to. */
export class AgreedAuthorizer implements Authorizer {
  readonly #profile: string;
  readonly #authorizer: Authorizer;
  readonly #agreement: Agreement;

  constructor(profile: string, authorizer: Authorizer, agreement: Agreement) {
    this.#profile = profile;
    this.#authorizer = authorizer;
    this.#agreement = agreement;
  }

  get state(): Authorizer['state'] {
    return this.#agreement.isAgreed ? this.#authorizer.state : 'unasked';
  }

  onChange(listener: () => void): void {
    this.#authorizer.onChange(listener);
    this.#agreement.onChange(listener);
  }

  /** Throws `refused` as well, before it is agreed to. */
  async authorize(request: Parameters<Authorizer['authorize']>[0]): Promise<Authorized> {
    this.#require();
    const authorized = await this.#authorizer.authorize(request);
    const { issuer } = authorized.mark ?? {};
    if (issuer !== undefined) this.#agreement.issuedBy(issuer);
    // The token may be another's than the one that was agreed to, and a person may have said no meanwhile.
    this.#require();
    return authorized;
  }

  async refused(answer: RefusedAnswer): Promise<'again' | WarderError> {
    return this.#agreement.isAgreed ? await this.#authorizer.refused(answer) : this.#refusal();
  }

  async signIn(request: SignInRequest): Promise<'ready' | WarderError> {
    return this.#agreement.isAgreed ? await this.#authorizer.signIn(request) : this.#refusal();
  }

  answered(headers: Pick<Headers, 'get'>): void {
    this.#authorizer.answered(headers);
  }

  values(): readonly string[] {
    return this.#authorizer.values();
  }

  [Symbol.dispose](): void {
    this.#authorizer[Symbol.dispose]();
  }

  #require(): void {
    if (!this.#agreement.isAgreed) throw this.#refusal();
  }

  #refusal(): WarderError {
    const what = `the user has not agreed that this program uses "${this.#profile}" as it is now`;
    return new WarderError('refused', what, { hint: 'the user is asked at the next call that acts' });
  }
}
