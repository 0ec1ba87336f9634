// One sign-in to one account, for all who wait for it: sessions whose calls need it, and the command line. It finds out where
// it goes, has a person agree, and only then registers, listens and shows a page. Whoever gives up leaves; once a person has
// agreed it goes on without them, since that person is at it.
import { randomBytes } from 'node:crypto';
import { addAbortListener } from 'node:events';
import { asWarderError, WarderError } from '../../errors.ts';
import type { Browser } from '../../os/browser.ts';
import type { Clock } from '../../os/clock.ts';
import type { ConsentOutcome } from '../../relay/consent.ts';
import type { Account } from '../keeper/account.ts';
import { type AccountRecord, ignoreDamage } from '../keeper/account-record.ts';
import type { AccountStore } from '../keeper/account-store.ts';
import { type Phase, Phases } from './phases.ts';
import { type Plan, planSignIn, type SignInWish } from './plan.ts';
import type { ClientParts } from './registration.ts';
import { signedInRecord } from './signed-in-record.ts';
import { given, isAnswer, refusalBy, type Waiting, waitingText } from './waiting.ts';
import { type DeviceShown, isUnknownClient, type Paste, type SignedIn, signInAsPlanned } from './ways.ts';
import { within } from './within.ts';

export interface SignInParts extends ClientParts {
  readonly account: Account;
  readonly store: AccountStore;
  /** The settings' URL of Warder's own metadata document. */
  readonly document: string | undefined;
  readonly browser: Browser;
  /** Writes the sign-in to the log; throws where that is not possible. */
  readonly record: (record: AccountRecord, outcome: string, by: string) => void;
  readonly clock: Clock;
}

/** Milliseconds that the command line has to agree, and a person to sign in with a browser. */
const ASK_TIME = 600_000;
const SIGN_IN_TIME = 300_000;
/** With a code: the authorization server says when it ends, and this is the longest. */
const DEVICE_TIME = 1_800_000;
/** For what is no error of anybody else. */
export const FAULT = 'a fault in Warder ended the sign-in';

export class SignIn {
  readonly id = randomBytes(8).toString('hex');
  readonly #parts: SignInParts;
  readonly #wish: SignInWish;
  readonly #phases = new Phases();
  readonly #over = new AbortController();
  readonly #agreed = Promise.withResolvers<{ readonly by: string; readonly opens: boolean }>();
  /** Settles when it is over; never rejects. */
  readonly ended: Promise<void>;
  #plan: Plan | undefined;
  #page: { readonly url: string; readonly redirect: string; readonly paste: Paste } | undefined;
  #device: DeviceShown | undefined;
  #until: number | undefined;
  #error: WarderError | undefined;
  /** A person has said no. */
  #isDenied = false;
  #isOpened = false;
  #waiters = 0;
  /** The command line looks at it. */
  #isAttended = false;

  constructor(parts: SignInParts, wish: SignInWish) {
    this.#parts = parts;
    this.#wish = wish;
    // Nobody may be there to see it fail.
    this.#agreed.promise.catch(() => {});
    this.ended = this.#run();
  }

  get profile(): string {
    return this.#parts.client.profile;
  }

  get phase(): Phase {
    return this.#phases.phase;
  }

  get plan(): Plan | undefined {
    return this.#plan;
  }

  get page(): { readonly url: string; readonly redirect: string } | undefined {
    return this.#page;
  }

  get device(): DeviceShown | undefined {
    return this.#device;
  }

  /** When it is given up, in milliseconds since the epoch. */
  get until(): number | undefined {
    return this.#until;
  }

  get error(): WarderError | undefined {
    return this.#error;
  }

  get isOver(): boolean {
    return this.#phases.isOver;
  }

  /** Whether somebody waits for it who can have a person asked. */
  get isJoined(): boolean {
    return this.#waiters > 0 || this.#isAttended;
  }

