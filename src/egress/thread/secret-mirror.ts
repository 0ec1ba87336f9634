// What is sealed in a gate of the other thread, as far as the main thread has to know it: the values that must not reach its
// server, to take them out of texts.
import { SealedSecret } from '../../credential/sealed.ts';
import { SealedSearch } from '../http/sealed-search.ts';

export class SecretMirror {
  #secrets: readonly SealedSecret[] = [];
  #revision = 0;
  readonly #search: SealedSearch;

  constructor() {
    const mirror = this;
    this.#search = new SealedSearch({
      all: [],
      placeholders: [],
      get revision() {
        return mirror.#revision;
      },
      get secrets() {
        return mirror.#secrets;
      },
    });
  }

  /** The values, former ones included, in the order of their credentials. */
  get secrets(): readonly SealedSecret[] {
    return this.#secrets;
  }

  /** Takes the place of all that was there. Values that were there before stay what they are. */
  set(values: readonly string[], placeholders: readonly string[]): void {
    const known = new Map(this.#secrets.map((secret) => [secret.value, secret]));
    this.#secrets = values.map((value, at) => {
      const placeholder = placeholders[at] ?? '';
      const before = known.get(value);
      return before?.placeholder === placeholder ? before : new SealedSecret(value, placeholder);
    });
    this.#revision += 1;
  }

  redact(text: string): string {
    return this.#search.sealing.redact(text);
  }
}
