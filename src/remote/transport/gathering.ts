// Bytes that come in pieces and are wanted in one: copied into a buffer that grows, so that many small pieces cost no more
// memory than a large one.

const FIRST = 4096;
const GROWTH = 4;

export class Gathering {
  readonly #limit: number;
  #buffer: Buffer = Buffer.alloc(0);
  #length = 0;

  /** `limit`: bytes beyond which nothing is to be added. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  get length(): number {
    return this.#length;
  }

  add(piece: Buffer): void {
    const length = this.#length + piece.length;
    if (length > this.#buffer.length) {
      // What of a large one is not used takes no memory.
      const grown = Buffer.allocUnsafeSlow(
        Math.max(length, Math.min(this.#limit, Math.max(FIRST, GROWTH * this.#length))),
      );
      this.#buffer.copy(grown, 0, 0, this.#length);
      this.#buffer = grown;
    }
    piece.copy(this.#buffer, this.#length);
    this.#length = length;
  }

  /** All bytes; they are not kept. */
  take(): Buffer {
    const taken = this.#buffer.subarray(0, this.#length);
    this.#buffer = Buffer.alloc(0);
    this.#length = 0;
    return taken;
  }
}
