// warder import: shows the servers of the hosts on this machine, and moves them behind Warder: their secrets into the
// credential store, each into a profile that is started once, and the host's entry rewritten. `warder undo` undoes it.
import { isDeepStrictEqual } from 'node:util';
import type { CommandModule } from 'yargs';
import { escapeUnprintable } from '../audit/printable.ts';
import { WarderError } from '../errors.ts';
import { changeHostFile, newGroup, openHostFile } from '../host/change.ts';
import { type FoundFile, findFiles } from '../host/find.ts';
import { type Left, type Planned, planServer } from '../host/plan.ts';
import { type HostServer, moveServer, serversOf } from '../host/servers.ts';
import type { Context } from './command.ts';
import { checkHosts, launchedProfile, surroundingsOf } from './hosts/surroundings.ts';
import { commandLine, createProfile, freeName, takeBack } from './import/create-profile.ts';
import { ensureLaunchCommand } from './launch-command.ts';
import { hostEntry } from './profile/host-entry.ts';
import { confirm, yesOption } from './terminal/confirmation.ts';
import { pluralize } from './terminal/plural.ts';
import { repeatable } from './terminal/repeatable-option.ts';

interface ImportArguments {
  readonly hosts: readonly string[] | undefined;
  readonly server: readonly string[];
  readonly apply: boolean;
  readonly project: boolean;
  readonly yes: boolean;
}

/** A server that is not Warder's yet. */
interface Candidate {
  readonly found: FoundFile;
  readonly server: HostServer;
  readonly plan: Planned | Left;
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
    if (json) terminal.json(candidates.map(shown));
    else show(context, candidates, problems);
    return;
  }
  for (const problem of problems) terminal.err(`${terminal.paint('yellow', 'warder: note:')} ${problem}`);
  const chosen = candidates.filter(
    (one): one is Candidate & { plan: Planned } => one.plan.kind === 'profile',
  );
  if (chosen.length === 0) {
    throw new WarderError('refused', 'there is no server to import', {
      hint: '"warder import" shows what is here, and why it stays',
    });
  }
  if (!args.yes) {
    show(context, chosen, []);
    await confirm(terminal, {
      what: 'importing servers',
      question: `start each of these once in a sandbox, and move ${chosen.length === 1 ? 'it' : 'them'} behind Warder?`,
      otherwise: 'nothing was changed',
    });
  }
  ensureLaunchCommand(context);
  const results = await apply(context, chosen);
  if (json) terminal.json(results);
  if (results.every(({ profile }) => profile === undefined)) context.exit(1);
}

