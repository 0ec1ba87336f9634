// Pages of a server's lists: of its tools, prompts, resources and resource templates. Every answer to such a request is
// read here before a host gets it, so that the host cannot be shown what the relay has not seen, nor read a list
// differently: see json/envelope.ts. What is held back is taken out; the rest stays byte for byte.
//
// The reader is a generator: it yields after each slice of work, so that a long list does not keep the daemon from
// its other sessions. What it reads must stay as it is meanwhile.
import { digest } from '../../json/digest.ts';
import { hasDuplicateMembers } from '../../json/duplicates.ts';
import {
  CLOSE_ARRAY,
  CLOSE_OBJECT,
  COMMA,
  OPEN_ARRAY,
  OPEN_OBJECT,
  skipSpace,
  skipValue,
} from '../../json/json.ts';
import { findMember, type Member, type Range, readMember, readText } from '../../json/read.ts';
import type { Wanted } from '../../json/scan.ts';
import { type Edit, splice } from '../../json/splice.ts';
import { isInterface, type ListShape } from '../listed-kinds.ts';
import type { Listed } from '../trust.ts';

/** Bounds of a list. */
export interface ListLimits {
  /** Entries of all pages together; of resources the `ui://` ones. */
  readonly entries: number;
  /** The JSON text of a name, and that of a whole definition, in bytes. */
  readonly nameBytes: number;
  readonly definitionBytes: number;
}

/** An entry as it was listed. */
export interface Entry {
  readonly name: string;
  /** `sha256:<hex>` of the bytes of its definition. */
  readonly digest: string;
}

/** One page of a list. */
export interface ListPage {
  readonly fault: undefined;
  /** All that have a name, those taken out included, in the order of the list; of resources the `ui://` ones. */
  readonly entries: readonly Entry[];
  /** The line as the host may get it; undefined: as it came. */
  readonly line: Buffer | undefined;
  /** Whether there are more pages. */
  readonly isLast: boolean;
}

/** What `readListPage` returns. With a fault the answer must not go on. */
export type PageRead = ListPage | { readonly fault: string };

export interface PageOptions {
  readonly shape: ListShape;
  /** Where the line's `result` is. */
  readonly result: Range;
  readonly limits: ListLimits;
  /** Finds a member of the result, where it was looked through before. */
  readonly find?: ((name: Wanted) => Member) | undefined;
  /** Judges entries as they are read, at least once: those in what it returns are taken out. `isLast`: the list ends. */
  readonly judge: (entries: readonly Listed[], isLast: boolean) => { has(name: string): boolean };
  /** The result is one of 2026-07-28, which says how long it may be kept, and by whom. */
  readonly isCacheable: boolean;
}

/** After so many bytes of definitions, or so many entries, a slice ends. */
const SLICE_BYTES = 2 ** 15;
const SLICE_ENTRIES = 50;

/** For how many milliseconds a host may keep a list of which something may be held back later. */
const LIST_TTL = 5000;
const PRIVATE = Buffer.from('"private"');
const TTL = Buffer.from(String(LIST_TTL));
const NULL = 0x6e;

const TWICE = 'a member of the list is there twice, or spelled so that some see it twice';
const SEPARATOR = Buffer.from(',');

/** Reads an answer to a request for a list, the line from `start` to `end`, which is JSON and UTF-8. */
export function* readListPage(
  bytes: Buffer,
  start: number,
  end: number,
  { shape, result, limits, find, judge, isCacheable }: PageOptions,
): Generator<void, PageRead> {
  const member = find ?? ((name: Wanted): Member => readMember(bytes, result.start, result.end, name));
  const list = member(shape.member);
  const cursor = member('nextCursor');
  if (list === 'ambiguous' || cursor === 'ambiguous') return { fault: TWICE };
  const isLast = cursor === 'absent' || bytes[cursor.start] === NULL;
  if (list === 'absent') return { fault: undefined, entries: [], line: undefined, isLast };
  if (bytes[list.start] !== OPEN_ARRAY) return { fault: `the list of ${shape.noun}s is not a list` };
  const cache = isCacheable ? cacheEdits(bytes, result, member) : [];
  if (cache === undefined) return { fault: TWICE };

  const runs = new Runs(bytes, judge);
  const entries: Entry[] = [];
  let read = 0;
  let at = skipSpace(bytes, list.start + 1, list.end);
  while (bytes[at] !== CLOSE_ARRAY) {
    // One that ends after that is not looked through.
    const after = skipValue(bytes, at, Math.min(list.end, at + limits.definitionBytes + 1), 0);
    if (after < 0 || after - at > limits.definitionBytes) {
      return { fault: `the definition of a ${shape.noun} has more than ${limits.definitionBytes} bytes` };
    }
    const name = bytes[at] === OPEN_OBJECT ? findMember(bytes, at, after, shape.name) : 'absent';
    if (name === 'ambiguous') return { fault: TWICE };
    const isLong = name !== 'absent' && name.end - name.start > limits.nameBytes;
    if (isLong && shape.kind !== 'resources') {
      return { fault: `the name of a ${shape.noun} has more than ${limits.nameBytes} bytes` };
    }
    const text = name === 'absent' ? undefined : readText(bytes, name, limits.nameBytes);
    if (text === undefined || text === '' || !text.isWellFormed()) runs.cut();
    else if (shape.kind === 'resources' && !isInterface(text)) runs.keep(at, after);
    else if (hasDuplicateMembers(bytes, at, after)) runs.cut();
    else {
      if (entries.length >= limits.entries)
        return { fault: `the list has more than ${limits.entries} ${shape.noun}s` };
      const definition = bytes.subarray(at, after);
      entries.push({ name: text, digest: digest(definition) });
      runs.judge(at, after, { name: text, definition });
    }
    at = skipSpace(bytes, after, list.end);
    if (bytes[at] === COMMA) at = skipSpace(bytes, at + 1, list.end);
    if (runs.bytes >= SLICE_BYTES || ++read % SLICE_ENTRIES === 0) {
      runs.end(false);
      yield;
    }
  }
  runs.end(isLast);
  const cut = runs.edit(list.start + 1, at);
  const edits = cut === undefined ? cache : [...cache, cut];
  const line = edits.length === 0 ? undefined : yield* splice(bytes, start, end, edits);
  return { fault: undefined, entries, line, isLast };
}

