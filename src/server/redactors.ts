// What redacts the values of sessions. To make one takes a millisecond, so sessions of a profile with the same values share it. It is held
// by the sessions alone, and the values with it.
import { type NamedSecret, Redactor } from '../credential/redact.ts';

interface Made {
  readonly values: readonly NamedSecret[];
  readonly redactor: Redactor;
}

export class Redactors {
  /** The last one of each profile, for as long as something else holds it. */
  readonly #last = new Map<string, WeakRef<Made>>();

  /** What redacts these values. */
  of(profile: string, values: readonly NamedSecret[]): Made {
    const last = this.#last.get(profile)?.deref();
    if (last !== undefined && isSame(last.values, values)) return last;
    const made = { values, redactor: new Redactor(values) };
    this.#last.set(profile, new WeakRef(made));
    return made;
  }
}

function isSame(some: readonly NamedSecret[], others: readonly NamedSecret[]): boolean {
  return (
    some.length === others.length &&
    some.every(({ name, value }, at) => name === others[at]?.name && value === others[at]?.value)
  );
}
