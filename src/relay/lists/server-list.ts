// One of the lists of a server, for one session: read from the answers that the host gets, and asked for by the relay
// itself where it has to know. All that is read is judged before a host sees it, whoever asked: see trust.ts.
//
// Long lists are read in slices: see slices.ts.

import type { Member, Range } from '../../json/read.ts';
import type { Wanted } from '../../json/scan.ts';
import { MAX_NAME } from '../../policy/decide.ts';
import type { Budgets } from '../budgets.ts';
import type { Work } from '../flow/slices.ts';
import type { ListShape } from '../listed-kinds.ts';
import type { Listed, Trust } from '../trust.ts';
import type { Current } from '../upstream/current.ts';
import { type OwnRequests, ownParams } from '../upstream/own-requests.ts';
import type { Replay } from '../upstream/replay.ts';
import type { AnswerBook } from './answer-book.ts';
import {
  type ListLimits,
  type ListPage,
  type PageOptions,
  type PageRead,
  readListPage,
} from './list-page.ts';
import { ListRegistry } from './list-registry.ts';

export interface ServerListOptions {
  readonly budgets: Budgets;
  readonly current: Current;
  readonly replay: Replay;
  readonly ownRequests: OwnRequests;
  readonly trust: Trust;
  readonly book: Pick<AnswerBook, 'listed'> | undefined;
  /** Does work in slices, while nothing more is read of the server. */
  readonly run: <Result>(work: Work<Result>, then: (result: Result) => void) => void;
  /** A fault while the relay lists by itself. */
  readonly onFault: (error: unknown) => void;
}

/** Where a page is, and what of it is known. */
export interface Page {
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
  /** Where its `result` is. */
  readonly result: Range;
  readonly find?: ((name: Wanted) => Member) | undefined;
  /** It begins a list. */
  readonly isFirst: boolean;
}

const ALL = { has: () => true };

export class ServerList {
  readonly shape: ListShape;
  /** Whether the server has said that it has such entries; undefined: it has said nothing yet. */
  isDeclared: boolean | undefined;
  readonly #options: ServerListOptions;
  readonly #limits: ListLimits;
  #registry: ListRegistry;
  /** All pages were read since the server last said that they change. */
  #complete = false;
  /** Why the relay could not list them itself, the last time that it tried. */
  #fault: string | undefined;
  #isRefused = false;
  /** The entries that were held back when they were listed last. */
  readonly #held = new Set<string>();
  /** How often the server has said that they change. */
  #changes = 0;
  #listing: Promise<string | undefined> | undefined;

  constructor(shape: ListShape, options: ServerListOptions) {
    this.shape = shape;
    this.#options = options;
    const { entries, name, definition } = options.budgets;
    const characters = shape.kind === 'tools' ? name : MAX_NAME[shape.capability];
    this.#limits = { entries, nameBytes: 6 * characters + 2, definitionBytes: definition };
    this.#registry = new ListRegistry(this.#limits);
  }

  /** Whether an entry was listed. */
  has(name: string): boolean {
    return this.#registry.has(name);
  }

  /** The digest of an entry's definition; undefined if it was not listed. */
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

  /** Whether the server has answered that with an error, the last time. */
  get isRefused(): boolean {
    return this.#isRefused;
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

  /** Reads a page that the host is to get. `hidden` holds for entries that are taken out whatever they are. */
  read(page: Page, hidden: ((name: string) => boolean) | undefined, then: (page: PageRead) => void): void {
    const { replay, run } = this.#options;
    const held = new Set<string>();
    run(this.#read(page, held, hidden, replay.meta !== undefined), (read) => {
      if (read.fault !== undefined) {
        then(read);
        return;
      }
      const fault = this.#add(this.#registry, read, page.isFirst, held);
      if (read.isLast && fault === undefined) {
        this.#complete = true;
        const { start, end } = page.result;
        if (page.isFirst) this.#options.book?.listed(this.shape.method, [page.bytes.subarray(start, end)]);
      }
      then(fault === undefined ? read : { fault });
    });
  }

