// Where the bytes of a stream are read to: blocks that are filled one read behind the other, so that nothing is allocated for a
// read, and while much comes a read is as long as what the kernel has. What was read is a slice of its block, and whoever
// keeps it keeps the block.

/** The smallest and the largest block, in bytes, and how many times as long the next is while reads fill what they get. */
const SMALLEST = 0x4000;
const LARGEST = 0x40000;
const GROWTH = 4;

export class ReadBlocks {
  #block: Buffer = Buffer.allocUnsafeSlow(SMALLEST);
  #used = 0;
  #wasFilled = false;

  /** Where the next read goes. */
  room(): Buffer {
    const { length } = this.#block;
    // The last quarter is left, so that no read gets little.
    if (length - this.#used < length / GROWTH) {
      const next = this.#wasFilled ? Math.min(length * GROWTH, LARGEST) : SMALLEST;
      this.#block = Buffer.allocUnsafeSlow(next);
      this.#used = 0;
    }
    return this.#block.subarray(this.#used);
  }

  /** So many bytes were read to `room`, which is the last one that was given. */
  took(length: number, room: Buffer): Buffer {
    this.#wasFilled = length === room.length;
    if (room.buffer === this.#block.buffer) this.#used += length;
    return room.subarray(0, length);
  }
}
