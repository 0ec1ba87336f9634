// Decides when checkpoints are made: after so many records, on request, and as soon as there is a signer. The key
// may take long (a locked keychain, a person who is asked) or never arrive: no record waits for it.
import type { Head } from './chain/chain.ts';
import { SIGNING_WINDOW, type Signer, statement } from './checkpoint.ts';
import type { Checkpoint } from './events.ts';

/** The log to sign. */
export interface SignedLog {
  readonly head: () => Head;
  /** Appends the checkpoint. May throw. */
  readonly append: (checkpoint: Checkpoint & { readonly key: string }) => void;
  readonly warn: (message: string) => void;
}

/** Signs a log's end, one signature at a time. */
export class Signing {
  /** Why the last signature failed. */
  fault: string | undefined;
  readonly #log: SignedLog;
  readonly #interval: number;
  #signer: Signer | undefined;
  #unsigned = 0;
  #running: Promise<void> | undefined;
  #requested = false;

  /** `every`: the number of records after which a signature is made. */
  constructor(every: number, log: SignedLog) {
    this.#interval = every;
    this.#log = log;
  }

  /** The signer; without one nothing is signed. A signature of all records so far follows at once. */
  set signer(signer: Signer | undefined) {
    this.#signer = signer;
    this.fault = undefined;
    void this.sign();
  }

  get signer(): Signer | undefined {
    return this.#signer;
  }

  /** Counts a record that needs a signature. */
  count(): void {
    this.#unsigned += 1;
    if (this.#signer !== undefined && this.#unsigned % this.#interval === 0) void this.sign();
  }

  /** Signs the log's end, if any record was counted. Resolves when that is done or has failed; never rejects. */
  sign(): Promise<void> {
    if (this.#running === undefined) this.#running = this.#run();
    else this.#requested = true;
    return this.#running;
  }

  async #run(): Promise<void> {
    do {
      this.#requested = false;
      await this.#signOnce();
    } while (this.#requested);
    this.#running = undefined;
  }

  async #signOnce(): Promise<void> {
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
      } while (this.#log.head().seq - head.seq > SIGNING_WINDOW / 2);
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
