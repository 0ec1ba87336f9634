// SHA-256 by a thread of the pool, of bytes where they lie: `createHash` works on the thread that calls it, and
// `crypto.subtle` on a copy. Node exports the functions of the OpenSSL that it has in it, which are called through koffi, an
// optional dependency. Where they cannot be called, nothing is digested here, and whoever asks does so by `createHash`.
//
// The thread reads memory that V8 knows nothing of its reading. So what it reads is referred to here until it has read it, and
// whoever gave it neither changes it nor gives it back before it is told. Node ends no process while its pool works.
import { createHash } from 'node:crypto';

/** A digest under way. */
export interface BackgroundDigest extends Disposable {
  /**
   * These bytes follow. `done` is called once nothing reads them any more, also where the digest is not finished: until then they
   * must not change.
   */
  update(bytes: Buffer, done?: () => void): void;
  /** Nothing follows. `then` is called, maybe at once, with the digest's hexadecimal digits; undefined: it could not be made. */
  finish(then: (digest: string | undefined) => void): void;
  /** It is not wanted any more. May be called at any time, and after it is finished. */
  [Symbol.dispose](): void;
}

/** Begins a digest. */
export type BackgroundDigests = () => BackgroundDigest;

/** Bytes for which another thread is not asked, and those which have to have come together before it is. */
const FEW = 16_384;
const ENOUGH = 2 ** 19;
/** Bytes that it is given at once: a few milliseconds. */
const MOST = 2 ** 23;

type Native = ReturnType<import('koffi').LibraryHandle['func']>;

interface Calls {
  readonly make: () => unknown;
  readonly update: Native;
  /** 32 bytes. Undefined: it failed. */
  readonly end: (context: unknown) => Buffer | undefined;
  readonly free: (context: unknown) => void;
}

interface Piece {
  bytes: Buffer;
  readonly done: (() => void)[];
}

/** Undefined where it cannot be done, or does not do what `createHash` does. */
export async function openBackgroundDigests(): Promise<BackgroundDigests | undefined> {
  try {
    const calls = bind((await import('koffi')).default);
    const context = calls.make();
    const sample = Buffer.from('abc');
    const isTaken = calls.update(context, sample, sample.length) === 1;
    const digest = calls.end(context);
    calls.free(context);
    if (!isTaken || digest?.equals(createHash('sha256').update(sample).digest()) !== true) return undefined;
    return () => new PoolDigest(calls);
  } catch {
    return undefined;
  }
}

function bind(koffi: typeof import('koffi')['default']): Calls {
  const library = koffi.load(null);
  const make = library.func('void *EVP_MD_CTX_new()');
  const sha256 = library.func('const void *EVP_sha256()');
  const begin = library.func('int EVP_DigestInit_ex(void *context, const void *type, void *engine)');
  const update = library.func('int EVP_DigestUpdate(void *context, const void *data, size_t length)');
  const final = library.func('int EVP_DigestFinal_ex(void *context, void *digest, void *length)');
  const free = library.func('void EVP_MD_CTX_free(void *context)');
  return {
    make: () => {
      const context: unknown = make();
      if (context === null) throw new Error('OpenSSL has no memory');
      if (begin(context, sha256(), null) === 1) return context;
      free(context);
      throw new Error('OpenSSL has no SHA-256');
    },
    update,
    end: (context) => {
      const digest = Buffer.alloc(32);
      return final(context, digest, null) === 1 ? digest : undefined;
    },
    free: (context) => void free(context),
  };
}

/** A digest that nobody has finished or disposed of. */
const left = new FinalizationRegistry<() => void>((free) => free());

class PoolDigest implements BackgroundDigest {
  readonly #calls: Calls;
  /** Undefined once it is freed. */
  #context: unknown;
  /** What the thread reads, and what it is to read then. */
  #running: Piece | undefined;
  #waiting: Piece[] = [];
  #bytes = 0;
  #hasFailed = false;
  #isDropped = false;
  #then: ((digest: string | undefined) => void) | undefined;

  constructor(calls: Calls) {
    this.#calls = calls;
    const context = calls.make();
    this.#context = context;
    left.register(this, () => calls.free(context), this);
  }

  update(bytes: Buffer, done?: () => void): void {
    if (this.#hasFailed || this.#isDropped || bytes.length === 0) {
      done?.();
      return;
    }
    this.#bytes += bytes.length;
    const last = this.#waiting.at(-1);
    const end = last === undefined ? 0 : last.bytes.byteOffset + last.bytes.length;
    if (last !== undefined && last.bytes.buffer === bytes.buffer && end === bytes.byteOffset) {
      const { buffer, byteOffset, length } = last.bytes;
      last.bytes = Buffer.from(buffer, byteOffset, length + bytes.length);
      if (done !== undefined) last.done.push(done);
    } else this.#waiting.push({ bytes, done: done === undefined ? [] : [done] });
    if (this.#bytes >= ENOUGH) this.#go();
  }

  finish(then: (digest: string | undefined) => void): void {
    this.#then = then;
    this.#go();
  }

  [Symbol.dispose](): void {
    this.#isDropped = true;
    this.#then = undefined;
    this.#drop();
    if (this.#running === undefined) this.#free();
  }

  /** Has the thread go on, if it does not work and there is something for it. */
  #go(): void {
    while (this.#running === undefined && !this.#hasFailed) {
      const piece = this.#waiting[0];
      if (piece === undefined) break;
      const { bytes } = piece;
      if (bytes.length <= FEW) {
        this.#waiting.shift();
        this.#bytes -= bytes.length;
        this.#taken(piece, this.#calls.update(this.#context, bytes, bytes.length) as number);
      } else if (bytes.length <= MOST) {
        this.#waiting.shift();
        this.#start(piece);
      } else {
        piece.bytes = bytes.subarray(MOST);
        this.#start({ bytes: bytes.subarray(0, MOST), done: [] });
      }
    }
    if (this.#running !== undefined || this.#then === undefined) return;
    const then = this.#then;
    this.#then = undefined;
    const digest = this.#hasFailed ? undefined : this.#calls.end(this.#context);
    this.#free();
    then(digest?.toString('hex'));
  }

  #start(piece: Piece): void {
    const { bytes } = piece;
    this.#bytes -= bytes.length;
    this.#running = piece;
    try {
      this.#calls.update.async(this.#context, bytes, bytes.length, (error: unknown, result: number) => {
        this.#running = undefined;
        this.#taken(piece, error === null ? result : 0);
        if (this.#isDropped) this.#free();
        else if (this.#then !== undefined || this.#bytes >= ENOUGH) this.#go();
      });
    } catch {
      // More calls at once than koffi takes.
      this.#running = undefined;
      this.#taken(piece, this.#calls.update(this.#context, bytes, bytes.length) as number);
    }
  }

  #taken({ done }: Piece, result: number): void {
    if (result !== 1) {
      this.#hasFailed = true;
      this.#drop();
    }
    for (const each of done) each();
  }

  /** Reads nothing more, but for what the thread reads now, which may be a part of what waits: then none is let go before. */
  #drop(): void {
    const waiting = this.#waiting.flatMap(({ done }) => done);
    this.#waiting = [];
    this.#bytes = 0;
    if (this.#running === undefined) for (const each of waiting) each();
    else this.#running.done.push(...waiting);
  }

  #free(): void {
    if (this.#context === undefined) return;
    left.unregister(this);
    this.#calls.free(this.#context);
    this.#context = undefined;
  }
}
