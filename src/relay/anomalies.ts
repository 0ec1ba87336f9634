// What is wrong with the messages of either side: lines that are no messages, answers to nothing. It goes to the
// daemon's log: the first ones each, and at the end a count. Neither side can fill the log with it.
import type { Log } from '../os/log.ts';

/** How many are logged one by one. */
const MAX_LOGGED = 20;

/** The anomalies of one session. */
export class Anomalies {
  readonly #log: Log;
  readonly #session: string;
  #count = 0;
  readonly #remarked = new Set<string>();

  constructor(log: Log, session: string) {
    this.#log = log;
    this.#session = session;
  }

  /** Logs one. `fields` hold no credential. */
  note(what: string, fields: () => object): void {
    if (++this.#count <= MAX_LOGGED) this.#log.info({ session: this.#session, ...fields() }, what);
  }

  /** Logs once what is odd about messages that are passed on. `fields` hold no credential, and are few in number. */
  remark(what: string, fields: object): void {
    const key = JSON.stringify([what, fields]);
    if (this.#remarked.has(key) || this.#remarked.size >= MAX_LOGGED) return;
    this.#remarked.add(key);
    this.#log.info({ session: this.#session, ...fields }, what);
  }

  /** Logs how many there were. */
  close(): void {
    if (this.#count === 0) return;
    this.#log.info(
      { session: this.#session, count: this.#count },
      'the session had lines that were not passed on',
    );
  }
}
