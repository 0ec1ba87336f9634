// Consent as the daemon has it: joins the sessions that ask, the broker, the grants, the log, and the people who answer
// over the control API.
import type { AuditLog } from '../audit/log.ts';
import { escapeUnprintable } from '../audit/printable.ts';
import { WarderError } from '../errors.ts';
import type { Clock } from '../os/clock.ts';
import type { Log } from '../os/log.ts';
import { matches } from '../policy/pattern.ts';
import type { Settings } from '../profile/settings.ts';
import { handedOver } from './handed-over.ts';
import { needsPresence, type Presence } from './presence.ts';
import type { Answer } from './questions/answer.ts';
import { Broker } from './questions/broker.ts';
import { ConsentRecords } from './questions/consent-records.ts';
import type { Question } from './questions/question.ts';
import type { Way } from './questions/way.ts';
import { type ConsentSession, type SessionConsent, sessionConsent } from './session-consent.ts';
import { AuthenticFiles, type Blobs } from './store/authentic-files.ts';
import { GrantStore } from './store/grant-store.ts';
import type { Grant, GrantSubject } from './store/grants.ts';
import { TrustService } from './trust.ts';

/** Milliseconds that a person has to prove to be there where no question waits. */
const PROOF_TIMEOUT = 120_000;

export interface ConsentServiceOptions {
  readonly settings: Settings['consent'];
  /** The state folder. */
  readonly folder: string;
  /** The chosen store's blobs. Throws the store's errors. */
  readonly blobs: () => Blobs;
  /** Calls the listener each time that the store was opened. */
  readonly onStoreOpened: (listener: () => void) => void;
  /** Whether a store was chosen. */
  readonly isStoreChosen: () => boolean;
  /** The user, as `process.getuid`. */
  readonly uid: number | undefined;
  readonly audit: Pick<AuditLog, 'append'>;
  /** The ways that ask by themselves. */
  readonly ways: readonly Way[];
  readonly presence: Presence;
  readonly clock: Clock;
  readonly log: Log;
}

/** What an answer over the control API says. */
export interface ControlAnswer extends Answer {
  readonly id: string;
  readonly pin: string | undefined;
  /** How many calls the person has seen waiting; undefined: the one that is asked about. */
  readonly calls?: number | undefined;
}

export class ConsentService {
  readonly #options: ConsentServiceOptions;
  readonly #broker: Broker;
  readonly #grants: GrantStore;
  readonly #records: ConsentRecords;
  readonly #sessions = new Set<string>();
  /** What is accepted of servers. */
  readonly trust: TrustService;
  #files: AuthenticFiles | undefined;
  #opening: Promise<void> | undefined;
  #isRetired = false;

