// What the gate needs to have a person confirm the use of a credential (`confirm: true`). Who is asked, how, and what was
// answered before, is behind this.

/** A use of a credential in a request, as a person is asked about it. */
export interface CredentialUse {
  readonly credential: string;
  readonly host: string;
  readonly port: number;
  readonly method: string;
  /** As the server wrote it, without the query. */
  readonly path: string;
}

/** What a person has decided, or that nobody did. */
export interface Confirmation {
  readonly decision: 'allow' | 'deny';
  /** For the record: `grant.<id>`, `consent.<id>`, `consent.nobody`, … */
  readonly rule: string;
  /** Why it is a no. */
  readonly reason: string | undefined;
}

/** A question that is open. */
export interface OpenConfirmation {
  /** Settles with the answer; never rejects. */
  readonly outcome: Promise<Confirmation>;
  /** The answer is waited for no longer. */
  withdraw(): void;
}

/** Those who confirm the uses of one session. */
export interface Confirmations {
  /** What was answered before. */
  known(use: CredentialUse): Confirmation | undefined;
  /** Asks a person. */
  ask(use: CredentialUse): OpenConfirmation;
}
