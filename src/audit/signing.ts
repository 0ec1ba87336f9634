// When checkpoints are made: after so many records, when somebody asks, and as soon as a signer is there. The
// key may be long in coming (a locked keychain, a person asked) or never come: nothing here makes a record wait.
import type { Head } from './chain/chain.ts';
import { REACH, type Signer, statement } from './checkpoint.ts';
import type { Checkpoint } from './events.ts';

/** The log that is signed. */
export interface Signed {
  readonly head: () => Head;
  /** Appends the checkpoint. May throw. */
  readonly append: (checkpoint: Checkpoint & { readonly key: string }) => void;
  readonly warn: (message: string) => void;
}

/** Signs a log's end, one signature at a time. */
export class Signing {
  /** Why the last signature failed. */
  fault: string | undefined;
  readonly #log: Signed;
  readonly #every: number;
  #signer: Signer | undefined;
  #unsigned = 0;
  #running: Promise<void> | undefined;
  #again = false;

  /** `every`: the records after which a signature is made. */
  constructor(every: number, log: Signed) {
    this.#every = every;
    this.#log = log;
  }

  /** What signs; nothing does without. A signature of all so far follows at once. */
  set signer(signer: Signer | undefined) {
    this.#signer = signer;
    this.fault = undefined;
    void this.sign();
  }

  get signer(): Signer | undefined {
    return this.#signer;
  }

  /** Counts a record that a signature is due for. */
  count(): void {
    this.#unsigned += 1;
    if (this.#signer !== undefined && this.#unsigned % this.#every === 0) void this.sign();
  }

  /** Signs the log's end, if anything was counted. Settles when that is done or has failed; never rejects. */
  sign(): Promise<void> {
    if (this.#running === undefined) this.#running = this.#run();
    else this.#again = true;
    return this.#running;
  }

  async #run(): Promise<void> {
    do {
      this.#again = false;
      await this.#one();
    } while (this.#again);
    this.#running = undefined;
  }

  async #one(): Promise<void> {
    const signer = this.#signer;
    if (signer === undefined || this.#unsigned === 0) return;
    try {
      let head: Head;
      let unsigned: number;
      let signature: Buffer;
      do {
        head = this.#log.head();
        unsigned = this.#unsigned;
        signature = await signer.sign(statement(head));
      } while (this.#log.head().seq - head.seq > REACH / 2);
      this.#log.append({
        signed_seq: head.seq,
        signed_hash: head.hash,
        key: signer.publicKey,
        signature: signature.toString('base64'),
      });
      this.#unsigned -= unsigned;
      this.fault = undefined;
    } catch (error) {
      this.fault = `the log cannot be signed: ${error instanceof Error ? error.message : String(error)}`;
      this.#log.warn(this.fault);
    }
  }
}
