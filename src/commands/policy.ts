// warder policy: explains what a profile says of a call, without making it, and changes what it says of tools.
import type { CommandModule } from 'yargs';
import { WarderError } from '../errors.ts';
import { CallArguments, requireConditions } from '../policy/condition.ts';
import { decide, type Kind, type Verdict } from '../policy/decide.ts';
import { loadProfile } from '../profile/load.ts';
import type { Context } from './command.ts';
import { chooseCommand } from './policy/choose.ts';
import { suggestCommand } from './policy/suggest.ts';

interface TestArguments {
  readonly profile: string;
  readonly name: string;
  readonly arguments: string | undefined;
  readonly kind: Kind;
}

/** The method of the request by which something of a kind is used. */
const METHODS: Readonly<Record<Kind, string | undefined>> = {
  tools: 'tools/call',
  resources: 'resources/read',
  prompts: 'prompts/get',
  methods: undefined,
};

export function policyCommand(context: Context): CommandModule<object, object> {
  return {
    command: 'policy',
    builder: (yargs) =>
      yargs
        .command(testCommand(context))
        .command(chooseCommand(context))
        .command(suggestCommand(context))
        .demandCommand(1, 'say what to do: test, choose, suggest'),
    handler: () => {},
  };
}

function testCommand(context: Context): CommandModule<object, TestArguments> {
  return {
    command: 'test <profile> <name> [arguments]',
    describe: 'explain what a profile says of a call',
    builder: (yargs) =>
      yargs
        .positional('profile', { type: 'string', demandOption: true, describe: 'a profile' })
        .positional('name', { type: 'string', demandOption: true, describe: 'the name of a tool' })
        .positional('arguments', { type: 'string', describe: 'the arguments of the call, as JSON' })
        .option('kind', {
          choices: ['tools', 'resources', 'prompts', 'methods'] as const,
          default: 'tools' as const,
          describe: 'what the name names: resources by their URI',
        })
        .example(
          `warder policy test github create_issue '{"owner":"acme"}'`,
          'says which rule decides, and why',
        ),
    handler: (args) => explain(context, args),
  };
}

async function explain(
  { places, terminal, json }: Context,
  { profile: name, name: subject, arguments: text, kind }: TestArguments,
): Promise<void> {
  const { profile } = loadProfile(places, name);
  await requireConditions(profile.policy, name);
  const method = METHODS[kind];
  const verdict = decide(profile.policy, {
    kind,
    name: subject,
    ...(method !== undefined && { method }),
    arguments: new CallArguments(() => argumentsText(text)),
  });
  if (json) terminal.json({ profile: name, kind, name: subject, ...facts(verdict) });
  else {
    const { decision, rule, why } = verdict;
    terminal.out(
      `${terminal.paint(COLOURS[decision], decision)}: ${rule}${why === undefined ? '' : `, since ${why}`}`,
    );
    if (text === undefined && verdict.byArguments) {
      terminal.out('it depends on the arguments: give them after the name, as JSON');
    }
  }
}

const COLOURS = { allow: 'green', ask: 'yellow', deny: 'red' } as const;

function facts({ decision, rule, why, byArguments }: Verdict): object {
  return { decision, rule, why: why ?? null, by_arguments: byArguments ?? false };
}

function argumentsText(text = '{}'): string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new WarderError('usage', 'the arguments are not JSON', {
      cause,
      hint: `quote them for the shell: '{"owner":"acme"}'`,
    });
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return text;
  throw new WarderError('usage', 'the arguments of a tool are an object', {
    hint: `such as '{"owner":"acme"}'`,
  });
}
