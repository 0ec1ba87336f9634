// Reads a chain record by record and reports what is wrong with it. The hash of an edited record shows that it
// was edited. A broken link shows only that something near it is wrong, so each record is judged together with
// the two after it: a record that was rehashed after an edit is not the one that the next record links to, an
// extra record is followed by one that links past it, and a swapped record appears again later.
//
// Whoever rewrites everything after an edit makes a chain whose links hold. The head and the signatures, which
// name a record by number and hash, reveal that.

import { isSigned, SIGNING_WINDOW } from '../checkpoint.ts';
import { describeMissing, Gap, type Location, type Problem, type ProblemKind } from '../problem.ts';
import { type Checked, type Entry, follows, type Head, ORIGIN } from './chain.ts';

/** A line of the log, checked by itself. */
export interface LogLine extends Location {
  readonly checked: Checked;
}

/** A line that holds a record. */
interface RecordLine extends LogLine {
  readonly checked: Extract<Checked, { readonly entry: Entry }>;
}

/** The result for a whole log. */
export interface Examination {
  readonly records: number;
  readonly first: Head | undefined;
  readonly last: Head | undefined;
  readonly checkpoints: number;
  /** By key: the newest record that its signatures cover, and where its first signature is. */
  readonly signed: ReadonlyMap<
    string,
    { readonly through: number; readonly at: Location & { readonly seq: number } }
  >;
  /** How often `time` went back. That is not a problem: clocks are adjusted. */
  readonly clockBack: number;
  readonly problems: readonly Problem[];
}

/** The most problems that are reported. */
const MAX_PROBLEMS = 100;

/** Judges the lines of a log, in order. */
export class Examiner {
  readonly #head: Head | undefined;
  readonly #problems: (Problem | Gap)[] = [];
  readonly #gaps: Gap[] = [];
  readonly #pending: LogLine[] = [];
  /** The newest records' hashes, by number. */
  readonly #hashes = new Array<Head>(SIGNING_WINDOW);
  readonly #signed = new Map<string, { through: number; at: Location & { readonly seq: number } }>();
  /** Where the next record has to link; the hash is unknown after a damaged record. */
  #last: { readonly seq: number; readonly hash: string | undefined } | undefined;
  #start: { readonly seq: number; readonly prev: string | undefined; readonly at: LogLine } | undefined;
  #startAnnounced = false;
  #first: Head | undefined;
  #newest: RecordLine | undefined;
  #final: LogLine | undefined;
  #records = 0;
  #checkpoints = 0;
  #clockBack = 0;

  /** `start`: the number that the first record should have, if known. `head`: the head that is stored apart. */
  constructor(start: number | undefined, head: Head | undefined) {
    this.#head = head;
    if (start !== undefined) this.#last = headBefore(start);
  }

