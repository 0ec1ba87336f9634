// The log itself: its daemons, its signatures, the profiles under which the rest happened.
import type { VaultMark } from '../vault-mark.ts';

/** The first record of a daemon, with what it found wrong in the log. */
export interface DaemonStart {
  readonly version: string;
  readonly pid: number;
  /** Whole records found after the head: the previous daemon was killed between the two writes. */
  readonly ahead?: number;
  /** A torn last line that was removed: its length in bytes and its digest (`sha256:<hex>`). */
  readonly mended?: { readonly bytes: number; readonly digest: string };
  /** Records that the head counts but the log no longer holds, by their numbers. */
  readonly cut?: { readonly from: number; readonly through: number };
  /** The log's end is not the one that the head names. */
  readonly rewritten?: true;
  /** There was a log, but no head. */
  readonly headless?: true;
}

export interface DaemonStop {
  readonly version: string;
  readonly pid: number;
}

export interface ProfileChange {
  readonly profile: string;
  readonly change: 'added' | 'changed' | 'removed' | 'broken';
  readonly digest?: string;
}

/** An earlier record's number and hash, signed; or why nothing is; or, if old segments were removed, where the log now starts. */
export interface Checkpoint extends VaultMark {
  readonly signed_seq?: number;
  readonly signed_hash?: string;
  /** The Ed25519 public key, 32 bytes in base64. */
  readonly key?: string;
  /** 64 bytes in base64. */
  readonly signature?: string;
  /** What the checkpoint before this one signed, by the same store; 0 and 64 zeros in its first. None in version 1. */
  readonly previous_seq?: number;
  readonly previous_hash?: string;
  /** A record that was signed last, as the credential store knows, and that the log does not contain: it is not signed. */
  readonly missing_seq?: number;
  readonly missing_hash?: string;
  /** The number and `prev` of the first remaining record. */
  readonly start_seq?: number;
  readonly start_prev?: string;
}
