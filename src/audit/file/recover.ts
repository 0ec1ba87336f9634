// Recovery of the log at the daemon's start. A torn last line is the trace of a power cut: its record was never
// acknowledged, and the line is removed. Everything else that does not match the head stays as it is, and
// `daemon.start` records it. The next record links so that `verify` keeps finding it:
//
//   log ahead of the head    whole records that link on from the head: killed between the two writes; accepted
//   head ahead of the log    the end was cut: the next record links to the head, which shows what is missing
//   neither                  the end was rewritten: the next record links to the head, and not to the end
//
// A power cut can leave the head ahead too, if the disk got the head's few bytes but not the record's. That
// cannot be distinguished from a cut end, and is reported as one; with `durability: fsync` it does not happen.
import { createHash } from 'node:crypto';
import { open, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { check, type Entry, follows, type Head, ORIGIN } from '../chain/chain.ts';
import { sha256 } from '../chain/hash.ts';
import type { Fields } from '../events.ts';
import { headPath, readHead } from './head.ts';
import { listSegments, readLinesBackward, type Segment, wholeLength } from './segments.ts';

/** How the log continues. */
export interface Recovery {
  /** Where the next record links. */
  readonly head: Head;
  /** The newest segment. */
  readonly segment: Segment | undefined;
  /** What `daemon.start` records about it. */
  readonly findings: Omit<Fields['daemon.start'], 'version' | 'pid'>;
  /** The log's last lines do not all verify. */
  readonly broken: boolean;
}

/** The file that a torn last line is moved to. It holds the newest one only. */
function tornPath(state: string): string {
  return join(state, 'audit-torn');
}

/** Reads the end of the log, and removes a torn last line. Nobody else may have the log open for append. */
export async function recover(folder: string, state: string): Promise<Recovery> {
  const segments = await listSegments(folder);
  const segment = segments.at(-1);
  const mended = segment === undefined ? undefined : await removeTornLine(segment.path, tornPath(state));
  const stored = readHead(headPath(state));
  const tail = await readTail(segments, stored?.seq ?? Number.POSITIVE_INFINITY);
  const { head, ...findings } = resume(tail, stored);
  return {
    head,
    segment,
    findings: { ...findings, ...(mended && { mended }) },
    broken:
      tail.broken || tail.damaged > 0 || Boolean(findings.cut ?? findings.rewritten ?? findings.headless),
  };
}

/** The end of the log. */
interface Tail {
  readonly newest: Entry | undefined;
  /** Lines after `newest` that are not records. */
  readonly damaged: number;
  /** The oldest record that was read. */
  readonly oldest: Entry | undefined;
  /** Not all lines between the two are records that link on. */
  readonly broken: boolean;
  /** The record with the head's number; `linked` is true if all lines after it link on. */
  readonly atHead: Entry | undefined;
  readonly linked: boolean;
}

/** Reads backward until the record `seq` is passed: usually that is the last one, in the first piece of the file. */
async function readTail(segments: readonly Segment[], seq: number): Promise<Tail> {
  let newest: Entry | undefined;
  let oldest: Entry | undefined;
  let atHead: Entry | undefined;
  let damaged = 0;
  let broken = false;
  let linked = false;
  for (const { path } of segments.toReversed()) {
    const { whole } = await wholeLength(path);
    for await (const lines of readLinesBackward(path, whole)) {
      for (const line of lines) {
        const { entry } = line === undefined ? { entry: undefined } : check(line, sha256);
        if (entry === undefined) {
          if (newest === undefined) damaged += 1;
          else broken = true;
          continue;
        }
        if (oldest !== undefined && !follows(oldest, entry)) broken = true;
        newest ??= entry;
        oldest = entry;
        if (entry.seq === seq && atHead === undefined) {
          atHead = entry;
          linked = !broken;
        }
      }
      if (oldest !== undefined && oldest.seq <= seq) return tail();
    }
  }
  return tail();

  function tail(): Tail {
    return { newest, oldest, atHead, damaged, broken, linked: atHead === undefined ? !broken : linked };
  }
}

type Resumption = { readonly head: Head } & Pick<
  Fields['daemon.start'],
  'ahead' | 'cut' | 'rewritten' | 'headless'
>;

function resume({ newest, oldest, atHead, damaged, linked }: Tail, head: Head | undefined): Resumption {
  const last: Head = newest ?? ORIGIN;
  const seq = last.seq + damaged;
  if (head === undefined) {
    return { head: { seq, hash: last.hash }, ...(seq > 0 && { headless: true }) };
  }
  if (seq < head.seq) return { head, cut: { from: seq + 1, through: head.seq } };
  // The damaged lines were the last records: the head still has the hash of the very last one.
  if (damaged > 0) return { head: { seq, hash: head.hash } };
  if (seq === head.seq) return last.hash === head.hash ? { head } : { head, rewritten: true };
  const joined =
    atHead === undefined ? oldest !== undefined && follows(oldest, head) : atHead.hash === head.hash;
  if (joined && linked) return { head: { seq, hash: last.hash }, ahead: seq - head.seq };
  return { head: { seq, hash: head.hash }, rewritten: true };
}

/** Moves what comes after the last whole line to `torn`. */
async function removeTornLine(path: string, torn: string): Promise<Fields['daemon.start']['mended']> {
  const { whole, size } = await wholeLength(path);
  if (whole === size) return undefined;
  const digest = createHash('sha256');
  {
    await using from = await open(path);
    await using to = await open(torn, 'w', 0o600);
    for await (const bytes of from.createReadStream({ start: whole, autoClose: false })) {
      digest.update(bytes);
      await to.appendFile(bytes);
    }
    await to.sync();
  }
  await truncate(path, whole);
  return { bytes: size - whole, digest: `sha256:${digest.digest('hex')}` };
}