  push(item: LogLine): void {
    this.#pending.push(item);
    if (this.#pending.length > 2) this.#judge();
  }

  /** Judges the remaining lines, and the log as a whole. */
  end(): Examination {
    while (this.#pending.length > 0) this.#judge();
    this.#judgeStart();
    this.#judgeEnd();
    return {
      records: this.#records,
      first: this.#first,
      last: this.#newest && headOf(this.#newest.checked.entry),
      checkpoints: this.#checkpoints,
      signed: this.#signed,
      clockBack: this.#clockBack,
      problems: this.#problems.flatMap((problem) =>
        problem instanceof Gap ? problem.problems() : [problem],
      ),
    };
  }

  #judge(): void {
    const [item, next, later] = this.#pending;
    this.#pending.shift();
    if (item === undefined) return;
    this.#final = item;
    this.#last ??= headBefore(numberOf(item) ?? 1);
    const { seq, hash } = this.#last;
    this.#start ??= { seq: seq + 1, prev: item.checked.entry?.prev, at: item };
    if (!isRecord(item)) {
      const after = next !== undefined && isRecord(next) ? next : later;
      if (after !== undefined && linksTo(after, this.#last)) {
        this.#report('inserted', item, `an extra line: ${reasonOf(item)}`);
      } else {
        this.#report('edited', item, reasonOf(item), seq + 1);
        this.#last = { seq: seq + 1, hash: undefined };
      }
      return;
    }
    const { entry } = item.checked;
    if (linksTo(item, this.#last)) {
      this.#judgeLink(item, next, later);
    } else if (entry.seq > seq + 1) {
      this.#reportGap(item, seq + 1);
      this.#advance(item);
    } else if (entry.seq === seq + 1) {
      this.#report(
        'edited',
        item,
        hash === ORIGIN.hash ? 'the first record links to another' : 'it links to another record',
      );
      this.#advance(item);
    } else if (this.#gaps.some((gap) => gap.fill(entry.seq))) {
      this.#records += 1;
      this.#remember(item);
    } else {
      this.#report('inserted', item, `there is a record ${entry.seq} already`);
    }
  }

  /** Judges a record that links to the one before it: does the next one link to it? */
  #judgeLink(item: RecordLine, next: LogLine | undefined, later: LogLine | undefined): void {
    const { entry } = item.checked;
    if (next !== undefined && isRecord(next) && !follows(next.checked.entry, entry)) {
      const after = next.checked.entry;
      const past = later !== undefined && isRecord(later) && later.checked.entry.prev === after.hash;
      const other = after.seq === entry.seq && after.hash !== entry.hash && after.prev === entry.prev;
      if (other && past) {
        this.#report(
          'inserted',
          item,
          `there is another record ${entry.seq}, and the chain goes on from that`,
        );
        return;
      }
      if (after.seq === entry.seq + 1) {
        const announced = after.event === 'daemon.start' && after.rewritten === true;
        if (announced)
          this.#report('rewritten', next, 'the daemon found another end of the log than the one it had left');
        else this.#report('edited', item, `record ${after.seq} links to another record ${entry.seq}`);
        this.#advance(item);
        this.#last = { seq: entry.seq, hash: undefined };
        return;
      }
    }
    this.#advance(item);
  }

  #advance(item: RecordLine): void {
    const { entry } = item.checked;
    this.#records += 1;
    this.#last = headOf(entry);
    this.#first ??= headOf(entry);
    if (this.#newest !== undefined && entry.time < this.#newest.checked.entry.time) this.#clockBack += 1;
    this.#newest = item;
    this.#remember(item);
    if (entry.event === 'checkpoint') this.#judgeCheckpoint(item);
    if (entry.event === 'daemon.start' && entry.headless === true) {
      this.#report(
        'head-missing',
        item,
        'the head kept apart was gone at this start, so a cut end before it would not show',
      );
    }
  }

  #remember(item: RecordLine): void {
    const { entry } = item.checked;
    this.#hashes[entry.seq % SIGNING_WINDOW] = headOf(entry);
    if (entry.seq === this.#head?.seq && entry.hash !== this.#head.hash) {
      this.#report('rewritten', item, `the head names another record ${entry.seq}`);
    }
  }

  #judgeCheckpoint(item: RecordLine): void {
    const { entry } = item.checked;
    const { signed_seq: seq, signed_hash: hash, key, signature, start_seq, start_prev } = entry;
    const start = this.#start;
    if (start_seq !== undefined && start_seq === start?.seq && start_prev === start.prev)
      this.#startAnnounced = true;
    if (signature === undefined) return;
    this.#checkpoints += 1;
    const signed = typeof seq === 'number' && typeof hash === 'string' ? { seq, hash } : undefined;
    if (
      !signed ||
      typeof key !== 'string' ||
      typeof signature !== 'string' ||
      !isSigned(signed, key, signature)
    ) {
      this.#report('bad-signature', item, 'the signature was not made by the key that it names');
      return;
    }
    const record = this.#hashes[signed.seq % SIGNING_WINDOW];
    const matches = record?.seq === signed.seq && record.hash === signed.hash;
    if (record?.seq === signed.seq && !matches) {
      this.#report('rewritten', item, `record ${signed.seq} is not the one that was signed`);
    }
    const byKey = this.#signed.get(key) ?? {
      through: 0,
      at: { file: item.file, line: item.line, seq: entry.seq },
    };
    this.#signed.set(key, {
      at: byKey.at,
      through: matches ? Math.max(byKey.through, signed.seq) : byKey.through,
    });
  }

  #judgeStart(): void {
    if (this.#start === undefined || this.#start.seq === 1 || this.#startAnnounced) return;
    const { seq, at } = this.#start;
    const detail = `the log starts with record ${seq}, and no record says that older ones were removed`;
    this.#report('start-missing', at, detail, seq);
  }

  #judgeEnd(): void {
    const seq = Math.max(this.#last?.seq ?? 0, 0);
    if (this.#head === undefined || seq >= this.#head.seq) return;
    const { file, line } = this.#final ?? { file: null, line: 0 };
    const detail = `the end was cut: ${describeMissing(seq + 1, this.#head.seq)}`;
    this.#add({ kind: 'cut-end', file, line: line + 1, seq: seq + 1, detail });
  }

  #reportGap(item: RecordLine, from: number): void {
    const { entry } = item.checked;
    const announced = entry.event === 'daemon.start' && entry.cut !== undefined;
    const gap = new Gap(item, from, entry.seq - 1, announced);
    this.#add(gap);
    if (this.#gaps.length < MAX_PROBLEMS) this.#gaps.push(gap);
  }

  #report(kind: ProblemKind, item: LogLine, detail: string, seq = numberOf(item)): void {
    const { file, line } = item;
    this.#add({ kind, file, line, seq: seq ?? null, detail });
  }

  #add(problem: Problem | Gap): void {
    if (this.#problems.length < MAX_PROBLEMS) this.#problems.push(problem);
  }
}

function headBefore(seq: number): { seq: number; hash: string | undefined } {
  return seq === 1 ? ORIGIN : { seq: seq - 1, hash: undefined };
}

function headOf({ seq, hash }: Entry): Head {
  return { seq, hash };
}

function isRecord(item: LogLine): item is RecordLine {
  return item.checked.entry !== undefined;
}

function linksTo(item: LogLine, last: { readonly seq: number; readonly hash: string | undefined }): boolean {
  const { entry } = item.checked;
  return entry?.seq === last.seq + 1 && (last.hash === undefined || entry.prev === last.hash);
}

function numberOf({ checked }: LogLine): number | undefined {
  return checked.entry === undefined ? checked.seq : checked.entry.seq;
}

function reasonOf(item: LogLine): string {
  return item.checked.entry === undefined ? item.checked.why : '';
}
