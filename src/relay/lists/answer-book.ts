// Collects what the server of a session answers to what asks only what it is and what it offers, for sessions to come:
// see recorded-answers.ts. What still has the value of a credential in it is not kept, and nothing that comes after it.
import type { AnswerStore, RecordedAnswers } from '../recorded-answers.ts';
import { hostOfSession } from '../recorded-answers.ts';
import type { Current } from '../upstream/current.ts';
import type { Replay } from '../upstream/replay.ts';

export interface AnswerBookOptions {
  readonly store: AnswerStore;
  readonly current: Pick<Current, 'redactor'>;
  readonly replay: Pick<Replay, 'isOpened' | 'meta' | 'initialize'>;
  /** Whether the server has already used what later sessions would keep from it until it is asked for something. */
  readonly isUsed: () => boolean;
  /** What the session began with. */
  readonly known: RecordedAnswers | undefined;
}

/** Bytes of all answers together. */
const MAX_KEPT = 4 * 2 ** 20;

export class AnswerBook {
  readonly #options: AnswerBookOptions;
  #introduction: string | undefined;
  readonly #lists: Map<string, readonly string[]>;
  /** Nothing of this session is kept. */
  #isClosed = false;

  constructor(options: AnswerBookOptions) {
    this.#options = options;
    const { known } = options;
    this.#introduction = known?.introduction;
    this.#lists = new Map(known?.lists);
  }

  /** The server has introduced itself: the result as JSON text. */
  introduced(result: Buffer): void {
    const text = this.#textOf(result);
    if (text === undefined) return;
    this.#introduction = text;
    this.#keep();
  }

  /** The server does not know `server/discover`, and has said so by an error of this code. */
  refused(code: number): void {
    const { store, replay, isUsed } = this.#options;
    this.#isClosed ||= isUsed();
    const host = hostOfSession(replay);
    if (this.#isClosed || host === undefined) return;
    store.keep(host, { introduction: undefined, lists: new Map(), refused: code });
  }

  /** A list was read whole: the results of its pages as JSON text. */
  listed(method: string, pages: readonly Buffer[]): void {
    const texts = pages.flatMap((page) => this.#textOf(page) ?? []);
    if (texts.length < pages.length) return;
    this.#lists.set(method, texts);
    this.#keep();
  }

  #keep(): void {
    const { store, replay } = this.#options;
    const host = hostOfSession(replay);
    if (this.#isClosed || host === undefined) return;
    const answers: RecordedAnswers = { introduction: this.#introduction, lists: new Map(this.#lists) };
    if (sizeOf(answers) <= MAX_KEPT) store.keep(host, answers);
  }

  #textOf(result: Buffer): string | undefined {
    const { current, isUsed } = this.#options;
    // A server that needs a credential before it says what it offers cannot be started later: it would wait for it.
    this.#isClosed ||= isUsed() || result.length > MAX_KEPT || current.redactor.redact(result) !== result;
    return this.#isClosed ? undefined : result.toString();
  }
}

function sizeOf({ introduction = '', lists }: RecordedAnswers): number {
  const texts = [introduction, ...[...lists.values()].flat()];
  return texts.reduce((sum, { length }) => sum + length, 0);
}
