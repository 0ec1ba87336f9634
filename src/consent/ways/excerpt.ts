// A question in a place that has room for a few lines only. What a person has not seen whole, they are not asked to
// allow there: the excerpt says that it is one, and where the whole question is.
import { columnsOf, type Question, questionLines } from '../question.ts';

export interface Excerpt {
  /** Lines, what acts first. */
  readonly text: string;
  /** Nothing is missing, but for what the server says of itself. */
  readonly isWhole: boolean;
}

/** As much of a question as fits. */
export function excerptOf(question: Question, fits: (text: string) => boolean): Excerpt {
  const lines = questionLines({ ...question, claims: [] });
  const whole = lines.join('\n');
  if (fits(whole)) return { text: whole, isWhole: true };
  const rest = `… and more. All of it: warder approvals\nThen: warder approve ${question.id}`;
  const shown: string[] = [];
  for (const line of lines) {
    const left = cut(line, (part) => fits([...shown, part, rest].join('\n')));
    if (left !== '') shown.push(left);
    if (left !== line) break;
  }
  return { text: [...shown, rest].join('\n'), isWhole: false };
}

/** How many lines a text takes where lines are wrapped after this many columns. */
export function wrappedLines(text: string, columns: number): number {
  return text
    .split('\n')
    .reduce((count, line) => count + Math.max(1, Math.ceil(columnsOf(line) / columns)), 0);
}

/** The longest beginning of a line that fits. */
function cut(line: string, fits: (part: string) => boolean): string {
  if (fits(line)) return line;
  const characters = [...line];
  let [low, high] = [0, characters.length];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (fits(`${characters.slice(0, middle).join('')}…`)) low = middle;
    else high = middle - 1;
  }
  return low === 0 ? '' : `${characters.slice(0, low).join('')}…`;
}
