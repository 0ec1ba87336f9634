// Reads a chain record by record and names what is wrong with it. An edited record says by its hash that it
// was; a link that does not hold says only that something is wrong near it, so each record is judged with the
// two after it in sight: a record that was hashed anew after an edit is not the one its follower links to, a
// record too many is followed by one that links past it, a swapped record turns up again later.
//
// Who rewrites everything after an edit makes a chain that holds. What then tells are the head and the
// signatures, which name a record by number and hash.

import { isSigned, REACH } from '../checkpoint.ts';
import { Gap, type Kind, missing, type Place, type Problem } from '../problem.ts';
import { type Checked, type Entry, follows, type Head, ORIGIN } from './chain.ts';

/** A line of the log, looked at. */
export interface Item extends Place {
  readonly checked: Checked;
}

/** A line that holds a record. */
interface Found extends Item {
  readonly checked: Extract<Checked, { readonly entry: Entry }>;
}

/** What was found, once all is read. */
export interface Examined {
  readonly records: number;
  readonly first: Head | undefined;
  readonly last: Head | undefined;
  readonly checkpoints: number;
  /** By key: the newest record that its signatures cover, and where it signed first. */
  readonly signed: ReadonlyMap<
    string,
    { readonly through: number; readonly at: Place & { readonly seq: number } }
  >;
  /** How often `time` went back: no problem, clocks are set. */
  readonly clockBack: number;
  readonly problems: readonly Problem[];
}

/** So many problems are told: a log with more has been told enough of. */
const MANY = 100;

/** Judges the lines of a log, in order. */
export class Examiner {
  readonly #head: Head | undefined;
  readonly #problems: (Problem | Gap)[] = [];
  readonly #gaps: Gap[] = [];
  readonly #waiting: Item[] = [];
  /** The newest records' hashes, by number. */
  readonly #hashes = new Array<Head>(REACH);
  readonly #signed = new Map<string, { through: number; at: Place & { readonly seq: number } }>();
  /** Where the next record has to link; the hash is not known after a damaged one. */
  #last: { readonly seq: number; readonly hash: string | undefined } | undefined;
  #start: { readonly seq: number; readonly prev: string | undefined; readonly at: Item } | undefined;
  #anchored = false;
  #first: Head | undefined;
  #newest: Found | undefined;
  #final: Item | undefined;
  #records = 0;
  #checkpoints = 0;
  #clockBack = 0;

  /** `start`: the number that the first record should have, where that is known. `head`: what was kept apart. */
  constructor(start: number | undefined, head: Head | undefined) {
    this.#head = head;
    if (start !== undefined) this.#last = before(start);
  }

  push(item: Item): void {
    this.#waiting.push(item);
    if (this.#waiting.length > 2) this.#judge();
  }

  /** Judges what is left, and the log as a whole. */
  end(): Examined {
    while (this.#waiting.length > 0) this.#judge();
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
    const [item, next, later] = this.#waiting;
    this.#waiting.shift();
    if (item === undefined) return;
    this.#final = item;
    this.#last ??= before(numberOf(item) ?? 1);
    const { seq, hash } = this.#last;
    this.#start ??= { seq: seq + 1, prev: item.checked.entry?.prev, at: item };
    if (!holds(item)) {
      const after = next !== undefined && holds(next) ? next : later;
      if (after !== undefined && fits(after, this.#last)) {
        this.#tell('inserted', item, `a line too many: ${why(item)}`);
      } else {
        this.#tell('edited', item, why(item), seq + 1);
        this.#last = { seq: seq + 1, hash: undefined };
      }
      return;
    }
    const { entry } = item.checked;
    if (fits(item, this.#last)) {
      this.#judgeLink(item, next, later);
    } else if (entry.seq > seq + 1) {
      this.#passOver(item, seq + 1);
      this.#accept(item);
    } else if (entry.seq === seq + 1) {
      this.#tell(
        'edited',
        item,
        hash === ORIGIN.hash ? 'the first record links to another' : 'it links to another record',
      );
      this.#accept(item);
    } else if (this.#gaps.some((gap) => gap.fill(entry.seq))) {
      this.#records += 1;
      this.#remember(item);
    } else {
      this.#tell('inserted', item, `there is a record ${entry.seq} already`);
    }
  }

  /** A record that fits what was before it: does what comes after it link to it? */
  #judgeLink(item: Found, next: Item | undefined, later: Item | undefined): void {
    const { entry } = item.checked;
    if (next !== undefined && holds(next) && !follows(next.checked.entry, entry)) {
      const after = next.checked.entry;
      const past = later !== undefined && holds(later) && later.checked.entry.prev === after.hash;
      const other = after.seq === entry.seq && after.hash !== entry.hash && after.prev === entry.prev;
      if (other && past) {
        this.#tell('inserted', item, `there is another record ${entry.seq}, and the chain goes on from that`);
        return;
      }
      if (after.seq === entry.seq + 1) {
        const known = after.event === 'daemon.start' && after.rewritten === true;
        if (known)
          this.#tell(
            'rewritten',
            next,
            'the daemon found an end of the log that was not the one it had left',
          );
        else this.#tell('edited', item, `record ${after.seq} links to another record ${entry.seq}`);
        this.#accept(item);
        this.#last = { seq: entry.seq, hash: undefined };
        return;
      }
    }
    this.#accept(item);
  }

  #accept(item: Found): void {
    const { entry } = item.checked;
    this.#records += 1;
    this.#last = headOf(entry);
    this.#first ??= headOf(entry);
    if (this.#newest !== undefined && entry.time < this.#newest.checked.entry.time) this.#clockBack += 1;
    this.#newest = item;
    this.#remember(item);
    if (entry.event === 'checkpoint') this.#judgeCheckpoint(item);
    if (entry.event === 'daemon.start' && entry.headless === true) {
      this.#tell(
        'head-missing',
        item,
        'the head kept apart was gone at this start, so a cut end before it would not show',
      );
    }
  }

