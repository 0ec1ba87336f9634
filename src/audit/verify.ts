// Verifies a whole log as a stream: memory does not grow with the log. A daemon may append meanwhile: the head
// is read first, and the log has to reach it; the keys are read last.
import { stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Checked, check } from './chain/chain.ts';
import { type Examination, Examiner } from './chain/examine.ts';
import { sha256 } from './chain/hash.ts';
import { keysPath, readKeys, type SignedPoint } from './checkpoint.ts';
import { headPath, readHead } from './file/head.ts';
import { listSegments, readLines, type Segment, segment, wholeLength } from './file/segments.ts';
import type { Location, Problem } from './problem.ts';

/** What to verify. */
export interface VerifyOptions {
  /** The log's folder, or one file. */
  readonly path: string;
  /** The folder with the head and the keys; a copy of a log has none. */
  readonly state?: string;
  /** Public keys from elsewhere, used instead of those stored beside the log. */
  readonly keys?: readonly string[];
  /** The newest signed record, as the credential store has it: the log has to contain it. */
  readonly signed?: SignedPoint;
  /** How long an end of the log may go unsigned: so many records, so many milliseconds. */
  readonly checkpoint?: { readonly records: number; readonly every: number };
  /** Called from time to time with the bytes read so far and the bytes in total. */
  readonly progress?: (read: number, total: number) => void;
}

/** The result, as `--json` prints it. */
export interface Verification {
  readonly ok: boolean;
  readonly records: number;
  /** Numbers of the first and last record. */
  readonly first: number | null;
  readonly last: number | null;
  /** The last record's hash, to compare with a note kept elsewhere. */
  readonly hash: string | null;
  readonly checkpoints: number;
  /** The newest record that a signature by a trusted key covers. */
  readonly signed_through: number | null;
  /** The records after that: their end could be cut off or written again. */
  readonly unsigned: number;
  /** Where the trusted keys come from: whoever can change the log can change the keys that are kept beside it. */
  readonly keys: 'given' | 'kept' | 'none';
  /** How often `time` went back. That is not a problem: clocks are adjusted. */
  readonly clock_back: number;
  readonly problems: readonly Problem[];
}

const NOT_UTF8: Checked = { entry: undefined, why: 'the line is not UTF-8 text', seq: undefined };

/** How often verification starts over because segments are removed meanwhile. */
const MAX_ATTEMPTS = 10;

/** How often, 10 ms apart, an incomplete line is read again: a daemon may be writing it. */
const TORN_RETRIES = 3;

/** What an unsigned end may be, in parts of the checkpoint policy: a signature takes its time. */
const TAIL_FACTOR = 2;

/** Records beside that: those of a start, a stop and their checkpoints. */
const TAIL_SLACK = 16;

/** Verifies a log. Throws system errors if files cannot be read. */
export async function verify(subject: VerifyOptions): Promise<Verification> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await verifyOnce(subject);
    } catch (error) {
      // Retention removed a segment that was listed: the remaining ones are a log as well.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || attempt === MAX_ATTEMPTS) throw error;
    }
  }
}

