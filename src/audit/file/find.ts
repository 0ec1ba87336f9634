// Looks records up in the log: one that was signed, before anything is signed after it; and the last that has the vault's state.
import { check } from '../chain/chain.ts';
import { sha256 } from '../chain/hash.ts';
import { type SignedPoint, validClaim } from '../checkpoint.ts';
import type { VaultMark } from '../vault-mark.ts';
import { listSegments, readLines } from './segments.ts';

/**
 * The newest point that `key` has signed in the log of a folder, going on from `point`; `undefined` if the log does
 * not contain that very record. The result is newer than `point` if a daemon was killed after it had appended a
 * checkpoint and before it had stored that.
 */
export async function findSigned(
  folder: string,
  point: SignedPoint,
  key: string,
): Promise<SignedPoint | undefined> {
  const segments = await listSegments(folder);
  const first = segments.findLastIndex(({ first }) => first !== undefined && first <= point.seq);
  if (first < 0) return undefined;
  let newest: SignedPoint | undefined;
  /** Records after `point`: a checkpoint there must sign one of them. */
  const hashes = new Map<number, string>();
  for (const { path } of segments.slice(first)) {
    for await (const { lines } of readLines(path)) {
      for (const line of lines) {
        if (line === undefined || (newest === undefined && !line.includes(point.hash))) continue;
        const { entry } = check(line, sha256);
        if (entry === undefined) continue;
        if (newest === undefined) {
          if (entry.seq === point.seq && entry.hash === point.hash) newest = point;
          continue;
        }
        hashes.set(entry.seq, entry.hash);
        const claim = entry.event === 'checkpoint' ? validClaim(entry) : undefined;
        if (claim?.key !== key || !isSame(claim.previous, newest)) continue;
        if (hashes.get(claim.point.seq) === claim.point.hash) newest = claim.point;
      }
    }
  }
  return newest;
}

function isSame(a: SignedPoint | undefined, b: SignedPoint): boolean {
  return a?.seq === b.seq && a.hash === b.hash;
}

/** The vault's state by the last record that has it; `undefined` if none has. Reads newer segments first. */
export async function findVaultMark(folder: string): Promise<Required<VaultMark> | undefined> {
  const segments = await listSegments(folder);
  for (const { path } of segments.toReversed()) {
    let found: Required<VaultMark> | undefined;
    for await (const { lines } of readLines(path)) {
      for (const line of lines) {
        if (!line?.includes('"vault_counter":')) continue;
        const { entry } = check(line, sha256);
        if (entry === undefined) continue;
        const { vault_counter, vault_digest } = entry;
        if (typeof vault_counter === 'number' && typeof vault_digest === 'string')
          found = { vault_counter, vault_digest };
      }
    }
    if (found !== undefined) return found;
  }
  return undefined;
}
