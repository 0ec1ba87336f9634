// Decides when checkpoints are made: after so many records, after so long, on request, and as soon as there is a
// signer. The key may take long (a locked keychain, a person who is asked) or never arrive: no record waits for it.
//
// Before a signer signs anything, the log must contain the record that it signed last, as the credential store
// remembers it. A log that does not was cut or rewritten while no daemon ran: it is not signed, and a record says so.
import { type Head, ORIGIN } from './chain/chain.ts';
import { SIGNING_WINDOW, type SignedPoint, type Signer, statement } from './checkpoint.ts';
import type { Fields } from './events.ts';

/** The log to sign. */
export interface SignedLog {
  readonly head: () => Head;
  /** Appends a checkpoint. May throw. */
  readonly append: (checkpoint: Fields['checkpoint']) => void;
  /** Finds the newest record that `key` has signed, going on from `point`; `undefined` if `point` is not in the log. */
  readonly find: (point: SignedPoint, key: string) => Promise<SignedPoint | undefined>;
  /** Flushes what was appended to the disk. Rejects if that fails. */
  readonly flush: () => Promise<void>;
  readonly warn: (message: string) => void;
  /** The log is not the one that was signed. */
  readonly report: (message: string) => void;
  /** Milliseconds that never go back. */
  readonly monotonic: () => number;
}

/** A signer whose last signed record is in the log. */
interface Checked {
  readonly signer: Signer;
  /** The newest signed record; `undefined` before the signer's first signature. */
  point: SignedPoint | undefined;
  /** The credential store has it. */
  stored: boolean;
}

/** Signs a log's end, one signature at a time. */
export class Signing {
  readonly #log: SignedLog;
  readonly #records: number;
  readonly #every: number;
  #signer: Signer | undefined;
  #reason = 'no credential store is set up, so nothing signs the log';
  #expected = false;
  /** The signer, once its last signed record was found in the log. */
  #checked: Checked | undefined;
  /** The record that the log should contain and does not. */
  #missing: SignedPoint | undefined;
  #fault: string | undefined;
  #unsigned = 0;
  /** When the oldest unsigned record was counted. */
  #since = 0;
  #running: Promise<void> | undefined;
  #requested = false;

  /** A signature is made after `records` records, and `every` milliseconds after a record. */
  constructor(records: number, every: number, log: SignedLog) {
    this.#records = records;
    this.#every = every;
    this.#log = log;
  }

  /** Sets the signer. A signature of all records so far follows at once. */
  setSigner(signer: Signer): void {
    this.#signer = signer;
    this.#expected = false;
    this.#fault = undefined;
    this.#missing = undefined;
    this.#checked = undefined;
    void this.sign();
  }

  /** Says why there is no signer. `expected`: there will be one, once its store can be used. */
  setUnsigned(reason: string, expected: boolean): void {
    this.#signer = undefined;
    this.#checked = undefined;
    this.#missing = undefined;
    this.#fault = undefined;
    this.#reason = reason;
    this.#expected = expected;
  }

  /** Why the log is not signed; `undefined` if it is. */
  get problem(): string | undefined {
    if (this.#signer === undefined) return this.#reason;
    if (this.#missing === undefined) return this.#fault;
    return `the log does not contain record ${this.#missing.seq}, which was signed last: it was cut or rewritten, and is not signed ("warder audit verify")`;
  }

  /** What is wrong although the log is signed. */
  get warning(): string | undefined {
    return this.#checked?.stored === false
      ? 'the credential store does not take the last signed record: an end of the log that is cut off later would not show'
      : undefined;
  }

  /** The newest signed record, also one that the log does not contain; `undefined` if that is not known, or none is. */
  get point(): SignedPoint | undefined {
    return this.#missing ?? this.#checked?.point;
  }

  /** The public key that signs. */
  get key(): string | undefined {
    return this.#signer?.publicKey;
  }

  /**
   * The first record that must stay in the log so that the next signer can find what was signed last: `undefined`
   * if none must, 0 if that is not known yet.
   */
  get needed(): number | undefined {
    if (this.#signer === undefined) return this.#expected ? 0 : undefined;
    if (this.#missing !== undefined) return undefined;
    return this.#checked === undefined ? 0 : this.#checked.point?.seq;
  }

  /** Counts a record that needs a signature. */
  count(): void {
    if (this.#unsigned === 0) this.#since = this.#log.monotonic();
    this.#unsigned += 1;
    if (this.#signer === undefined) return;
    const due = this.#unsigned % this.#records === 0 || this.#log.monotonic() - this.#since > this.#every;
    if (due) void this.sign();
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
    if (signer === undefined || this.#missing !== undefined) return;
    try {
      this.#checked ??= await this.#check(signer);
      const checked = this.#checked;
      if (checked === undefined || checked.signer !== signer) return;
      if (this.#unsigned > 0) await this.#append(checked);
      if (!checked.stored && checked.point !== undefined) await this.#store(checked, checked.point);
      this.#fault = undefined;
    } catch (error) {
      if (this.#signer !== signer) return;
      this.#fault = `the log cannot be signed: ${error instanceof Error ? error.message : String(error)}`;
      this.#log.warn(this.#fault);
    }
  }

  /** Looks the last signed record up in the log. `undefined`: it is not there, or the signer was replaced meanwhile. */
  async #check(signer: Signer): Promise<Checked | undefined> {
    const stored = await signer.lastSigned();
    const point = stored && (await this.#log.find(stored, signer.publicKey));
    if (this.#signer !== signer) {
      this.#requested = true;
      return undefined;
    }
    if (stored === undefined || point !== undefined) return { signer, point, stored: point === stored };
    this.#missing = stored;
    this.#log.report(this.problem ?? '');
    this.#log.append({ missing_seq: stored.seq, missing_hash: stored.hash, key: signer.publicKey });
    return undefined;
  }

  async #append(checked: Checked): Promise<void> {
    const { signer, point: previous = ORIGIN } = checked;
    let head: Head;
    let unsigned: number;
    let signature: Buffer;
    do {
      head = this.#log.head();
      unsigned = this.#unsigned;
      signature = await signer.sign(statement(head, previous));
    } while (this.#log.head().seq - head.seq > SIGNING_WINDOW / 2);
    // A signer that was replaced meanwhile has no say any more: the point that it would store is not the newest.
    if (this.#signer !== signer) {
      this.#requested = true;
      return;
    }
    this.#log.append({
      signed_seq: head.seq,
      signed_hash: head.hash,
      previous_seq: previous.seq,
      previous_hash: previous.hash,
      key: signer.publicKey,
      signature: signature.toString('base64'),
      ...signer.mark?.(),
    });
    this.#unsigned -= unsigned;
    this.#since = this.#log.monotonic();
    checked.point = head;
    checked.stored = false;
  }

  /** Stores the newest point, once the disk has the log that contains it: else a power cut would look like a forgery. */
  async #store(checked: Checked, point: SignedPoint): Promise<void> {
    try {
      await this.#log.flush();
      await checked.signer.storeSigned(point);
      checked.stored = checked.point === point;
    } catch (error) {
      this.#log.warn(
        `the last signed record cannot be stored: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
  }
}
