// warder approve, warder deny: answer one question that waits for a person.
import type { CommandModule } from 'yargs';
import { WarderError } from '../errors.ts';
import { parseDuration } from '../profile/units.ts';
import type { Params } from '../wire/control.ts';
import { needsPresence } from './approvals/answer.ts';
import type { Context } from './command.ts';
import { type Proof, withProof } from './terminal/presence.ts';

interface AnswerArguments {
  readonly id: string;
  readonly session: boolean;
  readonly for: string | undefined;
  readonly always: boolean;
  readonly tool: boolean;
  readonly pattern: string | undefined;
}

export function approveCommand(context: Context): CommandModule<object, AnswerArguments> {
  return answerCommand(context, 'allow');
}

export function denyCommand(context: Context): CommandModule<object, AnswerArguments> {
  return answerCommand(context, 'deny');
}

function answerCommand(context: Context, decision: 'allow' | 'deny'): CommandModule<object, AnswerArguments> {
  const word = decision === 'allow' ? 'approve' : 'deny';
  return {
    command: `${word} <id>`,
    builder: (yargs) =>
      yargs
        .positional('id', {
          type: 'string',
          demandOption: true,
          describe: 'its number: see "warder approvals"',
        })
        .option('session', { type: 'boolean', default: false, describe: 'for the rest of the session' })
        .option('for', { type: 'string', requiresArg: true, describe: 'for a time: 30m, 8h' })
        .option('always', { type: 'boolean', default: false, describe: 'until it is revoked' })
        .option('tool', {
          type: 'boolean',
          default: false,
          describe: 'for this tool, whatever its arguments; else for these arguments',
        })
        .option('pattern', { type: 'string', requiresArg: true, describe: 'for the names that match: get_*' })
        .example(`warder ${word} 4711`, 'this once')
        .example(`warder ${word} 4711 --session --tool`, 'the tool, for the rest of the session'),
    handler: (args) => answer(context, decision, args),
  };
}

async function answer(context: Context, decision: 'allow' | 'deny', args: AnswerArguments): Promise<void> {
  const { terminal, json } = context;
  const { id, pattern } = args;
  refuseBoth({ '--session': args.session, '--for': args.for, '--always': args.always });
  refuseBoth({ '--tool': args.tool, '--pattern': pattern });
  const choice = {
    id,
    decision,
    scope: scopeOf(args),
    extent: pattern !== undefined ? { pattern } : args.tool ? 'name' : 'arguments',
  } as const satisfies Params<'approvals.answer'>;
  await using control = await context.control({ start: false });
  const { questions } = await control.request('approvals.list', {});
  const question = questions.find((each) => each.id === id);
  const send = (proof: Proof) =>
    control.request('approvals.answer', {
      ...choice,
      ...(question !== undefined && question.calls > 1 && { calls: question.calls }),
      ...proof,
    });
  const isProofNeeded = question !== undefined && needsPresence(question, choice);
  const done = isProofNeeded ? await withProof(context, control, send) : await send({});
  if (json) terminal.json(done);
  else terminal.out(`${decision === 'allow' ? 'allowed' : 'denied'}: ${question?.lines[0] ?? id}`);
}

/** Throws `usage` if more than one of these options was given. */
function refuseBoth(options: Readonly<Record<string, boolean | string | undefined>>): void {
  const given = Object.entries(options).flatMap(([name, value]) => (value ? [name] : []));
  if (given.length > 1) throw new WarderError('usage', `${given.join(' and ')} exclude each other`);
}

function scopeOf({ session, always, for: time }: AnswerArguments): Params<'approvals.answer'>['scope'] {
  if (session) return 'session';
  if (always) return 'always';
  if (time === undefined) return 'once';
  const ms = parseDuration(time);
  if (ms !== undefined && ms >= 1000) return { ms };
  throw new WarderError('usage', `"${time}" is no duration`, { hint: 'such as 30m or 8h' });
}
