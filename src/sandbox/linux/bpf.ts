// An assembler for classic BPF with what seccomp filters need: forward jumps to labels, loads of 32-bit words,
// comparisons, returns (linux/bpf_common.h, linux/filter.h).

/** `BPF_LD | BPF_W | BPF_ABS`: loads the word at offset k. */
const LOAD = 0x20;
/** `BPF_ALU | BPF_AND | BPF_K`. */
const AND = 0x54;
/** `BPF_RET | BPF_K`. */
const RETURN = 0x06;

/** Comparisons of the loaded word with a constant: `BPF_JMP | op | BPF_K`. */
const COMPARE = { equal: 0x15, above: 0x25, atLeast: 0x35, anyBit: 0x45 } as const;

interface Instruction {
  readonly code: number;
  readonly k: number;
  /** Labels to jump to; `undefined` continues with the next instruction. */
  readonly ifTrue: string | undefined;
  readonly ifFalse: string | undefined;
}

/** Assembles one program. Jumps go forward, by at most 255 instructions. */
export class Assembler {
  readonly #program: Instruction[] = [];
  readonly #labels = new Map<string, number>();

  /** Loads the 32-bit word at `offset` of the data. */
  load(offset: number): void {
    this.#add(LOAD, offset);
  }

  /** Keeps only the loaded word's bits that are in `mask`. */
  and(mask: number): void {
    this.#add(AND, mask);
  }

  /** Compares the loaded word with `k`. Jumps to the label `ifTrue` or `ifFalse`; `undefined` continues. */
  jumpIf(comparison: keyof typeof COMPARE, k: number, ifTrue: string | undefined, ifFalse?: string): void {
    this.#add(COMPARE[comparison], k, ifTrue, ifFalse);
  }

  /** Returns `k` as the filter's result. */
  ret(k: number): void {
    this.#add(RETURN, k);
  }

  /** Gives the next instruction a label. */
  label(name: string): void {
    this.#labels.set(name, this.#program.length);
  }

  /** The program as an array of `struct sock_filter`, little-endian. */
  assemble(): Buffer {
    const bytes = Buffer.alloc(this.#program.length * 8);
    this.#program.forEach(({ code, k, ifTrue, ifFalse }, at) => {
      const jump = (label: string | undefined) => (label === undefined ? 0 : this.#distance(at, label));
      bytes.writeUInt16LE(code, at * 8);
      bytes[at * 8 + 2] = jump(ifTrue);
      bytes[at * 8 + 3] = jump(ifFalse);
      bytes.writeUInt32LE(k >>> 0, at * 8 + 4);
    });
    return bytes;
  }

  #add(code: number, k: number, ifTrue?: string, ifFalse?: string): void {
    this.#program.push({ code, k, ifTrue, ifFalse });
  }

  #distance(at: number, label: string): number {
    const distance = (this.#labels.get(label) ?? Number.NaN) - at - 1;
    if (distance >= 0 && distance <= 255) return distance;
    throw new RangeError(`no jump from ${at} to "${label}"`);
  }
}
