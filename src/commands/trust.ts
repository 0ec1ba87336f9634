// warder trust: what you have accepted of a server, what differs from it now, and accepting that.
import type { CommandModule } from 'yargs';
import { WarderError } from '../errors.ts';
import { loadProfile } from '../profile/load.ts';
import type { Context } from './command.ts';
import { yesOption } from './terminal/confirmation.ts';
import { repeatable } from './terminal/repeatable-option.ts';
import { acceptTrust, hasDifferences, lockedError, undoTrust } from './trust/accept.ts';
import { printDifferences, printFirst, printRecord, summaryOf } from './trust/print.ts';
import { trial } from './trust/trial.ts';

interface NameArguments {
  readonly name: string;
  readonly tool: string[];
}

const name = { type: 'string', demandOption: true, describe: 'a profile' } as const;
const tool = repeatable('this tool alone; can be repeated');

export function trustCommand(context: Context): CommandModule {
  return {
    command: 'trust <verb>',
    builder: (yargs) =>
      yargs
        .command<NameArguments & { previous: boolean }>({
          command: 'show <name>',
          describe: 'show what you have accepted of a server, every word of it',
          builder: (show) =>
            show
              .positional('name', name)
              .option('tool', tool)
              .option('previous', { type: 'boolean', default: false, describe: 'the record before this one' })
              .example('warder trust show github', 'all that was accepted'),
          handler: (args) => show(context, args),
        })
        .command<NameArguments & { trial: boolean }>({
          command: 'diff <name>',
          describe: 'show what a server lists that you have not accepted; ends with 1 if there is any',
          builder: (diff) =>
            diff
              .positional('name', name)
              .option('tool', tool)
              .option('trial', {
                type: 'boolean',
                default: false,
                describe: 'start the server once and compare what it lists now, not what was seen last',
              })
              .example('warder trust diff github', 'word by word'),
          handler: (args) => diff(context, args),
        })
        .command<NameArguments & { yes: boolean; undo: boolean }>({
          command: 'accept <name>',
          describe: 'accept what a server lists now',
          builder: (accept) =>
            accept
              .positional('name', name)
              .option('tool', tool)
              .option('undo', {
                type: 'boolean',
                default: false,
                describe: 'go back to what was accepted before',
              })
              .option('yes', yesOption)
              .example('warder trust accept github', 'shows what differs, then asks')
              .example('warder trust accept github --tool create_issue', 'this tool alone'),
          handler: (args) => accept(context, args),
        })
        .demandCommand(1, 'choose one of show, diff and accept'),
    handler: () => {},
  };
}

async function show(
  context: Context,
  { name, tool, previous }: NameArguments & { previous: boolean },
): Promise<void> {
  const { terminal, json } = context;
  await using control = await context.control();
  const shown = await control.request('trust.show', { profile: name, previous });
  if (json) {
    terminal.json(shown);
    return;
  }
  const { state, record, detail } = shown;
  if (detail !== null) terminal.err(detail);
  if (state === 'unverified' || state === 'locked') context.exit(77);
  else if (record !== null) {
    printRecord(terminal, name, record, tool);
    if (!previous) terminal.out(summaryOf(shown));
  } else if (previous) terminal.out(`there is no earlier record of "${name}"`);
  else {
    terminal.out(
      `nothing of the server of "${name}" was accepted yet: its first call asks, or "warder trust accept ${name}"`,
    );
    printFirst(terminal, shown);
  }
}

async function diff(context: Context, args: NameArguments & { trial: boolean }): Promise<void> {
  const { terminal, json, places } = context;
  const { name, tool } = args;
  loadProfile(places, name);
  await using control = await context.control();
  let shown = await control.request('trust.show', { profile: name });
  if (shown.state === 'locked') throw lockedError(shown);
  if (shown.state === 'unverified')
    throw new WarderError('refused', shown.detail ?? 'the record does not verify');
  if (args.trial || shown.seen === null) shown = await trial(context, control, name);
  if (hasDifferences(shown)) context.exit(1);
  if (json) terminal.json(shown);
  else if (shown.state === 'none') {
    terminal.out(`nothing of the server of "${name}" was accepted yet; it lists this`);
    printFirst(terminal, shown);
  } else if (!printDifferences(terminal, shown, tool))
    terminal.out(
      `${name}: all is as it was accepted, as it was listed last${args.trial ? '' : ' (--trial: as it is listed now)'}`,
    );
  else terminal.out(`"warder trust accept ${name}" accepts it`);
}

async function accept(
  context: Context,
  { name, tool, yes, undo }: NameArguments & { yes: boolean; undo: boolean },
): Promise<void> {
  loadProfile(context.places, name);
  if (undo && tool.length > 0) throw new WarderError('usage', '"--undo" and "--tool" exclude each other');
  await using control = await context.control();
  if (undo) await undoTrust(context, control, name, yes);
  else await acceptTrust(context, control, name, { tools: tool, yes });
}
