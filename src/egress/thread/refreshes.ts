// The turns of requests that exchange a refresh token, in the gates' thread. The daemon's turns are the main thread's
// (`refresh.ts`); those for a token that a session got itself concern nobody else, and stay here.
import type { Log } from '../../os/log.ts';
import { type Exchangeable, type Refreshes, type RefreshTurn, RefreshTurns } from '../refresh.ts';
import {
  type CallNumber,
  type Concealed,
  type CurrentValue,
  conceal,
  type ExchangingCredential,
  type QuestionAnswers,
  revealOne,
} from './protocol.ts';

export interface ThreadRefreshesParts {
  /** Asks for a turn, which has the call's number. */
  readonly begin: (credential: ExchangingCredential) => {
    readonly call: CallNumber;
    readonly answer: Promise<CurrentValue | undefined>;
  };
  readonly exchange: (turn: CallNumber, value: Concealed) => Promise<QuestionAnswers['exchange']>;
  readonly end: (turn: CallNumber) => void;
  readonly log: Log;
}

export class ThreadRefreshes implements Refreshes {
  readonly #parts: ThreadRefreshesParts;
  readonly #own: RefreshTurns;

  constructor(parts: ThreadRefreshesParts) {
    this.#parts = parts;
    this.#own = new RefreshTurns({ credentials: NO_STORE, log: parts.log });
  }

  async begin(credential: Exchangeable): Promise<RefreshTurn | undefined> {
    if (credential.derived) return await this.#own.begin(credential);
    const { begin, exchange, end } = this.#parts;
    const { name, source, version, value } = credential;
    const { call, answer } = begin({ name, source, version, value: conceal([value]) });
    const current = await answer;
    if (current === undefined) return undefined;
    bringUpToDate(credential, current);
    return {
      credential,
      async exchange(fresh) {
        const { outcome, current: stored } = await exchange(call, conceal([fresh]));
        bringUpToDate(credential, stored);
        return outcome;
      },
      [Symbol.dispose]: () => end(call),
    };
  }
}

/** Of tokens that a session got itself nothing is stored. */
const NO_STORE: ConstructorParameters<typeof RefreshTurns>[0]['credentials'] = {
  replace: () => Promise.reject(new Error('it is in no store')),
  onOpened: () => ({ [Symbol.dispose]: () => {} }),
};

function bringUpToDate(credential: Exchangeable, { value, version }: CurrentValue): void {
  const text = revealOne(value);
  if (text !== credential.value || version !== credential.version) credential.update(text, version);
}
