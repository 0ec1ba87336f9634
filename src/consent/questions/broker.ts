// Questions to people, from the moment that one is asked to its one answer. Ways to ask are tried in the order that the
// user has set; people who watch (`warder approvals --watch`) see every question. The first answer counts, and all
// others are withdrawn. Where nobody is there, the answer is no, at once: a host waits for nothing.
import { randomBytes } from 'node:crypto';
import type { Clock } from '../../os/clock.ts';
import type { Log } from '../../os/log.ts';
import type { WayName } from '../../profile/settings.ts';
import { needsPresence } from '../presence.ts';
import type { Grant, GrantKind, GrantSubject } from '../store/grants.ts';
import type { Answer } from './answer.ts';
import type { ConsentRecords } from './consent-records.ts';
import { type Asking, nobody, type Outcome, timedOut, tooMany, unrecorded, WITHDRAWN } from './outcome.ts';
import { actOf, type Question } from './question.ts';
import type { Way } from './way.ts';

export interface BrokerOptions {
  /** Ways that ask by themselves. */
  readonly ways: readonly Way[];
  /** The user's order; ways that it does not name are not used. */
  readonly order: readonly WayName[];
  /** Milliseconds after which the answer is no. */
  readonly timeout: number;
  /** Questions in a minute for one host and profile; the rest are denied. */
  readonly rate: number;
  readonly records: Pick<ConsentRecords, 'asked' | 'answered'>;
  /** Keeps an answer that holds for more than the calls that wait. Returns the grant. Throws where it cannot be kept. */
  readonly grant: (subject: GrantSubject, answer: Answer, by: string) => Grant;
  readonly clock: Clock;
  readonly log: Log;
}

/** What is asked about. */
export interface Asked {
  readonly subject: GrantSubject;
  readonly question: Omit<Question, 'id' | 'calls' | 'since' | 'until'>;
  /** The dialog of the session's host, if it has one. */
  readonly dialog: Way | undefined;
  /** Keeps an answer in place of `BrokerOptions.grant`, whatever its scope. Throws where it cannot be kept. */
  readonly keep?: (answer: Answer, by: string) => Grant | undefined;
}

/** One who waits, for a question and then perhaps for another. */
interface Waiter {
  open: OpenQuestion;
  readonly resolve: (outcome: Outcome) => void;
}

interface OpenQuestion {
  question: Question;
  readonly asked: Asked;
  readonly subject: GrantSubject;
  /** In the order in which they came. */
  readonly waiting: Set<Waiter>;
  readonly over: AbortController;
  /** Every way to ask has found nobody. */
  isUnseen: boolean;
}

const MINUTE = 60_000;
/** Milliseconds for which somebody who watched may be about to watch again. */
const WATCH_GAP = 2000;
/** Questions that are open at once. */
const MAX_OPEN = 200;