  /** Whether other entries are held back now than when they were listed last. */
  get isJudgedAnew(): boolean {
    const { trust } = this.#options;
    const { blocked } = trust;
    for (const name of this.#registry.names) {
      const isHeld = blocked !== undefined || trust.held(this.shape.kind, name) !== undefined;
      if (isHeld !== this.#held.has(name)) return true;
    }
    return false;
  }

  /** The server's entries are others, or may be. */
  invalidate(): void {
    this.#complete = false;
    this.#fault = undefined;
    this.#isRefused = false;
    this.#changes++;
  }

  /** Lists all entries. Settles with why that failed, if it did; never rejects. One list is under way at a time. */
  list(): Promise<string | undefined> {
    if (this.#listing !== undefined) return this.#listing;
    this.#isRefused = false;
    this.#listing = this.#listAll()
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

  /** Lists the entries of a new server, and replaces what was known. Whether they are others than before. */
  async replace(): Promise<boolean> {
    const before = this.#registry;
    this.#registry = new ListRegistry(this.#limits);
    this.#complete = false;
    // One that has just ended with the server before says nothing of this one. Others find that the server is another.
    await this.#listing;
    if ((await this.list()) === undefined) return before.digest() !== this.#registry.digest();
    return true;
  }

  async #listAll(): Promise<string | undefined> {
    const { ownRequests, current, budgets, replay, book } = this.#options;
    const { method, noun } = this.shape;
    const registry = this.#registry;
    const { upstream } = current;
    const changes = this.#changes;
    const until = performance.now() + budgets.greet;
    let cursor: Buffer | undefined;
    const pages: Buffer[] = [];
    for (let page = 0; page < budgets.pages; page++) {
      const left = until - performance.now();
      if (left <= 0) return `did not list its ${noun}s in time`;
      const params = ownParams(replay.isOpened ? undefined : replay.meta, 'cursor', cursor);
      const answer = await ownRequests.ask(upstream, method, params, left);
      // A server that was replaced meanwhile is not the one to ask.
      if (current.upstream !== upstream) return this.#listAll();
      if ('error' in answer) {
        this.#isRefused = answer.refused === true;
        return answer.error;
      }
      const { result, find } = answer;
      const whole = { start: 0, end: result.length };
      const held = new Set<string>();
      const own = { bytes: result, ...whole, result: whole, find, isFirst: page === 0 };
      const read = await this.#readOwn(own, held);
      if (current.upstream !== upstream) return this.#listAll();
      const fault = read.fault ?? this.#add(registry, read, page === 0, held);
      if (fault !== undefined) return fault;
      pages.push(result);
      if (read.fault === undefined && read.isLast) {
        book?.listed(method, pages);
        if (registry === this.#registry && changes === this.#changes) this.#complete = true;
        return undefined;
      }
      const next = find('nextCursor');
      if (typeof next === 'string') return 'gave a list that two readers could read differently';
      cursor = result.subarray(next.start, next.end);
    }
    return `gave a list of more than ${budgets.pages} pages`;
  }

  #readOwn(page: Page, held: Set<string>): Promise<PageRead> {
    return new Promise((resolve) => this.#options.run(this.#read(page, held, undefined, false), resolve));
  }

  /** Adds a page, as `ListRegistry.add`; `held` are those of its entries that are held back. */
  #add(
    registry: ListRegistry,
    { entries }: ListPage,
    isFirst: boolean,
    held: ReadonlySet<string>,
  ): string | undefined {
    const fault = registry.add(entries, isFirst);
    if (fault !== undefined) return fault;
    for (const { name } of entries) {
      if (held.has(name)) this.#held.add(name);
      else this.#held.delete(name);
    }
    return undefined;
  }

  #read(
    { bytes, start, end, result, find, isFirst }: Page,
    heldBack: Set<string>,
    hidden: ((name: string) => boolean) | undefined,
    isCacheable: boolean,
  ): Work<PageRead> {
    const options = { shape: this.shape, limits: this.#limits, result, find, isCacheable };
    return readListPage(bytes, start, end, { ...options, judge: this.#judge(isFirst, heldBack, hidden) });
  }

  #judge(
    isFirst: boolean,
    heldBack: Set<string>,
    hidden: ((name: string) => boolean) | undefined,
  ): PageOptions['judge'] {
    const { trust, current } = this.#options;
    let begins = isFirst;
    return (all, isLast) => {
      const ownTool = this.shape.kind === 'tools' ? current.upstream.ownTool : undefined;
      // By every byte of it: a server's tool of the name, whose words are the server's, is a tool like any other.
      const entries = ownTool === undefined ? all : all.filter((entry) => !isSame(entry, ownTool));
      const isOwn = (name: string): boolean =>
        name === ownTool?.name && !entries.some((entry) => entry.name === name);
      const held = trust.listed(this.shape.kind, entries, begins, isLast);
      begins = false;
      const { blocked } = trust;
      for (const { name } of entries) if (blocked !== undefined || held.has(name)) heldBack.add(name);
      if (blocked !== undefined) return ALL;
      return hidden === undefined
        ? held
        : { has: (name) => held.has(name) || (hidden(name) && !isOwn(name)) };
    };
  }
}

function isSame(entry: Listed, { name, definition }: Listed): boolean {
  return entry.name === name && entry.definition.equals(definition);
}
