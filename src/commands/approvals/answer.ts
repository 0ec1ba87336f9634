// Sends a person's answer to a question, with a proof that a person is there where it needs one.
import { WarderError } from '../../errors.ts';
import { type ControlClient, MAX_UNPROVED, type Params, type ShownQuestion } from '../../wire/control.ts';
import type { Context } from '../command.ts';
import { POLKIT_ASKS, type Proof } from '../terminal/presence.ts';
import type { Unanswered } from '../terminal/select.ts';

export type Choice = Pick<Params<'approvals.answer'>, 'decision' | 'scope' | 'extent'>;

/** How a question ended for the person who was asked. */
export type End = { readonly said: string } | Unanswered;

/** How a person can prove to be there. */
export interface Means {
  readonly pin: boolean;
  readonly polkit: boolean;
}

/**
 * Sends an answer. Undefined: the question is still open, since presence was not proved, or cannot be; the person may
 * answer otherwise.
 */
export async function answerQuestion(
  { terminal }: Context,
  control: ControlClient,
  question: Pick<ShownQuestion, 'id' | 'kind' | 'presence' | 'calls'>,
  choice: Choice,
  { means, signal }: { readonly means: Means; readonly signal: AbortSignal },
): Promise<End | undefined> {
  const send = async (proof: Proof): Promise<End | undefined> => {
    try {
      await control.request('approvals.answer', {
        id: question.id,
        ...choice,
        ...(question.calls > 1 && { calls: question.calls }),
        ...proof,
      });
      return { said: choice.decision === 'allow' ? 'allowed' : 'denied' };
    } catch (error) {
      if (!(error instanceof WarderError)) throw error;
      terminal.err(error.message);
      if (error.hint !== undefined) terminal.err(`hint: ${error.hint}`);
      // A question that is open no more needs no other answer.
      return error.code === 'usage' ? { said: error.message } : undefined;
    }
  };
  if (!needsPresence(question, choice)) return await send({});
  if (means.polkit) {
    terminal.err(POLKIT_ASKS);
    const end = await send({});
    if (end !== undefined || !means.pin) return end;
  }
  if (!means.pin) {
    terminal.err('this answer needs your PIN, and none is set: "warder pin" sets one');
    return undefined;
  }
  const typed = await terminal.typeSecret('PIN', signal);
  if (typeof typed === 'string') return typed === 'skipped' ? undefined : typed;
  return await send({ pin: typed.value });
}

/** Whether an answer needs a proof that a person is there: the daemon asks for it in any case. */
export function needsPresence(
  { kind, presence }: Pick<ShownQuestion, 'kind' | 'presence'>,
  { decision, scope }: Choice,
): boolean {
  const isLasting = scope === 'always' || (typeof scope === 'object' && scope.ms > MAX_UNPROVED);
  return decision === 'allow' && kind !== 'profile' && kind !== 'sign-in' && (presence || isLasting);
}
