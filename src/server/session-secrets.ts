// The secret values of one session: all that its servers have had since it was opened. Its host sees none of them, and no
// log contains one.
import type { ResolvedCredential } from '../credential/credentials.ts';
import { Redactor } from '../credential/redact.ts';
import type { Log } from '../os/log.ts';

/** Shorter values, in characters, are not redacted: they also occur by chance. */
const MIN_REDACTED_LENGTH = 8;

export class SessionSecrets {
  readonly #profile: string;
  readonly #log: Log;
  readonly #values: { readonly name: string; readonly value: string }[] = [];
  /** Redacts so many values: a cache. */
  #all: { readonly count: number; readonly redactor: Redactor } | undefined;

  constructor(profile: string, log: Log) {
    this.#profile = profile;
    this.#log = log;
  }

  /** Adds the values of a server that was started. Returns what redacts all so far. */
  add(credentials: readonly ResolvedCredential[]): Redactor {
    for (const { variable, name, value } of credentials) {
      if (value.length < MIN_REDACTED_LENGTH) {
        const fields = { profile: this.#profile, credential: name };
        this.#log.warn(fields, 'a value of less than 8 characters is not redacted');
      } else if (!this.#values.some((secret) => secret.value === value)) {
        this.#values.push({ name: variable, value });
      }
    }
    return new Redactor(this.#values);
  }

  /** Removes the values from a text. */
  redact(text: string): string {
    const count = this.#values.length;
    if (count === 0) return text;
    if (this.#all?.count !== count) this.#all = { count, redactor: new Redactor(this.#values) };
    return this.#all.redactor.text(text);
  }
}