/** The servers that are not Warder's yet, and what is wrong with files. */
function look(
  context: Context,
  { server: wanted, project }: ImportArguments,
  ids: readonly string[],
): { candidates: Candidate[]; problems: string[] } {
  const problems: string[] = [];
  const files = findFiles(surroundingsOf(process.env), { projects: project, ...(ids.length > 0 && { ids }) });
  const candidates = files.flatMap((found): Candidate[] => {
    try {
      return serversOf(openHostFile(found).document, found.file)
        .filter((server) => launchedProfile(server, context.places) === undefined)
        .filter(({ name }) => wanted.length === 0 || wanted.includes(name))
        .map((server) => ({ found, server, plan: planServer(server) }));
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

/** A candidate without any secret. */
function shown({ found, server, plan }: Candidate): object {
  const where = { host: found.id, path: found.path, server: server.name };
  if (plan.kind === 'left') return { ...where, left: plan.why };
  const { name, start, words, credentials, hosts, env } = plan;
  return {
    ...where,
    profile: name,
    start,
    words,
    env: Object.keys(env),
    secrets: credentials.map(({ variable, from }) => ({ variable, why: from.why })),
    hosts,
  };
}

function show({ terminal }: Context, candidates: readonly Candidate[], problems: readonly string[]): void {
  let path = '';
  for (const { found, server, plan } of candidates) {
    if (found.path !== path) terminal.out(`${terminal.paint('bold', found.host.title)}  ${found.path}`);
    path = found.path;
    if (plan.kind === 'left') {
      terminal.out(`  ${escapeUnprintable(server.name)}: stays, because ${escapeUnprintable(plan.why)}`);
      continue;
    }
    terminal.out(`  ${escapeUnprintable(server.name)}: ${escapeUnprintable(commandLine(plan))}`);
    for (const { variable, from } of plan.credentials)
      terminal.out(`    secret ${escapeUnprintable(variable)}: ${from.why}`);
    if (plan.credentials.length > 0) {
      terminal.out(
        plan.hosts.length > 0
          ? `    sealed: the server never holds it, and it goes to ${plan.hosts.join(', ')} alone`
          : '    the server gets the value itself: which hosts it needs is not known ("warder edit" seals it later)',
      );
    }
  }
  for (const problem of problems) terminal.out(`${terminal.paint('yellow', 'problem')}  ${problem}`);
  if (candidates.length === 0) terminal.out('there is no server to import');
  else if (candidates.some(({ plan }) => plan.kind === 'profile'))
    terminal.out(
      `\n${pluralize(candidates.length, 'server')}; "warder import --apply" moves those that do not stay`,
    );
}

interface Imported {
  readonly host: string;
  readonly path: string;
  readonly server: string;
  readonly profile: string | undefined;
  readonly error: string | undefined;
}

async function apply(
  context: Context,
  chosen: readonly (Candidate & { plan: Planned })[],
): Promise<Imported[]> {
  const { terminal, json } = context;
  const group = newGroup();
  const made = new Map<string, string>();
  const failed = new Map<string, WarderError>();
  const results: Imported[] = [];
  for (const [path, candidates] of Map.groupBy(chosen, ({ found }) => found.path)) {
    const moved: { readonly server: HostServer; readonly profile: string }[] = [];
    const fresh: string[] = [];
    for (const { found, server, plan } of candidates) {
      const { name: _name, ...alike } = plan;
      const key = JSON.stringify(alike);
      const where = { host: found.id, path, server: server.name };
      try {
        let profile = made.get(key);
        const before = failed.get(key);
        if (before !== undefined) throw before;
        if (profile === undefined) {
          profile = freeName(context, plan.name);
          if (!json) terminal.err(terminal.paint('dim', `starting "${profile}" once …`));
          await createProfile(context, profile, plan);
          made.set(key, profile);
          fresh.push(key);
        }
        moved.push({ server, profile });
        results.push({ ...where, profile, error: undefined });
      } catch (error) {
        if (!(error instanceof WarderError)) throw error;
        failed.set(key, error);
        results.push({ ...where, profile: undefined, error: error.message });
        if (!json) {
          terminal.out(`${escapeUnprintable(server.name)}: left as it is: ${error.message}`);
          if (error.hint !== undefined) terminal.out(`  ${error.hint}`);
        }
      }
    }
    const [first] = candidates;
    if (first === undefined || moved.length === 0) continue;
    try {
      await rewrite(context, first.found, moved, group);
    } catch (error) {
      // Nothing of this file is moved, so nothing of it shall be left.
      for (const key of fresh) {
        await takeBack(context, made.get(key) ?? '');
        made.delete(key);
      }
      throw error;
    }
  }
  return results;
}

async function rewrite(
  context: Context,
  found: FoundFile,
  moved: readonly { readonly server: HostServer; readonly profile: string }[],
  group: string,
): Promise<void> {
  const { terminal, json } = context;
  await using control = await context.control();
  const done = await changeHostFile(
    found,
    {
      what: 'import',
      servers: moved.map(({ server }) => server.name),
      group,
      edits(document) {
        const now = serversOf(document, found.file);
        return moved.map(({ server, profile }) => {
          const same = now.find(({ path, entry }) =>
            isDeepStrictEqual([path, entry], [server.path, server.entry]),
          );
          if (same === undefined) {
            throw new WarderError(
              'refused',
              `"${server.name}" was changed in ${found.path} in the meantime`,
              {
                hint: 'nothing was written; try again',
              },
            );
          }
          return moveServer(same, hostEntry(context, profile), found.file.shape);
        });
      },
    },
    control,
  );
  if (json) return;
  for (const { server, profile } of moved)
    terminal.out(`${escapeUnprintable(server.name)}: goes through Warder now, as "${profile}"`);
  terminal.out(`  ${found.host.restart}`);
  terminal.out(
    '  the old tokens were in clear until now: once all works, revoke them where they were issued',
  );
  if (done !== undefined) terminal.out(`  to take it back: warder undo`);
}
