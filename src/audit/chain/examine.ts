// Reads a chain record by record and reports what is wrong with it. The hash of an edited record shows that it
// was edited. A broken link shows only that something near it is wrong, so each record is judged together with
// the two after it: a record that was rehashed after an edit is not the one that the next record links to, an
// extra record is followed by one that links past it, and a swapped record appears again later.
//
// Whoever rewrites everything after an edit makes a chain whose links hold. The head and the signatures, which
// name a record by number and hash, reveal that.

import { type Claim, SIGNING_WINDOW, type SignedPoint, validClaim } from '../checkpoint.ts';
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
  /** The records after record `seq`. */
  readonly tailAfter: (seq: number) => Tail;
}

/** Records at the end of a log. */
export interface Tail {
  readonly records: number;
  /** Milliseconds from the first that is not a checkpoint to the last; less, if there are more than are remembered. */
  readonly span: number;
  /** The number of the first. */
  readonly from: number;
  /** Where the last one is. */
  readonly at: Location | undefined;
}

/** What is remembered of a record. */
interface RecentRecord extends Head {
  readonly time: string;
  readonly event: string;
}

/** The most problems that are reported. */
const MAX_PROBLEMS = 100;

/** Judges the lines of a log, in order. */
export class Examiner {
  readonly #head: Head | undefined;
  readonly #expected: SignedPoint | undefined;
  #foundExpected = false;
  readonly #problems: (Problem | Gap)[] = [];
  readonly #gaps: Gap[] = [];
  readonly #pending: LogLine[] = [];
  /** The newest records, by number. */
  readonly #recent = new Array<RecentRecord>(SIGNING_WINDOW);
  readonly #signed = new Map<
    string,
    {
      readonly through: number;
      readonly at: Location & { readonly seq: number };
      readonly point: SignedPoint | undefined;
    }
  >();
  /** What the newest checkpoint of version 2 signed, whichever key made it. */
  #newestPoint: SignedPoint | undefined;
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

  /** `start`: the number that the first record should have, if known. `head`: the head that is stored apart. `signed`: a record that the log has to contain. */
  constructor(start: number | undefined, head: Head | undefined, signed?: SignedPoint) {
    this.#head = head;
    this.#expected = signed;
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
    this.#judgeExpected();
    return {
      records: this.#records,
      first: this.#first,
      last: this.#newest && headOf(this.#newest.checked.entry),
      checkpoints: this.#checkpoints,
      signed: this.#signed,
      clockBack: this.#clockBack,
      tailAfter: (seq) => this.#tailAfter(seq),
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
    const { seq, hash, time, event } = entry;
    this.#recent[seq % SIGNING_WINDOW] = { seq, hash, time, event };
    if (seq === this.#expected?.seq && hash === this.#expected.hash) this.#foundExpected = true;
    if (entry.seq === this.#head?.seq && entry.hash !== this.#head.hash) {
      this.#report('rewritten', item, `the head names another record ${entry.seq}`);
    }
  }

  #judgeCheckpoint(item: RecordLine): void {
    const { entry } = item.checked;
    const { signature, start_seq, start_prev, missing_seq } = entry;
    const start = this.#start;
    if (start_seq !== undefined && start_seq === start?.seq && start_prev === start.prev)
      this.#startAnnounced = true;
    if (missing_seq !== undefined) {
      const detail = `the daemon found that record ${String(missing_seq)}, which was signed last, was not in the log`;
      this.#report('signed-missing', item, detail);
    }
    if (signature === undefined) return;
    this.#checkpoints += 1;
    const claim = validClaim(entry);
    if (claim === undefined) {
      this.#report('bad-signature', item, 'the signature was not made by the key that it names');
      return;
    }
    this.#judgeClaim(item, claim);
  }

  #judgeClaim(item: RecordLine, { point, previous, key }: Claim): void {
    const { entry } = item.checked;
    const record = this.#recent[point.seq % SIGNING_WINDOW];
    const matches = record?.seq === point.seq && record.hash === point.hash;
    if (record?.seq === point.seq && !matches) {
      this.#report('rewritten', item, `record ${point.seq} is not the one that was signed`);
    }
    const byKey = this.#signed.get(key);
    if (previous !== undefined && !this.#isPrevious(previous, byKey?.point)) {
      const what = previous.seq === 0 ? 'there was none' : `it signed record ${previous.seq}`;
      this.#report(
        'checkpoint-missing',
        item,
        `of the checkpoint before it says that ${what}, and the log says otherwise`,
      );
    }
    this.#signed.set(key, {
      at: byKey?.at ?? { file: item.file, line: item.line, seq: entry.seq },
      through: Math.max(byKey?.through ?? 0, matches ? point.seq : 0),
      point: previous === undefined ? byKey?.point : point,
    });
    if (previous !== undefined) this.#newestPoint = point;
  }

  /** Whether a checkpoint's `previous` is what the log shows, given what the same key signed before in the log. */
  #isPrevious(previous: SignedPoint, byKey: SignedPoint | undefined): boolean {
    if (
      [byKey, this.#newestPoint].some((known) => known?.seq === previous.seq && known.hash === previous.hash)
    )
      return true;
    // The first one of its key, or the one before was removed with the log's old start.
    return byKey === undefined && (previous.seq === 0 || previous.seq < (this.#start?.seq ?? 1));
  }

  #tailAfter(seq: number): Tail {
    const newest = this.#newest;
    const last = newest?.checked.entry.seq ?? 0;
    const records = Math.max(0, last - Math.max(seq, (this.#first?.seq ?? 1) - 1));
    let first: RecentRecord | undefined;
    for (let number = Math.max(seq + 1, last - SIGNING_WINDOW + 1); number <= last; number += 1) {
      const record = this.#recent[number % SIGNING_WINDOW];
      if (record?.seq !== number || record.event === 'checkpoint') continue;
      first = record;
      break;
    }
    const end = Date.parse(newest?.checked.entry.time ?? '');
    const span = first === undefined ? 0 : Math.max(0, end - Date.parse(first.time));
    return { records, span: Number.isNaN(span) ? 0 : span, from: last - records + 1, at: newest };
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

  #judgeExpected(): void {
    if (this.#expected === undefined || this.#foundExpected) return;
    const { seq } = this.#expected;
    const detail = `record ${seq}, which was signed last, is not in the log: it was cut or rewritten`;
    this.#add({ kind: 'signed-missing', file: null, line: null, seq, detail });
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
