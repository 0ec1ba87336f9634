// Requests of a server that a person decides on: what is asked, and what was answered before.

import type { Range } from '../../json/read.ts';
import type { Verdict } from '../../policy/decide.ts';
import type { Consent, ConsentOutcome, ConsentSubject, OpenConsent } from '../consent.ts';
import type { Refusal } from '../error-response.ts';
import type { Current } from '../upstream/current.ts';
import { askedWith, exactDigest, unaskable } from './consent-subject.ts';
import type { FormDialog } from './form-dialog.ts';

export interface ServerConsentOptions {
  readonly consent: Consent;
  readonly current: Current;
  readonly forms: FormDialog;
}

/** A request of a server: its number in the audit log, its method, and where its `params` are. */
export interface ServerAsks {
  readonly call: string;
  readonly method: string;
  readonly bytes: Buffer;
  readonly params: Range;
}

export class ServerConsent {
  readonly #options: ServerConsentOptions;

  constructor(options: ServerConsentOptions) {
    this.#options = options;
  }

  /** What was answered before, or a question to a person, which is open from now on. */
  ask(asks: ServerAsks, verdict: Verdict): ConsentOutcome | OpenConsent {
    const { consent, current, forms } = this.#options;
    const { call, method, bytes, params } = asks;
    const asked = askedWith(bytes, params);
    const digest = exactDigest(asked);
    const { rule } = verdict;
    const about: ConsentSubject = {
      call,
      method,
      kind: 'server',
      name: method,
      rule,
      digest,
      definition: undefined,
    };
    const known = consent.known(about) ?? unaskable(digest);
    if (known !== undefined) return known;
    const text = asked === undefined ? '' : current.redactor.redact(Buffer.from(asked)).toString();
    return consent.ask({ ...about, arguments: text, dialog: forms.isOffered ? forms : undefined });
  }
}

/** Why what a person was asked about is not let through; undefined: it is. */
export function refusalBy({ decision, reason, rule }: ConsentOutcome): Refusal | undefined {
  return decision === 'allow' ? undefined : { code: 'refused', text: `refused: ${reason ?? rule}` };
}
