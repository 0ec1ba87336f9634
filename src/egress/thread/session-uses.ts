// How often each session has used its credentials, over all its gates: counted here, and told to the main thread, which knows
// the counts for what is opened later. What it opens while a gate of the session closes it opens with older counts: those here
// are kept until it has all that was sent of the gate.
import type { UseCounts } from '../../credential/sealed.ts';
import type { FromThread, GateNumber } from './protocol.ts';

interface Counted {
  readonly counts: Map<string, number>;
  /** Those that are open, and those of which something may be under way to the main thread. */
  readonly gates: Set<GateNumber>;
}

export class SessionUses {
  readonly #tell: (message: FromThread) => void;
  readonly #sessions = new Map<string, Counted>();

  /** `tell`: sends a message to the main thread, in order. */
  constructor(tell: (message: FromThread) => void) {
    this.#tell = tell;
  }

  /** The counts for a gate of a session; `told` where none of its gates was open until now. */
  open(
    gate: GateNumber,
    session: string,
    told: readonly (readonly [variable: string, count: number])[],
  ): UseCounts {
    const counted = this.#sessions.get(session) ?? { counts: new Map(told), gates: new Set() };
    counted.gates.add(gate);
    this.#sessions.set(session, counted);
    const { counts } = counted;
    return {
      get: (variable) => counts.get(variable),
      set: (variable, count) => {
        this.#tell({ type: 'used', gate, variable, count });
        return counts.set(variable, count);
      },
    };
  }

  /** The main thread has all that was sent of a gate. */
  settled(gate: GateNumber): void {
    for (const [session, { gates }] of this.#sessions)
      if (gates.delete(gate) && gates.size === 0) this.#sessions.delete(session);
  }
}
