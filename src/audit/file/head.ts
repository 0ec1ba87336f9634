// The head: number and hash of the log's last record, in a separate file beside the log's folder, so that a cut
// end shows. The file has a fixed length and is overwritten in place by one small write: it always holds either
// the old head or the new one.
import { closeSync, constants, fstatSync, ftruncateSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Head } from '../chain/chain.ts';
import type { Files } from './appender.ts';

/** 16 digits, a blank, 64 hex digits, a line feed. */
const HEAD = /^(\d{16}) ([0-9a-f]{64})\n$/;
const LENGTH = 82;
const DIGITS = 16;
const ZERO = 0x30;

/** The head's file in the state folder. */
export function headPath(state: string): string {
  return join(state, 'audit-head');
}

/** The head as it was last written; `undefined` if the file does not exist or is not a head. */
export function readHead(path: string): Head | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'latin1');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const [, seq, hash] = HEAD.exec(text) ?? [];
  return hash !== undefined && Number.isSafeInteger(Number(seq)) ? { seq: Number(seq), hash } : undefined;
}

/** Writes the head, synchronously. Throws system errors. */
export class HeadFile implements Disposable {
  readonly #path: string;
  readonly #files: Files;
  #fd: number;
  /** What is written; used again. */
  readonly #text = Buffer.from(`${' '.repeat(LENGTH - 1)}\n`);

  constructor(path: string, files: Files) {
    this.#path = path;
    this.#files = files;
    this.#fd = openHead(path);
  }

  write({ seq, hash }: Head): void {
    const text = this.#text;
    for (let at = DIGITS - 1, left = seq; at >= 0; at--) {
      const rest = Math.floor(left / 10);
      text[at] = ZERO + (left - 10 * rest);
      left = rest;
    }
    text.write(hash, DIGITS + 1, 'latin1');
    if (this.#files.writeOver(this.#fd, text) !== text.length)
      throw new Error('the head was only written in part');
  }

  /** Creates the file again if somebody removed it. Returns whether it had been removed. */
  restore(head: Head): boolean {
    if (fstatSync(this.#fd).nlink > 0) return false;
    const fd = openHead(this.#path);
    closeSync(this.#fd);
    this.#fd = fd;
    this.write(head);
    return true;
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}

function openHead(path: string): number {
  const fd = openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
  if (fstatSync(fd).size !== LENGTH) ftruncateSync(fd, 0);
  return fd;
}
