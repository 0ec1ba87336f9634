// Notices an older vault, or another one, in the place of the one that was there last: by the highest counter that this process
// has seen, and by the counter and digest that the audit log has.
import { createHash } from 'node:crypto';
import type { VaultMark } from '../../audit/vault-mark.ts';
import { WarderError } from '../../errors.ts';
import { render, type VaultFile } from './vault-file.ts';

export class RollbackGuard {
  readonly #ask: () => Promise<Required<VaultMark> | undefined>;
  /** What the audit log says; asked once. */
  #expected: Promise<Required<VaultMark> | undefined> | undefined;
  /** The file as this process has written or seen it last. */
  #latest: VaultFile | undefined;

  /** The highest counter that this process has seen of the file that it has the keys of; set where another one knows it. */
  highestCounter = 0;

  /** `expected`: the vault's state as the audit log has it. Asked once, and again after a failure. */
  constructor(expected: () => Promise<Required<VaultMark> | undefined> = async () => undefined) {
    this.#ask = async () => {
      try {
        return await expected();
      } catch (cause) {
        this.#expected = undefined;
        throw new WarderError('audit-broken', "the audit log, which has the vault's state, cannot be read", {
          hint: '"warder audit verify" says what is wrong',
          cause,
        });
      }
    };
  }

  /** The state of the file that was seen last, for the audit log. */
  get mark(): VaultMark | undefined {
    if (this.#latest === undefined) return undefined;
    return { vault_counter: this.#latest.counter, vault_digest: digestOf(this.#latest) };
  }

  /** Takes a file that was read, and verified. Throws `vault-damaged` for another than was there last, `audit-broken`. */
  async check(content: VaultFile): Promise<void> {
    this.#expected ??= this.#ask();
    const { vault_counter: counter = 0, vault_digest: digest } = (await this.#expected) ?? {};
    if (content.counter < Math.max(this.highestCounter, counter)) throw replaced('an older file');
    if (content.counter === counter && digestOf(content) !== digest) throw replaced('another file');
    this.note(content);
  }

  /** This process has written the file. */
  note(content: VaultFile): void {
    this.highestCounter = content.counter;
    this.#latest = content;
  }

  /** Whatever is there next is taken. */
  accept(): void {
    this.#expected = Promise.resolve(undefined);
    this.highestCounter = 0;
  }
}

function replaced(by: string): WarderError {
  return new WarderError('vault-damaged', `the vault is damaged: it was replaced by ${by}`, {
    hint: 'put the right file back; or, if you restored it from a backup, run "warder init --store vault --force": values that were set since then are lost',
  });
}

/** The SHA-256 of the file. */
function digestOf(content: VaultFile): string {
  return createHash('sha256').update(render(content)).digest('hex');
}
