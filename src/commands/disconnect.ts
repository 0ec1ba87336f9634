// warder disconnect: takes the entries of a profile out of the configurations of hosts.
import type { CommandModule } from 'yargs';
import { WarderError } from '../errors.ts';
import { changeHostFile, newGroup, openHostFile } from '../host/change.ts';
import { type FoundFile, findFiles } from '../host/find.ts';
import { type HostServer, serversOf } from '../host/servers.ts';
import { checkProfileName } from '../profile/format.ts';
import type { Context } from './command.ts';
import { checkHosts, launchedProfile, surroundingsOf } from './hosts/surroundings.ts';
import { repeatable } from './terminal/repeatable-option.ts';

interface DisconnectArguments {
  readonly name: string;
  readonly host: readonly string[];
  readonly project: boolean;
}

export function disconnectCommand(context: Context): CommandModule<object, DisconnectArguments> {
  return {
    command: 'disconnect <name>',
    describe: 'take a profile out of the configuration of hosts',
    builder: (yargs) =>
      yargs
        .positional('name', { type: 'string', demandOption: true, describe: 'a profile' })
        .option('host', repeatable('a host; by default all; can be repeated'))
        .option('project', {
          type: 'boolean',
          default: false,
          describe: "also in the project's files of this folder",
        })
        .example('warder disconnect github', 'the profile stays; "warder remove" removes it'),
    handler: (args) => disconnect(context, args),
  };
}

async function disconnect(context: Context, args: DisconnectArguments): Promise<void> {
  const { terminal, json, places } = context;
  const { name } = args;
  checkProfileName(name);
  checkHosts(args.host);
  const files = findFiles(surroundingsOf(process.env), {
    projects: args.project,
    ...(args.host.length > 0 && { ids: args.host }),
  });
  const isOwn = (server: HostServer): boolean => launchedProfile(server, places) === name;
  const results: object[] = [];
  const problems: WarderError[] = [];
  const group = newGroup();
  for (const found of files) {
    try {
      const own = serversOf(openHostFile(found).document, found.file).filter(isOwn);
      if (own.length > 0) results.push(await takeOut(context, found, isOwn, own, group));
    } catch (error) {
      if (!(error instanceof WarderError)) throw error;
      problems.push(error);
    }
  }
  if (json) terminal.json(results);
  else if (results.length === 0) terminal.out(`no host names "${name}"`);
  const [problem] = problems;
  if (problem !== undefined) throw problem;
}

async function takeOut(
  context: Context,
  found: FoundFile,
  isOwn: (server: HostServer) => boolean,
  own: readonly HostServer[],
  group: string,
): Promise<object> {
  const { terminal, json } = context;
  const { host, path, file, id } = found;
  const servers = own.map(({ name }) => name);
  await using control = await context.control();
  const done = await changeHostFile(
    found,
    {
      what: 'disconnect',
      servers,
      group,
      edits: (document) =>
        // From the last one, because the places in a list move.
        serversOf(document, file)
          .filter(isOwn)
          .reverse()
          .map((server) => ({ path: server.path, changes: [{ path: [], value: undefined }] })),
    },
    control,
  );
  if (!json) {
    for (const server of servers) terminal.out(`took "${server}" out of ${path}`);
    terminal.out(`  ${host.restart}`);
    if (done !== undefined) terminal.out(`  to take it back: warder undo ${done.id}`);
  }
  return { host: id, path, servers, undo: done?.id ?? null };
}
