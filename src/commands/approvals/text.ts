import { wrapLine } from '../../audit/printable.ts';
import type { ShownQuestion } from '../../wire/control.ts';
import type { Terminal } from '../terminal.ts';

/** A question as lines for a terminal. */
export function questionText(terminal: Terminal, { id, lines, until }: ShownQuestion): string[] {
  const [first = '', ...rest] = lines;
  const end = `without an answer by ${new Date(until).toLocaleTimeString('en-GB')} it is a no`;
  const [head = '', ...more] = wrapLine(`${id}  ${first}`, terminal.columns);
  return [
    terminal.paint('bold', head),
    ...more,
    ...[...rest, end].flatMap((line) => wrapLine(`      ${line}`, terminal.columns)),
  ];
}
