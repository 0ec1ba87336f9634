// warder policy choose: which tools of a server may be called without a question. In a terminal the server is started
// once, and its tools are offered; a script names them.
import type { CommandModule } from 'yargs';
import { WarderError } from '../../errors.ts';
import type { Decision } from '../../profile/format.ts';
import { policyText, type RuleChange } from '../../profile/rule-edit.ts';
import type { Context } from '../command.ts';
import { repeatable } from '../terminal/repeatable-option.ts';
import { offerTools } from './offer.ts';
import { openProfile, replaceText, textWithRules } from './profile-edit.ts';

interface ChooseArguments {
  readonly profile: string;
  readonly allow: string[];
  readonly ask: string[];
  readonly deny: string[];
  readonly timeout: number;
}

export function chooseCommand(context: Context): CommandModule<object, ChooseArguments> {
  return {
    command: 'choose <profile>',
    describe: 'choose which tools may be called without a question',
    builder: (yargs) =>
      yargs
        .positional('profile', { type: 'string', demandOption: true, describe: 'a profile' })
        .option('allow', repeatable('a tool, or a pattern of names; nothing is asked then; can be repeated'))
        .option('ask', repeatable('likewise'))
        .option('deny', repeatable('likewise'))
        .option('timeout', {
          type: 'number',
          default: 60,
          requiresArg: true,
          describe: 'seconds for each answer of the server',
        })
        .example('warder policy choose github', 'starts the server once and offers its tools')
        .example('warder policy choose github --allow get_issue --deny delete_repo', 'for scripts'),
    handler: (args) => choose(context, args),
  };
}

async function choose(
  context: Context,
  { profile: name, allow, ask, deny, timeout }: ChooseArguments,
): Promise<void> {
  const { places, terminal, json } = context;
  const named = Object.entries({ allow, ask, deny }) as [Decision, readonly string[]][];
  const changes = named.flatMap(([says, patterns]) =>
    patterns.map((pattern): RuleChange => ({ part: 'tools', pattern, says })),
  );
  const patterns = changes.map((change) => ('pattern' in change ? change.pattern : ''));
  const twice = patterns.find((pattern, i) => patterns.indexOf(pattern) < i);
  if (twice !== undefined) throw new WarderError('usage', `"${twice}" is named twice`);
  if (changes.length === 0) {
    if (!terminal.interactive || json) {
      throw new WarderError('usage', 'there is no terminal to choose in', {
        hint: 'name the tools with --allow, --ask and --deny',
      });
    }
    const isOffered = await offerTools(context, name, timeout * 1000);
    if (!isOffered) context.exit(1);
    return;
  }
  const edit = openProfile(places, name);
  const text = textWithRules(edit, changes);
  const changed = text !== edit.text;
  if (changed) replaceText(places, edit, text);
  if (json) terminal.json({ name, file: edit.file, changed });
  else {
    terminal.out(`${changed ? 'changed' : 'nothing to change in'} ${edit.file}`);
    for (const line of policyText(text).split('\n')) terminal.out(`  ${line}`);
  }
}
