// Requests of a server that the host has not answered yet. When a server is replaced, the host is told that what
// the old one asked is cancelled, but may answer all the same; and the new one will count its ids from the
// start again. So that no answer can reach a question that it was not given to, a new question under an id that
// is still owed an answer goes to the host under an id of the relay's own.
import type { Id } from './json/envelope.ts';

/** The questions. `mint` makes ids that neither side uses. */
export class Questions {
  readonly #mint: () => string;
  /** How often an id is open: some servers use one twice. */
  readonly #open = new Map<Id, number>();
  readonly #abandoned = new Set<Id>();
  /** The server's own ids of questions that were asked under another, and the other way round. */
  readonly #own = new Map<Id, Id>();
  readonly #given = new Map<Id, Id>();

  constructor(mint: () => string) {
    this.#mint = mint;
  }

  /** Questions that are open. */
  get size(): number {
    return this.#open.size;
  }

  /** Notes a question. The id under which to ask it. */
  ask(id: Id): Id {
    let asked = id;
    if (this.#abandoned.has(id)) {
      asked = this.#given.get(id) ?? this.#mint();
      this.#given.set(id, asked);
      this.#own.set(asked, id);
    }
    this.#open.set(asked, (this.#open.get(asked) ?? 0) + 1);
    return asked;
  }

  /** The host has answered. The id that the server knows; undefined if nobody waits for it. */
  answer(id: Id): Id | undefined {
    return this.#close(id);
  }

  /** The server takes a question back. The id that the host knows; undefined if it was not open. */
  cancel(id: Id): Id | undefined {
    const asked = this.#given.get(id) ?? id;
    return this.#close(asked) === undefined ? undefined : asked;
  }

  /** The server is gone. The ids that the host knows, of what need not be answered any more. */
  abandon(): Id[] {
    const ids = [...this.#open.keys()];
    for (const id of ids) this.#abandoned.add(id);
    this.#open.clear();
    this.#own.clear();
    this.#given.clear();
    return ids;
  }

  #close(asked: Id): Id | undefined {
    const count = this.#open.get(asked);
    if (count === undefined) {
      this.#abandoned.delete(asked);
      return undefined;
    }
    if (count > 1) this.#open.set(asked, count - 1);
    else this.#open.delete(asked);
    const id = this.#own.get(asked) ?? asked;
    if (count === 1 && id !== asked) {
      this.#own.delete(asked);
      this.#given.delete(id);
    }
    return id;
  }
}
