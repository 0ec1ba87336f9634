// warder import: shows the servers of the hosts on this machine, and moves them behind Warder: their secrets into the
// credential store, each into a profile that is started once, and the host's entry rewritten. `warder undo` undoes it.
import type { CommandModule } from 'yargs';
import { WarderError } from '../errors.ts';
import { openHostFile } from '../host/change.ts';
import { findFiles } from '../host/find.ts';
import { planServer } from '../host/plan.ts';
import type { Planned } from '../host/planned.ts';
import { inputsOf } from '../host/references.ts';
import { serversOf } from '../host/servers.ts';
import type { Context } from './command.ts';
import { unlockVault } from './credential/unlocking.ts';
import { checkHosts, launchedProfile, surroundingsOf } from './hosts/surroundings.ts';
import { applyImport, reportLeft } from './import/apply.ts';
import { type Candidate, type Imported, isPlanned } from './import/candidate.ts';
import { Interruption } from './import/interruption.ts';
import { factsOf, serverName, showCandidates, showDone, showNext, showSummary } from './import/show.ts';
import { killedImports, takeBackKilled } from './import/unfinished.ts';
import { giveValues } from './import/values.ts';
import { ensureLaunchCommand } from './launch-command.ts';
import { confirm, yesOption } from './terminal/confirmation.ts';
import { repeatable } from './terminal/repeatable-option.ts';

interface ImportArguments {
  readonly hosts: readonly string[] | undefined;
  readonly server: readonly string[];
  readonly apply: boolean;
  readonly project: boolean;
  readonly values: boolean;
  readonly yes: boolean;
}

export function importCommand(context: Context): CommandModule<object, ImportArguments> {
  return {
    command: 'import [hosts..]',
    describe: "move the servers of hosts behind Warder, and their secrets out of the hosts' files",
    builder: (yargs) =>
      yargs
        .positional('hosts', { type: 'string', array: true, describe: 'hosts; by default all' })
        .option('server', repeatable('only servers of this name; can be repeated'))
        .option('apply', { type: 'boolean', default: false, describe: 'do it; without it, only show' })
        .option('project', {
          type: 'boolean',
          default: false,
          describe: "also the project's files of this folder: each server must be named",
        })
        .option('values', {
          type: 'boolean',
          default: false,
          describe: 'values that hosts fill in come on stdin: NAME=VALUE, one a line',
        })
        .option('yes', yesOption)
        .example('warder import', 'what is here, and what would become of it; secrets by name only')
        .example('warder import cursor --apply', 'moves the servers of Cursor; "warder undo" takes it back'),
    handler: (args) => importServers(context, args),
  };
}

async function importServers(context: Context, args: ImportArguments): Promise<void> {
  const { terminal, json } = context;
  const ids = args.hosts ?? [];
  checkHosts(ids);
  if (args.project && args.apply && args.server.length === 0) {
    throw new WarderError('usage', "servers of a project's file must be named one by one", {
      hint: 'somebody else may have written it; use "--server NAME"',
    });
  }
  const { candidates, problems } = look(context, args, ids);
  if (!args.apply) {
    if (json) terminal.json(candidates.map(factsOf));
    else {
      showCandidates(context, candidates, problems);
      showNext(context, candidates);
    }
    return;
  }
  for (const problem of problems) terminal.err(`${terminal.paint('yellow', 'warder: note:')} ${problem}`);
  const planned = candidates.filter(isPlanned);
  if (planned.length > 0 || killedImports(context.places).length > 0) await requireStore(context);
  for (const name of await takeBackKilled(context))
    terminal.err(
      `${terminal.paint('yellow', 'warder: note:')} an import was killed before it was done: its profile "${name}" and the secrets of it are taken back`,
    );
  if (planned.length === 0) {
    throw new WarderError('refused', 'there is no server to import', {
      hint: '"warder import" shows what is here, and why it stays',
    });
  }
  if (!args.yes) {
    showCandidates(context, planned, []);
    await confirm(terminal, {
      what: 'importing servers',
      question: `start each of these once in a sandbox, and move ${planned.length === 1 ? 'it' : 'them'} behind Warder?`,
      otherwise: 'nothing was changed',
    });
  }
  const isAsked = terminal.interactive && !json && !args.yes;
  const filled = await giveValues(context, planned, { fromStdin: args.values, isAsked });
  const results: Imported[] = filled.flatMap((candidate) =>
    candidate.plan.kind === 'left' ? [reportLeft(context, candidate, candidate.plan.why)] : [],
  );
  const chosen = filled.filter(isPlanned);
  if (chosen.length > 0) ensureLaunchCommand(context);
  using interruption = new Interruption();
  let isWhole: boolean;
  try {
    isWhole = await applyImport(context, chosen, (more) => void results.push(...more), interruption.signal);
  } catch (error) {
    if (!json) showMoved(context, chosen, results);
    if (!interruption.signal.aborted) throw error;
    if (json) terminal.json(results);
    terminal.err('interrupted: what was not finished was taken back');
    interruption.raise();
    return;
  }
  if (json) terminal.json(results);
  else {
    showSummary(context, results);
    showMoved(context, chosen, results);
  }
  if (!isWhole || results.every(({ profile }) => profile === undefined)) context.exit(1);
}