  #remember(item: Found): void {
    const { entry } = item.checked;
    this.#hashes[entry.seq % REACH] = headOf(entry);
    if (entry.seq === this.#head?.seq && entry.hash !== this.#head.hash) {
      this.#tell('rewritten', item, `the head kept apart names another record ${entry.seq}`);
    }
  }

  #judgeCheckpoint(item: Found): void {
    const { entry } = item.checked;
    const { signed_seq: seq, signed_hash: hash, key, signature, start_seq, start_prev } = entry;
    const start = this.#start;
    if (start_seq !== undefined && start_seq === start?.seq && start_prev === start.prev)
      this.#anchored = true;
    if (signature === undefined) return;
    this.#checkpoints += 1;
    const signed = typeof seq === 'number' && typeof hash === 'string' ? { seq, hash } : undefined;
    if (
      !signed ||
      typeof key !== 'string' ||
      typeof signature !== 'string' ||
      !isSigned(signed, key, signature)
    ) {
      this.#tell('bad-signature', item, 'the signature is not that of the key it names');
      return;
    }
    const known = this.#hashes[signed.seq % REACH];
    const matches = known?.seq === signed.seq && known.hash === signed.hash;
    if (known?.seq === signed.seq && !matches) {
      this.#tell('rewritten', item, `record ${signed.seq} is not the one that was signed`);
    }
    const of = this.#signed.get(key) ?? {
      through: 0,
      at: { file: item.file, line: item.line, seq: entry.seq },
    };
    this.#signed.set(key, { at: of.at, through: matches ? Math.max(of.through, signed.seq) : of.through });
  }

  #judgeStart(): void {
    if (this.#start === undefined || this.#start.seq === 1 || this.#anchored) return;
    const { seq, at } = this.#start;
    const detail = `the log starts with record ${seq}, and no record says that older ones were let go`;
    this.#tell('start-missing', at, detail, seq);
  }

  #judgeEnd(): void {
    const seq = Math.max(this.#last?.seq ?? 0, 0);
    if (this.#head === undefined || seq >= this.#head.seq) return;
    const { file, line } = this.#final ?? { file: null, line: 0 };
    const detail = `the end was cut: ${missing(seq + 1, this.#head.seq)}`;
    this.#keep({ kind: 'cut-end', file, line: line + 1, seq: seq + 1, detail });
  }

  #passOver(item: Found, from: number): void {
    const { entry } = item.checked;
    const known = entry.event === 'daemon.start' && entry.cut !== undefined;
    const gap = new Gap(item, from, entry.seq - 1, known);
    this.#keep(gap);
    if (this.#gaps.length < MANY) this.#gaps.push(gap);
  }

  #tell(kind: Kind, item: Item, detail: string, seq = numberOf(item)): void {
    const { file, line } = item;
    this.#keep({ kind, file, line, seq: seq ?? null, detail });
  }

  #keep(problem: Problem | Gap): void {
    if (this.#problems.length < MANY) this.#problems.push(problem);
  }
}

function before(seq: number): { seq: number; hash: string | undefined } {
  return seq === 1 ? ORIGIN : { seq: seq - 1, hash: undefined };
}

function headOf({ seq, hash }: Entry): Head {
  return { seq, hash };
}

function holds(item: Item): item is Found {
  return item.checked.entry !== undefined;
}

function fits(item: Item, last: { readonly seq: number; readonly hash: string | undefined }): boolean {
  const { entry } = item.checked;
  return entry?.seq === last.seq + 1 && (last.hash === undefined || entry.prev === last.hash);
}

function numberOf({ checked }: Item): number | undefined {
  return checked.entry === undefined ? checked.seq : checked.entry.seq;
}

function why(item: Item): string {
  return item.checked.entry === undefined ? item.checked.why : '';
}
