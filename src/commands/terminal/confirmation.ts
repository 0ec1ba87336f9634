// What is asked before something is changed that cannot be undone by itself, unless the user says `--yes`.
import { WarderError } from '../../errors.ts';
import type { Terminal } from '../terminal.ts';

export const yesOption = { alias: 'y', type: 'boolean', default: false, describe: 'do not ask' } as const;

export interface Confirmation {
  /** Such as `removing "github"`. */
  readonly what: string;
  readonly question: string;
  /** What is said of a no. */
  readonly otherwise: string;
}

/** Asks the user. Throws `usage` where nobody can be asked, and `refused` where the answer is no. */
export async function confirm(
  terminal: Terminal,
  { what, question, otherwise }: Confirmation,
): Promise<void> {
  requireConfirmer(terminal.interactive, what);
  if (!(await terminal.confirm(question))) throw new WarderError('refused', otherwise);
}

/** Throws `usage` where nobody can be asked. */
export function requireConfirmer(isThere: boolean, what: string): void {
  if (isThere) return;
  throw new WarderError('usage', `${what} needs a confirmation, and there is no terminal`, {
    hint: 'use --yes',
  });
}
