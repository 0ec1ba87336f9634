// The log at a glance, for `status` and `doctor`, with or without a daemon: its end is looked at, not all of it.
import { stat } from 'node:fs/promises';
import type { Places } from '../wire/places.ts';
import { newestRecords } from './read.ts';
import { inspect } from './recover.ts';
import { listSegments } from './segments.ts';

/** What there is of the log. */
export interface AuditState {
  /** The last record's number; 0: there is no log. */
  readonly seq: number;
  readonly segments: number;
  /** Bytes of all segments. */
  readonly bytes: number;
  /** The record that the newest signature covers, if one is near the end; whether it holds, `verify` tells. */
  readonly signed_through: number | null;
  /** What is wrong with the end of the log. */
  readonly problem?: string;
}

/** How far back a signature is looked for. */
const NEAR = 20_000;

/** Looks at the log. Throws the system's errors where files cannot be read. */
export async function auditState({ audit, state }: Pick<Places, 'audit' | 'state'>): Promise<AuditState> {
  const { head, facts, broken } = await inspect(audit, state);
  const segments = await listSegments(audit);
  const sizes = await Promise.all(segments.map(async ({ path }) => (await stat(path)).size));
  const problem =
    facts.cut !== undefined
      ? `records ${facts.cut.from} to ${facts.cut.through} are missing at the end`
      : facts.headless === true
        ? 'the head kept apart is gone'
        : broken
          ? 'the end of the log does not verify'
          : undefined;
  return {
    seq: head.seq,
    segments: segments.length,
    bytes: sizes.reduce((sum, size) => sum + size, 0),
    signed_through: await signedThrough(audit),
    ...(problem !== undefined && { problem }),
  };
}

async function signedThrough(folder: string): Promise<number | null> {
  let looked = 0;
  for await (const { entry } of newestRecords(folder)) {
    looked += 1;
    if (entry.event === 'checkpoint' && typeof entry.signed_seq === 'number') return entry.signed_seq;
    if (looked === NEAR) break;
  }
  return null;
}