  /** A person has said no to it. */
  get isDenied(): boolean {
    return this.#isDenied;
  }

  /** Settles once the phase is another than `seen`, or after `ms`. */
  async changed(seen: string, ms: number): Promise<void> {
    await this.#phases.changed(seen, ms);
  }

  /** The command line looks at it from now on. */
  attend(): void {
    this.#isAttended = true;
  }

  /** A person at the command line agrees to what was shown. Throws `usage` where there is nothing to agree to. */
  agree(by: string): void {
    if (this.phase !== 'asking') throw new WarderError('usage', 'nothing waits to be agreed to');
    this.#agreed.resolve({ by, opens: false });
  }

  /** Throws `usage` where no URL is waited for, or it is none of this sign-in. */
  paste(url: string): void {
    if (this.#page === undefined || this.isOver)
      throw new WarderError('usage', 'this sign-in waits for no address');
    this.#page.paste(url);
  }

  /** Ends it. */
  cancel(why = 'the sign-in was cancelled'): void {
    this.#fail(new WarderError('sign-in-denied', why, { hint: `run: warder login ${this.profile}` }));
  }

  /** Waits for it, as a session does. Never rejects. */
  async join(waiting: Waiting): Promise<'ready' | WarderError> {
    this.#waiters++;
    const { promise: left, resolve: leave } = Promise.withResolvers<void>();
    using _abort = addAbortListener(waiting.signal, () => leave());
    using _listener = this.#phases.onChange(() => this.#tell(waiting));
    let question: Disposable | undefined;
    try {
      this.#tell(waiting);
      question = await this.#askOnce(waiting, left);
      await Promise.race([this.ended, left]);
      if (!this.isOver) return given(waiting.signal, this.profile);
      return this.#error ?? 'ready';
    } catch (error) {
      return asWarderError(error, FAULT);
    } finally {
      question?.[Symbol.dispose]();
      this.#waiters--;
      // Nobody has agreed, and nobody is left who could.
      if (this.#waiters === 0 && !this.#isAttended && this.#page === undefined && this.#device === undefined)
        this.#abandon();
    }
  }

  /** Asks the session's user, once there is something to ask. Throws the reason where nobody could be asked. */
  async #askOnce(waiting: Waiting, left: Promise<void>): Promise<Disposable | undefined> {
    await Promise.race([this.#phases.changed('planning'), left]);
    if (this.phase !== 'asking' || this.#plan === undefined || waiting.signal.aborted) return undefined;
    const { client, browser } = this.#parts;
    if (this.#plan.way === 'browser' && !browser.isPossible() && !this.#isAttended) {
      throw new WarderError('sign-in-needed', `cannot use "${this.profile}": there is no browser here`, {
        hint: `run: warder login ${this.profile}`,
      });
    }
    const { lines, warnings } = this.#plan.shown;
    const open = waiting.ask({
      call: waiting.call,
      name: client.server.host,
      details: [...warnings.map((warning) => `careful: ${warning}`), ...lines],
      id: waiting.id,
      dialog: waiting.dialog,
    });
    waiting.waits(open.notice);
    const answered = open.outcome.then((outcome) => this.#answered(outcome));
    const first = await Promise.race([answered, this.#phases.changed('asking'), left]);
    if (first instanceof WarderError && !this.#isAttended) throw first;
    return { [Symbol.dispose]: () => open.withdraw() };
  }

  #answered(outcome: ConsentOutcome): WarderError | undefined {
    if (outcome.decision === 'allow') {
      this.#agreed.resolve({ by: outcome.rule, opens: true });
      return undefined;
    }
    const error = refusalBy(outcome, this.profile);
    if (isAnswer(outcome) && this.phase === 'asking') {
      this.#isDenied = true;
      this.#fail(error);
    }
    return error;
  }

  #tell({ waits }: Waiting): void {
    const text = waitingText({
      phase: this.phase,
      profile: this.profile,
      issuer: this.#plan?.trust.issuer,
      device: this.#device,
      page: this.#page && { isOpened: this.#isOpened },
    });
    if (text !== undefined) waits(text);
  }

  /** From the plan to the stored account. Never rejects. */
  async #run(): Promise<void> {
    const { account, clock, client, document, store } = this.#parts;
    const { signal } = this.#over;
    try {
      await account.load(true).catch(ignoreDamage);
      const parts = { client, document, record: account.record };
      this.#plan = await planSignIn(parts, this.#wish, signal);
      const { by, opens } = await this.#agreement(this.#plan);
      const isKept = (await store.readClient(this.#plan.trust.issuer)) !== undefined;
      let signedIn: SignedIn;
      try {
        signedIn = await this.#signIn(this.#plan, opens);
      } catch (error) {
        // A client that the server has forgotten, or that its page does not know, is not used again.
        if (!isKept || this.#plan.kind !== 'dynamic') throw error;
        const isForgotten = isUnknownClient(error);
        if (isForgotten || this.#page !== undefined) await this.#forgetClient(this.#plan.trust.issuer);
        if (!isForgotten) throw error;
        signedIn = await this.#signIn(this.#plan, opens);
      }
      const plan = this.#plan;
      const now = clock.now();
      const record = await account.replace(() => {
        // Cancelled, or signed out of, while the answer was on its way: nobody waits for these tokens.
        signal.throwIfAborted();
        return signedInRecord(plan, signedIn, client, now);
      });
      this.#parts.record(record, 'ok', by);
      this.#phases.enter('done');
    } catch (error) {
      this.#fail(signal.aborted ? asWarderError(signal.reason, FAULT) : asWarderError(error, FAULT));
    }
  }

  async #agreement(plan: Plan): Promise<{ readonly by: string; readonly opens: boolean }> {
    if (plan.isAgreed) return { by: 'profile', opens: true };
    this.#until = this.#parts.clock.now() + ASK_TIME;
    this.#phases.enter('asking');
    return await this.#within(
      ASK_TIME,
      'nobody has agreed to the sign-in in time',
      () => this.#agreed.promise,
    );
  }

  /** Signs in, and shows where. */
  async #signIn(plan: Plan, opens: boolean): Promise<SignedIn> {
    const { account, browser, clock } = this.#parts;
    const open = (url: string): void => {
      if (!opens) return;
      void browser.open(url).then((isOpened) => {
        this.#isOpened = isOpened;
        this.#phases.notify();
      });
    };
    const time = plan.way === 'device' ? DEVICE_TIME : SIGN_IN_TIME;
    this.#until = clock.now() + time;
    return await this.#within(time, 'nobody has signed in in time', (signal) =>
      signInAsPlanned({
        ...this.#parts,
        plan,
        identity: account.record?.identity,
        signal,
        page: (page) => {
          this.#page = page;
          this.#phases.enter('waiting');
          open(page.url);
        },
        device: (shown) => {
          this.#device = shown;
          this.#until = shown.until;
          this.#phases.enter('waiting');
          open(shown.complete ?? shown.url);
        },
      }),
    );
  }

  #within<T>(ms: number, why: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const late = new WarderError('sign-in-failed', why, { hint: `run: warder login ${this.profile}` });
    return within(ms, { late, over: this.#over.signal }, work);
  }

  async #forgetClient(issuer: string): Promise<void> {
    const { store } = this.#parts;
    const known = await store.readClient(issuer);
    if (known !== undefined) await store.removeClient(known.registration);
  }

  #abandon(): void {
    if (this.phase === 'planning' || this.phase === 'asking')
      this.cancel('nobody waits for the sign-in any more');
  }

  #fail(error: WarderError): void {
    if (this.isOver) return;
    this.#error = error;
    this.#over.abort(error);
    this.#agreed.reject(error);
    this.#phases.enter('failed');
  }
}
