// Answers what the gates' thread asks the main thread, and does not stand still for: admission, people's confirmations, the
// turns of requests that exchange a refresh token.
import type { Confirmations } from '../../credential/confirmation.ts';
import { type Exchangeable, exchangeable, type Refreshes, type RefreshTurn } from '../refresh.ts';
import { outcomeOf } from './open-calls.ts';
import {
  type CallNumber,
  type CurrentValue,
  conceal,
  type ExchangingCredential,
  type Outcome,
  type Question,
  type QuestionAnswers,
  revealOne,
  unhandled,
} from './protocol.ts';

/** Who answers for a gate. */
export interface Answering {
  readonly refreshes: Refreshes;
  readonly confirmations: Confirmations;
  readonly admission: () => Promise<void>;
}

export class Answerer {
  readonly #reply: (call: CallNumber, outcome: Outcome<unknown>) => void;
  /** What ends when nobody waits any more: open questions to people, and turns. */
  readonly #open = new Map<CallNumber, () => void>();
  readonly #turns = new Map<CallNumber, RefreshTurn>();
  /** What waits for its turn. */
  readonly #begun = new Set<CallNumber>();

  constructor(reply: (call: CallNumber, outcome: Outcome<unknown>) => void) {
    this.#reply = reply;
  }

  /** Replies once there is an answer. */
  answer(call: CallNumber, question: Question, answering: Answering): void {
    const answered = async (): Promise<unknown> => await this.#answer(call, question, answering);
    void outcomeOf(answered()).then((outcome) => this.#reply(call, outcome));
  }

  /** Nobody waits for the answer any more, or the turn is over. */
  withdraw(call: CallNumber): void {
    this.#begun.delete(call);
    this.#open.get(call)?.();
    this.#open.delete(call);
  }

  /** The thread has ended: so has all that it waited for. */
  withdrawAll(): void {
    this.#begun.clear();
    for (const call of [...this.#open.keys()]) this.withdraw(call);
  }

  #answer(
    call: CallNumber,
    question: Question,
    { confirmations, admission, refreshes }: Answering,
  ): Promise<QuestionAnswers[Question['ask']]> {
    switch (question.ask) {
      case 'admission':
        return admission().then(() => undefined);
      case 'confirmation': {
        const open = confirmations.ask(question.use);
        this.#open.set(call, () => open.withdraw());
        return open.outcome.finally(() => this.#open.delete(call));
      }
      case 'refresh':
        return this.#begin(call, question.credential, refreshes);
      case 'exchange':
        return this.#exchange(question.turn, revealOne(question.value));
      default:
        return unhandled(question);
    }
  }

  async #begin(
    call: CallNumber,
    asked: ExchangingCredential,
    refreshes: Refreshes,
  ): Promise<CurrentValue | undefined> {
    this.#begun.add(call);
    const turn = await refreshes.begin(exchangeable({ ...asked, value: revealOne(asked.value) }));
    if (!this.#begun.delete(call)) {
      turn?.[Symbol.dispose]();
      return undefined;
    }
    if (turn === undefined) return undefined;
    this.#turns.set(call, turn);
    this.#open.set(call, () => {
      this.#turns.delete(call);
      turn[Symbol.dispose]();
    });
    return currentOf(turn.credential);
  }

  async #exchange(call: CallNumber, value: string): Promise<QuestionAnswers['exchange']> {
    const turn = this.#turns.get(call);
    if (turn === undefined) throw new Error('the turn is over');
    const outcome = await turn.exchange(value);
    return { outcome, current: currentOf(turn.credential) };
  }
}

function currentOf({ value, version }: Exchangeable): CurrentValue {
  return { value: conceal([value]), version };
}
