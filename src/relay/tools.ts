// The tools that a server has listed: the name of each, and the digest of its whole definition. Every answer to
// `tools/list` is read here before a host gets it, so that the host cannot be shown what the relay has not seen, nor
// read a list differently: see json/envelope.ts. The definitions themselves are not kept.
//
// The reader is a generator: it yields after each slice of work, so that a long list does not keep the daemon from
// its other sessions. What it reads must stay as it is meanwhile.
import { digest } from './json/digest.ts';
import { CLOSE_ARRAY, COMMA, OPEN_ARRAY, OPEN_OBJECT, skipSpace, skipValue } from './json/json.ts';
import { keysOf } from './json/member.ts';
import { findMember, type Member, type Range, readText } from './json/read.ts';

/** Bounds of a list. */
export interface ListLimits {
  /** Tools of all pages together. */
  readonly entries: number;
  /** The JSON text of a name, and that of a whole definition, in bytes. */
  readonly nameBytes: number;
  readonly definitionBytes: number;
}

/** A tool as it was listed. */
export interface Tool {
  readonly name: string;
  /** `sha256:<hex>` of the bytes of its definition. */
  readonly digest: string;
}

/** One page of a list. */
export interface ToolPage {
  readonly fault: undefined;
  /** All that have a name, the hidden ones included, in the order of the list. */
  readonly tools: readonly Tool[];
  /** The line without what is hidden; undefined if there is nothing to take out. */
  readonly line: Buffer | undefined;
  /** Whether there are more pages. */
  readonly isLast: boolean;
}

export interface PageOptions {
  /** Where the line's `result` is. */
  readonly result: Range;
  readonly limits: ListLimits;
  /** Finds a member of the result, where it was looked through before. */
  readonly find?: ((name: 'tools' | 'nextCursor') => Member) | undefined;
  /** Holds for tools that are to be taken out. Without it nothing is taken out, what has no name included. */
  readonly hidden: ((name: string) => boolean) | undefined;
}

/** After so many bytes of definitions, or so many tools, a slice ends. */
const SLICE_BYTES = 2 ** 20;
const SLICE_TOOLS = 1000;

const TOOLS = keysOf({ tools: 0 });
const CURSOR = keysOf({ nextCursor: 0 });
const NAME = keysOf({ name: 0 });

const TWICE = 'a member of the list of tools is there twice, or spelled so that some see it twice';
const SEPARATOR = Buffer.from(',');

/**
 * Reads an answer to `tools/list`, the line from `start` to `end`, which is JSON and UTF-8. Yields after each slice. With a
 * fault the answer must not go on.
 */
export function* readToolPage(
  bytes: Buffer,
  start: number,
  end: number,
  { result, limits, find, hidden }: PageOptions,
): Generator<void, ToolPage | { readonly fault: string }> {
  const list = find?.('tools') ?? findMember(bytes, result.start, result.end, TOOLS);
  const cursor = find?.('nextCursor') ?? findMember(bytes, result.start, result.end, CURSOR);
  if (list === 'ambiguous' || cursor === 'ambiguous') return { fault: TWICE };
  const isLast = cursor === 'absent' || bytes[cursor.start] === 0x6e;
  if (list === 'absent') return { fault: undefined, tools: [], line: undefined, isLast };
  if (bytes[list.start] !== OPEN_ARRAY) return { fault: 'the list of tools is not a list' };
  const tools: Tool[] = [];
  const runs = new Runs(bytes);
  let sliceBytes = 0;
  let entries = 0;
  let at = skipSpace(bytes, list.start + 1, list.end);
  while (bytes[at] !== CLOSE_ARRAY) {
    if (++entries > limits.entries) return { fault: `the list has more than ${limits.entries} tools` };
    // One that ends after that is not looked through.
    const after = skipValue(bytes, at, Math.min(list.end, at + limits.definitionBytes + 1), 0);
    if (after < 0 || after - at > limits.definitionBytes) {
      return { fault: `the definition of a tool has more than ${limits.definitionBytes} bytes` };
    }
    const name = bytes[at] === OPEN_OBJECT ? findMember(bytes, at, after, NAME) : 'absent';
    if (name === 'ambiguous') return { fault: TWICE };
    const text = name === 'absent' ? undefined : readText(bytes, name, limits.nameBytes);
    if (text === undefined && name !== 'absent' && name.end - name.start > limits.nameBytes) {
      return { fault: `the name of a tool has more than ${limits.nameBytes} bytes` };
    }
    if (text !== undefined) tools.push({ name: text, digest: digest(bytes.subarray(at, after)) });
    if (hidden === undefined || (text !== undefined && !hidden(text))) runs.keep(at, after);
    else runs.cut();
    sliceBytes += after - at;
    at = skipSpace(bytes, after, list.end);
    if (bytes[at] === COMMA) at = skipSpace(bytes, at + 1, list.end);
    if (sliceBytes >= SLICE_BYTES || entries % SLICE_TOOLS === 0) {
      sliceBytes = 0;
      yield;
    }
  }
  const line = yield* runs.join(bytes.subarray(start, list.start + 1), bytes.subarray(at, end));
  return { fault: undefined, tools, line, isLast };
}