  constructor(options: ConsentServiceOptions) {
    this.#options = options;
    this.#records = new ConsentRecords(options.audit);
    const { settings, onStoreOpened, clock, log, ways } = options;
    this.#grants = new GrantStore({ files: () => this.#files, clock, log });
    this.#broker = new Broker({
      ways,
      order: settings.ways,
      timeout: settings.timeout,
      rate: settings.rate,
      records: this.#records,
      grant: (subject, answer, by) => this.#keep(subject, answer, by),
      clock,
      log,
    });
    this.trust = new TrustService({
      firstUse: settings['first-use'],
      folder: options.folder,
      files: () => this.#files ?? (options.isStoreChosen() ? 'locked' : 'unset'),
      open: () => this.open(),
      audit: options.audit,
      ask: (asked) => this.#broker.ask(asked),
      findGrant: (subject) => this.#grants.find(subject),
      grantsVersion: () => this.#grants.version,
      keepGrant: (subject, answer, by) => this.#keep(subject, answer, by),
      isRetired: () => this.#isRetired,
      requirePresence: (pin) => options.presence.prove(pin, AbortSignal.timeout(PROOF_TIMEOUT)),
      uid: options.uid,
      clock,
      log,
    });
    onStoreOpened(() => void this.open());
  }

  /**
   * Another daemon is about to take over: what is answered here from now on holds for the sessions that are left. Settles
   * once all that was answered before is kept.
   */
  async retire(): Promise<void> {
    this.trust.flush();
    this.#isRetired = true;
    await this.#files?.retire();
  }

  /**
   * The daemon that has taken over has taken answers back: all, or some of those on disk and the one with that id. Returns that one and those for a
   * session, which no other daemon has. Throws the credential store's errors.
   */
  async reread(all: boolean, id?: string): Promise<Grant[]> {
    const [relearned] = await Promise.allSettled([this.#files?.relearn()]);
    const fault = relearned.status === 'fulfilled' ? undefined : relearned.reason;
    const gone = this.#grants.reread({ all, id }, fault);
    this.#records.revoked(gone);
    if (fault !== undefined) throw fault;
    return gone;
  }

  /** Opens the files of grants, if the store can be used without asking anybody. Never rejects. */
  open(): Promise<void> {
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  /** The consent of one session, until it is disposed of. */
  session(about: ConsentSession): SessionConsent {
    this.#sessions.add(about.session);
    return sessionConsent(about, {
      broker: this.#broker,
      grants: this.#grants,
      opened: () => this.open(),
      ended: () => {
        this.#sessions.delete(about.session);
        this.#grants.prune((session) => this.#sessions.has(session));
      },
    });
  }

  get questions(): readonly Question[] {
    return this.#broker.questions;
  }

  /** Settles when the open questions are others than `seen`, or after `ms`. Somebody watches. */
  async wait(seen: readonly string[] | undefined, ms: number): Promise<void> {
    const isNews = (): boolean =>
      seen === undefined || this.questions.map(({ id, calls }) => `${id}:${calls}`).join() !== seen.join();
    const unwatch = this.#broker.watch();
    const { promise, resolve } = Promise.withResolvers<void>();
    const stop = this.#broker.onChange(() => {
      if (isNews()) resolve();
    });
    const timer = setTimeout(resolve, ms);
    if (isNews()) resolve();
    await promise;
    clearTimeout(timer);
    stop();
    unwatch();
  }

  /**
   * A person answers. Throws `usage` where the question is not open or the answer's pattern is for others, and `refused` where
   * presence is not proved.
   */
  async answer({ id, pin, calls = 1, ...answer }: ControlAnswer, by: string): Promise<void> {
    const open = this.#broker.find(id);
    if (open === undefined) {
      throw new WarderError('usage', `no question ${id} is open`, { hint: '"warder approvals" lists them' });
    }
    const { extent } = answer;
    // The call that waits would be let through by an answer that is for others.
    if (typeof extent === 'object' && !matches(extent.pattern, open.question.name)) {
      const name = escapeUnprintable(JSON.stringify(open.question.name));
      throw new WarderError('usage', `the pattern does not match ${name}, which is asked about`, {
        hint: '* stands for any characters, ? for one',
      });
    }
    if (needsPresence(answer, open.question.kind)) {
      await this.#options.presence.prove(pin, open.signal);
    }
    // Meanwhile another way may have answered.
    if (!this.#broker.answer(id, answer, by, calls)) {
      throw new WarderError('usage', `the question ${id} was answered meanwhile`);
    }
  }

  /** All grants. Throws `refused` where those on disk do not verify. */
  grants(): Grant[] {
    const { fault } = this.#grants;
    if (fault !== undefined) throw fault;
    return this.#grants.all();
  }

  /** Forgets the answers about a profile that is no more. */
  async revokeOf(profile: string): Promise<void> {
    this.#records.revoked(await this.#grants.revokeOf(profile));
  }

  /** Takes one answer back, or all. Returns those. */
  async revoke(id: string | undefined): Promise<Grant[]> {
    if (this.#isRetired) throw handedOver();
    const revoked = await this.#grants.revoke(id);
    this.#records.revoked(revoked);
    return revoked;
  }

  setPin(pin: string, old: string | undefined): Promise<void> {
    return this.#options.presence.setPin(pin, old);
  }

  isPinSet(): Promise<boolean> {
    return this.#options.presence.isPinSet();
  }

  /** Whether polkit would ask who wants to answer for good. */
  polkitAsks(): Promise<boolean> {
    return this.#options.presence.polkitAsks();
  }

  async #open(): Promise<void> {
    const { folder, blobs, log } = this.#options;
    try {
      if (this.#files !== undefined) return;
      this.#files = await AuthenticFiles.open(folder, blobs());
      this.trust.reload();
    } catch (error) {
      log.info({ error: String(error) }, 'answers on disk do not count until the credential store is open');
    }
  }

  #keep(subject: GrantSubject, answer: Answer, by: string): Grant {
    const { grant, kept } = this.#grants.add(subject, answer, by);
    kept.catch((error: unknown) =>
      this.#options.log.error(
        { grant: grant.id, error: String(error) },
        'a grant holds until the daemon ends only',
      ),
    );
    return grant;
  }
}
