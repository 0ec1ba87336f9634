// What a session has now, and may have exchanged while it is open: its server, its policy, and what takes
// credentials out of what passes.
import { isAscii, isUtf8 } from 'node:buffer';
import type { ProfilePolicy } from '../../profile/format.ts';
import type { Upstream } from '../upstream.ts';

/** A value that cannot be taken out of what contains it. */
export interface ValuePlace {
  /** The name of its credential. */
  readonly credential: string;
  /** Such as "the name of a tool". */
  readonly place: string;
}

/** `withheld`: the message must not be passed on; `stayed`: what stays in names. */
export type MessageRedaction =
  | { readonly line: Buffer; readonly stayed: readonly ValuePlace[] }
  | { readonly withheld: ValuePlace };

/** Takes the values of credentials out of what passes: see `Redactor`. */
export interface Redaction {
  /** The same object if there is nothing to take out. */
  redact(bytes: Buffer): Buffer;
  /** For a message to the host. */
  message(line: Buffer): MessageRedaction;
  /** The same for lines of any size: they yield after each slice of work. */
  redactInSlices(line: Buffer): Generator<void, Buffer>;
  messageInSlices(line: Buffer): Generator<void, MessageRedaction>;
  /** The same while the line comes: from its first bytes on up to `to`, wherever they are by then; then what is made of it. */
  messageAsItComes(): {
    next(bytes: Buffer, to: number, whole: boolean): void;
    message(line: Buffer): Generator<void, MessageRedaction>;
  };
  text(text: string): string;
  /** For bytes that come in pieces. */
  stream(): { push(chunk: Buffer): Buffer[]; flush(): Buffer[] };
}

export class Current {
  upstream: Upstream;
  /**
   * A server that has just started is compared with what the host was told in its place: nothing acts before that is done. Settles
   * with why it failed; never rejects.
   */
  comparison: Promise<string | undefined> | undefined;
  /** Called when a request that acts is let through. */
  onAct: () => void = () => {};
  #policy: ProfilePolicy;
  #redactor: Redaction;
  /** Called when what was decided or redacted before holds no more. */
  readonly #listeners: (() => void)[] = [];
  readonly #clean = new ChunkTest((bytes) => this.#redactor.redact(bytes) === bytes);
  readonly #ascii = new ChunkTest(isAscii);

  constructor(upstream: Upstream, policy: ProfilePolicy, redactor: Redaction) {
    this.upstream = upstream;
    this.#policy = policy;
    this.#redactor = redactor;
  }

  /** Whether requests that act may go to the server. */
  get isReady(): boolean {
    return this.comparison === undefined && this.upstream.isReady;
  }

  /** Whether what was seen of the server is what was known of it from before. */
  get isRecorded(): boolean {
    return this.comparison !== undefined || this.upstream.answers !== undefined;
  }

  get policy(): ProfilePolicy {
    return this.#policy;
  }

  set policy(policy: ProfilePolicy) {
    this.#policy = policy;
    this.#changed();
  }

  get redactor(): Redaction {
    return this.#redactor;
  }

  set redactor(redactor: Redaction) {
    this.#redactor = redactor;
    this.#changed();
  }

  /** Calls `listener` each time that policy or redaction has changed. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Whether no credential is anywhere in a chunk. */
  isClean(chunk: Buffer): boolean {
    return this.#clean.of(chunk);
  }

  /** Whether the part of a chunk from `start` to `end` is UTF-8. */
  isText(chunk: Buffer, start: number, end: number): boolean {
    return this.#ascii.of(chunk) || isUtf8(chunk.subarray(start, end));
  }

  /** Lets go of the last chunk. */
  settle(): void {
    this.#clean.forget();
    this.#ascii.forget();
  }

  #changed(): void {
    this.settle();
    for (const listener of this.#listeners) listener();
  }
}

/** A test of whole chunks: done once for the many messages in one. A chunk does not change. */
class ChunkTest {
  readonly #test: (chunk: Buffer) => boolean;
  #chunk: Buffer | undefined;
  #passed = false;

  constructor(test: (chunk: Buffer) => boolean) {
    this.#test = test;
  }

  of(chunk: Buffer): boolean {
    if (this.#chunk !== chunk) {
      this.#passed = this.#test(chunk);
      this.#chunk = chunk;
    }
    return this.#passed;
  }

  forget(): void {
    this.#chunk = undefined;
  }
}
