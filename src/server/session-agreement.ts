// What of a remote server is agreed to, for its side of a session, which is made before that is known: until then nothing is.
import type { RemoteTrust } from '../consent/trust.ts';
import type { OfflineRecord } from '../relay/offline-record.ts';

export class SessionAgreement implements RemoteTrust {
  readonly #listeners: (() => void)[] = [];
  #trust: RemoteTrust | undefined;

  get isAgreed(): boolean {
    return this.#trust?.isAgreed ?? false;
  }

  get offline(): OfflineRecord | undefined {
    return this.#trust?.offline;
  }

  issuedBy(issuer: string): void {
    this.#trust?.issuedBy(issuer);
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** It is known from now on. */
  begin(trust: RemoteTrust): void {
    this.#trust = trust;
    const tell = (): void => {
      for (const listener of this.#listeners) listener();
    };
    trust.onChange(tell);
    tell();
  }
}
