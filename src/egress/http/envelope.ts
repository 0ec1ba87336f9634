// Bodies that are a sequence of messages, each behind five bytes: gRPC ("Length-Prefixed-Message" of its protocol over
// HTTP/2), gRPC-Web, and the streams of Connect. Flags, of which the lowest bit says that the message is compressed, and
// the message's length, big-endian. Each message is searched by itself and passed on as soon as it has arrived: with a
// call that streams both ways, each side waits for the other's last message. All lengths stay, as messages contain more
// of them.
import type { ByteTransform } from '../../credential/finder.ts';

const TYPE = /^application\/(?:grpc(?:-web)?(?:\+[\w.-]+)?|connect\+[\w.-]+)$/i;
const PREFIX_LENGTH = 5;
const COMPRESSED = 1;
/** The end of a stream of Connect, and the trailers of gRPC-Web. */
const LAST = [0x02, 0x80];

/** Whether a body of this type is a sequence of messages. */
export function isEnveloped(types: readonly string[]): boolean {
  return types.length === 1 && TYPE.test(types[0]?.split(';')[0]?.trim() ?? '');
}

/** Changes each message of a body by a transform of its own, which must keep the length. */
export class EnvelopeTransform implements ByteTransform {
  readonly #create: () => ByteTransform;
  readonly #reject: (reason: string) => Error;
  #prefix: Buffer = Buffer.alloc(0);
  /** Bytes of the message that are still to come. */
  #left = 0;
  #current: ByteTransform | undefined;

  /** `reject` makes the error that is thrown for a message that cannot be searched. */
  constructor(create: () => ByteTransform, reject: (reason: string) => Error) {
    this.#create = create;
    this.#reject = reject;
  }

  push(chunk: Buffer): Buffer[] {
    const out: Buffer[] = [];
    for (let at = 0; at < chunk.length; ) {
      if (this.#current === undefined) {
        const piece = chunk.subarray(at, at + PREFIX_LENGTH - this.#prefix.length);
        this.#prefix = Buffer.concat([this.#prefix, piece]);
        at += piece.length;
        if (this.#prefix.length === PREFIX_LENGTH) this.#begin();
      } else {
        const piece = chunk.subarray(at, at + this.#left);
        at += piece.length;
        this.#left -= piece.length;
        out.push(...this.#current.push(piece));
      }
      if (this.#current !== undefined && this.#prefix.length === PREFIX_LENGTH) {
        out.push(this.#prefix);
        this.#prefix = Buffer.alloc(0);
      }
      if (this.#current !== undefined && this.#left === 0) {
        out.push(...this.#current.flush());
        this.#current = undefined;
      }
    }
    return out;
  }

  flush(): Buffer[] {
    return [this.#prefix, ...(this.#current?.flush() ?? [])];
  }

  #begin(): void {
    const flags = this.#prefix[0] ?? 0;
    if ((flags & COMPRESSED) !== 0) throw this.#reject('a compressed message cannot be searched');
    if (flags !== 0 && !LAST.includes(flags)) throw this.#reject('the body is not in messages');
    this.#left = this.#prefix.readUInt32BE(1);
    this.#current = this.#create();
  }
}
