// warder approvals: shows the questions that wait for a person, and with --watch asks each one as it comes.
import type { CommandModule } from 'yargs';
import { questionText } from './approvals/text.ts';
import { watchQuestions } from './approvals/watch.ts';
import type { Context } from './command.ts';

interface ApprovalsArguments {
  readonly watch: boolean;
}

export function approvalsCommand(context: Context): CommandModule<object, ApprovalsArguments> {
  return {
    command: 'approvals',
    builder: (yargs) =>
      yargs
        .option('watch', {
          type: 'boolean',
          default: false,
          describe: 'ask each question as it comes, until ^C',
        })
        .example('warder approvals', 'lists the questions that wait')
        .example('warder approvals --watch', 'asks them here')
        .example('warder approvals --watch --json', 'a line of JSON whenever they change, for programs'),
    handler: ({ watch }) => {
      if (!watch) return list(context);
      return context.terminal.interactive && !context.json ? watchQuestions(context) : follow(context);
    },
  };
}

async function list(context: Context): Promise<void> {
  const { terminal, json } = context;
  await using control = await context.control();
  const { questions } = await control.request('approvals.list', {});
  if (json) terminal.json(questions);
  else if (questions.length === 0) terminal.out('no question waits');
  for (const question of json ? [] : questions) {
    for (const line of questionText(terminal, question)) terminal.out(line);
  }
}

/** Prints the questions whenever they change: with `--json` all that are open, else each new one. */
async function follow(context: Context): Promise<void> {
  const { terminal, json } = context;
  await using control = await context.control();
  let seen: string[] | undefined;
  const printed = new Set<string>();
  for (;;) {
    const { questions } = await control.request('approvals.list', {
      watch: true,
      ...(seen !== undefined && { seen }),
    });
    const now = questions.map(({ id, calls }) => `${id}:${calls}`);
    if (json && now.join() !== seen?.join()) terminal.json(questions);
    seen = now;
    for (const question of json ? [] : questions) {
      if (printed.has(question.id)) continue;
      printed.add(question.id);
      for (const line of questionText(terminal, question)) terminal.out(line);
    }
  }
}
