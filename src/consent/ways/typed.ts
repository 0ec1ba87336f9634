// Questions that are answered by a typed word. Dialogs of pinentry and ssh-askpass that ask for a yes or no have yes as
// the button that Return presses (pinentry-curses, gnome-ssh-askpass), answer an error of their own as they answer a no,
// or have no third button; a key that was meant for another window would be a yes. A typed word is one everywhere: an
// empty one is a no.
import { ALLOW_FIRST_USE, ALLOW_ONCE, ALLOW_SESSION, type Answer, DENY_ONCE } from '../questions/answer.ts';
import { isOfPolicy, type Question } from '../questions/question.ts';
import { excerptOf, type Room } from './excerpt.ts';
import { avoidMarkup } from './notification.ts';

/** What is typed: a word, or the PIN for what only a person who knows it may allow. */
export type Typing = 'word' | 'pin';

export interface TypedQuestion {
  readonly text: string;
  /** Undefined: the question is not shown whole, and can only be denied there. */
  readonly typing: Typing | undefined;
}

/** Lines and columns that any of these dialogs shows. */
const MAX_LINES = 20;
const COLUMNS = 76;

/** A question as text, with what can be typed. `typing`: what a yes would be. */
export function typedQuestion(
  question: Question,
  typing: Typing | undefined,
  { fits, write }: Omit<Room, 'columns'>,
): TypedQuestion {
  const how = typing === undefined ? '' : `\n\n${howTo(question, typing)}`;
  const { text, isWhole } = excerptOf(question, {
    columns: COLUMNS,
    fits: (part) => part.split('\n').length <= MAX_LINES && fits(part + how),
    write: (line) => (write ?? String)(avoidMarkup(line)),
  });
  return isWhole && typing !== undefined ? { text: text + how, typing } : { text, typing: undefined };
}

/** What a typed word means. Undefined: nothing; it may be meant for another window. */
export function meaningOfWord(word: string, { kind }: Question): Answer | undefined {
  switch (word.trim().toLowerCase()) {
    case '':
    case 'no':
      return DENY_ONCE;
    case 'yes':
      return kind === 'profile' ? ALLOW_FIRST_USE : ALLOW_ONCE;
    case 'session':
      return isOfPolicy(kind) ? ALLOW_SESSION : undefined;
    default:
      return undefined;
  }
}

function howTo({ kind }: Question, typing: Typing): string {
  if (typing === 'pin') return 'Type your PIN to allow it once. Nothing typed: denied.';
  if (!isOfPolicy(kind)) return 'Type yes to allow it. Nothing typed: denied.';
  const what = kind === 'tools' ? 'any call of this tool' : 'it';
  return `Type yes to allow it once, session to allow ${what}\nfor the session. Nothing typed: denied.`;
}
