// Forwards the body of a response as fast as the server reads it. What arrives at one time is forwarded at one time,
// together with the head: each piece is searched and encrypted at its own cost. Nothing waits for longer, as a response may
// go on for hours, one event at a time.
import type { Readable } from 'node:stream';
import type { ByteTransform } from '../../credential/finder.ts';
import { BUDGETS } from '../budgets.ts';
import { releaseBuffer } from '../connection/buffer-transfer.ts';
import type { GateTurns } from '../turns.ts';
import type { BodySearch } from './body-search.ts';

const NO_BYTES: Buffer<ArrayBuffer> = Buffer.alloc(0);

/** Takes a body to the server. */
export interface BodySink {
  flushHeaders(): void;
  /** `done`: the piece is not looked at any more. */
  write(piece: Buffer, done?: () => void): boolean;
  end(piece?: Buffer): unknown;
  once(event: 'drain' | 'close', listener: () => void): unknown;
  /** Bytes that the server has not read. */
  readonly writableLength: number;
}

export interface BodyStreamParts {
  /** The body without its coding, and as the host sends it: the same object where there is none. */
  readonly body: Readable;
  readonly from: Readable;
  readonly to: BodySink;
  /** Sends the head, if it was not sent yet. */
  readonly sendHead: () => void;
  /** What the body passes before anything is replaced in it. */
  readonly search: BodySearch | undefined;
  readonly replacing: ByteTransform;
  readonly turns: GateTurns;
}

/** Forwards a body to its end. Rejects where either side breaks, or the search refuses it. */
export async function streamBody(parts: BodyStreamParts): Promise<void> {
  try {
    await new BodyStream(parts).ended;
  } finally {
    parts.search?.close();
  }
}

class BodyStream {
  readonly #parts: BodyStreamParts;
  readonly #ended = Promise.withResolvers<void>();
  #pieces: Buffer<ArrayBuffer>[] = [];
  #length = 0;
  /** Writes since the server had last read everything. */
  #writes = 0;
  /** A batch is searched, or waits for its turn: until then nothing more is read. */
  #busy = false;
  /** The last piece was searched and written in little time: the next may be larger. */
  #isQuick = false;
  /** The body has ended. */
  #complete = false;
  /** Nothing more is forwarded. */
  #over = false;
  #scheduled: NodeJS.Immediate | undefined;

  constructor(parts: BodyStreamParts) {
    this.#parts = parts;
    const { body, from, to } = parts;
    from.once('error', this.#fail);
    from.once('aborted', () => this.#fail(new Error('the host broke off')));
    // Without `aborted` where the request was sent already (HTTP/2). A whole message may be closed before it is read.
    from.once('close', () => {
      if (from.destroyed && !from.readableEnded) this.#fail(new Error('the host broke off'));
    });
    body.once('error', this.#fail);
    to.once('close', () => this.#fail(new Error('the server has gone')));
    this.#scheduled = setImmediate(this.#flush);
    body.on('data', (piece: Buffer<ArrayBuffer>) => {
      this.#pieces.push(piece);
      this.#length += piece.length;
      const most = this.#isQuick ? BUDGETS.largeBatch : BUDGETS.batch;
      if (this.#length >= most) this.#flush();
      else this.#scheduled ??= setImmediate(this.#flush);
    });
    body.once('end', () => {
      this.#complete = true;
      this.#flush();
    });
  }

  /** Settles with the body. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  readonly #fail = (error: unknown): void => {
    clearImmediate(this.#scheduled);
    this.#over = true;
    this.#pieces = [];
    this.#ended.reject(error);
    // What nobody receives any more is not kept either.
    this.#parts.body.resume();
  };

  /** Searches what has arrived, and forwards it. */
  readonly #flush = (): void => {
    clearImmediate(this.#scheduled);
    this.#scheduled = undefined;
    if (this.#busy || this.#over) return;
    if (this.#length === 0 && !this.#complete) {
      this.#parts.sendHead();
      this.#parts.to.flushHeaders();
      return;
    }
    this.#busy = true;
    const last = this.#complete;
    try {
      const searched = this.#search(this.#takeBatch(), last);
      if (searched instanceof Promise) {
        this.#parts.body.pause();
        searched.then((pieces) => this.#forward(pieces, last), this.#fail);
      } else this.#forward(searched, last);
    } catch (error) {
      this.#fail(error);
    }
  };

  /** What has arrived, as one piece: each costs a search and a write of its own. */
  #takeBatch(): Buffer {
    const pieces = this.#pieces;
    const length = this.#length;
    this.#pieces = [];
    this.#length = 0;
    const [first = NO_BYTES] = pieces;
    if (pieces.length <= 1) return first;
    const batch = Buffer.allocUnsafeSlow(length);
    let at = 0;
    for (const piece of pieces) {
      at += piece.copy(batch, at);
      releaseBuffer(piece);
    }
    return batch;
  }

  /** Returns pieces that may pass. `last`: nothing follows the batch. */
  #search(batch: Buffer, last: boolean): Buffer[] | Promise<Buffer[]> {
    const { search } = this.#parts;
    if (search === undefined) return [batch];
    const passed = batch.length === 0 ? [] : search.push(batch);
    if (!last) return passed;
    if (passed instanceof Promise) return passed.then(async (pieces) => [...pieces, ...(await search.end())]);
    const rest = search.end();
    return rest instanceof Promise ? rest.then((pieces) => [...passed, ...pieces]) : [...passed, ...rest];
  }

  /** Replaces what is sealed, and writes the rest: at once, or in a later turn. */
  #forward(pieces: readonly Buffer[], last: boolean): void {
    const { body, turns } = this.#parts;
    const work = (): void => {
      this.#busy = false;
      if (this.#over) return;
      try {
        const hasRoom = this.#write(pieces, last);
        if (!this.#over) this.#goOn(hasRoom);
      } catch (error) {
        this.#fail(error);
      }
    };
    turns.run(work, (ms) => {
      this.#isQuick = ms < BUDGETS.quick;
    });
    if (this.#busy) body.pause();
  }

  /** Returns whether the server reads as fast as it is written to. */
  #write(pieces: readonly Buffer[], last: boolean): boolean {
    const { to, replacing, sendHead } = this.#parts;
    let hasRoom = true;
    // What the first pieces are refused for is still answered by an error of the gate's own.
    const replaced = pieces.flatMap((piece) => replacing.push(piece));
    if (last) replaced.push(...replacing.flush());
    sendHead();
    if (replaced.length === 0 && !last) to.flushHeaders();
    for (const piece of replaced as Buffer<ArrayBuffer>[])
      hasRoom = to.write(piece, () => releaseBuffer(piece));
    if (last) {
      this.#over = true;
      to.end();
      this.#ended.resolve();
    }
    return hasRoom;
  }

  /** Reads on, now or when the server has read. */
  #goOn(hasRoom: boolean): void {
    const { body, to } = this.#parts;
    this.#writes = hasRoom ? 0 : this.#writes + 1;
    if (this.#length > 0 || this.#complete) this.#scheduled ??= setImmediate(this.#flush);
    if (to.writableLength < BUDGETS.unread && this.#writes < BUDGETS.writes) {
      body.resume();
      return;
    }
    body.pause();
    to.once('drain', () => {
      this.#writes = 0;
      body.resume();
    });
  }
}
