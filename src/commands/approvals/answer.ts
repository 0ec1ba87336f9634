// Sends a person's answer to a question, and asks for the PIN where it needs one.
import { WarderError } from '../../errors.ts';
import type { ControlClient, Params, ShownQuestion } from '../../wire/control.ts';
import type { Context } from '../command.ts';

export type Choice = Pick<Params<'approvals.answer'>, 'decision' | 'scope' | 'extent'>;

/** Whether the question is done with. False: the PIN was wrong, or there is none; the person may answer otherwise. */
export async function answerQuestion(
  { terminal }: Context,
  control: ControlClient,
  { id, presence }: Pick<ShownQuestion, 'id' | 'presence'>,
  { decision, scope, extent }: Choice,
  hasPin: boolean,
): Promise<boolean> {
  const needsPin = decision === 'allow' && (presence || scope === 'always');
  if (needsPin && !hasPin) {
    terminal.err('this answer needs your PIN, and none is set: "warder pin" sets one');
    return false;
  }
  try {
    const pin = needsPin ? { pin: await terminal.askSecret('PIN: ') } : {};
    await control.request('approvals.answer', { id, decision, scope, extent, ...pin });
    terminal.err(decision === 'allow' ? 'allowed' : 'denied');
    return true;
  } catch (error) {
    if (!(error instanceof WarderError)) throw error;
    terminal.err(error.message);
    if (error.hint !== undefined) terminal.err(`hint: ${error.hint}`);
    // A question that is open no more needs no other answer.
    return error.code === 'usage';
  }
}