export class Broker {
  readonly #options: BrokerOptions;
  /** By what makes questions alike. */
  readonly #open = new Map<string, OpenQuestion>();
  readonly #byId = new Map<string, OpenQuestion>();
  /** When questions were asked, by host and profile. */
  readonly #asked = new Map<string, number[]>();
  readonly #listeners = new Set<() => void>();
  #watchers = 0;
  /** When somebody watched last; who does asks again at once. */
  #watchedAt = Number.NEGATIVE_INFINITY;
  /** Those who watch see each question anyhow; in its turn, this way waits for them. */
  readonly #terminal: Way = {
    name: 'terminal',
    isPossible: () => this.#isWatched(),
    ask: (_, signal) => this.#untilUnwatched(signal),
  };
  #nextId = 1000 + (randomBytes(2).readUInt16BE() % 8000);

  constructor(options: BrokerOptions) {
    this.#options = options;
  }

  /** All open questions, the oldest first. */
  get questions(): Question[] {
    return [...this.#byId.values()].map(({ question }) => question);
  }

  /** Calls `listener` each time that `questions` has changed. Returns what ends that. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Somebody watches from now on, until what is returned is called. */
  watch(): () => void {
    this.#watchers++;
    let isWatching = true;
    return () => {
      if (!isWatching) return;
      isWatching = false;
      this.#watchers--;
      this.#watchedAt = this.#options.clock.monotonic();
      setTimeout(() => this.#closeUnseen(), WATCH_GAP).unref();
    };
  }

  /** Asks. A question like one that is open is the same question. */
  ask(asked: Asked): Asking {
    const known = this.#open.get(likeness(asked.subject));
    if (known !== undefined) return this.#join(known);
    const begun = this.#begin(asked);
    if ('decision' in begun) return settled(begun);
    const { open, ways } = begun;
    const asking = this.#join(open);
    void this.#run(open, ways);
    return asking;
  }

  /**
   * Answers a question. `calls`: how many calls the person has seen waiting. False: it is not open. Throws where the answer
   * cannot be kept; then it stays open.
   */
  answer(id: string, answer: Answer, by: string, calls: number): boolean {
    const open = this.#byId.get(id);
    if (open === undefined) return false;
    this.#settle(open, answer, by, calls);
    return true;
  }

  /** The question that has an id; `signal` aborts when it is open no more. */
  find(id: string): { readonly question: Question; readonly signal: AbortSignal } | undefined {
    const open = this.#byId.get(id);
    return open && { question: open.question, signal: open.over.signal };
  }

  /** Withdraws the questions of a session, or all. */
  withdraw(session?: string): void {
    for (const open of [...this.#byId.values()]) {
      if (session === undefined || open.subject.session === session)
        this.#close(open, undefined, WITHDRAWN, 'nobody');
    }
  }

  /** A question that nobody waits for yet, or why nothing is asked. */
  #begin(asked: Asked): { readonly open: OpenQuestion; readonly ways: readonly Way[] } | Outcome {
    const { subject, dialog } = asked;
    const ways = this.#waysFor(dialog);
    if (ways.length === 0 && !this.#isWatched()) return nobody(asked);
    if (this.#byId.size >= MAX_OPEN || !this.#admits(subject)) return tooMany(asked);
    const { clock, timeout, records } = this.#options;
    const since = clock.now();
    const question = { ...asked.question, id: this.#newId(), calls: 1, since, until: since + timeout };
    if (!records.asked(question)) return unrecorded();
    const over = new AbortController();
    const open: OpenQuestion = { question, asked, subject, waiting: new Set(), over, isUnseen: false };
    this.#open.set(likeness(subject), open);
    this.#byId.set(question.id, open);
    return { open, ways };
  }

  /** Asks again for those that a person has not seen waiting. */
  #again(asked: Asked, rest: readonly Waiter[]): void {
    if (rest.length === 0) return;
    const begun = this.#begin(asked);
    if ('decision' in begun) {
      for (const { resolve } of rest) resolve(begun);
      return;
    }
    const { open, ways } = begun;
    for (const waiter of rest) {
      waiter.open = open;
      open.waiting.add(waiter);
    }
    open.question = { ...open.question, calls: rest.length };
    this.#changed();
    void this.#run(open, ways);
  }

  #waysFor(dialog: Way | undefined): Way[] {
    const { ways, order } = this.#options;
    const all = [...(dialog === undefined ? [] : [dialog]), ...ways, this.#terminal];
    const possible = all.filter((way) => way.isPossible?.() ?? true);
    return order.flatMap((name) => possible.filter((way) => way.name === name));
  }

  #join(open: OpenQuestion): Asking {
    const { promise: outcome, resolve } = Promise.withResolvers<Outcome>();
    const waiter: Waiter = { open, resolve };
    open.waiting.add(waiter);
    open.question = { ...open.question, calls: open.waiting.size };
    this.#changed();
    return {
      get id() {
        return waiter.open.question.id;
      },
      outcome,
      withdraw: () => {
        const { open: current } = waiter;
        if (!current.waiting.delete(waiter)) return;
        resolve(WITHDRAWN);
        current.question = { ...current.question, calls: current.waiting.size };
        if (current.waiting.size === 0) this.#close(current, undefined, WITHDRAWN, 'nobody');
        else this.#changed();
      },
    };
  }

  /** Tries the ways one after another, for as long as the question is open. */
  async #run(open: OpenQuestion, ways: readonly Way[]): Promise<void> {
    const { timeout } = this.#options;
    const { signal } = open.over;
    const timer = setTimeout(
      () => this.#close(open, undefined, timedOut(open.question, timeout), 'nobody'),
      timeout,
    );
    signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
    const aside: Promise<void>[] = [];
    for (const way of ways) {
      const asked = this.#try(open, way);
      if (way.isAside?.(open.question) === true) aside.push(asked);
      else await asked;
      if (signal.aborted) return;
    }
    await Promise.all(aside);
    if (signal.aborted) return;
    // People who watch may still answer.
    open.isUnseen = true;
    this.#closeUnseen();
  }

  /** Asks by one way. Never rejects. */
  async #try(open: OpenQuestion, way: Way): Promise<void> {
    const { signal } = open.over;
    const { calls } = open.question;
    try {
      const answer = await way.ask(open.question, signal);
      if (signal.aborted || answer === 'nobody') return;
      // A program of the same user may have pressed the button.
      if (needsPresence(answer, open.question.kind) && answer.isPresent !== true) return;
      this.#settle(open, answer, way.name, answer.isForEach === true ? Number.POSITIVE_INFINITY : calls);
    } catch (error) {
      this.#options.log.warn({ way: way.name, error: String(error) }, 'a way to ask has failed');
    }
  }

  /** Questions that no way shows and nobody watches are answered with no. */
  #closeUnseen(): void {
    if (this.#isWatched()) return;
    for (const open of [...this.#byId.values()]) {
      if (open.isUnseen) this.#close(open, undefined, nobody(open), 'nobody');
    }
  }

  /** `seen`: how many calls the person knew of. A yes once is for no more of them: what else waits is asked about again. */
  #settle(open: OpenQuestion, given: Answer, by: string, seen: number): void {
    const { asked, subject, question, waiting } = open;
    const answer = answerTo(question.kind, given);
    const { keep = (kept: Answer) => this.#grantFor(subject, kept, by) } = asked;
    const grant = keep(answer, by);
    const rule = grant === undefined ? `consent.${question.id}` : `grant.${grant.id}`;
    const { decision } = answer;
    const reason = decision === 'allow' ? undefined : `the user said no to: ${actOf(question)}`;
    const isOnce = decision === 'allow' && answer.scope === 'once';
    const rest = isOnce ? [...waiting].slice(seen) : [];
    for (const waiter of rest) waiting.delete(waiter);
    open.question = { ...question, calls: waiting.size };
    this.#close(open, answer, { decision, rule, reason }, by);
    this.#again(asked, rest);
  }

  #grantFor(subject: GrantSubject, answer: Answer, by: string): Grant | undefined {
    return answer.scope === 'once' ? undefined : this.#options.grant(subject, answer, by);
  }

  /** The one end of a question. */
  #close(open: OpenQuestion, answer: Answer | undefined, outcome: Outcome, by: string): void {
    const { question, subject, waiting, over } = open;
    if (!this.#byId.delete(question.id)) return;
    this.#open.delete(likeness(subject));
    const written = this.#options.records.answered(question, answer, outcome, by);
    const told = written || outcome.decision === 'deny' ? outcome : unrecorded();
    over.abort();
    for (const { resolve } of waiting) resolve(told);
    waiting.clear();
    this.#changed();
  }

  /** While somebody watches, the ways after the terminal are not needed. */
  async #untilUnwatched(signal: AbortSignal): Promise<'nobody'> {
    while (this.#isWatched() && !signal.aborted) {
      const gone = Promise.withResolvers<void>();
      const timer = setTimeout(gone.resolve, WATCH_GAP);
      signal.addEventListener('abort', () => gone.resolve(), { once: true });
      await gone.promise;
      clearTimeout(timer);
    }
    return 'nobody';
  }

  #isWatched(): boolean {
    return this.#watchers > 0 || this.#options.clock.monotonic() - this.#watchedAt < WATCH_GAP;
  }

  #admits({ host, profile }: GrantSubject): boolean {
    const { clock, rate } = this.#options;
    const now = clock.monotonic();
    const key = JSON.stringify([host, profile]);
    const recent = (this.#asked.get(key) ?? []).filter((at) => now - at < MINUTE);
    if (recent.length >= rate) {
      this.#asked.set(key, recent);
      return false;
    }
    this.#asked.set(key, [...recent, now]);
    return true;
  }

  #newId(): string {
    do this.#nextId = this.#nextId >= 9999 ? 1000 : this.#nextId + 1;
    while (this.#byId.has(String(this.#nextId)));
    return String(this.#nextId);
  }

  #changed(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}

/** A yes to a first use holds until it is taken back, and for all of the server; an answer to a sign-in for that alone. */
function answerTo(kind: GrantKind, answer: Answer): Answer {
  const { decision, scope } = answer;
  if (kind === 'sign-in') return { decision, scope: 'once', extent: 'arguments' };
  if (kind !== 'profile') return answer;
  if (decision === 'deny' && scope === 'once') return answer;
  return { decision, scope: 'always', extent: 'name' };
}

function settled(outcome: Outcome): Asking {
  return { id: undefined, outcome: Promise.resolve(outcome), withdraw: () => {} };
}

/** Questions are alike where one answer is an answer to both: even `once` is for exactly these arguments. */
function likeness(subject: GrantSubject): string {
  const { session, host, profile, server, kind, name, definition, arguments: args } = subject;
  return JSON.stringify([session, host, profile, server, kind, name, definition, args]);
}
