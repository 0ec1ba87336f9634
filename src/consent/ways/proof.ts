import type { Presence } from '../presence.ts';
import type { WayAnswer } from '../questions/way.ts';

/**
 * An answer that needs a proof if it is a yes: a program of the same user may have pressed the button, or typed the word. Asks
 * by polkit. `nobody`: it is not proved.
 */
export async function proved(
  answer: WayAnswer,
  presence: Pick<Presence, 'authenticate'>,
  signal: AbortSignal,
): Promise<WayAnswer | 'nobody'> {
  if (answer.decision === 'deny') return answer;
  return (await presence.authenticate(signal)) ? { ...answer, isPresent: true } : 'nobody';
}
