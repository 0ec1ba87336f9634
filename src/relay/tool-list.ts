// What a server has listed of its tools, for one session: read from the answers that the host gets, and asked for by
// the relay itself where it has to know. Under a policy that denies anything, a tool that was never listed is refused:
// a name that nobody was shown is one that somebody made up.
//
// Long lists are read in slices: see slices.ts.
import type { Budgets } from './budgets.ts';
import type { Current } from './current.ts';
import type { Member, Range } from './json/read.ts';
import type { Wanted } from './json/scan.ts';
import type { OwnRequests } from './own-requests.ts';
import type { Replay } from './replay.ts';
import type { Slices } from './slices.ts';
import { type ListLimits, readToolPage, type Tool, ToolRegistry } from './tools.ts';

export const LIST = 'tools/list';

export interface ToolListOptions {
  readonly budgets: Budgets;
  readonly current: Current;
  readonly replay: Replay;
  readonly ownRequests: OwnRequests;
  readonly slices: Slices;
  /** A fault while the relay lists by itself. */
  readonly onFault: (error: unknown) => void;
}

export class ToolList {
  readonly limits: ListLimits;
  readonly #options: ToolListOptions;
  #registry: ToolRegistry;
  /** All pages were read since the server last said that they change. */
  #complete = false;
  /** Why the relay could not list them itself, the last time that it tried. */
  #fault: string | undefined;
  /** How often the server has said that they change. */
  #changes = 0;
  #listing: Promise<string | undefined> | undefined;
  /** Pages that are being read. */
  #reading = 0;

  constructor(options: ToolListOptions) {
    this.#options = options;
    const { entries, name, definition } = options.budgets;
    this.limits = { entries, nameBytes: 6 * name + 2, definitionBytes: definition };
    this.#registry = new ToolRegistry(this.limits);
  }

  /** Whether a tool was listed. */
  has(name: string): boolean {
    return this.#registry.has(name);
  }

  /** The digest of a tool's definition; undefined if it was not listed. */
  definitionOf(name: string): string | undefined {
    return this.#registry.digestOf(name);
  }

  /** Whether the list is whole, and as new as the server has said. */
  get isComplete(): boolean {
    return this.#complete;
  }

  /** Why the relay could not list them by itself, if it could not. */
  get fault(): string | undefined {
    return this.#fault;
  }

  /** Whether anything was listed yet. */
  get isEmpty(): boolean {
    return this.#registry.size === 0;
  }

  /** Whether the relay can list in the host's name: the server has answered the host, or need not have. */
  get canList(): boolean {
    const { replay } = this.#options;
    return replay.isOpened || replay.meta !== undefined;
  }

  /** Adds a page that the host gets. Returns why it must not go on. */
  add(tools: readonly Tool[], isFirst: boolean, isLast: boolean): string | undefined {
    const fault = this.#registry.add(tools, isFirst);
    if (isLast && fault === undefined) this.#complete = true;
    return fault;
  }

  /** The server's tools are others, or may be. */
  invalidate(): void {
    this.#complete = false;
    this.#changes++;
  }

  /** A page is being read: until that is done no more is to come. */
  get isReading(): boolean {
    return this.#reading > 0;
  }

  /** Lists all tools. Settles with why that failed, if it did; never rejects. One list is under way at a time. */
  list(): Promise<string | undefined> {
    this.#listing ??= this.#listAll()
      .catch((error: unknown) => {
        this.#options.onFault(error);
        return 'could not be asked, by a fault in Warder';
      })
      .then((fault) => {
        this.#listing = undefined;
        this.#fault = fault === undefined ? undefined : `the server ${fault}`;
        return fault;
      });
    return this.#listing;
  }

  /** Lists the tools of a new server, and replaces what was known. Whether they are others than before. */
  async replace(): Promise<boolean> {
    const before = this.#registry;
    this.#registry = new ToolRegistry(this.limits);
    this.#complete = false;
    if ((await this.list()) === undefined) return before.digest() !== this.#registry.digest();
    return true;
  }

  async #listAll(): Promise<string | undefined> {
    const { ownRequests, current, budgets, replay } = this.#options;
    const registry = this.#registry;
    const { upstream } = current;
    const changes = this.#changes;
    const until = performance.now() + budgets.greet;
    let cursor: Buffer | undefined;
    for (let page = 0; page < budgets.pages; page++) {
      const left = until - performance.now();
      if (left <= 0) return 'did not list its tools in time';
      const params = paramsOf(replay.isOpened ? undefined : replay.meta, cursor);
      const answer = await ownRequests.ask(upstream, LIST, params, left);
      // A server that was replaced meanwhile is not the one to ask.
      if (current.upstream !== upstream) return this.#listAll();
      if ('error' in answer) return answer.error;
      const { result, find } = answer;
      const whole = { start: 0, end: result.length };
      const read = await this.#read(result, whole, find);
      if (current.upstream !== upstream) return this.#listAll();
      const fault = read.fault ?? registry.add(read.tools, page === 0);
      if (fault !== undefined) return fault;
      if (read.fault === undefined && read.isLast) {
        if (registry === this.#registry && changes === this.#changes) this.#complete = true;
        return undefined;
      }
      const next = find('nextCursor');
      if (typeof next === 'string') return 'gave a list that two readers could read differently';
      cursor = result.subarray(next.start, next.end);
    }
    return `gave a list of more than ${budgets.pages} pages`;
  }

  #read(result: Buffer, whole: Range, find: (name: Wanted) => Member): Promise<PageRead> {
    const reader = readToolPage(result, 0, result.length, {
      result: whole,
      limits: this.limits,
      find,
      hidden: undefined,
    });
    return new Promise((resolve) => this.run(reader, resolve));
  }

  /** Runs a reader to its end: see `Slices.run`. */
  run(reader: Generator<void, PageRead>, then: (page: PageRead) => void): void {
    this.#reading++;
    this.#options.slices.run(reader, (page) => {
      this.#reading--;
      then(page);
    });
  }
}

/** What `readToolPage` returns. */
export type PageRead = ReturnType<typeof readToolPage> extends Generator<void, infer Page> ? Page : never;

function paramsOf(meta: Buffer | undefined, cursor: Buffer | undefined): Buffer | undefined {
  if (meta === undefined && cursor === undefined) return undefined;
  const members = [
    ...(cursor === undefined ? [] : [Buffer.concat([Buffer.from('"cursor":'), cursor])]),
    ...(meta === undefined ? [] : [Buffer.concat([Buffer.from('"_meta":'), meta])]),
  ];
  const [first = Buffer.alloc(0), second] = members;
  const body = second === undefined ? first : Buffer.concat([first, Buffer.from(','), second]);
  return Buffer.concat([Buffer.from('{'), body, Buffer.from('}')]);
}