/** The entries of a list, judged slice by slice. Those that stay and follow one another are one run, with what is between them as it came. */
class Runs {
  readonly #bytes: Buffer;
  readonly #judge: PageOptions['judge'];
  readonly #runs: Buffer[] = [];
  #start = -1;
  #end = -1;
  #hasCut = false;
  /** What is not judged yet: where each is, and what it is where that has to be judged. */
  #read: { readonly start: number; readonly end: number; readonly listed: Listed | undefined }[] = [];
  #isJudged = false;

  constructor(bytes: Buffer, judge: PageOptions['judge']) {
    this.#bytes = bytes;
    this.#judge = judge;
  }

  /** How much there is to be judged. */
  get bytes(): number {
    const [first] = this.#read;
    return first === undefined ? 0 : (this.#read.at(-1)?.end ?? 0) - first.start;
  }

  judge(start: number, end: number, listed: Listed): void {
    this.#read.push({ start, end, listed });
  }

  keep(start: number, end: number): void {
    this.#read.push({ start, end, listed: undefined });
  }

  cut(): void {
    this.#read.push({ start: -1, end: -1, listed: undefined });
  }

  /** Judges what was read. */
  end(isLast: boolean): void {
    const read = this.#read;
    this.#read = [];
    const entries = read.flatMap(({ listed }) => listed ?? []);
    const isDue = entries.length > 0 || isLast || !this.#isJudged;
    const held = isDue ? this.#judge(entries, isLast) : undefined;
    this.#isJudged = true;
    for (const { start, end, listed } of read) {
      const isCut = start === -1 || (listed !== undefined && held?.has(listed.name) === true);
      if (isCut) this.#cut();
      else {
        if (this.#start === -1) this.#start = start;
        this.#end = end;
      }
    }
  }

  /** All runs in place of the entries from `start` to `end`; undefined if nothing was taken out. */
  edit(start: number, end: number): Edit | undefined {
    if (!this.#hasCut) return undefined;
    this.#cut();
    return { start, end, by: this.#runs.flatMap((run, index) => (index === 0 ? [run] : [SEPARATOR, run])) };
  }

  #cut(): void {
    this.#hasCut = true;
    if (this.#start !== -1) this.#runs.push(this.#bytes.subarray(this.#start, this.#end));
    this.#start = -1;
  }
}

/**
 * Edits by which a result may be kept for a short time, and for this host alone: what is taken out of it may be other for
 * the next. Undefined: a member is there twice.
 */
export function cacheEdits(
  bytes: Buffer,
  result: Range,
  find: (name: 'cacheScope' | 'ttlMs') => Member,
): Edit[] | undefined {
  const open = skipSpace(bytes, result.start, result.end);
  if (bytes[open] !== OPEN_OBJECT) return [];
  const scope = find('cacheScope');
  const ttl = find('ttlMs');
  if (scope === 'ambiguous' || ttl === 'ambiguous') return undefined;
  const edits: Edit[] = [];
  const added: Buffer[] = [];
  if (scope === 'absent') added.push(Buffer.from('"cacheScope":'), PRIVATE, SEPARATOR);
  else edits.push({ ...scope, by: [PRIVATE] });
  if (ttl === 'absent') added.push(Buffer.from('"ttlMs":'), TTL, SEPARATOR);
  else if (!isShort(bytes, ttl)) edits.push({ ...ttl, by: [TTL] });
  const first = open + 1;
  if (bytes[skipSpace(bytes, first, result.end)] === CLOSE_OBJECT) added.pop();
  if (added.length > 0) edits.push({ start: first, end: first, by: added });
  return edits;
}

function isShort(bytes: Buffer, { start, end }: Range): boolean {
  const text = bytes.toString('latin1', start, Math.min(end, start + 8));
  return /^\d{1,7}$/.test(text) && Number(text) <= LIST_TTL;
}
