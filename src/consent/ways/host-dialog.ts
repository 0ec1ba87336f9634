// The dialog of a host as a way to ask. Hosts show few lines and cut the rest off, so that a question is asked there only
// where all of it fits; else the dialog says where it can be read and answered. What a host answers at once nobody has
// read: hosts that run without a person answer by themselves, and that is neither a no of the user nor a yes.
import type { DialogReply, HostDialog } from '../../relay/consent.ts';
import {
  ALLOW_FIRST_USE,
  ALLOW_ONCE,
  ALLOW_SESSION,
  type Answer,
  DENY_ONCE,
  UNREAD,
} from '../questions/answer.ts';
import { dialogText, dialogTitle, type Question } from '../questions/question.ts';
import type { Way } from '../questions/way.ts';
import { untilWithdrawn } from './withdrawal.ts';

type Choices = ReadonlyMap<string, Answer>;
/** As the host shows them: the first is the safe one, since some hosts select it. */
const CHOICES: Choices = new Map([
  ['Deny', DENY_ONCE],
  ['Allow once', ALLOW_ONCE],
  ['Allow for this session', ALLOW_SESSION],
]);
const FIRST_USE: Choices = new Map([
  ['Deny', DENY_ONCE],
  ['Allow', ALLOW_FIRST_USE],
]);
const SIGN_IN: Choices = new Map([
  ['Not now', DENY_ONCE],
  ['Sign in', ALLOW_ONCE],
]);
const ELSEWHERE = 'Answer in a terminal';
const POINTER: readonly string[] = ['Deny', ELSEWHERE];

/** The way to ask by a dialog. */
export function hostDialogWay(dialog: HostDialog): Way {
  return {
    name: 'host',
    isAside: (question) => textFor(question) === undefined,
    async ask(question, signal) {
      const text = textFor(question);
      const shown = { id: question.id, message: text ?? pointerTo(question) };
      const answers = choicesOf(question);
      const choices = text === undefined ? POINTER : [...answers.keys()];
      const reply = await dialog.show({ ...shown, choices }, signal);
      if (reply.ms < UNREAD) return 'nobody';
      if (reply.choice === ELSEWHERE) await untilWithdrawn(signal);
      const answer = answerOf(reply, answers);
      return dialog.showsEach === true && answer !== 'nobody' ? { ...answer, isForEach: true } : answer;
    },
  };
}

function choicesOf({ kind }: Question): Choices {
  switch (kind) {
    case 'profile':
      return FIRST_USE;
    case 'sign-in':
      return SIGN_IN;
    default:
      return CHOICES;
  }
}

/** The whole question; undefined where it does not fit, or a yes in a dialog would not be enough. */
function textFor(question: Question): string | undefined {
  return question.kind === 'credential' ? undefined : dialogText(question);
}

function pointerTo(question: Question): string {
  const { id, profile } = question;
  return [
    dialogTitle(question) ?? `Warder has a question about "${profile}".`,
    'It is too long for this dialog: read it in a terminal with "warder approvals", and answer it with',
    `"warder approve ${id}" or "warder deny ${id}".`,
  ].join('\n');
}

function answerOf({ action, choice = '' }: DialogReply, answers: Choices): Answer | 'nobody' {
  if (action === 'accept') return answers.get(choice) ?? 'nobody';
  // A dialog that is dismissed is not answered; other ways may be.
  return action === 'decline' ? DENY_ONCE : 'nobody';
}
