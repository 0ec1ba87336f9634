// A question in a place that has room for a few lines only. What a person has not seen whole, they are not asked to
// allow there: the excerpt says that it is one, and where the whole question is.
import { wrapLine } from '../../audit/printable.ts';
import { type Question, questionLines } from '../questions/question.ts';

export interface Excerpt {
  /** Lines, what acts first. */
  readonly text: string;
  /** Nothing is missing, but for what the server says of itself. */
  readonly isWhole: boolean;
}

/** Characters of a line beyond which no place shows it. */
const MAX_LINE = 4000;

/** A place for a question. */
export interface Room {
  /** Columns of a line. */
  readonly columns: number;
  /** Whether there is room for so much text. */
  readonly fits: (text: string) => boolean;
  /** Writes what the place could misread in another way. */
  readonly write?: (line: string) => string;
}

/**
 * As much of a question as fits. Lines are wrapped here, after so many columns: some programs do not wrap, but cut, and
 * what goes on in the next line is set in, so that it does not look like a line of its own.
 */
export function excerptOf(question: Question, { columns, fits, write = (line) => line }: Room): Excerpt {
  const all = questionLines({ ...question, claims: [] });
  const lines = all.flatMap((line) => wrapLine(write(beginningOf(line)), columns));
  const whole = lines.join('\n');
  if (all.every((line) => beginningOf(line) === line) && fits(whole)) return { text: whole, isWhole: true };
  const rest = `(cut) All of it: warder approvals\nThen: warder approve ${question.id}`;
  const shown: string[] = [];
  for (const line of lines) {
    const left = cut(line, (part) => fits([...shown, part, rest].join('\n')));
    if (left !== '') shown.push(left);
    if (left !== line) break;
  }
  return { text: [...shown, rest].join('\n'), isWhole: false };
}

/** As much of a line as could ever be shown. */
function beginningOf(line: string): string {
  return line.length <= MAX_LINE ? line : line.slice(0, MAX_LINE).replace(/[\ud800-\udbff]$/, '');
}

/** The longest beginning of a line that fits. */
function cut(line: string, fits: (part: string) => boolean): string {
  if (fits(line)) return line;
  const characters = [...line];
  let [low, high] = [0, characters.length];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (fits(`${characters.slice(0, middle).join('')}...`)) low = middle;
    else high = middle - 1;
  }
  return low === 0 ? '' : `${characters.slice(0, low).join('')}...`;
}
