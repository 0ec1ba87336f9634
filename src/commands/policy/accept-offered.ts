// What was offered is what the user accepts of a server that is used for the first time: otherwise its first call would ask
// once more. What is odd about a text is shown before.
import { escapeUnprintable } from '../../audit/printable.ts';
import type { ControlClient, ShownTrust } from '../../wire/control.ts';
import type { Context } from '../command.ts';
import { acceptListed } from '../trust/trial.ts';

/** Prints what is odd about what a server lists; returns whether anything is. */
function printOddities({ terminal }: Context, { seen }: Pick<ShownTrust, 'seen'>): boolean {
  const odd = (seen?.differences ?? []).filter(({ marks }) => marks.length > 0);
  if (odd.length > 0)
    terminal.out('what the server says of itself goes to the model, too; look at these parts of it:');
  for (const { kind, name, marks } of odd) {
    for (const mark of marks)
      terminal.out(`  ${terminal.paint('red', '!')} ${escapeUnprintable(`${kind} ${name}: ${mark}`)}`);
  }
  return odd.length > 0;
}

/** Accepts what was listed, if nothing was accepted before and the user does not mind what is odd about it. */
export async function acceptOffered(context: Context, control: ControlClient, name: string): Promise<void> {
  const { terminal } = context;
  const shown = await control.request('trust.show', { profile: name });
  if (shown.state !== 'none' || shown.seen === null) return;
  if (printOddities(context, shown)) {
    terminal.out(`every word of it: warder trust diff ${name}`);
    if (!(await terminal.confirm('accept it all the same?'))) {
      terminal.out('nothing was accepted: the first call asks');
      return;
    }
  }
  if (!(await acceptListed(control, name))) return;
  const until = shown.lasts ? '' : ' until the daemon ends, since there is no credential store';
  terminal.out(`what the server lists is accepted as it is${until}; what changes later is held back`);
}