/** Nothing is installed and started for secrets that could not be kept. Throws `store-unset`, `vault-locked`, and what `vault.unlock` throws. */
async function requireStore(context: Context): Promise<void> {
  await using control = await context.control();
  const { kind, chosen } = await control.request('store.state', {});
  if (kind === 'vault' && chosen.state === 'locked') {
    if (!context.terminal.interactive)
      throw new WarderError('vault-locked', 'the vault is locked, and so nothing was changed', {
        hint: 'run "warder credential unlock" first',
      });
    await unlockVault(context, control);
  }
  if (kind !== null) return;
  throw new WarderError('store-unset', 'no credential store is set up, and so nothing was changed', {
    hint: 'run "warder init" first: it asks where credentials are kept',
  });
}

function showMoved(
  context: Context,
  chosen: readonly Candidate<Planned>[],
  results: readonly Imported[],
): void {
  const moved = results.filter(({ profile }) => profile !== undefined);
  if (moved.length === 0) return;
  const hadSecrets = chosen.some(
    (candidate) =>
      candidate.plan.credentials.length > 0 &&
      moved.some(({ path, server }) => path === candidate.found.path && server === serverName(candidate)),
  );
  showDone(context, hadSecrets);
}

/** The servers that are not Warder's yet, and what is wrong with files. */
function look(
  context: Context,
  { server: wanted, project }: ImportArguments,
  ids: readonly string[],
): { candidates: Candidate[]; problems: string[] } {
  const problems: string[] = [];
  const files = findFiles(surroundingsOf(process.env), { projects: project, ...(ids.length > 0 && { ids }) });
  // Links of two hosts may lead to one file: each entry is moved once.
  const seen = new Set<string>();
  const candidates = files.flatMap((found): Candidate[] => {
    try {
      const { text, document } = openHostFile(found);
      const origin = { scope: found.file.scope, inputs: inputsOf(document.value) };
      return serversOf(document, found.file)
        .filter((server) => launchedProfile(server, context.places) === undefined)
        .filter(({ name }) => wanted.length === 0 || wanted.includes(name))
        .filter(({ path }) => isFirst(seen, JSON.stringify([text.file, path])))
        .map((server) => ({ found, server, plan: planServer(server, origin) }));
    } catch (error) {
      if (!(error instanceof WarderError)) throw error;
      problems.push(`${error.message}${error.hint === undefined ? '' : ` (${error.hint})`}`);
      return [];
    }
  });
  const missing = wanted.filter((name) => !candidates.some(({ server }) => server.name === name));
  if (missing.length > 0) {
    throw new WarderError('usage', `no host has a server "${missing[0]}" that is not Warder's`, {
      hint: '"warder import" lists them',
    });
  }
  return { candidates, problems };
}

function isFirst(seen: Set<string>, key: string): boolean {
  const { size } = seen;
  return seen.add(key).size > size;
}
