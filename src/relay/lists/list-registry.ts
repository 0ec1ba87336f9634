// What a server has listed of one kind: the name of each entry, and the digest of its whole definition. The definitions
// themselves are not kept.
import { digest } from '../../json/digest.ts';
import type { Entry, ListLimits } from './list-page.ts';

/** The entries of one list of a session. */
export class ListRegistry {
  readonly #entries: number;
  readonly #digests = new Map<string, string>();
  /** The names that the list under way has brought. */
  #listed = new Set<string>();

  constructor({ entries }: Pick<ListLimits, 'entries'>) {
    this.#entries = entries;
  }

  get size(): number {
    return this.#digests.size;
  }

  /** The names of all entries. */
  get names(): Iterable<string> {
    return this.#digests.keys();
  }

  /**
   * Adds a page. `isFirst`: a new list begins, whose entries replace those of the same name; what it does not have
   * stays, since its other pages may. Returns why the page must not go on; then nothing was added.
   */
  add(entries: readonly Entry[], isFirst: boolean): string | undefined {
    const listed = isFirst ? new Set<string>() : this.#listed;
    const page = new Map<string, string>();
    for (const { name, digest: found } of entries) {
      const before = page.get(name) ?? (listed.has(name) ? this.#digests.get(name) : undefined);
      if (before !== undefined && before !== found) return 'two entries of the list have one name';
      page.set(name, found);
    }
    let total = this.#digests.size;
    for (const name of page.keys()) if (!this.#digests.has(name)) total++;
    if (total > this.#entries) return `the list has more than ${this.#entries} entries`;
    for (const [name, found] of page) {
      this.#digests.set(name, found);
      listed.add(name);
    }
    this.#listed = listed;
    return undefined;
  }

  /** Whether an entry was listed. */
  has(name: string): boolean {
    return this.#digests.has(name);
  }

  /** The digest of an entry's definition; undefined if it was not listed. */
  digestOf(name: string): string | undefined {
    return this.#digests.get(name);
  }

  /** `sha256:<hex>` of all names and definitions, whatever their order. */
  digest(): string {
    const lines = [...this.#digests].map(([name, found]) => `${JSON.stringify(name)} ${found}\n`);
    return digest(lines.sort().join(''));
  }
}
