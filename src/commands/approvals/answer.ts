// Sends a person's answer to a question, and asks for the PIN where it needs one.
import { WarderError } from '../../errors.ts';
import type { ControlClient, Params, ShownQuestion } from '../../wire/control.ts';
import type { Context } from '../command.ts';
import type { Unanswered } from '../terminal/select.ts';

export type Choice = Pick<Params<'approvals.answer'>, 'decision' | 'scope' | 'extent'>;

/** How a question ended for the person who was asked. */
export type End = { readonly said: string } | Unanswered;

/**
 * Sends an answer. Undefined: the question is still open, since the PIN was wrong or there is none; the person may answer
 * otherwise.
 */
export async function answerQuestion(
  { terminal }: Context,
  control: ControlClient,
  question: Pick<ShownQuestion, 'id' | 'kind' | 'presence'>,
  choice: Choice,
  { hasPin, signal }: { readonly hasPin: boolean; readonly signal: AbortSignal },
): Promise<End | undefined> {
  const isPinNeeded = needsPin(question, choice);
  if (isPinNeeded && !hasPin) {
    terminal.err('this answer needs your PIN, and none is set: "warder pin" sets one');
    return undefined;
  }
  const typed = isPinNeeded ? await terminal.typeSecret('PIN', signal) : undefined;
  if (typeof typed === 'string') return typed === 'skipped' ? undefined : typed;
  try {
    const pin = typed === undefined ? {} : { pin: typed.value };
    await control.request('approvals.answer', { id: question.id, ...choice, ...pin });
    return { said: choice.decision === 'allow' ? 'allowed' : 'denied' };
  } catch (error) {
    if (!(error instanceof WarderError)) throw error;
    terminal.err(error.message);
    if (error.hint !== undefined) terminal.err(`hint: ${error.hint}`);
    // A question that is open no more needs no other answer.
    return error.code === 'usage' ? { said: error.message } : undefined;
  }
}

/** Whether an answer needs the PIN: the daemon asks for it in any case. */
export function needsPin(
  { kind, presence }: Pick<ShownQuestion, 'kind' | 'presence'>,
  { decision, scope }: Choice,
): boolean {
  return decision === 'allow' && kind !== 'profile' && (presence || scope === 'always');
}
