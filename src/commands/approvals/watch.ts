// Asks each question as it comes, at a terminal, until the person ends it.
import type { ControlClient, ShownQuestion } from '../../wire/control.ts';
import type { Context } from '../command.ts';
import { answerQuestion, type End, type Means } from './answer.ts';
import { chooseAnswer } from './choices.ts';
import { questionText } from './text.ts';

/** Lines that the choices take below a question. */
const CHOICE_LINES = 14;

export async function watchQuestions(context: Context): Promise<void> {
  const { terminal } = context;
  await using control = await context.control();
  terminal.err('waiting for questions; ^C ends this');
  let seen: string[] | undefined;
  const skipped = new Set<string>();
  for (;;) {
    const { questions, pin, polkit } = await control.request('approvals.list', {
      watch: true,
      ...(seen !== undefined && { seen }),
    });
    seen = questions.map(({ id, calls }) => `${id}:${calls}`);
    const question = questions.find(({ id }) => !skipped.has(id));
    if (question === undefined) continue;
    const end = await askQuestion(context, control, question, { pin, polkit });
    if (end === 'interrupted') return;
    if (end === 'skipped') skipped.add(question.id);
    // There may be others already.
    seen = undefined;
  }
}

/** Asks one question; what is shown of it vanishes, and one line stays that says how it ended. */
export async function askQuestion(
  context: Context,
  control: ControlClient,
  question: ShownQuestion,
  means: Means,
): Promise<'answered' | 'skipped' | 'interrupted'> {
  const { terminal } = context;
  await using presence = await stayPresent(context, question.id);
  const end: End = await (async () => {
    using _screen = terminal.show(questionText(terminal, question), CHOICE_LINES);
    for (;;) {
      const chosen = await chooseAnswer(terminal, question, presence.signal);
      if (typeof chosen === 'string') return chosen;
      const { signal } = presence;
      const result = await answerQuestion(context, control, question, chosen.value, { means, signal });
      if (result !== undefined) return result;
    }
  })();
  const [first = ''] = question.lines;
  const about = `${terminal.paint('bold', question.id)}  ${first}`;
  switch (end) {
    case 'skipped':
      terminal.err(`${about}: not answered; "warder approve ${question.id}" still can`);
      return end;
    case 'interrupted':
      return end;
    case 'withdrawn':
      terminal.err(`${about}: answered elsewhere, or withdrawn`);
      return 'answered';
    default:
      terminal.err(`${about}: ${end.said}`);
      return 'answered';
  }
}

/** While a person reads and types, the daemon goes on to know that somebody is there, and says when a question is gone. */
async function stayPresent(
  context: Context,
  id: string,
): Promise<AsyncDisposable & { readonly signal: AbortSignal }> {
  const control = await context.control({ start: false });
  const gone = new AbortController();
  let isOver = false;
  const follow = async (): Promise<void> => {
    let seen: string[] | undefined;
    while (!isOver) {
      const { questions } = await control.request('approvals.list', { watch: true, ...(seen && { seen }) });
      seen = questions.map((question) => `${question.id}:${question.calls}`);
      if (!questions.some((question) => question.id === id)) gone.abort();
    }
  };
  const followed = follow().catch(() => gone.abort());
  return {
    signal: gone.signal,
    async [Symbol.asyncDispose]() {
      isOver = true;
      await control[Symbol.asyncDispose]();
      await followed;
    },
  };
}
