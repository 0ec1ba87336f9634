// Which answers need a proof that a person is there, one that a program of the same user cannot give.
import type { Answer } from './broker.ts';
import type { GrantKind } from './grants.ts';

/** Whether an answer must not be one that a program of the same user could give. */
export function needsPresence({ decision, scope }: Answer, kind: GrantKind): boolean {
  return decision === 'allow' && (scope === 'always' || kind === 'credential');
}
