// What kept answers say of a server, read as the answers of a server are read: with it they are compared with what is accepted.
import { BUDGETS } from './budgets.ts';
import { LIST_SHAPES } from './listed-kinds.ts';
import { type ListPage, readListPage } from './lists/list-page.ts';
import type { RecordedAnswers } from './recorded-answers.ts';
import { readIntroduction } from './trust/introduction.ts';
import type { Introduction, Listed, ListedKind } from './trust.ts';

/** What a server has said of itself, and the lists of it that are known, each whole. */
export interface RecordedEntries {
  readonly introduction: Introduction | undefined;
  readonly lists: ReadonlyMap<ListedKind, readonly Listed[]>;
}

const { entries, definition: definitionBytes, name } = BUDGETS;
const LIMITS = { entries, definitionBytes, nameBytes: 6 * name + 2 };
const NONE = { has: () => false };

/** Undefined where they cannot be read, or two readers could see two things in them. */
export function recordedEntries({ introduction, lists }: RecordedAnswers): RecordedEntries | undefined {
  const bytes = introduction === undefined ? undefined : Buffer.from(introduction);
  const said = bytes && readIntroduction(bytes, { start: 0, end: bytes.length });
  if (bytes !== undefined && said === undefined) return undefined;
  const read = new Map<ListedKind, Listed[]>();
  for (const shape of LIST_SHAPES) {
    const pages = lists.get(shape.method);
    if (pages === undefined) continue;
    const listed: Listed[] = [];
    for (const text of pages) if (!readPage(Buffer.from(text), shape, listed)) return undefined;
    read.set(shape.kind, listed);
  }
  return { introduction: said, lists: read };
}

/** Adds the entries of a page. Whether it can be read. */
function readPage(bytes: Buffer, shape: (typeof LIST_SHAPES)[number], listed: Listed[]): boolean {
  const seen = new Map<string, Listed>();
  const judge = (judged: readonly Listed[]): typeof NONE => {
    for (const entry of judged) seen.set(entry.name, entry);
    return NONE;
  };
  const result = { start: 0, end: bytes.length };
  const page = readListPage(bytes, 0, bytes.length, {
    shape,
    result,
    limits: LIMITS,
    judge,
    isCacheable: false,
  });
  if (!isRead(page)) return false;
  listed.push(...seen.values());
  return true;
}

function isRead(work: ReturnType<typeof readListPage>): boolean {
  for (;;) {
    const { done, value } = work.next();
    if (done === true) return (value as ListPage).fault === undefined;
  }
}
