// warder test: starts a profile's server once, as a host does, and shows what it was refused.
import type { CommandModule } from 'yargs';
import { WarderError } from '../errors.ts';
import { clock } from '../os/clock.ts';
import { loadProfile } from '../profile/load.ts';
import type { Context } from './command.ts';
import { askedTools, type Refusal, refusalLine } from './test/refusals.ts';
import { trialRefusals } from './test/trial-refusals.ts';
import { tryProfile } from './test/try-profile.ts';

interface TestArguments {
  readonly name: string;
  readonly timeout: number;
}

/** How many lines of a failed server's messages are shown. */
const MAX_LINES = 20;

export function testCommand(context: Context): CommandModule<object, TestArguments> {
  return {
    command: 'test <name>',
    builder: (yargs) =>
      yargs
        .positional('name', { type: 'string', demandOption: true, describe: 'a profile' })
        .option('timeout', {
          type: 'number',
          default: 60,
          requiresArg: true,
          describe: 'seconds for each answer of the server',
        })
        .example('warder test github', 'starts it, lists its tools, ends it, and shows what was refused'),
    handler: (args) => test(context, args),
  };
}

async function test(context: Context, { name, timeout }: TestArguments): Promise<void> {
  const { places, terminal, json } = context;
  if (!(timeout > 0 && timeout <= 3600)) {
    throw new WarderError('usage', '"--timeout" is not a number of seconds', { hint: 'from 1 to 3600' });
  }
  const { profile } = loadProfile(places, name);
  const since = clock.now();
  using _progress = terminal.progress(`starting "${name}" once, as a host does`, { isGeneral: true });
  const trial = await tryProfile(context, name, { timeout: timeout * 1000 });
  const names = trial.tools?.map((tool) => tool.name);
  const refused = await trialRefusals(context, profile, trial, since);
  const asked = askedTools(profile.policy, names ?? []);
  const ok = trial.error === undefined;
  // A start that Warder refuses has an exit code of its own.
  if (!ok) context.exit(trial.code === 0 || trial.code === null ? 1 : trial.code);
  if (json) {
    const { server, error, code, stderr } = trial;
    terminal.json({
      name,
      ok,
      server,
      tools: names,
      asked,
      error,
      code,
      refused,
      stderr: ok ? undefined : stderr,
    });
    return;
  }
  const state = terminal.paint(ok ? 'green' : 'red', ok ? 'ok' : 'failed');
  terminal.out(`${terminal.paint('bold', name)}: ${state}`);
  if (trial.server !== undefined) terminal.out(`  server  ${trial.server.name} ${trial.server.version}`);
  if (names !== undefined) {
    terminal.out(`  tools   ${names.length}${names.length > 0 ? `: ${names.join(', ')}` : ''}`);
  }
  if (asked.length > 0) {
    const which = asked.length === names?.length ? 'all of them' : `${asked.length}: ${asked.join(', ')}`;
    terminal.out(`  asked   ${which}; "warder policy choose ${name}" allows some without a question`);
  }
  if (trial.error !== undefined) {
    terminal.out(`  error   ${trial.error}`);
    for (const line of trial.stderr.trimEnd().split('\n').slice(-MAX_LINES))
      terminal.out(`          ${line}`);
  }
  for (const refusal of refused) printRefusal(terminal, refusal);
  if (refused.length === 0) terminal.out('  refused nothing that Warder knows of');
}

function printRefusal({ out, paint }: Context['terminal'], refusal: Refusal): void {
  out(`  ${paint('red', 'refused')} ${refusalLine(refusal)}`);
  if (refusal.allow !== undefined) out(`          to allow it: ${refusal.allow}`);
}
