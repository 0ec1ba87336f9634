// The secret values of one session: those that its servers were given, the last few of each credential, and the tokens that are
// used for a remote one. Its host sees none of them, and no log contains one.
import type { Redactor } from '../credential/redact.ts';
import type { Log } from '../os/log.ts';
import type { Redactors } from './redactors.ts';
import type { NamedValue } from './started-server.ts';

/** Shorter values, in characters, are not redacted: they also occur by chance. */
const MIN_REDACTED_LENGTH = 8;

/** How many values of a credential count: a session may stay open for weeks, and its credential expire every quarter of an hour. */
const MOST_VALUES = 8;

export class SessionSecrets {
  readonly #profile: string;
  readonly #log: Log;
  readonly #redactors: Redactors;
  readonly #used: () => readonly NamedValue[];
  /** By value: the name that takes its place. The one that was given last is the last. */
  readonly #given = new Map<string, string>();
  #tokens: ReadonlyMap<string, string> = new Map();
  /** Values that are too short, and were reported. */
  readonly #short = new Set<string>();
  /** Found when it is needed. */
  #made: ReturnType<Redactors['of']> | undefined;

  /** `used`: the values that the server has which runs now. They count, however many were given since. */
  constructor(profile: string, log: Log, redactors: Redactors, used: () => readonly NamedValue[]) {
    this.#profile = profile;
    this.#used = used;
    this.#redactors = redactors;
    this.#log = log;
  }

  /** Adds the values of a server that is started. Returns what redacts all that counts now. */
  add(values: readonly NamedValue[]): Redactor {
    for (const { value, variable } of this.#redactable(values)) {
      if (this.#given.get(value) === variable) {
        // The newest again.
        this.#given.delete(value);
        this.#given.set(value, variable);
      }
      if (this.#given.has(value)) continue;
      this.#given.set(value, variable);
      this.#made = undefined;
      this.#forgetOldest(variable);
    }
    return this.redactor;
  }

  #forgetOldest(variable: string): void {
    const own = [...this.#given].flatMap(([value, name]) => (name === variable ? [value] : []));
    const used = new Set(this.#used().map(({ value }) => value));
    for (const value of own.slice(0, -MOST_VALUES)) if (!used.has(value)) this.#given.delete(value);
  }

  /** Replaces the tokens. Returns what redacts all that counts now. */
  replaceTokens(values: readonly NamedValue[]): Redactor {
    const tokens = new Map(this.#redactable(values).map(({ value, variable }) => [value, variable]));
    if (tokens.size + this.#tokens.size > 0) this.#made = undefined;
    this.#tokens = tokens;
    return this.redactor;
  }

  /** What redacts all that counts now. */
  get redactor(): Redactor {
    this.#made ??= this.#redactors.of(
      this.#profile,
      [...new Map([...this.#tokens, ...this.#given])].map(([value, name]) => ({ name, value })),
    );
    return this.#made.redactor;
  }

  /** Removes the values from a text. */
  redact(text: string): string {
    return this.#given.size + this.#tokens.size === 0 ? text : this.redactor.text(text);
  }

  #redactable(values: readonly NamedValue[]): NamedValue[] {
    return values.filter(({ name, value }) => {
      if (value.length >= MIN_REDACTED_LENGTH) return true;
      if (!this.#short.has(value)) {
        this.#short.add(value);
        const fields = { profile: this.#profile, credential: name };
        this.#log.warn(fields, 'a value of less than 8 characters is not redacted');
      }
      return false;
    });
  }
}
