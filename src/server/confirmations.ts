// The confirmations of a session's credentials, for the gate, which is open before the session is: what the server
// sends meanwhile waits for that.
import type {
  Confirmation,
  Confirmations,
  CredentialUse,
  OpenConfirmation,
} from '../credential/confirmation.ts';

const OVER: Confirmation = { decision: 'deny', rule: 'consent.withdrawn', reason: 'the session is over' };

/** Of a session that is over. */
export const NO_CONFIRMATIONS: Confirmations = {
  known: () => undefined,
  ask: () => ({ outcome: Promise.resolve(OVER), withdraw: () => {} }),
};

export class StartingConfirmations implements Confirmations {
  readonly #ready: Promise<Confirmations>;
  #confirmations: Confirmations | undefined;

  /** `ready` never rejects. */
  constructor(ready: Promise<Confirmations>) {
    this.#ready = ready;
    void ready.then((confirmations) => {
      this.#confirmations = confirmations;
    });
  }

  known(use: CredentialUse): Confirmation | undefined {
    return this.#confirmations?.known(use);
  }

  ask(use: CredentialUse): OpenConfirmation {
    if (this.#confirmations !== undefined) return this.#confirmations.ask(use);
    let open: OpenConfirmation | undefined;
    let isWithdrawn = false;
    const outcome = this.#ready.then((confirmations) => {
      if (isWithdrawn) return OVER;
      const known = confirmations.known(use);
      if (known !== undefined) return known;
      open = confirmations.ask(use);
      return open.outcome;
    });
    return {
      outcome,
      withdraw: () => {
        isWithdrawn = true;
        open?.withdraw();
      },
    };
  }
}