/** The tools that stay. Those that follow one another are one run, with what is between them as it came. */
class Runs {
  readonly #bytes: Buffer;
  readonly #runs: Buffer[] = [];
  #start = -1;
  #end = -1;
  #hasCut = false;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  keep(start: number, end: number): void {
    if (this.#start === -1) this.#start = start;
    this.#end = end;
  }

  cut(): void {
    this.#hasCut = true;
    if (this.#start !== -1) this.#runs.push(this.#bytes.subarray(this.#start, this.#end));
    this.#start = -1;
  }

  /** All runs between what comes before and after them; undefined if nothing was cut. */
  *join(before: Buffer, after: Buffer): Generator<void, Buffer | undefined> {
    if (!this.#hasCut) return undefined;
    this.cut();
    const pieces = this.#runs.flatMap((run, index) => (index === 0 ? [run] : [SEPARATOR, run]));
    const all = [before, ...pieces, after];
    const line = Buffer.allocUnsafe(all.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const piece of all) {
      for (let from = 0; from < piece.length; from += SLICE_BYTES) {
        at += piece.copy(line, at, from, from + SLICE_BYTES);
        if (piece.length > SLICE_BYTES) yield;
      }
    }
    return line;
  }
}

/** How the tools of one registry differ from those of another: names, in order. */
export interface Difference {
  readonly added: readonly string[];
  readonly removed: readonly string[];
  /** Those whose definition is another. */
  readonly changed: readonly string[];
}

/** The tools of one session. */
export class ToolRegistry {
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

  /**
   * Adds a page. `isFirst`: a new list begins, whose tools replace those of the same name; what it does not have
   * stays, since its other pages may. Returns why the page must not go on; then nothing was added.
   */
  add(tools: readonly Tool[], isFirst: boolean): string | undefined {
    const listed = isFirst ? new Set<string>() : this.#listed;
    const page = new Map<string, string>();
    for (const { name, digest: found } of tools) {
      const before = page.get(name) ?? (listed.has(name) ? this.#digests.get(name) : undefined);
      if (before !== undefined && before !== found) return 'two tools of the list have one name';
      page.set(name, found);
    }
    let total = this.#digests.size;
    for (const name of page.keys()) if (!this.#digests.has(name)) total++;
    if (total > this.#entries) return `the list has more than ${this.#entries} tools`;
    for (const [name, found] of page) {
      this.#digests.set(name, found);
      listed.add(name);
    }
    this.#listed = listed;
    return undefined;
  }

  /** Whether a tool was listed. */
  has(name: string): boolean {
    return this.#digests.has(name);
  }

  /** The digest of a tool's definition; undefined if it was not listed. */
  digestOf(name: string): string | undefined {
    return this.#digests.get(name);
  }

  /** `sha256:<hex>` of all names and definitions, whatever their order. */
  digest(): string {
    const lines = [...this.#digests].map(([name, found]) => `${JSON.stringify(name)} ${found}\n`);
    return digest(lines.sort().join(''));
  }

  /** What `other` has added, removed or changed. */
  difference(other: ToolRegistry): Difference {
    const added = [...other.#digests.keys()].filter((name) => !this.has(name));
    const removed = [...this.#digests.keys()].filter((name) => !other.has(name));
    const changed = [...this.#digests].flatMap(([name, found]) =>
      other.has(name) && other.digestOf(name) !== found ? [name] : [],
    );
    return { added, removed, changed };
  }
}
