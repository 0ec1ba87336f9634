// What a session needs to have a person decide where its policy says `ask`. Who is asked, how, and what was answered
// before, is behind this.
import type { Kind } from '../policy/decide.ts';

/** A request that a person may have to decide on, as it is compared with earlier answers. */
export interface ConsentSubject {
  /** The request's number in the audit log. */
  readonly call: string;
  readonly method: string;
  /** `server`: the server asks the host, by the method that is the name. */
  readonly kind: Kind | 'server';
  /** What it acts on, and nothing else has this name. Of one that cannot be shown as it is, its digest is a part. */
  readonly name: string;
  /** The part of the profile that says `ask`, and why. */
  readonly rule: string;
  /** The digest of what is sent, unredacted. */
  readonly digest: string;
  /** The digest of the tool's definition, if it was listed. */
  readonly definition: string | undefined;
}

/** The same as a person is shown it. */
export interface ConsentRequest extends ConsentSubject {
  /** The redacted JSON text of the arguments, or of `params`; empty if there are none. */
  readonly arguments: string;
  /** The dialog of the host, where it has one for this request. */
  readonly dialog: HostDialog | undefined;
}

/** A question as a dialog shows it. */
export interface DialogQuestion {
  /** The number of the question. */
  readonly id: string;
  readonly message: string;
  /** In their order; nothing else is an answer. */
  readonly choices: readonly string[];
}

/** What came of a dialog. */
export interface DialogReply {
  /** `none`: the host could not show it, has left, or has answered with what is no answer. */
  readonly action: 'accept' | 'decline' | 'cancel' | 'none';
  /** With `accept`: one of the choices. */
  readonly choice?: string;
  /** For how many milliseconds it was shown. */
  readonly ms: number;
}

/** A dialog in which a host shows its user a question. */
export interface HostDialog {
  /** Calls that wait for the same question are each shown by themselves. */
  readonly showsEach?: true;
  /** Shows it until it is answered, or `signal` withdraws it. Never rejects. */
  show(question: DialogQuestion, signal: AbortSignal): Promise<DialogReply>;
}

/** What a person has decided, or that nobody did. */
export interface ConsentOutcome {
  readonly decision: 'allow' | 'deny';
  /** For the record: `grant.<id>`, `consent.<id>`, `consent.nobody`, … */
  readonly rule: string;
  /** Why it is a no. */
  readonly reason: string | undefined;
}

/** A question that is open. */
export interface OpenConsent {
  /** Settles with the outcome; never rejects. */
  readonly outcome: Promise<ConsentOutcome>;
  /** The number of the question, if one was asked. */
  readonly question?: string | undefined;
  /** What the host is told while it waits. */
  readonly notice: string;
  /** The answer is waited for no longer. */
  withdraw(): void;
}

/** The consent of one session. */
export interface Consent {
  /** What was answered before. */
  known(request: ConsentSubject): ConsentOutcome | undefined;
  /** Asks a person. */
  ask(request: ConsentRequest): OpenConsent;
}
