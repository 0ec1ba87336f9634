// What the log says of questions and their answers, and of answers that were taken back. It never throws: whether a record
// was written is returned.
import type { AuditLog } from '../../audit/log.ts';
import { digest } from '../../relay/canonical.ts';
import type { Grant } from '../store/grants.ts';
import type { Answer } from './answer.ts';
import type { Outcome } from './outcome.ts';
import type { Question } from './question.ts';

export class ConsentRecords {
  readonly #audit: Pick<AuditLog, 'append'>;

  constructor(audit: Pick<AuditLog, 'append'>) {
    this.#audit = audit;
  }

  /** False: it could not be written, and nothing is to be asked. */
  asked({ session, profile, call, id, host, kind, name, rule, arguments: text }: Question): boolean {
    return this.#append('consent.ask', {
      session,
      profile,
      ...(call !== '' && { call }),
      question: id,
      host: host.key,
      kind,
      name,
      rule,
      arguments: digest(text),
    });
  }

  answered(
    { session, profile, call, id, calls }: Question,
    answer: Answer | undefined,
    { decision, rule }: Outcome,
    by: string,
  ): boolean {
    const given = answer === undefined ? {} : { scope: scopeText(answer), extent: extentText(answer) };
    return this.#append('consent.answer', {
      session,
      profile,
      ...(call !== '' && { call }),
      question: id,
      decision,
      rule,
      by,
      ...given,
      calls,
    });
  }

  /** After they are gone: an answer that cannot be recorded is no reason to let it hold. */
  revoked(grants: readonly Grant[]): void {
    for (const { id, profile, decision, host, kind, name, pattern } of grants) {
      this.#append('consent.revoke', { profile, grant: id, decision, host, kind, name: pattern ?? name });
    }
  }

  #append<E extends 'consent.ask' | 'consent.answer' | 'consent.revoke'>(
    event: E,
    fields: Parameters<AuditLog['append']>[1],
  ): boolean {
    try {
      this.#audit.append(event, fields as never);
      return true;
    } catch {
      // The audit log has reported why.
      return false;
    }
  }
}

function scopeText({ scope }: Answer): string {
  return typeof scope === 'object' ? `${scope.ms} ms` : scope;
}

function extentText({ extent }: Answer): string {
  return typeof extent === 'object' ? `pattern ${extent.pattern}` : extent;
}
