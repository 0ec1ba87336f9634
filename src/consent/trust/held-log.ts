// What is held back of servers, as the audit log has it: once for each name and digest, and not without end.
import type { Fields } from '../../audit/events.ts';
import type { HeldBack } from './session-trust.ts';

/** Single things that are recorded of one profile, until another record is accepted; of the rest it is said that there are more. */
const MAX_RECORDED = 500;

export class HeldLog {
  readonly #append: (fields: Fields['trust.change']) => void;
  /** What was recorded, by profile. */
  readonly #recorded = new Map<string, Set<string>>();

  /** `append` throws where the log cannot be written. */
  constructor(append: (fields: Fields['trust.change']) => void) {
    this.#append = append;
  }

  /** `record` is the digest of the record that holds. */
  add(
    { profile, session, record }: { profile: string; session: string; record: string | undefined },
    { what, name, before, after, outcome }: HeldBack,
  ): void {
    const recorded = this.#recorded.get(profile) ?? new Set();
    this.#recorded.set(profile, recorded);
    const key = JSON.stringify([what, name, after]);
    if (recorded.has(key) || recorded.size > MAX_RECORDED) return;
    recorded.add(key);
    const one = {
      what,
      outcome,
      ...(name !== undefined && { name }),
      ...(before !== undefined && { before }),
      ...(after !== undefined && { after }),
    };
    const more = { what: 'record', outcome, detail: 'more is held back than is recorded' } as const;
    try {
      this.#append({
        profile,
        session,
        ...(recorded.size > MAX_RECORDED ? more : one),
        ...(record !== undefined && { record }),
      });
    } catch {
      // The audit log has reported why; calls are refused meanwhile.
      recorded.delete(key);
    }
  }

  /** Another record holds for a profile: what is held back is recorded anew. */
  forget(profile: string): void {
    this.#recorded.delete(profile);
  }
}