async function verifyOnce(options: VerifyOptions): Promise<Verification> {
  const { path, state, keys, signed, progress } = options;
  const head = state === undefined ? undefined : readHead(headPath(state));
  const segments = await segmentsOf(path, state !== undefined);
  const examiner = new Examiner(segments[0]?.first, head, signed);
  const torn: Problem[] = [];
  const sizes = await Promise.all(segments.map(async ({ path }) => (await stat(path)).size));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  let read = 0;
  for (const current of segments) {
    const open = current === segments.at(-1);
    const location = await examineFile(current, examiner, open, (bytes) => {
      read += bytes;
      progress?.(read, total);
    });
    if (location)
      torn.push({
        kind: 'torn',
        ...location,
        seq: null,
        detail: 'the last line is incomplete: a record was written only in part',
      });
  }
  const examined = examiner.end();
  const trusted = keys ?? (state === undefined ? [] : readKeys(keysPath(state)));
  const problems = [...examined.problems, ...torn, ...keyProblems(examined, trusted, state !== undefined)];
  const through = Math.max(0, ...trusted.map((key) => examined.signed.get(key)?.through ?? 0));
  problems.push(...tailProblems(examined, through, options.checkpoint));
  if (state !== undefined && head === undefined && examined.records > 0) {
    const detail = 'the head is missing: a cut end would not show';
    problems.push({ kind: 'head-missing', file: null, line: null, seq: null, detail });
  }
  return {
    ok: problems.length === 0,
    records: examined.records,
    first: examined.first?.seq ?? null,
    last: examined.last?.seq ?? null,
    hash: examined.last?.hash ?? null,
    checkpoints: examined.checkpoints,
    signed_through: through || null,
    unsigned: examined.tailAfter(through).records,
    keys: keys !== undefined ? 'given' : trusted.length > 0 ? 'kept' : 'none',
    clock_back: examined.clockBack,
    problems: problems.toSorted(byLocation),
  };
}

async function segmentsOf(path: string, own: boolean): Promise<readonly Segment[]> {
  const isFile = !own && (await stat(path)).isFile();
  return isFile ? [segment(dirname(path), basename(path))] : await listSegments(path);
}

/** Examines the lines of a file. Returns the location of an incomplete last line, if there is one. */
async function examineFile(
  { path, name }: Segment,
  examiner: Examiner,
  open: boolean,
  read: (bytes: number) => void,
): Promise<Location | undefined> {
  let end = 0;
  let line = 0;
  for (let attempt = 0; ; attempt += 1) {
    for await (const piece of readLines(path, end)) {
      for (const text of piece.lines) {
        line += 1;
        examiner.push({ file: name, line, checked: text === undefined ? NOT_UTF8 : check(text, sha256) });
      }
      read(piece.end - end);
      end = piece.end;
    }
    const { whole, size } = await wholeLength(path);
    if (size === end || whole > end) return undefined;
    if (!open || attempt === TORN_RETRIES) return { file: name, line: line + 1 };
    await delay(10);
  }
}

/** Problems with the keys of the signatures. For a copy without trusted keys there are none. */
function keyProblems(examined: Examination, trusted: readonly string[], own: boolean): Problem[] {
  const problems: Problem[] = [];
  if (trusted.length === 0 && !own) return problems;
  for (const [key, { at }] of examined.signed) {
    if (trusted.includes(key)) continue;
    const detail = `signed by ${key}, which is not a key of this log`;
    problems.push({ kind: 'foreign-key', ...at, detail });
  }
  if (examined.records > 0 && trusted.length > 0 && !trusted.some((key) => examined.signed.has(key))) {
    const detail = 'there is a key, but it has signed none of the records';
    problems.push({ kind: 'unsigned', file: null, line: null, seq: null, detail });
  }
  return problems;
}

/** An end of the log that should have been signed long ago: a daemon that can sign leaves none so long. */
function tailProblems(
  examined: Examination,
  through: number,
  policy: VerifyOptions['checkpoint'],
): Problem[] {
  if (through === 0 || policy === undefined) return [];
  const { records, span, from, at } = examined.tailAfter(through);
  if (records <= TAIL_SLACK + policy.records * TAIL_FACTOR && span <= policy.every * TAIL_FACTOR) return [];
  const time = span < 1000 ? `${span} ms` : `${Math.round(span / 1000)} s`;
  const detail = `the last ${records} records, from ${from} on, over ${time}, are not signed: a signature was due after ${policy.records} records or ${policy.every / 1000} s`;
  return [{ kind: 'unsigned-tail', file: at?.file ?? null, line: at?.line ?? null, seq: from, detail }];
}

/** Sorts by location. Problems without one come last. */
function byLocation(a: Problem, b: Problem): number {
  if (a.file === null || b.file === null) return Number(a.file === null) - Number(b.file === null);
  if (a.file !== b.file) return a.file < b.file ? -1 : 1;
  return (a.line ?? 0) - (b.line ?? 0);
}
