// What a server was seen to say in a session. What is as it was accepted costs nothing to remember; of the rest the texts
// are kept, up to a bound, so that people can be shown them.
import { canonicalOf, digest } from '../../relay/canonical.ts';
import type { Introduction, Listed } from '../../relay/trust.ts';
import type { Seen } from './compare.ts';
import { copyOf, emptyDescribed, type Part, type PartKind, type Parts, type RecordedKind } from './record.ts';

/** Bytes of texts that are kept of one listing; of what is beyond that only the digests are. */
const MAX_TEXTS = 4 * 2 ** 20;
/** Names of one kind, and contents of `ui://` resources, that are remembered. */
const MAX_NAMES = 20_000;
const MAX_CONTENTS = 1000;

interface SeenPart extends Part {
  /** The digest of the bytes as they came: equal ones are not read again. */
  readonly raw: string;
  /** What its text takes of the bound; nothing if it is as it was accepted. */
  readonly cost: number;
}

export class Listing implements Seen {
  readonly described = emptyDescribed<SeenPart>();
  readonly whole = new Set<PartKind>();
  /** What the list under way has brought so far; the one before counts until it is whole. */
  readonly #under = new Map<RecordedKind, Set<string>>();
  #texts = 0;
  /** Counts what is other than before. */
  version = 0;

  /**
   * Adds a part of a list. `accepted`: what was accepted of this kind, if anything was. A name that was listed once stays,
   * as it was last, until a whole list is without it.
   */
  add(
    kind: RecordedKind,
    entries: readonly Listed[],
    [isFirst, isLast]: readonly [isFirst: boolean, isLast: boolean],
    accepted: Parts | undefined,
  ): void {
    if (isFirst) this.#under.set(kind, new Set());
    const under = this.#under.get(kind);
    for (const { name, definition } of entries) {
      under?.add(name);
      this.#set(kind, name, definition, accepted);
    }
    if (!isLast || under === undefined) return;
    for (const [name, part] of this.described[kind]) {
      if (!under.has(name)) this.#drop(kind, name, part);
    }
    this.#under.delete(kind);
    if (this.whole.has(kind)) return;
    this.whole.add(kind);
    this.version++;
  }

  /** What the server says of itself. */
  introduce(said: Introduction, accepted: Parts | undefined): void {
    for (const name of ['instructions', 'title', 'description'] as const) {
      const text = said[name];
      const known = this.described.introduction.get(name);
      if (text === undefined) {
        if (known !== undefined) this.#drop('introduction', name, known);
      } else this.#set('introduction', name, Buffer.from(JSON.stringify(text)), accepted);
    }
    this.whole.add('introduction');
  }

  /** The digest of the contents of a `ui://` resource. False: there are too many. */
  read(uri: string, contents: string): boolean {
    const { contents: all } = this.described;
    if (!all.has(uri) && all.size >= MAX_CONTENTS) return false;
    if (all.get(uri)?.digest !== contents) this.version++;
    all.set(uri, { digest: contents, text: undefined, raw: contents, cost: 0 });
    return true;
  }

  /** What was seen so far: what is seen later is no part of it. */
  copy(): Seen {
    return { described: copyOf(this.described), whole: new Set(this.whole) };
  }

  #set(kind: PartKind, name: string, json: Buffer, accepted: Parts | undefined): void {
    const raw = digest(json);
    const all = this.described[kind];
    const known = all.get(name);
    if (known?.raw === raw || (known === undefined && all.size >= MAX_NAMES)) return;
    const canonical = canonicalOf(json);
    this.#texts -= known?.cost ?? 0;
    const before = accepted?.get(name);
    const { length } = canonical.text;
    if (before?.digest === canonical.digest) all.set(name, { ...before, raw, cost: 0 });
    else {
      const fits = this.#texts + length <= MAX_TEXTS;
      const cost = fits ? length : 0;
      all.set(name, { digest: canonical.digest, text: fits ? canonical.text : undefined, raw, cost });
      this.#texts += cost;
    }
    if (known?.digest !== canonical.digest) this.version++;
  }

  #drop(kind: PartKind, name: string, { cost }: SeenPart): void {
    this.described[kind].delete(name);
    this.#texts -= cost;
    this.version++;
  }
}
