// Where the bytes of a stream are read to: blocks that are filled one read behind the other, so that nothing is allocated for a
// read, and while much comes a read is as long as what the kernel has. What was read is a slice of its block, and whoever
// keeps it keeps the block.

/** The smallest and the largest block, in bytes. */
const SMALLEST = 0x4000;
const LARGEST = 0x40000;
/** How many times as long the next block is where a read has filled what it got, and how many reads fit where none has. */
const GROWTH = 4;
const READS = 8;

/** The blocks of one stream: `room`, then what was read of it, in turn. */
export class ReadBlocks {
  #block: Buffer = Buffer.allocUnsafeSlow(SMALLEST);
  #used = 0;
  /** The bytes of the last read, and whether it has filled what it got. */
  #last = 0;
  #wasFilled = false;

  /** Where the next read goes. */
  room(): Buffer {
    const { length } = this.#block;
    // The next may be longer than the last, and none is to get little.
    if (length - this.#used < Math.max(length / GROWTH, 2 * this.#last)) {
      const wanted = this.#wasFilled ? length * GROWTH : this.#last * READS;
      this.#block = Buffer.allocUnsafeSlow(Math.min(Math.max(wanted, SMALLEST), LARGEST));
      this.#used = 0;
    }
    return this.#block.subarray(this.#used);
  }

  /** So many bytes were read to `room`, which is the last one that was given. */
  took(length: number, room: Buffer): Buffer {
    this.#last = length;
    this.#wasFilled = length === room.length;
    if (room.buffer === this.#block.buffer) this.#used += length;
    return room.subarray(0, length);
  }
}
