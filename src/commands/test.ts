// warder test: starts a profile's server once, as a host does, and shows what it was refused.
import { existsSync } from 'node:fs';
import type { CommandModule } from 'yargs';
import { type LogRecord, listRecords } from '../audit/read.ts';
import { catchWarderError, WarderError } from '../errors.ts';
import { clock } from '../os/clock.ts';
import type { Profile } from '../profile/format.ts';
import { loadProfile } from '../profile/load.ts';
import type { Context } from './command.ts';
import { openPackageStore } from './package/package-store.ts';
import { previewServer } from './profile/preview.ts';
import {
  askedTools,
  mergeRefusals,
  type Refusal,
  recordedRefusals,
  refusedSockets,
  reportedRefusals,
} from './test/refusals.ts';
import { tryProfile } from './test/try-profile.ts';

interface TestArguments {
  readonly name: string;
  readonly timeout: number;
}

/** How many records of the log are searched. */
const MAX_RECORDS = 10_000;

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
  const entries = await ownRecords(places.audit, name, since);
  const refused = [
    ...mergeRefusals(recordedRefusals(name, entries), reportedRefusals(name, trial.stderr, existsSync)),
    ...socketRefusals(context, profile, trial.stderr),
  ];
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

/** What the plan of its sandbox says of sockets that its messages speak of. */
function socketRefusals(context: Context, profile: Profile, stderr: string): Refusal[] {
  const preview = catchWarderError(() => previewServer(profile, context.places, openPackageStore(context)));
  const sandbox = preview instanceof WarderError ? preview : preview.sandbox;
  return sandbox === undefined || sandbox instanceof WarderError
    ? []
    : refusedSockets(stderr, sandbox.unixSockets);
}

function printRefusal({ out, paint }: Context['terminal'], { what, reason, count, allow }: Refusal): void {
  const times = count > 1 ? `, ${count} times` : '';
  out(`  ${paint('red', 'refused')} ${what}: ${reason}${times}`);
  if (allow !== undefined) out(`          to allow it: ${allow}`);
}

/** The records of the session that this process has opened. */
async function ownRecords(folder: string, profile: string, since: number): Promise<LogRecord['entry'][]> {
  const records = await listRecords(folder, { profile, since }, MAX_RECORDS);
  const entries = records.map(({ entry }) => entry);
  const own = entries.find(
    ({ event, host }) => event === 'session.open' && chainOf(host).includes(process.pid),
  );
  return own === undefined ? [] : entries.filter(({ session }) => session === own.session);
}

/** The pids of the processes that opened a session. */
function chainOf(host: unknown): unknown[] {
  const { chain = [] } = (host ?? {}) as { chain?: readonly { pid?: unknown }[] };
  return chain.map(({ pid }) => pid);
}
