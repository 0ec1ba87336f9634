// What a session asks people, in a dialog of its host or elsewhere, and what its server asks of the host: the parts for that.

import { FormDialog, type FormDialogOptions } from '../consent/form-dialog.ts';
import { ServerConsent } from '../consent/server-consent.ts';
import type { Consent } from '../consent.ts';
import { Questions, type QuestionsOptions } from './questions.ts';
import { Rate } from './rate.ts';

export type SessionQuestionsParts = FormDialogOptions &
  Omit<QuestionsOptions, 'forms' | 'asks' | 'formRate'> & { readonly consent: Consent };

export interface SessionQuestions {
  readonly forms: FormDialog;
  readonly asks: ServerConsent;
  readonly formRate: Rate;
  readonly questions: Questions;
}

export function openQuestions(parts: SessionQuestionsParts): SessionQuestions {
  const forms = new FormDialog(parts);
  const asks = new ServerConsent({ consent: parts.consent, current: parts.current, forms });
  const formRate = new Rate(parts.clock, parts.budgets.forms);
  return { forms, asks, formRate, questions: new Questions({ ...parts, forms, asks, formRate }) };
}
