// warder approvals: shows the questions that wait for a person, and with --watch asks each one as it comes.
import type { CommandModule } from 'yargs';
import type { ControlClient, ShownQuestion } from '../wire/control.ts';
import { answerQuestion, type Choice } from './approvals/answer.ts';
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
        .example('warder approvals --watch', 'asks them here'),
    handler: ({ watch: isWatching }) => (isWatching ? watch(context) : list(context)),
  };
}

async function list(context: Context): Promise<void> {
  const { terminal, json } = context;
  await using control = await context.control();
  const { questions } = await control.request('approvals.list', {});
  if (json) terminal.json(questions);
  else if (questions.length === 0) terminal.out('no question waits');
  for (const question of json ? [] : questions) printQuestion(context, question);
}

async function watch(context: Context): Promise<void> {
  const { terminal, json } = context;
  await using control = await context.control();
  if (!json) terminal.err('waiting for questions; ^C ends this');
  let seen: string[] | undefined;
  const answered = new Set<string>();
  for (;;) {
    const { questions, pin } = await control.request('approvals.list', {
      watch: true,
      ...(seen !== undefined && { seen }),
    });
    seen = questions.map(({ id, calls }) => `${id}:${calls}`);
    if (json) {
      terminal.json(questions);
      continue;
    }
    for (const question of questions) {
      if (answered.has(question.id)) continue;
      answered.add(question.id);
      printQuestion(context, question);
      if (!terminal.interactive) continue;
      await using _present = await stayPresent(context);
      await ask(context, control, question, pin);
    }
  }
}

/** While a person reads and types, the daemon goes on to know that somebody is there. */
async function stayPresent(context: Context): Promise<AsyncDisposable> {
  const control = await context.control({ start: false });
  const poll = setInterval(
    () => void control.request('approvals.list', { watch: true }).catch(() => {}),
    1000,
  );
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(poll);
      await control[Symbol.asyncDispose]();
    },
  };
}

function printQuestion({ terminal }: Context, { id, lines, until }: ShownQuestion): void {
  const [first = '', ...rest] = lines;
  terminal.out(`${terminal.paint('bold', `${id}  ${first}`)}`);
  for (const line of rest) terminal.out(`      ${line}`);
  terminal.out(`      answered with no at ${until}`);
}

const CHOICES: readonly (Choice & { readonly key: string; readonly says: string })[] = [
  { key: 'n', says: 'no', decision: 'deny', scope: 'once', extent: 'arguments' },
  { key: 'y', says: 'yes, this once', decision: 'allow', scope: 'once', extent: 'arguments' },
  { key: 's', says: 'yes, this tool for this session', decision: 'allow', scope: 'session', extent: 'name' },
  { key: 'a', says: 'yes, this tool always (PIN)', decision: 'allow', scope: 'always', extent: 'name' },
  {
    key: 'e',
    says: 'yes, these arguments always (PIN)',
    decision: 'allow',
    scope: 'always',
    extent: 'arguments',
  },
  { key: 'd', says: 'no, never this tool', decision: 'deny', scope: 'always', extent: 'name' },
];

async function ask(
  context: Context,
  control: ControlClient,
  question: ShownQuestion,
  hasPin: boolean,
): Promise<void> {
  const { terminal } = context;
  for (const { key, says } of CHOICES) terminal.err(`  ${terminal.paint('bold', key)}  ${says}`);
  for (;;) {
    const word = (await terminal.ask('answer [n]: ')).trim().toLowerCase() || 'n';
    const choice = CHOICES.find(({ key }) => key === word);
    if (choice === undefined) {
      terminal.err(`"${word}" is none of ${CHOICES.map(({ key }) => key).join(', ')}`);
      continue;
    }
    if (await answerQuestion(context, control, question, choice, hasPin)) return;
  }
}
